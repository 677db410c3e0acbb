"""``meddl desmoke synthesize``: pairs of clear and smoky frames. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Put synthetic smoke on clear frames.

DIR gets clear/ and smoky/ with pictures of the same names, index.csv (a row per pair: source,
frame, time, density, kind, mean opacity, seed) and dataset.json (the parameters and all that was
drawn). A source is a video, a picture, a folder of pictures or a pattern; frames of a video are
named as in clip.avi:0-6,8. Smoke on a video moves coherently over frames that follow each other.
Clear pictures are never changed, but for the motion of a still that becomes a clip (--clip).
"""

EXAMPLES = """\
examples:
  meddl desmoke synthesize photos/ --output pairs --density random --seed 1
  meddl desmoke synthesize surgery.mp4:0-499 --output pairs --density heavy --transmission on
  meddl desmoke synthesize photos/*.png --output clips --clip 50 --motion 0.03 --kind plume
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke synthesize``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.synthesis import SynthesisParameters

    parser = actions.add_parser(
        "synthesize",
        help="put synthetic smoke on clear frames",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources", metavar="CLEAR_DIR|VIDEO", nargs="+", help="clear frames, see above"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument("--resume", action="store_true", help="continue the data set in DIR")
    add_arguments(parser.add_argument_group("smoke"), SynthesisParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the pairs, say how many; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.desmoke.synthesis import SynthesisParameters, synthesize

    report = synthesize(
        args.sources,
        args.output,
        from_arguments(SynthesisParameters, args),
        resume=args.resume,
        progress=args.progress,
        cancel=args.cancel,
    )
    if args.json:
        print_json({"output": args.output, **report})
        return 0
    classes = ", ".join(f"{count} {name}" for name, count in report["densities"].items() if count)
    print(f"{args.output}: {report['pairs']} pairs in {report['clips']} clips ({classes})")
    return 0
