"""``meddl desmoke image``: smoke removed from pictures. Parsing, printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Remove surgical smoke from pictures, each for itself.

OUT is a picture for one picture; DIR gets NAME.png of each of several pictures or of a folder.
Frames of one video are steadier with meddl desmoke video, which also takes a folder of pictures.
"""

EXAMPLES = """\
examples:
  meddl desmoke image smoky.png --output clear.png
  meddl desmoke image frames/ --output clear/ --method classical --strength 0.7
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke image``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.parameters import DesmokeParameters

    parser = actions.add_parser(
        "image",
        help="smoke removed from pictures",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="pictures, folders of pictures")
    parser.add_argument("--output", required=True, metavar="OUT|DIR", help="picture or folder")
    add_arguments(parser.add_argument_group("desmoking"), DesmokeParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Remove smoke; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.desmoke.files import desmoke_images
    from meddl.desmoke.parameters import DesmokeParameters

    parameters = from_arguments(DesmokeParameters, args)
    levels = desmoke_images(args.inputs, args.output, parameters, args.progress, args.cancel)
    if args.json:
        print_json({"output": args.output, "smoke_level": levels})
    elif not args.quiet:
        for name, level in levels.items():
            print(f"{name}: smoke level {level:.2f}")
    return 0
