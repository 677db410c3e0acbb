"""Exact shortest paths over the grid by a bucket queue, on the CPU by numba.

Dial's algorithm with buckets that hold a range of distances (delta-stepping, Meyer and Sanders
2003), in two steps, since the front of a large volume does not fit into the caches. A voxel whose
distance falls waits as a bit; a tile knows the first bucket in which one of its voxels is due.
When it has its turn, its voxels of that bucket are put into short lists by finer ranges, in whose
order they are visited; those of theirs that fall meanwhile come into the same lists. A voxel whose
distance falls once more is simply visited again. Arrays are flat and padded by one voxel, where
the image is NaN, so that no neighbour is tested for the border.

A distance is the float32 sum of its path's steps from the seed outwards. Rounded addition keeps
order, hence the smallest such sum does not depend on the order of the visits: starting anew and
adding seeds one after another end in the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.grid import Grid
from meddl.geodesic.simd_steps import jit, lowest_bit, prefetch, relax_rows
from meddl.geodesic.steps import SLACK

# Of a bucket, in mean steps; measured, see Docs/validation.md. Wider ones visit more voxels again,
# narrower ones look more often at tiles with few voxels that are due.
WIDTH = 0.75
FINEST = 2.0**-24  # of a bucket, in largest steps: ranks stay whole numbers
SHIFT = np.int64(4)  # log2 of the ranks of a bucket
RANKS = np.uint64(1 << int(SHIFT))
SIDE = 32  # voxels of a tile, the bits of a word
CHUNK = np.uint64(32)  # entries that a list gets at once
VISITS = 1 << 20  # between two looks at the cancel token, about 0.1 s
ROOM = 27  # free chunks that one visit may use up
ROOM_OF_TILE = ROOM + SIDE * SIDE + int(RANKS)  # and all voxels of a tile
AHEAD = np.uint64(6)  # words ahead of their turn, a distance is asked for from memory
# Places in the queue's state: the bucket and tile that have their turn, the lowest rank that may
# have a list, the next entry of the list that is read, entries, first and number of free chunks,
# voxels visited.
CURRENT, TILE, LOWEST, READING, LIVE, FREE, FREE_COUNT, VISITED = range(8)

_NONE, _ONE, _TWO, _THREE, _FIVE, _TEN, _THIRTY, _LAST = (
    np.uint64(n) for n in (0, 1, 2, 3, 5, 10, 30, SIDE - 1)
)
_NOWHERE, _TIES, _NEVER = np.uint64(2**32 - 1), np.uint64(255), np.int64(2**62)
NO_OWNER = np.empty(0, np.uint16)
NO_RANK = np.empty(0, np.uint8)


class Queue:
    """Waiting voxels: bits by tile, and lists by rank for the tile that has its turn.

    A list is one of chunks of one pool; voxels, as numbers in the tile, are appended and taken from
    its end. A voxel that falls to a lower rank gets another entry; whichever comes first takes its
    bit away, by which the other is recognised.
    """

    def __init__(
        self, grid: Grid, distance: NDArray[np.float32], start: NDArray[np.uint64]
    ) -> None:
        width = max(WIDTH * grid.mean_step, FINEST * grid.largest_step, 1e-30)
        self.ranks_per_unit = int(RANKS) / width
        shape = np.array(grid.padded_shape)
        self.strides = np.array([shape[1] * shape[2], shape[2]], np.uint64)
        tiles = -(-shape // SIDE)
        self.tile_strides = np.array([tiles[1] * tiles[2], tiles[2]])
        corners = SIDE * np.indices(tuple(tiles)).reshape(3, -1)
        # The first voxel of each tile.
        self.corners = (corners.T @ [shape[1] * shape[2], shape[2], 1]).astype(np.uint64)
        # A bit for each voxel of a tile, a word for 32 along i; the last words stay empty.
        words = min(SIDE, shape[0]) * SIDE + int(AHEAD)
        waiting = np.zeros((len(self.corners), words), np.uint32)
        self.due = np.full(len(self.corners), _NEVER)  # the bucket of a tile's first voxel
        place = np.array(np.unravel_index(start.astype(np.int64), grid.padded_shape))
        tile = np.ravel_multi_index(tuple(place // SIDE), tuple(tiles))
        k, j, i = (place % SIDE).astype(np.uint32)
        np.bitwise_or.at(waiting, (tile, k * SIDE + j), np.uint32(1) << i)
        ranks = (distance[start] * self.ranks_per_unit).astype(np.int64)
        np.minimum.at(self.due, tile, ranks >> SHIFT)
        self.waiting = waiting.ravel()
        self.newest = np.full(int(RANKS), _NOWHERE, np.uint32)  # place of a list's last entry
        chunks = 2048
        self.entries = np.empty(chunks * int(CHUNK), np.uint16)
        # Of a free chunk the next one; of another the place of the entry before its first.
        self.following = np.arange(1, chunks + 1, dtype=np.uint32)
        self.state = np.array([-1, 0, 0, _NOWHERE, 0, 0, chunks, 0], np.int64)

    def grow(self) -> None:
        """Make room for a quarter more entries."""
        old = len(self.following)
        added = old // 4
        self.entries = np.resize(self.entries, (old + added) * int(CHUNK))
        following = np.arange(old + 1, old + added + 1, dtype=np.uint32)
        following[-1] = self.state[FREE]
        self.following = np.concatenate([self.following, following])
        self.state[FREE] = old
        self.state[FREE_COUNT] += added

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """What the compiled functions get."""
        return (
            *(self.strides, self.tile_strides, self.corners),
            *(self.waiting, self.due, self.newest, self.entries, self.following, self.state),
        )


@jit
def _visit(  # type: ignore[no-untyped-def]
    distance,
    image,
    channels,
    owner,
    rank,
    rows,
    lengths,
    cost,
    lambda_,
    cap,
    ranks_per_unit,
    strides,
    tile_strides,
    corners,
    waiting,
    due,
    newest,
    entries,
    following,
    state,
):
    """Visit up to VISITS entries in order of distance; stops early without entries or room.

    distance, image: see :mod:`meddl.geodesic.simd_steps`; owner: uint16 (N,), or (0,) if nobody
    asks; rank: uint8 per owner, of two at the same distance the lower one stays, or (0,). Returns
    whether any voxel waits.
    """
    size = np.uint64(len(distance) - SLACK)
    plane, columns = strides[0], strides[1]
    tile_plane, tile_row = tile_strides[0], tile_strides[1]
    number = np.uint64(len(due))
    words = np.uint64(len(waiting)) // number
    owned = len(owner) > 0
    ties = _TIES if len(rank) > 0 else _NONE
    reached = np.empty(40, np.float32)
    word_steps = np.empty(9, np.uint64)  # as ``rows``, to the words of the rows' bits
    for row in range(9):
        word_steps[row] = np.uint64(row // 3 * 32 + row % 3 - 33)
    current, tile, lowest = state[CURRENT], np.uint64(state[TILE]), np.uint64(state[LOWEST])
    reading, live = np.uint64(state[READING]), state[LIVE]
    origin, corner = tile * words, corners[tile]
    free, free_count = np.uint64(state[FREE]), state[FREE_COUNT]
    visited = 0
    more = True
    for _ in range(VISITS):
        if free_count < ROOM:
            break
        if reading == _NOWHERE and live == 0:
            # The next tile with a voxel in this bucket, or else in the first one.
            empty = _NONE
            while due[tile] != current and empty < number:
                empty += _ONE
                tile += _ONE
                if tile == number:
                    tile = _NONE
            if empty == number:
                current = due.min()
                if current == _NEVER:
                    more = False
                    break
                continue
            if free_count < ROOM_OF_TILE:  # a chunk for every 32 voxels
                break
            nearest, lowest = _NEVER, RANKS
            origin, corner = tile * words, corners[tile]
            for word in range(words - AHEAD):
                bits = np.uint64(waiting[origin + word])
                if bits == _NONE:
                    continue
                first = corner + (word >> _FIVE) * plane + (word & _LAST) * columns
                then = word + AHEAD
                later = np.uint64(waiting[origin + then])
                if later != _NONE:
                    line = corner + (then >> _FIVE) * plane + (then & _LAST) * columns
                    prefetch(distance, line + lowest_bit(later))
                while bits != _NONE:
                    bit = lowest_bit(bits)
                    bits &= bits - _ONE
                    there = first + bit
                    ahead = np.int64(distance[there] * ranks_per_unit)
                    if ahead >> SHIFT > current:
                        nearest = min(nearest, ahead >> SHIFT)
                        continue
                    for m in range(9):  # an iterator over the array would count references
                        prefetch(distance, there + rows[m])
                        prefetch(image, there + rows[m])
                    to = np.uint64(max(ahead - (current << SHIFT), 0))
                    place = np.uint64(newest[to]) + _ONE
                    if place % CHUNK == _NONE:
                        chunk = free
                        free = np.uint64(following[chunk])
                        free_count -= 1
                        following[chunk] = newest[to]
                        place = chunk * CHUNK
                    entries[place] = (word << _FIVE) + bit
                    newest[to] = place
                    live += 1
                    lowest = min(lowest, to)
            due[tile] = nearest
            continue
        if reading == _NOWHERE:
            while newest[lowest] == _NOWHERE:
                lowest += _ONE
            reading = np.uint64(newest[lowest])
            newest[lowest] = _NOWHERE
        # Take the list's last entry out.
        at = np.uint64(entries[reading])
        live -= 1
        if reading % CHUNK == _NONE:
            chunk = reading // CHUNK
            reading = np.uint64(following[chunk])
            following[chunk] = free
            free = chunk
            free_count += 1
        else:
            reading -= _ONE
        k, j, i = at >> _TEN, (at >> _FIVE) & _LAST, at & _LAST
        own = origin + (at >> _FIVE)
        flag, flags = _ONE << i, np.uint64(waiting[own])
        if flags & flag == _NONE:
            continue  # it has had its turn
        waiting[own] = flags ^ flag
        inner = max(k - _ONE, j - _ONE, i - _ONE) < _THIRTY  # -1 is huge
        here = corner + k * plane + j * columns + i
        key = distance[here]
        visited += 1
        mask = relax_rows(
            distance, image, channels, size, here, key, rows, lengths, cost, lambda_, ties, reached
        )
        while mask != _NONE:
            bit = lowest_bit(mask)
            mask &= mask - _ONE
            there = here + rows[bit >> _TWO] + (bit & _THREE)
            nearer, before = reached[bit], distance[there]
            if nearer > cap:
                continue
            if owned:
                if nearer == before and rank[owner[here]] >= rank[owner[there]]:
                    continue
                owner[there] = owner[here]
            distance[there] = nearer
            ahead = np.int64(nearer * ranks_per_unit)
            bucket = ahead >> SHIFT
            row = bit >> _TWO
            i_there = i + (bit & _THREE) - _ONE
            word = own + word_steps[row]
            if not inner:
                k_there = k + row // _THREE - _ONE
                j_there = j + row % _THREE - _ONE
                if (k_there | j_there | i_there) > _LAST:  # -1 is huge
                    target = np.int64(tile) + (np.int64(i_there) >> 5)
                    target += (np.int64(k_there) >> 5) * tile_plane
                    target += (np.int64(j_there) >> 5) * tile_row
                    word = (
                        np.uint64(target) * words + ((k_there & _LAST) << _FIVE) + (j_there & _LAST)
                    )
                    waiting[word] = np.uint64(waiting[word]) | (_ONE << (i_there & _LAST))
                    due[np.uint64(target)] = min(due[np.uint64(target)], bucket)
                    continue
            flags, flag = np.uint64(waiting[word]), _ONE << i_there
            waiting[word] = flags | flag
            if bucket != current:
                due[tile] = min(due[tile], bucket)
                continue
            if flags & flag != _NONE and np.int64(before * ranks_per_unit) == ahead:
                continue  # it has an entry
            to = np.uint64(ahead - (current << SHIFT))
            lowest = min(lowest, to)
            place = np.uint64(newest[to]) + _ONE
            if place % CHUNK == _NONE:  # the list has no chunk, or a full one
                chunk = free
                free = np.uint64(following[chunk])
                free_count -= 1
                following[chunk] = newest[to]
                place = chunk * CHUNK
            entries[place] = ((word - origin) << _FIVE) | i_there
            newest[to] = place
            live += 1
    state[CURRENT], state[TILE], state[LOWEST] = current, np.int64(tile), np.int64(lowest)
    state[READING], state[LIVE] = np.int64(reading), live
    state[FREE], state[FREE_COUNT] = np.int64(free), free_count
    state[VISITED] += visited
    return more


def propagate(
    grid: Grid,
    distance: NDArray[np.float32],
    start: NDArray[np.uint64],
    cap: np.float32,
    *,
    owner: NDArray[np.uint16] = NO_OWNER,
    rank: NDArray[np.uint8] = NO_RANK,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Lower distances until no step lowers any, in place.

    Args:
        grid: of N padded voxels.
        distance: (N + SLACK,) of paths that exist, or infinity.
        start: voxels from which neighbours may be improved, of finite distances.
        cap: farther voxels are left as they are.
        owner: (N,) carried along with the distance, or empty.
        rank: of each owner, of two at the same distance the lower one stays; or empty.

    Returns:
        The number of voxels visited.

    Raises:
        Cancelled: by the token; the distances are then upper bounds.
    """
    queue = Queue(grid, distance, start)
    total = grid.image[0].size
    more = True
    while more:
        if cancel is not None:
            cancel.check()
        if queue.state[FREE_COUNT] < ROOM_OF_TILE:
            queue.grow()
        more = _visit(
            distance,
            grid.padded,
            np.uint64(len(grid.image)),
            owner,
            rank,
            grid.rows,
            grid.lengths,
            grid.cost.code,
            np.float32(grid.cost.lambda_),
            cap,
            queue.ranks_per_unit,
            *queue.arrays,
        )
        progress(min(queue.state[VISITED] / total, 1.0), "measuring distances")
    return int(queue.state[VISITED])
