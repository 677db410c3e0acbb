"""Distance maps that follow the seeds: adding and removing touches only what changes.

Every voxel remembers which call of ``add`` its path starts from. Adding seeds visits the voxels
whose distance falls. Removing seeds forgets the voxels whose paths start from a call with any of
them, and fills the hole from its rim. A float32 sum of steps in the order of the path does not
depend on what was computed before, hence the result is that of computing anew, bit by bit.

Memory: 12 bytes per voxel for one channel, and up to 4 more while a call runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.bucket_queue import NO_RANK, propagate
from meddl.geodesic.grid import Grid
from meddl.geodesic.inputs import check_cap, check_image, check_seeds, check_spacing
from meddl.geodesic.simd_steps import jit
from meddl.geodesic.steps import StepCost

CALLS = 2**16 - 1  # that are told apart


@jit
def _forget(distance, owner, lost, shape, rim):  # type: ignore[no-untyped-def]
    """Make voxels of lost owners unreached; mark in rim what is reached beside unreached ones."""
    planes, rows, columns = shape
    for k in range(1, planes - 1):
        for j in range(1, rows - 1):
            start = (k * rows + j) * columns
            for n in range(np.uint64(start + 1), np.uint64(start + columns - 1)):
                if lost[owner[n]]:
                    distance[n] = np.inf
                    owner[n] = 0
    for k in range(1, planes - 1):
        for j in range(1, rows - 1):
            start = (k * rows + j) * columns
            for n in range(np.uint64(start + 1), np.uint64(start + columns - 1)):
                if distance[n] < np.inf:
                    continue
                for dk in range(-1, 2):
                    for dj in range(-1, 2):
                        for di in range(-1, 2):
                            m = np.uint64(np.int64(n) + (dk * rows + dj) * columns + di)
                            if distance[m] < np.inf:
                                rim[m] = 1


@jit
def _labels(owner, seed, label_of, shape, labels):  # type: ignore[no-untyped-def]
    """The label of each voxel inside the padding; a seed has its own, whatever else is as near."""
    planes, rows, columns = shape
    for k in range(1, planes - 1):
        for j in range(1, rows - 1):
            start = (k * rows + j) * columns
            for i in range(1, columns - 1):
                n = np.uint64(start + i)
                labels[k - 1, j - 1, i - 1] = label_of[seed[n] if seed[n] > 0 else owner[n]]


class _Incremental:
    """The padded arrays between the calls; every seed has a label, 1..255."""

    def __init__(
        self,
        image: ArrayLike,
        spacing: ArrayLike,
        *,
        cost: str = "product",
        lambda_: float = 1.0,
        cap: float | None = None,
    ) -> None:
        step_cost = StepCost(cost, lambda_)
        if step_cost.is_euclidean:
            raise InputError(
                f"lambda is 0, where {cost} gives straight lines: use geodesic_distance or "
                "nearest_seed anew for all seeds, or a larger lambda"
            )
        dimensions = 2 if np.size(spacing) == 2 else 3
        mm = check_spacing(spacing, dimensions)
        self._dimensions, self._cap = dimensions, check_cap(cap)
        self._grid = Grid(check_image(image, dimensions), mm, step_cost)
        voxels = math.prod(self._grid.padded_shape)
        self._distance = self._grid.unreached()
        # Calls of `add` by number, 0 for none: which a voxel is nearest to, is a seed of.
        self._owner = np.zeros(voxels, np.uint16)
        self._seed = np.zeros(voxels, np.uint16)
        self._label_of = np.zeros(CALLS + 1, np.uint8)  # 0: a number that is free
        self._rank: NDArray[np.uint8] = NO_RANK
        self._outdated = False

    @property
    def distance(self) -> NDArray[np.float32]:
        """float32 of the image's grid: the distance from the nearest seed, infinity beyond the cap.

        A read-only view, which the next call changes; without seeds it is infinity everywhere.
        """
        self._bring_up_to_date()
        view = self._grid.inside(self._distance)
        view = view[0] if self._dimensions == 2 else view
        view.flags.writeable = False
        return view

    def remove(
        self,
        mask: ArrayLike,
        *,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> int:
        """Make voxels no seeds any more; those that are none do not matter.

        Args:
            mask: of the image's grid, not 0 where seeds are taken away.

        Returns:
            How many voxels were visited.

        Raises:
            InputError: a mask of another shape.
            Cancelled: by the token; the seeds are those before.
        """
        places = self._places(mask)
        return self._change(places[self._seed[places] > 0], 0, progress, cancel)

    def _add(
        self, mask: ArrayLike, label: int, progress: Progress, cancel: CancelToken | None
    ) -> int:
        places = self._places(mask)
        return self._change(
            places[self._label_of[self._seed[places]] != label], label, progress, cancel
        )

    def _places(self, mask: ArrayLike) -> NDArray[np.uint64]:
        array = np.asarray(mask)
        if array.ndim != self._dimensions:
            raise InputError(
                f"the mask has the shape {array.shape}, {self._dimensions} axes were expected"
            )
        return self._grid.places(check_seeds(array, self._grid.shape))

    def _change(
        self,
        places: NDArray[np.uint64],
        label: int,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> int:
        """Give voxels another label, 0 for none; all of them have a different one now."""
        if cancel is not None:
            cancel.check()
        if len(places) == 0:
            return 0
        before = self._seed[places]
        number = self._new_number() if label else 0
        try:
            self._seed[places] = number
            self._label_of[number] = label
            if self._outdated:
                return self._compute_anew(progress, cancel)
            return self._follow(places, before, progress, cancel)
        except BaseException:
            self._seed[places] = before
            self._outdated = True
            raise
        finally:
            # Numbers of which nothing is left are free again.
            used = np.unique(before[before > 0])
            if len(used):
                gone = used[~np.isin(used, self._seed)]
                self._label_of[gone] = 0

    def _new_number(self) -> int:
        free = np.flatnonzero(self._label_of[1:] == 0)
        if len(free) == 0:
            # One number per label, whose paths are then forgotten together.
            labels = self._label_of[self._seed]
            self._seed[...] = labels
            self._label_of[...] = 0
            self._label_of[:256] = np.arange(256)
            self._outdated = True
            free = np.flatnonzero(self._label_of[1:] == 0)
        return int(free[0]) + 1

    def _follow(
        self,
        places: NDArray[np.uint64],
        before: NDArray[np.uint16],
        progress: Progress,
        cancel: CancelToken | None,
    ) -> int:
        """Bring distances up to date after the seeds at places were changed."""
        start = places[self._seed[places] > 0]
        if before.any():
            lost = np.zeros(CALLS + 1, bool)
            lost[before[before > 0]] = True
            rim = np.zeros(len(self._owner), np.uint8)
            _forget(self._distance, self._owner, lost, self._grid.padded_shape, rim)
            again = np.flatnonzero((self._seed > 0) & np.isinf(self._distance[: len(rim)]))
            rim[again] = 1
            rim[start] = 1
            start = np.flatnonzero(rim).astype(np.uint64)
            seeds = start[self._seed[start] > 0]
        else:
            seeds = start
        # A path without cost may lead here from another seed, which stays nearest by its label.
        mine, there = (self._label_of[n[seeds]] for n in (self._seed, self._owner))
        seeds = seeds[(self._distance[seeds] > 0) | (mine < there)]
        return self._propagate(start, seeds, progress, cancel)

    def _propagate(
        self,
        start: NDArray[np.uint64],
        seeds: NDArray[np.uint64],
        progress: Progress,
        cancel: CancelToken | None,
    ) -> int:
        self._distance[seeds] = 0
        self._owner[seeds] = self._seed[seeds]
        return propagate(
            *(self._grid, self._distance, start, self._cap),
            owner=self._owner,
            rank=self._rank,
            progress=progress,
            cancel=cancel,
        )

    def _compute_anew(
        self, progress: Progress = no_progress, cancel: CancelToken | None = None
    ) -> int:
        self._distance[...] = np.inf
        self._owner[...] = 0
        seeds = np.flatnonzero(self._seed).astype(np.uint64)
        visited = self._propagate(seeds, seeds, progress, cancel)
        self._outdated = False
        return visited

    def _bring_up_to_date(self) -> None:
        if self._outdated:
            self._compute_anew()


class IncrementalDistance(_Incremental):
    """The geodesic distance from seeds that come and go.

    Args:
        image: (K, J, I) or (K, J, I, C), raw values; (J, I) or (J, I, C) if the spacing has two
            values.
        spacing: mm along the array's axes (k, j, i) or (j, i).
        cost, lambda_, cap: as :func:`meddl.geodesic.geodesic_distance`; lambda 0 is refused where
            the distance would be Euclidean.

    Raises:
        InputError: shapes that do not fit, NaN, an unknown name.
        GeometryError: a spacing that is not positive.
    """

    def add(
        self,
        mask: ArrayLike,
        *,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> int:
        """Add seeds where the mask is not 0; arguments and result as :meth:`remove`."""
        return self._add(mask, 1, progress, cancel)


class IncrementalNearest(_Incremental):
    """Distance and label of the nearest of several kinds of seeds that come and go.

    Arguments as :class:`IncrementalDistance`.
    """

    def __init__(self, image: ArrayLike, spacing: ArrayLike, **settings: Any) -> None:
        super().__init__(image, spacing, **settings)
        self._rank = self._label_of  # at the same distance the lower label

    @property
    def labels(self) -> NDArray[np.uint8]:
        """uint8 of the image's grid: the nearest seed's label; 0 beyond the cap and without seeds.

        Of several labels at the same distance the lowest is taken; a seed has its own.
        """
        self._bring_up_to_date()
        labels = np.empty(self._grid.shape, np.uint8)
        shape = self._grid.padded_shape
        _labels(self._owner, self._seed, self._label_of, shape, labels)
        return labels[0] if self._dimensions == 2 else labels

    def add(
        self,
        mask: ArrayLike,
        label: int,
        *,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> int:
        """Add seeds of a label, 1..255, where the mask is not 0; other labels there give way.

        Arguments and result otherwise as :meth:`remove`.
        """
        if label not in range(1, 256):
            raise InputError(f"label {label}, a whole number from 1 to 255 was expected")
        return self._add(mask, int(label), progress, cancel)
