"""``meddl desmoke prepare``: good frames from long videos. Parsing and printing only."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

HELP = """\
Choose frames of all videos in a folder, split by procedure.

Frames are kept that are sharp, coloured and neither dark nor overexposed; with --clear on, only
those without smoke. DIR gets train/, validation/ and test/ with a folder per video, index.csv (a
row per frame with its figures) and dataset.json. A video is wholly in one split. Cholec80 is known
by its names (videos/video01.mp4): 1 to 20 train, 21 and 22 test. How many frames and bytes to
expect is said first; over --limit nothing is begun. After a kill, --resume goes on with the next
video.
"""

EXAMPLES = """\
examples:
  meddl desmoke prepare cholec80 --output frames --workers 8
  meddl desmoke prepare videos/ --output frames --step 25 --size 512 --format jpg --limit 20
  meddl desmoke prepare videos/ --output frames --procedure '(patient\\d+)' --estimate
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke prepare``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.prepare_parameters import PrepareParameters

    parser = actions.add_parser(
        "prepare",
        help="choose good frames from long videos",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="VIDEO_DIR", help="folder of videos, searched in depth")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument("--workers", metavar="N", help="processes (default one per core)")
    parser.add_argument("--resume", action="store_true", help="continue the data set in DIR")
    parser.add_argument("--estimate", action="store_true", help="say what to expect, do nothing")
    add_arguments(parser.add_argument_group("frames"), PrepareParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Say what to expect, write the frames, say how many; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import convert, from_arguments
    from meddl.desmoke.prepare import estimate, prepare
    from meddl.desmoke.prepare_parameters import PrepareParameters, find_sources

    parameters = from_arguments(PrepareParameters, args)
    cores = os.cpu_count() or 1
    workers = cores if args.workers is None else convert(args.workers, int, "--workers")
    if args.estimate:
        sources = find_sources(args.folder, parameters)
        expected = estimate(sources, parameters, args.progress, args.cancel)
        if args.json:
            print_json(
                {
                    "videos": expected.videos,
                    "frames": expected.frames,
                    "bytes": expected.bytes,
                    "unreadable": expected.unreadable,
                }
            )
        else:
            print(expected.sentence)
        return 0

    def announce(text: str) -> None:
        if not (args.json or args.quiet):
            print(text, file=sys.stderr)

    report = prepare(
        args.folder,
        args.output,
        parameters,
        workers=workers,
        resume=args.resume,
        announce=announce,
        progress=args.progress,
        cancel=args.cancel,
    )
    if args.json:
        print_json({"output": args.output, **report})
        return 0
    splits = ", ".join(f"{count} {name}" for name, count in report["splits"].items() if count)
    print(
        f"{args.output}: {report['frames']} frames of {report['videos']} videos ({splits}), "
        f"{report['bytes'] / 1e9:.3f} GB"
    )
    return 0
