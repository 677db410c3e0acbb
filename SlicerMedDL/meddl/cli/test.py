"""``meddl test``: pytest on the checkout, in this Python."""

from __future__ import annotations

import argparse
from typing import Any

DESCRIPTION = """\
Run the tests; pytest's own closing line comes last and its exit code is passed on.

--long adds the soak, fuzz and fault suites. All other arguments are passed on to pytest. Without
any the tests run in as many processes as there are cores, four at the most, file by file.
"""

EXAMPLES = """\
examples:
  meddl test
  meddl test --long
  meddl test Testing/library/deepdrr -k camera -x
"""


# Tests of one file share fixtures. Four processes with their libraries take about 8 GB.
EVERYTHING = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")


def configure(subparsers: Any) -> None:
    """Add the parser of ``meddl test``."""
    parser = subparsers.add_parser(
        "test",
        usage="meddl test [--long] [PYTEST ARGUMENTS]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run pytest in the checkout; returns its exit code."""
    from meddl.cli.checkout import become_python, checkout

    everything = () if set(args.rest) - {"--long"} else EVERYTHING
    return become_python(["-m", "pytest", *everything, *args.rest], checkout("Testing/library"))
