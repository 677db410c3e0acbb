"""Structure from motion of a sequence whose poses are known: how far it is off, how long it takes.

    python Testing/peers/endodepth_sfm.py SEQUENCE_DIR [--unknown-camera] [--parameter value …]

SEQUENCE_DIR has poses that are taken for the truth: a rendered sequence (`meddl endodepth render`),
or one that another program reconstructed. Its frames alone are copied and reconstructed; one
similarity, fitted to the camera centres, brings the result into the frame of the truth. Where the
sequence has the true depth of every frame (`depth/`), the points are compared with it too. Prints
one line of JSON and a row of the page's table.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output

from meddl.core.depth_maps import read_depth_folder
from meddl.core.geometry import apply, inverse
from meddl.core.parameters import add_arguments, from_arguments
from meddl.core.pinhole import project
from meddl.endodepth.alignment import scale_of, umeyama
from meddl.endodepth.sequence import EndoscopicSequence, read_sequence, unposed, write_sequence
from meddl.endodepth.sfm import run_sfm
from meddl.endodepth.sfm_parameters import SfmParameters


def frames_only(truth: EndoscopicSequence, folder: Path, known: bool) -> None:
    """Copy frames and mask, and the intrinsics if they are to be known."""
    plain = unposed(
        truth.folder, truth.frame_numbers, truth.mask, truth.intrinsics if known else None
    )
    write_sequence(replace(plain, frame_files=truth.frame_files), folder)


def pose_errors(found: EndoscopicSequence, truth: EndoscopicSequence) -> tuple[dict, np.ndarray]:
    """Errors of the camera path after one similarity, and that similarity."""
    both = np.intersect1d(found.view_numbers, truth.view_numbers)
    ours = found.world_from_camera[np.isin(found.view_numbers, both)]
    true = truth.world_from_camera[np.isin(truth.view_numbers, both)]
    truth_from_found = umeyama(ours[:, :3, 3], true[:, :3, 3])
    distance = np.linalg.norm(apply(truth_from_found, ours[:, :3, 3]) - true[:, :3, 3], axis=1)
    length = np.linalg.norm(np.diff(true[:, :3, 3], axis=0), axis=1).sum()
    # Turns from frame to frame: they do not depend on the similarity.
    turns = [p[:-1, :3, :3].transpose(0, 2, 1) @ p[1:, :3, :3] for p in (ours, true)]
    cosine = (np.einsum("nij,nij->n", *turns) - 1) / 2
    return {
        "views": len(both),
        "path_length": round(float(length), 4),
        "path_rms_percent": round(100 * float(np.sqrt((distance**2).mean()) / length), 3),
        "path_max_percent": round(100 * float(distance.max() / length), 3),
        "turn_median_degrees": round(
            float(np.degrees(np.median(np.arccos(cosine.clip(-1, 1))))), 3
        ),
    }, truth_from_found


def depth_errors(
    found: EndoscopicSequence, truth: EndoscopicSequence, truth_from_found: np.ndarray
) -> dict[str, float]:
    """Depths of the points in the frames that see them against the true depth maps."""
    if not (truth.folder / "depth").is_dir():
        return {}
    maps, scale = read_depth_folder(truth.folder / "depth"), float(scale_of(truth_from_found))
    errors, depths = [], []
    for view, number in enumerate(found.view_numbers.tolist()):
        points = apply(inverse(found.world_from_camera[view]), found.points[found.visibility[view]])
        pixels, depth = project(points, found.require_intrinsics())
        column, row = np.floor(pixels).astype(int).T
        inside = (row >= 0) & (column >= 0) & (row < truth.size[0]) & (column < truth.size[1])
        true = maps.depth(truth.file_of(number).stem)[row[inside], column[inside]]
        errors.append(np.abs(scale * depth[inside] - true)[true > 0])
        depths.append(true[true > 0])
    error, depth = np.concatenate(errors), np.concatenate(depths)
    span = float(np.ptp(np.percentile(depth, (1, 99))))
    return {
        "depth_range": round(span, 3),
        "point_median_percent": round(100 * float(np.median(error)) / span, 3),
        "point_p90_percent": round(100 * float(np.percentile(error, 90)) / span, 3),
        "point_abs_rel": round(float((error / depth).mean()), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sequence", help="with poses that are taken for the truth")
    parser.add_argument("--unknown-camera", action="store_true", help="let it be estimated")
    add_output(parser)
    add_arguments(parser, SfmParameters)
    args = parser.parse_args()
    truth = read_sequence(args.sequence).require_structure()
    with tempfile.TemporaryDirectory() as folder:
        frames_only(truth, Path(folder) / "frames", not args.unknown_camera)
        start = time.perf_counter()
        found = run_sfm(Path(folder) / "frames", from_arguments(SfmParameters, args))
        wall = time.perf_counter() - start
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        figures, truth_from_found = pose_errors(found, truth)
        figures = {
            "frames": len(truth.frame_numbers),
            **figures,
            "points": len(found.points),
            **depth_errors(found, truth, truth_from_found),
            "focal": [round(float(f), 2) for f in found.intrinsics[[0, 1], [0, 1]]],
            "true_focal": [round(float(f), 2) for f in truth.intrinsics[[0, 1], [0, 1]]],
            "seconds": round(wall, 1),
            "cpu_seconds": round(sum(u.ru_utime + u.ru_stime for u in used), 1),
        }
    print(json.dumps(figures))
    with Report(args.output) as report:
        row = (
            f"{figures['views']} of {figures['frames']}",
            f"{figures['path_rms_percent']:.2f} % of the path's length",
            f"{figures['turn_median_degrees']:.2f}",
            figures["points"],
            f"{figures['cpu_seconds']:.0f} s",
        )
        head = ("registered", "camera path, rms", "turns from frame to frame, median degrees")
        report.table("endodepth_sfm", (*head, "points", "CPU time"), [row])
        report.figures = figures
    return 0


if __name__ == "__main__":
    sys.exit(main())
