"""Smoke in compiled code: density on a coarse grid, then light along the rays of all pixels."""

from __future__ import annotations

import numba
import numpy as np

from meddl.desmoke.noise import fractal, simplex

_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
LACUNARITY, GAIN = 2.1, 0.55
_SWIRLS = 1.3  # large eddies per picture


@_jit
def add_swirls(xy, phase, seed, size):  # type: ignore[no-untyped-def]
    """Displace positions (h, w, 2), in picture lengths, by eddies of up to ``size``."""
    for r in range(xy.shape[0]):
        for c in range(xy.shape[1]):
            u, v = xy[r, c, 0] * _SWIRLS, xy[r, c, 1] * _SWIRLS
            xy[r, c, 0] += size * simplex(u, v, phase, seed)
            xy[r, c, 1] += size * simplex(u, v, phase, seed + 1)


@_jit
def cloud_density(out, xy, shift, phase, seed, scale, contrast, octaves):  # type: ignore[no-untyped-def]
    """Log-normal density exp(contrast noise) of one layer, (h, w), written to ``out``.

    Args:
        xy: (h, w, 2) positions in picture lengths.
        shift: (x, y) how far the pattern has drifted.
        phase: how often it has renewed itself.
        scale: cycles per picture of the first octave.
    """
    for r in range(xy.shape[0]):
        for c in range(xy.shape[1]):
            x, y = (xy[r, c, 0] - shift[0]) * scale, (xy[r, c, 1] - shift[1]) * scale
            out[r, c] = np.exp(contrast * fractal(x, y, phase, seed, octaves, LACUNARITY, GAIN))


@_jit
def _exp(x):  # type: ignore[no-untyped-def]
    """exp of -1000..0 within 3e-4 by ten squarings, which the compiler turns into vectors."""
    y = max(np.float32(1) + x * np.float32(1 / 1024), np.float32(0))
    for _ in range(10):
        y *= y
    return y


@_jit
def add_puffs(out, xy, puffs):  # type: ignore[no-untyped-def]
    """Multiply ``out`` (h, w) by the sum of Gaussian puffs, (N, 4) float32: x, y, radius, mass.

    A puff that has spread to the radius s has the column mass / s^2 in its middle.
    """
    for r in range(xy.shape[0]):
        for c in range(xy.shape[1]):
            x, y = np.float32(xy[r, c, 0]), np.float32(xy[r, c, 1])
            total = np.float32(0)
            for n in range(len(puffs)):
                dx, dy = x - puffs[n, 0], y - puffs[n, 1]
                over = np.float32(1) / (puffs[n, 2] * puffs[n, 2])
                total += puffs[n, 3] * over * _exp(np.float32(-0.5) * over * (dx * dx + dy * dy))
            out[r, c] *= total


@_jit
def _share(depth, start, end):  # type: ignore[no-untyped-def]
    """How much of a layer from ``start`` to ``end`` lies before a surface at ``depth``."""
    return min(max((depth - start) / (end - start), np.float32(0)), np.float32(1))


@_jit
def optical_depth(density, depth, bounds):  # type: ignore[no-untyped-def]
    """(h, w) sum over the layers of density times the share that lies before the surface."""
    layers, height, width = density.shape
    out = np.zeros((height, width), np.float32)
    for k in range(layers):
        for r in range(height):
            for c in range(width):
                out[r, c] += density[k, r, c] * _share(depth[r, c], bounds[k, 0], bounds[k, 1])
    return out


@_jit
def extinction(tau, weights, opacity):  # type: ignore[no-untyped-def]
    """The factor b with sum(weights (1 - exp(-b tau))) = opacity; the weights sum to 1.

    The sum is concave in b, so that Newton's steps from 0 rise to the root and never pass it.
    """
    values, shares = tau.ravel(), weights.ravel()
    b = np.float32(0)
    for _ in range(60):
        mean = slope = np.float32(0)
        for n in range(values.size):
            passed = shares[n] * _exp(-b * values[n])
            mean += shares[n] - passed
            slope += values[n] * passed
        missing = np.float32(opacity) - mean
        if missing < 1e-5:
            break
        b += missing / slope
    return b


@_jit
def render(transmission, airlight, density, depth, bounds, strength, light, beam):  # type: ignore[no-untyped-def]
    """Light of the layers from front to back (emission and absorption; Max, IEEE TVCG 1:99, 1995).

    The lamp's veil is sum_k T_k a_k E_k with a_k = 1 - exp(-tau_k) and T_k what the layers before
    let pass; over 1 - T it is the lamp's part of the airlight A of the scattering model. The light
    that the tissue around sends back comes from everywhere and adds the same to all smoke.

    Args:
        transmission: (H, W) float32, written.
        airlight: (H, W, 3) float32, written; 0..1.
        density: (K, h, w) float32, extinction times density on the coarse grid, whose corners are
            the picture's; bilinear between its nodes.
        depth: (H, W) float32, of the surfaces.
        bounds: (K, 2) float32, where the layers begin and end, in units of depth.
        strength: (K,) float32 E, how strongly the lamp lights each layer.
        light: (2, 3) float32, RGB of the lamp's light and of the tissue's.
        beam: (x, y, radius) float32: the lamp's axis and the distance from it at which its light is
            halved, in pixels.
    """
    height, width = transmission.shape
    layers, rows, columns = density.shape
    one = np.float32(1)
    down = np.float32(rows - 1) / np.float32(max(height - 1, 1))
    right = np.float32(columns - 1) / np.float32(max(width - 1, 1))
    line = np.empty(columns, np.float32)
    tau = np.empty(width, np.float32)
    left = np.empty(width, np.float32)
    veil = np.empty(width, np.float32)
    for r in range(height):
        y = np.float32(r) * down
        r0 = min(int(y), max(rows - 2, 0))
        r1 = min(r0 + 1, rows - 1)
        fy = y - np.float32(r0)
        left[:] = one
        veil[:] = 0
        for k in range(layers):
            for c in range(columns):
                line[c] = density[k, r0, c] + fy * (density[k, r1, c] - density[k, r0, c])
            for c in range(width):
                x = np.float32(c) * right
                c0 = min(int(x), max(columns - 2, 0))
                c1 = min(c0 + 1, columns - 1)
                tau[c] = line[c0] + (x - np.float32(c0)) * (line[c1] - line[c0])
            start, end, lit = bounds[k, 0], bounds[k, 1], strength[k]
            for c in range(width):
                passed = left[c] * _exp(-tau[c] * _share(depth[r, c], start, end))
                veil[c] += (left[c] - passed) * lit
                left[c] = passed
        dy = (np.float32(r) - beam[1]) / beam[2]
        for c in range(width):
            dx = (np.float32(c) - beam[0]) / beam[2]
            lamp = veil[c] / (max(one - left[c], np.float32(1e-6)) * (one + dx * dx + dy * dy))
            transmission[r, c] = left[c]
            for n in range(3):
                airlight[r, c, n] = min(lamp * light[0, n] + light[1, n], one)
