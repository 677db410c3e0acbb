"""``meddl endodepth train-rendered``: train the network that comes with MedDL."""

from __future__ import annotations

from typing import Any

from meddl.cli.training import add_training

TRAIN_HELP = """\
Train a depth network on rendered endoscopy, which has exact depth.

Nasal cavities and colons are drawn by seed, rendered once into DIR/pictures, and shown to the
network under ever new light, colours, blur, noise and fields of view. Validation is on scenes of
other seeds. The weights come to DIR/best, and can be imported with `meddl weights import`.
"""

TRAIN_EXAMPLES = """\
examples:
  meddl endodepth train-rendered --output light_run
  meddl endodepth train-rendered --output light_run --resume
  meddl endodepth train-rendered --output short_run --scenes 20 --views 10 --epochs 4
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth train-rendered``."""
    from meddl.endodepth.rendered_parameters import RenderedTraining

    texts = "train the light network on rendered endoscopy", TRAIN_HELP, TRAIN_EXAMPLES
    add_training(actions, "train-rendered", texts, RenderedTraining, _train)


def _train(*arguments: Any) -> list[dict[str, Any]]:
    from meddl.endodepth.rendered_training import train_on_rendered

    return train_on_rendered(*arguments)
