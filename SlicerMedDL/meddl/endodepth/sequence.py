"""An endoscopic sequence: frames, field of view, camera, and what structure from motion found.

On disk it is the folder of Liu et al., IEEE TMI 2019 (arXiv 1902.07766); :mod:`sequence_files`
reads and writes its text files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_folder
from meddl.core.image import Image
from meddl.core.pictures import picture_size, read_picture, read_rgb, write_picture
from meddl.core.pinhole import intrinsics_matrix, project
from meddl.endodepth import sequence_files as files
from meddl.endodepth.sequence_files import frame_name

Floats = NDArray[np.float64]
POSES = ("world_from_camera", "camera_from_world")
# A mask pixel counts as inside from here on; the published masks have soft edges.
_INSIDE = 128
# What structure from motion saw lies in the mask: on the published example no point lies outside,
# with inverted poses 4 %. Poses are refused if more than this part lies outside, and at most a
# quarter of it with the inverse.
_OUTSIDE = 0.01


@dataclass(frozen=True, eq=False)
class EndoscopicSequence:
    """Frames of one camera and what is known about them; V = P = 0 before structure from motion.

    Attributes:
        folder: where the frames lie.
        frame_numbers: (N,) int64, increasing.
        frame_files: (N,) paths, all pictures of one size H x W.
        intrinsics: (3, 3) float64 of the full frame, pixels; None before the calibration.
        mask: (H, W) bool, the field of view.
        view_numbers: (V,) int64 numbers of the frames that have a pose, increasing.
        world_from_camera: (V, 4, 4) float64, in the unit of structure from motion.
        points: (P, 3) float64, world frame.
        visibility: (V, P) bool, whether a point was found in a view.

    Raises:
        InputError: shapes or numbers that do not fit together.
        GeometryError: impossible intrinsics.
    """

    folder: Path
    frame_numbers: NDArray[np.int64]
    frame_files: tuple[Path, ...]
    intrinsics: Floats | None
    mask: NDArray[np.bool_]
    view_numbers: NDArray[np.int64]
    world_from_camera: Floats
    points: Floats
    visibility: NDArray[np.bool_]

    def __post_init__(self) -> None:
        def store(name: str, dtype: type) -> NDArray[np.generic]:
            array: NDArray[np.generic] = np.asarray(getattr(self, name), dtype=dtype)
            object.__setattr__(self, name, array)
            return array

        if self.intrinsics is not None:
            object.__setattr__(self, "intrinsics", intrinsics_matrix(self.intrinsics))
        frames, views = store("frame_numbers", np.int64), store("view_numbers", np.int64)
        mask, poses = store("mask", np.bool_), store("world_from_camera", np.float64)
        points, visibility = store("points", np.float64), store("visibility", np.bool_)
        for name, numbers in (("frame", frames), ("view", views)):
            if numbers.ndim != 1 or (np.diff(numbers) <= 0).any():
                raise InputError(f"the {name} numbers do not increase: {numbers.tolist()[:9]} …")
        if not len(frames) or len(frames) != len(self.frame_files):
            raise InputError(f"{len(frames)} frame numbers for {len(self.frame_files)} frame files")
        strange = np.setdiff1d(views, frames)
        if len(strange):
            raise InputError(f"view {strange[0]} is none of the {len(frames)} frames")
        if mask.ndim != 2 or not mask.any():
            raise InputError(f"the mask {mask.shape} has no pixel inside; draw the field of view")
        v, p = len(views), len(points)
        for name, array, shape in (
            ("poses", poses, (v, 4, 4)),
            ("points", points, (p, 3)),
            ("visibility", visibility, (v, p)),
        ):
            if array.shape != shape:
                raise InputError(f"the {name} have shape {array.shape}, {shape} was expected")
        for name, array in (("poses", poses), ("points", points)):
            if not np.isfinite(array.astype(np.float64)).all():
                raise InputError(f"the {name} have values that are NaN or infinite")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        height, width = self.mask.shape
        return height, width

    def frame(self, number: int) -> NDArray[np.uint8]:
        """The (H, W, 3) uint8 RGB picture of a frame number.

        Raises:
            InputError: no such frame.
            FileError: damaged, or of another size than the mask.
        """
        path = self.file_of(number)
        picture = read_rgb(path)
        _check_size(path, picture.shape[:2], self.size)
        return picture

    def file_of(self, number: int) -> Path:
        """The picture file of a frame number.

        Raises:
            InputError: no such frame.
        """
        index = int(np.searchsorted(self.frame_numbers, number))
        if index == len(self.frame_numbers) or self.frame_numbers[index] != number:
            first, last = self.frame_numbers[[0, -1]]
            raise InputError(f"{self.folder} has no frame {number}; it has {first} to {last}")
        return self.frame_files[index]

    def require_intrinsics(self) -> Floats:
        """The (3, 3) intrinsics.

        Raises:
            InputError: they are not known yet.
        """
        if self.intrinsics is None:
            raise InputError(
                f"{self.folder} has no camera_intrinsics_per_view; calibrate the camera, or let "
                "structure from motion estimate it (meddl endodepth sfm)"
            )
        return self.intrinsics

    def require_structure(self) -> EndoscopicSequence:
        """Return self if it has poses and points.

        Raises:
            InputError: it has none yet.
        """
        if not len(self.view_numbers) or not len(self.points):
            raise InputError(
                f"{self.folder} has no poses and points; run: meddl endodepth sfm {self.folder}"
            )
        return self


def unposed(
    folder: str | Path,
    frame_numbers: NDArray[np.int64],
    mask: NDArray[np.bool_],
    intrinsics: Floats | None = None,
    suffix: str = ".jpg",
) -> EndoscopicSequence:
    """A sequence before structure from motion, of frames that lie in ``folder``."""
    folder = Path(folder)
    return EndoscopicSequence(
        folder=folder,
        frame_numbers=frame_numbers,
        frame_files=tuple(folder / frame_name(int(n), suffix) for n in frame_numbers),
        intrinsics=intrinsics,
        mask=mask,
        view_numbers=np.empty(0, np.int64),
        world_from_camera=np.empty((0, 4, 4)),
        points=np.empty((0, 3)),
        visibility=np.empty((0, 0), np.bool_),
    )


def read_sequence(folder: str | Path, poses: str = "world_from_camera") -> EndoscopicSequence:
    """Read a folder of the published format; without ``motion.yaml`` there are no views and points.

    Args:
        folder: of the sequence.
        poses: what ``motion.yaml`` holds. The format says ``"world_from_camera"``; COLMAP's own
            poses are ``"camera_from_world"`` and are inverted here.

    Raises:
        FileError: a file that is missing, damaged, of another length or size; poses that fit the
            points far better when inverted.
        InputError: another ``poses``.
    """
    if poses not in POSES:
        raise InputError(f"poses is {poses!r}, expected one of: {', '.join(POSES)}")
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(
            f"{folder} is no folder; a sequence is one, made by: meddl endodepth frames"
        )
    numbers = files.read_numbers(folder / files.FRAMES)
    if not len(numbers):
        raise FileError(f"{folder / files.FRAMES} lists no frame")
    mask = _read_mask(folder / files.MASK)
    frame_files = tuple(_sized_frame_file(folder, int(number), mask.shape) for number in numbers)
    intrinsics = None
    if (folder / files.INTRINSICS).exists():
        intrinsics = files.read_intrinsics(folder / files.INTRINSICS)
    plain = replace(unposed(folder, numbers, mask, intrinsics), frame_files=frame_files)
    found = [name for name in files.STRUCTURE if (folder / name).exists()]
    if not found:
        return plain
    if missing := [
        name for name in (*files.STRUCTURE, files.INTRINSICS) if not (folder / name).exists()
    ]:
        raise FileError(
            f"{folder} has {found[0]} but no {missing[0]}; all of structure from motion"
        )
    views = files.read_numbers(folder / files.VIEWS)
    matrices = files.read_poses(folder / files.POSES, len(views))
    points = files.read_points(folder / files.POINTS)
    sequence = replace(
        plain,
        view_numbers=views,
        world_from_camera=matrices
        if poses == POSES[0]
        else np.asarray(np.linalg.inv(matrices), np.float64),
        points=points,
        visibility=files.read_visibility(folder / files.VISIBILITY, views, len(points)),
    )
    _check_convention(sequence, poses)
    return sequence


def write_sequence(
    sequence: EndoscopicSequence, folder: str | Path | None = None
) -> EndoscopicSequence:
    """Write a sequence; returns it as it lies there.

    Args:
        sequence: what to write.
        folder: made with copies of the frames, as a whole or not at all; None writes the mask, the
            camera and the structure into the sequence's own folder, beside its frames.

    Raises:
        FileError: a frame that is missing, or a folder that cannot be written.
    """
    if folder is None or Path(folder).resolve() == sequence.folder.resolve():
        _write_files(sequence, sequence.folder)
        return sequence
    folder = Path(folder)
    with atomic_folder(folder) as temporary:
        for source in sequence.frame_files:
            shutil.copyfile(source, temporary / source.name)
        if (mask := sequence.folder / files.MASK).exists():
            shutil.copyfile(mask, temporary / files.MASK)
        _write_files(sequence, temporary)
    names = tuple(folder / path.name for path in sequence.frame_files)
    return replace(sequence, folder=folder, frame_files=names)


def visible_inside(sequence: EndoscopicSequence, inverted: bool = False) -> float:
    """The part (0..1) of the visible points that project in front of their view and into the mask.

    Args:
        sequence: with poses and points.
        inverted: take the inverse of every pose.
    """
    intrinsics = sequence.require_structure().require_intrinsics()
    poses = sequence.world_from_camera
    inside = total = 0
    for view, pose in enumerate(np.linalg.inv(poses) if inverted else poses):
        points = sequence.points[sequence.visibility[view]]
        inside += len(points_in_mask(points, pose, intrinsics, sequence.mask)[0])
        total += len(points)
    return inside / max(total, 1)


def points_in_mask(
    points: Floats, world_from_camera: Floats, intrinsics: Floats, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Which points (n, 3) of the world project in front of a camera and into its mask (h, w).

    Returns:
        Indices (m,) into ``points``, pixel positions (m, 2) as (x, y), and depths (m,) > 0.
    """
    camera_from_world = np.linalg.inv(world_from_camera)
    pixels, depth = project(
        points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3], intrinsics
    )
    height, width = mask.shape
    on = np.flatnonzero((depth > 0) & (pixels >= 0).all(-1) & (pixels < (width, height)).all(-1))
    column, row = pixels[on].astype(np.int64).T
    inside = on[mask[row, column]]
    return inside, pixels[inside], depth[inside]


