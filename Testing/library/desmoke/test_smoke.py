"""Synthetic smoke: opacity classes, coherence in time, the light, the published kind."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.desmoke import fractal_smoke
from meddl.desmoke.smoke import (
    DENSITIES,
    KINDS,
    depth_from_brightness,
    published_smoke,
    smoke_clip,
    smoke_source,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def rough_depth(shape, seed=0):
    """Steps, which no coarse grid follows."""
    blocks = rng(seed).uniform(20, 200, (7, 9))
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, blocks.shape, strict=True))
    return blocks[np.ix_(rows, columns)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("density", DENSITIES)
def test_every_frame_is_as_opaque_as_its_class_says(kind, density):
    low, high = DENSITIES[density]
    for seed, shape in enumerate([(64, 96), (75, 51), (1, 1), (3, 2), (1, 40)]):
        depth = rough_depth(shape, seed) if min(shape) > 8 else None
        smoke = smoke_clip(shape, 4, rng(seed), density, depth, rate=2.0, kind=kind)
        assert smoke.kind == kind
        assert smoke.transmission.shape == (4, *shape) and smoke.airlight.shape == (4, *shape, 3)
        assert smoke.transmission.dtype == smoke.airlight.dtype == np.float32
        for values in (smoke.transmission, smoke.airlight):
            assert values.min() >= 0 and values.max() <= 1
        opacity = 1 - smoke.transmission.mean(axis=(1, 2), dtype=np.float64)
        assert ((opacity >= low) & (opacity <= high)).all(), (shape, opacity)


def test_random_draws_every_class_and_kind():
    seen = {(s.density, s.kind) for s in (smoke_source((8, 8), rng(n)) for n in range(200))}
    assert {density for density, _ in seen} == set(DENSITIES)
    assert {kind for _, kind in seen} == set(KINDS)


def test_one_seed_gives_one_smoke():
    first, again, other = (smoke_clip((24, 32), 2, rng(n)) for n in (5, 5, 6))
    assert (first.transmission == again.transmission).all()
    assert (first.airlight == again.airlight).all()
    assert not np.allclose(first.transmission, other.transmission)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_a_function_of_time(kind):
    long = smoke_clip((24, 32), 9, rng(1), "medium", rate=20.0, kind=kind)
    short = smoke_clip((24, 32), 3, rng(1), "medium", rate=5.0, kind=kind)
    assert (short.transmission == long.transmission[::4]).all()
    assert (short.airlight == long.airlight[::4]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_it_moves_and_does_not_jump(kind):
    changes = []
    for seed in range(6):
        source = smoke_source((48, 48), rng(seed), "medium", kind=kind)
        first = source(3.0)[0]
        changes.append([np.abs(source(3 + lag)[0] - first).mean() for lag in (0.01, 0.04, 0.5)])
    soon, frame, later = np.mean(changes, axis=0)
    assert 0 < soon < frame < later
    assert soon < 0.35 * frame  # a quarter of the time, a quarter of the change
    assert frame < 0.02  # from frame to frame at 25 per second
    assert later > 3 * frame


def test_its_pattern_does_not_depend_on_the_number_of_pixels():
    small = smoke_source((60, 80), rng(2), "medium", kind="cloud")(1.0)
    large = smoke_source((180, 240), rng(2), "medium", kind="cloud")(1.0)
    for few, many in zip(small, large, strict=True):
        assert np.abs(many[1::3, 1::3] - few).mean() < 0.01


def test_far_tissue_lies_behind_more_smoke():
    depth = np.ones((40, 40))
    depth[:, 20:] = 2.0
    for seed in range(5):
        smoke = smoke_source((40, 40), rng(seed), "medium", depth, kind="veil")(0.0)[0]
        plane = smoke_source((40, 40), rng(seed), "medium", None, kind="veil")(0.0)[0]
        contrast = smoke[:, :20].mean() - smoke[:, 20:].mean()
        assert contrast > 0.05 + (plane[:, :20].mean() - plane[:, 20:].mean())


def test_the_veil_is_brightest_at_the_lamp():
    for seed in range(5):
        source = smoke_source((64, 64), rng(seed), "heavy", kind="veil")
        light = source(0.0)[1].sum(axis=2)
        x, y = (min(int(64 * p), 63) for p in source.drawn.beam[:2])
        assert light[y, x] > 1.05 * light.min()


def test_the_light_of_layers_is_that_of_emission_and_absorption():
    from meddl.desmoke.smoke_kernels import render

    # Two even layers before a far surface: T = e^(-a - b),
    # the lamp's veil = E1 (1 - e^-a) + E2 e^-a (1 - e^-b), and the tissue's c (1 - T).
    a, b, near, far = 0.7, 0.4, 0.6, 0.3
    density = np.zeros((2, 3, 3), np.float32)
    density[0], density[1] = a, b
    bounds = np.array([[0, 1], [1, 2]], np.float32)
    strength = np.array([near, far], np.float32)
    light = np.array([[1, 0.9, 0.8], [0.3, 0.2, 0.1]], np.float32)
    t, airlight = np.empty((5, 7), np.float32), np.empty((5, 7, 3), np.float32)
    beam = np.array([3, 2, 4], np.float32)
    render(t, airlight, density, np.full((5, 7), 3, np.float32), bounds, strength, light, beam)
    assert t == pytest.approx(np.exp(-a - b), abs=5e-4)
    lamp = near * (1 - np.exp(-a)) + far * np.exp(-a) * (1 - np.exp(-b))
    opacity = 1 - np.exp(-a - b)
    veil = airlight * (1 - t[..., None])
    assert veil[2, 3] == pytest.approx(lamp * light[0] + opacity * light[1], abs=5e-4)
    # Falls with 1 / (1 + (distance / radius)^2): 3 pixels of 4 from the axis.
    assert veil[2, 6] == pytest.approx(lamp * light[0] * 16 / 25 + opacity * light[1], abs=5e-4)
    # Half of the first layer before a surface at 0.5.
    render(t, airlight, density, np.full((5, 7), 0.5, np.float32), bounds, strength, light, beam)
    assert t == pytest.approx(np.exp(-a / 2), abs=5e-4)
    assert airlight[2, 3] == pytest.approx(near * light[0] + light[1], abs=5e-4)


def test_brightness_gives_depth_by_the_inverse_square():
    # A slanted wall: brightness falls as depth^-2.
    true = np.linspace(1.0, 2.0, 240)
    picture = np.repeat((230 / true**2).astype(np.uint8)[None, :, None], 180, axis=0)
    depth = depth_from_brightness(np.repeat(picture, 3, axis=2))
    assert depth.shape == (180, 240) and depth.dtype == np.float32
    ratio = depth / depth[90, 120] / (true / true[120])
    assert ratio[:, 30:210] == pytest.approx(1, abs=0.06)
    black = depth_from_brightness(np.zeros((5, 3, 3), np.uint8))
    assert (black == 1).all()


def test_published_smoke_is_of_one_colour():
    airlight = smoke_source((40, 60), rng(3), "medium", kind="published")(0.0)[1]
    t = smoke_source((40, 60), rng(3), "medium", kind="published")(0.0)[0]
    assert np.ptp(airlight[t < 0.99], axis=0).max() < 1e-3


def test_the_published_smoke_is_a_clipped_fractal_with_two_faded_edges():
    numbers = (fractal_smoke.OCTAVES, fractal_smoke.LACUNARITY, fractal_smoke.HURST)
    assert numbers == (6, 1.838, 0.836) and fractal_smoke.ZOOM == 0.001
    alphas = np.stack([published_smoke((512, 512), rng(n)) for n in range(8)])
    assert alphas.shape == (8, 512, 512) and alphas.dtype == np.float32
    assert alphas.min() >= 0 and alphas.max() <= 1
    y = (np.arange(512) + 0.5) / 512
    assert (alphas <= np.sin(np.pi * y)[:, None] + 1e-6).all()  # cos(pi (y - 1/2)) = sin(pi y)
    # Without the fade: mean 0.4 but for the clipping, which is even about 1/2.
    inside = alphas / np.sin(np.pi * y)[:, None]
    assert inside.mean() == pytest.approx(0.42, abs=0.12)
    assert 0 < (inside > 0.9999).mean() < 0.5 and 0 < (inside == 0).mean() < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (0, 5)}, "at least 1 x 1"),
        ({"shape": (5, 5, 3)}, r"\(5, 5, 3\)"),
        ({"density": "thick"}, "'thick', expected one of: light, medium, heavy, random"),
        ({"kind": "fog"}, "'fog', expected one of: veil"),
        ({"depth": np.ones((4, 4))}, r"depth is \(4, 4\), the pictures are \(5, 5\)"),
        ({"depth": np.zeros((5, 5))}, "not above 0"),
        ({"depth": np.full((5, 5), np.nan)}, "not above 0 and finite"),
        ({"frames": 0}, "0 frames"),
        ({"rate": 0.0}, "at 0.0 per second"),
        ({"rate": np.nan}, "at nan per second"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    arguments = {"shape": (5, 5), "frames": 1, "rng": rng()} | arguments
    with pytest.raises(InputError, match=message):
        smoke_clip(**arguments)


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3))])
def test_no_picture_has_no_depth(picture):
    with pytest.raises(InputError, match="uint8"):
        depth_from_brightness(picture)
