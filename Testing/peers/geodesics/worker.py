"""One way to compute geodesic distances in a process of its own, asked by lines of JSON.

    worker.py meddl|fastgeodis|geodistk

    {"image": FILE.npy, "spacing": [k, j, i]}                           take an image (K, J, I)
    {"method": ..., "lambda": ..., "seeds": FILE.npy, "output": FILE}   compute a map
    {"method": ..., "lambda": ..., "strokes": FILE.npy, "labels": [...]} add strokes one by one

Answered by CPU and wall seconds of the work alone, without files, and the process's peak memory in
bytes above what it had before; strokes by a list of seconds, the first one (from nothing) left out.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Answer = dict[str, Any]


def resident(kind: str) -> int:
    """Bytes of memory that this process has (VmRSS), or had at most since :func:`forget_peak`."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(kind):
                return 1024 * int(line.split()[1])
    return 0


def forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def timed(work: Callable[[], Any]) -> tuple[Any, Answer]:
    """What ``work`` returns, and its seconds and peak memory."""
    before = resident("VmRSS")
    forget_peak()
    usage, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = work()
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return result, {"cpu": cpu, "wall": wall, "peak": resident("VmHWM") - before}


class Meddl:
    """``exact`` and ``sweeps`` by cost; strokes by ``distance`` and ``nearest``."""

    def compute(
        self, image: np.ndarray, spacing: list[float], request: Answer
    ) -> Callable[[], Any]:
        from meddl.geodesic import geodesic_distance

        kind, _, cost = request["method"].partition(":")
        seeds, settings = np.load(request["seeds"]), {"cost": cost, "lambda_": request["lambda"]}
        settings["iterations"] = int(kind[6:]) if kind.startswith("sweeps") else None
        return lambda: geodesic_distance(image, seeds, spacing, **settings)

    def strokes(self, image: np.ndarray, spacing: list[float], request: Answer) -> list[Answer]:
        from meddl.geodesic import IncrementalDistance, IncrementalNearest

        kind, _, cost = request["method"].partition(":")
        nearest = kind == "nearest"
        make = IncrementalNearest if nearest else IncrementalDistance
        following = make(image, spacing, cost=cost, lambda_=request["lambda"])
        answers = []
        for stroke, label in zip(np.load(request["strokes"]), request["labels"], strict=True):
            mask = np.zeros(image.shape, bool)
            mask[tuple(stroke.T)] = True

            def add(mask: np.ndarray = mask, label: int = label) -> Any:
                if not nearest:
                    return following.add(mask)
                visited = following.add(mask, label)
                following.labels  # noqa: B018  # what a session asks for
                return visited

            visited, answer = timed(add)
            answers.append(answer | {"visited": visited})
        return answers[2 if nearest else 1 :]


class FastGeodis:
    """FastGeodis's raster scan; the method is the number of iterations."""

    def compute(
        self, image: np.ndarray, spacing: list[float], request: Answer
    ) -> Callable[[], Any]:
        import FastGeodis as package
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        values = torch.from_numpy(image)[None, None]
        outside = torch.from_numpy((np.load(request["seeds"]) == 0).astype(np.float32))[None, None]
        count, weight = int(request["method"]), request["lambda"]
        return lambda: package.generalised_geodesic3d(
            values, outside, spacing, 1e10, weight, count
        ).numpy()[0, 0]


class GeodisTK:
    """GeodisTK; ``marching``, or the number of iterations of its raster scan."""

    def compute(
        self, image: np.ndarray, spacing: list[float], request: Answer
    ) -> Callable[[], Any]:
        import GeodisTK as package

        seeds = (np.load(request["seeds"]) != 0).astype(np.uint8)
        if request["method"] == "marching":
            return lambda: package.geodesic3d_fast_marching(image, seeds, spacing)
        count, weight = int(request["method"]), request["lambda"]
        return lambda: package.geodesic3d_raster_scan(image, seeds, spacing, weight, count)


def main() -> None:
    peer = {"meddl": Meddl, "fastgeodis": FastGeodis, "geodistk": GeodisTK}[sys.argv[1]]()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    image, spacing = np.zeros((0, 0, 0), np.float32), [1.0]
    for line in sys.stdin:
        request, answer = json.loads(line), {}
        if "image" in request:
            image, spacing = np.load(request["image"]), request["spacing"]
        elif "strokes" in request:
            answer["strokes"] = peer.strokes(image, spacing, request)
        else:
            result, answer = timed(peer.compute(image, spacing, request))
            if request.get("output"):
                np.save(request["output"], np.asarray(result, np.float32))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
