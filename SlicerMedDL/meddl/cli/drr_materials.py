"""``meddl drr materials``: train the network of ``--materials network``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TRAIN_HELP = """\
Train the network that tells bone from contrast agent, on phantoms with known materials.

Each phantom is new: a random torso with voxels of 1 mm, values in HU drawn at random, averaged to
2 mm, blurred, with noise. With --labels half of them are made from label maps (LABELS.nii.gz with
its table LABELS.json beside it, as `meddl drr render --materials` takes them). The weights come to
OUTPUT/best; material-network.safetensors and .json can be imported with `meddl weights import`.
"""

TRAIN_EXAMPLES = """\
examples:
  meddl drr materials train --output materials_run
  meddl drr materials train --output materials_run --resume
  meddl drr materials train --output fine_run --labels patient1.nii.gz,patient2.nii.gz --epochs 80
"""


def configure_materials(commands: Any) -> None:
    """Add the parser of ``meddl drr materials``."""
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr.materials_training import MaterialTraining

    parser = commands.add_parser("materials", help="train the material network")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    train = actions.add_parser(
        "train",
        help="train the material network",
        description=TRAIN_HELP,
        epilog=TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--output", required=True, metavar="DIR", help="folder of the run")
    train.add_argument("--resume", action="store_true", help="continue the run in DIR")
    add_arguments(train.add_argument_group("training"), MaterialTraining)
    train.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    """Train; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.deepdrr.materials_training import MaterialTraining, train_network

    parameters = from_arguments(MaterialTraining, args)
    history = train_network(args.output, parameters, args.resume, args.progress, args.cancel)
    if args.json:
        print_json({"output": str(Path(args.output) / "best"), **history[-1]})
    return 0
