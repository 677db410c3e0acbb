"""``meddl endodepth train``: a depth network from sequences with structure from motion."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

HELP = """\
Train a depth network on endoscopic sequences whose only teacher is structure from motion, or adapt
trained weights to one sequence.

CONFIG.yaml says what to train on and how; --print-config prints one with every key, its value and
its meaning, and every key is an option too. Data: a folder of bag_1/, bag_2/, … with sequences
(--training_data_root), or one sequence (--sequence). Without bags for validation a share of the
points of the training sequences validates. The weights come to DIR/best with their card;
TensorBoard shows curves and pictures (tensorboard --logdir DIR). A run that was stopped continues
with --resume. Several GPUs or processes: torchrun --nproc-per-node=N -m meddl endodepth train …
"""

EXAMPLES = """\
examples:
  meddl endodepth train --print-config > endodepth.yaml              (edit it)
  meddl endodepth train endodepth.yaml --output run
  meddl endodepth train endodepth.yaml --output run --resume
  meddl endodepth train --sequence SEQUENCE_DIR --preset cpu --output run
  meddl endodepth train --sequence SEQUENCE_DIR --weights endodepth-light --output adapted
"""

SEVERAL = (  # options that take several values, as published: --adjacent_range 5 30
    "adjacent_range",
    "id_range",
    "input_size",
    "training_patient_id",
    "validation_patient_id",
    "testing_patient_id",
)


class _Joined(argparse.Action):
    """Values as one text, ``5 30`` and ``5,30`` alike."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, ",".join(values))


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth train``."""
    from meddl.core.parameters import add_arguments, option_of
    from meddl.endodepth.training_parameters import PRESETS, DepthTraining

    parser = actions.add_parser(
        "train",
        help="train a depth network on structure from motion, or adapt weights to a sequence",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = "|".join(PRESETS)
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="data and parameters")
    parser.add_argument("--output", metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    parser.add_argument(
        "--preset",
        metavar=names,
        help="values to begin with (default: published; with --weights: finetune)",
    )
    parser.add_argument(
        "--print-config",
        nargs="?",
        const="published",
        metavar=names,
        help="print a configuration with all keys of a preset, and stop",
    )
    group = parser.add_argument_group("parameters")
    add_arguments(group, DepthTraining, skip=SEVERAL)
    for item in fields(DepthTraining):
        option = option_of(item)
        keywords: dict[str, Any] = {"default": argparse.SUPPRESS}
        if item.name in SEVERAL:
            keywords |= {"nargs": "+", "action": _Joined, "metavar": "N"}
            group.add_argument(option, help=item.metadata["help"], **keywords)
        if "_" in option:  # the spelling of the other commands
            hidden = option.replace("_", "-")
            group.add_argument(hidden, dest=item.name, help=argparse.SUPPRESS, **keywords)
    group.add_argument(
        "--weights",
        dest="load_trained_model",
        metavar="NAME|FILE",
        default=argparse.SUPPRESS,
        help="the same as --load_trained_model",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a configuration, or train; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.endodepth.training_config import make_plan, print_config, read_config
    from meddl.endodepth.training_parameters import DepthTraining

    if args.print_config is not None:
        print(print_config(args.print_config), end="")
        return 0
    names = [item.name for item in fields(DepthTraining)]
    values = read_config(args.config) if args.config else {}
    values |= {name: getattr(args, name) for name in names if hasattr(args, name)}
    adapts = not args.config and values.get("load_trained_model")
    plan = make_plan(values, args.preset or ("finetune" if adapts else "published"))
    output = args.output or plan.parameters.training_result_root
    if not output:
        raise InputError("--output DIR is missing (see: meddl endodepth train --help)")
    from meddl.core.files import visible
    from meddl.endodepth.training import train_network

    def describe(text: str) -> None:
        print(text, file=sys.stderr)

    history = train_network(output, plan, args.resume, args.progress, args.cancel, describe)
    weights = visible(Path(output) / "best", "*.safetensors")
    if args.json:
        last = {k: v for k, v in history[-1].items() if v == v}
        print_json({"output": str(weights[-1]) if weights else None, **last})
    elif not args.quiet and weights:
        print(weights[-1])
    return 0
