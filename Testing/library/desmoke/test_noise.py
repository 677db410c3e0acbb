"""Simplex noise: statistics, smoothness, spectrum, seeds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from meddl.desmoke.noise import fractal_noise


def test_it_has_no_mean_and_stays_within_one():
    points = np.random.default_rng(1).uniform(-500, 500, (3, 200_000))
    values = fractal_noise(*points, seed=3)
    assert values.dtype == np.float32 and values.shape == (200_000,)
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(values.size)
    assert np.abs(values).max() <= 1 and values.std() > 0.3
    assert np.abs(fractal_noise(*points, seed=3, octaves=6)).max() <= 1


def test_it_is_zero_on_the_lattice():
    # Lattice points in the skewed space: (i, j, k) - (i + j + k) / 6.
    lattice = np.random.default_rng(2).integers(-20, 20, (3, 500))
    points = lattice - lattice.sum(axis=0) / 6
    assert np.abs(fractal_noise(*points, seed=5)).max() < 1e-6


def test_it_is_smooth_along_every_axis():
    step = 1e-3
    t = np.arange(0, 30, step)
    for axis in range(3):
        place = [0.37, -4.2, 8.1]
        place[axis] = t
        values = fractal_noise(*place, seed=7).astype(np.float64)
        # The steepest slope of this noise is about 4 per cell; a jump would show as 1 / step.
        assert np.abs(np.diff(values)).max() < 6 * step
        # And its second difference is that of a function with a bounded second derivative.
        assert np.abs(np.diff(values, 2)).max() < 60 * step**2 + 1e-6


def test_the_power_of_a_fractal_falls_as_its_exponent_says():
    # A line through noise of exponent H has the power f^-(2 H + 1); more octaves than the published
    # six, so that the slope can be fitted over a decade and a half.
    hurst, count, span = 0.7, 2**14, 64.0
    x = np.arange(count) * span / count
    power = np.zeros(count // 2)
    for seed in range(24):
        line = fractal_noise(x, seed * 9.7, 0.4, seed, octaves=9, lacunarity=2.0, hurst=hurst)
        power += np.abs(np.fft.rfft(line * np.hanning(count))[: count // 2]) ** 2
    frequency = np.arange(count // 2) / span
    # A mean in each octave evens out the bumps of the single octaves.
    edges = 2.0 ** np.arange(0.5, 7)
    levels = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
    slope = np.polyfit(np.log(edges[:-1]), np.log(levels), 1)[0]
    assert slope == pytest.approx(-(2 * hurst + 1), abs=0.15)


def test_the_seed_decides():
    x = np.linspace(0, 50, 4000)
    first, again, other = (fractal_noise(x, 0.3, 0.1, seed) for seed in (11, 11, 12))
    assert (first == again).all()
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.1
    far = fractal_noise(x + 100_000, 0.3, 0.1, 11)  # no period, unlike a table of 256 entries
    assert abs(np.corrcoef(first, far)[0, 1]) < 0.1


def test_it_is_the_same_in_all_directions():
    rng = np.random.default_rng(4)
    start = rng.uniform(-100, 100, (3, 20_000))
    changes = []
    for axis in range(3):
        step = np.zeros((3, 1))
        step[axis] = 0.2
        changes.append(np.std(fractal_noise(*(start + step), 1) - fractal_noise(*start, 1)))
    assert max(changes) < 1.05 * min(changes)
