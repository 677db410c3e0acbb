"""Structure from motion: poses, points and, if need be, the camera, from the frames alone.

COLMAP (Schönberger and Frahm, CVPR 2016) does it, through the package pycolmap, in a process of its
own: a crash there costs a message, and a cancel takes effect at once. What is found has no unit.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

import meddl
from meddl.core.errors import FileError, InputError, MedDLError
from meddl.core.files import write_json
from meddl.core.optional import is_installed, require
from meddl.core.parameters import to_dict
from meddl.core.pinhole import resized
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.endodepth.colmap import read_model
from meddl.endodepth.colmap_sequence import point_errors, sequence_of_model
from meddl.endodepth.highlights import specular_highlights
from meddl.endodepth.reprojection import INSIDE_OUT, light_correlation, statistics
from meddl.endodepth.sequence import EndoscopicSequence, read_sequence, write_sequence
from meddl.endodepth.sfm_parameters import RECORD, SfmParameters

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LOG = "sfm.log"
# Three views check each other; two are explained by almost any points.
MIN_FRAMES = 3
_MIN_POINTS = 20
_EXHAUSTIVE_FRAMES = 40  # 780 pairs, about as many as 60 frames have with the default overlap
_LOOP_FRAMES = 60  # compared with each other, at most: 1770 pairs
_POLL_SECONDS = 0.1
# Below these no start is to be expected: COLMAP wants 15 matches for a geometry of two views.
_FEW_FEATURES, _FEW_MATCHES, _LITTLE_MOTION = 50, 15, 0.3


class ReconstructionError(MedDLError):
    """Frames that do not give a structure; the message has the numbers and what to try."""


def run_sfm(
    folder: str | Path,
    parameters: SfmParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> EndoscopicSequence:
    """Reconstruct the sequence of a folder and write the result into it.

    Writes the published files, ``sfm.json`` (parameters, attempts, figures) and ``sfm.log``.
    Earlier poses and points stay if the reconstruction fails or is cancelled. The same frames,
    parameters and versions give the same files, bit by bit, with any number of threads.

    Args:
        folder: of a sequence; only its frames, mask and intrinsics are used.
        parameters: SfmParameters() if None.

    Raises:
        FileError: no sequence, or a folder that cannot be written.
        InputError: fewer than three frames.
        DependencyError: pycolmap is missing.
        ReconstructionError: too little texture, overlap or motion, or COLMAP itself failed.
        Cancelled: by the token.
    """
    parameters = parameters or SfmParameters()
    sequence = read_sequence(folder)
    if not is_installed("pycolmap"):
        require("pycolmap", "structure from motion")
    count = len(sequence.frame_numbers)
    if count < MIN_FRAMES:
        raise InputError(
            f"{sequence.folder} has {count} frame{'s' * (count > 1)}, structure from motion needs "
            f"at least {MIN_FRAMES}, better 20; take more frames of the video (smaller --stride)"
        )
    with _workspace(sequence.folder) as work:
        job = write_job(sequence, parameters, work, subprogress(progress, 0, 0.1), cancel)
        log = sequence.folder / LOG
        found = _run_process(work / "job.json", log, subprogress(progress, 0.1, 1.0), cancel)
        if not (work / "best").is_dir():
            raise ReconstructionError(f"{sequence.folder}: {_explain(found, job)}; log: {log}")
        model = read_model(work / "best")
        # COLMAP saw reduced pictures: pixels and errors are theirs.
        errors = point_errors(model)
        result = sequence_of_model(
            sequence, model, str(sequence.folder), parameters.min_views, job["max_error"]
        )
    if len(result.points) < _MIN_POINTS or len(result.view_numbers) < MIN_FRAMES:
        raise ReconstructionError(
            f"{sequence.folder}: only {len(result.points)} points in {len(result.view_numbers)} of "
            f"{count} frames; {_explain(found, job)}; log: {log}"
        )
    if cancel is not None:
        cancel.check()
    light = light_correlation(result)
    if light > INSIDE_OUT:
        logger.warning(
            "%s: near and far seem exchanged: brightness grows with depth (rank correlation %.2f); "
            "the camera moves too little for its field of view: calibrate it, or take a part of "
            "the video with more motion",
            sequence.folder,
            light,
        )
    result = write_sequence(result)
    record = {
        "parameters": to_dict(parameters),
        **found,
        "reprojection_error": {  # of all points, pixels of the pictures of max_size
            "median": float(np.median(errors)),
            "kept_up_to": job["max_error"],
        },
        "figures": statistics(result),
        "light_correlation": light,
    }
    write_json(sequence.folder / RECORD, record)
    return result


def write_job(
    sequence: EndoscopicSequence,
    parameters: SfmParameters,
    work: Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write ``images/``, ``masks/`` and ``job.json`` for :mod:`meddl.endodepth.sfm_process`.

    Pictures are grey, reduced to ``max_size`` and of even local contrast; masks are COLMAP's: a
    file per picture, named as it with another ``.png``, 0 where no feature may lie.
    """
    from PIL import Image as Picture

    height, width = sequence.size
    reduction = min(1.0, parameters.max_size / max(height, width))
    size = (max(1, round(width * reduction)), max(1, round(height * reduction)))
    factor = (size[0] / width, size[1] / height)
    highlights = parameters.highlights and is_installed("cv2")
    names = [f"{number:08d}.png" for number in sequence.frame_numbers.tolist()]
    for kind in ("images", "masks"):
        (work / kind).mkdir()
    total = len(names)
    pairs = zip(names, sequence.frame_numbers.tolist(), strict=True)
    for name, number in steps(pairs, total, "preparing frame", progress, cancel):
        grey, inside = feature_picture(
            sequence.frame(number), sequence.mask, size, parameters.contrast, highlights
        )
        Picture.fromarray(grey).save(work / "images" / name, compress_level=1)
        mask = np.where(inside, np.uint8(255), np.uint8(0))
        Picture.fromarray(mask).save(work / "masks" / f"{name}.png", compress_level=1)
    known = sequence.intrinsics is not None
    job = {
        **to_dict(parameters),
        "folder": str(work),
        "names": names,
        "known": known,
        "camera": _camera(sequence, factor, size, parameters),
        "refine": parameters.refine_intrinsics == "on"
        or (parameters.refine_intrinsics == "auto" and not known),
        "max_error": parameters.max_error or max(1.0, max(size) / 480),
        "threads": parameters.threads or os.cpu_count() or 1,
    }
    exhaustive = parameters.matching == "exhaustive" or (
        parameters.matching == "auto" and total <= _EXHAUSTIVE_FRAMES
    )
    if exhaustive:
        job["overlap"] = total
    if parameters.loop_period:
        job["loop_period"] = max(parameters.loop_period, -(-total // _LOOP_FRAMES))
    write_json(work / "job.json", job)
    return job


def feature_picture(
    frame: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    size: tuple[int, int],
    contrast: float,
    highlights: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The picture that features are found in, and where.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        size: (width, height) of the result.
        contrast: see SfmParameters; the light at the camera leaves far walls dark, and a bound on
            contrast would find nothing there.
        highlights: whether to leave out specular highlights, which move with the light.

    Returns:
        (height, width) uint8, and bool: inside the mask and off its rim.
    """
    from PIL import Image as Picture
    from scipy import ndimage

    box = Picture.Resampling.BOX
    small = Picture.fromarray(frame).resize(size, box)
    grey = np.asarray(small.convert("L"), np.float32)
    inside = np.asarray(Picture.fromarray(mask.astype(np.uint8) * 255).resize(size, box)) == 255
    # The rim is an edge of the instrument, not of the scene; 1 % is about a feature's radius.
    rim = max(1, round(0.01 * size[0]))
    usable = ndimage.binary_erosion(inside, iterations=rim, border_value=True)
    if highlights:
        usable &= ~specular_highlights(np.asarray(small), inside, margin=max(1, size[0] // 300))
    if contrast:
        # Means over squares: a twentieth of the time of Gaussians, and as many points.
        window = 2 * max(1, round(contrast * size[0])) + 1
        mean = ndimage.uniform_filter(grey, window)
        variance = ndimage.uniform_filter(grey**2, window) - mean**2
        # 4 grey levels: below that it is the sensor's noise that would be spread out.
        grey = 128 + 40 * (grey - mean) / (np.sqrt(np.maximum(variance, 0)) + 4)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), usable


def _camera(
    sequence: EndoscopicSequence,
    factor: tuple[float, float],
    size: tuple[int, int],
    parameters: SfmParameters,
) -> list[float]:
    """fx, fy, cx, cy of the reduced pictures; f, cx, cy as a first guess if not known."""
    if sequence.intrinsics is None:
        focal = size[0] / (2 * np.tan(np.radians(parameters.field_of_view) / 2))
        return [float(focal), size[0] / 2, size[1] / 2]
    matrix = resized(sequence.intrinsics, factor)
    return [float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))]


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix=".sfm-", dir=folder) as work:
            yield Path(work)
    except OSError as error:
        raise FileError(f"{folder} cannot be written: {error.strerror or error}") from error


def _run_process(
    job: Path, log: Path, progress: Progress, cancel: CancelToken | None
) -> dict[str, Any]:
    """Run the job to its end, or kill it; returns its result."""
    library = str(Path(meddl.__file__).resolve().parents[1])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    reports = job.with_name("reports.jsonl")
    result = None
    with (
        log.open("wb") as errors,
        reports.open("wb") as output,
        reports.open("rb") as lines,
        subprocess.Popen(
            [sys.executable, "-m", "meddl.endodepth.sfm_process", str(job)],
            stdin=subprocess.PIPE,  # closes when this process goes away, however it does
            stdout=output,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        ) as process,
    ):
        try:
            while result is None:
                ended = process.poll() is not None  # before the lines: none comes after it
                for record in _records(lines):
                    if "result" in record:
                        result = record["result"]
                    else:
                        progress(record["fraction"], record["message"])
                if ended:
                    break
                if cancel is not None:
                    cancel.check()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
        finally:
            process.kill()
    if result is None:
        code = process.returncode
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise ReconstructionError(f"COLMAP ended {how}: {_last_line(log)}; log: {log}")
    return dict(result)


def _records(lines: BinaryIO) -> Iterator[dict[str, Any]]:
    """The reports that are complete by now."""
    while line := lines.readline():
        if not line.endswith(b"\n"):
            lines.seek(-len(line), os.SEEK_CUR)
            return
        yield json.loads(line)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it logged nothing")


def _explain(found: dict[str, Any], job: dict[str, Any]) -> str:
    """Why there is no structure, with the numbers and what to do."""
    numbers = found["statistics"]
    features, matches = numbers["features_per_frame"], numbers["matches_of_neighbours"]
    motion = numbers["motion_of_neighbours"]
    if features < _FEW_FEATURES:
        return (
            f"the frames show too little: {features:.0f} features per frame (median), at least "
            f"{_FEW_FEATURES} are needed; take a brighter or sharper part of the video, check the "
            "mask, or lower --peak-threshold"
        )
    if matches < _FEW_MATCHES:
        return (
            f"neighbouring frames do not match: {matches:.0f} matches of {features:.0f} features "
            f"(median), at least {_FEW_MATCHES} are needed; take more frames of the video (smaller "
            "--stride), and one scene without cuts"
        )
    if motion < _LITTLE_MOTION:
        return (
            f"the camera does not move: matches of neighbouring frames shift by {motion:.2f} "
            f"pixels (median), at least {_LITTLE_MOTION} are needed; take a part of the video "
            "where it moves, or fewer frames (larger --stride)"
        )
    tried = ", ".join(f"{a['name']}: {a['registered']}" for a in found["attempts"])
    return (
        f"no start was found although neighbouring frames have {matches:.0f} matches that shift by "
        f"{motion:.1f} pixels (frames registered, {tried}, of {len(job['names'])}); a camera that "
        "only turns shows no depth: take a part of the video where it also moves sideways, or "
        "calibrate it first"
    )
