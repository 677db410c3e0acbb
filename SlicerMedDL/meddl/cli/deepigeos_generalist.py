"""``meddl deepigeos generalist``: train the networks that come with MedDL."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TRAIN_HELP = """\
Train the generalist P-Net or R-Net: networks that segment any target from scribbles.

Each image is new: random blobs, tubes, sheets and boxes, with values, textures, bias field, blur,
noise and slice thickness drawn at random. With --labels half of the images are cut from label maps.
A simulated user draws the first strokes and corrects the network's own mistakes. The weights come
to OUTPUT/best, and can be imported with `meddl weights import`.
"""

TRAIN_EXAMPLES = """\
examples:
  meddl deepigeos generalist --output p_net --labels torso.nii.gz
  meddl deepigeos generalist --output r_net --network r-net \\
      --start p_net/best/generalist-p-net.safetensors
  meddl deepigeos generalist --output p_net --labels torso.nii.gz --resume
"""


def configure_generalist(actions: Any) -> None:
    """Add the parser of ``meddl deepigeos generalist``."""
    from meddl.core.parameters import add_arguments
    from meddl.deepigeos.generalist_training import GeneralistTraining

    train = actions.add_parser(
        "generalist",
        help="train the networks for any target on random images",
        description=TRAIN_HELP,
        epilog=TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--output", required=True, metavar="DIR", help="folder of the run")
    train.add_argument("--resume", action="store_true", help="continue the run in DIR")
    add_arguments(train.add_argument_group("training"), GeneralistTraining)
    train.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    """Train; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.deepigeos.generalist_training import GeneralistTraining, train_generalist

    parameters = from_arguments(GeneralistTraining, args)
    history = train_generalist(args.output, parameters, args.resume, args.progress, args.cancel)
    if args.json:
        print_json({"output": str(Path(args.output) / "best"), **history[-1]})
    return 0
