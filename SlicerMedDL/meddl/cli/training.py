"""What the commands that train on made-up data share: their options, and running them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
