"""Lens calibration from pictures of a chessboard, by OpenCV (Zhang's method, and its fisheye)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError, one_line
from meddl.core.optional import require
from meddl.core.parameters import parameter, validate
from meddl.core.pictures import read_rgb
from meddl.core.pinhole import cropped
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.video import picture_files
from meddl.endodepth.lens import MODELS, Lens

logger = logging.getLogger(__name__)

FEWEST = 3  # pictures with a board; 10 to 20 in all corners of the field are advised
ADVISED = 10
_GOOD = 1.0  # pixels; a reprojection error above it is warned of


@dataclass(frozen=True)
class CalibrationParameters:
    """The board and the lens; the command line and the module share it."""

    board: str = parameter("9x6", "inner corners of the board, across x down", metavar="NxM")
    square: float = parameter(3.0, "side of a square", unit="mm", minimum=1e-3)
    model: str = parameter(
        "pinhole", "of the lens; fisheye beyond about 120 degrees", choices=MODELS
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """What :func:`calibrate` found.

    Attributes:
        lens: of the pictures; its ``error`` is the root mean square over all corners in pixels.
        errors: root mean square of each picture that shows the board, by its file name.
        missed: names of the pictures in which no board was found.
    """

    lens: Lens
    errors: dict[str, float]
    missed: tuple[str, ...]


def calibrate(
    pictures: Sequence[str | Path],
    parameters: CalibrationParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Calibration:
    """Intrinsics and distortion from pictures of a flat chessboard.

    Args:
        pictures: files, or folders of pictures, all of one size; at least 3 with the whole board,
            tilted differently and reaching the rim of the field.
        parameters: board and model.

    Raises:
        InputError: a board that is none, too few pictures with it, or views that do not determine
            the camera.
        FileError: a picture that is missing, damaged or of another size.
        Cancelled: by the token, between pictures.
    """
    parameters = validate(parameters or CalibrationParameters())
    board = parse_board(parameters.board)
    names = _files(pictures)
    found: dict[str, NDArray[np.float32]] = {}
    missed = []
    size: tuple[int, int] | None = None
    for name in steps(names, len(names), "looking for the board in picture", progress, cancel):
        picture = read_rgb(name)
        size = size or picture.shape[:2]
        if picture.shape[:2] != size:
            raise FileError(
                f"{name} is {picture.shape[1]}x{picture.shape[0]}, the pictures before it are "
                f"{size[1]}x{size[0]}; give them one size"
            )
        corners = find_board(picture, board)
        if corners is None:
            missed.append(name.name)
        else:
            found[name.name] = corners
    if size is None or len(found) < FEWEST:
        raise InputError(
            f"a board of {parameters.board} inner corners was found in {len(found)} of "
            f"{len(names)} pictures, at least {FEWEST} are needed; check --board (inner corners, "
            "one less than squares) and that all of the board is in sharp view"
        )
    across, down = board
    grid = np.zeros((across * down, 3), np.float32)
    grid[:, :2] = np.mgrid[:across, :down].T.reshape(-1, 2) * parameters.square
    solve = _solve_fisheye if parameters.model == "fisheye" else _solve_pinhole
    matrix, distortion, turns, shifts = solve(grid, list(found.values()), size)
    errors = _errors(parameters.model, grid, found, matrix, distortion, turns, shifts)
    lens = Lens(
        parameters.model,
        size,
        cropped(matrix, -0.5, -0.5),
        distortion,
        error=float(np.sqrt(np.mean(np.square(list(errors.values()))))),
    )
    _advise(lens, errors)
    return Calibration(lens, errors, tuple(missed))


def parse_board(text: str) -> tuple[int, int]:
    """Inner corners (across, down) of ``"9x6"``.

    Raises:
        InputError: another form, or fewer than 3 x 3.
    """
    try:
        across, down = (int(part) for part in text.lower().split("x"))
    except ValueError:
        across = down = 0
    if min(across, down) < 3 or max(across, down) > 100:
        raise InputError(
            f"--board is {text!r}; inner corners across x down, at least 3x3, as in 9x6, were "
            "expected"
        )
    return across, down


def find_board(picture: NDArray[np.uint8], board: tuple[int, int]) -> NDArray[np.float32] | None:
    """(n, 1, 2) float32 corners of a board in a picture (H, W, 3), OpenCV's count; None without.

    The detector that looks at whole sectors of squares (Duda and Frese, BMVC 2018), then the older
    one, which finds boards that leave the picture's border less room.
    """
    cv2 = require("cv2", "finding a chessboard")
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    whole, corners = cv2.findChessboardCornersSB(grey, board, flags=flags)
    if not whole:
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
        whole, corners = cv2.findChessboardCorners(grey, board, flags=flags)
        if not whole:
            return None
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-3)
        corners = cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), criteria)
    return np.asarray(corners, dtype=np.float32).reshape(-1, 1, 2)


def _files(pictures: Sequence[str | Path]) -> list[Path]:
    names: list[Path] = []
    for path in map(Path, pictures):
        names += picture_files(path) if path.is_dir() else [path]
    if not names:
        raise InputError("no pictures: give files or a folder of pictures of the board")
    return names


Solution = tuple[NDArray[np.float64], NDArray[np.float64], Sequence[Any], Sequence[Any]]


def _solve_pinhole(
    grid: NDArray[np.float32], corners: list[NDArray[np.float32]], size: tuple[int, int]
) -> Solution:
    cv2 = require("cv2", "calibration")
    try:
        _, matrix, distortion, turns, shifts = cv2.calibrateCamera(
            [grid] * len(corners), corners, size[::-1], None, None
        )
    except cv2.error as error:
        raise _undetermined(error) from error
    return matrix, np.asarray(distortion).reshape(-1), turns, shifts


def _solve_fisheye(
    grid: NDArray[np.float32], corners: list[NDArray[np.float32]], size: tuple[int, int]
) -> Solution:
    cv2 = require("cv2", "calibration")
    named = cv2.fisheye if hasattr(cv2.fisheye, "CALIB_FIX_SKEW") else cv2  # OpenCV 4 and 5
    flags = named.CALIB_RECOMPUTE_EXTRINSIC | named.CALIB_FIX_SKEW
    points = [grid.reshape(1, -1, 3).astype(np.float64)] * len(corners)
    pixels = [c.reshape(1, -1, 2).astype(np.float64) for c in corners]
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
    try:
        _, matrix, distortion, turns, shifts = cv2.fisheye.calibrate(
            points, pixels, size[::-1], None, None, flags=flags, criteria=criteria
        )
    except cv2.error as error:
        raise _undetermined(error) from error
    return matrix, np.asarray(distortion).reshape(-1), turns, shifts


def _undetermined(error: Exception) -> InputError:
    return InputError(
        "the pictures do not determine the camera; take more, with the board tilted differently "
        f"and near the rim of the field ({one_line(error)[-80:]})"
    )


def _errors(
    model: str,
    grid: NDArray[np.float32],
    found: dict[str, NDArray[np.float32]],
    matrix: NDArray[np.float64],
    distortion: NDArray[np.float64],
    turns: Sequence[Any],
    shifts: Sequence[Any],
) -> dict[str, float]:
    cv2 = require("cv2", "calibration")
    points = grid.reshape(1, -1, 3).astype(np.float64)
    errors = {}
    for (name, corners), turn, shift in zip(found.items(), turns, shifts, strict=True):
        turn, shift = (np.asarray(v, np.float64).reshape(3, 1) for v in (turn, shift))
        project = cv2.fisheye.projectPoints if model == "fisheye" else cv2.projectPoints
        pixels, _ = project(points, turn, shift, matrix, distortion)
        apart = pixels.reshape(-1, 2) - corners.reshape(-1, 2)
        errors[name] = float(np.sqrt((apart**2).sum(axis=1).mean()))
    if not np.isfinite(matrix).all() or not np.isfinite(list(errors.values())).all():
        raise _undetermined(ValueError("the solution is not finite"))
    return errors


def _advise(lens: Lens, errors: dict[str, float]) -> None:
    assert lens.error is not None
    if len(errors) < ADVISED:
        logger.warning("%d pictures show the board; %d or more are advised", len(errors), ADVISED)
    if lens.error > _GOOD:
        worst = max(errors, key=errors.__getitem__)
        logger.warning(
            "the reprojection error is %.2f pixels; below %g is expected. Leave out blurred "
            "pictures (the worst is %s), or try the other --model",
            lens.error,
            _GOOD,
            worst,
        )
