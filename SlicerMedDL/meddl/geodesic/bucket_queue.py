"""Exact shortest paths over the grid by a bucket queue, on the CPU by numba.

Dial's algorithm with buckets that hold a range of distances (delta-stepping, Meyer and Sanders
2003): a voxel whose distance falls again within its bucket is simply visited again. Arrays are flat
and padded by one voxel, whose distance of -1 no path improves, so that no neighbour is tested for
the border.

A distance is the float32 sum of its path's steps from the seed outwards. Rounded addition keeps
order, hence the smallest such sum does not depend on the order of the visits: starting anew and
adding seeds one after another end in the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.compiled import channel_difference, inlined, jit, prefetch, step_cost
from meddl.geodesic.grid import Grid

CHUNK = np.uint64(64)  # entries that a bucket gets at once
BUCKETS = 4096  # at most; farther entries wait in the last one
# Of the mean step. Wider buckets visit more voxels twice, narrower ones are often empty.
WIDTH = 0.25
VISITS = 1 << 20  # between two looks at the cancel token, about 0.2 s
AHEAD = np.uint64(6)  # entries; their neighbours are asked for from memory
ROOM = 27  # free chunks that one visit may use up
# Places in the queue's state.
CURRENT, LIVE, FREE, FREE_COUNT, VISITED = range(5)

_NONE, _ONE = np.uint64(0), np.uint64(1)
NO_OWNER = np.empty(0, np.uint16)
NO_RANK = np.zeros(1, np.uint8)


class Queue:
    """Waiting voxels with their distances; every bucket is a list of chunks of one pool."""

    def __init__(self, grid: Grid, entries: int) -> None:
        self.width = np.float32(max(WIDTH * grid.mean_step(), 1e-6 * grid.largest_step(), 1e-30))
        buckets = min(BUCKETS, int(grid.largest_step() / float(self.width)) + 4)
        chunks = 2 * buckets + ROOM + entries // int(CHUNK)
        self.voxels = np.empty(chunks * int(CHUNK), np.uint32)
        self.keys = np.empty(chunks * int(CHUNK), np.float32)
        self.following = np.arange(1, chunks + 1, dtype=np.uint32)  # all chunks are free
        self.first = np.zeros(buckets, np.uint64)  # place of the first entry
        self.end = np.zeros(buckets, np.uint64)  # place behind the last entry
        self.count = np.zeros(buckets, np.uint32)
        self.state = np.array([0, 0, 0, chunks, 0], np.int64)

    def grow(self, entries: int) -> None:
        """Make room for so many more entries at least."""
        old = len(self.following)
        added = max(entries // int(CHUNK) + ROOM, old // 4)
        self.voxels = np.concatenate([self.voxels, np.empty(added * int(CHUNK), np.uint32)])
        self.keys = np.concatenate([self.keys, np.empty(added * int(CHUNK), np.float32)])
        following = np.arange(old + 1, old + added + 1, dtype=np.uint32)
        following[-1] = self.state[FREE] % 2**32
        self.following = np.concatenate([self.following, following])
        self.state[FREE] = old
        self.state[FREE_COUNT] += added

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """What the compiled functions get."""
        pool = self.voxels, self.keys, self.following
        return *pool, self.first, self.end, self.count, self.state


@inlined
def _push(  # type: ignore[no-untyped-def]
    voxel, key, bucket, free, free_count, voxels, keys, following, first, end, count
):
    """Append an entry to a bucket; returns the first free chunk and the number of free ones."""
    place, entries = end[bucket], count[bucket]
    if entries == 0 or place % CHUNK == _NONE:
        chunk = free
        free = np.uint64(following[chunk])
        free_count -= 1
        if entries == 0:
            first[bucket] = chunk * CHUNK
        else:
            following[place // CHUNK - _ONE] = chunk
        place = chunk * CHUNK
    voxels[place] = voxel
    keys[place] = key
    end[bucket] = place + _ONE
    count[bucket] = entries + np.uint32(1)
    return free, free_count


@jit
def _enqueue(  # type: ignore[no-untyped-def]
    added, distance, inverse_width, voxels, keys, following, first, end, count, state
):
    """Push voxels (uint64) with their distances; the pool has room for them."""
    free, free_count = np.uint64(state[FREE]), state[FREE_COUNT]
    for voxel in added:
        key = distance[voxel]
        ahead = min(np.int64(key * inverse_width) - state[CURRENT], len(count) - 1)
        bucket = np.uint64((state[CURRENT] + ahead) % len(count))
        free, free_count = _push(
            voxel, key, bucket, free, free_count, voxels, keys, following, first, end, count
        )
    state[LIVE] += len(added)
    state[FREE], state[FREE_COUNT] = np.int64(free), free_count


@jit
def _visit(  # type: ignore[no-untyped-def]
    distance,
    image,
    channels,
    owner,
    rank,
    offsets,
    lengths,
    cost,
    lambda_,
    cap,
    inverse_width,
    voxels,
    keys,
    following,
    first,
    end,
    count,
    state,
):
    """Visit up to VISITS entries in order of distance; stops early without entries or room.

    distance: float32 (N,); image: float32 (channels * N,); owner: uint16 (N,), or (0,) if nobody
    asks; of two owners at the same distance the one of lower rank stays.
    """
    buckets, size = np.uint64(len(count)), np.uint64(len(distance))
    owned = len(owner) > 0
    current, live, free_count = state[CURRENT], state[LIVE], state[FREE_COUNT]
    free = np.uint64(state[FREE])
    bucket = np.uint64(current) % buckets
    visited = 0
    for _ in range(VISITS):
        if live == 0 or free_count < ROOM:
            break
        while count[bucket] == 0:
            current += 1
            bucket += _ONE
            if bucket == buckets:
                bucket = _NONE
        place = first[bucket]
        here, key = np.uint64(voxels[place]), keys[place]
        live -= 1
        count[bucket] -= np.uint32(1)
        if count[bucket] == 0 or (place + _ONE) % CHUNK == _NONE:
            chunk = place // CHUNK
            first[bucket] = np.uint64(following[chunk]) * CHUNK
            following[chunk] = free
            free = chunk
            free_count += 1
        else:
            first[bucket] = place + _ONE
            if place % CHUNK < CHUNK - AHEAD:
                later = np.uint64(voxels[place + AHEAD])
                for row in range(9):
                    middle = later + offsets[3 * row + (row < 4) - (row > 4)]
                    prefetch(distance, middle)  # type: ignore[call-arg]
                    prefetch(image, middle)
        if key > distance[here]:
            continue
        steps = np.int64(key * inverse_width) - current
        if steps > 0:  # it was too far for the buckets there are
            target = (bucket + min(np.uint64(steps), buckets - _ONE)) % buckets
            free, free_count = _push(
                here, key, target, free, free_count, voxels, keys, following, first, end, count
            )
            live += 1
            continue
        visited += 1
        value = image[here]
        for n in range(26):
            there = here + offsets[n]
            if channels == _ONE:
                difference = abs(value - image[there])
            else:
                difference = channel_difference(cost, image, size, channels, here, there)
            reached = key + step_cost(cost, lambda_, lengths[n], difference)
            before = distance[there]
            if reached > before or reached > cap:
                continue
            if reached == before and not (owned and rank[owner[here]] < rank[owner[there]]):
                continue
            distance[there] = reached
            if owned:
                owner[there] = owner[here]
            steps = np.int64(reached * inverse_width) - current
            target = bucket + min(np.uint64(steps), buckets - _ONE)
            if target >= buckets:
                target -= buckets
            free, free_count = _push(
                there, reached, target, free, free_count, voxels, keys, following, first, end, count
            )
            live += 1
    state[CURRENT], state[LIVE], state[FREE_COUNT] = current, live, free_count
    state[FREE] = np.int64(free)
    state[VISITED] += visited


def propagate(
    grid: Grid,
    distance: NDArray[np.float32],
    start: NDArray[np.uint64],
    cap: np.float32,
    owner: NDArray[np.uint16] = NO_OWNER,
    rank: NDArray[np.uint8] = NO_RANK,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Lower distances until no step lowers any, in place.

    Args:
        grid: of N padded voxels.
        distance: (N,) of paths that exist, or infinity; -1 in the padding.
        start: voxels from which neighbours may be improved.
        cap: farther voxels are left as they are.
        owner: (N,) carried along with the distance, or empty.
        rank: of each owner; of two at the same distance the lower one stays.

    Returns:
        The number of voxels visited.

    Raises:
        Cancelled: by the token; the distances are then upper bounds.
    """
    queue = Queue(grid, len(start))
    if len(start) == 0:
        return 0
    inverse_width = np.float32(1.0) / queue.width
    queue.state[CURRENT] = int(distance[start].min() * inverse_width)
    _enqueue(start, distance, inverse_width, *queue.arrays)
    total = grid.image[0].size
    while queue.state[LIVE] > 0:
        if cancel is not None:
            cancel.check()
        if queue.state[FREE_COUNT] < ROOM:
            queue.grow(int(queue.state[LIVE]) // 4)
        _visit(
            distance,
            grid.padded,
            np.uint64(len(grid.image)),
            owner,
            rank,
            grid.offsets,
            grid.lengths,
            grid.cost.code,
            np.float32(grid.cost.lambda_),
            cap,
            inverse_width,
            *queue.arrays,
        )
        progress(min(queue.state[VISITED] / total, 1.0), "measuring distances")
    return int(queue.state[VISITED])
