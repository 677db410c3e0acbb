"""Frames per second of the desmoking filter, uint8 frame in and out, and its memory.

    python Testing/peers/desmoke_speed.py [--weights NAME|FILE] [--rounds 15] [--device cpu]
    python Testing/peers/desmoke_speed.py --memory

Speed: the classical method and the light network by each engine, at three sizes, in turns; median
wall time and CPU time, on one and on two processor cores (a process of its own for each). With
another device than cpu the times are of frames that start and end in main memory. Memory: the
largest resident size of a process that desmokes videos of 200 and of 2000 frames, 640x480.
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
from reproduction.report import Report, add_output

TESTING = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTING.parent / "SlicerMedDL"))

TITLES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
SIZES = {"640x480": (480, 640), "1280x720": (720, 1280), "1920x1080": (1080, 1920)}


def frames(shape: tuple[int, int], count: int = 8) -> list[np.ndarray]:
    """Red texture that moves by a pixel a frame under grey haze, (H, W, 3) uint8."""
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.random((shape[0] // 16 + 2, shape[1] // 16 + 2)).astype(np.float32)
    texture = cv2.resize(coarse, (shape[1] + count, shape[0]), interpolation=cv2.INTER_CUBIC)
    picture = 0.5 * texture[..., None] * np.array([0.9, 0.4, 0.3]) + 0.35
    whole = np.round(255 * picture.clip(0, 1)).astype(np.uint8)
    return [np.ascontiguousarray(whole[:, n : n + shape[1]]) for n in range(count)]


def filters(weights: str, device: str) -> dict[str, Any]:
    """Name -> VideoDesmoker."""
    from meddl.core.inference import installed_engines
    from meddl.core.weights import find_weights
    from meddl.desmoke.desmoker import VideoDesmoker
    from meddl.desmoke.network_estimator import NetworkEstimator

    path = find_weights(weights)
    found = {"classical": VideoDesmoker("classical", device=device)}
    for engine in installed_engines() if device == "cpu" else ["torch"]:
        desmoker = VideoDesmoker("network", weights=path, device=device)
        desmoker.estimator = NetworkEstimator(path, device, engine)
        found[f"network, {TITLES.get(engine, engine)}"] = desmoker
    return found


def measure(weights: str, device: str, rounds: int, cores: int) -> list[dict[str, Any]]:
    """A row per size and filter, in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import cv2

    cv2.setNumThreads(cores)
    rows = []
    found = filters(weights, device)
    for size, shape in SIZES.items():
        clip = frames(shape)
        wall: dict[str, list[float]] = {name: [] for name in found}
        cpu: dict[str, list[float]] = {name: [] for name in found}
        for number in range(rounds + 2):
            for name, desmoker in found.items():
                start, used = time.perf_counter(), time.process_time()
                desmoker(clip[number % len(clip)])
                if number >= 2:  # the first compile and choose
                    wall[name].append(time.perf_counter() - start)
                    cpu[name].append(time.process_time() - used)
        for name in found:
            row = {"cores": cores, "size": size, "method": name}
            row |= {"wall_ms": 1000 * float(np.median(wall[name]))}
            row |= {"fastest_ms": 1000 * min(wall[name])}
            rows.append(row | {"cpu_ms": 1000 * float(np.median(cpu[name]))})
    return rows


def in_process(*arguments: str, cores: int) -> Any:
    """What this program prints as JSON with these arguments, on so many cores."""
    environment = os.environ | {"OMP_NUM_THREADS": str(cores)}
    command = [sys.executable, __file__, *arguments, "--worker", str(cores)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def memory(count: int) -> dict[str, float]:
    """The largest resident size, MB, after desmoking a video of ``count`` frames."""
    import resource

    from meddl.core.video import write_frames
    from meddl.desmoke.files import desmoke_video
    from meddl.desmoke.parameters import DesmokeParameters

    clip = frames(SIZES["640x480"])
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.avi", Path(folder) / "out.avi"
        write_frames(source, (clip[n % len(clip)] for n in range(count)), 25)
        start = time.perf_counter()
        desmoke_video(source, output, DesmokeParameters(method="classical"))
        seconds = time.perf_counter() - start
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": count, "megabytes": largest, "frames_per_second": count / seconds}


def speed_rows(found: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """A row per method and number of cores."""
    for method, cores in dict.fromkeys((row["method"], row["cores"]) for row in found):
        own = [row for row in found if (row["method"], row["cores"]) == (method, cores)]
        cells = (
            f"{row['wall_ms']:.1f}, {row['cpu_ms']:.1f}, {1000 / row['wall_ms']:.0f}"
            for size in SIZES
            for row in own
            if row["size"] == size
        )
        yield method, cores, *cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="desmoke-light", metavar="NAME|FILE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", action="store_true")
    add_output(parser)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        rows: Any = (
            memory(args.frames)
            if args.memory
            else measure(args.weights, args.device, args.rounds, args.worker)
        )
        print(json.dumps(rows))
        return
    with Report(args.output) as report:
        if args.memory:
            found = [in_process("--memory", "--frames", str(n), cores=2) for n in (200, 2000)]
            head = ("frames", "largest resident size, MB")
            table = [(row["frames"], f"{row['megabytes']:.0f}") for row in found]
            report.table("desmoke_memory", head, table)
        else:
            options = ["--weights", args.weights, "--device", args.device]
            options += ["--rounds", str(args.rounds)]
            found = [row for cores in (1, 2) for row in in_process(*options, cores=cores)]
            first, *others = SIZES
            head = ("method", "cores", f"{first}: wall, CPU ms, frames/s", *others)
            report.table("desmoke_speed", head, speed_rows(found))
        report.figures = found


if __name__ == "__main__":
    main()
