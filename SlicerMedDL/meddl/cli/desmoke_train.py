"""``meddl desmoke train``: train a network on clear frames under synthetic smoke."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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
    parser = actions.add_parser(
        "train",
        help="train a network on clear frames",
        description=TRAIN,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="data and parameters")
    parser.add_argument("--output", metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    parser.add_argument(
        "--print-config", action="store_true", help="print a configuration with all defaults"
    )
    parser.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.desmoke.training_config import print_config, read_plan

    if args.print_config:
        print(print_config(), end="")
        return 0
    for name, value in (("CONFIG.yaml", args.config), ("--output DIR", args.output)):
        if value is None:
            raise InputError(f"{name} is missing (see: meddl desmoke train --help)")
    plan = read_plan(args.config)
    from meddl.desmoke.training import train_desmoker

    history = train_desmoker(args.output, plan, args.resume, args.progress, args.cancel)
    best = Path(args.output) / "best" / f"{plan.parameters.name}.safetensors"
    if args.json:
        print_json({"output": str(best), **history[-1]})
    elif not args.quiet:
        print(best)
    return 0
