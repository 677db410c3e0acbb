"""The generalist networks and the method made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from meddl.core import Image, inference, read_image, write_image
from meddl.core.errors import Cancelled, DependencyError, InputError
from meddl.core.metrics import dice
from meddl.core.progress import CancelToken
from meddl.core.weights import find_weights, read_card
from meddl.deepigeos.encoding import CHANNELS
from meddl.deepigeos.generalist import CoarseGrid, _network, one_channel
from meddl.deepigeos.generalist_network import ScribbleNet, load_p_net, widened_p_net
from meddl.deepigeos.generalist_training import (
    GeneralistTraining,
    Phantoms,
    corrected_seeds,
    first_seeds,
    train_generalist,
)
from meddl.deepigeos.interactions import scribbles
from meddl.deepigeos.methods import P_NET, R_NET, make_method
from meddl.deepigeos.phantom_shapes import random_labels


def test_a_linear_ramp_survives_the_way_to_the_grid_and_back() -> None:
    """Means and linear interpolation are exact on a ramp, but for the half voxel at the border."""
    ramp = np.broadcast_to(np.arange(96, dtype=np.float32), (20, 30, 96))
    grid = CoarseGrid(ramp.shape, (2.0, 1.0, 1.0), grid=48)
    assert grid.shape == (20, 15, 48)
    np.testing.assert_allclose(grid.spacing, (2, 2, 2))
    coarse = grid.mean(ramp)
    np.testing.assert_allclose(coarse[0, 0], np.arange(48) * 2 + 0.5)
    padded = grid.padded(coarse[None])[0]
    assert padded.shape == (24, 16, 48)
    np.testing.assert_allclose(grid.to_volume(padded)[..., 1:-1], ramp[..., 1:-1], atol=1e-4)


def test_small_volumes_keep_their_voxels() -> None:
    grid = CoarseGrid((10, 20, 30), (3.0, 1.0, 1.0))
    assert grid.shape == (10, 20, 30)
    volume = np.random.default_rng(0).standard_normal((10, 20, 30)).astype(np.float32)
    np.testing.assert_array_equal(grid.mean(volume), volume)
    np.testing.assert_allclose(grid.to_volume(volume), volume, atol=1e-5)


def test_no_seed_is_lost_on_the_grid() -> None:
    seeds = np.zeros((128, 128, 128), np.uint8)
    seeds[5, 6, 7], seeds[100, 101, 102] = 2, 1
    coarse = CoarseGrid(seeds.shape, (1, 1, 1)).seeds(seeds)
    assert coarse.shape == (64, 64, 64)
    np.testing.assert_array_equal(np.argwhere(coarse == 2), [(2, 3, 3)])
    np.testing.assert_array_equal(np.argwhere(coarse == 1), [(50, 50, 51)])


def test_fishers_direction_tells_the_seeds_apart() -> None:
    """Two channels share a strong disturbance; their difference is the target."""
    rng = np.random.default_rng(0)
    target = np.zeros((12, 12, 12), bool)
    target[3:9, 3:9, 3:9] = True
    disturbance = 5 * rng.standard_normal(target.shape)
    noise = 0.1 * rng.standard_normal((2, *target.shape))
    channels = (np.stack([disturbance + target, disturbance]) + noise).astype(np.float32)
    seeds = np.where(target, 2, 1).astype(np.uint8) * (rng.random(target.shape) < 0.3)
    projected = one_channel(channels, seeds.astype(np.uint8))
    middle = (projected[target].mean() + projected[~target].mean()) / 2
    assert ((projected > middle) == target).mean() > 0.99
    np.testing.assert_array_equal(one_channel(channels[:1], seeds), channels[0])


def test_the_widened_network_begins_as_the_p_net() -> None:
    torch.manual_seed(0)
    p_net = ScribbleNet(len(CHANNELS)).eval()
    r_net = widened_p_net(p_net).eval()
    inputs = torch.randn(1, len(CHANNELS) + 1, 8, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(r_net(inputs), p_net(inputs[:, :-1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_simulated_seeds_are_true(seed: int) -> None:
    images, targets, voxel = Phantoms(2, 2).draw(0, np.random.default_rng(seed))
    assert images.shape == targets.shape and images.shape[0] == 2
    rng = np.random.default_rng(seed)
    for target in targets != 0:
        seeds = first_seeds(target, voxel, rng)
        assert (seeds == 2).any() and target[seeds == 2].all() and not target[seeds == 1].any()
        wrong = np.roll(target, 2, axis=2)
        more = corrected_seeds(seeds, wrong, target, voxel, rng)
        assert target[more == 2].all() and not target[more == 1].any()
        assert (more != seeds).any()


def test_a_run_lowers_its_loss_and_an_r_net_goes_on_from_it(tmp_path, monkeypatch) -> None:
    """Twelve steps on small grids; the weights load again as the same network."""
    from meddl.deepigeos import generalist_training as training

    monkeypatch.setattr(training, "GRIDS", (((16, 16, 16), 1),))
    monkeypatch.setattr(training, "VALIDATION_IMAGES", 4)
    parameters = GeneralistTraining(
        epochs=3, images=16, together=4, seed=1, device="cpu", learning_rate=0.01
    )
    history = train_generalist(tmp_path / "p", parameters)
    assert history[-1]["train/loss"] < history[0]["train/loss"]
    start = tmp_path / "p" / "best" / "deepigeos-p-net.safetensors"
    corrector = replace(parameters, network="r-net", start=str(start), epochs=1)
    train_generalist(tmp_path / "r", corrector)
    found = load_p_net(str(tmp_path / "r" / "best" / "deepigeos-r-net.safetensors"))
    assert found.channels == len(CHANNELS) + 1
    with pytest.raises(InputError, match="--start"):
        train_generalist(tmp_path / "none", replace(corrector, start=""))


@pytest.mark.parametrize("name", [P_NET, R_NET])
def test_the_shipped_weights_are_small_and_finite(name: str) -> None:
    path = find_weights(name)
    card = read_card(path)
    assert path.stat().st_size < 6e6 and card.bundled and card.metrics
    assert load_p_net(name).channels == len(CHANNELS) + (name == R_NET)


def test_the_method_segments_an_organ_that_it_has_never_seen() -> None:
    """The spleen of the bundled CT, after one and after four interactions, in one region.

    The bars lie 0.1 below what the validation report gives for that organ.
    """
    data = Path(__file__).parents[2] / "data"
    labels = read_image(data / "abdomen_pelvis_labels.nii.gz").array
    image = read_image(data / "abdomen_pelvis_ct.nii.gz")
    box = tuple(
        slice(max(int(axis.min()) - 8, 0), int(axis.max()) + 9) for axis in np.nonzero(labels == 1)
    )
    truth = labels[box] == 1
    spacing = image.spacing[::-1]
    method = make_method("network", image.array[box][..., None].astype(np.float32), spacing, "cpu")
    seeds, previous, found = np.zeros(truth.shape, np.uint8), None, []
    rng = np.random.default_rng(0)
    for _ in range(4):
        before = np.zeros_like(truth) if previous is None else previous > 0.5
        foreground, background = scribbles(before, truth, spacing, rng)
        seeds[foreground], seeds[background] = 2, 1
        previous = method(seeds, previous)
        assert previous[seeds == 2].min() == 1 and previous[seeds == 1].max() == 0
        found.append(dice(previous > 0.5, truth))
    assert found[0] > 0.7 and found[-1] > 0.8


def test_a_cancelled_method_can_be_called_again() -> None:
    image = np.random.default_rng(0).standard_normal((16, 16, 16, 1)).astype(np.float32)
    seeds = np.zeros((16, 16, 16), np.uint8)
    seeds[8, 8, 8], seeds[2, 2, 2] = 2, 1
    method = make_method("network", image, (1, 1, 1), "cpu")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        method(seeds, cancel=token)
    np.testing.assert_array_equal(method(seeds), method(seeds))


def test_a_damaged_openvino_leaves_the_work_to_pytorch(monkeypatch, caplog) -> None:
    def damaged() -> None:
        raise DependencyError("openvino does not import here")

    monkeypatch.setattr("meddl.deepigeos.generalist.is_installed", lambda name: True)
    monkeypatch.setattr(inference, "_openvino", damaged)
    engine = _network.__wrapped__(P_NET, "cpu")
    assert engine.name == "torch"
    assert "PyTorch takes the place of OpenVINO: openvino does not import here" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((4, 5, 6), np.uint8), "every voxel is 0"),
        (np.ones((4, 5, 6, 3), np.uint8), "3 values per voxel"),
        (np.full((4, 5, 6), -1, np.int16), "from -1 to -1"),
        (np.full((4, 5, 6), 40000, np.uint16), "from 40000 to 40000"),
        (np.full((4, 5, 6), 1.5, np.float32), "from 1.5 to 1.5"),
        (np.full((4, 5, 6), 1e10, np.float32), "from 1e.10 to 1e.10"),
        (np.full((4, 5, 6), np.nan, np.float32), "NaN or infinite"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_files_that_are_no_label_maps_are_refused(tmp_path: Path, labels, message: str) -> None:
    write_image(tmp_path / "labels.nii.gz", Image(labels))
    settings = GeneralistTraining(labels=str(tmp_path / "labels.nii.gz"))
    with pytest.raises(InputError, match=message):
        train_generalist(tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kept", [0, 7])
def test_labels_are_found_wherever_they_lie(kept: int) -> None:
    """Between every fourth voxel alone, and without any 0, which leaves nothing else to draw."""
    anatomy = np.full((9, 9, 9), kept, np.int16)
    anatomy[1:4, 1:4, 1:4] = 7
    rng = np.random.default_rng(0)
    shapes = [random_labels((16, 16, 16), rng, [anatomy]) for _ in range(20)]
    whole = sum(labels.max() == 0 for labels in shapes)
    assert whole == 0 if kept == 0 else 0 < whole < 10
