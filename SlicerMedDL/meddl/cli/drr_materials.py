"""``meddl drr materials``: train the network of ``--materials network``."""

from __future__ import annotations

from typing import Any

from meddl.cli.training import add_training

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
    from meddl.deepdrr.materials_training import MaterialTraining, train_network

    parser = commands.add_parser("materials", help="train the material network")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = "train the material network", TRAIN_HELP, TRAIN_EXAMPLES
    add_training(actions, "train", texts, MaterialTraining, train_network)
