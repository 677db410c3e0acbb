"""The light network's maps, its memory of the frame before, and its loss."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from meddl.core.errors import InputError
from meddl.core.video import read_frames
from meddl.core.weights import Card, save_weights
from meddl.desmoke import VideoDesmoker, blend, depth_from_brightness, scattering, smoke_clip
from meddl.desmoke.light_network import (
    INPUTS,
    LightNetwork,
    first_state,
    next_state,
    recovered,
)
from meddl.desmoke.light_training import clip_loss, unrolled
from meddl.desmoke.metrics import psnr
from meddl.desmoke.network_estimator import ARCHITECTURE, NetworkEstimator, without_traces
from meddl.desmoke.training_parameters import DesmokeTraining

CLIP = Path(__file__).parents[2] / "data/input_12.avi"


def network(seed=0, **arguments):
    torch.manual_seed(seed)
    return LightNetwork(**arguments).eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    arguments = {"widths": [8, 12], "blocks": [0, 1]}
    card = Card("small", "desmoking", ARCHITECTURE, {"network": arguments})
    save_weights(network(**arguments), path, card)
    return path


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (1, 1)])
def test_maps_are_in_their_ranges_at_the_size_of_the_picture(shape):
    with torch.no_grad():
        smoke = network()(100 * torch.randn(2, INPUTS, *shape))
    assert smoke.shape == (2, 7, *shape)
    assert smoke[:, :4].min() >= 0 and smoke[:, :4].max() <= 1
    assert smoke[:, 4:].abs().max() <= 0.1


def test_maps_are_smoothed_by_means_within_the_picture():
    """Inside as SciPy's box filter twice; at the rim a mean of what is there."""
    rough, smooth = network(), network(smoothing=2)
    seen = torch.rand(1, INPUTS, 64, 96)
    with torch.no_grad():
        before, after = rough.maps(seen)[0].numpy(), smooth.maps(seen)[0].numpy()
        torch.nn.init.zeros_(smooth.last.weight)
        level = smooth.maps(seen)[0].numpy()
    expected = uniform_filter(uniform_filter(before, (1, 5, 5)), (1, 5, 5))
    np.testing.assert_allclose(after[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], rtol=1e-4, atol=1e-6)
    assert np.ptp(level, axis=(1, 2)).max() < 1e-6


def test_recovered_is_the_scattering_models():
    rng = np.random.default_rng(4)
    t, airlight = rng.random((6, 5), np.float32), rng.random((6, 5, 3), np.float32)
    residual = 0.1 * rng.random((6, 5, 3), np.float32)
    smoky = rng.random((6, 5, 3), np.float32)
    maps = np.concatenate([t[..., None], airlight, residual], 2).transpose(2, 0, 1)
    found = recovered(
        torch.from_numpy(smoky.transpose(2, 0, 1))[None], torch.from_numpy(maps)[None], 0.1
    )
    expected = scattering.recover(smoky, scattering.Veil(t, airlight, residual), 0.1)
    np.testing.assert_allclose(found[0].clamp(0, 1).numpy().transpose(1, 2, 0), expected, atol=1e-5)


def test_each_frame_sees_the_frame_before_and_its_smoke():
    model = network()
    clips = torch.rand(2, 3, 3, 16, 16)
    with torch.no_grad():
        maps = unrolled(model, clips)
        first = model(torch.cat([clips[:, 0], first_state(clips[:, 0])], 1))
        second = model(torch.cat([clips[:, 1], next_state(clips[:, 0], first)], 1))
        changed = unrolled(model, clips.flip(1))[-1]
    torch.testing.assert_close(maps[0], first)
    torch.testing.assert_close(maps[1], second)
    assert not torch.allclose(changed, maps[0], atol=1e-6)  # the same frame after another one


def test_loss_of_the_true_smoke_is_that_of_its_residual_only():
    """A model that tells the truth has no error in any term."""
    rng = torch.Generator().manual_seed(1)
    clear = torch.rand(2, 3, 3, 16, 16, generator=rng)
    t = torch.rand(2, 3, 1, 16, 16, generator=rng) * 0.7 + 0.3
    airlight = torch.rand(2, 3, 3, 16, 16, generator=rng)
    clips = {
        "clear": clear,
        "transmission": t,
        "airlight": airlight,
        "smoky": clear * t + airlight * (1 - t),
    }
    answers = iter(torch.cat([t, airlight, torch.zeros_like(airlight)], 2).unbind(1))
    exact = clip_loss(lambda seen: next(answers), clips, DesmokeTraining())
    assert exact["loss"].item() == pytest.approx(0, abs=1e-4)
    assert exact["psnr"] > 60
    silent = torch.cat([torch.ones_like(t), airlight, torch.zeros_like(airlight)], 2)
    answers = iter(silent.unbind(1))
    none = clip_loss(lambda seen: next(answers), clips, DesmokeTraining())
    error = (clips["smoky"] - clear).square().mean((1, 2, 3, 4))
    assert none["psnr"].item() == pytest.approx(-10 * torch.log10(error).mean().item(), abs=1e-3)
    assert none["loss"] > 0.1


