"""``meddl drr benchmark``: the projectors of this machine. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meddl.deepdrr.benchmark import BackendRecord

HELP = """\
Time every projector that runs on this machine, one after the other, on the same view.

A row is a backend on a device: prepare (s, wall time, once per volume), CPU time of all threads and
wall time of a picture (ms, medians), the error (relative L2 norm of the difference from the exact
line integrals), and the memory added to the volume's own (MB). Where rows is N, every N-th row was
projected and the times multiplied by N. Backends that this machine lacks follow with the reason.
OMP_NUM_THREADS=1 keeps the projectors to one thread.
"""

EXAMPLES = """\
examples:
  meddl drr benchmark
  meddl drr benchmark --size 128 --pixels 256 --repeat 9
  meddl drr benchmark ct.nii.gz --pixels 1024 --json
"""


def configure(commands: Any) -> None:
    """Add the parser of ``benchmark`` to those of ``meddl drr``."""
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr.benchmark import BenchmarkParameters

    parser = commands.add_parser(
        "benchmark",
        help="time the projectors of this machine",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "ct",
        metavar="CT",
        nargs="?",
        help="volume file or DICOM folder, in place of the built-in phantom of --size",
    )
    parser.add_argument("--series", metavar="UID", help="which DICOM series of the CT's folder")
    add_arguments(parser, BenchmarkParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, measure, print; returns 0."""
    from dataclasses import asdict

    from meddl.cli.console import print_json
    from meddl.core import InputError, read_image
    from meddl.core.parameters import from_arguments
    from meddl.deepdrr.benchmark import BenchmarkParameters, benchmark

    parameters = from_arguments(BenchmarkParameters, args)
    if args.ct and hasattr(args, "size"):
        raise InputError(f"--size {args.size} is of the built-in phantom; leave it out with a CT")
    ct = read_image(args.ct, series=args.series) if args.ct else None
    records = benchmark(parameters, ct, progress=args.progress, cancel=args.cancel)
    if args.json:
        print_json({"backends": [asdict(record) for record in records]})
    else:
        _print_table(records)
    return 0


def _print_table(records: list[BackendRecord]) -> None:
    size = "x".join(map(str, records[0].volume))
    print(f"{size} voxels -> {'x'.join(map(str, records[0].pixels))} pixels, one component")
    columns = (
        "backend",
        "device",
        "prepare s",
        "CPU ms",
        "wall ms",
        "repeats",
        "rows",
        "error",
        "MB",
    )
    rows = [
        (
            record.backend,
            record.device,
            f"{record.prepare_s:.3f}",
            f"{1000 * (record.cpu_s or 0):.1f}",
            f"{1000 * (record.wall_s or 0):.1f}",
            str(record.repeats),
            str(record.rows),
            f"{record.error:.1e}",
            f"{(record.memory_bytes or 0) / 1e6:.0f}",
        )
        for record in records
        if not record.reason
    ]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = [
            text.ljust(width) if number < 2 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells))
    for record in records:
        if record.reason:
            print(f"{record.backend}: not here ({record.reason})")