def _check_convention(sequence: EndoscopicSequence, poses: str) -> None:
    if not sequence.visibility.any():
        return
    here, inverse = visible_inside(sequence), visible_inside(sequence, inverted=True)
    if 1 - here > max(_OUTSIDE, 4 * (1 - inverse)):
        other = POSES[1 - POSES.index(poses)]
        remedy = (
            f"mend them with: meddl endodepth sfm {sequence.folder} --invert"
            if poses == POSES[0]
            else "they are as the format wants them"
        )
        raise FileError(
            f"{sequence.folder / files.POSES}: {here:.1%} of the visible points lie in front of "
            f"their camera and in the mask, {inverse:.1%} if the poses are inverted: they are "
            f"{other}; {remedy} (in Python: read_sequence(folder, poses={other!r}))"
        )


def _write_files(sequence: EndoscopicSequence, folder: Path) -> None:
    with _together(folder) as new:
        files.write_numbers(new / files.FRAMES, sequence.frame_numbers)
        old = folder / files.MASK
        # A mask that says the same keeps its bytes, soft edge and all.
        if not old.exists() or not np.array_equal(_read_mask(old), sequence.mask):
            picture = np.where(sequence.mask, np.uint8(255), np.uint8(0))
            write_picture(new / files.MASK, Image(picture[np.newaxis]))
        if sequence.intrinsics is not None:
            files.write_intrinsics(new / files.INTRINSICS, sequence.intrinsics)
        if len(sequence.view_numbers):
            files.write_numbers(new / files.VIEWS, sequence.view_numbers)
            files.write_poses(new / files.POSES, sequence.world_from_camera)
            files.write_points(new / files.POINTS, sequence.points)
            files.write_visibility(
                new / files.VISIBILITY, sequence.view_numbers, sequence.visibility
            )


