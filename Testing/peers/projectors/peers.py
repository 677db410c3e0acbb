"""The projectors of the comparison, each a process of its own that answers lines of JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .volumes import Volume

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """One projector.

    Attributes:
        title: what the tables call it.
        environment: folder of its virtual environment; "" for ours.
        command: worker and its arguments.
        model: how it reads voxels between their centres, see :mod:`truth`.
        rows: it projects every ``rows``-th row where it is too slow for all; its rays do not share
            work, so that the times are multiplied.
    """

    title: str
    environment: str
    command: tuple[str, ...]
    model: str = "trilinear"
    rows: int = 1


PEERS = {
    "numba": Peer("meddl `numba`", "", ("meddl_worker.py", "numba")),
    "rtk": Peer("RTK Joseph", "rtk", ("rtk_worker.py", "joseph"), "centres"),
    "exact-plm": Peer("plastimatch exact", "", ("plastimatch_worker.py", "exact"), "constant"),
    "uniform-plm": Peer("plastimatch uniform", "", ("plastimatch_worker.py", "uniform")),
    "itk": Peer("ITK ray casting", "rtk", ("rtk_worker.py", "raycast"), rows=4),
    "siddon": Peer(
        "DiffDRR Siddon", "diffdrr", ("diffdrr_worker.py", "siddon"), "constant", rows=16
    ),
    "trilinear": Peer("DiffDRR trilinear", "diffdrr", ("diffdrr_worker.py", "trilinear"), rows=16),
}


def available(names: list[str], environments: Path) -> dict[str, Peer]:
    """Those of the peers that are installed; the others are named with what they lack."""
    found = {}
    for name in names:
        peer = PEERS[name]
        if peer.environment and not _python(peer, environments).exists():
            lacking = f"no {_python(peer, environments)}"
        elif "plastimatch" in peer.command[0] and not shutil.which("plastimatch"):
            lacking = "no program plastimatch"
        else:
            found[name] = peer
            continue
        print(f"{peer.title} left out: {lacking}; see environments/README.md", file=sys.stderr)
    return found


def _python(peer: Peer, environments: Path) -> Path:
    return (
        environments / peer.environment / "bin" / "python"
        if peer.environment
        else Path(sys.executable)
    )


@dataclass(eq=False)
class Worker:
    """A running projector; ``version`` is what it says of itself."""

    peer: Peer
    process: subprocess.Popen[str]
    output: Path
    version: str = ""

    def prepare(self, volume: Volume) -> dict[str, float]:
        """CPU and wall seconds of taking the volume over."""
        return self._ask({"volume": str(volume.path), "spacing": volume.spacing})

    def project(self, view: dict[str, Any]) -> tuple[NDArray[np.float32], dict[str, float]]:
        """(H, W), and CPU and wall seconds of the projection alone."""
        seconds = self._ask({"view": view, "output": str(self.output)})
        return np.load(self.output), seconds

    def _ask(self, request: dict[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> dict[str, Any]:
        """The next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.peer.title} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def started(
    peers: dict[str, Peer], environments: Path, folder: Path, threads: int
) -> Iterator[dict[str, Worker]]:
    """All peers at once, each on ``threads`` threads."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "MKL_NUM_THREADS")
    with ExitStack() as stack:
        workers = {}
        for name, peer in peers.items():
            command: Sequence[str] = [
                str(_python(peer, environments)),
                str(HERE / peer.command[0]),
                *peer.command[1:],
            ]
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **dict.fromkeys(names, count)},
                )
            )
            workers[name] = Worker(peer, process, folder / f"{name}.npy")
            workers[name].version = workers[name].read()["version"]
        yield workers
