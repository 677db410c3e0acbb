"""Weights, engines and training at any size and number type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from library.core import tiny_run  # noqa: E402
from meddl.core import find_weights, load_engine, load_weights, save_weights  # noqa: E402
from meddl.core.inference import installed_engines  # noqa: E402
from meddl.core.training import Trainer, TrainingParameters  # noqa: E402
from meddl.core.weights import Card  # noqa: E402
from properties import examples  # noqa: E402

few = examples(8, deadline=None)
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64]


class Holder(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)


@few
@given(
    st.lists(
        st.tuples(st.sampled_from(TYPES), st.lists(st.integers(1, 5), max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_weights_come_back_bit_by_bit(tmp_path_factory, kinds):
    tensors = {
        f"t{n}": (100 * torch.randn(shape)).to(dtype) for n, (dtype, shape) in enumerate(kinds)
    }
    path = tmp_path_factory.mktemp("drawn") / "w.safetensors"
    save_weights(Holder(tensors), path, Card(name="w", task="none", architecture="tiny"))
    assert find_weights(path) == path
    empty = Holder({name: torch.zeros_like(tensor) for name, tensor in tensors.items()})
    assert load_weights(empty, path).task == "none"
    for name, tensor in empty.named_buffers():
        assert tensor.dtype == tensors[name].dtype and torch.equal(tensor, tensors[name])


@examples(4, deadline=None)
@given(st.tuples(*[st.integers(1, 33)] * 2), st.integers(1, 3), st.sampled_from([1, 3]))
def test_engines_give_torchs_result_at_any_size(size, batch, channels):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1)
    ).eval()
    pictures = np.random.default_rng(0).random((batch, channels, *size), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pictures)).numpy()
    for name in installed_engines():
        engine = load_engine(network, np.zeros((1, channels, 32, 32), np.float32), name, threads=1)
        np.testing.assert_allclose(engine(pictures), expected, atol=2e-3)


@examples(3, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(0, 99))
def test_a_run_is_repeated_by_its_record(tmp_path_factory, epochs, batch, seed):
    parameters = {"epochs": epochs, "batch_size": batch, "seed": seed}
    digests = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("drawn") / "run"
        run = tiny_run.trainer(folder, parameters, plain=True)
        assert isinstance(run, Trainer) and isinstance(run.parameters, TrainingParameters)
        assert len(run.fit()) == epochs
        digests.append(tiny_run.digest(run.model))
    assert digests[0] == digests[1]
