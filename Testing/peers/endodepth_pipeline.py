"""From video alone to a surface, judged against the exact depth and surface of a rendered scene.

    python Testing/peers/endodepth_pipeline.py WORK_DIR --scene sinus --seed 5

Renders a sequence, makes a video of its frames, and runs `meddl endodepth frames`, `sfm`, `train`,
`predict` and `fuse` on that video. The result is compared with the truth after one similarity for
the whole sequence, fitted to the points of all frames. Steps whose output exists are not repeated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from reproduction.report import Report, add_output
from scipy.spatial import cKDTree

from meddl.core.depth_maps import read_depth_folder
from meddl.core.geometry import apply
from meddl.core.mesh import read_mesh
from meddl.core.metrics import depth_metrics
from meddl.core.pinhole import backproject, cropped, resized
from meddl.core.video import read_frames, write_frames
from meddl.endodepth.alignment import scale_of, umeyama
from meddl.endodepth.sequence import EndoscopicSequence, read_sequence

RATE = 25.0
PIXELS_PER_FRAME = 500  # that the similarity is fitted to
SURFACE_POINTS = 400_000


def command(output: Path, *arguments: str) -> dict[str, float]:
    """Run ``meddl endodepth ARGUMENTS`` unless its output exists; wall and CPU seconds."""
    if output.exists():
        return {}
    print("meddl endodepth", *arguments, flush=True)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "meddl", "endodepth", *arguments, "--quiet"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - start, 1), "cpu_seconds": round(cpu, 1)}


def pairs(sequence: EndoscopicSequence, depth: Path, truth: EndoscopicSequence) -> list[tuple]:
    """Per view: predicted depths, true depths, points in both worlds, where both are known."""
    folder, exact = read_depth_folder(depth), read_depth_folder(truth.folder / "depth")
    camera = folder.camera
    assert camera is not None and camera.rows is not None and camera.columns is not None
    factor, rows, columns = camera.downsampling, camera.rows, camera.columns
    found = []
    for view, number in enumerate(sequence.view_numbers):
        name = sequence.file_of(number).stem
        if name not in folder.names:
            continue
        depth_map = folder.depth(name)
        true = exact.depth(truth.file_of(number).stem)
        # True depth at the centres of the predicted pixels, the nearest pixel of the full frame.
        y = ((np.arange(rows[0], rows[1]) + 0.5) * factor).astype(int)
        x = ((np.arange(columns[0], columns[1]) + 0.5) * factor).astype(int)
        inside = np.zeros(depth_map.shape, bool)
        inside[np.ix_(y < true.shape[0], x < true.shape[1])] = True
        there = np.zeros_like(depth_map)
        there[inside] = true[np.ix_(y[y < true.shape[0]], x[x < true.shape[1]])].ravel()
        seen = (depth_map > 0) & (there > 0)
        intrinsics = cropped(resized(truth.intrinsics, 1 / factor), rows[0], columns[0])
        points = apply(sequence.world_from_camera[view], backproject(depth_map, camera.intrinsics))
        at = int(np.searchsorted(truth.view_numbers, number))
        true_points = apply(truth.world_from_camera[at], backproject(there, intrinsics))
        found.append((depth_map[seen], there[seen], points[seen], true_points[seen]))
    return found


def median_distance(points: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    return round(float(np.median(np.linalg.norm(points - others, axis=1))), 3)


def judge(
    result: Path, sequence: EndoscopicSequence, truth: EndoscopicSequence
) -> dict[str, float]:
    """Figures after one similarity; of the cameras also after one of their own."""
    views = pairs(sequence, result / "depth", truth)
    rng = np.random.default_rng(0)
    chosen = [rng.integers(len(view[0]), size=PIXELS_PER_FRAME) for view in views]
    truth_from_world = umeyama(
        np.concatenate([view[2][some] for view, some in zip(views, chosen, strict=True)]),
        np.concatenate([view[3][some] for view, some in zip(views, chosen, strict=True)]),
    )
    scale = float(np.mean(scale_of(truth_from_world)))
    predicted = np.concatenate([view[0] for view in views]) * scale
    true = np.concatenate([view[1] for view in views])
    figures = depth_metrics(predicted, true)
    low, high = np.percentile(true, [0.5, 99.5])
    mesh = read_mesh(result / "surface.ply")
    exact = read_mesh(truth.folder / "surface.ply")
    samples, _ = trimesh.sample.sample_surface(
        trimesh.Trimesh(exact.vertices, exact.faces, process=False), SURFACE_POINTS, seed=0
    )
    distances, _ = cKDTree(samples).query(apply(truth_from_world, mesh.vertices))
    centres = sequence.world_from_camera[:, :3, 3]
    by_depths = apply(truth_from_world, centres)
    true_centres = truth.world_from_camera[
        np.searchsorted(truth.view_numbers, sequence.view_numbers), :3, 3
    ]
    by_cameras = apply(umeyama(centres, true_centres), centres)
    return {
        "views": len(views),
        "abs_rel": round(figures["abs_rel"], 4),
        "delta1": round(figures["delta1"], 4),
        "depth_range_mm": round(float(high - low), 2),
        "mesh_error_mean_percent": round(100 * float(distances.mean() / (high - low)), 3),
        "mesh_error_median_percent": round(100 * float(np.median(distances) / (high - low)), 3),
        "mesh_error_95_percent": round(100 * float(np.percentile(distances, 95) / (high - low)), 3),
        "camera_error_median_mm": median_distance(by_depths, true_centres),
        "camera_error_own_median_mm": median_distance(by_cameras, true_centres),
        "vertices": len(mesh.vertices),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--scene", default="sinus")
    parser.add_argument("--frames", default="60")
    parser.add_argument("--seed", default="5")
    parser.add_argument("--step", default="0.25", help="way of the camera from frame to frame, mm")
    parser.add_argument("--weights", default="endodepth-light")
    parser.add_argument(
        "--adapt", action="store_true", help="adapt the weights to the sequence; OPTIONS of train"
    )
    add_output(parser)
    args, train_options = parser.parse_known_args()
    work: Path = args.work
    work.mkdir(parents=True, exist_ok=True)
    truth_dir, video, frames = work / "truth", work / "video.mp4", work / "sequence"
    times = {}
    scene = [
        "--scene",
        args.scene,
        "--frames",
        args.frames,
        "--seed",
        args.seed,
        "--step",
        args.step,
    ]
    times["render"] = command(truth_dir, "render", *scene, "--output", str(truth_dir))
    truth = read_sequence(truth_dir)
    if not video.exists():
        write_frames(video, (truth.frame(n) for n in truth.frame_numbers), RATE)
    assert sum(1 for _ in read_frames(video)) == len(truth.frame_numbers)
    times["frames"] = command(frames, "frames", str(video), "--output", str(frames))
    times["sfm"] = command(frames / "motion.yaml", "sfm", str(frames))
    result, weights = work / ("adapted" if args.adapt else "shipped"), args.weights
    result.mkdir(exist_ok=True)
    if args.adapt:
        run = result / "training"
        options = ["--sequence", str(frames), "--weights", weights, "--output", str(run)]
        options += train_options
        times["train"] = command(run / "best", "train", *options)
        weights = str(next((run / "best").glob("*.safetensors")))
    depth, mesh = result / "depth", result / "surface.ply"
    predict = ["predict", str(frames), "--output", str(depth), "--weights", weights]
    times["predict"] = command(depth, *predict)
    times["fuse"] = command(mesh, "fuse", str(frames), "--depth", str(depth), "--output", str(mesh))
    report = {**judge(result, read_sequence(frames), truth), "times": times}
    (result / "pipeline.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))
    with Report(args.output) as page:
        error = " / ".join(
            f"{report[f'mesh_error_{which}_percent']:.1f}" for which in ("mean", "median", "95")
        )
        row = (
            f"`{args.weights}`{', adapted' if args.adapt else ''}",
            f"{report['abs_rel']:.3f}",
            f"{report['delta1']:.3f}",
            f"{error} %",
            f"{report['camera_error_median_mm']:.2f} mm",
            f"{report['camera_error_own_median_mm']:.2f} mm",
        )
        head = (
            "weights",
            "AbsRel",
            "delta < 1.25",
            "mesh, mean / median / 95 % of the depth range",
        )
        head = (*head, "cameras, median", "by their own similarity")
        page.table("endodepth_pipeline", head, [row])
        page.figures = report


if __name__ == "__main__":
    main()
