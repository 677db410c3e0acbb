"""Geodesic distances beside GeodisTK, FastGeodis and exact Dijkstra: seconds, errors, memory.

    OMP_NUM_THREADS=1 python Testing/peers/geodesic_speed.py --output DIR

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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import zoom

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "SlicerMedDL")]
from reproduction.report import Report, add_output  # noqa: E402

from library.geodesic.references import image_graph, shortest_paths  # noqa: E402
from meddl.core import read_image  # noqa: E402
from meddl.geodesic import geodesic_distance  # noqa: E402

SIZES = ((128, 128, 128), (128, 256, 256), (200, 512, 512))  # (K, J, I)
QUICK = (64, 64, 64)
STROKES, STROKE_VOXELS = 20, 60
LARGEST_GRAPH = 2**23  # voxels for Dijkstra; the graph of 512x512x200 takes more than 24 GB
# Peer, method, cost that it minimises, lambda. The first of each cost is the truth of the others.
RUNS = (
    ("meddl", "exact:fastgeodis", "fastgeodis", 0.5),
    ("meddl", "sweeps2:fastgeodis", "fastgeodis", 0.5),
    ("fastgeodis", "2", "fastgeodis", 0.5),
    ("fastgeodis", "4", "fastgeodis", 0.5),
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


def beside_dijkstra(
    image: np.ndarray, spacing: list[float], seeds: np.ndarray
) -> list[tuple[str, ...]]:
    """Our maps of every cost against scipy's Dijkstra, whose graph is made beforehand: largest
    error over the largest distance, CPU seconds of both."""
    lines = []
    for cost, weight in (
        ("product", 1.0),
        ("geodistk", 1.0),
        ("fastgeodis", 0.5),
        ("fastgeodis", 1.0),
    ):
        graph = image_graph(image, spacing, cost, weight)
        geodesic_distance(image[:8], seeds[:8] | 1, spacing, cost=cost, lambda_=weight)  # compiles
        began = time.thread_time()
        truth = shortest_paths(graph, seeds)
        middle = time.thread_time()
        found = geodesic_distance(image, seeds, spacing, cost=cost, lambda_=weight)
        ended = time.thread_time()
        lambda_ = f", lambda {weight:g}" if cost != "product" else ""
        error = f"{abs(found - truth).max() / truth.max():.1e}"
        lines.append((cost + lambda_, error, f"{middle - began:.1f}", f"{ended - middle:.2f}"))
    return lines


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
        if threads == 1 and np.prod(shape) <= LARGEST_GRAPH:
            result["dijkstra"] = beside_dijkstra(image, spacing, seeds)
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
                    answer[clock(result)]
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


def title(peer: str, method: str) -> str:
    """What the tables call a run."""
    ours = {"exact": "**meddl, exact**", "sweeps2": "**meddl, 2 iterations**"}
    if peer == "meddl":
        return ours[method.partition(":")[0]]
    if peer == "geodistk":
        return f"GeodisTK raster, {method}" if method != "marching" else "GeodisTK fast marching"
    return f"FastGeodis, {method}"


def size_of(result: dict[str, Any]) -> str:
    """The grid's voxels along i, j, k."""
    return "x".join(map(str, result["shape"][::-1]))


def clock(result: dict[str, Any]) -> str:
    """Whose seconds count: the processor's, or with several threads those on the wall."""
    return "cpu" if result["threads"] == 1 else "wall"


