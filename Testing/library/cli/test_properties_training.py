"""What the training commands make of a few pictures of any size does its work on another; as in
``test_properties.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import Phase, given
from hypothesis import strategies as st

from library.faults.commands import ENDODEPTH
from meddl.core import Image, read_image, write_image
from meddl.core.depth_maps import read_depth_folder
from properties import examples, images

from .drawn_files import command, picture, seeds, sizes, stored
from .drawn_sequences import plane_sequence

pytest.importorskip("lightning_fabric")
pytest.importorskip("monai")

PHASES = [Phase.explicit, Phase.generate]  # shrinking takes minutes
slow = examples(2, deadline=None, phases=PHASES)
slower = examples(1, times=8, deadline=None, phases=PHASES)  # up to half a minute each
RUN = {"epochs": 1, "device": "cpu", "checkpoint_minutes": 60}


def trained(system: str, config: dict[str, Any], folder: Path, run: Path) -> Path | None:
    """The weights that ``meddl SYSTEM train`` makes of a configuration, None if it refused it."""
    (folder / "a config.yaml").write_text(yaml.safe_dump(config))
    if not command(system, "train", folder / "a config.yaml", output=run):
        return None
    (weights,) = (run / "best").glob("*.safetensors")
    return weights


@slow
@given(
    st.lists(sizes, min_size=2, max_size=3),
    st.sampled_from([1, 3]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 3),
    seeds,
)
def test_deepigeos_train(folders, sizes, channels, patch, batch, seed):
    """2-D P-Net on pictures of one kind, whose left half is the target."""
    folder = folders()
    (folder / "labels").mkdir()
    for number, size in enumerate(sizes):
        picture(folder, f"p{number}", size, seed + number, channels)
        label = np.zeros((1, *size), np.uint8)
        label[..., : (size[1] + 1) // 2] = 9
        write_image(folder / f"labels/p{number}.png", Image(label))
    config = {
        "data": {
            "images": "{case}.png",
            "labels": "labels/{case}.png",
            "classes": {"left": 9},
            "validation": ["p0"],
        },
        "dimensions": 2,
        "width": 4,
        "normalization": "window",
        "patch_size": [*patch, 1],
        "patches_per_case": 2,
        "batch_size": batch,
    }
    weights = trained("deepigeos", config | RUN, folder, folders() / "run")
    assert weights is not None
    other = picture(folder, "other", sizes[-1][::-1], seed, channels)
    words = "deepigeos", "segment", other, "--weights", weights, "--device", "cpu"
    assert command(*words, output=folder / "found.png")
    found = read_image(folder / "found.png").array
    assert found.shape == (1, *sizes[-1][::-1]) and set(np.unique(found)) <= {0, 1}


@slow
@given(
    st.lists(sizes, min_size=2, max_size=3),
    st.sampled_from(["light", "pix2pix"]),
    st.tuples(*[st.sampled_from([24, 32, 40, 64, 70])] * 2),
    seeds,
)
def test_desmoke_train(folders, sizes, architecture, size, seed):
    """On single pictures."""
    folder = folders()
    for number, shape in enumerate(sizes):
        picture(folder, f"p{number}", shape, seed + number)
    config = {
        "data": {"clear": ["p*.png"], "validation": ["p0"]},
        "architecture": architecture,
        "size": list(size),
        "layers": 3,
        "filters": 4,
        "clip_length": 2,
        "batch_size": 2,
    }
    weights = trained("desmoke", config | RUN, folder, folders() / "run")
    takes = max(size) >= 64 if architecture == "light" else not any(n % 8 for n in size)
    assert (weights is not None) == (min(size) >= 32 and takes)
    if weights is not None:
        words = "desmoke", "image", folder / "p0.png", "--weights", weights
        assert command(*words, "--device", "cpu", output=folder / "clear.png")
        assert read_image(folder / "clear.png").array.shape == (1, *sizes[0], 3)


@slow
@given(
    st.lists(sizes, min_size=2, max_size=3),
    st.tuples(*[st.sampled_from([40, 33, 57, 28])] * 2),
    st.integers(1, 2),
    seeds,
)
def test_monodepth_train(folders, sizes, size, batch, seed):
    folder = folders()
    rng = np.random.default_rng(seed)
    for number, shape in enumerate(sizes):
        picture(folder, f"p{number}", shape, seed + number)
        depth = rng.integers(500, 5000, (1, *shape), dtype=np.uint16)
        write_image(folder / f"p{number} depth.png", Image(depth))
    data = {"colour": "p{pair}.png", "depth": "p{pair} depth.png", "validation": ["0"]}
    config = {"data": data, "size": list(size), "batch_size": batch}
    weights = trained("monodepth", config | RUN, folder, folders() / "run")
    assert (weights is not None) == (min(size) >= 32)
    if weights is not None:
        words = "monodepth", "predict", folder / "p0.png", "--weights", weights, "--device", "cpu"
        assert command(*words, output=folder / "depth")
        depths = read_depth_folder(folder / "depth")
        assert depths.unit == "mm" and depths.depth("p0").shape == sizes[0]


@slow
@given(st.tuples(st.integers(24, 60), st.integers(24, 60)), st.integers(4, 7), seeds)
def test_endodepth_train(folders, size, count, seed):
    """A plane, seen by a few cameras."""
    folder = folders()
    sequence = plane_sequence(folder / "sequence", size, count, seed)
    config = {**ENDODEPTH, "adjacent_range": [1, 2], "number_epoch": 1}
    weights = trained("endodepth", config, folder, folders() / "run")
    assert weights is not None
    words = "endodepth", "predict", folder / "sequence", "--weights", weights, "--device", "cpu"
    assert command(*words, "--engine", "torch", output=folder / "depth")
    depths = read_depth_folder(folder / "depth")
    assert len(depths.names) == count and depths.camera is not None
    seen = depths.camera.height, depths.camera.width
    # The frames with a margin, to sides that the network can halve.
    assert all(n % 32 == 0 and n >= side for n, side in zip(seen, size, strict=True))
    np.testing.assert_allclose(depths.camera.intrinsics, sequence.intrinsics)
    for name in depths.names:
        depth = depths.depth(name)
        assert depth.shape == seen and np.isfinite(depth).all() and depth.min() >= 0
        assert not depth[size[0] :].any() and not depth[:, size[1] :].any()


@slow
@given(st.sampled_from([16, 24, 32, 8, 17]), st.integers(1, 3), st.integers(1, 2), seeds)
def test_drr_materials_train(folders, side, patches, batch, seed):
    """On phantoms of any side that the network can halve."""
    words = "drr", "materials", "train", "--patches", patches, "--side", side, "--width", 4
    words = *words, "--epochs", 1, "--device", "cpu", "--batch-size", batch, "--seed", seed % 1000
    run = folders() / "run"
    done = command(*words, output=run)
    assert done == (side >= 16 and side % 8 == 0)
    assert not done or list(run.rglob("*.safetensors"))


@slower
@given(
    st.sampled_from([9, 8, 11, 7]),
    st.sampled_from([1000, 2000, 1234, 999]),
    st.sampled_from([4, 6, 12, 3]),
    st.integers(1, 3),
    st.integers(0, 10**6),
)
def test_drr_scatter_train(folders, count, photons, width, batch, seed):
    """On torsos that few photons passed."""
    from meddl.deepdrr.scatter_examples import random_examples
    from meddl.deepdrr.scatter_network import correct

    words = "drr", "scatter", "train", "--model", "network", "--examples", count, "--epochs", 1
    words = *words, "--photons", photons, "--width", width, "--batch-size", batch, "--seed", seed
    run = folders() / "run"
    done = command(*words, "--device", "cpu", output=run)
    assert done == (count >= 8 and photons >= 1000 and width >= 4)
    if done:
        (other,) = random_examples([seed + 1], 640)
        scatter = correct(other.inputs, other.kernel, run / "run/best/scatter-network.safetensors")
        assert scatter.shape == other.kernel.shape
        assert np.array_equal(scatter > 0, other.kernel > 0) and np.isfinite(scatter).all()


@slower
@given(
    st.none() | images(dtypes=["u1", "i2", "u2"], high=4),
    st.sampled_from([3, 2, 8, 1]),
    st.sampled_from(["p-net", "r-net"]),
    seeds,
)
def test_deepigeos_generalist(folders, labels, together, network, seed):
    """On random shapes and on those of a label map of any size; r-net begins with P-Net's."""
    import torch

    from meddl.deepigeos.generalist_network import load_p_net

    folder, run = folders(), folders() / "run"
    words = "deepigeos", "generalist", "--images", 8, "--together", together, "--epochs", 1
    words = *words, "--network", network, "--seed", seed, "--device", "cpu"
    if labels is not None:
        words = *words, "--labels", stored(folder, labels, "labels")
    if network == "r-net":
        words = *words, "--start", "deepigeos-p-net"
    done = command(*words, output=run)
    assert done == (together >= 2)
    if done:
        (weights,) = (run / "best").glob("*.safetensors")
        found = load_p_net(str(weights))
        channels = torch.rand(1, found.channels, 8, 16, 24)
        with torch.inference_mode():
            assert found(channels).isfinite().all()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Where the rendered scenes of all examples are kept."""
    return tmp_path_factory.mktemp("rendered") / "pictures"


@slower
@given(
    st.integers(1, 2), st.integers(1, 3), st.sampled_from([2, 4, 3, 1]), st.integers(0, 2), sizes
)
def test_endodepth_train_rendered(rendered, folders, scenes, views, batch, seed, size):
    """On few pictures; the weights give depth of a picture of any size."""
    words = "endodepth", "train-rendered", "--scenes", scenes, "--views", views, "--epochs", 1
    words = *words, "--batch-size", batch, "--seed", seed, "--pictures", rendered
    folder, run = folders(), folders() / "run"
    done = command(*words, "--device", "cpu", output=run)
    assert done == (batch >= 2)
    if not done:
        return
    (weights,) = (run / "best").glob("*.safetensors")
    words = "endodepth", "predict", picture(folder, "other", size, seed), "--weights", weights
    assert command(*words, "--device", "cpu", "--engine", "torch", output=folder / "depth")
    depth = read_depth_folder(folder / "depth").depth("other")
    assert depth.shape == size and np.isfinite(depth).all() and depth.min() >= 0
