"""Every training under torchrun, two processes on a CPU (gloo), by the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from library.faults.commands import JOBS, arguments
from library.faults.test_kills import results
from meddl.core.checkpoint import latest_checkpoint

pytestmark = pytest.mark.long
SCRIPT = Path(__file__).with_name("train_and_tell.py")


def two_processes(told: Path, *words: str, stop: bool = False) -> list[str]:
    """Run a command in two processes; returns the digests of the networks that they trained."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | (
        {"MEDDL_TEST_STOP": "1"} if stop else {}
    )
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [*command, str(SCRIPT), str(told), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode == 0) != stop, done.stderr[-3000:]
    return [path.read_text() for path in sorted(told.parent.glob(f"{told.name}-?"))]


@pytest.mark.parametrize("job", [job for job in JOBS if job.endswith("train")])
def test_two_processes_train_one_network_and_resume_it(source, tmp_path, job):
    own = shutil.copytree(source, tmp_path / "in")
    config = Path(arguments(job, own, tmp_path)[2])
    values = yaml.safe_load(config.read_text())
    epochs = "number_epoch" if "number_epoch" in values else "epochs"
    config.write_text(yaml.safe_dump({**values, epochs: 4}))
    digests = two_processes(tmp_path / "told", *arguments(job, own, tmp_path / "whole"))
    assert len(digests) == 2 and digests[0] == digests[1]
    whole = results(job, tmp_path / "whole")
    assert len(whole["rows"]) == 4
    words = arguments(job, own, tmp_path / "parts")
    assert two_processes(tmp_path / "stopped", *words, stop=True) == []
    stopped, complete = (latest_checkpoint(tmp_path / name).name for name in ("parts", "whole"))
    assert stopped < complete
    assert two_processes(tmp_path / "resumed", *words, "--resume") == digests
    assert results(job, tmp_path / "parts") == whole
    assert names(tmp_path / "parts") == names(tmp_path / "whole")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
