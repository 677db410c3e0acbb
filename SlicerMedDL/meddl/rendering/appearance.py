"""What tissue looks like: colour, vessels, mucus and fine relief as functions of world position.

Solid textures (Perlin 1985): the colour of a point does not depend on the view, so that frames of a
sequence agree. Colours are linear RGB reflectances, lengths mm.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from meddl.rendering.tracing import jit


class Appearance(NamedTuple):
    """The look of a surface (a NamedTuple, because numba reads it as it is).

    Attributes:
        seed: of the noise.
        colour, pale, deep: reflectances (r, g, b): usual, of pale and of congested patches.
        patch_size: mm, of the patches.
        mottle_size, mottle: mm and relative strength of the mottling (five octaves).
        vessel_size, vessel_width: mm between vessels, and mm of their width.
        vessels: how dark they are, 0 to 1; vessel_colour their reflectance.
        mucus: share of the surface under mucus, 0 to 1; mucus_size: mm.
        relief_size, relief: mm, and slope of the fine relief that breaks highlights.
        roughness: of the wet film (GGX alpha), 0.03 to 0.4; gloss: reflectance at normal incidence.
        scatter: cosine beyond 90 degrees that light reaches inside tissue.
        ambient: light from other walls, as a share of the direct light.
    """

    seed: int = 0
    colour: tuple[float, float, float] = (0.62, 0.21, 0.15)
    pale: tuple[float, float, float] = (0.75, 0.42, 0.35)
    deep: tuple[float, float, float] = (0.50, 0.10, 0.06)
    patch_size: float = 9.0
    mottle_size: float = 2.0
    mottle: float = 0.25
    vessel_size: float = 4.0
    vessel_width: float = 0.25
    vessels: float = 0.6
    vessel_colour: tuple[float, float, float] = (0.40, 0.05, 0.04)
    mucus: float = 0.1
    mucus_size: float = 5.0
    relief_size: float = 0.8
    relief: float = 0.15
    roughness: float = 0.12
    gloss: float = 0.03
    scatter: float = 0.1
    ambient: float = 0.12


MUCOSA = Appearance()


def random_appearance(rng: np.random.Generator, size: float, **fixed: Any) -> Appearance:
    """An appearance drawn at random.

    Args:
        rng: the source of randomness.
        size: mm, a typical distance between camera and wall; vessels and patches follow it.
        fixed: fields that are not drawn.
    """

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def near(colour: tuple[float, float, float]) -> tuple[float, float, float]:
        r, g, b = np.clip(np.array(colour) * np.exp(rng.normal(0, (0.05, 0.1, 0.12))), 0.01, 0.95)
        return float(r), float(g), float(b)

    drawn: dict[str, Any] = {
        "seed": int(rng.integers(1 << 30)),
        "colour": near(MUCOSA.colour),
        "pale": near(MUCOSA.pale),
        "deep": near(MUCOSA.deep),
        "patch_size": size * between(0.4, 1.2),
        "mottle_size": size * between(0.08, 0.25),
        "mottle": between(0.05, 0.25),
        "vessel_size": size * between(0.2, 0.6),
        "vessel_width": size * between(0.008, 0.025),
        "vessels": between(0.1, 0.8),
        "vessel_colour": near(MUCOSA.vessel_colour),
        "mucus": between(0.0, 0.3) if rng.random() < 0.7 else 0.0,
        "mucus_size": size * between(0.2, 0.6),
        "relief_size": size * between(0.06, 0.2),
        "relief": between(0.03, 0.15),
        "roughness": between(0.06, 0.25),
        "gloss": between(0.02, 0.04),
        "ambient": between(0.05, 0.2),
    }
    return Appearance(**{**drawn, **fixed})


@jit
def _lattice(i, j, k, seed):  # type: ignore[no-untyped-def]
    """A number in [-1, 1] for a lattice point."""
    h = (i * 0x27D4EB2D) ^ (j * 0x165667B1) ^ (k * 0x1B873593) ^ (seed * 0x2545F491)
    h = (h & 0xFFFFFFFF) * 0x45D9F3B
    h = ((h >> 16) ^ h) & 0xFFFFFFFF
    h = h * 0x45D9F3B
    h = ((h >> 16) ^ h) & 0xFFFFFF
    return h * (2.0 / 0xFFFFFF) - 1.0


@jit
def noise(x, y, z, seed):  # type: ignore[no-untyped-def]
    """Value noise in [-1, 1] over unit cells, twice differentiable (Perlin's quintic)."""
    fi, fj, fk = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fi), int(fj), int(fk)
    u, v, w = x - fi, y - fj, z - fk
    u = u * u * u * (u * (u * 6 - 15) + 10)
    v = v * v * v * (v * (v * 6 - 15) + 10)
    w = w * w * w * (w * (w * 6 - 15) + 10)
    a = _lattice(i, j, k, seed) * (1 - u) + _lattice(i + 1, j, k, seed) * u
    b = _lattice(i, j + 1, k, seed) * (1 - u) + _lattice(i + 1, j + 1, k, seed) * u
    c = _lattice(i, j, k + 1, seed) * (1 - u) + _lattice(i + 1, j, k + 1, seed) * u
    d = _lattice(i, j + 1, k + 1, seed) * (1 - u) + _lattice(i + 1, j + 1, k + 1, seed) * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@jit
