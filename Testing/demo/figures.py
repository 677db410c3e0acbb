"""Figures of the report: pictures with labels, on white, one PNG each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from demo.views import View

DPI = 150
INK, HALO = "#20262e", "#000000"
RAS_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))


class Tile(NamedTuple):
    """One picture of a panel.

    Attributes:
        picture: (H, W) or (H, W, 3) uint8.
        title: stands in the upper left corner.
        right, up: (3,) RAS directions of the picture's right and top, for the letters at its
            borders; None for no letters.
    """

    picture: NDArray[np.uint8]
    title: str
    right: ArrayLike | None = None
    up: ArrayLike | None = None


def direction_letters(direction: ArrayLike) -> tuple[str, str]:
    """The patient directions of a RAS vector and of its opposite, for example ``("R", "L")``.

    Oblique vectors take the nearest axis.
    """
    direction = np.asarray(direction, dtype=float)
    axis = int(np.argmax(np.abs(direction)))
    towards, away = RAS_LETTERS[axis]
    return (towards, away) if direction[axis] > 0 else (away, towards)


def draw_tile(axes: Any, tile: Tile) -> None:
    """Show a tile on matplotlib axes: pixels in their true shape, title and letters inside."""
    axes.imshow(tile.picture, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
    axes.set_axis_off()
    text = {"color": "white", "transform": axes.transAxes, "fontsize": 9, "zorder": 5}
    outline = {"facecolor": HALO, "alpha": 0.55, "edgecolor": "none", "pad": 2.0}
    axes.text(0.025, 0.975, tile.title, va="top", ha="left", bbox=outline, **text)
    if tile.right is not None and tile.up is not None:
        right, left = direction_letters(tile.right)
        top, bottom = direction_letters(tile.up)
        places = ((0.985, 0.5, right), (0.015, 0.5, left), (0.5, 0.985, top), (0.5, 0.015, bottom))
        for x, y, letter in places:
            ha = {0.985: "right", 0.015: "left"}.get(x, "center")
            va = {0.985: "top", 0.015: "bottom"}.get(y, "center")
            axes.text(x, y, letter, ha=ha, va=va, fontweight="bold", **text)


def panel(path: Path, tiles: Sequence[Tile], columns: int, width: float = 10.0) -> None:
    """Write tiles of one shape side by side.

    Args:
        columns: tiles in a row.
        width: of the figure in inches.
    """
    rows = -(-len(tiles) // columns)
    height, tile_width = tiles[0].picture.shape[:2]
    figure = Figure(figsize=(width, width / columns * rows * height / tile_width), dpi=DPI)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, tile in zip(grid.flat, tiles, strict=False):
        draw_tile(axes, tile)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.015, hspace=0.015)
    figure.savefig(path)


def slice_panel(
    path: Path, tiles: Sequence[Tile], legend: Mapping[str, tuple[float, float, float]]
) -> None:
    """Write slice views in a row with a legend of structures (name to colour 0..1) below."""
    height, width = tiles[0].picture.shape[:2]
    inches = 12.0
    picture = inches / len(tiles) * height / width
    figure = Figure(figsize=(inches, picture + 0.75), dpi=DPI)
    grid = figure.subplots(1, len(tiles), squeeze=False)
    for axes, tile in zip(grid.flat, tiles, strict=True):
        draw_tile(axes, tile)
    bottom = 0.75 / (picture + 0.75)
    figure.subplots_adjust(left=0, right=1, bottom=bottom, top=1, wspace=0.015)
    handles = [Patch(facecolor=color, label=name) for name, color in legend.items()]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=-(-len(handles) // 2),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    figure.savefig(path)


def labelled_view(
    path: Path, view: View, labels: Mapping[str, tuple[ArrayLike, ArrayLike]]
) -> None:
    """Write a 3-D view with names that point at RAS positions.

    Args:
        labels: name to (RAS position (3,), offset (2,) of the text in pixels).
    """
    height, width = view.picture.shape[:2]
    figure = Figure(figsize=(10.0, 10.0 * height / width), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(view.picture, interpolation="lanczos")
    axes.set_axis_off()
    for name, (position, offset) in labels.items():
        point = view.locate(position)[0]
        axes.annotate(
            name,
            xy=point,
            xytext=point + np.asarray(offset, dtype=float),
            color=INK,
            fontsize=12,
            ha="center",
            va="center",
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2.5},
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 1.0, "shrinkB": 3},
        )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    figure.savefig(path)


def maps_with_scales(
    path: Path, maps: Sequence[NDArray[np.floating]], titles: Sequence[str], unit: str
) -> None:
    """Write (H, W) maps of numbers side by side, each with its own colour scale."""
    figure = Figure(figsize=(12.0, 5.0), dpi=DPI, layout="constrained")
    for axes, values, title in zip(figure.subplots(1, len(maps)), maps, titles, strict=True):
        image = axes.imshow(values, cmap="magma", vmin=0, interpolation="bilinear")
        axes.set_axis_off()
        axes.set_title(title, fontsize=11, color=INK)
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.9, pad=0.02)
        bar.set_label(unit, fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8)
    figure.savefig(path)


def shadow_check(
    path: Path,
    tile: Tile,
    shadow: NDArray[np.floating],
    projected: ArrayLike,
    centroid: ArrayLike,
    name: str,
) -> None:
    """Write a radiograph with the outline of one structure's shadow and its two centres.

    Args:
        shadow: (H, W) line integrals of the structure's mask, 0 outside.
        projected: (2,) column and row computed by the camera.
        centroid: (2,) column and row of the centre of the rendered shadow.
    """
    rows, columns = np.nonzero(shadow > 0)
    middle = np.array([columns.mean(), rows.mean()])
    half = 0.9 * max(np.ptp(columns), np.ptp(rows))
    figure = Figure(figsize=(10.0, 5.0), dpi=DPI)
    for axes, close in zip(figure.subplots(1, 2), (False, True), strict=True):
        draw_tile(axes, tile if not close else Tile(tile.picture, "detail"))
        axes.contour(shadow, levels=[0.02 * shadow.max()], colors="#39c0f0", linewidths=1.2)
        axes.plot(*np.asarray(centroid), "o", ms=11, mfc="none", mec="#ffd23f", mew=1.6)
        axes.plot(*np.asarray(projected), "+", ms=11, mec="#ff4d4d", mew=1.6)
        if close:
            axes.set_xlim(middle[0] - half, middle[0] + half)
            axes.set_ylim(middle[1] + half, middle[1] - half)
    legend = axes.legend(
        handles=[
            Patch(facecolor="none", edgecolor="#39c0f0", label=f"shadow of {name}"),
            axes.plot([], [], "o", mfc="none", mec="#ffd23f", mew=1.6, label="its centre")[0],
            axes.plot([], [], "+", mec="#ff4d4d", mew=1.6, label="centre by the camera")[0],
        ],
        loc="lower right",
        fontsize=9,
        labelcolor="white",
        facecolor=HALO,
        framealpha=0.55,
        edgecolor="none",
    )
    legend.set_zorder(6)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.015)
    figure.savefig(path)


def curve_figure(
    path: Path, curves: Mapping[str, Sequence[float]], x_title: str, y_title: str
) -> None:
    """Write curves over 1, 2, 3, …, values in 0..1, each with its name at its end."""
    figure = Figure(figsize=(9.0, 4.5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", ms=4, label=name)
    axes.set_xlabel(x_title, color=INK)
    axes.set_ylabel(y_title, color=INK)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")
    figure.savefig(path)
