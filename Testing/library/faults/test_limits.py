"""Full disks, read-only folders, little memory, a second run: one line, code 2, nothing left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from library.faults.commands import JOBS, arguments
from meddl.core import Image, write_image
from meddl.core.files import claimed_folder
from meddl.core.optional import is_installed

if not (is_installed("torch") and is_installed("lightning_fabric")):
    pytest.skip("training needs torch and lightning-fabric", allow_module_level=True)


# Importing what training needs takes 20 s of a busy machine; core/test_training.py has short forms.
TRAININGS = [job for job in JOBS if job.endswith("train")]
LONG = [pytest.param(job, marks=pytest.mark.long) for job in TRAININGS]


def refused(answer: dict) -> str:
    """The line that a refused command prints."""
    if answer["code"] is None:
        pytest.skip(answer["err"])
    lines = answer["err"].splitlines()
    assert answer["code"] == 2, answer
    assert [line for line in lines if line.startswith("meddl: error: ")] == lines[-1:]
    assert "unexpected" not in lines[-1] and len(lines[-1]) < 600
    return lines[-1]


def results_in(answer: dict) -> list[str]:
    return [name for name in answer["left"] if Path(name).suffix in (".avi", ".safetensors")]


@pytest.mark.parametrize("job", ["desmoke synthesize", "desmoke video"])
def test_a_full_disk(server, source, tmp_path, job):
    """A file system of 8 kB, in memory."""
    answer = server(*arguments(job, source, tmp_path), folder=tmp_path, mount="size=8k")
    assert re.search("No space left|disk is full", refused(answer))
    assert results_in(answer) == [] and not any(".part-" in name for name in answer["left"])


@pytest.mark.long
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("size", [8, 16, 40, 100])
def test_a_full_disk_whenever_it_is_full(server, source, tmp_path, job, size):
    answer = server(*arguments(job, source, tmp_path), folder=tmp_path, mount=f"size={size}k")
    if answer["code"] != 0:
        refused(answer)
        assert not any(".part-" in name for name in answer["left"])


@pytest.mark.parametrize("job", ["desmoke synthesize", "desmoke video"])
def test_files_that_may_not_grow(server, source, tmp_path, job):
    """RLIMIT_FSIZE: a quota, as it were."""
    answer = server(*arguments(job, source, tmp_path), folder=tmp_path, file_bytes=1000)
    assert re.search("File too large|may not grow", refused(answer))
    assert results_in(answer) == []


@pytest.mark.parametrize("job", ["desmoke synthesize", "desmoke image"])
def test_a_read_only_folder(server, source, tmp_path, job):
    answer = server(*arguments(job, source, tmp_path), folder=tmp_path, mount="ro")
    assert re.search("Read-only|not writable", refused(answer)) and answer["left"] == []


@pytest.mark.long
@pytest.mark.parametrize("job", JOBS)
def test_every_job_in_a_read_only_folder(server, source, tmp_path, job):
    answer = server(*arguments(job, source, tmp_path), folder=tmp_path, mount="ro")
    refused(answer)
    assert answer["left"] == []


@pytest.mark.parametrize("megabytes", [20, 410, 450])  # the estimate is 400
def test_too_little_memory(server, tmp_path, megabytes):
    picture = np.zeros((1, 2400, 3200, 3), np.uint8)
    picture[:, ::7] = 200
    write_image(tmp_path / "large.png", Image(picture))
    answer = server(
        *("desmoke", "image", tmp_path / "large.png", "--output", tmp_path / "out.png"),
        *("--method", "classical", "--quiet"),
        folder=tmp_path,
        memory_bytes=megabytes * 2**20,
    )
    if megabytes < 400 or answer["code"] != 0:
        assert re.search("not enough memory|[kM]B free", refused(answer))
        assert not (tmp_path / "out.png").exists()


def little_memory(server, source: Path, folder: Path, job: str, megabytes: int) -> bool:
    """Whether a job did its work with ``megabytes`` beyond what it has loaded."""
    words = arguments(job, source, folder)
    answer = server(*words, folder=folder, memory_bytes=megabytes * 2**20)
    if answer["code"] == 0:
        return True
    assert re.search("not enough memory|[kM]B free", refused(answer))
    assert not any(".part-" in name for name in answer["left"])
    return False


@pytest.mark.parametrize("job", ["drr render", "drr dataset", "desmoke prepare"])
def test_hardly_any_memory(server, source, tmp_path, job):
    """The first ended by LLVM's abort, the second by none: Dask hung. The third by the loader's."""
    assert not little_memory(server, source, tmp_path, job, 2)


@pytest.mark.long
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("megabytes", [2, 10, 40, 80, 120, 200, 300])
def test_little_memory_for_every_job(server, source, tmp_path, job, megabytes):
    little_memory(server, source, tmp_path, job, megabytes)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
@pytest.mark.parametrize("kilobytes", [300_000, 600_000])
@pytest.mark.parametrize("job", ["drr render", "desmoke image", "deepigeos train"])
def test_a_limit_that_libraries_meet_when_they_are_loaded(source, tmp_path, job, kilobytes):
    """As a batch system sets it (``ulimit -v``). No package is missing, so none is to be got."""
    command = [sys.executable, "-m", "meddl", *arguments(job, source, tmp_path)]
    done = subprocess.run(
        ["bash", "-c", f'ulimit -v {kilobytes}; exec "$@"', "bash", *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    line = done.stderr.strip()
    assert done.returncode == 2 and line.startswith("meddl: error: ") and "\n" not in line, line
    assert re.search("not enough memory|[kM]B free", line) and "pip install" not in line


@pytest.mark.parametrize("job", ["desmoke synthesize", *LONG])
def test_a_second_run_in_a_folder(server, source, tmp_path, job):
    with claimed_folder(tmp_path):
        answer = server(*arguments(job, source, tmp_path), folder=tmp_path)
        assert f"another run is at work in {tmp_path}" in refused(answer)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])  # of decoded pictures


def test_names_that_begin_with_a_dash(server, source, tmp_path):
    picture = (source / "frames/p0.png").read_bytes()
    (tmp_path / "-p.png").write_bytes(picture)
    options = ["--method", "classical", "--quiet", "--output=-out.png", "--", "-p.png"]
    answer = server("desmoke", "image", *options, folder=tmp_path, cwd=str(tmp_path))
    assert answer["code"] == 0, answer["err"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["-out.png", "-p.png"]
