"""How well points, poses and camera of a sequence agree with its frames: figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import atomic_folder, replaceable_folder
from meddl.core.pinhole import project
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.endodepth.sequence import EndoscopicSequence, visible_inside

Floats = NDArray[np.float64]

# Light correlations: -0.87 on a rendered truth, -0.59 and -0.50 on a real sequence (published and
# our own reconstruction), +0.65 on a reconstruction that was inside out.
INSIDE_OUT = 0.2


def visible_points(sequence: EndoscopicSequence, view: int) -> tuple[Floats, Floats]:
    """Where the points that a view sees appear in its frame.

    Args:
        sequence: with poses, points and intrinsics.
        view: row of ``view_numbers``.

    Returns:
        Pixels (K, 2) as (x, y), NaN behind the camera, and depths (K,) in the unit of the poses.
    """
    camera_from_world = np.linalg.inv(sequence.world_from_camera[view])
    points = sequence.points[sequence.visibility[view]]
    points = points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    return project(points, sequence.require_intrinsics())


def statistics(sequence: EndoscopicSequence) -> dict[str, Any]:
    """Figures of a reconstruction, as plain JSON types.

    Depths and lengths are in the unit of structure from motion, which has no name. ``inside`` is
    the part (0..1) of the visible points that lie in front of their camera and in the mask;
    ``inside_if_inverted`` the same with every pose inverted: if it is the larger one, the poses are
    camera-from-world (read them with ``poses="camera_from_world"``).

    Raises:
        InputError: no poses, points or intrinsics yet.
    """
    sequence.require_structure().require_intrinsics()
    per_view = sequence.visibility.sum(axis=1)
    per_point = sequence.visibility.sum(axis=0)
    depth = np.concatenate(
        [visible_points(sequence, view)[1] for view in range(len(sequence.view_numbers))]
    )
    step = np.linalg.norm(np.diff(sequence.world_from_camera[:, :3, 3], axis=0), axis=1)
    return {
        "frames": len(sequence.frame_numbers),
        "views": len(sequence.view_numbers),
        "frames_without_pose": np.setdiff1d(sequence.frame_numbers, sequence.view_numbers).tolist(),
        "points": len(sequence.points),
        "points_per_view": _spread(per_view),
        "views_per_point": _spread(per_point),
        "depth": _spread(depth),
        "path_length": float(step.sum()),
        "inside": visible_inside(sequence),
        "inside_if_inverted": visible_inside(sequence, inverted=True),
    }


def light_correlation(sequence: EndoscopicSequence, views: int = 9) -> float:
    """How the brightness of points goes with their depth: below 0 as it has to, above 0 inside out.

    The light sits at the camera: near points are bright. Small motion explains a scene almost as
    well as its inside out (near and far exchanged, turns and shifts reversed), and bundle
    adjustment does not leave the wrong one; the light tells them apart.

    Args:
        sequence: with poses, points and intrinsics.
        views: so many, evenly chosen, are looked at.

    Returns:
        The median over the views of Spearman's rank correlation, -1 to 1; 0 if no view has ten
        points.
    """
    from scipy.stats import spearmanr

    sequence.require_structure()
    found = []
    count = len(sequence.view_numbers)
    for view in np.unique(np.linspace(0, count - 1, min(views, count)).round().astype(int)):
        pixels, depth = visible_points(sequence, int(view))
        frame = sequence.frame(int(sequence.view_numbers[view]))
        height, width = sequence.size
        seen = (pixels >= 0).all(axis=-1) & (pixels < (width, height)).all(axis=-1)
        column, row = pixels[seen].astype(np.int64).T
        brightness = frame[row, column].max(axis=-1)
        if seen.sum() >= 10 and np.ptp(brightness) > 0 and np.ptp(depth[seen]) > 0:
            found.append(spearmanr(depth[seen], brightness).statistic)
    return float(np.median(found)) if found else 0.0


def _spread(values: NDArray[Any]) -> dict[str, float]:
    if not len(values):
        raise InputError("no view sees any point; run structure from motion again")
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "max": float(values.max()),
    }


def overlay(
    sequence: EndoscopicSequence, view: int, depth_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """The frame of a view with its points drawn on it: near ones yellow, far ones violet.

    Args:
        sequence: with poses, points and intrinsics.
        view: row of ``view_numbers``.
        depth_range: of the colours; the view's own if None.

    Returns:
        (H, W, 3) uint8 RGB; what is outside the mask is darkened.
    """
    from PIL import Image as Picture
    from PIL import ImageDraw

    frame = sequence.frame(int(sequence.view_numbers[view]))
    frame = np.where(sequence.mask[..., np.newaxis], frame, frame // 3)
    pixels, depth = visible_points(sequence, view)
    low, high = depth_range or (depth.min(), depth.max()) if len(depth) else (0.0, 1.0)
    part = np.clip((depth - low) / max(high - low, 1e-12), 0, 1)
    picture = Picture.fromarray(frame)
    draw = ImageDraw.Draw(picture)
    radius = max(2.0, 0.004 * frame.shape[1])
    for (x, y), (r, g, b) in zip(pixels, _colours(part), strict=True):
        if np.isfinite(x):
            # Pillow counts from the centre of the first pixel, we from its corner.
            box = (x - 0.5 - radius, y - 0.5 - radius, x - 0.5 + radius, y - 0.5 + radius)
            draw.ellipse(box, fill=(int(r), int(g), int(b)), outline=(0, 0, 0))
    return np.asarray(picture)


def check_overlays(folder: str | Path) -> Path:
    """``folder`` if overlays can be written there.

    Raises:
        FileError: it holds other files, or its parent takes no folder.
    """
    return replaceable_folder(folder, "drawn frames", "*.jpg")


def write_overlays(
    sequence: EndoscopicSequence,
    folder: str | Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Write :func:`overlay` of every view as ``{frame}.jpg``, colours over the sequence's depths.

    An earlier folder of overlays is replaced.

    Raises:
        FileError: see :func:`check_overlays`.
        Cancelled: by the token; an earlier folder stays.
    """
    from PIL import Image as Picture

    sequence.require_structure().require_intrinsics()
    views: Sequence[int] = range(len(sequence.view_numbers))
    depth = np.concatenate([visible_points(sequence, view)[1] for view in views])
    low, high = np.percentile(depth, (1, 99))
    with atomic_folder(check_overlays(folder)) as temporary:
        for view in steps(views, len(views), "drawing view", progress, cancel):
            picture = Picture.fromarray(overlay(sequence, view, (float(low), float(high))))
            picture.save(temporary / f"{sequence.view_numbers[view]:08d}.jpg", quality=92)


def _colours(part: Floats) -> NDArray[np.uint8]:
    """Colours (K, 3) from yellow (0) over green and blue to violet (1), as viridis reversed."""
    stops = np.array(
        [(253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139), (68, 1, 84)], np.float64
    )
    at = np.linspace(0, 1, len(stops))
    mixed = np.stack([np.interp(part, at, stops[:, channel]) for channel in range(3)], axis=-1)
    return np.rint(mixed).astype(np.uint8)
