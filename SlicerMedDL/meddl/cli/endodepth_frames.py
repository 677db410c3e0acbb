"""``meddl endodepth frames``: a sequence folder from a video. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Write a sequence folder from a video file, a folder of pictures or another sequence.

The field of view is found in the frames; --mask gives another one (a picture of the frames' size,
white inside, black outside). With --calibration (see: meddl endodepth calibrate) frames and mask
are undistorted. Frames keep the numbers that they have in the video, counted from 0.
"""

EXAMPLES = """\
examples:
  meddl endodepth frames endoscopy.mp4 --output sequence --stride 2
  meddl endodepth frames endoscopy.mp4 --output sequence --calibration camera.yaml --crop auto
  meddl endodepth frames pictures/ --output sequence --mask field.png --intrinsics 560,560,320,256
"""


def add(actions: Any) -> None:
    """Add ``meddl endodepth frames``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.frames import FramesParameters

    parser = actions.add_parser(
        "frames",
        help="write a sequence folder from a video",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", metavar="VIDEO|DIR", help="video file or folder of pictures")
    parser.add_argument("--output", required=True, metavar="SEQUENCE_DIR", help="folder to write")
    parser.add_argument("--mask", metavar="PICTURE", help="field of view, white inside")
    parser.add_argument("--calibration", metavar="FILE", help="lens: camera.yaml or .json")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    add_arguments(parser, FramesParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the sequence, say what it holds; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.frames import FramesParameters, extract_frames
    from meddl.endodepth.lens import read_lens

    parameters = from_arguments(FramesParameters, args)
    lens = read_lens(args.calibration) if args.calibration else None
    report = extract_frames(
        args.video,
        args.output,
        parameters,
        mask=args.mask,
        lens=lens,
        overwrite=args.overwrite,
        progress=args.progress,
        cancel=args.cancel,
    )
    sequence = report.sequence
    height, width = sequence.size
    if args.json:
        print_json(
            {
                "output": str(sequence.folder),
                "frames": len(sequence.frame_numbers),
                "size": [width, height],
                "field_of_view": report.shape,
                "inside": round(float(sequence.mask.mean()), 4),
                "duplicates": report.duplicates,
                "blurred": report.blurred,
                "motion": report.motion,
                "intrinsics": None if sequence.intrinsics is None else sequence.intrinsics.tolist(),
                "warnings": list(report.warnings),
            }
        )
        return 0
    print(f"{sequence.folder}: {len(sequence.frame_numbers)} frames of {width}x{height}")
    print(f"field of view: {report.shape}, {sequence.mask.mean():.0%} of the picture")
    if report.duplicates or report.blurred:
        print(f"left out: {report.duplicates} repeated, {report.blurred} blurred")
    return 0
