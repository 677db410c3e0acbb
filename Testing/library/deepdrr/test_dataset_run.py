"""Data sets on Dask workers: what is killed is continued, and every run ends in the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from meddl.core import Cancelled, DeviceError, Image, InputError, write_image
from meddl.core.geometry import compose
from meddl.core.progress import CancelToken
from meddl.deepdrr.dataset import plan, read_dataset
from meddl.deepdrr.dataset_record import write_config, write_landmarks, write_manifest
from meddl.deepdrr.dataset_run import generate
from meddl.deepdrr.dataset_worker import render_view

pytest.importorskip("distributed")
LIBRARY = Path(__file__).resolve().parents[3] / "SlicerMedDL"
CONFIG = """\
seed: 7
views: 8
cts: [{path: a.nii.gz, landmarks: points.csv}, b.nii.gz]
carm: {detector_size: [160, 120], pixel_spacing: 1.5}
render: {noise: on, spectrum: {choose: [60kV, 120kV]}}
"""
VIEWS = 16


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The configuration file of two small CTs."""
    folder = tmp_path_factory.mktemp("cts")
    k, j, i = np.mgrid[-15:16, -20:21, -20:21]
    for name, radius in (("a", 12), ("b", 8)):
        hu = np.where(i**2 + j**2 + k**2 < radius**2, 40, -1000).astype(np.int16)
        write_image(folder / f"{name}.nii.gz", Image(hu, compose((5, 5, 5), (-100, -100, -75))))
    (folder / "points.csv").write_text("label,r,a,s\ncenter,0,0,0\n")
    (folder / "config.yaml").write_text(CONFIG)
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def truth(config, tmp_path_factory):
    """What the data set has to be: all views by this process, without Dask."""
    parameters, output = read_dataset(config), tmp_path_factory.mktemp("truth") / "set"
    write_config(output, parameters)
    lines = {task.number: render_view(parameters, task, str(output)) for task in plan(parameters)}
    write_manifest(output, lines)
    write_landmarks(output, parameters, lines)
    (output / ".work").rmdir()
    return contents(output)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two worker processes behind an address."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        local_directory=str(tmp_path_factory.mktemp("dask")),
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_a_cluster_whose_workers_are_killed_makes_the_same_data_set(
    cluster, config, truth, tmp_path
):
    """Both workers of a cluster are killed, the second before the first is replaced."""
    workers = [nanny.pid for nanny in cluster.workers.values()]

    def kill_one(fraction: float, message: str) -> None:
        if message.startswith(("view 2/", "view 6/")):
            os.kill(workers.pop(), signal.SIGKILL)

    done = generate(
        read_dataset(config),
        tmp_path / "set",
        scheduler=cluster.scheduler_address,
        progress=kill_one,
    )
    assert workers == []
    assert done["views"] == done["rendered"] == VIEWS
    assert contents(tmp_path / "set") == truth


def begin(config: Path, output: Path) -> subprocess.Popen[str]:
    """The command with one worker, in a process group of its own."""
    command = [sys.executable, "-m", "meddl", "drr", "dataset", str(config)]
    return subprocess.Popen(
        [*command, "--output", str(output), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines_in(output: Path) -> int:
    path = output / "manifest.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_killed_run_is_continued_without_doing_anything_twice(config, truth, tmp_path):
    output = tmp_path / "set"
    with begin(config, output) as run:
        wait_for(lambda: lines_in(output) >= 3)
        family = psutil.Process(run.pid).children(recursive=True)
        run.kill()
        run.wait()
    _, alive = psutil.wait_procs(family, timeout=20)  # workers go when their master has gone
    assert not alive
    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_bytes().splitlines()]
    assert 3 <= len(lines) < VIEWS
    # Nothing half-written among the results: what is there is as in the finished data set.
    there = {n: h for n, h in contents(output).items() if not n.startswith(".work")}
    assert {n: h for n, h in there.items() if n.startswith("views")}.items() <= truth.items()
    damaged, kept = output / lines[0]["file"], [output / line["file"] for line in lines[1:]]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with (output / "manifest.jsonl").open("ab") as file:
        file.write(b'{"file": "views/0000_a/0000')
    times = [path.stat().st_mtime_ns for path in kept]
    done = generate(read_dataset(config), output, workers=1, resume=True)
    assert done["rendered"] == VIEWS - len(lines) + 1
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert contents(output) == truth


def test_an_interrupt_cancels_and_leaves_only_whole_views(config, truth, tmp_path):
    output = tmp_path / "set"
    with begin(config, output) as run:
        wait_for(lambda: lines_in(output) >= 2)
        os.killpg(run.pid, signal.SIGINT)  # as the terminal does, to the workers too
        assert run.wait(60) == 130
        assert run.stderr is not None
        assert run.stderr.read().strip().splitlines()[-1] == "meddl: cancelled"
    found = contents(output)
    assert {n: h for n, h in found.items() if n != "manifest.jsonl"}.items() <= truth.items()
    assert not (output / ".work").exists() and 2 <= lines_in(output) < VIEWS


def test_what_a_worker_raises_reaches_the_caller_and_what_is_done_stays(cluster, config, tmp_path):
    folder = tmp_path / "cts"
    folder.mkdir()
    data = (config.parent / "a.nii.gz").read_bytes()
    (folder / "a.nii.gz").write_bytes(data)
    (folder / "b.nii.gz").write_bytes(data[: len(data) // 2])
    (folder / "points.csv").write_text("label,r,a,s\ncenter,0,0,0\n")
    (folder / "config.yaml").write_text(CONFIG.replace("views: 8", "views: 2"))
    with pytest.raises(InputError, match=r"^b\.nii\.gz, view [01]: ") as caught:
        generate(
            read_dataset(folder / "config.yaml"),
            tmp_path / "set",
            scheduler=cluster.scheduler_address,
        )
    assert "\n" not in str(caught.value)
    assert lines_in(tmp_path / "set") <= 2 and not (tmp_path / "set" / ".work").exists()


def test_without_a_scheduler_or_after_a_cancel_nothing_is_rendered(config, tmp_path, monkeypatch):
    monkeypatch.setattr("meddl.deepdrr.dataset_run.CONNECT", 0.5)
    with pytest.raises(DeviceError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1"):
        generate(read_dataset(config), tmp_path / "set", scheduler="tcp://127.0.0.1:1")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        generate(read_dataset(config), tmp_path / "set", workers=1, resume=True, cancel=token)
    assert lines_in(tmp_path / "set") == 0
