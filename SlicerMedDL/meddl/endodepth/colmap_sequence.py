"""Between COLMAP's models and endoscopic sequences.

COLMAP's poses are camera-from-world, those of a sequence world-from-camera. A sequence has one
camera without distortion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.pinhole import project, resized
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.endodepth.colmap import ColmapCamera, ColmapImage, ColmapModel, read_model, write_model
from meddl.endodepth.frames import FramesParameters, extract_frames
from meddl.endodepth.lens import Lens, undistortion
from meddl.endodepth.sequence import EndoscopicSequence, write_sequence
from meddl.endodepth.sequence_files import MASK

Floats = NDArray[np.float64]

MIN_VIEWS = 3
# Relative difference of two aspect ratios, and of the parameters of two cameras, taken as none.
_SAME = 1e-3


def import_model(
    sequence: EndoscopicSequence,
    folder: str | Path,
    min_views: int = MIN_VIEWS,
    max_error: float | None = None,
) -> EndoscopicSequence:
    """The sequence with poses, points and camera of a COLMAP model; nothing is written.

    Args:
        sequence: whose frames the model was made of, in any resolution.
        folder: of the model, text or binary.
        min_views: points seen in fewer frames are left out.
        max_error: and those with a larger mean reprojection error, pixels of COLMAP's pictures.

    Raises:
        FileError: no model, or a damaged one.
        InputError: names that match no frame, several cameras, distortion, another aspect ratio, or
            no point that is left.
    """
    return sequence_of_model(sequence, read_model(folder), str(folder), min_views, max_error)


def import_undistorted(
    sequence: EndoscopicSequence,
    folder: str | Path,
    output: str | Path,
    min_views: int = MIN_VIEWS,
    max_error: float | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> EndoscopicSequence:
    """As :func:`import_model`, of a model whose camera has distortion, into a new sequence.

    Args:
        output: folder of the new sequence, with undistorted frames and mask; nothing is left of it
            after an error or a cancel.

    Raises:
        FileError, InputError: as :func:`import_model`; an output that exists.
        DependencyError: OpenCV is missing.
        Cancelled: by the token.
    """
    model = read_model(folder)
    lens = lens_of(_camera_of(sequence, model, str(folder)), str(folder)).resized(sequence.size)
    # Everything that can be refused is refused before frames are written.
    found = sequence_of_model(
        sequence, model, str(folder), min_views, max_error, undistortion(lens).intrinsics
    )
    report = extract_frames(
        sequence.folder,
        output,
        FramesParameters(format=sequence.frame_files[0].suffix[1:]),
        mask=sequence.folder / MASK,
        lens=lens,
        progress=progress,
        cancel=cancel,
    )
    new = report.sequence
    return write_sequence(
        replace(found, folder=new.folder, frame_files=new.frame_files, mask=new.mask)
    )


def sequence_of_model(
    sequence: EndoscopicSequence,
    model: ColmapModel,
    source: str,
    min_views: int = MIN_VIEWS,
    max_error: float | None = None,
    intrinsics: Floats | None = None,
) -> EndoscopicSequence:
    """As :func:`import_model`, of a model in memory.

    Args:
        source: names the model in errors.
        intrinsics: (3, 3) of the frames after undistortion; None for frames that are as COLMAP's.
    """
    numbers = match_frames([image.name for image in model.images.values()], sequence, source)
    views = np.unique([number for number in numbers if number is not None])
    row_of_image = {
        key: int(np.searchsorted(views, number))
        for key, number in zip(model.images, numbers, strict=True)
        if number is not None
    }
    if intrinsics is None:
        intrinsics = _intrinsics_of_frame(_camera_of(sequence, model, source), sequence, source)
    poses = np.empty((len(views), 4, 4))
    for key, row in row_of_image.items():
        poses[row] = np.linalg.inv(model.images[key].camera_from_world)
    visibility = np.zeros((len(views), len(model.points)), np.bool_)
    for key, row in row_of_image.items():
        visibility[row, model.track[model.track[:, 1] == key, 0]] = True
    kept = visibility.sum(axis=0) >= min_views
    if max_error is not None:
        kept &= point_errors(model) <= max_error
    if not kept.any():
        raise InputError(
            f"{source}: none of {len(model.points)} points is seen in {min_views} of the "
            f"{len(views)} frames" + (f" within {max_error:g} pixels" if max_error else "")
        )
    return replace(
        sequence,
        intrinsics=intrinsics,
        view_numbers=views,
        world_from_camera=poses,
        points=model.points[kept],
        visibility=visibility[:, kept],
    )


def match_frames(
    names: Sequence[str], sequence: EndoscopicSequence, source: str
) -> list[int | None]:
    """The frame number of each image name, None for images that are none of the sequence.

    A name matches the frame with its file name, or else the one whose number its last digits are.

    Raises:
        InputError: fewer than two names match, or two match one frame.
    """
    by_name = {
        path.name: int(number)
        for path, number in zip(sequence.frame_files, sequence.frame_numbers, strict=True)
    }
    known = set(sequence.frame_numbers.tolist())
    numbers: list[int | None] = []
    for name in names:
        last = re.split(r"[/\\]", name)[-1]
        digits = re.findall(r"\d+", last.rpartition(".")[0] or last)
        guess = int(digits[-1]) if digits and len(digits[-1]) < 19 else None
        number = by_name.get(last, guess)
        numbers.append(number if number in known else None)
    found = [number for number in numbers if number is not None]
    if len(found) < 2:
        raise InputError(
            f"{source} has images {', '.join(names[:3])} …, of which {len(found)} match the frames "
            f"{sequence.frame_files[0].name} … of {sequence.folder}; name the images as the "
            "frames, or with their numbers"
        )
    for number in found:
        if found.count(number) > 1:
            raise InputError(f"{source}: two images match frame {number} of {sequence.folder}")
    return numbers


def lens_of(camera: ColmapCamera, source: str) -> Lens:
    """A camera as OpenCV describes it.

    Raises:
        InputError: a model that OpenCV has not.
    """
    values = camera.parameters
    shared_focal = camera.model.startswith(("SIMPLE", "RADIAL"))
    fx, fy, cx, cy = (values[0], *values[:3]) if shared_focal else values[:4]
    rest = values[3 if shared_focal else 4 :]
    kind = "fisheye" if camera.model.endswith("FISHEYE") else "pinhole"
    if camera.model in ("FOV", "THIN_PRISM_FISHEYE"):
        raise InputError(
            f"{source} has a {camera.model} camera, which OpenCV has not; undistort the images "
            "with colmap image_undistorter and make the sequence of them"
        )
    # COLMAP leaves out the coefficients that a model holds at zero; the orders are the same.
    distortion = np.zeros(8 if camera.model == "FULL_OPENCV" else 4)
    distortion[: len(rest)] = rest
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    return Lens(kind, (camera.height, camera.width), matrix, distortion)


def intrinsics_of(camera: ColmapCamera) -> Floats | None:
    """The (3, 3) matrix of a camera without distortion, None if it has some."""
    if camera.model in ("FOV", "THIN_PRISM_FISHEYE"):
        return None
    lens = lens_of(camera, "the model")
    # A fisheye without coefficients is still equidistant.
    return None if lens.model == "fisheye" or lens.distortion.any() else lens.intrinsics


def point_errors(model: ColmapModel) -> Floats:
    """(P,) mean reprojection error of each point, pixels of COLMAP's pictures.

    Computed where the cameras have no distortion and the images their features; else what the model
    says. A point behind a camera that sees it has an infinite error.
    """
    if any(intrinsics_of(camera) is None for camera in model.cameras.values()):
        return model.errors
    total, count = np.zeros(len(model.points)), np.zeros(len(model.points))
    for key, image in model.images.items():
        rows, _, features = model.track[model.track[:, 1] == key].T
        if not len(rows):
            continue
        if not len(image.pixels):
            return model.errors
        matrix = intrinsics_of(model.cameras[image.camera])
        assert matrix is not None
        rotation, shift = image.camera_from_world[:3, :3], image.camera_from_world[:3, 3]
        pixels, depth = project(model.points[rows] @ rotation.T + shift, matrix)
        error = np.linalg.norm(pixels - image.pixels[features], axis=1)
        np.add.at(total, rows, np.where(depth > 0, error, np.inf))
        np.add.at(count, rows, 1)
    return total / np.maximum(count, 1)


def export_model(sequence: EndoscopicSequence, folder: str | Path) -> None:
    """Write the sequence's camera, poses and points as a COLMAP text model.

    A sequence does not keep where features were found: the features of the model are the
    projections of the points.

    Raises:
        InputError: no poses, points or intrinsics yet.
        FileError: a folder that cannot be written.
    """
    write_model(folder, model_of_sequence(sequence))


def model_of_sequence(sequence: EndoscopicSequence) -> ColmapModel:
    """The sequence as a model with one pinhole camera; see :func:`export_model`."""
    matrix = sequence.require_structure().require_intrinsics()
    if matrix[0, 1]:
        raise InputError(f"the intrinsics have skew {matrix[0, 1]:g}, COLMAP has none")
    height, width = sequence.size
    fx, fy, cx, cy = matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()  # Python's: repr is their text
    camera = ColmapCamera("PINHOLE", width, height, (fx, fy, cx, cy))
    images, track = {}, []
    for view, number in enumerate(sequence.view_numbers.tolist()):
        rows = np.flatnonzero(sequence.visibility[view])
        camera_from_world = np.linalg.inv(sequence.world_from_camera[view])
        points = sequence.points[rows] @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        images[view + 1] = ColmapImage(
            sequence.file_of(number).name,
            1,
            camera_from_world,
            project(points, matrix)[0],
            rows + 1,
        )
        track.append(np.column_stack([rows, np.full(len(rows), view + 1), np.arange(len(rows))]))
    count = len(sequence.points)
    return ColmapModel(
        cameras={1: camera},
        images=images,
        point_keys=np.arange(1, count + 1),
        points=sequence.points,
        colours=np.full((count, 3), 128, np.uint8),
        errors=np.full(count, -1.0),
        track=np.concatenate(track),
    )


def _camera_of(sequence: EndoscopicSequence, model: ColmapModel, source: str) -> ColmapCamera:
    """The one camera of the images that are frames of the sequence."""
    images = list(model.images.values())
    numbers = match_frames([image.name for image in images], sequence, source)
    keys = {i.camera: None for i, n in zip(images, numbers, strict=True) if n is not None}
    cameras = [model.cameras[key] for key in keys]
    first = cameras[0]
    for other in cameras[1:]:
        same = (other.model, other.width, other.height) == (first.model, first.width, first.height)
        if not same or not np.allclose(other.parameters, first.parameters, rtol=_SAME, atol=1e-6):
            raise InputError(
                f"{source} has {len(cameras)} different cameras, a sequence has one; run COLMAP "
                "with --ImageReader.single_camera 1"
            )
    return first


def _intrinsics_of_frame(camera: ColmapCamera, sequence: EndoscopicSequence, source: str) -> Floats:
    matrix = intrinsics_of(camera)
    if matrix is None:
        raise InputError(
            f"{source} has a {camera.model} camera with distortion, a sequence has undistorted "
            "frames; make a new one with --undistorted NEW_DIR"
        )
    height, width = sequence.size
    factor = (width / camera.width, height / camera.height)
    if abs(factor[0] / factor[1] - 1) > _SAME:
        raise InputError(
            f"{source} is of pictures of {camera.width}x{camera.height} pixels, the frames have "
            f"{width}x{height}; both need one aspect ratio and no crop between them"
        )
    return resized(matrix, factor)
