"""Interactive graph cuts (Boykov and Jolly, ICCV 2001) as a method, in a process of its own.

PyMaxflow is GPL-licensed: it stays in an environment of its own, see ``environments/README.md``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from meddl.deepigeos.random_walker import MOST_VOXELS
from meddl.deepigeos.zoom import enlarge, reduce_image, reduce_seeds, reduction

WORKER = Path(__file__).with_name("graph_cut_worker.py")


class MaxFlow:
    """The minimal cut between the seeds; see ``graph_cut_worker.py`` for the energy."""

    needs_seeds = True
    uses_previous = False

    def __init__(self, image, spacing, python):
        self._python = python
        self._factors = reduction(image.shape[:3], spacing, MOST_VOXELS)
        self._image = reduce_image(image, self._factors)
        self._spacing = np.multiply(spacing, self._factors).tolist()
        self._worker = None

    def _start(self):
        self._folder = TemporaryDirectory()
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self._python), str(WORKER)]
        pipe = subprocess.PIPE
        self._worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=variables, text=True)
        self._ask("image", self._image, spacing=self._spacing)

    def __call__(self, seeds, previous=None, progress=None, cancel=None):
        from meddl.deepigeos.geodesic_method import background_of

        if self._worker is None:
            self._start()
        result = Path(self._folder.name) / "result.npy"
        marks = reduce_seeds(seeds, self._factors)
        marks = np.where(background_of(marks), 1, marks).astype(np.uint8)
        self._ask("seeds", marks, output=str(result))
        return enlarge(np.load(result), self._factors, seeds.shape)

    def _ask(self, name, array, **request):
        path = Path(self._folder.name) / f"{name}.npy"
        np.save(path, array)
        self._worker.stdin.write(json.dumps({name: str(path), **request}) + "\n")
        self._worker.stdin.flush()
        if not self._worker.stdout.readline():
            raise SystemExit(f"the graph cuts' worker ended at its {name}")

    def __del__(self):
        if self._worker is not None:
            self._worker.stdin.close()
            self._worker.wait()
            self._folder.cleanup()


def make_max_flow(python):
    """A maker of the method that runs in the environment of this interpreter."""
    return lambda image, spacing, device="auto": MaxFlow(image, spacing, python)
