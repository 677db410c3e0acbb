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
from meddl.deepdrr.radiograph import prepare, render_prepared


class Meddl:
    """``prepare`` and ``render_prepared`` of the voxel values, or of the paths of materials."""

    version = f"meddl {meddl.__version__}"

    def __init__(self, backend: str, materials: str | None = None) -> None:
        if materials is None:
            self.parameters = RenderParameters(quantity="integral", backend=backend)
        else:  # the values are HU + 1000
            self.parameters = RenderParameters(
                quantity="path", backend=backend, materials=materials, hu_offset=-1000.0
            )

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        self.prepared = prepare(Image(values, compose(spacing)), self.parameters)

    def project(self, view: dict[str, Any]) -> np.ndarray:
        camera = Camera.from_dict(view["camera"])
        return render_prepared(self.prepared, camera, self.parameters).array[0]


if __name__ == "__main__":
    serve(Meddl(*sys.argv[1:]))