def test_traces_of_smoke_fade_out():
    opacity = np.array([[0.0, 0.15, 0.325, 0.5, 0.7]], np.float32)
    maps = np.full((7, 1, 5), 0.1, np.float32)
    maps[0] = 1 - opacity
    t, airlight, residual = without_traces(maps)
    np.testing.assert_allclose(1 - t, [[0, 0, 0.1625, 0.5, 0.7]], atol=1e-6)  # half in the middle
    np.testing.assert_allclose(residual[0], [[0, 0, 0.05, 0.1, 0.1]], atol=1e-6)
    assert (airlight == maps[1:4]).all()


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_the_estimator_steps_the_network_as_training_does(weights, engine):
    """The first frame is seen twice, with what was found at the first look beside it."""
    estimator = NetworkEstimator(weights, "cpu", engine)
    frames = np.random.default_rng(2).random((3, 32, 48, 3), np.float32)
    with torch.no_grad():
        clips = torch.from_numpy(frames[[0, 0, 1, 2]].transpose(0, 3, 1, 2))[None]
        once, *maps = (m[0].numpy() for m in unrolled(estimator.network, clips))
    assert np.abs(once - maps[0]).max() > 1e-3
    for frame, expected in zip(frames, maps, strict=True):
        veil = estimator(frame)
        t, airlight, residual = without_traces(expected)
        np.testing.assert_allclose(veil.transmission, t, atol=2e-4)
        np.testing.assert_allclose(veil.airlight.transpose(2, 0, 1), airlight, atol=2e-4)
        np.testing.assert_allclose(veil.residual.transpose(2, 0, 1), residual, atol=2e-4)
    estimator.reset()
    first = without_traces(maps[0])[0]
    np.testing.assert_allclose(estimator(frames[0]).transmission, first, atol=2e-4)
    mask = np.zeros((32, 48), bool)
    mask[8:24, 8:40] = True
    veil = estimator(frames[1], mask)
    assert (veil.transmission[~mask] == 1).all() and (veil.residual[~mask] == 0).all()
    assert estimator(frames[0, :16]).transmission.shape == (16, 48)  # another size begins anew


def test_the_shipped_weights_do_not_jump_after_the_first_frame():
    """The second frame, which is the same, was 6.5 levels from the first, seen once."""
    [clear] = read_frames(CLIP, 0, 1)
    t = np.linspace(0.3, 0.9, clear.shape[1], dtype=np.float32)[None, :, None]
    smoky = (clear * t + 255 * np.array([0.7, 0.6, 0.57]) * (1 - t)).astype(np.uint8)
    desmoker = VideoDesmoker("network", device="cpu")
    frames = [desmoker(smoky).astype(int) for _ in range(12)]
    steps = [np.abs(one - other).mean() for one, other in pairwise(frames)]
    assert max(steps) < 2 and max(steps[-3:]) < 0.5
    assert np.abs(frames[-1] - frames[0]).mean() < 2.5


def test_the_shipped_weights_find_smoke_that_they_have_not_seen():
    """Frames of the clip that no training had, under smoke of known opacity; figures of the whole
    clip: Docs/validation.md."""
    desmoker = VideoDesmoker("network", device="cpu")

    def cleared(frame):
        desmoker.reset()
        return desmoker(frame), desmoker.smoke_level

    opacities, levels, gains = [], [], []
    for number in (4, 11):
        [clear] = read_frames(CLIP, number, number + 1)
        result, level = cleared(clear)
        assert np.abs(result.astype(int) - clear).mean() < 2.55 and level < 0.05  # 1 % of the range
        depth = depth_from_brightness(clear)
        for seed, density in product(range(3), ("light", "medium", "heavy")):
            rng = np.random.default_rng(seed)
            smoke = smoke_clip(clear.shape[:2], 1, rng, density, depth)
            smoky = blend(clear / np.float32(255), smoke.transmission[0], smoke.airlight[0])
            smoky = np.rint(255 * smoky).astype(np.uint8)
            result, level = cleared(smoky)
            opacities.append(1 - smoke.transmission.mean())
            levels.append(level)
            gains.append(psnr(result, clear) - psnr(smoky, clear))
    assert np.corrcoef(opacities, levels)[0, 1] > 0.75
    assert np.abs(np.subtract(levels, opacities)).mean() < 0.15
    assert np.mean(gains) > 1  # dB


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((480, 640), (192, 256)),
        ((1080, 1920), (144, 256)),
        ((1, 1), (256, 256)),
        ((7, 900), (16, 256)),
    ],
)
def test_grid_keeps_the_proportions(weights, size, grid):
    assert NetworkEstimator(weights, "cpu").grid(*size) == grid


def test_weights_of_another_system_are_refused(tmp_path):
    model = torch.nn.Linear(1, 1)
    save_weights(model, tmp_path / "other.safetensors", Card("other", "x", "monodepth"))
    with pytest.raises(InputError, match="architecture monodepth"):
        NetworkEstimator(tmp_path / "other.safetensors")
