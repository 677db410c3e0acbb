"""The vectorised interpolations against their formulas."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from meddl.deepdrr import simd_lanes

WAYS = [simd_lanes.blend_lanes_by_loop]
if simd_lanes.has_avx2():
    WAYS.append(simd_lanes.blend_lanes_by_permute)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_eight_samples_are_interpolated_linearly(way, labelled):
    """Two columns of 100 voxels, one after the other, against numpy's interpolation."""

    @numba.njit
    def run(values, labels, base, places, low, high, out):
        for block in range(base.size):
            n, at = 8 * block, base[block]
            way(values, labels, 2, at, at + 100, places, low, high, n, out, n, 128 + n)

    g = np.random.default_rng(0)
    values = g.normal(size=200).astype(np.float32)
    labels = g.integers(0, 4, 200).astype(np.uint8)
    base = g.integers(0, 93, 16).astype(np.uint32)
    places = g.integers(0, 7, 128).astype(np.uint32)
    high = g.uniform(0, 1, 128).astype(np.float32)
    out = np.zeros(256, np.float32)
    run(values, labels if labelled else None, base, places, 1 - high, high, out)
    at = np.repeat(base, 8) + places + high
    for column in (0, 1):
        part = slice(100 * column, 100 * column + 100)
        kept = values[part] * (labels[part] == 2) if labelled else values[part]
        expected = np.interp(at, np.arange(100), kept)
        np.testing.assert_allclose(out[128 * column :][:128], expected, atol=1e-5)


def test_eight_samples_are_added():
    @numba.njit
    def run(lines, out):
        simd_lanes.add_lanes(lines, 3, 0.25, 17, -2.0, out, 5)

    lines, out = np.random.default_rng(0).normal(size=(2, 30)).astype(np.float32)
    expected = out.copy()
    expected[5:13] += 0.25 * lines[3:11] - 2 * lines[17:25]
    run(lines, out)
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_numba_told_to_do_without_gets_the_loop(monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    assert not simd_lanes.has_avx2()
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+sse4.2,+avx2")
    assert simd_lanes.has_avx2()
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "")
    assert not simd_lanes.has_avx2()


def test_a_cubic_is_interpolated_between_its_samples():
    """Catmull and Rom's kernel reproduces polynomials up to the second degree, in both axes."""

    @numba.njit
    def run(picture, start_a, start_b, stride, parts_y, parts_x, out):
        simd_lanes.catmull_rom(picture, start_a, start_b, stride, parts_y, parts_x, 1, 3, out)

    y, x = np.mgrid[:9, :11].astype(np.float64)
    surface = lambda y, x: 3 + y - 2 * x + 0.3 * y * y - 0.2 * x * x + 0.1 * x * y  # noqa: E731
    picture = surface(y, x).astype(np.float32)
    g = np.random.default_rng(1)
    for _ in range(20):
        i, j = g.integers(1, 7, 4), g.integers(1, 9, 4)
        part_y, part_x = g.uniform(0, 1, (2, 4)).astype(np.float32)
        found = np.full(4, 7, np.float32)
        start_a, start_b = (((i - 1) * 11 + j - 1)[n] for n in (1, 3))
        run(picture, start_a, start_b, 11, part_y, part_x, found)
        expected = surface(i + part_y, j + part_x)
        expected[[0, 2]] = 7  # as they were
        assert found == pytest.approx(expected, abs=1e-4)
    step = np.repeat(np.float32([[0, 0, 1, 1]]), 4, axis=0)
    for part in (0.0, 0.25, 0.5, 1.0):
        wanted = 0.5 * part * (1 + 4 * part - 3 * part**2) + 0.5 * (part**3 - part**2)
        found = np.zeros(4, np.float32)
        run(step, 0, 0, 4, np.full(4, 0.5, np.float32), np.full(4, part, np.float32), found)
        assert found[[1, 3]] == pytest.approx(wanted, abs=1e-6)
