"""What the values of a CT mean: checks, corrections, and mass density from Hounsfield units."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.image import Image

AIR = -1000.0


def parse_hu_below(text: str | None) -> tuple[float, float] | None:
    """``"V:REPLACEMENT"`` as two numbers: every value below V becomes REPLACEMENT.

    Raises:
        InputError: another form.
    """
    if text is None:
        return None
    try:
        below, replacement = (float(part) for part in text.split(":"))
        if not np.isfinite([below, replacement]).all():
            raise ValueError
    except ValueError:
        raise InputError(
            f"--hu-below is {text!r}, V:REPLACEMENT was expected, as in 1:-1000"
        ) from None
    return below, replacement


def correct_values(
    ct: Image, offset: float = 0.0, below: tuple[float, float] | None = None
) -> Image:
    """Add ``offset`` to every voxel, then set those below ``below[0]`` to ``below[1]``.

    Returns:
        float32 image; the input itself if there is nothing to correct.
    """
    if offset == 0 and below is None:
        return ct
    values = ct.array.astype(np.float32)
    values += np.float32(offset)
    if below is not None:
        values[values < below[0]] = below[1]
    return ct.with_array(values)


class Finding(str):
    """A warning about the values of a CT, in one sentence.

    Attributes:
        options: the fields of ``RenderParameters`` that mend it; empty if none does.
    """

    options: dict[str, float | str]

    def __new__(cls, text: str, **options: float | str) -> Finding:
        finding = super().__new__(cls, text)
        finding.options = options
        return finding


def inspect_values(ct: Image) -> list[Finding]:
    """Look whether the values can be Hounsfield units; returns one warning per finding.

    A body CT has air near -1000 HU, water near 0 and soft tissue within about 100 of it. Each
    warning says what was seen and which option mends it. At most a million voxels are looked at.
    """
    values = ct.array.reshape(-1)
    values = values[:: max(1, values.size // 1_000_000)]
    low, high = float(values.min()), float(values.max())
    if low == high:
        return [Finding(f"every voxel is {low:g}: this is no CT")]
    seen = f"values from {low:g} to {high:g}"
    if ct.metadata.get("rescale_missing"):
        return [
            Finding(
                f"{seen}, and the DICOM file has no rescale: check for air at -1000 (--hu-offset N)"
            )
        ]
    if low >= 0 and high <= 255:
        return [
            Finding(
                f"{seen} look like 8-bit grey values, not Hounsfield units; no option restores them"
            )
        ]
    if low <= -200 and float(np.mean(values < -900)) >= 1e-4:
        return []
    filled = values[values > 0]
    if low == 0 and float(filled.min()) >= 100:  # partial volumes fill the gap in any other image
        below = f"1:{AIR:g}"
        text = (
            f"{seen}, none between 0 and {float(filled.min()):g} and {np.mean(values == 0):.0%} "
            f"exactly 0: soft tissue and air were blanked; --hu-below {below} makes them air"
        )
        return [Finding(text, hu_below=below)]
    # Soft tissue is most of a body and lies within 150 HU of water: near 1000 if so offset.
    if low >= -200 and float(np.mean(np.abs(filled - 1000.0) < 150)) > 0.25:
        text = (
            f"{seen}, most of the tissue near {float(np.median(filled)):.0f}: the values are "
            "offset by about 1000; --hu-offset -1000 mends it"
        )
        return [Finding(text, hu_offset=-1000.0)]
    text = (
        f"{seen}, and hardly any voxel is air (near {AIR:g} HU): check the file, or mend it with "
        "--hu-offset N (added to every value) or --hu-below V:REPLACEMENT"
    )
    return [Finding(text)]


@lru_cache(maxsize=1)
def density_curves() -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """The shipped curves: name -> (HU, density in g/cm3) of their knots; the sources are beside
    them in ``data/density_curves.json``. The first, ``water-bone``, is the default."""
    path = Path(__file__).parent / "data" / "density_curves.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    return {name: (tuple(c["hu"]), tuple(c["density"])) for name, c in table.items()}


def density(
    hu: NDArray[np.floating | np.integer], curve: str = "water-bone"
) -> NDArray[np.float32]:
    """Mass density in g/cm3 of Hounsfield units, any shape.

    The default is the lower of the water line 1 + HU/1000 and the bone line 1.017 + 0.000592 HU
    (Schneider, Bortfeld and Schlegel 2000, Phys Med Biol 45:459, for bone above 100 HU). It passes
    through 1.00 at 0 HU. Every curve is 0 up to -1000 HU, so that air inside and outside the volume
    weigh the same, and goes on with its last slope above its last knot.

    Args:
        hu: Hounsfield units.
        curve: a name of :func:`density_curves`.
    """
    knots, values = (np.array(part) for part in density_curves()[curve])
    slopes = np.diff(values) / np.diff(knots)
    hu = np.asarray(hu, dtype=np.float32)
    result = (hu - np.float32(knots[0])) * np.float32(slopes[0]) + np.float32(values[0])
    # One hinge per knot: a few passes in float32, without np.interp's detour over float64.
    for knot, change in zip(knots[1:], np.diff(slopes), strict=False):
        result += np.float32(change) * np.maximum(hu - np.float32(knot), np.float32(0))
    return np.maximum(result, np.float32(0))
