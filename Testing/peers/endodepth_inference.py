"""Frames per second of the depth networks, and accuracy on a sequence with structure from motion.

    python Testing/peers/endodepth_inference.py [--networks light]
    python Testing/peers/endodepth_inference.py --sequence SEQUENCE_DIR

Speed: 256x320 pixels, one frame per call, by each engine on one and two threads, in turns; median
wall time and CPU time. Beside the published network stands the plain transcription of
depth_training/plain.py with the same weights, which is checked to give the same depth; MB is what
the calls add to a process of their own.

Accuracy: the shipped weights as `meddl endodepth predict` uses them, in the same engine, against
the sparse depths of each frame, beside the same depth everywhere and the inverse square root of
the brightness; each scaled by the median per frame.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

TESTING = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTING.parent / "SlicerMedDL"))

from reproduction.report import Report, add_output  # noqa: E402

from meddl.core.inference import installed_engines, load_engine  # noqa: E402
from meddl.core.metrics import depth_metrics  # noqa: E402
from meddl.core.seeding import seed_everything  # noqa: E402
from meddl.endodepth.networks import ARCHITECTURES, make_network  # noqa: E402
from meddl.endodepth.prediction import DepthPredictor, downsampling_of  # noqa: E402
from meddl.endodepth.prepare import brightness, prepare  # noqa: E402
from meddl.endodepth.sequence import read_sequence  # noqa: E402

HEIGHT, WIDTH = 256, 320
PLAIN, PUBLISHED = "plain", "fcdensenet57"
TITLES = {
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
    "torch": "torch",
    PLAIN: "plain torch",
}


def make_call(architecture: str, engine: str, threads: int, picture: np.ndarray) -> Any:
    """Picture -> depth (1, 1, h, w), by an engine or by the plain transcription."""
    import torch

    seed_everything(0)
    network = make_network(architecture)
    if engine != PLAIN:
        return load_engine(network, picture, engine=engine, threads=threads)
    from depth_training import plain

    other = plain.Network().eval()
    with torch.no_grad():
        for one, its in zip(network.parameters(), other.parameters(), strict=True):
            its.copy_(one)

    def call(picture: np.ndarray) -> np.ndarray:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                return other(torch.from_numpy(picture)).numpy()
        finally:
            torch.set_num_threads(before)

    return call


def growth(architecture: str, engine: str) -> float:
    """By how many MB ten calls on one thread let the memory of a process grow."""
    command = [sys.executable, __file__, "--worker", f"{architecture},{engine}"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def worker(architecture: str, engine: str) -> None:
    """Print the growth of this process, after a call on a small picture."""
    picture = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    call = make_call(architecture, engine, 1, picture[..., :32, :32].copy())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10):
        call(picture)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def speed(report: Report, architectures: list[str], rounds: int) -> None:
    """A table per network with a row per engine and number of threads."""
    # First, as a process's peak counts that of the process which started it.
    memory = {
        (PUBLISHED, engine, 1): f"{growth(PUBLISHED, engine):.0f}"
        for engine in ("torch", PLAIN)
        if PUBLISHED in architectures
    }
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
    calls = {}
    for architecture in architectures:
        engines = [*installed_engines(), *([PLAIN] if architecture == PUBLISHED else [])]
        for engine in engines:
            for threads in (1, 2):
                calls[architecture, engine, threads] = make_call(
                    architecture, engine, threads, picture
                )
    if PUBLISHED in architectures:
        ours, plain = (calls[PUBLISHED, engine, 1](picture) for engine in ("torch", PLAIN))
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4 * float(plain.max()))
    wall: dict[tuple[str, str, int], list[float]] = {key: [] for key in calls}
    cpu: dict[tuple[str, str, int], list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            start, used = time.perf_counter(), time.process_time()
            call(picture)
            wall[key].append(1000 * (time.perf_counter() - start))
            cpu[key].append(1000 * (time.process_time() - used))
    for architecture in architectures:
        beside = architecture == PUBLISHED
        head = ("engine", "threads", "wall", "fastest", "CPU", "frames/s", *["MB"] * beside)
        rows = []
        for key in [key for key in calls if key[0] == architecture]:
            median = float(np.median(wall[key]))
            times = (f"{ms:.3g}" for ms in (median, min(wall[key]), np.median(cpu[key])))
            _, engine, threads = key
            rate = f"{1000 / median:.3g}"
            added = [memory.get(key, "")] * beside
            rows.append((TITLES[engine], threads, *times, rate, *added))
        report.table(f"endodepth_speed/{architecture}", head, rows)


def accuracy(report: Report, folder: str, weights: str, engine: str) -> None:
    """AbsRel and delta of the network and of what needs none."""
    sequence = read_sequence(folder)
    prepared = prepare(sequence, downsampling_of(sequence.mask))
    predictor = DepthPredictor(weights, "cpu", engine)
    rows: dict[str, list[tuple[float, ...]]] = {}
    for view, number in enumerate(map(int, sequence.view_numbers)):
        truth, picture = prepared.sparse_depth(view), prepared.picture(number)
        if not truth.any():
            continue
        candidates = {
            f"`{predictor.about['weights']}`": predictor.depth(picture, prepared.mask),
            "constant": np.ones_like(truth),
            "brightness^-1/2": 1 / np.sqrt(np.maximum(brightness(picture), 1 / 255)),
        }
        for name, depth in candidates.items():
            scores = depth_metrics(depth, truth, median_scaling=True)
            figures = tuple(scores[key] for key in ("abs_rel", "rmse_log", "delta1", "delta2"))
            rows.setdefault(name, []).append(figures)
    print(f"{len(rows['constant'])} frames, engine {predictor.about['engine']}")
    table = []
    for name, figures in rows.items():
        mean, worst = np.mean(figures, axis=0), max(row[0] for row in figures)
        table.append((name, *(f"{value:.3f}" for value in (mean[0], worst, *mean[1:]))))
    head = ("depth", "AbsRel", "worst frame", "RMSE log", "delta < 1.25", "delta < 1.25²")
    report.table("endodepth_accuracy", head, table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequence", metavar="DIR", help="judge the weights on it; no timing")
    parser.add_argument("--weights", default="endodepth-light", metavar="NAME|FILE")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--networks", default=",".join(ARCHITECTURES), help="to be timed")
    add_output(parser)
    parser.add_argument("--worker", metavar="NETWORK,ENGINE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(*args.worker.split(","))
        return
    with Report(args.output) as report:
        if args.sequence:
            accuracy(report, args.sequence, args.weights, args.engine)
        else:
            speed(report, args.networks.split(","), args.rounds)


if __name__ == "__main__":
    main()
