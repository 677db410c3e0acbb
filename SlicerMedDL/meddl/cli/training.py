"""What the commands that train share: their options, and running them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def add_training(
    actions: Any,
    name: str,
    texts: tuple[str, str, str],
    parameters: type,
    train: Callable[..., list[dict[str, Any]]],
) -> None:
    """Add a command that trains into a folder.

    Args:
        actions: what ``add_subparsers`` gave.
        name: of the command.
        texts: its line in the list of commands, its description, its examples.
        parameters: the dataclass of its parameters.
        train: (folder, parameters, resume, progress, cancel) -> history; see
            :meth:`meddl.core.training.Trainer.fit`.
    """
    from meddl.core.parameters import add_arguments

    line, description, examples = texts
    parser = actions.add_parser(
        name,
        help=line,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    add_arguments(parser.add_argument_group("training"), parameters)

    def run(args: argparse.Namespace) -> int:
        from meddl.cli.console import print_json
        from meddl.core.parameters import from_arguments

        history = train(
            args.output, from_arguments(parameters, args), args.resume, args.progress, args.cancel
        )
        if args.json:
            print_json({"output": str(Path(args.output) / "best"), **history[-1]})
        return 0

    parser.set_defaults(run=run)


def add_configured_training(
    actions: Any, system: str, texts: tuple[str, str, str], function: str
) -> None:
    """Add ``meddl SYSTEM train CONFIG.yaml --output DIR``.

    Args:
        actions: what ``add_subparsers`` gave.
        system: its package has ``training_config`` with ``print_config`` and ``read_plan``.
        texts: its line in the list of commands, its description, its examples.
        function: name in ``meddl.SYSTEM.training``: (folder, plan, resume, progress, cancel) ->
            history.
    """
    line, description, examples = texts
    parser = actions.add_parser(
        "train",
        help=line,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="data and parameters")
    parser.add_argument("--output", metavar="DIR", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    parser.add_argument(
        "--print-config", action="store_true", help="print a configuration with all defaults"
    )

    def run(args: argparse.Namespace) -> int:
        from meddl.cli.console import print_json
        from meddl.core.errors import InputError

        configuration = import_module(f"meddl.{system}.training_config")
        if args.print_config:
            print(configuration.print_config(), end="")
            return 0
        for name, value in (("CONFIG.yaml", args.config), ("--output DIR", args.output)):
            if value is None:
                raise InputError(f"{name} is missing (see: meddl {system} train --help)")
        plan = configuration.read_plan(args.config)
        train = getattr(import_module(f"meddl.{system}.training"), function)
        history = train(args.output, plan, args.resume, args.progress, args.cancel)
        best = Path(args.output) / "best" / f"{plan.parameters.name}.safetensors"
        if args.json:
            print_json({"output": str(best), **history[-1]})
        elif not args.quiet:
            print(best)
        return 0

    parser.set_defaults(run=run)