@contextmanager
def _together(folder: Path) -> Iterator[Path]:
    """A folder inside ``folder`` whose files move there once all of them are written.

    Files of an older structure that the new one has not are removed.
    """
    new = folder / ".part-sequence"
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        yield new
        written = {path.name for path in new.iterdir()}
        for name in sorted(written):
            (new / name).replace(folder / name)
        for name in {*files.STRUCTURE, files.INTRINSICS} - written:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _sized_frame_file(folder: Path, number: int, size: tuple[int, ...]) -> Path:
    path = files.frame_file(folder, number)
    width, height = picture_size(path)
    _check_size(path, (height, width), size)
    return path


def _check_size(path: Path, size: tuple[int, ...], mask: tuple[int, ...]) -> None:
    if size != mask:
        raise FileError(
            f"{path} is {size[1]}x{size[0]}, the mask is {mask[1]}x{mask[0]}; frames and mask have "
            "one size"
        )


def _read_mask(path: Path) -> NDArray[np.bool_]:
    array = read_picture(path).array[0]
    grey = array if array.ndim == 2 else array[..., 0]
    inside: NDArray[np.bool_] = grey >= _INSIDE
    if not inside.any():
        raise FileError(f"{path} has no pixel of {_INSIDE} or brighter: nothing is in the field")
    return inside
