"""This library's projectors, by the name of the backend."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from worker import serve

import meddl
from meddl.core import Image
from meddl.core.geometry import compose
from meddl.deepdrr import Camera, RenderParameters
from meddl.deepdrr.prepared import prepare
from meddl.deepdrr.radiograph import render_prepared


class Meddl:
    """``prepare`` and ``render_prepared`` of the voxel values, or of the paths of materials.

    Args:
        backend: its name.
        materials: what the values, HU + 1000, are cut into; of several the view says which
            (``"of"``). In one process they can be compared: processes differ by a fifth.
    """

    version = f"meddl {meddl.__version__}"

    def __init__(self, backend: str, *materials: str) -> None:
        self.parameters = [
            RenderParameters(quantity="path", backend=backend, materials=name, hu_offset=-1000.0)
            for name in materials
        ] or [RenderParameters(quantity="integral", backend=backend)]

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        ct = Image(values, compose(spacing))
        self.prepared = [prepare(ct, parameters) for parameters in self.parameters]

    def project(self, view: dict[str, Any]) -> np.ndarray:
        camera, which = Camera.from_dict(view["camera"]), view.get("of", 0)
        return render_prepared(self.prepared[which], camera, self.parameters[which]).array[0]


if __name__ == "__main__":
    serve(Meddl(*sys.argv[1:]))
