"""Figures of the chapter: the slice after some rounds, the organs in 3-D, the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.figures import Tile, curve_figure, panel
from demo.report import Picture
from demo.views import slice_view, three_d_view
from meddl.core import Image
from meddl.core.geometry import apply


def middle(image: Image, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """RAS position (mm) of the middle of a mask."""
    ijk = np.argwhere(mask)[:, ::-1].mean(axis=0)
    return np.asarray(apply(image.ras_from_ijk, ijk))


def slice_picture(volume: Any, size: tuple[int, int], through: Any) -> NDArray[np.uint8]:
    """The axial slice with scribbles, preview and what is wanted, (H, W, 3)."""
    return slice_view(volume, "Axial", size, through).picture


def rounds(path: Path, pictures: Mapping[int, NDArray[np.uint8]]) -> Picture:
    """The slice after some rounds."""
    tiles = [
        Tile(picture, f"after {number} round{'s' if number > 1 else ''}", (-1, 0, 0), (0, 1, 0))
        for number, picture in pictures.items()
    ]
    panel(path, tiles, len(tiles))
    return Picture(
        path.name,
        "An axial slice after some rounds: strokes in the organs (green) and around them (red), "
        "the preview (filled), and what is wanted (white outlines). Most strokes lie in "
        "other slices.",
    )


def organs(path: Path, segmentation: Any, scale: int) -> Picture:
    """The organs in 3-D, from the front."""
    segmentation.CreateClosedSurfaceRepresentation()
    bounds = np.zeros(6)
    segmentation.GetRASBounds(bounds)
    focus = bounds.reshape(3, 2).mean(axis=1)
    size = (1200 // scale, 700 // scale)
    view = three_d_view(segmentation.GetScene(), size, focus + np.array([120, 800, 120]), focus)
    panel(path, [Tile(view.picture, "")], 1)
    return Picture(path.name, "The organs as they were written into the segmentation.")


def curves(path: Path, dice: Mapping[str, Sequence[float]]) -> Picture:
    """Dice over the rounds."""
    curve_figure(path, dice, "rounds of strokes", "Dice")
    return Picture(path.name, "Dice of each organ against the rounds of strokes.")
