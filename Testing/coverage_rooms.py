"""Which share of the lines the tests run, room by room: ``coverage_rooms.py [PYTEST ARGUMENTS]``.

Needs the package coverage, 7.10 or newer, which no installation brings::

    .venv/bin/python -m pip install coverage
    .venv/bin/python Testing/coverage_rooms.py -n 4 --dist loadfile
    .venv/bin/python Testing/coverage_rooms.py --add Testing/library/core

The processes that tests start are counted, too. Functions that Numba compiles are left out, as no
tracer sees them run. The data lie in ``.cache/coverage``; ``--add`` keeps those of earlier runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / ".cache" / "coverage"
LIBRARY = Path("SlicerMedDL/meddl")
MODULES = ("DeepDRRModule", "DeepIGeoSModule", "EndoDepthModule", "DesmokeModule")
CONFIG = f"""\
[run]
data_file = {DATA / "data"}
parallel = true
patch = subprocess, _exit
sigterm = true
source = {", ".join(str(ROOT / name) for name in ("SlicerMedDL", *MODULES))}
omit = */Testing/*
disable_warnings = no-data-collected, module-not-measured
[report]
exclude_also =
    if TYPE_CHECKING:
    @_?(numba\\.)?n?jit\\b
"""


def room_of(path: Path) -> str:
    """The room of a file: a package of the library, the modules' common half, or a module.

    Args:
        path: relative to the repository.
    """
    if path.is_relative_to(LIBRARY):
        inside = path.relative_to(LIBRARY).parts
        return f"meddl.{inside[0]}" if len(inside) > 1 else "meddl"
    return path.parts[1] if path.is_relative_to("SlicerMedDL/SlicerMedDLLib") else path.parts[0]


def rooms(files: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Room -> (lines that were run, lines), from the files of coverage's JSON report."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, entry in files.items():
        summary, sums = entry["summary"], found[room_of(Path(name))]
        sums[0] += summary["covered_lines"]
        sums[1] += summary["num_statements"]
    return {room: (run, lines) for room, (run, lines) in sorted(found.items())}


def table(found: Mapping[str, tuple[int, int]]) -> str:
    """The rooms as a Markdown table, and all of them together."""
    total = (sum(run for run, _ in found.values()), sum(lines for _, lines in found.values()))
    rows = ["| room | lines | run |", "|---|---|---|"]
    for room, (run, lines) in [*found.items(), ("together", total)]:
        rows.append(f"| {room} | {lines} | {run / max(lines, 1):.0%} |")
    return "\n".join(rows)


def main(arguments: Iterable[str]) -> int:
    """Run pytest under coverage and print the table; returns pytest's exit code."""
    arguments = list(arguments)
    if "--add" in arguments:
        arguments.remove("--add")
    else:
        shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True, exist_ok=True)
    config = DATA / "coveragerc"
    config.write_text(CONFIG, encoding="utf-8")
    coverage = [sys.executable, "-m", "coverage"]
    environment = {**os.environ, "COVERAGE_RCFILE": str(config)}

    def call(*command: str) -> int:
        return subprocess.call([*coverage, *command], cwd=ROOT, env=environment)

    code = call("run", "-m", "pytest", *arguments)
    if call("combine", "--append", "--quiet") or call("json", "--quiet", "-o", str(DATA / "json")):
        print("coverage.py gave no report; is it installed?", file=sys.stderr)
        return code or 2
    print(table(rooms(json.loads((DATA / "json").read_text(encoding="utf-8"))["files"])))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
