"""Exact shortest paths over the grid by a bucket queue, on the CPU by numba.

Dial's algorithm with buckets that hold a range of distances (delta-stepping, Meyer and Sanders
2003): a voxel whose distance falls again within its bucket is simply visited again. Arrays are flat
and padded by one voxel, where the image is NaN, so that no neighbour is tested for the border.

A distance is the float32 sum of its path's steps from the seed outwards. Rounded addition keeps
order, hence the smallest such sum does not depend on the order of the visits: starting anew and
adding seeds one after another end in the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.grid import Grid
from meddl.geodesic.simd_steps import inlined, jit, lowest_bit, prefetch, relax_rows
from meddl.geodesic.steps import SLACK

CHUNK = np.uint64(64)  # entries that a bucket gets at once
BUCKETS = 1 << 16  # at most; they are wider then
# Of the mean step. Wider buckets visit more voxels twice, narrower ones hold more that is outdated.
WIDTH = 0.5
VISITS = 1 << 20  # between two looks at the cancel token, about 0.2 s
ROOM = 27  # free chunks that one visit may use up
# Entries ahead of their turn: the distance is asked for from memory, then all neighbours.
FAR, NEAR = np.uint64(16), np.uint64(6)
# Places in the queue's state: the current bucket, waiting entries, first and number of free chunks,
# voxels of the start that have had their turn, voxels visited.
CURRENT, LIVE, FREE, FREE_COUNT, STARTED, VISITED = range(6)

_NONE, _ONE, _FOUR, _ALL = np.uint64(0), np.uint64(1), np.uint64(4), np.uint64(2**64 - 1)
_TIES, _NEVER = np.uint64(255), np.int64(2**62)
_LARGE = np.float32(1e30)
NO_OWNER = np.empty(0, np.uint16)
NO_RANK = np.empty(0, np.uint8)


class Queue:
    """Waiting voxels by distance; every bucket is a list of chunks of one pool of voxel numbers.

    An entry stays where it is when its voxel's distance falls into a lower bucket, where it gets
    another one; it is recognised later by the distance, which belongs to a bucket of the past.
    """

    def __init__(self, grid: Grid) -> None:
        largest = grid.largest_step
        width = max(WIDTH * grid.mean_step, largest / BUCKETS, 1e-30)
        self.buckets_per_unit = 1 / width
        buckets = int(largest / width) + 8  # a step from the current one ends in one of these
        chunks = buckets + 2 * ROOM
        # Zeros, since what lies behind the last entry is looked at, if in vain.
        self.voxels = np.zeros(chunks * int(CHUNK), np.uint32)
        self.following = np.arange(1, chunks + 1, dtype=np.uint32)  # all chunks are free
        self.first = np.full(buckets, _ALL)  # place of the first entry, or _ALL
        self.last = np.zeros(buckets, np.uint64)  # place of the last entry
        self.state = np.array([0, 0, 0, chunks, 0, 0], np.int64)

    def grow(self, entries: int) -> None:
        """Make room for so many more entries at least."""
        old = len(self.following)
        added = max(entries // int(CHUNK) + ROOM, old // 4)
        self.voxels = np.concatenate([self.voxels, np.zeros(added * int(CHUNK), np.uint32)])
        following = np.arange(old + 1, old + added + 1, dtype=np.uint32)
        following[-1] = self.state[FREE]
        self.following = np.concatenate([self.following, following])
        self.state[FREE] = old
        self.state[FREE_COUNT] += added

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """What the compiled functions get."""
        return self.voxels, self.following, self.first, self.last, self.state


@inlined
def _due(start, started, distance, buckets_per_unit):  # type: ignore[no-untyped-def]
    """The bucket in which the next voxel of the start has its turn."""
    result = _NEVER
    if started < np.uint64(len(start)):
        result = np.int64(distance[start[started]] * buckets_per_unit)
    return result


@jit
def _visit(  # type: ignore[no-untyped-def]
    distance,
    image,
    channels,
    start,
    fresh,
    owner,
    rank,
    rows,
    lengths,
    cost,
    lambda_,
    cap,
    buckets_per_unit,
    voxels,
    following,
    first,
    last,
    state,
):
    """Visit up to VISITS entries in order of distance; stops early without entries or room.

    distance, image: see :mod:`meddl.geodesic.simd_steps`; start: uint64, in order of distance;
    fresh: see :func:`propagate`; owner: uint16 (N,), or (0,) if nobody asks; rank: uint8 per owner,
    of two at the same distance the lower one stays, or (0,).
    """
    buckets, size = np.uint64(len(first)), np.uint64(len(distance) - SLACK)
    owned = len(owner) > 0
    ties = _TIES if len(rank) > 0 else _NONE
    reached = np.empty(40, np.float32)
    current, live, free_count = state[CURRENT], state[LIVE], state[FREE_COUNT]
    free, started = np.uint64(state[FREE]), np.uint64(state[STARTED])
    bucket = np.uint64(current) % buckets
    due = _due(start, started, distance, buckets_per_unit)
    visited = 0
    for _ in range(VISITS):
        if free_count < ROOM:
            break
        if live == 0 and due > current:
            if due == _NEVER:
                break
            current = due
            bucket = np.uint64(current) % buckets
        while first[bucket] == _ALL and due > current:
            current += 1
            bucket += _ONE
            if bucket == buckets:
                bucket = _NONE
        if due <= current:
            here = start[started]
            started += _ONE
            due = _due(start, started, distance, buckets_per_unit)
        else:  # take the bucket's first entry out
            place = first[bucket]
            here = np.uint64(voxels[place])
            live -= 1
            if place == last[bucket] or (place + _ONE) % CHUNK == _NONE:
                chunk = place // CHUNK
                if place == last[bucket]:
                    first[bucket] = _ALL
                else:
                    first[bucket] = np.uint64(following[chunk]) * CHUNK
                following[chunk] = free
                free = chunk
                free_count += 1
            else:
                first[bucket] = place + _ONE
                if place % CHUNK < CHUNK - FAR:
                    prefetch(distance, np.uint64(voxels[place + FAR]))
                if place % CHUNK < CHUNK - NEAR:
                    later = np.uint64(voxels[place + NEAR])
                    if distance[later] * buckets_per_unit >= current:
                        for row in rows:
                            prefetch(distance, later + row)
                            prefetch(image, later + row)
        key = distance[here]
        if np.int64(key * buckets_per_unit) < current:
            continue  # outdated
        visited += 1
        mask = relax_rows(
            distance, image, channels, size, here, key, rows, lengths, cost, lambda_, ties, reached
        )
        while mask != _NONE:
            bit = lowest_bit(mask)
            mask &= mask - _ONE
            there = here + rows[bit // _FOUR] + bit % _FOUR
            nearer, before = reached[bit], distance[there]
            if nearer > cap:
                continue
            if nearer == before and rank[owner[here]] >= rank[owner[there]]:
                continue
            distance[there] = nearer
            if owned:
                owner[there] = owner[here]
            ahead = np.int64(nearer * buckets_per_unit)
            earlier = np.int64(min(before, _LARGE) * buckets_per_unit)
            if fresh and current < ahead == earlier:
                continue  # it waits there already
            # Append an entry.
            target = np.uint64(ahead) % buckets
            place = last[target] + _ONE
            if first[target] == _ALL or place % CHUNK == _NONE:
                chunk = free
                free = np.uint64(following[chunk])
                free_count -= 1
                if first[target] == _ALL:
                    first[target] = chunk * CHUNK
                else:
                    following[(place - _ONE) // CHUNK] = chunk
                place = chunk * CHUNK
            voxels[place] = there
            last[target] = place
            live += 1
    state[CURRENT], state[LIVE], state[FREE_COUNT] = current, live, free_count
    state[FREE], state[STARTED] = np.int64(free), np.int64(started)
    state[VISITED] += visited


def propagate(
    grid: Grid,
    distance: NDArray[np.float32],
    start: NDArray[np.uint64],
    cap: np.float32,
    *,
    fresh: bool,
    owner: NDArray[np.uint16] = NO_OWNER,
    rank: NDArray[np.uint8] = NO_RANK,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Lower distances until no step lowers any, in place.

    Args:
        grid: of N padded voxels.
        distance: (N + SLACK,) of paths that exist, or infinity.
        start: voxels from which neighbours may be improved.
        fresh: whether no other voxel from which a neighbour may come to be improved has a distance;
            spares waiting twice.
        cap: farther voxels are left as they are.
        owner: (N,) carried along with the distance, or empty.
        rank: of each owner, of two at the same distance the lower one stays; or empty.

    Returns:
        The number of voxels visited.

    Raises:
        Cancelled: by the token; the distances are then upper bounds.
    """
    queue = Queue(grid)
    keys = distance[start]
    start = start[np.argsort(keys)] if keys.any() else start
    total = grid.image[0].size
    while queue.state[LIVE] > 0 or queue.state[STARTED] < len(start):
        if cancel is not None:
            cancel.check()
        if queue.state[FREE_COUNT] < ROOM:
            queue.grow(int(queue.state[LIVE]) // 4)
        _visit(
            distance,
            grid.padded,
            np.uint64(len(grid.image)),
            start,
            fresh,
            owner,
            rank,
            grid.rows,
            grid.lengths,
            grid.cost.code,
            np.float32(grid.cost.lambda_),
            cap,
            queue.buckets_per_unit,
            *queue.arrays,
        )
        progress(min(queue.state[VISITED] / total, 1.0), "measuring distances")
    return int(queue.state[VISITED])
