"""``meddl drr scatter``: make the tables and the network of the fast scatter models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

TRAIN_HELP = """\
Make one of the fast scatter models anew, by Monte Carlo.

kernel: pencil-beam kernels of multiple scatter behind water (726 runs of --photons photons).
network: simulates --examples random torsos, then trains; the weights come to OUTPUT/run/best.
A CUDA device with PyCUDA and nvcc follows the photons; --workers processes then make the torsos.
The files NAME.safetensors and NAME.json can be imported with `meddl weights import`.
"""

TRAIN_EXAMPLES = """\
examples:
  meddl drr scatter train --model kernel --output kernels --photons 200000
  meddl drr scatter train --model network --output scatter_run --examples 150 --epochs 60
  meddl drr scatter train --model network --output scatter_run --resume
  meddl drr scatter train --model network --output scatter_run --examples 7000 --photons 1000000 \
    --jitter 0 --batch-size 32 --learning-rate 0.002 --device cuda --workers 14
"""


def configure_scatter(commands: Any) -> None:
    """Add the parser of ``meddl drr scatter``."""
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr.scatter_parameters import ScatterTraining

    parser = commands.add_parser("scatter", help="train the fast scatter models")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    train = actions.add_parser(
        "train",
        help="make one of the fast scatter models",
        description=TRAIN_HELP,
        epilog=TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--model", required=True, choices=("kernel", "network"), help="which model")
    train.add_argument("--output", required=True, metavar="DIR", help="folder of the result")
    train.add_argument("--resume", action="store_true", help="continue the run in DIR (network)")
    add_arguments(train.add_argument_group("training"), ScatterTraining)
    train.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    """Simulate and fit; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.core.run_record import command_line, make_folder
    from meddl.deepdrr.scatter_parameters import ScatterTraining

    parameters = from_arguments(ScatterTraining, args)
    folder = make_folder(Path(args.output))
    if args.model == "kernel":
        from meddl.deepdrr.scatter_table import fit_kernels, save_kernels

        seed = parameters.seed
        table = fit_kernels(parameters.photons, seed, args.progress, args.cancel)
        card = save_kernels(table, folder, parameters.photons, seed, command_line())
        result: dict[str, Any] = {"output": str(card.path)}
    else:
        from meddl.deepdrr.scatter_training import train_network

        history = train_network(folder, parameters, args.resume, args.progress, args.cancel)
        result = {"output": str(folder / "run" / "best"), **history[-1]}
    if args.json:
        print_json(result)
    return 0