def octaves(x, y, z, seed, count):  # type: ignore[no-untyped-def]
    """Sum of ``count`` octaves of noise; each is turned, so that the lattices do not line up."""
    total, weight = 0.0, 1.0
    for n in range(count):
        total += weight * noise(x, y, z, seed + n)
        # A rotation by about 37 degrees about (1, 1, 1), times 2.03.
        p = 1.83 * x - 0.60 * y + 0.79 * z
        q = 0.79 * x + 1.83 * y - 0.60 * z
        r = -0.60 * x + 0.79 * y + 1.83 * z
        x, y, z = p + 17.3, q + 5.1, r + 9.7
        weight *= 0.5
    return total


@jit
def _ramp(value, low, high):  # type: ignore[no-untyped-def]
    s = min(max((value - low) / (high - low), 0.0), 1.0)
    return s * s * (3 - 2 * s)


@jit
def _vessel(x, y, z, size, width, seed):  # type: ignore[no-untyped-def]
    """1 on the centre line of a vessel, 0 beside it: where a warped noise crosses zero."""
    s = 1.0 / size
    wx = x * s + 0.35 * noise(x * s * 2.3, y * s * 2.3, z * s * 2.3, seed + 1)
    wy = y * s + 0.35 * noise(x * s * 2.3, y * s * 2.3, z * s * 2.3, seed + 2)
    wz = z * s + 0.35 * noise(x * s * 2.3, y * s * 2.3, z * s * 2.3, seed + 3)
    calibre = 0.45 + 0.55 * noise(wx * 0.7, wy * 0.7, wz * 0.7, seed + 4)
    if calibre <= 0.05:
        return 0.0
    # The noise changes by about 1.5 over a cell, hence the distance from its zero in mm.
    across = abs(noise(wx, wy, wz, seed)) * size / 1.5
    return math.exp(-((across / (width * calibre)) ** 2)) * min(calibre * 2.0, 1.0)


@jit
def reflectance(look, x, y, z):  # type: ignore[no-untyped-def]
    """(r, g, b) and the share of mucus at a world point (mm)."""
    seed = look.seed
    s = 1.0 / look.patch_size
    patch = octaves(x * s, y * s, z * s, seed, 2)
    s = 1.0 / look.mottle_size
    mottle = 1.0 + look.mottle * octaves(x * s, y * s, z * s, seed + 10, 5)
    trunk = _vessel(x, y, z, look.vessel_size, look.vessel_width, seed + 20)
    twig = _vessel(x, y, z, 0.37 * look.vessel_size, 0.4 * look.vessel_width, seed + 30)
    vessel = look.vessels * max(trunk, 0.6 * twig)
    wet = 0.0
    if look.mucus > 0.0:
        s = 1.0 / look.mucus_size
        level = 0.75 - 1.2 * look.mucus
        wet = _ramp(octaves(x * s, y * s, z * s, seed + 40, 3), level, level + 0.7)
    pale, deep = _ramp(patch, 0.0, 0.9), _ramp(-patch, 0.1, 1.0)
    usual = 1.0 - pale - deep
    r = (usual * look.colour[0] + pale * look.pale[0] + deep * look.deep[0]) * mottle
    g = (usual * look.colour[1] + pale * look.pale[1] + deep * look.deep[1]) * mottle * mottle
    b = (usual * look.colour[2] + pale * look.pale[2] + deep * look.deep[2]) * mottle * mottle
    r += vessel * (look.vessel_colour[0] - r)
    g += vessel * (look.vessel_colour[1] - g)
    b += vessel * (look.vessel_colour[2] - b)
    film = 0.3 * wet
    r += film * (0.78 - r)
    g += film * (0.58 - g)
    b += film * (0.42 - b)
    return min(max(r, 0.0), 0.95), min(max(g, 0.0), 0.95), min(max(b, 0.0), 0.95), wet


@jit
def tilt(look, x, y, z):  # type: ignore[no-untyped-def]
    """The gradient (3) of the fine relief, by which the normal is tilted."""
    s = 1.0 / look.relief_size
    x, y, z = x * s, y * s, z * s
    h = 0.05
    base = octaves(x, y, z, look.seed + 50, 2)
    gx = (octaves(x + h, y, z, look.seed + 50, 2) - base) / h
    gy = (octaves(x, y + h, z, look.seed + 50, 2) - base) / h
    gz = (octaves(x, y, z + h, look.seed + 50, 2) - base) / h
    return look.relief * gx, look.relief * gy, look.relief * gz
