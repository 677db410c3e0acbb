"""``meddl deepigeos generalist``: train the networks that come with MedDL."""

from __future__ import annotations

from typing import Any

from meddl.cli.training import add_training

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
      --start p_net/best/deepigeos-p-net.safetensors
  meddl deepigeos generalist --output p_net --labels torso.nii.gz --resume
"""


def configure_generalist(actions: Any) -> None:
    """Add the parser of ``meddl deepigeos generalist``."""
    from meddl.deepigeos.generalist_training import GeneralistTraining, train_generalist

    texts = "train the networks for any target on random images", TRAIN_HELP, TRAIN_EXAMPLES
    add_training(actions, "generalist", texts, GeneralistTraining, train_generalist)
