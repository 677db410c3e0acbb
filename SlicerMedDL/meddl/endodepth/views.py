"""Depth maps with the pose and camera of their frames, and how they are scaled to the poses.

A network's depth has a scale of its own. The points of structure from motion tell it in the unit of
the poses: the median of (depth of a point / depth of the map there), for each frame or for all
frames of a sequence together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import Depth, DepthCamera, DepthFolder, camera_of
from meddl.core.errors import InputError
from meddl.core.geometry import apply, inverse
from meddl.core.pinhole import Floats, pixel_centres, project
from meddl.endodepth.fusion_parameters import SCALINGS
from meddl.endodepth.sequence import EndoscopicSequence

# Fewer points than this say less about a frame than all frames together do.
_FEWEST_POINTS = 10


@dataclass(frozen=True, eq=False)
class View:
    """One frame's depth.

    Attributes:
        index: of the view in ``sequence.view_numbers``.
        number, name: of the frame.
        depth: (H, W) float32, unit of the poses, 0 where unknown or outside the field of view.
        camera: of the map.
        world_from_camera: (4, 4).
    """

    index: int
    number: int
    name: str
    depth: Depth
    camera: DepthCamera
    world_from_camera: Floats


@dataclass(frozen=True, eq=False)
class PosedDepths:
    """The depth maps of the frames of a sequence that have a pose.

    Attributes:
        sequence, depths: where they come from.
        indices: of the views that have a map.
        camera: of the maps.
        mask: (H, W) bool, the field of view in the maps' pixels.
        scales: (len(indices),) factors from the maps' unit to that of the poses.
    """

    sequence: EndoscopicSequence
    depths: DepthFolder
    indices: tuple[int, ...]
    camera: DepthCamera
    mask: NDArray[np.bool_]
    scales: Floats

    def __len__(self) -> int:
        return len(self.indices)

    def view(self, position: int) -> View:
        """The view at a position of ``indices``; its map is read from the disk."""
        index = self.indices[position]
        name = name_of(self.sequence, index)
        depth = self.depths.depth(name)
        if depth.shape != self.mask.shape:
            raise InputError(
                f"the depth map of {name} is {depth.shape[0]} x {depth.shape[1]} pixels, the first "
                f"one {self.mask.shape[0]} x {self.mask.shape[1]}"
            )
        return View(
            index=index,
            number=int(self.sequence.view_numbers[index]),
            name=name,
            depth=np.where(self.mask, depth * np.float32(self.scales[position]), np.float32(0)),
            camera=self.camera,
            world_from_camera=self.sequence.world_from_camera[index],
        )

    def __iter__(self) -> Iterator[View]:
        return (self.view(position) for position in range(len(self)))


def name_of(sequence: EndoscopicSequence, index: int) -> str:
    """The name of a view's frame, without suffix."""
    return sequence.file_of(int(sequence.view_numbers[index])).stem


def posed_depths(
    sequence: EndoscopicSequence, depths: DepthFolder, scaling: str = "auto"
) -> PosedDepths:
    """Bring the maps of ``depths`` together with the poses of ``sequence``.

    Args:
        sequence: with poses.
        depths: of frames of the sequence; frames without a pose are left out.
        scaling: ``"frame"`` or ``"sequence"`` by the points of structure from motion, ``"none"``:
            the maps are in the unit of the poses, ``"auto"``: ``"none"`` for maps in mm, else
            ``"frame"``.

    Raises:
        InputError: no map of a frame with a pose, another scaling, or no point to scale by.
        FileError: a damaged map.
    """
    if scaling not in SCALINGS:
        raise InputError(f"scaling is {scaling!r}, one of {', '.join(SCALINGS)} was expected")
    if not len(sequence.view_numbers):
        raise InputError(
            f"{sequence.folder} has no poses; run: meddl endodepth sfm {sequence.folder}"
        )
    known = set(depths.names)
    indices = [n for n in range(len(sequence.view_numbers)) if name_of(sequence, n) in known]
    if not indices:
        raise InputError(
            f"none of the {len(depths.names)} maps in {depths.folder} ({depths.names[0]}, …) is of "
            f"one of the {len(sequence.view_numbers)} frames with a pose in {sequence.folder}"
        )
    first = depths.depth(name_of(sequence, indices[0]))
    height, width = first.shape
    camera = camera_of(
        depths, sequence.require_intrinsics(), sequence.size, (int(height), int(width))
    )
    plain = PosedDepths(
        sequence, depths, tuple(indices), camera, map_mask(sequence, camera), np.ones(len(indices))
    )
    chosen = resolve_scaling(depths, scaling)
    if chosen == "none":
        return plain
    return PosedDepths(
        sequence, depths, plain.indices, camera, plain.mask, point_scales(plain, chosen)
    )


