"""From stroke to mask: median of 20 corrections, with its parts, and the peak of memory.

    OMP_NUM_THREADS=2 python Testing/peers/session_speed.py [--method auto] [--corrections 20]

A procedural image of 128^3 and one of 256x256x128 voxels; the region of interest is the image. The
strokes are those of the simulated user. Parts: CPU time of the functions that take part (medians),
so that other work on the machine does not count, and "rest" for what is left: checks, seeds,
quantising. The bar: 0.5 s and 1.5 s on 2 cores, 3 GB.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from reproduction.report import Report, add_output
from scipy.ndimage import gaussian_filter, zoom

from meddl.core import Image
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.interactions import scribbles

SIZES = {"128³": (128, 128, 128), "256x256x128": (128, 256, 256)}
BARS = {"128³": 0.5, "256x256x128": 1.5}  # seconds of wall time
# What is timed within a call; names that a method does not use stay out of the table.
PARTS = {
    "encoding": ["meddl.deepigeos.generalist:encode"],
    "network": ["meddl.core.inference:Engine.__call__"],
    "geodesic": ["meddl.deepigeos.geodesic_method:GeodesicMethod.__call__"],
    "zoom": [
        "meddl.deepigeos.crf_method:enlarge",
        "meddl.deepigeos.generalist:CoarseGrid.mean",
        "meddl.deepigeos.generalist:CoarseGrid.seeds",
        "meddl.deepigeos.generalist:CoarseGrid.to_volume",
    ],
    "random field": ["meddl.deepigeos.crf_method:refine", "meddl.deepigeos.generalist:refine"],
    "write-back": ["meddl.deepigeos.session:compose", "meddl.deepigeos.session:difference"],
    "history": ["meddl.deepigeos.session:estimate_change"],
}


def picture(shape: tuple[int, ...], seed: int) -> tuple[Image, np.ndarray]:
    """A lobed target a third as wide as the image, amid textures that resemble it."""
    rng = np.random.default_rng(seed)
    coarse = tuple(n // 8 for n in shape)
    texture = zoom(gaussian_filter(rng.normal(size=coarse), 1.0), 8, order=1)
    axes = np.indices(shape, dtype=np.float32)
    radius = np.sqrt(sum(((a - n / 2) / (n / 3)) ** 2 for a, n in zip(axes, shape, strict=True)))
    target = radius + 0.5 * texture / texture.std() * 0.3 < 1
    values = 100 * target + 40 * texture / texture.std() + rng.normal(0, 12, shape)
    return Image(values.astype(np.float32)), target


def timed(seconds: dict[str, float], part: str, function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[part] += time.process_time() - start

    return wrapper


def measure(shape: tuple[int, ...], method: str, corrections: int) -> dict[str, Any]:
    seconds: dict[str, float] = defaultdict(float)
    kept = []
    for part, places in PARTS.items():
        for place in places:
            module, name = place.split(":")
            owner = importlib.import_module(module)
            if "." in name:
                owner, name = getattr(owner, name.partition(".")[0]), name.partition(".")[2]
            kept.append((owner, name, getattr(owner, name)))
            setattr(owner, name, timed(seconds, part, getattr(owner, name)))
    image, truth = picture(shape, 0)
    session = InteractiveSession(image, roi=[(0, n) for n in shape], method=method)
    rows = []
    for number in range(corrections + 1):
        marks = scribbles(session.mask(), truth, (1, 1, 1), np.random.default_rng([0, number]))
        seconds.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        session.add(*marks)
        row = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, **seconds}
        row["rest"] = row["cpu"] - sum(seconds.values())
        rows.append(row)
    for owner, name, function in kept:
        setattr(owner, name, function)
    names = sorted({name for row in rows for name in row})
    found = {name: statistics.median(row.get(name, 0.0) for row in rows[1:]) for name in names}
    overlap = 2 * (session.mask() & truth).sum() / (session.mask().sum() + truth.sum())
    return {
        "first": round(rows[0]["wall"], 3),
        **{name: round(value, 4) for name, value in found.items()},
        "dice": round(float(overlap), 4),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "history_MB": round(session.history_bytes / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", default="auto")
    parser.add_argument("--corrections", type=int, default=20)
    parser.add_argument("--sizes", default=",".join(SIZES))
    add_output(parser)
    args = parser.parse_args()
    measure((32, 32, 32), args.method, 1)  # compile
    found: dict[str, dict[str, Any]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name in args.sizes.split(","):
            one = found[name] = measure(SIZES[name], args.method, args.corrections)
            parts = (f"{one.get(part, 0):.2f}" for part in (*PARTS, "rest"))
            memory = f"{one['peak_MB'] / 1024:.1f} GB"
            yield name, f"{one['wall']:.2f}", BARS[name], f"{one['cpu']:.2f}", *parts, memory

    with Report(args.output) as report:
        head = ("region", "wall s", "bar", "CPU s", *PARTS, "rest", "peak memory")
        report.table("session_speed", head, rows())
        report.figures = {"method": args.method, "rows": found}


if __name__ == "__main__":
    main()
