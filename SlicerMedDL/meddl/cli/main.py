"""``meddl COMMAND …``: finds the command's file, parses, runs, turns errors into one line.

Each command is a file of this folder with ``configure(subparsers)``, which adds its parser and sets
``run``, a function of the parsed arguments that returns the exit code. Only that file is imported.
The arguments also carry what every command shares: ``progress``, ``cancel``, ``json``, ``quiet``.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from meddl import __version__
from meddl.cli import console
from meddl.core.devices import address_space, require_memory
from meddl.core.errors import Cancelled, InputError, MedDLError, one_line, out_of_memory
from meddl.core.progress import CancelToken

SYSTEMS = {
    "drr": "radiographs from CT with a C-arm's geometry (DeepDRR)",
    "deepigeos": "interactive segmentation by scribbles (DeepIGeoS)",
    "desmoke": "surgical smoke removed from laparoscopic video (Desmoke)",
    "endodepth": "depth and surface from endoscopic video (EndoDepth)",
    "geodesic": "geodesic distance of an image from seeds",
    "monodepth": "depth from one picture",
}
TOOLS = {
    "weights": "list, show, import, export or delete trained weights",
    "doctor": "say what is installed, which devices there are, and what is missing",
    "demo": "run the main jobs on bundled real data, write figures and a Slicer scene",
    "test": "run the tests",
}
COMMANDS = SYSTEMS | TOOLS
# Commands whose arguments are another program's.
PASSING_ON = ("test",)


def _table(commands: dict[str, str]) -> str:
    return "\n".join(f"  {name:<10}{text}" for name, text in commands.items())


HELP = f"""\
usage: meddl COMMAND [OPTIONS]      meddl COMMAND --help says more

MedDL {__version__}: research systems of medical image computing, without 3D Slicer's window.
Research software: not for clinical use.

systems:
{_table(SYSTEMS)}

tools:
{_table(TOOLS)}

examples:
  meddl demo                                      figures and a scene in demo/
  meddl drr render ct.nii.gz --output ap.png      an anterior-posterior radiograph
  meddl drr render ct.nii.gz --output lao.tiff --primary-angle 30 --json
  meddl doctor                                    what is here and what is missing

options of every command but test, which passes all on to pytest:
  --json     print one line of JSON, no progress
  --quiet    no progress, no warnings
  --debug    say more; show where an error comes from

exit codes: 0 done, 2 bad input (one line says what and what to do), 130 cancelled

environment variables:
  MEDDL_WEIGHTS         folder of imported and trained weights
  MEDDL_TORCH_INDEX     package index from which ./meddl installs PyTorch
  MEDDL_SLICER_SOURCE   checkout of Slicer's sources, for the tests to use its own Python files
  MEDDL_DEBUG           if set, as --debug
"""

# With less, libraries in C++ end the process before anything can be said: LLVM, compiling, did so
# with up to 116 MB, the loader with 2; Dask's threads hung with 10.
LEAST_MEMORY = 256_000_000
# What loading PyTorch, the largest library, takes of the address space besides; where a limit of it
# (ulimit -v) is met on the way, it ends the process at times, too.
LIBRARIES = 640_000_000

# Of the disk and its rights, which are nobody's defect.
STORAGE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}

# "-10,20,30", "-500:-1000", "-1e-3": values that argparse would take for options.
_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)[^=]*", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are :class:`InputError`, so that they end like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see: {self.prog} --help)")


def join_negative_values(arguments: Sequence[str]) -> list[str]:
    """``--isocenter -10,20,30`` as ``--isocenter=-10,20,30``, which argparse understands."""
    joined: list[str] = []
    for argument in arguments:
        last = joined[-1] if joined else ""
        if re.fullmatch(r"--[a-z][a-z0-9_-]*", last) and _NEGATIVE.fullmatch(argument):
            joined[-1] = f"{last}={argument}"
        else:
            joined.append(argument)
    return joined


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for child in group.choices.values():
            yield from _leaves(child)


def build_parser(command: str) -> Parser:
    """The parser of one command, with the options that all commands share."""
    parser = Parser(prog="meddl", add_help=False)
    import_module(f"meddl.cli.{command}").configure(parser.add_subparsers(required=True))
    for leaf in [] if command in PASSING_ON else _leaves(parser):
        common = leaf.add_argument_group("common")
        common.add_argument("--json", action="store_true", help="print one line of JSON")
        common.add_argument("--quiet", action="store_true", help="no progress, no warnings")
        common.add_argument("--debug", action="store_true", help="say more about errors")
    return parser


@contextmanager
def _signals_cancel(token: CancelToken) -> Iterator[None]:
    """SIGINT and SIGTERM set the token; a second one interrupts at once."""

    def handle(number: int, frame: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(arguments: Sequence[str]) -> int:
    if not arguments or (arguments[0] in ("-h", "--help", "help") and len(arguments) == 1):
        print(HELP, end="")
        return 0
    if arguments[0] == "--version":
        print(f"meddl {__version__}")
        return 0
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    if arguments[0] not in COMMANDS:
        raise InputError(
            f"there is no command {arguments[0]!r}; there are: {', '.join(COMMANDS)} (see: "
            "meddl --help)"
        )
    rest: Sequence[str] = []
    if arguments[0] in PASSING_ON and arguments[1:2] != ["--help"]:
        arguments, rest = arguments[:1], arguments[1:]
    args = argparse.Namespace(json=False, quiet=False, debug=False, rest=rest)
    try:
        build_parser(arguments[0]).parse_args(join_negative_values(arguments), args)
    except SystemExit as done:  # --help
        return int(done.code or 0)
    if arguments[0] in SYSTEMS:
        unloaded = address_space() is not None and "torch" not in sys.modules
        remedy = "close other programs or raise the limit (ulimit -v)"
        require_memory(LEAST_MEMORY + unloaded * LIBRARIES, "a command", remedy)
    token = CancelToken()
    with _signals_cancel(token), console.session(args) as progress:
        args.cancel, args.progress = token, progress
        return int(args.run(args))


def _explain(error: BaseException) -> tuple[str, int]:
    """What to print about an error, and the exit code."""
    match error:
        case KeyboardInterrupt() | Cancelled():
            return "cancelled", Cancelled.exit_code
        case MedDLError():
            return f"error: {one_line(error)}", error.exit_code
        case _ if out_of_memory(error):
            return "error: not enough memory; use a smaller image or close other programs", 2
        case OSError() if error.errno in STORAGE:
            return f"error: {error.filename or 'a file'}: {error.strerror}", 2
    return (
        f"error: unexpected {type(error).__name__}: {one_line(error)}; please report this with "
        "what --debug adds",
        1,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 (bad input), 130 (cancelled) or 1 (a defect of ours)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader went away (meddl … | head); Python would complain again at its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments or os.environ.get("MEDDL_DEBUG"):
            traceback.print_exception(error)
        message, code = _explain(error)
        print(f"meddl: {message}", file=sys.stderr)
        return code
