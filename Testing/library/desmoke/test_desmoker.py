"""The filter: uint8 in and out, at any size; strength, level, surround, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.errors import FileError, InputError
from meddl.desmoke import VideoDesmoker, recover

from .smoky_scenes import frame_of, smoky, tissue


@pytest.fixture
def desmoker():
    return VideoDesmoker("classical")


def test_smoke_is_removed_at_full_size(desmoker):
    clear = tissue(480, 640)
    frame = frame_of(smoky(clear, 0.5))
    kept = frame.copy()
    result = desmoker(frame)
    np.testing.assert_array_equal(frame, kept)
    assert result.shape == frame.shape and result.dtype == np.uint8
    errors = [np.abs(f / 255.0 - clear).mean() for f in (result, frame)]
    assert errors[0] < 0.5 * errors[1]
    assert desmoker.smoke_level == pytest.approx(0.5, abs=0.1)
    assert desmoker.transmission.shape == (480, 640)
    assert 1 - desmoker.transmission.mean() == pytest.approx(desmoker.smoke_level, abs=0.02)


def test_strength_zero_is_the_frame_and_between_is_between(desmoker):
    frame = frame_of(smoky(tissue(), 0.5))
    results = {}
    for strength in (0, 0.5, 1.0):
        desmoker.reset()
        desmoker.strength = strength
        results[strength] = desmoker(frame).astype(int)
    np.testing.assert_array_equal(results[0], frame)
    assert np.abs(results[0.5] - (results[0] + results[1.0]) / 2).max() <= 1
    desmoker.strength = 0
    assert desmoker(frame) is not frame and desmoker.smoke_level > 0.3
    for number in (np.float32(0.5), np.float16(0.5), np.int64(1)):
        desmoker.strength = number
        assert desmoker.strength == number
    for bad in (-0.1, 1.5, np.float32(1.5), float("nan"), "1", None):
        with pytest.raises(InputError, match="strength"):
            desmoker.strength = bad


def test_level_follows_opacity(desmoker):
    levels = []
    for opacity in (0, 0.2, 0.4, 0.6, 0.8):
        desmoker.reset()
        desmoker(frame_of(smoky(tissue(), opacity)))
        levels.append(desmoker.smoke_level)
    assert levels == sorted(levels) and levels[0] < 0.02 and levels[-1] > 0.6


def test_black_surround_is_left(desmoker):
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    field = np.hypot(x, y) < 0.9
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 8, (240, 320, 3)).astype(np.uint8)  # as compression leaves it
    frame = np.where(field[..., None], frame_of(smoky(tissue(240, 320), 0.5)), noise)
    result = desmoker(frame)
    outside = np.hypot(x, y) > 0.93
    np.testing.assert_array_equal(result[outside], frame[outside])
    assert np.abs(result[field].astype(int) - frame[field]).mean() > 10
    assert desmoker.smoke_level == pytest.approx(0.5, abs=0.1)  # of the field alone


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (33, 1), (101, 255)])
@pytest.mark.parametrize("value", [0, 255, 170])
def test_odd_sizes_black_white_and_all_smoke(desmoker, shape, value):
    frame = np.full((*shape, 3), value, np.uint8)
    result = desmoker(frame)
    assert result.shape == frame.shape and desmoker.transmission.shape == shape
    assert 0 <= desmoker.smoke_level <= 1
    if value == 0:
        assert not result.any() and desmoker.smoke_level == 0


def test_another_size_or_reset_begins_anew(desmoker):
    rng = np.random.default_rng(1)
    one, two = (rng.integers(0, 256, (*shape, 3), np.uint8) for shape in ((40, 60), (60, 40)))
    first = desmoker(one)
    desmoker(two)
    np.testing.assert_array_equal(desmoker(one), first)
    for _ in range(3):
        desmoker(one // 2 + 90)
    desmoker.reset()
    assert desmoker.veil is None and desmoker.smoke_level == 0
    with pytest.raises(InputError, match="before the first frame"):
        _ = desmoker.transmission
    np.testing.assert_array_equal(desmoker(one), first)


def test_frames_that_are_views_are_taken(desmoker):
    frame = frame_of(smoky(tissue(), 0.5))
    expected = desmoker(frame)
    desmoker.reset()
    wide = np.zeros((96, 256, 3), np.uint8)
    wide[:, ::2] = frame
    np.testing.assert_array_equal(desmoker(wide[:, ::2]), expected)
    desmoker.reset()
    frame.setflags(write=False)
    np.testing.assert_array_equal(desmoker(frame), expected)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        None,
    ],
)
def test_wrong_arrays_are_refused(desmoker, frame):
    with pytest.raises(InputError, match=r"\(H, W, 3\) uint8 was expected: .*drop alpha"):
        desmoker(frame)


def test_filter_on_a_torch_device_is_the_same(desmoker, monkeypatch):
    pytest.importorskip("torch")
    from meddl.desmoke.recovery_torch import TorchFrame

    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    field = np.hypot(x, y)[..., None] < 0.9
    video = [frame_of(smoky(tissue(240, 320), n / 8)) * field for n in range(4)]
    expected = [desmoker(frame).astype(int) for frame in video]
    desmoker.reset()
    monkeypatch.setattr(
        "meddl.desmoke.desmoker.on_device", lambda frame, device: TorchFrame(frame, "cpu")
    )
    for frame, host in zip(video, expected, strict=True):
        difference = np.abs(desmoker(frame) - host)
        assert difference.max() <= 4 and difference.mean() < 0.3


def test_wrong_methods_and_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="'best', expected one of: auto, classical, network"):
        VideoDesmoker("best")
    with pytest.raises(FileError):
        VideoDesmoker("network", weights=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="needs no weights"):
        VideoDesmoker("classical", weights="desmoke-light")


def test_auto_takes_given_weights_and_applies_the_networks_veil(tmp_path):
    pytest.importorskip("torch")
    from meddl.core.seeding import seed_everything
    from meddl.core.weights import Card, save_weights
    from meddl.desmoke.light_network import LightNetwork
    from meddl.desmoke.network_estimator import ARCHITECTURE, NetworkEstimator

    seed_everything(3)
    arguments = {"widths": [4, 4], "blocks": [1, 1]}
    card = Card("tiny", "desmoking", ARCHITECTURE, {"network": arguments})
    save_weights(LightNetwork(**arguments), tmp_path / "tiny.safetensors", card)
    desmoker = VideoDesmoker(weights=tmp_path / "tiny.safetensors", device="cpu")
    assert desmoker.method == "network" and isinstance(desmoker.estimator, NetworkEstimator)
    desmoker.estimator = NetworkEstimator(tmp_path / "tiny.safetensors", "cpu", "torch")
    frame = frame_of(smoky(tissue(160, 256), 0.5))  # of the network's own grid
    result = desmoker(frame)
    assert desmoker.estimator.grid(160, 256) == (160, 256) == desmoker.veil.transmission.shape
    assert desmoker.veil.residual.any()
    expected = recover(frame / np.float32(255), desmoker.veil)
    assert np.abs(result - 255 * expected).max() < 0.51
    assert desmoker.smoke_level == pytest.approx(1 - desmoker.veil.transmission.mean(), abs=1e-5)
    assert desmoker(np.ascontiguousarray(frame[:5, :7])).shape == (5, 7, 3)
