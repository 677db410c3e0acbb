"""What the CT check shows, painted: the slices with their letters, the histogram with its bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import qt
from numpy.typing import NDArray
from slicer.i18n import tr as _

from DeepDRRModuleLib.ctcheck import Slice
from meddl.deepdrr.hounsfield import AIR
from meddl.deepdrr.materials import AIR_UP_TO, SOFT_TISSUE_UP_TO

BACKGROUND, TEXT, MARK = "#101418", "#ffd54a", "#e8edf2"
BANDS = ("#27313c", "#5a3b36", "#6a6656")  # air, soft tissue, bone
MARGIN = 4  # pixels


def grey_pixmap(grey: NDArray[np.uint8]) -> qt.QPixmap:
    """A pixmap of a grey picture (H, W)."""
    height, width = grey.shape
    pixmap = qt.QPixmap()
    pixmap.loadFromData(b"P5 %d %d 255\n" % (width, height) + np.ascontiguousarray(grey).tobytes())
    return pixmap


def orientation_pixmap(slices: Sequence[Slice], width: int, height: int) -> qt.QPixmap:
    """The slices side by side at one scale, each with the patient's directions at its borders."""
    pixmap, painter = _canvas(width, height)
    painter.setRenderHint(qt.QPainter.SmoothPixmapTransform)
    cell = width // len(slices)
    extents = [(s.grey.shape[1] * s.spacing[0], s.grey.shape[0] * s.spacing[1]) for s in slices]
    scale = min(
        (cell - 2 * MARGIN) / max(x for x, _y in extents),
        (height - 2 * MARGIN) / max(y for _x, y in extents),
    )
    for number, (item, (x, y)) in enumerate(zip(slices, extents, strict=True)):
        w, h = max(1, round(x * scale)), max(1, round(y * scale))
        left, top = number * cell + (cell - w) // 2, (height - h) // 2
        painter.drawPixmap(left, top, w, h, grey_pixmap(item.grey))
        _draw_letters(painter, item.letters, number * cell, cell, height)
    painter.end()
    return pixmap


def _draw_letters(painter: qt.QPainter, letters: str, left: int, width: int, height: int) -> None:
    box, middle = 18, height // 2
    center = left + width // 2
    corners = (
        (left + 1, middle - box // 2),
        (left + width - box - 1, middle - box // 2),
        (center - box // 2, 1),
        (center - box // 2, height - box - 1),
    )
    for color, shift in ((BACKGROUND, 1), (TEXT, 0)):  # a shadow, to be read over bone
        painter.setPen(qt.QColor(color))
        for letter, (x, y) in zip(letters, corners, strict=True):
            rectangle = qt.QRect(x + shift, y + shift, box, box)
            painter.drawText(rectangle, qt.Qt.AlignCenter, letter)


def histogram_pixmap(
    counts: NDArray[np.int64], edges: NDArray[np.float64], width: int, height: int
) -> qt.QPixmap:
    """Logarithmic bars over bands of the three materials, with marks at air and water.

    Args:
        counts, edges: as from :func:`DeepDRRModuleLib.ctcheck.value_histogram`.
    """
    pixmap, painter = _canvas(width, height)
    top, bottom = 18, height - 20

    def column(value: float) -> int:
        inside = (value - edges[0]) / (edges[-1] - edges[0])
        return MARGIN + round(float(np.clip(inside, 0, 1)) * (width - 2 * MARGIN))

    limits = (edges[0], AIR_UP_TO, SOFT_TISSUE_UP_TO, edges[-1])
    names = (_("air"), _("soft tissue"), _("bone"))
    for color, name, low, high in zip(BANDS, names, limits[:-1], limits[1:], strict=True):
        left, right = column(low), column(high)
        painter.fillRect(left, top, right - left, bottom - top, qt.QColor(color))
        painter.setPen(qt.QColor(MARK))
        painter.drawText(qt.QRect(left, 0, right - left, top), qt.Qt.AlignCenter, name)
    heights = np.log1p(counts) / max(float(np.log1p(counts).max()), 1e-6) * (bottom - top - 2)
    for bar, low, high in zip(heights, edges[:-1], edges[1:], strict=True):
        left, h = column(low), round(float(bar))
        painter.fillRect(left, bottom - h, max(column(high) - left, 1), h, qt.QColor(MARK))
    painter.setPen(qt.QColor(TEXT))
    for value in (AIR, 0.0, 1000.0):
        x = column(value)
        painter.drawLine(x, top, x, bottom + 3)
        painter.drawText(
            qt.QRect(x - 30, bottom + 2, 60, height - bottom - 2), qt.Qt.AlignCenter, f"{value:g}"
        )
    painter.end()
    return pixmap


def _canvas(width: int, height: int) -> tuple[qt.QPixmap, qt.QPainter]:
    pixmap = qt.QPixmap(width, height)
    pixmap.fill(qt.QColor(BACKGROUND))
    painter = qt.QPainter()
    painter.begin(pixmap)
    font = painter.font()
    font.setPixelSize(12)
    font.setBold(True)
    painter.setFont(font)
    return pixmap, painter
