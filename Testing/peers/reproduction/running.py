"""One comparison: what it lacks, its run, its tables and pictures onto the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from meddl.core.errors import MedDLError
from meddl.core.files import atomic_path, existing_file, read_json, write_json
from reproduction.blocks import blocks, replaced
from reproduction.comparisons import PEERS, Comparison, DataSet, Table
from reproduction.environments import lacking, last_line, make, obstacle

ROOT = PEERS.parents[1]
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SHORT = 1.0  # minutes that a comparison without a short form may take in a quick run


@dataclass(frozen=True)
class Place:
    """Folders and files of a run.

    Attributes:
        environments: of the peers.
        reports: a folder each for the comparisons, and ``data`` for data sets that are made.
        page: Docs/validation.md; its pictures lie in the folder of the same name beside it.
        data: the user's data sets, a folder each; None: there are none.
        quick: short forms, which are not written to the page.
        again: run too what has a report.
    """

    environments: Path
    reports: Path
    page: Path
    data: Path | None = None
    quick: bool = False
    again: bool = False

    def folder_of(self, name: str, data: DataSet) -> Path:
        """Where a data set is."""
        made = self.reports / "data"
        return (made if data.make or self.data is None else self.data.resolve()) / name

    def report_of(self, name: str) -> Path:
        """Folder of a comparison."""
        return self.reports / "quick" / name if self.quick else self.reports / name


@dataclass(frozen=True)
class Outcome:
    """How it went: ``written``, ``same``, ``tried`` (quick), ``skipped`` or ``failed``, and why."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0


def missing(
    comparison: Comparison, table: Table, place: Place, coming: Collection[str] = ()
) -> str:
    """What keeps a comparison from being run here; "" if nothing is known.

    ``coming`` are comparisons that will have been run by then.
    """
    if place.quick and comparison.quick is None and comparison.minutes > SHORT:
        return f"takes {comparison.minutes:g} minutes and has no short form"
    for name in comparison.data:
        found = table.data[name]
        folder = place.folder_of(name, found)
        if absent := [file for file in found.files if not (folder / file).exists()]:
            if found.make:
                continue
            where = f"{folder} lacks {absent[0]}" if place.data else "no --data"
            return f"data set {name}: {where}; {found.about}"
    for name in comparison.environments:
        if reason := obstacle(table.environments[name], table.programs):
            return f"environment {name}: {reason}"
    for each in comparison.after:
        if each not in coming and not (place.report_of(each) / "report.md").exists():
            return f"{each} comes first and has no report"
    if comparison.cuda and not cuda_device():
        return "no CUDA device"
    return lacking(comparison.programs, table.programs)


