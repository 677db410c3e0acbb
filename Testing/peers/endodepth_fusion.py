"""Fusion of 100 depth maps of 256 x 320 into 256^3, beside a plain numpy transcription.

    python Testing/peers/endodepth_fusion.py [--repeats 3] [--output DIR]

The scene is a sphere seen from within, whose depth is known in closed form, so that the distance
of the meshes' vertices to it is the error of the fusion. Every method is a process of its own, gets
the same maps and poses, runs once on one map before it is timed (compilation, first touches), and
takes its turn in every round; medians are printed. Time is for integration and extraction; memory
is the growth of the process's peak from before the volume was made.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output

RADIUS, EDGE, SIZE = 10.0, 21.0, 256
VOXEL = EDGE / (SIZE - 1)
TRUNCATION = 4 * VOXEL
HEIGHT, WIDTH = 256, 320
INTRINSICS = np.array([[169.3, 0, 160], [0, 169.3, 128], [0, 0, 1.0]])
METHODS = ("meddl", "numpy")


def make_maps(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth maps (N, H, W) float32 and poses world_from_camera (N, 4, 4)."""
    rng = np.random.default_rng(0)
    row, column = np.indices((HEIGHT, WIDTH)) + 0.5
    pixels = np.stack([column, row, np.ones_like(row)], axis=-1)
    rays = pixels @ np.linalg.inv(INTRINSICS).T
    maps, poses = [], []
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        pose[:3, :3] *= np.linalg.det(pose[:3, :3])
        pose[:3, 3] = rng.uniform(-4, 4, 3)
        along = rays @ pose[:3, :3].T
        a, b = (along**2).sum(axis=-1), along @ pose[:3, 3]
        depth = (-b + np.sqrt(b * b - a * (pose[:3, 3] @ pose[:3, 3] - RADIUS**2))) / a
        maps.append((depth * (1 + noise * rng.normal(size=depth.shape))).astype(np.float32))
        poses.append(pose)
    return np.stack(maps), np.stack(poses)


def fuse_meddl(maps: np.ndarray, poses: np.ndarray) -> np.ndarray:
    from meddl.endodepth.surface import zero_level
    from meddl.endodepth.tsdf import integrate, make_volume

    corner = np.full(3, EDGE / 2)
    volume = make_volume(-corner, corner, VOXEL, TRUNCATION)
    for depth, pose in zip(maps, poses, strict=True):
        integrate(volume, depth, INTRINSICS, pose, reference=RADIUS)
    return zero_level(volume)[0]


def fuse_numpy(maps: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """As in the textbooks: a slab of voxels at once, the nearest pixel, the distance along z."""
    from skimage.measure import marching_cubes

    distance = np.ones((SIZE,) * 3, np.float32)
    weight = np.zeros((SIZE,) * 3, np.float32)
    axis = (np.arange(SIZE) * VOXEL - EDGE / 2).astype(np.float32)
    for depth, pose in zip(maps, poses, strict=True):
        matrix = (INTRINSICS @ np.linalg.inv(pose)[:3]).astype(np.float32)
        for i in range(SIZE):
            grid = np.meshgrid(axis[i : i + 1], axis, axis, indexing="ij")
            points = np.stack(grid, axis=-1)[0]
            u, v, z = np.moveaxis(points @ matrix[:, :3].T + matrix[:, 3], -1, 0)
            front = z > 1e-3
            safe = np.where(front, z, 1)
            column, row = (u / safe).astype(int), (v / safe).astype(int)
            front &= (u >= 0) & (v >= 0) & (column < WIDTH) & (row < HEIGHT)
            seen = depth[np.where(front, row, 0), np.where(front, column, 0)]
            signed = seen - z
            used = front & (signed > -TRUNCATION)
            value = np.minimum(signed / TRUNCATION, 1)
            total = weight[i] + used
            update = distance[i] + np.where(used, (value - distance[i]) / np.maximum(total, 1), 0)
            distance[i], weight[i] = update, total
    vertices, _, _, _ = marching_cubes(distance, 0, mask=weight > 0)
    return vertices * VOXEL - EDGE / 2


def work(method: str, data: Path) -> None:
    """Answer each line of the standard input with a line of figures."""
    with np.load(data) as file:
        maps, poses = file["maps"], file["poses"]
    fuse = {"meddl": fuse_meddl, "numpy": fuse_numpy}[method]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuse(maps[:1], poses[:1])
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        vertices = fuse(maps, poses)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        error = np.abs(np.linalg.norm(vertices, axis=1) - RADIUS) / VOXEL
        figures = {
            "cpu_seconds": cpu,
            "seconds": wall,
            "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
            "mean_error_voxels": float(error.mean()),
            "error_95_voxels": float(np.percentile(error, 95)),
            "vertices": len(vertices),
        }
        print(json.dumps(figures), flush=True)


def start(method: str, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", method, "--data", str(data)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ, **pipes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.0, help="part of the depth")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    add_output(parser)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.data)
        return
    methods = args.methods.split(",")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "maps.npz"
        maps, poses = make_maps(args.frames, args.noise)
        np.savez(data, maps=maps, poses=poses)
        workers = {name: start(name, data) for name in methods}
        for _ in range(args.repeats):
            for name, worker in workers.items():
                worker.stdin.write("go\n")
                worker.stdin.flush()
                results[name].append(json.loads(worker.stdout.readline()))
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()
    table = []
    for name, rounds in results.items():
        row = {key: float(np.median([found[key] for found in rounds])) for key in rounds[0]}
        seconds = f"{row['cpu_seconds']:.2f}"
        errors = (f"{row[key]:.4f}" for key in ("mean_error_voxels", "error_95_voxels"))
        table.append((name, seconds, f"{row['megabytes']:.0f}", *errors, f"{row['vertices']:.0f}"))
    with Report(args.output) as report:
        head = ("method", "CPU s", "MB", "mean error, voxels", "95 % error", "vertices")
        report.table("endodepth_fusion", head, table)
        report.figures = results


if __name__ == "__main__":
    main()
