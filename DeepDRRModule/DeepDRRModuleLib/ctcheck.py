"""What the CT check shows, as text and arrays: findings, histogram, three oriented slices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddl.core.image import Image
from meddl.deepdrr.hounsfield import Finding, correct_values, inspect_values, parse_hu_below
from meddl.deepdrr.radiograph import RenderParameters

LARGEST = 4_000_000  # voxels looked at; keeps the check of a large CT below 0.2 s


class Slice(NamedTuple):
    """A slice for looking.

    Attributes:
        grey: (H, W) uint8.
        spacing: (x, y) mm between columns and rows.
        letters: patient directions at the left, right, top and bottom border.
    """

    grey: NDArray[np.uint8]
    spacing: tuple[float, float]
    letters: str


class CTCheck(NamedTuple):
    """The result of :func:`check_ct`.

    Attributes:
        findings: one per doubt about the values; empty if they look like Hounsfield units.
        counts, edges: histogram, (B,) and (B + 1,).
        slices: axial, coronal, sagittal.
    """

    findings: list[Finding]
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    slices: tuple[Slice, Slice, Slice]

    @property
    def mending(self) -> dict[str, float | str]:
        """The fields of ``RenderParameters`` that mend the findings; empty if none does."""
        return {name: value for item in self.findings for name, value in item.options.items()}


def check_ct(ct: Image, parameters: RenderParameters) -> CTCheck:
    """Look at values and orientation of a CT, after the correction in ``parameters``.

    A large CT is thinned to every n-th voxel along its axes first.

    Raises:
        InputError: no scalar volume, or NaN among the voxels looked at.
    """
    ct = thin(ct.require_volume("CT")).require_finite("CT")
    below = parse_hu_below(parameters.hu_below)
    ct = correct_values(ct, parameters.hu_offset, below)
    return CTCheck(inspect_values(ct), *value_histogram(ct), orientation_slices(ct))


def thin(ct: Image, largest: int = LARGEST) -> Image:
    """Every n-th voxel along each axis, so that about ``largest`` remain."""
    step = int(np.ceil((ct.array.size / largest) ** (1 / 3)))
    ras_from_ijk = ct.ras_from_ijk @ np.diag([step, step, step, 1.0])
    return Image(ct.array[::step, ::step, ::step], ras_from_ijk, ct.metadata)


def orientation_slices(ct: Image) -> tuple[Slice, Slice, Slice]:
    """The middle axial, coronal and sagittal slice in radiological convention.

    Voxel axes are taken for the nearest patient axes, so that an oblique CT is shown in its own
    planes. Grey runs from the 1st to the 99.5th percentile of the three slices.

    Args:
        ct: finite scalar volume.
    """
    lpi, spacing = _along_lpi(ct)
    i, j, k = (n // 2 for n in lpi.shape)
    planes = [lpi[:, :, k].T, lpi[:, j, :].T, lpi[i, :, :].T]
    low, high = np.percentile(np.concatenate([plane.ravel() for plane in planes]), (1, 99.5))
    scale = 255 / max(float(high - low), 1e-6)
    axial, coronal, sagittal = (
        np.clip((plane - float(low)) * scale, 0, 255).astype(np.uint8) for plane in planes
    )
    x, y, z = spacing
    return (
        Slice(axial, (x, y), "RLAP"),
        Slice(coronal, (x, z), "RLSI"),
        Slice(sagittal, (y, z), "APSI"),
    )


def _along_lpi(ct: Image) -> tuple[NDArray, list[float]]:
    """A view of the voxels whose axes grow to the left, posterior and inferior; and its spacing."""
    code = ct.orientation  # of i, j, k
    order = [next(n for n in range(3) if code[n] in pair) for pair in ("LR", "PA", "IS")]
    turned = ct.array.transpose(2, 1, 0).transpose(order)
    flips = tuple(
        slice(None) if code[n] == wanted else slice(None, None, -1)
        for n, wanted in zip(order, "LPI", strict=True)
    )
    return turned[flips], [float(ct.spacing[n]) for n in order]


def value_histogram(ct: Image, bins: int = 120) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts (B,) and bin edges (B + 1,) of a finite volume.

    The range covers 99.9 % of the voxels and at least -1100 to 1500, where the tissues of a CT
    in HU would lie; what is outside is counted in the outermost bins.
    """
    low, high = np.percentile(ct.array, (0.05, 99.95))
    edges = np.linspace(min(low, -1100.0), max(high, 1500.0), bins + 1)
    return np.histogram(np.clip(ct.array, edges[0], edges[-1]), edges)
