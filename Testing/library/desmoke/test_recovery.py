"""The pass over the full frame against the scattering model in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.desmoke.recovery import HostFrame, recover_frame, veil_maps
from meddl.desmoke.scattering import Veil, recover


def enlarged(maps, height, width):
    """Bilinear with pixel centres at halves, by numpy's own interpolation along each axis."""
    for axis, size in ((0, height), (1, width)):
        cells = maps.shape[axis]
        places = (np.arange(size) + 0.5) * cells / size - 0.5
        maps = np.apply_along_axis(
            lambda line, at=places, n=cells: np.interp(at, np.arange(n), line), axis, maps
        )
    return maps


def case(shape, grid, channels=7):
    rng = np.random.default_rng(7)
    frame = rng.integers(0, 256, (*shape, 3), np.uint8)
    maps = rng.uniform(0.1, 0.9, (channels, *grid)).astype(np.float32)
    maps[4:] *= 0.2
    return frame, maps


@pytest.mark.parametrize(
    ("shape", "grid"), [((41, 53), (6, 8)), ((1, 1), (1, 1)), ((7, 5), (9, 16)), ((5, 64), (1, 7))]
)
@pytest.mark.parametrize("channels", [4, 7])
def test_pass_is_the_scattering_model(shape, grid, channels):
    frame, maps = case(shape, grid, channels)
    full = enlarged(np.moveaxis(maps, 0, -1).astype(np.float64), *shape)
    seen = frame / 255
    veil = Veil(full[..., 0], full[..., 1:4], full[..., 4:] if channels == 7 else None)
    clear = recover(seen, veil)
    inside = np.ones(grid, bool)
    for strength in (1.0, 0.3):
        expected = 255 * (seen + strength * (clear - seen))
        for threads in (1, 3):
            ours = recover_frame(frame, maps, inside, strength, threads=threads)
            # Half a level for rounding, and what float32 adds to a gain of ten.
            assert np.abs(ours - expected).max() < 0.51


def test_cells_outside_are_copied():
    frame, maps = case((40, 60), (4, 6))
    inside = np.zeros((4, 6), bool)
    inside[1:3, 2:5] = True
    whole = recover_frame(frame, maps, np.ones_like(inside))
    result = recover_frame(frame, maps, inside)
    pixels = inside.repeat(10, 0).repeat(10, 1)
    np.testing.assert_array_equal(result, np.where(pixels[..., None], whole, frame))


def test_maps_hold_the_veil():
    rng = np.random.default_rng(2)
    t, airlight, residual = (rng.random((3, 4, *c), np.float32) for c in ((), (3,), (3,)))
    np.testing.assert_array_equal(
        veil_maps(Veil(t, airlight, residual)),
        np.dstack([t, airlight, residual]).transpose(2, 0, 1),
    )
    assert veil_maps(Veil(t, airlight)).shape == (4, 3, 4)


@pytest.mark.parametrize(
    ("shape", "grid"), [((108, 192), (36, 64)), ((101, 255), (14, 33)), ((7, 5), (16, 16))]
)
@pytest.mark.parametrize("channels", [4, 7])
def test_torch_has_the_same_arithmetic(shape, grid, channels):
    pytest.importorskip("torch")
    from meddl.desmoke.recovery_torch import TorchFrame

    frame, maps = case(shape, grid, channels)
    host, there = HostFrame(frame), TorchFrame(frame, "cpu")
    assert np.abs(host.shrunk(grid) - there.shrunk(grid)).max() <= 1.01 / 255
    inside = np.random.default_rng(3).random(grid) > 0.2
    for strength in (1.0, 0.4):
        ours, theirs = (f.recovered(maps, inside, strength).astype(int) for f in (host, there))
        assert np.abs(ours - theirs).max() <= 1 and (ours != theirs).mean() < 0.01


def test_area_means_are_the_integral_over_cells():
    torch = pytest.importorskip("torch")
    from meddl.desmoke.recovery_torch import area_means

    values = np.random.default_rng(4).random(13)
    integral = np.concatenate([[0], np.cumsum(values)])
    edges = np.interp(np.linspace(0, 13, 6), np.arange(14), integral)
    np.testing.assert_allclose(
        area_means(5, 13, torch.device("cpu")).numpy() @ values, np.diff(edges) * 5 / 13, rtol=1e-5
    )
