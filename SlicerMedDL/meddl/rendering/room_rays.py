"""Rays against the boxes, cylinders and ellipsoids of a room, and the light that comes back.

All solids stand upright: they are turned about the vertical only. Light is traced one bounce far:
shadow rays to the lamps, one ray for the ambient light. Noise of the single rays is what the
averaging of a larger picture takes away.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.rendering.room_kinds import (
    BOX,
    CYLINDER,
    MOTTLED,
    PATCHES,
    PLANKS,
    STRIPES,
    TILES,
    WOOD,
)

AMBIENT_REACH = 0.7  # m: nearer surfaces take ambient light away

_jit = numba.njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"nsz", "arcp", "contract", "reassoc", "nnan"},
)


@_jit
def _hash(x, y, z):  # type: ignore[no-untyped-def]
    """A number in [0, 1) of three whole ones (the mixing of MurmurHash3)."""
    h = np.uint32(x * 73856093) ^ np.uint32(y * 19349663) ^ np.uint32(z * 83492791)
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    return h / 4294967296.0


@_jit
def _value_noise(x, y, z):  # type: ignore[no-untyped-def]
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for corner in range(8):
        a, b, c = corner & 1, (corner >> 1) & 1, (corner >> 2) & 1
        weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
        total += weight * _hash(int(i) + a, int(j) + b, int(k) + c)
    return total


@_jit
def _fractal_noise(x, y, z):  # type: ignore[no-untyped-def]
    """0..1, mean 0.5, three octaves."""
    return (
        4 * _value_noise(x, y, z)
        + 2 * _value_noise(2 * x + 17, 2 * y, 2 * z)
        + _value_noise(4 * x, 4 * y + 31, 4 * z)
    ) / 7


@_jit
def _mix(material, p, u, v, seed):  # type: ignore[no-untyped-def]
    """(share of the second colour, brightness, hue seed or -1) of a pattern at a point.

    p: the point in the solid's frame; (u, v): on its surface; all in metres.
    """
    pattern, scale, contrast = int(material[6]), material[7], material[8]
    x, y, z = p[0] + 3.1 * seed, p[1] + 1.7 * seed, p[2]
    if pattern == MOTTLED:
        return contrast * (3 * _fractal_noise(x / scale, y / scale, z / scale) - 1), 1.0, -1.0
    if pattern == WOOD:
        grain = _fractal_noise(x / scale, 8 * y / scale, 8 * z / scale)
        rings = grain * 6 - math.floor(grain * 6)
        return contrast * rings, 1.0, -1.0
    if pattern == PLANKS:
        row = math.floor(v / scale)
        board = math.floor(u / (7 * scale) + _hash(int(row), int(seed), 1))
        tone = _hash(int(row), int(board), int(seed))
        grain = _fractal_noise(u / scale, 9 * v / scale + 5 * tone, seed)
        edge = 0.55 if v / scale - row < 0.03 else 1.0
        return contrast * (0.5 * tone + 0.5 * grain), edge, -1.0
    if pattern == TILES:
        row, column = math.floor(v / scale), math.floor(u / scale)
        if min(u / scale - column, v / scale - row) < 0.04:
            return 0.0, 0.6, -1.0
        parity = (int(row) + int(column)) & 1
        return contrast * parity, 0.9 + 0.1 * _hash(int(row), int(column), 3), -1.0
    if pattern == STRIPES:
        cell = math.floor(u / scale)
        shelf = math.floor(v / 0.3)
        return 0.0, 1.0, _hash(int(cell), int(shelf), int(seed))
    if pattern == PATCHES:
        return 0.0, 1.0, 2.0
    tone = _value_noise(x / scale, y / scale, z / scale)
    return 0.0, 1.0 + 0.15 * contrast * (tone - 0.5), -1.0


@_jit
def _albedo(material, p, u, v, seed, out):  # type: ignore[no-untyped-def]
    share, brightness, hue = _mix(material, p, u, v, seed)
    share = min(max(share, 0.0), 1.0)
    scale = material[7]
    for channel in range(3):
        a, b = material[channel], material[3 + channel]
        if hue == 2.0:  # blobs of many colours: pictures, rugs
            t = _fractal_noise(u / scale + 7 * seed, v / scale, 13.0 * channel)
            out[channel] = min(max(a + (3 * t - 1.5) * material[8], 0.02), 0.95)
        elif hue >= 0.0:  # backs of books: any colour
            t = hue * 7 - math.floor(hue * 7)
            own = _hash(int(hue * 1e6), channel, 5)
            out[channel] = a * (1 - material[8]) + material[8] * own * (0.3 + 0.7 * t)
        else:
            out[channel] = brightness * (a + share * (b - a))


@_jit
def _local(vector, cosine, sine, out):  # type: ignore[no-untyped-def]
    out[0] = cosine * vector[0] + sine * vector[1]
    out[1] = cosine * vector[1] - sine * vector[0]
    out[2] = vector[2]


@_jit
def _meet_box(o, d, half, inside, limit):  # type: ignore[no-untyped-def]
    """(distance, axis and side as 2 axis + side) of the entry, or of the exit if ``inside``."""
    near, far = -np.inf, np.inf
    near_face, far_face = 0, 0
    for axis in range(3):
        if abs(d[axis]) < 1e-12:
            if abs(o[axis]) > half[axis]:
                return np.inf, 0
            continue
        t0, t1 = (-half[axis] - o[axis]) / d[axis], (half[axis] - o[axis]) / d[axis]
        face0, face1 = 2 * axis, 2 * axis + 1
        if t0 > t1:
            t0, t1, face0, face1 = t1, t0, face1, face0
        if t0 > near:
            near, near_face = t0, face0
        if t1 < far:
            far, far_face = t1, face1
    if near > far:
        return np.inf, 0
    if inside:
        return (far, far_face) if 1e-6 < far < limit else (np.inf, 0)
    return (near, near_face) if 1e-6 < near < limit else (np.inf, 0)


@_jit
def _meet_cylinder(o, d, half, limit):  # type: ignore[no-untyped-def]
    """Entry into an elliptic cylinder along z; faces 0: side, 4 and 5: bottom and top."""
    ox, oy, dx, dy = o[0] / half[0], o[1] / half[1], d[0] / half[0], d[1] / half[1]
    a, b, c = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - 1
    best, face = np.inf, 0
    root = b * b - a * c
    if a > 1e-14 and root > 0:
        t = (-b - math.sqrt(root)) / a
        if 1e-6 < t < limit and abs(o[2] + t * d[2]) <= half[2]:
            best = t
    if abs(d[2]) > 1e-12:
        t = (-math.copysign(half[2], d[2]) - o[2]) / d[2]
        x, y = ox + t * dx, oy + t * dy
        if 1e-6 < t < min(limit, best) and x * x + y * y <= 1:
            best, face = t, 4 if d[2] > 0 else 5
    return best, face


@_jit
def _meet_ellipsoid(o, d, half, limit):  # type: ignore[no-untyped-def]
    a = b = c = 0.0
    for axis in range(3):
        x, v = o[axis] / half[axis], d[axis] / half[axis]
        a, b, c = a + v * v, b + x * v, c + x * x
    root = b * b - a * (c - 1)
    if root <= 0:
        return np.inf
    t = (-b - math.sqrt(root)) / a
    return t if 1e-6 < t < limit else np.inf


@_jit
def _meet(origin, direction, solid, inside, limit, work):  # type: ignore[no-untyped-def]
    """(distance in units of the direction or infinity, face)."""
    o, d, offset = work[0], work[1], work[2]
    for axis in range(3):
        offset[axis] = origin[axis] - solid[1 + axis]
    _local(offset, solid[7], solid[8], o)
    _local(direction, solid[7], solid[8], d)
    if solid[0] == BOX:
        return _meet_box(o, d, solid[4:7], inside, limit)
    if solid[0] == CYLINDER:
        return _meet_cylinder(o, d, solid[4:7], limit)
    return _meet_ellipsoid(o, d, solid[4:7], limit), 0


@_jit
def _misses(origin, direction, spheres, limit, out):  # type: ignore[no-untyped-def]
    """How far (squared, m^2) the ray passes outside each bounding sphere; negative: it enters.

    Without branches, so that the compiler makes SIMD code of it: two thirds of the time go here.
    """
    x, y, z = np.float32(origin[0]), np.float32(origin[1]), np.float32(origin[2])
    dx, dy, dz = np.float32(direction[0]), np.float32(direction[1]), np.float32(direction[2])
    per_length2 = np.float32(1) / (dx * dx + dy * dy + dz * dz)
    end, zero = np.float32(limit), np.float32(0)
    for n in range(spheres.shape[1]):
        ox, oy, oz = spheres[0, n] - x, spheres[1, n] - y, spheres[2, n] - z
        ahead = (ox * dx + oy * dy + oz * dz) * per_length2
        ahead = ahead if ahead > zero else zero
        ahead = ahead if ahead < end else end
        ox, oy, oz = ox - ahead * dx, oy - ahead * dy, oz - ahead * dz
        out[n] = ox * ox + oy * oy + oz * oz - spheres[3, n]


@_jit
def _first_hit(origin, direction, room, limit, any_solid, work):  # type: ignore[no-untyped-def]
    """(distance in units of the direction, index of the solid, face); the room is solid 0.

    any_solid: be content with any solid nearer than the limit, and do not look at the room.
    """
    solids, spheres, misses = room
    best, index, face = limit, -1, 0
    if not any_solid:
        best, face = _meet(origin, direction, solids[0], True, limit, work)
        index = 0 if best < limit else -1
    _misses(origin, direction, spheres, best, misses)
    for n in range(1, len(solids)):
        if misses[n] <= 0:
            t, side = _meet(origin, direction, solids[n], False, best, work)
            if t < best:
                best, index, face = t, n, side
                if any_solid:
                    break
    return best, index, face


@_jit
def _surface(point, solid, face, inside, normal, p, work):  # type: ignore[no-untyped-def]
    """Sets the normal (room's frame) and the point in the solid's frame; returns (u, v)."""
    n, offset = work[3], work[2]
    for axis in range(3):
        offset[axis] = point[axis] - solid[1 + axis]
        n[axis] = 0.0
    _local(offset, solid[7], solid[8], p)
    kind = int(solid[0])
    u, v = p[0], p[2]
    if kind == BOX or (kind == CYLINDER and face >= 4):
        axis = face // 2
        n[axis] = (1.0 if face % 2 else -1.0) * (-1.0 if inside else 1.0)
        if axis == 0:
            u, v = p[1], p[2]
        elif axis == 2:
            u, v = p[0], p[1]
    elif kind == CYLINDER:
        n[0], n[1] = p[0] / solid[4] ** 2, p[1] / solid[5] ** 2
        u = math.atan2(p[1] / solid[5], p[0] / solid[4]) * solid[4]
    else:
        for axis in range(3):
            n[axis] = p[axis] / solid[4 + axis] ** 2
    length = math.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2)
    normal[0] = (solid[7] * n[0] - solid[8] * n[1]) / length
    normal[1] = (solid[8] * n[0] + solid[7] * n[1]) / length
    normal[2] = n[2] / length
    return u, v


@_jit
def _ambient(point, normal, room, work, a, b):  # type: ignore[no-untyped-def]
    """How open the room is along one direction, cosine distributed: 0 touching, to 1."""
    direction = work[4]
    angle, height = 2 * math.pi * a, 2 * b - 1
    around = math.sqrt(1 - height * height)
    direction[0] = normal[0] + around * math.cos(angle)
    direction[1] = normal[1] + around * math.sin(angle)
    direction[2] = normal[2] + height
    length = math.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2) + 1e-12
    for axis in range(3):
        direction[axis] /= length
    t, index, _ = _first_hit(point, direction, room, 4 * AMBIENT_REACH, False, work)
    return 1.0 if index < 0 else 1 - math.exp(-t / AMBIENT_REACH)


@_jit
def trace(  # type: ignore[no-untyped-def]
    rays, origin, solids, surfaces, materials, lamps, ambient, seed, depth, light
):
    """Depth and linear light of every pixel.

    Args:
        rays: (H, W, 3) directions in the room's frame, of length 1 along the camera's z.
        origin: (3,) of the camera.
        solids: (S, 10) kind, centre, half sizes, cosine and sine of the turn, squared radius of the
            bounding sphere; the first is the room.
        surfaces: (S, 6) material of each face (-x, +x, -y, +y, -z, +z).
        materials: (M, 11) two colours, pattern, its size in m, contrast, gloss, glow.
        lamps: (L, 7) position, colour times intensity, radius in m.
        ambient: (3,) colour times intensity.
        seed: of the rays' noise.
        depth: (H, W) result, along the camera's z, m.
        light: (H, W, 3) result.
    """
    work, point, normal = np.empty((5, 3)), np.empty(3), np.empty(3)
    p, albedo, direction, position = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    spheres = np.empty((4, len(solids)), np.float32)
    spheres[:3], spheres[3] = solids[:, 1:4].T, solids[:, 9] * 1.0001 + 1e-5
    room = (solids, spheres, np.empty(len(solids), np.float32))
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            ray = rays[row, column]
            t, index, face = _first_hit(origin, ray, room, np.inf, False, work)
            depth[row, column] = t
            for axis in range(3):
                point[axis] = origin[axis] + t * ray[axis]
            u, v = _surface(point, solids[index], face, index == 0, normal, p, work)
            number = surfaces[index, face]
            material = materials[number]
            _albedo(material, p, u, v, number, albedo)
            for axis in range(3):
                point[axis] += 1e-4 * normal[axis]
            pixel = row * width + column
            # The four pixels of a square look into different quarters: their mean is less noisy.
            quarter = 2 * (row & 1) + (column & 1)
            openness = _ambient(
                point,
                normal,
                room,
                work,
                (quarter + _hash(pixel, seed, 1)) / 4,
                ((3 * quarter + 2) % 4 + _hash(pixel, seed, 2)) / 4,
            )
            for channel in range(3):
                light[row, column, channel] = albedo[channel] * (
                    ambient[channel] * openness + material[10]
                )
            length = math.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
            for n in range(len(lamps)):
                lamp = lamps[n]
                for axis in range(3):
                    jitter = 2 * _hash(pixel, seed + n, 4 + axis) - 1
                    position[axis] = lamp[axis] + lamp[6] * jitter
                    direction[axis] = position[axis] - point[axis]
                distance2 = direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2
                distance = math.sqrt(distance2)
                facing = 0.0
                for axis in range(3):
                    facing += normal[axis] * direction[axis] / distance
                if facing <= 0:
                    continue
                if _first_hit(point, direction, room, 1.0, True, work)[1] > 0:
                    continue
                gloss = 0.0
                if material[9] > 0:  # Blinn's highlight
                    half = work[3]
                    norm = 0.0
                    for axis in range(3):
                        half[axis] = direction[axis] / distance - ray[axis] / length
                        norm += half[axis] ** 2
                    cosine = 0.0
                    for axis in range(3):
                        cosine += half[axis] * normal[axis] / math.sqrt(norm)
                    gloss = material[9] * max(cosine, 0.0) ** 60
                for channel in range(3):
                    light[row, column, channel] += (
                        lamp[3 + channel] * (albedo[channel] * facing + gloss) / (distance2 + 0.2)
                    )