def resolve_scaling(depths: DepthFolder, scaling: str) -> str:
    """What ``"auto"`` means for these maps."""
    if scaling != "auto":
        return scaling
    return "none" if depths.unit == "mm" else "frame"


def frame_positions(camera: DepthCamera, pixels: Floats) -> Floats:
    """Positions (..., 2) in the full frame of positions (x, y) in the map."""
    return (pixels + corner(camera)) * camera.downsampling


def corner(camera: DepthCamera) -> Floats:
    """(x, y) of the map's corner in the downsampled frame."""
    if camera.rows is None or camera.columns is None:
        return np.zeros(2)
    return np.array([camera.columns[0], camera.rows[0]], dtype=np.float64)


def map_mask(sequence: EndoscopicSequence, camera: DepthCamera) -> NDArray[np.bool_]:
    """(H, W) where the centres of the map's pixels lie in the field of view."""
    positions = frame_positions(camera, pixel_centres(camera.height, camera.width))
    column, row = np.floor(positions).astype(int).transpose(2, 0, 1)
    height, width = sequence.size
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    mask = np.zeros_like(inside)
    mask[inside] = sequence.mask[row[inside], column[inside]]
    return mask


def seen_points(
    sequence: EndoscopicSequence, index: int, camera: DepthCamera
) -> tuple[Floats, Floats]:
    """Where the points seen in a view appear in its map, (n, 2) as (x, y), and their depths (n,).

    Only points that structure from motion saw in this very view count, in front of the camera and
    inside the map: whatever was seen a few views earlier may be hidden by now.
    """
    points = sequence.points[sequence.visibility[index]]
    camera_from_world = inverse(sequence.world_from_camera[index])
    pixels, depth = project(apply(camera_from_world, points), camera.intrinsics)
    size = (camera.width, camera.height)
    inside = (depth > 0) & (pixels >= 0).all(axis=1) & (pixels < size).all(axis=1)
    return pixels[inside], depth[inside]


def point_ratios(
    sequence: EndoscopicSequence, index: int, camera: DepthCamera, depth: Depth
) -> Floats:
    """(n,) depth of each point seen in a view over that of the view's map, where there is one."""
    pixels, true = seen_points(sequence, index, camera)
    column, row = pixels.astype(int).T
    found = depth[row, column].astype(np.float64)
    return true[found > 0] / found[found > 0]


def frame_scale(sequence: EndoscopicSequence, own: Floats, together: Sequence[Floats]) -> float:
    """The median of a frame's ratios; of those of all frames together if it has fewer than 10.

    The median and not the published mean over far points: few points lie on what is near, and the
    mean follows those that are hidden behind it.

    Raises:
        InputError: no ratio at all.
    """
    ratios = own if len(own) >= _FEWEST_POINTS else np.concatenate(together)
    if not len(ratios):
        raise InputError(
            f"no point of {sequence.folder} falls on a known depth, so that depth and poses cannot "
            "be brought to one scale; run structure from motion on more of the video, or take "
            "scale none"
        )
    return float(np.median(ratios))


def point_scales(posed: PosedDepths, scaling: str) -> Floats:
    """(n,) factors that bring unscaled maps to the points, for each frame or for all together.

    Raises:
        InputError: no point falls on a known pixel.
    """
    sequence = posed.sequence
    ratios = [point_ratios(sequence, view.index, view.camera, view.depth) for view in posed]
    if scaling == "sequence":
        return np.full(len(posed), frame_scale(sequence, np.zeros(0), ratios))
    return np.array([frame_scale(sequence, own, ratios) for own in ratios])
