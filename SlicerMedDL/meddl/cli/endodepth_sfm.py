"""``meddl endodepth sfm``: poses and points of a sequence. Parsing and printing only."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meddl.core.progress import Progress
    from meddl.endodepth.sequence import EndoscopicSequence
    from meddl.endodepth.sfm_parameters import SfmParameters

HELP = """\
Structure from motion of a sequence: the pose of every frame, sparse points and, if it is not known,
the camera. COLMAP does it (package pycolmap), or did it before (--import). Writes motion.yaml,
structure.ply, visible_view_indexes, view_indexes_per_point and camera_intrinsics_per_view into the
sequence's folder, and sfm.json (parameters and figures) and sfm.log. Lengths have no unit.
"""

EXAMPLES = """\
examples:
  meddl endodepth sfm sequence/                            reconstruct
  meddl endodepth sfm sequence/ --import colmap/sparse/0   take COLMAP's result
  meddl endodepth sfm sequence/ --check --overlay drawn/   figures, and points drawn on the frames
  meddl endodepth sfm sequence/ --export model/            write a COLMAP text model
"""


def add(actions: Any) -> None:
    """Add the parser of ``sfm`` to those of ``meddl endodepth``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.sfm_parameters import SfmParameters

    parser = actions.add_parser(
        "sfm",
        help="structure from motion: poses and points",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sequence", metavar="SEQUENCE_DIR", help="made by: meddl endodepth frames")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--import", dest="model", metavar="COLMAP_DIR", help="model, text or binary, of the frames"
    )
    source.add_argument("--check", action="store_true", help="figures of what is there; no change")
    source.add_argument(
        "--invert",
        action="store_true",
        help="mend a motion.yaml whose poses are camera-from-world",
    )
    parser.add_argument(
        "--undistorted",
        metavar="NEW_DIR",
        help="with --import of a camera with distortion: a new sequence of undistorted frames",
    )
    parser.add_argument("--overlay", metavar="DIR", help="draw the points on every frame")
    parser.add_argument("--export", metavar="DIR", help="write a COLMAP text model")
    add_arguments(parser.add_argument_group("reconstruction"), SfmParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reconstruct, import or check, then report; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.core.parameters import from_arguments
    from meddl.core.progress import subprogress
    from meddl.endodepth.colmap import check_model_folder
    from meddl.endodepth.reprojection import (
        check_overlays,
        light_correlation,
        statistics,
        write_overlays,
    )
    from meddl.endodepth.sequence import read_sequence, write_sequence
    from meddl.endodepth.sfm_parameters import SfmParameters

    start = time.perf_counter()
    parameters = from_arguments(SfmParameters, args)
    if args.overlay:
        check_overlays(args.overlay)
    if args.export:
        check_model_folder(args.export)
    work = subprogress(args.progress, 0, 0.9 if args.overlay else 1.0)
    if args.undistorted and not args.model:
        raise InputError("--undistorted goes with --import; it undistorts what a model was made of")
    if args.model:
        sequence = _import(args, parameters, work)
    elif args.check:
        sequence = read_sequence(args.sequence)
    elif args.invert:
        sequence = write_sequence(read_sequence(args.sequence, poses="camera_from_world"))
    else:
        from meddl.endodepth.sfm import run_sfm

        sequence = run_sfm(args.sequence, parameters, work, args.cancel)
    report = {"sequence": str(sequence.folder), **statistics(sequence)}
    report["light_correlation"] = light_correlation(sequence)
    if args.overlay:
        write_overlays(sequence, args.overlay, subprogress(args.progress, 0.9, 1), args.cancel)
        report["overlay"] = args.overlay
    if args.export:
        from meddl.endodepth.colmap_sequence import export_model

        export_model(sequence, args.export)
        report["export"] = args.export
    report["seconds"] = round(time.perf_counter() - start, 3)
    if args.json:
        print_json(report)
    else:
        _print(report)
    return 0


def _import(
    args: argparse.Namespace, parameters: SfmParameters, progress: Progress
) -> EndoscopicSequence:
    from meddl.core.files import write_json
    from meddl.endodepth.colmap_sequence import import_model, import_undistorted
    from meddl.endodepth.sequence import read_sequence, write_sequence
    from meddl.endodepth.sfm_parameters import RECORD

    sequence, bounds = read_sequence(args.sequence), (parameters.min_views, parameters.max_error)
    if args.undistorted:
        found = import_undistorted(
            sequence, args.model, args.undistorted, *bounds, progress, args.cancel
        )
    else:
        found = write_sequence(import_model(sequence, args.model, *bounds))
    record = {"imported": args.model, "min_views": bounds[0], "max_error": bounds[1]}
    write_json(found.folder / RECORD, record)
    return found


def _print(report: dict[str, Any]) -> None:
    print(f"{report['sequence']}: {report['views']} of {report['frames']} frames have a pose")
    if missing := report["frames_without_pose"]:
        print(f"  without: {', '.join(map(str, missing[:12]))}{' …' * (len(missing) > 12)}")
    for name, text in (
        ("points_per_view", "points in a frame"),
        ("views_per_point", "frames of a point"),
        ("depth", "depth, no unit"),
    ):
        spread = report[name]
        print(f"  {text:<18}{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}")
    print(f"  points            {report['points']}")
    print(
        f"  in the mask       {report['inside']:.1%} of what is seen "
        f"({report['inside_if_inverted']:.1%} with inverted poses)"
    )
    print(
        f"  light             brightness and depth correlate by {report['light_correlation']:.2f} "
        "(below 0 as it has to; above, near and far are exchanged)"
    )
    for name in ("overlay", "export"):
        if name in report:
            print(f"  {name:<18}{report[name]}")