def cuda_device() -> bool:
    """Whether torch sees one."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def reproduce(name: str, table: Table, place: Place) -> Outcome:
    """Run a comparison, unless a report of the same command is younger than its script, and write
    its blocks and pictures to the page."""
    comparison = table.comparisons[name]
    if reason := missing(comparison, table, place):
        return Outcome(name, "skipped", reason)
    folder = place.report_of(name)
    start = time.monotonic()
    try:
        for each in comparison.environments:
            make(each, table.environments[each], place.environments / each)
    except MedDLError as error:
        return Outcome(name, "skipped", str(error))
    try:
        if place.again or not is_done(comparison, place, folder):
            run(name, comparison, table, place)
        seconds = time.monotonic() - start
        changed = not place.quick and publish(name, comparison, folder, place.page)
    except MedDLError as error:
        return Outcome(name, "failed", str(error), time.monotonic() - start)
    state = "tried" if place.quick else "written" if changed else "same"
    return Outcome(name, state, note_of(folder, comparison), seconds)


def is_done(comparison: Comparison, place: Place, folder: Path) -> bool:
    """Whether ``folder`` has a whole report of this command, younger than its script and than the
    reports that it reads."""
    record, report = folder / "run.json", folder / "report.md"
    sources = [comparison.script, *(place.report_of(n) / "report.md" for n in comparison.after)]
    return (
        record.exists()
        and report.exists()
        and read_json(record)["command"] == said(comparison, place.quick)
        and report.stat().st_mtime > max(source.stat().st_mtime for source in sources)
    )


def said(comparison: Comparison, quick: bool) -> str:
    """The command with the names of its folders, not with their places."""
    return f"{comparison.command} {comparison.quick or ''}".strip() if quick else comparison.command


def note_of(folder: Path, comparison: Comparison) -> str:
    """What belongs beside figures that are times."""
    load = read_json(folder / "run.json")["load"]
    return f"timed beside a load of {load}" if comparison.timed else ""


def run(name: str, comparison: Comparison, table: Table, place: Place) -> None:
    """Run the script; what it prints goes to ``log.txt`` beside its report.

    Raises:
        MedDLError: it, or what makes its data, ended badly or left no report.
    """
    folder = place.report_of(name)
    if (folder / "run.json").exists():  # an older run that came to its end: begin anew
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").unlink(missing_ok=True)
    environment = dict(os.environ)
    if comparison.threads:
        environment |= dict.fromkeys(THREADS, str(comparison.threads))
    beside = [n for n in comparison.environments if table.environments[n].on_path]
    paths = [ROOT / "SlicerMedDL", *sorted(ROOT.glob("*Module")), ROOT / "Testing"]
    paths += [place.environments / each for each in beside]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    folders = {each: place.folder_of(each, table.data[each]) for each in comparison.data}
    for each, data in folders.items():
        if not data.exists():
            make_data(table.data[each], data, environment, folder / f"{each}.log")
    folders |= {"environments": place.environments, "work": folder / "work"}
    folders |= {each: place.report_of(each).resolve() for each in comparison.after}
    words = comparison.words(place.quick, folders)
    load, start = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0, time.monotonic()
    call([*words, "--output", str(folder)], environment, folder / "log.txt")
    existing_file(folder / "report.md", "report")
    record = {"command": said(comparison, place.quick), "load": round(load, 1)}
    write_json(folder / "run.json", record | {"seconds": round(time.monotonic() - start, 1)})


def make_data(data: DataSet, folder: Path, environment: dict[str, str], log: Path) -> None:
    """A data set that `meddl` makes; it has its name when it is whole.

    Raises:
        MedDLError: as :func:`call`.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    call(["-m", "meddl", *data.make.split(), "--output", str(part)], environment, log)
    part.rename(folder)


def call(words: list[str], environment: dict[str, str], log: Path) -> None:
    """This Python with these arguments, from the repository's root.

    Raises:
        MedDLError: it ended badly; the message has the last line of what it said.
    """
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    if done.returncode:
        raise MedDLError(f"ended with {done.returncode}: {last_line(log)} (see {log})")


def publish(name: str, comparison: Comparison, folder: Path, page: Path) -> bool:
    """Write the blocks that the page has of a report into it, and the pictures beside it.

    Returns:
        Whether anything changed.

    Raises:
        InputError: markers that do not fit.
        MedDLError: the report lacks a block that the page has under this name, or a picture.
    """
    text = page.read_bytes().decode("utf-8")
    found = blocks((folder / "report.md").read_text(encoding="utf-8"))
    if absent := [each for each in blocks_of(name, text) if each not in found]:
        raise MedDLError(f"{folder / 'report.md'} has no block {', '.join(absent)}")
    pictures = [existing_file(folder / each, "picture") for each in comparison.pictures]
    new = replaced(text, {each: found[each] for each in blocks_of(name, text)})
    changed = new != text
    for picture in pictures:
        target, content = page.with_suffix("") / picture.name, picture.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            changed = True
            target.parent.mkdir(exist_ok=True)  # of another page than Docs/validation.md
            with atomic_path(target) as path:
                path.write_bytes(content)
    if new != text:
        with atomic_path(page) as path:
            path.write_bytes(new.encode("utf-8"))
    return changed


def blocks_of(name: str, page: str) -> list[str]:
    """The names of a comparison's blocks on the page: its own, and those below it."""
    return [each for each in blocks(page) if each == name or each.startswith(f"{name}/")]
