"""``python Testing/demo --output DIR``: run the chapters and write the report."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The modules as Slicer finds them, the library, and this package under its own name.
FOLDERS = (
    "Testing",
    "SlicerMedDL",
    "DeepDRRModule",
    "DeepIGeoSModule",
    "EndoDepthModule",
    "DesmokeModule",
)
sys.path[:0] = [str(ROOT / folder) for folder in FOLDERS]

from demo.chapters import CHAPTERS, Context  # noqa: E402
from meddl.core.diagnostics import missing_libraries  # noqa: E402
from meddl.core.errors import DependencyError, MedDLError, one_line  # noqa: E402
from meddl.core.files import read_json, write_json  # noqa: E402
from meddl.core.progress import CancelToken  # noqa: E402


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; unknown chapters are refused here."""
    parser = argparse.ArgumentParser(prog="meddl demo", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "demo", metavar="DIR", help="default: demo/"
    )
    parser.add_argument(
        "--chapter", action="append", choices=CHAPTERS, help="only this one; may be repeated"
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT / "Testing" / "data", metavar="DIR", help="the samples"
    )
    parser.add_argument("--fast", action="store_true", help="small pictures, to try the demo")
    parser.add_argument(
        "--screenshots", type=Path, metavar="DIR", help="also write the documentation's screenshots"
    )
    return parser.parse_args(arguments)


def reporter(chapter: str, started: float) -> Callable[[float, str], None]:
    """A progress callback that prints a line for each step, with the seconds since the start."""
    last = ""

    def report(fraction: float, message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            seconds = time.perf_counter() - started
            print(f"{chapter} {fraction:4.0%} {seconds:5.1f} s  {message}", flush=True)

    return report


def start_host() -> None:
    """Start the headless Slicer host.

    Raises:
        DependencyError: Qt's system libraries are missing.
    """
    import host

    try:
        host.start()
    except ImportError as error:
        missing = missing_libraries()
        if not missing:
            raise
        raise DependencyError(
            f"Qt cannot be loaded ({one_line(error)}); on Debian or Ubuntu, "
            f"apt install {' '.join(sorted(set(missing.values())))}"
        ) from error


def run(options: argparse.Namespace, cancel: CancelToken) -> Path:
    """Run the chapters; returns the report's path."""
    start_host()
    import slicer

    from demo.report import Chapter, write_report
    from demo.views import offscreen_problem
    from demo.workspace import REPORT, workspace

    started = time.perf_counter()
    problem = offscreen_problem()
    if problem:
        print(f"meddl demo: {problem}", file=sys.stderr)
    with workspace(options.output, keep=bool(options.chapter)) as folder:
        for name in options.chapter or CHAPTERS:
            slicer.mrmlScene.Clear()
            chapter_folder = folder / name
            shutil.rmtree(chapter_folder, ignore_errors=True)  # of an earlier demo
            chapter_folder.mkdir()
            context = Context(
                chapter_folder,
                options.data,
                reporter(name, started),
                cancel,
                4 if options.fast else 1,
                problem,
            )
            chapter = importlib.import_module(CHAPTERS[name]).run(context)
            write_json(chapter_folder / "chapter.json", chapter.to_dict())
            cancel.check()
            if options.screenshots:
                from demo.screenshots import write_screenshots

                write_screenshots(options.screenshots, name)
        done = {
            name: Chapter.from_dict(read_json(folder / name / "chapter.json"))
            for name in CHAPTERS
            if (folder / name / "chapter.json").is_file()
        }
        write_report(folder / REPORT, done)
    return options.output / REPORT


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 2 bad input, 130 cancelled."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    options = parse(arguments)
    cancel = CancelToken()

    def stop(number: int, frame: object) -> None:
        if cancel.cancelled:  # the second time: at once
            raise KeyboardInterrupt
        cancel.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        report = run(options, cancel)
    except MedDLError as error:
        print(f"meddl demo: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("meddl demo: cancelled", file=sys.stderr)
        return 130
    print(f"The demo is ready: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
