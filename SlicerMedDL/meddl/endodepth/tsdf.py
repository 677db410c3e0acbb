"""A truncated signed distance field of depth maps (Curless and Levoy, SIGGRAPH 1996).

Every voxel holds the weighted mean of its distances to the surfaces seen along its lines of sight,
cut at the truncation and divided by it: 1 in free space, 0 on the surface, -1 behind it. What no
frame has seen has weight 0 and makes no surface.

Along a plane the inverse depth is an affine function of the pixel. Depth maps are therefore
interpolated in inverse depth, and the distance along the view becomes the distance to the plane of
the pixel: oblique views then agree with frontal ones before they are averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.devices import available_cores, require_memory
from meddl.core.errors import InputError
from meddl.core.geometry import affine, inverse
from meddl.core.pinhole import Floats, intrinsics_matrix

Float32 = NDArray[np.float32]

# Neighbouring pixels whose depths differ by more than this part lie on different surfaces: the
# most oblique plane that a view at 80 degrees shows at 1 pixel per 6 mrad differs by 7 %.
JUMP = 0.1
# Pixels to either side from which the slope of the surface is taken: at noise of 1 % of the depth
# neighbours would tilt it by 45 degrees.
BASELINE = 3
_SLABS_PER_CORE = 8
_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


@dataclass(frozen=True, eq=False)
class Volume:
    """A grid of distances.

    Attributes:
        origin: (3,) world position of the centre of voxel (0, 0, 0).
        voxel: edge length of a voxel in world units.
        truncation: distance in world units that counts as 1.
        distance: (I, J, K) float32 in -1..1; axes are x, y, z of the world.
        weight: (I, J, K) float32, 0 where nothing was seen.
    """

    origin: Floats
    voxel: float
    truncation: float
    distance: Float32
    weight: Float32


def make_volume(
    lower: ArrayLike, upper: ArrayLike, voxel: float, truncation: float | None = None
) -> Volume:
    """An empty volume whose voxel centres cover the box between two corners.

    Args:
        lower, upper: (3,) world positions.
        voxel: edge length, world units.
        truncation: world units; by default four voxels.

    Raises:
        InputError: an empty box, or lengths that are not positive.
        DeviceError: more voxels than free memory.
    """
    low, high = (np.asarray(corner, dtype=np.float64) for corner in (lower, upper))
    truncation = 4 * voxel if truncation is None else truncation
    if not (np.isfinite([low, high]).all() and (high > low).all()):
        raise InputError(f"the box from {low.tolist()} to {high.tolist()} holds nothing")
    if not (np.isfinite([voxel, truncation]).all() and voxel > 0 and truncation >= voxel):
        raise InputError(
            f"the voxel is {voxel}, the truncation {truncation}; a positive length and at least "
            "one voxel were expected"
        )
    counts = np.ceil((high - low) / voxel) + 1
    # The field has 8 bytes a voxel; marching cubes add a copy, masks, and the range in each cube.
    require_memory(int(counts.prod() * 28), f"a volume of {'x'.join(f'{n:.0f}' for n in counts)}")
    shape = tuple(counts.astype(int))
    return Volume(low, voxel, truncation, np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def integrate(
    volume: Volume,
    depth: Float32,
    intrinsics: ArrayLike,
    world_from_camera: ArrayLike,
    reference: float,
) -> None:
    """Add a depth map to the volume, in place.

    Args:
        volume: of :func:`make_volume`.
        depth: (H, W) float32, world units, 0 where unknown.
        intrinsics: (3, 3) in pixels of the map.
        world_from_camera: (4, 4) rigid.
        reference: the depth up to which a view has full weight; beyond it the weight falls with
            the square of the depth, as the error of triangulated depth grows.

    Raises:
        InputError, GeometryError: shapes or matrices that cannot be.
    """
    depth = check_depth(depth)
    matrix = intrinsics_matrix(intrinsics)
    maps = view_maps(depth, matrix, reference)
    world_from_index = np.diag([volume.voxel] * 3 + [1.0])
    world_from_index[:3, 3] = volume.origin
    camera_from_index = inverse(affine(world_from_camera, "pose")) @ world_from_index
    homogeneous_from_index = (matrix @ camera_from_index[:3]).astype(np.float32)
    near, far = nearest_and_farthest(depth)

    def slab(span: tuple[int, int]) -> None:
        _integrate(
            volume.distance, volume.weight, homogeneous_from_index, maps,
            np.float32(near), np.float32(far), np.float32(volume.truncation), *span,
        )  # fmt: skip

    in_slabs(slab, len(volume.distance))


def in_slabs(work: Callable[[tuple[int, int]], None], length: int) -> None:
    """Call ``work`` with spans that make up ``length``, in a thread per core; it frees the GIL."""
    cores = available_cores()
    edges = np.linspace(0, length, cores * _SLABS_PER_CORE + 1).astype(int)
    spans = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    if cores == 1:
        for span in spans:
            work(span)
        return
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, spans))


def check_depth(depth: NDArray[Any]) -> Float32:
    """``depth`` as a contiguous (H, W) float32 map.

    Raises:
        InputError: another shape, fewer than 2 x 2 pixels, NaN or negative values.
    """
    depth = np.ascontiguousarray(depth, dtype=np.float32)
    if depth.ndim != 2 or min(depth.shape) < 2:
        raise InputError(f"the depth map has shape {depth.shape}, at least (2, 2) was expected")
    if not (np.isfinite(depth).all() and depth.min() >= 0):
        raise InputError("the depth map holds NaN, infinity or negative depths; 0 is unknown")
    return depth


def nearest_and_farthest(depth: Float32) -> tuple[float, float]:
    """The smallest and largest known depth; (0, 0) where none is known."""
    known = depth[depth > 0]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def view_maps(depth: Float32, intrinsics: Floats, reference: float) -> Float32:
    """(H, W, 3) float32 of a depth map: inverse depth (0 where unknown), tilt, weight.

    The tilt times a difference of depths is the distance to the plane of the pixel. The weight is
    the cosine between view and normal, times (reference / depth)^2 beyond the reference depth.
    """
    maps: Float32 = _view_maps(depth, intrinsics.astype(np.float32), np.float32(reference))
    return maps


@_jit
def _slope(q, r, c, dr, dc):  # type: ignore[no-untyped-def]
    """Derivative of the inverse depth along (dr, dc), between pixels of one surface; and whether
    there is any."""
    height, width = q.shape
    here = q[r, c]
    high = low = here
    ahead = behind = 0
    for step in range(1, BASELINE + 1):
        y, x = r + step * dr, c + step * dc
        if y >= height or x >= width or q[y, x] == 0 or abs(q[y, x] - high) > JUMP * high:
            break
        high = q[y, x]
        ahead = step
    for step in range(1, BASELINE + 1):
        y, x = r - step * dr, c - step * dc
        if y < 0 or x < 0 or q[y, x] == 0 or abs(q[y, x] - low) > JUMP * low:
            break
        low = q[y, x]
        behind = step
    span = ahead + behind
    if span == 0:
        return np.float32(0), False
    return (high - low) / np.float32(span), True


@_jit
def _view_maps(depth, intrinsics, reference):  # type: ignore[no-untyped-def]
    fx, skew, cx = intrinsics[0]
    fy, cy = intrinsics[1, 1], intrinsics[1, 2]
    height, width = depth.shape
    q = np.zeros((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            if depth[r, c] > 0:
                q[r, c] = np.float32(1) / depth[r, c]
    maps = np.zeros((height, width, 3), np.float32)
    for r in range(height):
        for c in range(width):
            here = q[r, c]
            if here == 0:
                continue
            maps[r, c, 0] = here
            along_u, found_u = _slope(q, r, c, 0, 1)
            along_v, found_v = _slope(q, r, c, 1, 0)
            if not (found_u and found_v):
                continue  # a lone pixel has no plane: weight 0
            u, v = np.float32(c + 0.5), np.float32(r + 0.5)
            # The plane n X = D has q = n K^-1 (u, v, 1) / D, so that n / D = K^T grad q.
            rest = here - u * along_u - v * along_v
            nx = fx * along_u
            ny = skew * along_u + fy * along_v
            nz = cx * along_u + cy * along_v + rest
            tilt = here / np.sqrt(nx * nx + ny * ny + nz * nz)
            y = (v - cy) / fy
            x = (u - cx - skew * y) / fx
            weight = tilt / np.sqrt(x * x + y * y + np.float32(1))
            nearness = min(np.float32(1), reference * here)
            maps[r, c, 1] = tilt
            maps[r, c, 2] = weight * nearness * nearness
    return maps


@_jit
def sample_inverse_depth(maps, x, y):  # type: ignore[no-untyped-def]
    """Bilinear inverse depth at pixel position (x, y), and the nearest pixel; 0 where unknown or
    between two surfaces."""
    height, width, _ = maps.shape
    half = np.float32(0.5)
    x = min(max(x - half, np.float32(0)), np.float32(width - 1))
    y = min(max(y - half, np.float32(0)), np.float32(height - 1))
    c, r = min(int(x), width - 2), min(int(y), height - 2)
    a, b = x - np.float32(c), y - np.float32(r)
    q00, q01 = maps[r, c, 0], maps[r, c + 1, 0]
    q10, q11 = maps[r + 1, c, 0], maps[r + 1, c + 1, 0]
    row, column = (r + 1 if b > half else r), (c + 1 if a > half else c)
    low = min(min(q00, q01), min(q10, q11))
    if max(max(q00, q01), max(q10, q11)) - low > JUMP * low:  # also if one of them is unknown
        return np.float32(0), row, column
    one = np.float32(1)
    q = (one - b) * ((one - a) * q00 + a * q01) + b * ((one - a) * q10 + a * q11)
    return q, row, column


@_jit
def _clip(constant, slope, first, last):  # type: ignore[no-untyped-def]
    """The part of first..last in which constant + slope k >= 0."""
    if slope > 0:
        return max(first, -constant / slope), last
    if slope < 0:
        return first, min(last, -constant / slope)
    return first, (last if constant >= 0 else first - np.float32(1))


@_jit
def _integrate(distance, weight, matrix, maps, near, far, truncation, start, stop):  # type: ignore[no-untyped-def]
    height, width, _ = maps.shape
    _, count_j, count_k = distance.shape
    a0, a1, a2 = matrix[0, 2], matrix[1, 2], matrix[2, 2]
    one = np.float32(1)
    w, h = np.float32(width), np.float32(height)
    closest = np.float32(0.05) * near
    farthest = far + np.float32(2) * truncation
    inverse_truncation = one / truncation
    for i in range(start, stop):
        for j in range(count_j):
            x, y = np.float32(i), np.float32(j)  # numba's int64 times float32 is float64
            b0 = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 3]
            b1 = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 3]
            b2 = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 3]
            # Where the line of voxels is inside the pyramid of view: all conditions are linear.
            first, last = np.float32(0), np.float32(count_k - 1)
            first, last = _clip(b2 - closest, a2, first, last)
            first, last = _clip(farthest - b2, -a2, first, last)
            first, last = _clip(b0, a0, first, last)
            first, last = _clip(w * b2 - b0, w * a2 - a0, first, last)
            first, last = _clip(b1, a1, first, last)
            first, last = _clip(h * b2 - b1, h * a2 - a1, first, last)
            for k in range(int(np.ceil(first)), int(np.floor(last)) + 1):
                along = np.float32(k)
                z = b2 + along * a2
                inverse_z = one / z
                q, row, column = sample_inverse_depth(
                    maps, (b0 + along * a0) * inverse_z, (b1 + along * a1) * inverse_z
                )
                if q == 0:
                    continue
                signed = (one / q - z) * maps[row, column, 1]
                if signed < -truncation:
                    continue
                added = maps[row, column, 2]
                if added == 0:
                    continue
                value = min(one, signed * inverse_truncation)
                total = weight[i, j, k] + added
                distance[i, j, k] += (value - distance[i, j, k]) * added / total
                weight[i, j, k] = total
