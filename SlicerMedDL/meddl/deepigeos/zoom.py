"""Coarser grids and back: a voxel of the coarse grid stands for a block of fine ones."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from meddl.deepigeos.methods import Seeds, Volume

Factors = tuple[int, int, int]
_jit = numba.njit(nogil=True, cache=True)


def reduction(shape: Sequence[int], spacing: Sequence[float], most: int) -> Factors:
    """By how much to coarsen each axis so that at most ``most`` voxels are left.

    The finest axes go first, so that the blocks come near to cubes.

    Args:
        shape: (3,) voxels along k, j, i.
        spacing: (3,) mm.
    """
    factors = np.ones(3, dtype=int)
    while np.prod(-(-np.array(shape) // factors)) > most:
        steps = np.where(np.array(shape) > factors, factors * np.asarray(spacing), np.inf)
        factors[steps <= 1.2 * steps.min()] += 1
    k, j, i = factors.tolist()
    return k, j, i


def reduce_image(image: Volume, factors: Factors) -> Volume:
    """Means of blocks: (K, J, I, C) float32 to (k, j, i, C), rounded up; partial blocks count."""
    if max(factors) == 1:
        return image
    return _block_means(image, factors)


def reduce_seeds(seeds: Seeds, factors: Factors) -> Seeds:
    """Seeds of blocks, the highest value in each: foreground wins over background over none."""
    if max(factors) == 1:
        return seeds
    shape = -(-np.array(seeds.shape) // factors)
    result = np.zeros(tuple(shape), np.uint8)
    voxels = np.nonzero(seeds)
    blocks = tuple(axis // factor for axis, factor in zip(voxels, factors, strict=True))
    np.maximum.at(result, blocks, seeds[voxels])
    return result


def enlarge(volume: Volume, factors: Factors, shape: Sequence[int]) -> Volume:
    """Linear interpolation (k, j, i) to ``shape`` (K, J, I), blocks' centres as the samples.

    Beyond the outermost centres their value holds.
    """
    if max(factors) == 1:
        return volume
    tables = [
        _places(size, factor, count)
        for size, factor, count in zip(shape, factors, volume.shape, strict=True)
    ]
    return _interpolated(np.ascontiguousarray(volume), *tables)


def _places(size: int, factor: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower sample and weight of the upper one for each fine voxel along an axis."""
    position = np.clip((np.arange(size) + 0.5) / factor - 0.5, 0, count - 1)
    low = np.minimum(position.astype(np.int64), max(count - 2, 0))
    return low, (position - low).astype(np.float32)


@_jit
def _block_means(image, factors):  # type: ignore[no-untyped-def]  # numba infers them
    depth, rows, columns, channels = image.shape
    fk, fj, fi = factors
    shape = (-(-depth // fk), -(-rows // fj), -(-columns // fi), channels)
    result = np.zeros(shape, np.float32)
    for k in range(depth):
        for j in range(rows):
            for i in range(columns):
                for c in range(channels):
                    result[k // fk, j // fj, i // fi, c] += image[k, j, i, c]
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                count = min(fk, depth - k * fk) * min(fj, rows - j * fj) * min(fi, columns - i * fi)
                for c in range(channels):
                    result[k, j, i, c] /= np.float32(count)
    return result


@_jit
def _interpolated(volume, along_k, along_j, along_i):  # type: ignore[no-untyped-def]
    low_k, part_k = along_k
    low_j, part_j = along_j
    low_i, part_i = along_i
    result = np.empty((low_k.size, low_j.size, low_i.size), np.float32)
    line = np.empty(volume.shape[2], np.float32)
    for k in range(low_k.size):
        k0 = low_k[k]
        k1 = min(k0 + 1, volume.shape[0] - 1)
        for j in range(low_j.size):
            j0 = low_j[j]
            j1 = min(j0 + 1, volume.shape[1] - 1)
            a, b = part_k[k], part_j[j]
            for n in range(line.size):
                line[n] = (1 - a) * ((1 - b) * volume[k0, j0, n] + b * volume[k0, j1, n]) + a * (
                    (1 - b) * volume[k1, j0, n] + b * volume[k1, j1, n]
                )
            for i in range(low_i.size):
                i0 = low_i[i]
                i1 = min(i0 + 1, line.size - 1)
                result[k, j, i] = line[i0] + part_i[i] * (line[i1] - line[i0])
    return result
