"""``meddl desmoke video``: smoke removed from a video. Parsing, printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Remove surgical smoke from a video, frame by frame, without flicker.

IN is a video or a folder of pictures. VIDEO is .mp4 (H.264 with the sound of IN, by PyAV) or .avi
(Motion JPEG without sound).
"""

EXAMPLES = """\
examples:
  meddl desmoke video operation.mp4 --output clear.mp4
  meddl desmoke video operation.mp4 --output compared.mp4 --side-by-side
  meddl desmoke video case.mp4 --output clear.mp4 --smoke-level smoke.csv --smoke-plot smoke.png
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke video``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.parameters import DesmokeParameters

    parser = actions.add_parser(
        "video",
        help="smoke removed from a video",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="video or folder of pictures")
    parser.add_argument("--output", required=True, metavar="VIDEO", help=".mp4 or .avi")
    parser.add_argument(
        "--side-by-side", action="store_true", help="the frame before beside the one after"
    )
    parser.add_argument(
        "--smoke-level", metavar="CSV", help="table of the smoke level, 0..1, of each frame"
    )
    parser.add_argument("--smoke-plot", metavar="PNG", help="the smoke level over time")
    add_arguments(parser.add_argument_group("desmoking"), DesmokeParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Remove smoke; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.desmoke.files import desmoke_video
    from meddl.desmoke.parameters import DesmokeParameters

    record = desmoke_video(
        args.input,
        args.output,
        from_arguments(DesmokeParameters, args),
        side_by_side=args.side_by_side,
        smoke_level=args.smoke_level,
        smoke_plot=args.smoke_plot,
        progress=args.progress,
        cancel=args.cancel,
    )
    if args.json:
        print_json({"output": args.output, **record})
    elif not args.quiet:
        level = record["smoke_level"]
        print(
            f"{args.output}: {record['frames']} frames, {record['method']}, smoke level "
            f"{level['mean']:.2f} (largest {level['largest']:.2f})"
        )
    return 0
