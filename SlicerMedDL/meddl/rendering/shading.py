"""Radiance of a surface under a light at the camera, on the CPU by numba.

Lambert's reflection plus the GGX microfacet lobe of a wet film (Walter et al. 2007), both under a
point light with inverse-square fall-off, and light that other walls send back.
"""

from __future__ import annotations

import math

from meddl.rendering.appearance import reflectance, tilt
from meddl.rendering.tracing import distance_at, hit, jit, leave, normal_at


@jit
def _film(nx, ny, nz, vx, vy, vz, lx, ly, lz, alpha, gloss):  # type: ignore[no-untyped-def]
    """GGX lobe times the cosine to the light; all vectors of unit length."""
    hx, hy, hz = vx + lx, vy + ly, vz + lz
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    nh = (nx * hx + ny * hy + nz * hz) / length
    nl = nx * lx + ny * ly + nz * lz
    nv = nx * vx + ny * vy + nz * vz
    if nh <= 0.0 or nl <= 0.0 or nv <= 0.0:
        return 0.0
    a2 = alpha * alpha
    peak = nh * nh * (a2 - 1.0) + 1.0
    spread = a2 / (math.pi * peak * peak)
    vh = (vx * hx + vy * hy + vz * hz) / length
    fresnel = gloss + (1.0 - gloss) * (1.0 - vh) ** 5
    masking = nl * math.sqrt(nv * nv * (1 - a2) + a2) + nv * math.sqrt(nl * nl * (1 - a2) + a2)
    return 0.5 * spread * fresnel / masking * nl


@jit
def shade_rows(  # type: ignore[no-untyped-def]
    values, spacing, origin, slope, look, camera_from_pixel, rotation, eye, lamp, beam, row, colour,
    depth,
):  # fmt: skip
    """Render rows ``row`` … of a picture into ``colour`` (h, W, 3) and ``depth`` (h, W).

    Args:
        values, spacing, origin, slope: the field.
        look: the :class:`~meddl.rendering.appearance.Appearance`.
        camera_from_pixel: (3, 3) inverse intrinsics.
        rotation, eye: of ``world_from_camera``.
        lamp: (3,) world position of the light, mm.
        beam: exponent of the cosine to the view with which the light falls off sideways.
        row: number of the first row.
        colour, depth: linear radiance for a light of 1 mm^2 intensity, and mm; 0 without a hit.
    """
    rows, columns = depth.shape
    scale = 1.0 / spacing
    safe = scale / slope
    ex, ey, ez = (eye - origin) * scale
    kx, ky, kz = (lamp - origin) * scale
    for v in range(rows):
        for u in range(columns):
            cx = (
                camera_from_pixel[0, 0] * (u + 0.5)
                + camera_from_pixel[0, 1] * (row + v + 0.5)
                + camera_from_pixel[0, 2]
            )
            cy = camera_from_pixel[1, 1] * (row + v + 0.5) + camera_from_pixel[1, 2]
            dx = rotation[0, 0] * cx + rotation[0, 1] * cy + rotation[0, 2]
            dy = rotation[1, 0] * cx + rotation[1, 1] * cy + rotation[1, 2]
            dz = rotation[2, 0] * cx + rotation[2, 1] * cy + rotation[2, 2]
            stretch = math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx / stretch, dy / stretch, dz / stretch
            t = hit(values, safe, ex, ey, ez, dx, dy, dz, leave(values, ex, ey, ez, dx, dy, dz))
            if t < 0.0:
                continue
            depth[v, u] = t * spacing / stretch
            px, py, pz = ex + t * dx, ey + t * dy, ez + t * dz
            wx = px * spacing + origin[0]
            wy = py * spacing + origin[1]
            wz = pz * spacing + origin[2]

            lx, ly, lz = (kx - px) * spacing, (ky - py) * spacing, (kz - pz) * spacing
            far2 = lx * lx + ly * ly + lz * lz
            far = math.sqrt(far2)
            lx, ly, lz = lx / far, ly / far, lz / far
            forward = -(lx * rotation[0, 2] + ly * rotation[1, 2] + lz * rotation[2, 2])
            light = max(forward, 0.0) ** beam / far2

            nx, ny, nz = normal_at(values, px, py, pz)
            gx, gy, gz = tilt(look, wx, wy, wz)
            along = gx * nx + gy * ny + gz * nz
            bx, by, bz = nx - gx + along * nx, ny - gy + along * ny, nz - gz + along * nz
            length = math.sqrt(bx * bx + by * by + bz * bz)
            bx, by, bz = bx / length, by / length, bz / length

            r, g, b, wet = reflectance(look, wx, wy, wz)
            # Tissue scatters under its surface: the relief shows half as much in the colour, and
            # light reaches a little beyond the terminator.
            mx, my, mz = nx + bx, ny + by, nz + bz
            length = math.sqrt(mx * mx + my * my + mz * mz)
            cosine = (mx * lx + my * ly + mz * lz) / length
            direct = max(cosine + look.scatter, 0.0) / ((1.0 + look.scatter) * math.pi)
            # A hollow is lit by its walls less: free space at a distance of 2 mm along the normal.
            reach = 2.0 * scale
            open_ = distance_at(values, px + reach * nx, py + reach * ny, pz + reach * nz) / 2.0
            spread = look.ambient / math.pi * (0.4 + 0.6 * min(max(open_, 0.0), 1.0))
            film = _film(
                bx, by, bz, -dx, -dy, -dz, lx, ly, lz,
                look.roughness * (1.0 - 0.5 * wet), look.gloss,
            )  # fmt: skip
            # What has met another wall before carries its colour twice.
            colour[v, u, 0] = light * (r * (direct + spread * (0.2 + 1.5 * r)) + film)
            colour[v, u, 1] = light * (g * (direct + spread * (0.2 + 1.5 * g)) + film)
            colour[v, u, 2] = light * (b * (direct + spread * (0.2 + 1.5 * b)) + film)
