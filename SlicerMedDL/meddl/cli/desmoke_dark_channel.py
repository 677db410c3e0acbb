"""``meddl desmoke dark-channel``: what the classical method sees. Parsing, printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Show a picture's or a video's dark channel.

OUT has six panels: the frame, the minimum of its colours, its dark channel, the dark channel
refined by the guided filter, the transmission that the classical method finds, and its result. It
is a picture for a picture and .mp4 or .avi for a video or a folder of pictures.
"""

EXAMPLES = """\
examples:
  meddl desmoke dark-channel smoky.png --output dark.png
  meddl desmoke dark-channel operation.mp4 --output dark.mp4 --radius 60
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke dark-channel``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.dark_channel_view import DarkChannelParameters

    parser = actions.add_parser(
        "dark-channel",
        help="dark channel, transmission and result beside each other",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="picture, video or folder of pictures")
    parser.add_argument("--output", required=True, metavar="OUT", help="picture or video")
    add_arguments(parser.add_argument_group("dark channel"), DarkChannelParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show dark channels; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.desmoke.dark_channel_view import DarkChannelParameters, show_dark_channel

    parameters = from_arguments(DarkChannelParameters, args)
    count = show_dark_channel(args.input, args.output, parameters, args.progress, args.cancel)
    if args.json:
        print_json({"output": args.output, "frames": count})
    elif not args.quiet:
        print(args.output)
    return 0
