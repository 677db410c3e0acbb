"""DiffDRR's two renderers (packages diffdrr, torch), without gradients."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torchio
from diffdrr.drr import DRR
from worker import serve

RAYS = 4096  # at a time: the intermediate results of 512 x 512 rays would take 10 GB


class DiffDRR:
    """``DRR.render`` with the volume's own frame as its world."""

    version = f"diffdrr {version('diffdrr')}, torch {torch.__version__}"

    def __init__(self, renderer: str) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.renderer = renderer

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        affine = np.diag([*spacing, 1.0])
        tensor = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 1, 0)))[None]
        image = torchio.ScalarImage(tensor=tensor, affine=affine)
        subject = torchio.Subject(volume=image, density=image, reorient=torch.eye(4), mask=None)
        self.drr = DRR(subject, sdd=1000, height=8, delx=1, renderer=self.renderer)
        self.options = {"n_points": 2 * max(values.shape)} if self.renderer == "trilinear" else {}

    @torch.no_grad()
    def project(self, view: dict[str, Any]) -> np.ndarray:
        w, h = view["size"]
        source = torch.tensor(view["source"], dtype=torch.float32)[None, None]
        first, column, row = (
            torch.tensor(view[name], dtype=torch.float32)
            for name in ("first", "per_column", "per_row")
        )
        v, u = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        target = (first + u[..., None] * column + v[..., None] * row).reshape(1, -1, 3)
        parts = [
            self.drr.render(self.drr.density, source, part, **self.options).reshape(-1)
            for part in target.split(RAYS, dim=1)
        ]
        return torch.cat(parts).reshape(h, w).numpy()


if __name__ == "__main__":
    serve(DiffDRR(sys.argv[1]))
