"""``meddl desmoke train``: train a network on clear frames under synthetic smoke."""

from __future__ import annotations

from typing import Any

from meddl.cli.training import add_configured_training

TRAIN = """\
Train a desmoking network on clear frames, which are put under synthetic smoke.

CONFIG.yaml says where the frames are and what is trained; --print-config shows one with every
parameter. DIR gets the weights of the best validation PSNR with their card (DIR/best), the curves
(DIR/curves.png, TensorBoard in DIR/tensorboard), and the record of the run. A run that was stopped
goes on with --resume as if nothing had happened. Several GPUs: torchrun, see
Docs/desmoke-training.md.
"""
EXAMPLES = """\
examples:
  meddl desmoke train --print-config > desmoke.yaml      (edit it: where the frames are)
  meddl desmoke train desmoke.yaml --output run
  meddl desmoke train desmoke.yaml --output run --resume
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke train``."""
    texts = ("train a network on clear frames", TRAIN, EXAMPLES)
    add_configured_training(actions, "desmoke", texts, "train_desmoker")