def run_rows(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row per run on one grid."""
    for row in result["runs"]:
        peer, method, cost, weight = row["run"]
        errors = (f"{100 * row[name]:.1f} %" for name in ("mean", "largest", "within"))
        lambda_ = f", {weight:g}" if cost != "product" else ""
        yield cost + lambda_, title(peer, method), f"{row[clock(result)]:.2f}", *errors


def ratios(result: dict[str, Any], peer: str, seconds: dict[float, float], bars: Any) -> str:
    """A peer's two iterations over our seconds by lambda; bold where it is less than the bar, which
    is of one thread."""
    cells = []
    for (weight, ours), bar in zip(seconds.items(), bars, strict=True):
        theirs = [
            row[clock(result)]
            for row in result["runs"]
            if row["run"][:2] == (peer, "2") and row["run"][3] == weight
        ]
        ratio = theirs[0] / ours if theirs else 0.0
        found = f"{ratio:.{1 if ratio < 10 else 0}f}" if theirs else "-"
        missed = theirs and ratio < bar and result["threads"] == 1
        cells.append(f"**{found}**" if missed else found)
    return ", ".join(cells)


def bars(result: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Bar, requirement and measurement on one grid."""
    ours = {row["run"][1:]: row for row in result["runs"] if row["run"][0] == "meddl"}
    both = (0.5, 1.0)
    for method, name, bar in (("exact", "exact", 2.5), ("sweeps2", "2 iterations here", 12)):
        seconds = {w: ours[f"{method}:fastgeodis", "fastgeodis", w][clock(result)] for w in both}
        what = f"FastGeodis, 2 iterations / {name}, lambda 0.5, 1"
        yield what, f"{bar}", ratios(result, "fastgeodis", seconds, (bar, bar))
    seconds = {1.0: ours["exact:geodistk", "geodistk", 1.0][clock(result)]}
    what = "GeodisTK raster, 2 iterations / exact"
    yield what, "1.5", ratios(result, "geodistk", seconds, (1.5,))
    for method, name, wanted in (
        ("distance", "a stroke added", (15, 3)),
        ("nearest", "a stroke in the map of the nearest label", (20, 20)),
    ):
        strokes = [row for row in result["strokes"] if row["method"] == method]
        seconds = {row["lambda"]: float(np.median(row["seconds"])) for row in strokes}
        what = f"FastGeodis, 2 iterations / {name} (median of {STROKES}), lambda 0.5, 1"
        required = ", ".join(map(str, dict.fromkeys(wanted)))
        yield what, required, ratios(result, "fastgeodis", seconds, wanted)
    peaks = [row["peak"] / (4 * np.prod(result["shape"])) for row in ours.values()]
    what = "peak memory beside the image / volume of float32, exact and swept"
    yield what, "< 4", f"{min(peaks):.1f} to {max(peaks):.1f}"


def write(report: Report, results: list[dict[str, Any]]) -> None:
    """A table of the runs on each grid, of all bars by threads, and the errors against Dijkstra."""
    report.figures = results
    for result in results:
        size = size_of(result)
        seconds = {"cpu": "CPU s", "wall": "wall s"}[clock(result)]
        head = ("cost, lambda", "program", seconds, "mean error", "largest error", "within the bar")
        report.table(f"geodesic_speed/{size}_{result['threads']}", head, run_rows(result))
    for threads in sorted({result["threads"] for result in results}):
        alike = [result for result in results if result["threads"] == threads]
        columns = [list(bars(result)) for result in alike]
        rows = [
            (*each[0][:2], *(measured for _, _, measured in each))
            for each in zip(*columns, strict=True)
        ]
        names = [size_of(result) for result in alike]
        report.table(f"geodesic_speed/bars_{threads}", ("bar", "required", *names), rows)
    head = ("voxels", "cost", "largest error", "scipy's Dijkstra, CPU s", "meddl, exact, CPU s")
    rows = [(size_of(result), *line) for result in results for line in result.get("dijkstra", [])]
    report.table("geodesic_speed/dijkstra", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default=str(ROOT / "Testing/data/abdomen_pelvis_ct.nii.gz"))
    parser.add_argument("--environments", type=Path, default=ROOT / ".cache" / "peers")
    parser.add_argument("--sizes", default="0,1,2", help="which of the three grids")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one small grid, to try the script")
    parser.add_argument("--bars", action="store_true", help="what is no bar runs once, cold")
    parser.add_argument("--marching", action="store_true", help="GeodisTK's too, once: minutes")
    parser.add_argument("--without", nargs="*", default=[], choices=["fastgeodis", "geodistk"])
    parser.add_argument("--scratch", help="folder for temporary files")
    add_output(parser)
    args = parser.parse_args()
    args.grids = [QUICK] if args.quick else [SIZES[int(n)] for n in args.sizes.split(",")]
    results = [
        measure(shape, args, threads)
        for threads in map(int, args.threads.split(","))
        for shape in args.grids
    ]
    with Report(args.output) as report:
        write(report, results)


if __name__ == "__main__":
    main()
