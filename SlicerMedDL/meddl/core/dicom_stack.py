"""Planes in space -> one regular grid, or the reason why they form none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.geometry import RAS_FROM_LPS, Matrix

# Positions and directions are decimal strings, often rounded to 0.1 mm: a plane may lie this
# fraction of the spacing off its place, and a component of a unit vector this much off its value.
_OFF_GRID = 0.1
_OFF_DIRECTION = 1e-3
# A tilt below this many degrees moves the last of 300 slices by less than half a pixel.
_TILT_DEGREES = 0.05


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice as DICOM describes it.

    Attributes:
        file: where its pixels are.
        frame: which frame of the file, from 0.
        shape: rows, columns.
        position: (3,) LPS mm, centre of the first pixel.
        orientation: (6,) LPS unit vectors: direction of increasing column, of increasing row.
        spacing: (2,) mm between rows, between columns.
    """

    file: Path
    frame: int
    shape: tuple[int, int]
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stack:
    """The order of planes along the normal, and the grid that they form.

    Attributes:
        order: indices into the planes, by increasing position along the normal (row x column).
        ras_from_ijk: 4x4, mm.
    """

    order: list[int]
    ras_from_ijk: Matrix


def stack_planes(what: str, planes: Sequence[Plane]) -> Stack:
    """Order parallel planes and check that they form an upright regular grid.

    Args:
        what: the series, for messages.
        planes: at least one.

    Raises:
        FileError: unequal size, spacing or orientation, no unit vectors, two planes at one
            position, missing planes (named by position), irregular spacing, or gantry tilt.
    """
    first = planes[0]
    for plane in planes:
        _check_plane(plane)
        for name, tolerance in (("orientation", _OFF_DIRECTION), ("spacing", 1e-4)):
            one, other = getattr(first, name), getattr(plane, name)
            if not np.allclose(one, other, rtol=0, atol=tolerance):
                raise FileError(
                    f"{what} mixes planes of {name} {one.tolist()} ({first.file.name}) and "
                    f"{other.tolist()} ({plane.file.name}); put each kind into a folder of its own"
                )
        if plane.shape != first.shape:
            raise FileError(
                f"{what} mixes planes of {first.shape} and {plane.shape} pixels "
                f"({first.file.name}, {plane.file.name}); put each size into a folder of its own"
            )
    row, column = np.split(first.orientation, 2)
    normal = np.cross(row, column)
    positions = np.array([plane.position for plane in planes])
    order = np.argsort(positions @ normal, kind="stable")
    step = _step(what, [planes[i] for i in order], positions[order], normal)
    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3, 0] = row * first.spacing[1]
    lps_from_ijk[:3, 1] = column * first.spacing[0]
    lps_from_ijk[:3, 2] = step * normal
    lps_from_ijk[:3, 3] = positions[order[0]]
    return Stack(order.tolist(), RAS_FROM_LPS @ lps_from_ijk)


def _check_plane(plane: Plane) -> None:
    for name, length in (("position", 3), ("orientation", 6), ("spacing", 2)):
        values = getattr(plane, name)
        if values.shape != (length,) or not np.isfinite(values).all():
            raise FileError(
                f"{plane.file} has {name} {values.tolist()}, {length} finite numbers were expected"
            )
    if (plane.spacing <= 0).any():
        raise FileError(f"{plane.file} has PixelSpacing {plane.spacing.tolist()}, not positive")
    row, column = np.split(plane.orientation, 2)
    errors = [row @ row - 1, column @ column - 1, row @ column]
    if np.abs(errors).max() > 2 * _OFF_DIRECTION:
        raise FileError(
            f"{plane.file} has orientation {plane.orientation.tolist()}, two perpendicular unit "
            "vectors were expected"
        )


def _step(
    what: str, planes: Sequence[Plane], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> float:
    """Distance in mm between ordered planes; 1 for a single one."""
    count = len(planes)
    if count == 1:
        return 1.0
    heights = positions @ normal
    gaps = np.diff(heights)
    closest = int(np.argmin(gaps))
    if gaps[closest] < 1e-3:
        raise FileError(
            f"{what} has two planes at {heights[closest]:.2f} mm ({planes[closest].file.name}, "
            f"{planes[closest + 1].file.name}): several time points, echoes or copies; put one of "
            "each position into a folder of its own"
        )
    _check_tilt(what, positions, normal)
    usual = float(np.median(gaps))
    multiples = np.rint(gaps / usual).astype(int)
    if (np.abs(gaps - multiples * usual) <= _OFF_GRID * usual * multiples).all():
        missing = [heights[k] + n * usual for k in range(count - 1) for n in range(1, multiples[k])]
        if missing:
            shown = ", ".join(f"{height:.2f}" for height in missing[:6])
            raise FileError(
                f"{what} lacks {len(missing)} of {count + len(missing)} slices, at {shown}"
                f"{', …' if len(missing) > 6 else ''} mm along the normal; export it again"
            )
    step = float((heights[-1] - heights[0]) / (count - 1))
    off = np.abs(heights - heights[0] - step * np.arange(count)).max()
    if off > _OFF_GRID * step:
        raise FileError(
            f"{what} has slices {gaps.min():.3f} to {gaps.max():.3f} mm apart, an equal spacing "
            "was expected; resample it first (Slicer's DICOM module does) and save it as .nrrd"
        )
    return step


def _check_tilt(what: str, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    """Refuse stacks whose positions do not advance along the normal of their planes."""
    across = positions - positions[0]
    along = across @ normal
    sideways = np.linalg.norm(across - np.outer(along, normal), axis=1)
    worst = int(np.argmax(sideways))
    degrees = float(np.degrees(np.arctan2(sideways[worst], abs(along[worst]))))
    if degrees > _TILT_DEGREES and sideways[worst] > 0.1:
        raise FileError(
            f"{what} has a gantry tilt of {degrees:.1f} degrees (slices shifted by up to "
            f"{sideways[worst]:.1f} mm in their plane); regularise it first (Slicer's DICOM module "
            "does) and save it as .nrrd"
        )
