"""The torch projector beside the exact one: error and time by step, and the cost of a gradient.

OMP_NUM_THREADS=1 python Testing/peers/torch_projector.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from reproduction.report import Report, add_output

from meddl.core import Image, read_image
from meddl.deepdrr import CArm, correct_values, density
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.materials import decompose
from meddl.deepdrr.pose_gradient import project_pose
from meddl.deepdrr.projector import line_integrals, occupied_box
from meddl.deepdrr.projector_torch import camera_rays, project, upload

DATA = Path(__file__).parents[1] / "data"
VIEW = CArm(30, 15, detector_size=(256, 256), pixel_spacing=1.2)
REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    """Median of five after one that warms up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def accuracy(name: str, ct: Image) -> Iterator[tuple[object, ...]]:
    """Rows of the table of steps: relative L2 error of soft tissue and of bone."""
    parts = decompose(ct)
    grid = DensityGrid(parts.density, parts.label, (0, 1, 2), ct.ijk_from_ras)
    camera = VIEW.camera(ct.center)
    rays = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    exact = line_integrals(grid, camera.source, rays, camera.size)
    matrices = (torch.from_numpy(m) for m in (ct.ijk_from_ras, camera.source[None], rays[None]))
    arguments = (upload(grid.stacked(), "cpu"), *matrices, camera.size)
    for step in (0.5, 1.0, 2.0):
        with torch.no_grad():
            found = project(*arguments, step=step)[0].numpy()
        wanted = exact[..., 1:]  # soft tissue, bone
        errors = np.linalg.norm(found[..., 1:] - wanted, axis=(0, 1))
        errors /= np.linalg.norm(wanted, axis=(0, 1))
        yield name, step, *(f"{100 * error:.3f} %" for error in errors)


def gradient_times(ct: Image) -> Iterator[tuple[str, ...]]:
    """Rows of the table of times: one picture and its pose gradient."""
    volume = density(ct.array)
    box = occupied_box(volume)
    grid = DensityGrid(volume, None, (0,), ct.ijk_from_ras)
    tensor, matrix = torch.from_numpy(volume)[None], torch.from_numpy(ct.ijk_from_ras)
    for side in (64, 128, 256):
        carm = CArm(30, 15, detector_size=(side, side), pixel_spacing=307.2 / side)
        camera = carm.camera(ct.center)
        K = torch.from_numpy(camera.K)

        def compiled(camera=camera, K=K) -> None:
            pose = torch.from_numpy(camera.camera_from_world).requires_grad_()
            rays = camera_rays(K, pose)
            project_pose(volume, ct.ijk_from_ras, *rays, camera.size, box, 2.0).sum().backward()

        def by_torch(camera=camera, K=K) -> None:
            pose = torch.from_numpy(camera.camera_from_world).requires_grad_()
            source, rays = camera_rays(K, pose)
            picture = project(
                tensor, matrix, source[None], rays[None], camera.size, box=box, step=2.0
            )
            picture.sum().backward()

        def exact(camera=camera) -> None:
            rays = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
            line_integrals(grid, camera.source, rays, camera.size, box)

        ours, theirs, plain = (1000 * seconds(work) for work in (compiled, by_torch, exact))
        yield f"{side} x {side}", f"{ours:.0f}", f"{theirs:.0f}", f"{7 * plain:.0f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    abdomen = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    pelvis = correct_values(read_image(DATA / "ct244_bone.nrrd"), below=(1, -1000))
    with Report(args.output) as report:
        rows = chain(accuracy("abdomen, 3 mm", abdomen), accuracy("pelvis, 1.5 mm", pelvis))
        head = ("CT", "step (voxels)", "error, soft tissue", "error, bone")
        report.table("torch_projector/steps", head, rows)
        head = ("picture", "compiled (ms)", "torch (ms)", "finite differences (ms)")
        report.table("torch_projector/gradients", head, gradient_times(abdomen))


if __name__ == "__main__":
    main()
