"""What the commands share on the terminal: progress, warnings, JSON. Results go to standard output,
everything else to standard error."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from meddl.core.progress import Progress, no_progress

# Seconds between two progress lines where a bar cannot be drawn (a file, a pipe, CI).
LINE_INTERVAL = 5.0


def print_json(record: Any) -> None:
    """Print ``record`` as one line of JSON; NaN and infinity, which JSON lacks, are refused."""
    print(json.dumps(record, allow_nan=False, ensure_ascii=False))


class _Lines(logging.Handler):
    """Log records as ``meddl: warning: …`` on the standard error of the moment.

    Rich replaces ``sys.stderr`` while its bar is drawn, so it is looked up for each record.
    """

    def emit(self, record: logging.LogRecord) -> None:
        print(f"meddl: {record.levelname.lower()}: {self.format(record)}", file=sys.stderr)


@contextmanager
def _logging(level: int) -> Iterator[None]:
    logger, handler = logging.getLogger("meddl"), _Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A bar on the terminal, drawn from the first report on and gone afterwards."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    message = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), message)
    bar = Bar(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=1.0)

    def progress(fraction: float, text: str) -> None:
        bar.start()  # does nothing once started
        bar.update(task, completed=fraction, description=text)

    try:
        yield progress
    finally:
        bar.stop()


@contextmanager
def _lines() -> Iterator[Progress]:
    """A line now and then; short work prints none."""
    last = time.monotonic()

    def progress(fraction: float, message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_INTERVAL:
            last = time.monotonic()
            print(f"{100 * fraction:3.0f} %  {message}", file=sys.stderr)

    yield progress


@contextmanager
def session(args: argparse.Namespace) -> Iterator[Progress]:
    """Logging and the progress callback of one command, by --json, --quiet and --debug."""
    level = logging.ERROR if args.quiet else logging.WARNING
    with _logging(logging.DEBUG if args.debug else level):
        if args.json or args.quiet:
            yield no_progress
        elif sys.stderr.isatty():
            with _bar() as progress:
                yield progress
        else:
            with _lines() as progress:
                yield progress
