"""``meddl endodepth render``: a rendered sequence with exact depth, poses and surface."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Render an endoscopic sequence of a nasal cavity, colon or abdomen, or of the inside of labels.

The folder has the format of all sequences: frames, mask, intrinsics, poses, points and their
visibility. Beside them lie the true depth of every frame (depth/, mm), the surface (surface.ply)
and the parameters (render.json). Poses, points and surface are in mm, in RAS for label maps.
"""

EXAMPLES = """\
examples:
  meddl endodepth render --scene sinus --frames 100 --seed 7 --output rendered
  meddl endodepth render --scene colon --size 480,640 --fov 110 --field full --output rendered
  meddl endodepth render --scene labels --labels labels.nii.gz --values 20 --output rendered
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth render``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.rendered_sequence import RenderParameters

    parser = actions.add_parser(
        "render",
        help="render a sequence with exact depth, poses and surface",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the sequence")
    add_arguments(parser, RenderParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Render and say what was written; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.rendered_sequence import RenderParameters, render_sequence

    parameters = from_arguments(RenderParameters, args)
    sequence = render_sequence(parameters, args.output, args.progress, args.cancel)
    if args.json:
        views, points = sequence.visibility.shape
        print_json({"output": args.output, "views": views, "points": points})
    return 0
