"""``meddl deepigeos train``: a network from a folder of labelled cases. Parsing and printing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = """\
Train P-Net (segments), R-Net (corrects by seeds), or either end to end with a CRF-Net.

CONFIG.yaml says which files are images and labels and what the label values mean; --print-config
prints one with every parameter, its default and its unit. All files are read and checked before the
training starts. The weights come to DIR/best with their card; TensorBoard shows curves and pictures
(tensorboard --logdir DIR). A run that was stopped continues with --resume. Several GPUs or
processes: torchrun --nproc-per-node=N -m meddl deepigeos train CONFIG.yaml --output DIR
"""

EXAMPLES = """\
examples:
  meddl deepigeos train --print-config pnet > pnet.yaml      (edit it: files, classes)
  meddl deepigeos train pnet.yaml --output pnet_run
  meddl deepigeos train --print-config rnet > rnet.yaml      (pnet: pnet_run/best/pnet.safetensors)
  meddl deepigeos train rnet.yaml --output rnet_run
  meddl deepigeos train rnet.yaml --output rnet_run --resume
"""


def configure_train(commands: Any) -> None:
    """Add the parser of ``meddl deepigeos train``."""
    parser = commands.add_parser(
        "train",
        help="train P-Net, R-Net or both ends with a CRF-Net on labelled cases",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="data and parameters")
    parser.add_argument("--output", metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    parser.add_argument(
        "--print-config",
        metavar="pnet|rnet|end-to-end",
        help="print a configuration with all defaults, and stop",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a configuration, or train; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.deepigeos.training_config import print_config, read_plan

    if args.print_config is not None:
        print(print_config(args.print_config), end="")
        return 0
    for name, value in (("CONFIG.yaml", args.config), ("--output DIR", args.output)):
        if value is None:
            raise InputError(f"{name} is missing (see: meddl deepigeos train --help)")
    plan = read_plan(args.config)
    from meddl.deepigeos.training import train_network

    history = train_network(args.output, plan, args.resume, args.progress, args.cancel)
    best = Path(args.output) / "best" / f"{plan.parameters.weights_name}.safetensors"
    if args.json:
        print_json({"output": str(best), **finite(history[-1])})
    elif not args.quiet:
        print(best)
    return 0


def finite(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None in place of infinite distances and missing means."""
    return {
        name: None if isinstance(value, float) and not abs(value) < float("inf") else value
        for name, value in row.items()
    }
