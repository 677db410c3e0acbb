"""Geodesic distances beside GeodisTK, FastGeodis and exact Dijkstra: seconds, errors, memory.

    OMP_NUM_THREADS=1 python Testing/peers/geodesic_speed.py --output geodesics.md

All get the same image, spacing and seeds, and take turns. The environments of the peers are those
of Testing/peers/geodesics/environments/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import zoom

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "SlicerMedDL")]
from library.geodesic.references import exact_distance  # noqa: E402
from meddl.core import read_image  # noqa: E402
from meddl.geodesic import geodesic_distance  # noqa: E402

SIZES = ((128, 128, 128), (128, 256, 256), (200, 512, 512))  # (K, J, I)
STROKES, STROKE_VOXELS = 20, 60
# Peer, method, cost that it minimises, lambda. The first of each cost is the truth of the others.
RUNS = (
    ("meddl", "exact:fastgeodis", "fastgeodis", 0.5),
    ("meddl", "sweeps2:fastgeodis", "fastgeodis", 0.5),
    ("fastgeodis", "2", "fastgeodis", 0.5),
    ("meddl", "exact:fastgeodis", "fastgeodis", 1.0),
    ("meddl", "sweeps2:fastgeodis", "fastgeodis", 1.0),
    ("fastgeodis", "2", "fastgeodis", 1.0),
    ("fastgeodis", "4", "fastgeodis", 1.0),
    ("meddl", "exact:geodistk", "geodistk", 1.0),
    ("geodistk", "2", "geodistk", 1.0),
    ("geodistk", "4", "geodistk", 1.0),
    ("meddl", "exact:product", "product", 1.0),
    ("geodistk", "marching", "product", 1.0),
)


class Worker:
    """A peer's process."""

    def __init__(self, peer: str, environments: Path, threads: int) -> None:
        python = sys.executable if peer == "meddl" else environments / peer / "bin" / "python"
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(threads))
        environment["PYTHONPATH"] = str(ROOT / "SlicerMedDL") if peer == "meddl" else ""
        self.process = subprocess.Popen(
            [str(python), str(HERE / "geodesics" / "worker.py"), peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker ended at {request}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def make_volume(path: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, list[float]]:
    """A real image, resampled linearly so that it fills a grid; values and spacing (k, j, i)."""
    image = read_image(path)
    values = image.array.astype(np.float32)
    factors = np.divide(shape, values.shape)
    resampled = zoom(values, factors, order=1, grid_mode=True, mode="nearest")
    return np.ascontiguousarray(resampled), (image.spacing[::-1] / factors).tolist()


def draw_strokes(shape: tuple[int, int, int], count: int) -> np.ndarray:
    """(count, STROKE_VOXELS, 3) indices; straight lines along i in the middle half of the grid."""
    rng = np.random.default_rng(7)
    size = np.array(shape)
    starts = rng.integers(size // 4, 3 * size // 4 - [0, 0, STROKE_VOXELS // 2], (count, 3))
    starts[:, 2] = np.minimum(starts[:, 2], size[2] - STROKE_VOXELS)
    lines = np.repeat(starts[:, None], STROKE_VOXELS, axis=1)
    lines[:, :, 2] += np.arange(STROKE_VOXELS)
    return lines


def errors(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of the voxels that are no seeds: mean and largest relative error, part within the bar."""
    away = truth > 0
    error = abs(found[away] - truth[away])
    within = error <= 0.005 * truth[away] + 1e-4 * truth.max()
    relative = error / truth[away]
    return {
        "mean": float(relative.mean(dtype=np.float64)),
        "largest": float(relative.max()),
        "within": float(within.mean()),
    }


def dijkstra_error(image: np.ndarray, spacing: list[float], seeds: np.ndarray) -> str:
    """Our maps of every cost against scipy's Dijkstra, on a part of at most 64 voxels a side."""

    part = tuple(slice(max(0, c - 32), c + 32) for c in np.argwhere(seeds)[0])
    lines = []
    for cost, weight in (
        ("product", 1.0),
        ("geodistk", 1.0),
        ("fastgeodis", 0.5),
        ("fastgeodis", 1.0),
    ):
        truth = exact_distance(image[part], seeds[part], spacing, cost, weight)
        found = geodesic_distance(image[part], seeds[part], spacing, cost=cost, lambda_=weight)
        lines.append(f"{cost}, lambda {weight:g}: {(abs(found - truth) / truth.max()).max():.1e}")
    return "; ".join(lines)


def measure(shape: tuple[int, int, int], args: argparse.Namespace, threads: int) -> dict[str, Any]:
    """All runs and strokes on one grid: medians of seconds, errors, peak memory."""
    repeat = args.repeat
    with tempfile.TemporaryDirectory(dir=args.scratch) as name:
        folder = Path(name)
        image, spacing = make_volume(args.image, shape)
        lines = draw_strokes(shape, STROKES + 2)
        seeds = np.zeros(shape, np.uint8)
        seeds[tuple(lines[0].T)] = 1
        for array, file in ((image, "image"), (seeds, "seeds"), (lines, "strokes")):
            np.save(folder / f"{file}.npy", array)
        workers = {
            peer: Worker(peer, args.environments, threads)
            for peer in ("meddl", "fastgeodis", "geodistk")
            if peer not in args.without
        }
        result: dict[str, Any] = {"runs": [], "shape": shape, "threads": threads}
        if threads == 1 and shape == SIZES[0]:
            result["dijkstra"] = dijkstra_error(image, spacing, seeds)
        for worker in workers.values():
            worker.ask(image=str(folder / "image.npy"), spacing=spacing)
        runs = [run for run in RUNS if run[0] in workers]
        if not args.marching:
            runs = [run for run in runs if run[1] != "marching"]
        answers: dict[Any, list[dict[str, Any]]] = {run: [] for run in runs}
        for number in range(repeat + 1):  # the first compiles and warms up, and gives the maps
            for place, run in enumerate(runs):
                peer, method, _, weight = run
                once = method == "marching" or (args.bars and peer != "meddl" and method != "2")
                if number > 0 and once:
                    continue
                request = {"method": method, "lambda": weight, "seeds": str(folder / "seeds.npy")}
                if number == 0:
                    request["output"] = str(folder / f"{place}.npy")
                answer = workers[peer].ask(**request)
                if number > 0 or once:
                    answers[run].append(answer)
                print(shape, threads, run, answer, file=sys.stderr, flush=True)
        truths: dict[Any, np.ndarray] = {}
        for place, run in enumerate(runs):
            found = np.load(folder / f"{place}.npy")
            truth = truths.setdefault(run[2:], found)
            row = {key: float(np.median([a[key] for a in answers[run]])) for key in answers[run][0]}
            result["runs"].append(
                {"run": run, "count": len(answers[run]), **row, **errors(found, truth)}
            )
        labels = [1 + n % 2 for n in range(STROKES + 2)]
        result["strokes"] = [
            {
                "method": method,
                "lambda": weight,
                "seconds": [
                    answer["cpu"]
                    for answer in workers["meddl"].ask(
                        method=f"{method}:fastgeodis",
                        strokes=str(folder / "strokes.npy"),
                        labels=labels,
                        **{"lambda": weight},
                    )["strokes"]
                ],
            }
            for weight in (0.5, 1.0)
            for method in ("distance", "nearest")
        ]
        for worker in workers.values():
            worker.close()
    return result


TITLES = {"meddl": "meddl", "fastgeodis": "FastGeodis", "geodistk": "GeodisTK"}


def tables(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    out = [
        "| voxels | threads | cost, lambda | program | CPU s | wall s | mean error | largest error "
        "| within the bar | peak memory / volume |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        size = "x".join(map(str, result["shape"][::-1]))
        volume = 4 * np.prod(result["shape"])
        for row in result["runs"]:
            peer, method, cost, weight = row["run"]
            out.append(
                f"| {size} | {result['threads']} | {cost}, {weight:g} | {TITLES[peer]} "
                f"{method.partition(':')[0]} | {row['cpu']:.3g} | {row['wall']:.3g} | "
                f"{row['mean']:.1%} | {row['largest']:.1%} | {row['within']:.1%} | "
                f"{row['peak'] / volume:.1f} |"
            )
    out += ["", "| voxels | threads | stroke, lambda | median CPU s | FastGeodis 2 / it |"]
    out += ["|---|---|---|---|---|"]
    for result in results:
        size = "x".join(map(str, result["shape"][::-1]))
        for row in result["strokes"]:
            median = float(np.median(row["seconds"]))
            peer = [
                r["cpu"]
                for r in result["runs"]
                if tuple(r["run"]) == ("fastgeodis", "2", "fastgeodis", row["lambda"])
            ]
            ratio = f"{peer[0] / median:.1f}" if peer else "-"
            out.append(
                f"| {size} | {result['threads']} | {row['method']}, {row['lambda']:g} | "
                f"{median:.3g} | {ratio} |"
            )
    out += [f"\nAgainst Dijkstra: {r['dijkstra']}" for r in results if "dijkstra" in r]
    return "\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default=str(ROOT / "Testing/data/abdomen_pelvis_ct.nii.gz"))
    parser.add_argument("--environments", type=Path, default=ROOT / ".cache" / "peers")
    parser.add_argument("--sizes", default="0,1,2", help="which of the three grids")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--bars", action="store_true", help="what is no bar runs once, cold")
    parser.add_argument("--marching", action="store_true", help="GeodisTK's too, once: minutes")
    parser.add_argument("--without", nargs="*", default=[], choices=["fastgeodis", "geodistk"])
    parser.add_argument("--scratch", help="folder for temporary files")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.md")
    args = parser.parse_args()
    results = []
    for size in map(int, args.sizes.split(",")):
        for threads in map(int, args.threads.split(",")):
            results.append(measure(SIZES[size], args, threads))
            args.output.write_text(tables(results))
            args.output.with_suffix(".json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
