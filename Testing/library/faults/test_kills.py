"""Killed at any moment, a job leaves nothing half-written, and its repetition gives the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library.faults.commands import JOBS, KILLED, TRAININGS, CommandServer, arguments
from meddl.core.errors import FileError
from meddl.core.files import read_json, visible
from meddl.core.optional import is_installed
from meddl.core.weights import verify_weights

if not (is_installed("torch") and is_installed("lightning_fabric")):
    pytest.skip("training needs torch and lightning-fabric", allow_module_level=True)

from meddl.core.checkpoint import latest_checkpoint, load_checkpoint

Run = Callable[..., dict[str, Any]]
SINGLE = ("desmoke video", "desmoke video mp4", "desmoke image", "drr render")
RESUMABLE = [job for job in JOBS if job not in SINGLE] + [job for job in KILLED if job in TRAININGS]
SLOW = [job for job in KILLED if job in TRAININGS]  # half a minute to minutes each time


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shown(folder: Path) -> list[Path]:
    """The files below a folder, relative to it, that have their final name."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [name for name in names if not any(part[0] == "." for part in name.parts)]


def run_of(job: str, folder: Path) -> Path:
    """The folder of a training's run."""
    return folder / "run" if job == "drr scatter train" else folder  # beside its examples


def results(job: str, folder: Path) -> dict[str, Any]:
    """What two runs of a job must have in common."""
    if job not in TRAININGS:
        return {str(name): digest(folder / name) for name in shown(folder)}
    folder = run_of(job, folder)
    checkpoint = latest_checkpoint(folder)
    assert checkpoint is not None
    history = (folder / "history.jsonl").read_text().splitlines()
    rows = [{k: v for k, v in json.loads(row).items() if k != "seconds"} for row in history]
    weights = {path.name: digest(path) for path in (folder / "best").glob("*.safetensors")}
    return {"step": checkpoint.name, "rows": rows, "best": weights} | {
        name: tensor.numpy().tobytes() for name, tensor in load_checkpoint(checkpoint)[0].items()
    }


def check_whole(job: str, folder: Path, expected: dict[str, Any]) -> None:
    """Everything that has its final name is complete."""
    for name in shown(folder):
        if name.suffix == ".json":
            read_json(folder / name)
    if job in TRAININGS:
        folder = run_of(job, folder)
        checkpoint = latest_checkpoint(folder)
        if checkpoint is not None:
            load_checkpoint(checkpoint)
        for path in visible(folder / "best", "*.safetensors"):
            with suppress(FileError):  # killed between card and weights: said, and never used
                verify_weights(path)
        return
    found = results(job, folder)
    # The records say what is there so far, and how it was begun.
    records = ("dataset.json", "index.csv", "manifest.jsonl", "landmarks.json")
    assert {n: d for n, d in found.items() if n not in records}.items() <= expected.items()


@pytest.fixture(scope="module")
def whole(server: CommandServer, source: Path, tmp_path_factory: pytest.TempPathFactory):
    """job -> (its undisturbed results, the answer of the server). The network is refused."""

    @cache
    def run(job: str) -> tuple[dict[str, Any], dict[str, Any]]:
        folder = tmp_path_factory.mktemp("whole") / "out"
        folder.mkdir()
        network = "loopback" if job == "drr dataset" else "none"  # Dask's processes talk
        answer = server(*arguments(job, source, folder), folder=folder, network=network)
        assert answer["code"] == 0, answer
        assert answer["sent"] == [] and answer["err"] == ""
        return results(job, folder), answer

    return run


def crash(server: CommandServer, job: str, source: Path, folder: Path, expected, **moment) -> None:
    """Kill the job, look at what is left, repeat it, compare."""
    folder.mkdir()
    killed = server(*arguments(job, source, folder), folder=folder, **moment)
    assert killed["code"] in (-9, 0), killed
    check_whole(job, folder, expected)
    resume = ["--resume"] if job in RESUMABLE else []
    again = server(*arguments(job, source, folder), *resume, folder=folder)
    assert again["code"] == 0, (moment, again["err"])
    assert results(job, folder) == expected, moment
    left = [path.name for path in folder.rglob(".*")]
    assert all(name.startswith(".part-") for name in left)
    assert not left or job not in RESUMABLE
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "job", ["desmoke synthesize", "desmoke video", "endodepth frames", "monodepth render-rooms"]
)
def test_killed_at_a_change_of_files(server, source, whole, tmp_path, job):
    expected, answer = whole(job)
    moment = int(np.random.default_rng(len(job)).integers(answer["changes"]))
    crash(server, job, source, tmp_path / "out", expected, kill_at=moment)


@pytest.mark.long
@pytest.mark.parametrize("job", [*JOBS, *KILLED])
def test_killed_at_many_changes_and_moments(server, source, whole, tmp_path, job):
    expected, answer = whole(job)
    rng = np.random.default_rng(len(job))
    several = 4 if job == "drr dataset" else 12  # that one starts processes of its own
    several = 1 if job in SLOW else several
    for number in rng.permutation(answer["changes"])[: 2 * several]:
        crash(server, job, source, tmp_path / "out", expected, kill_at=int(number))
    for seconds in rng.uniform(0, answer["seconds"], several):
        crash(server, job, source, tmp_path / "out", expected, kill_after=float(seconds))
