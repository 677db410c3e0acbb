"""Interactive graph cuts (Boykov and Jolly, ICCV 2001) as a method, in a process of its own.

PyMaxflow is GPL-licensed: it stays in an environment of its own, see ``environments/README.md``.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import numpy as np

WORKER = Path(__file__).with_name("graph_cut_worker.py")


class MaxFlow:
    """The minimal cut between the seeds; see ``graph_cut_worker.py`` for the energy."""

    needs_seeds = True
    uses_previous = False

    def __init__(self, image, spacing, python):
        self._image, self._spacing, self._python = image, spacing, python
        self._worker = None

    def _start(self):
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self._python), str(WORKER)]
        pipe = subprocess.PIPE
        self._worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=variables)
        self._ask((np.ascontiguousarray(self._image), tuple(self._spacing)))

    def __call__(self, seeds, previous=None, progress=None, cancel=None):
        from meddl.deepigeos.geodesic_method import background_of

        if self._worker is None:
            self._start()
        return self._ask(np.where(background_of(seeds), 1, seeds).astype(np.uint8))

    def _ask(self, message):
        pickle.dump(message, self._worker.stdin)
        self._worker.stdin.flush()
        return pickle.load(self._worker.stdout)

    def __del__(self):
        if self._worker is not None:
            self._worker.stdin.close()
            self._worker.wait()


def make_max_flow(python):
    """A maker of the method that runs in the environment of this interpreter."""
    return lambda image, spacing, device="auto": MaxFlow(image, spacing, python)
