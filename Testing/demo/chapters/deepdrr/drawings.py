"""Figures of the DeepDRR chapter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo import figures
from demo.report import Picture
from demo.views import slice_view, three_d_view
from meddl.core import Image
from meddl.deepdrr import CArm, display_picture, render
from SlicerMedDLLib.segmentations import Segment

BODY_WINDOW, BONE_WINDOW = (3.0, 8.0), (0.0, 3.0)  # -log(I/I0), black and white
BONES = re.compile(r"vertebra|sacrum|hip|femur|rib|sternum|costal", re.IGNORECASE)
LARGEST = 14  # structures named in the legend of the slices


def tile(radiograph: Image, name: str, carm: CArm, window: tuple[float, float]) -> figures.Tile:
    """A radiograph with its name, its angles and the letters of its borders."""
    x, y, _ = carm.axes()
    title = f"{name}   {carm.primary_angle:g}° / {carm.secondary_angle:g}°"
    return figures.Tile(display_picture(radiograph, window), title, right=x, up=-y)


def radiographs(path: Path, tiles: Sequence[figures.Tile]) -> Picture:
    """The abdominal radiographs."""
    figures.panel(path, tiles, columns=3)
    low, high = BODY_WINDOW
    return Picture(
        path.name,
        "Radiographs with primary/secondary angle, as seen from the source; the letters are the "
        f"patient's sides. The same window for all: -log(I/I0) from {low:g} to {high:g}.",
    )


def pelvis(path: Path, tiles: Sequence[figures.Tile]) -> Picture:
    """The radiographs of the second CT."""
    figures.panel(path, tiles, columns=len(tiles), width=12.0)
    low, high = BONE_WINDOW
    return Picture(
        path.name,
        "A sharper CT (1.5 mm) in which everything below 200 HU was blanked to 0; with "
        f"--hu-below 1:-1000 only bone is left. Window -log(I/I0) from {low:g} to {high:g}.",
    )


def slices(
    path: Path, volume: Any, labels: Image, segments: Sequence[Segment], side: int, through: Any
) -> Picture:
    """Axial, coronal and sagittal slice with the outlines of all segments.

    Args:
        side: pixels of a view's side.
        through: (3,) RAS mm where the three slices meet.
    """
    tiles = []
    for orientation in ("Axial", "Coronal", "Sagittal"):
        view = slice_view(volume, orientation, (side, side), through)
        ras_from_pixel = np.linalg.inv(view.pixel_from_ras)
        tiles.append(
            figures.Tile(view.picture, orientation, ras_from_pixel[:3, 0], -ras_from_pixel[:3, 1])
        )
    figures.slice_panel(path, tiles, _legend(labels, segments))
    return Picture(
        path.name,
        "The CT with the outlines of its segments, as in the slice views; the legend names the "
        f"largest of {len(segments)}. Window -160 to 240 HU.",
    )


def _legend(labels: Image, segments: Sequence[Segment]) -> dict[str, tuple[float, float, float]]:
    """Names and colours of the largest structures; left and right, of one colour, are one."""
    counts = np.bincount(labels.array.ravel().astype(np.int64))
    voxels: Counter[str] = Counter()
    colors = {}
    for one in segments:
        name = re.sub(r"^(left|right) ", "", one.name)
        voxels[name] += counts[one.label]
        colors[name] = one.color
    return {name: colors[name] for name, _ in voxels.most_common(LARGEST)}


def show_bones_in_3d(segmentation: Any) -> None:
    """Make smooth surfaces and show those of bones only; outlines, not fills, in the slices."""
    segmentation.CreateClosedSurfaceRepresentation()
    display = segmentation.GetDisplayNode()
    for name in segmentation.GetSegmentation().GetSegmentIDs():
        segment = segmentation.GetSegmentation().GetSegment(name)
        display.SetSegmentVisibility3D(name, bool(BONES.search(segment.GetName())))
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)


def viewpoint(carm: CArm, center: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3,) eye and (3,) focus, RAS mm, that have the whole C-arm in view from its source's side."""
    x, y, z = carm.axes()
    focus = center + z * (carm.source_detector / 2 - carm.source_isocenter)
    return focus + 1700 * (-0.80 * x - 0.42 * z - 0.42 * y), focus


def c_arm(path: Path, scene: Any, carm: CArm, center: Any, size: tuple[int, int]) -> Picture:
    """The bones, the source, the beam and the radiograph in its place."""
    eye, focus = viewpoint(carm, center)
    view = three_d_view(scene, size, eye, focus, angle=28)
    camera, scale = carm.camera(center), size[0] / 1500
    corners = camera.detector_corners(carm.source_detector)
    labels = {
        "X-ray source": (camera.source, (0, 80 * scale)),
        "detector with radiograph": (corners[3], (230 * scale, 60 * scale)),
        "central ray": (
            camera.source + 0.35 * (center - camera.source),
            (30 * scale, -150 * scale),
        ),
    }
    figures.labelled_view(path, view, labels)
    return Picture(
        path.name,
        f"The C-arm at {carm.primary_angle:g}°/{carm.secondary_angle:g}°: bones of the label map, "
        "source, beam, central ray, isocentre, and the radiograph on the detector.",
    )


def landmark(
    path: Path,
    picture: figures.Tile,
    shadow: NDArray[np.floating],
    projected: Any,
    center: Any,
    name: str,
) -> Picture:
    """Where the camera projects a structure, and where the renderer casts its shadow."""
    figures.shadow_check(path, picture, shadow, projected, center, name)
    return Picture(
        path.name,
        f"The centre of {name} projected by the camera, and the structure's shadow rendered from "
        "the label map.",
    )


def materials(path: Path, ct: Image, carm: CArm) -> Picture:
    """Mass per area of each material."""
    paths = render(ct, carm, quantity="path")
    names = paths.metadata["pages"]
    figures.maps_with_scales(path, list(np.moveaxis(paths.array[0], -1, 0)), names, "g/cm²")
    return Picture(path.name, "Mass per area along each ray, by material (--quantity path).")


def noise(path: Path, images: Sequence[Image], photons: Sequence[float]) -> Picture:
    """A detail without noise and with two doses."""
    titles = ["no noise", *(f"{count:,.0f} photons per pixel" for count in photons)]
    tiles = [
        figures.Tile(display_picture(one, BODY_WINDOW), title)
        for one, title in zip(images, titles, strict=True)
    ]
    figures.panel(path, tiles, columns=3)
    return Picture(path.name, "Quantum noise, detail of the AP view (--noise on --photons N).")
