"""One coloured surface out of the depth maps and poses of a sequence, and points of single frames.

Frames are read one at a time, three times over: for the box that they fill, for the distance field
(:mod:`meddl.endodepth.tsdf`), and for the colours of the vertices. Memory holds the field and one
frame, however long the sequence is.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import DepthFolder
from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.mesh import Mesh
from meddl.core.pinhole import Floats, backproject
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.textured_mesh import Texture
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.surface import fill_holes, keep_faces, large_parts, zero_level
from meddl.endodepth.surface_colour import ColourSums, ShownFrame, shown_frame
from meddl.endodepth.texture_colour import TexturePainter
from meddl.endodepth.tsdf import Volume, integrate, make_volume, view_maps
from meddl.endodepth.views import (
    PosedDepths,
    View,
    corner,
    frame_positions,
    posed_depths,
    resolve_scaling,
)

# What lies beyond this part of the points on either side of an axis does not widen the box.
_OUTLIERS = 0.001
_SAMPLES = 2**20  # points that the box is taken from


@dataclass(frozen=True, eq=False)
class FusedSurface:
    """What :func:`fuse` found.

    Attributes:
        mesh: vertices in the frame of the poses; in mm if ``unit`` is, else in their unit.
        texture: of the mesh's faces, if it was asked for.
        weight: (N,) how often each vertex was seen, as ``minimum_weight`` counts.
        unit: ``"mm"`` or ``"relative"``.
        mm_per_unit: how many mm one unit of the poses is; None if it is not known.
        record: the run in plain JSON types: parameters, frames, voxels, scales.
    """

    mesh: Mesh
    texture: Texture | None
    weight: Floats
    unit: str
    mm_per_unit: float | None
    record: dict[str, Any]


def fuse(
    sequence: EndoscopicSequence,
    depths: DepthFolder,
    parameters: FusionParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FusedSurface:
    """Fuse the depth maps of a sequence to one coloured mesh (Curless and Levoy, 1996).

    Args:
        sequence: with poses.
        depths: of frames of the sequence.
        parameters: how.

    Raises:
        InputError: maps and sequence that do not belong together, or that make no surface.
        FileError: a damaged map or frame.
        DeviceError: more voxels than memory.
        DependencyError: scikit-image is not installed.
        Cancelled: by the token.
    """
    parameters = parameters or FusionParameters()
    posed = posed_depths(sequence, depths, parameters.scaling)
    lower, upper, reference = _extent(posed, subprogress(progress, 0, 0.1), cancel)
    longest = float((upper - lower).max())
    voxel = parameters.voxel or longest / (parameters.size - 1)
    truncation = parameters.truncation * voxel
    volume = make_volume(lower, upper, voxel, truncation)
    for view in _steps(posed, "fusing", subprogress(progress, 0.1, 0.6), cancel):
        integrate(volume, view.depth, view.camera.intrinsics, view.world_from_camera, reference)
    shape = volume.distance.shape
    vertices, faces, weight = _clean_surface(volume, parameters, len(posed))
    del volume  # the texture may take as much
    sums = ColourSums(vertices, truncation)
    painter = None
    if parameters.texture:
        progress(0.65, "laying out the texture")
        painter = TexturePainter(vertices, faces, parameters.texture_size, truncation, reference)
    for view in _steps(posed, "colouring", subprogress(progress, 0.7, 1.0), cancel):
        shown = _shown(view, sequence, reference)
        sums.add(shown)
        if painter is not None:
            painter.add(shown)
    colours = sums.mean()
    scale = millimetres(depths, parameters)
    record = {
        "parameters": asdict(parameters),
        "frames": len(posed),
        "frames_without_pose_or_map": len(sequence.frame_numbers) - len(posed),
        "voxel": voxel,
        "volume": list(shape),
        "scaling": resolve_scaling(depths, parameters.scaling),
        "scales": posed.scales.tolist(),
        "unit": "relative" if scale is None else "mm",
        "mm_per_unit": scale,
        "vertices": len(vertices),
        "faces": len(faces),
    }
    return FusedSurface(
        Mesh(vertices * (scale or 1.0), faces, colours),
        None if painter is None else painter.texture(colours),
        weight,
        record["unit"],
        scale,
        record,
    )


def millimetres(depths: DepthFolder, parameters: FusionParameters) -> float | None:
    """How many mm one unit of the poses is: as entered, or as the maps say if they share the unit.

    Raises:
        InputError: another length than the one of maps in mm.
    """
    shared = resolve_scaling(depths, parameters.scaling) == "none"
    entered = parameters.mm_per_unit
    if shared and depths.unit == "mm":
        if entered not in (None, 1.0):
            raise InputError(
                f"mm_per_unit is {entered}, but depths and poses are in mm; leave it away"
            )
        return 1.0
    return entered if entered is not None else depths.mm_per_unit if shared else None


def point_cloud(view: View, sequence: EndoscopicSequence) -> tuple[Floats, NDArray[np.uint8]]:
    """The points (N, 3) of one frame in the frame of the poses, and their colours (N, 3) uint8."""
    known = view.depth > 0
    points = backproject(view.depth, view.camera.intrinsics)[known]
    rows, columns = np.nonzero(known)
    pixels = np.stack([columns, rows], axis=1).astype(np.float64) + 0.5
    frame = sequence.frame(view.number)
    place = np.floor(frame_positions(view.camera, pixels)).astype(int)
    column, row = np.clip(place, 0, (frame.shape[1] - 1, frame.shape[0] - 1)).T
    return apply(view.world_from_camera, points), frame[row, column]


def _steps(posed: PosedDepths, message: str, progress: Progress, cancel: CancelToken | None) -> Any:
    return steps(posed, len(posed), f"{message} frame", progress, cancel)


def _shown(view: View, sequence: EndoscopicSequence, reference: float) -> ShownFrame:
    camera = view.camera
    maps = view_maps(view.depth, camera.intrinsics, reference)
    place = (view.world_from_camera, corner(camera), camera.downsampling)
    return shown_frame(sequence.frame(view.number), maps, camera.intrinsics, *place)


def _extent(
    posed: PosedDepths, progress: Progress, cancel: CancelToken | None
) -> tuple[Floats, Floats, float]:
    """Corners of the box that the depths fill, and the median depth."""
    samples, depths = [], []
    stride = math.ceil(math.sqrt(posed.mask.size * len(posed) / _SAMPLES))
    for view in _steps(posed, "measuring", progress, cancel):
        thin = view.depth[::stride, ::stride]
        points = backproject(view.depth, view.camera.intrinsics)[::stride, ::stride][thin > 0]
        samples.append(apply(view.world_from_camera, points).astype(np.float32))
        depths.append(thin[thin > 0])
    together = np.concatenate(samples)
    if not len(together):
        raise InputError(f"no map in {posed.depths.folder} has a known depth in the field of view")
    lower, upper = np.quantile(together.astype(np.float64), [_OUTLIERS, 1 - _OUTLIERS], axis=0)
    # The surface must not touch the box: a small part of its size and of the depth around it.
    reference = float(np.median(np.concatenate(depths)))
    margin = 0.03 * float((upper - lower).max()) + 1e-3 * reference
    return lower - margin, upper + margin, reference


def _clean_surface(
    volume: Volume, parameters: FusionParameters, frames: int
) -> tuple[Floats, NDArray[np.int64], Floats]:
    vertices, faces, weight = zero_level(volume, parameters.weight_of(frames))
    chosen = large_parts(faces, len(vertices), parameters.smallest_part)
    if not chosen.any():
        raise InputError(
            f"every piece of the surface has fewer than {parameters.smallest_part:.2%} of its "
            f"{len(faces)} triangles; lower smallest_part"
        )
    faces, used = keep_faces(faces, chosen)
    vertices, weight = vertices[used], weight[used]
    before = len(vertices)
    vertices, faces = fill_holes(vertices, faces, parameters.fill_holes * volume.voxel)
    return vertices, faces, np.concatenate([weight, np.zeros(len(vertices) - before)])
