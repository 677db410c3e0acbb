"""Exact shortest paths over the grid by a bucket queue, on the CPU by numba.

Dial's algorithm with buckets that hold a range of distances (delta-stepping, Meyer and Sanders
2003): a voxel whose distance falls again within its bucket is simply visited again. Within a bucket
the voxels have their turn tile by tile, since the front of a large volume does not fit into the
caches. Arrays are flat and padded by one voxel, where the image is NaN, so that no neighbour is
tested for the border.

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

CHUNK = np.uint64(32)  # entries that a list gets at once
BUCKETS = 1 << 13  # at most, which take a quarter of a volume; they are wider then
# Of the mean step. Wider buckets visit more voxels twice, narrower ones hold more that is outdated.
WIDTH = 0.25
# log2 of a tile's side. Voxels of 32 x 32 x 32 with their neighbours fit into a cache of 512 KB:
# with tiles 512x512x200 took 19.5 s, without 31.5 s; 128 x 128 x 128 0.60 and 0.70 s.
SIDE, SIDE_2D = np.uint64(5), np.uint64(8)
VISITS = 1 << 20  # between two looks at the cancel token, about 0.2 s
ROOM = 27  # free chunks that one visit may use up
# Entries ahead of their turn: the distance is asked for from memory, then all neighbours.
FAR, NEAR = np.uint64(12), np.uint64(6)
# Places in the queue's state: the current bucket and tile, the next entry of the list that has its
# turn, waiting entries, first and number of free chunks, voxels of the start that have had their
# turn, voxels visited.
CURRENT, TILE, READING, LIVE, FREE, FREE_COUNT, STARTED, VISITED = range(8)

_NONE, _ONE, _FOUR, _NOWHERE = np.uint64(0), np.uint64(1), np.uint64(4), np.uint64(2**32 - 1)
_TIES, _NEVER = np.uint64(255), np.int64(2**62)
NO_OWNER = np.empty(0, np.uint16)
NO_RANK = np.empty(0, np.uint8)


class Queue:
    """Waiting voxels by bucket and tile; every list is one of chunks of one pool of voxel numbers.

    Voxels are appended to a list and taken from its end. An entry stays where it is when its
    voxel's distance falls into a lower bucket, where it gets another one; it is recognised later by
    the distance, which belongs to a bucket of the past.
    """

    def __init__(self, grid: Grid) -> None:
        largest = grid.largest_step
        width = max(WIDTH * grid.mean_step, largest / BUCKETS, 1e-30)
        self.buckets_per_unit = 1 / width
        buckets = int(largest / width) + 8  # a step from the current one ends in one of these
        self.columns = grid.padded_shape[2]
        self.side = SIDE if min(grid.shape) > 1 else SIDE_2D
        k, j, i = (np.arange(n) >> int(self.side) for n in grid.padded_shape)
        tiles = (k[-1] + 1) * (j[-1] + 1) * (i[-1] + 1)
        # The tile of each row's first voxel.
        self.tile_of_row = ((k[:, None] * (j[-1] + 1) + j) * (i[-1] + 1)).astype(np.uint32).ravel()
        self.newest = np.full((buckets, tiles), _NOWHERE, np.uint32)  # place of the last entry
        chunks = 1024
        # Zeros, since what lies behind the last entry is looked at, if in vain.
        self.voxels = np.zeros(chunks * int(CHUNK), np.uint32)
        # Of a free chunk the next one; of another the place of the entry before its first.
        self.following = np.arange(1, chunks + 1, dtype=np.uint32)
        self.state = np.array([0, 0, _NOWHERE, 0, 0, chunks, 0, 0], np.int64)

    def grow(self) -> None:
        """Make room for a quarter more entries."""
        old = len(self.following)
        added = old // 4
        self.voxels = np.concatenate([self.voxels, np.zeros(added * int(CHUNK), np.uint32)])
        following = np.arange(old + 1, old + added + 1, dtype=np.uint32)
        following[-1] = self.state[FREE]
        self.following = np.concatenate([self.following, following])
        self.state[FREE] = old
        self.state[FREE_COUNT] += added

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """What the compiled functions get."""
        return self.tile_of_row, self.newest, self.voxels, self.following, self.state


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
    columns,
    side,
    tile_of_row,
    newest,
    voxels,
    following,
    state,
):
    """Visit up to VISITS entries in order of distance; stops early without entries or room.

    distance, image: see :mod:`meddl.geodesic.simd_steps`; start: uint64, in order of distance;
    fresh: see :func:`propagate`; owner: uint16 (N,), or (0,) if nobody asks; rank: uint8 per owner,
    of two at the same distance the lower one stays, or (0,).
    """
    size = np.uint64(len(distance) - SLACK)
    buckets, tiles = np.uint64(newest.shape[0]), np.uint64(newest.shape[1])
    owned = len(owner) > 0
    ties = _TIES if len(rank) > 0 else _NONE
    reached = np.empty(40, np.float32)
    current, tile, reading = state[CURRENT], np.uint64(state[TILE]), np.uint64(state[READING])
    live, free, free_count = state[LIVE], np.uint64(state[FREE]), state[FREE_COUNT]
    started = np.uint64(state[STARTED])
    due = _due(start, started, distance, buckets_per_unit)
    visited = 0
    for _ in range(VISITS):
        if free_count < ROOM:
            break
        if reading == _NOWHERE and due > current:
            if live == 0:
                if due == _NEVER:
                    break
                current = due
            else:  # take the bucket's next list; what is appended meanwhile begins another one
                bucket, empty = np.uint64(current) % buckets, _NONE
                while newest[bucket, tile] == _NOWHERE and empty < tiles:
                    empty += _ONE
                    tile += _ONE
                    if tile == tiles:
                        tile = _NONE
                if empty == tiles:
                    current += 1
                    continue
                reading = np.uint64(newest[bucket, tile])
                newest[bucket, tile] = _NOWHERE
        if due <= current:
            here = start[started]
            started += _ONE
            due = _due(start, started, distance, buckets_per_unit)
        else:  # take the list's last entry out
            here = np.uint64(voxels[reading])
            live -= 1
            place = reading % CHUNK
            if place == _NONE:
                chunk = reading // CHUNK
                reading = np.uint64(following[chunk])
                following[chunk] = free
                free = chunk
                free_count += 1
            else:
                if place >= FAR:
                    prefetch(distance, np.uint64(voxels[reading - FAR]))
                if place >= NEAR:
                    later = np.uint64(voxels[reading - NEAR])
                    if distance[later] * buckets_per_unit >= current:
                        for n in range(9):  # an iterator over the array would count references
                            prefetch(distance, later + rows[n])
                            prefetch(image, later + rows[n])
                reading -= _ONE
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
            if fresh and current < ahead and before * buckets_per_unit < ahead + 1:
                continue  # it waits there already
            # Append an entry.
            bucket, row = np.uint64(ahead) % buckets, there // columns
            target = np.uint64(tile_of_row[row]) + ((there - row * columns) >> side)
            place = np.uint64(newest[bucket, target]) + _ONE
            if place % CHUNK == _NONE:  # the list has no chunk, or a full one
                chunk = free
                free = np.uint64(following[chunk])
                free_count -= 1
                following[chunk] = newest[bucket, target]
                place = chunk * CHUNK
            voxels[place] = there
            newest[bucket, target] = place
            live += 1
    state[CURRENT], state[TILE], state[READING] = current, np.int64(tile), np.int64(reading)
    state[LIVE], state[FREE], state[FREE_COUNT] = live, np.int64(free), free_count
    state[STARTED] = np.int64(started)
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
            queue.grow()
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
            np.uint64(queue.columns),
            queue.side,
            *queue.arrays,
        )
        progress(min(queue.state[VISITED] / total, 1.0), "measuring distances")
    return int(queue.state[VISITED])
