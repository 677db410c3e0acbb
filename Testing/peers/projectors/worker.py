"""A projector in a process of its own, asked by lines of JSON. Needs numpy and nothing else.

    {"volume": FILE.npy, "spacing": [x, y, z]}   prepare
    {"view": {...}, "output": FILE.npy}          project

Both are answered by the CPU and wall seconds of the work alone, without files.

All peers get the same rays. Voxel (i, j, k) lies at spacing x (i, j, k) mm; a view has the position
of the source, of the first pixel, the steps from column to column and from row to row (mm), and
size (W, H).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, Protocol

import numpy as np


class Projector(Protocol):
    """What a peer's worker brings."""

    version: str  # name and number of the package

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        """Take a volume (K, J, I) float32; spacing of i, j, k in mm."""

    def project(self, view: dict[str, Any]) -> np.ndarray:
        """(H, W) line integrals, value x mm."""


def cpu_seconds() -> float:
    """Processor time of this process and of those it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def serve(projector: Projector) -> None:
    """Answer the lines of standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    print(json.dumps({"version": projector.version}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        picture = None
        if "volume" in request:
            values = np.load(request["volume"])
            cpu, wall = cpu_seconds(), time.perf_counter()
            projector.prepare(values, request["spacing"])
        else:
            cpu, wall = cpu_seconds(), time.perf_counter()
            picture = projector.project(request["view"])
        answer = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}
        if picture is not None:
            answer.update(getattr(projector, "own_seconds", {}))
            np.save(request["output"], np.asarray(picture, np.float32))
        print(json.dumps(answer), file=answers, flush=True)
