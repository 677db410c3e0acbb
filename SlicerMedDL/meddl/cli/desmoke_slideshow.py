"""``meddl desmoke slideshow``: pictures before and after as a video. Parsing, printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Make a video of pictures before and after: the second wipes over the first.

Pictures of both folders that have one name (the suffix may differ) are a pair.
"""

EXAMPLES = """\
examples:
  meddl desmoke image frames/ --output clear/
  meddl desmoke slideshow frames/ clear/ --output compared.mp4 --seconds 4
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke slideshow``."""
    parser = actions.add_parser(
        "slideshow",
        help="pictures before and after as a video",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="BEFORE_DIR", help="folder of pictures")
    parser.add_argument("after", metavar="AFTER_DIR", help="folder of pictures of the same names")
    parser.add_argument("--output", required=True, metavar="VIDEO", help=".mp4 or .avi")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="for each pair, 0.2 to 60 (default 3)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the video; returns 0."""
    from meddl.cli.console import print_json
    from meddl.desmoke.slideshow import slideshow

    pairs = slideshow(
        args.before, args.after, args.output, args.seconds, args.progress, args.cancel
    )
    if args.json:
        print_json({"output": args.output, "pairs": pairs})
    elif not args.quiet:
        print(f"{args.output}: {pairs} pair(s)")
    return 0
