"""The first mask from a box about the target: Dice of the network and of simple ways.

    python Testing/peers/interactive_box.py [--data FOLDER] [--output DIR]

Without --data the cases are those of the bundled abdomen CT, and procedural ones. The box is that
of the label, 5 mm wider on each side. Every method gets the same box, and the same hints from it
where it takes seeds; what lies outside of the box counts as background for all. Then the simulated
user corrects the first mask by strokes. Grow from seeds needs slicer-core.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from interactive.cases import BUNDLED, REAL, procedural_cases, real_cases
from interactive.growcut import GrowCut
from numpy.typing import NDArray
from reproduction.report import Report, add_output

from meddl.core.metrics import dice
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.box_hints import box_hints, with_room
from meddl.deepigeos.evaluation_cases import Case
from meddl.deepigeos.interactions import scribbles
from meddl.deepigeos.roi import Box, box_of_positions, padded

BUNDLED_DATA = Path(__file__).parents[1] / "data"
MARGIN_MM = 5.0
SESSIONS = ("network", "crf", "geodesic")  # methods of the session, which take the hints themselves
CORRECTIONS = (1, 3)

Mask = NDArray[np.bool_]


def box_of(case: Case) -> Box:
    """The label's box with the margin."""
    steps = np.asarray(case.image.spacing[::-1], dtype=float)
    return padded(box_of_positions(np.argwhere(case.truth)), MARGIN_MM / steps, case.truth.shape)


def grow_cut(values: NDArray[np.float32], hints: NDArray[np.uint8], steps: Any) -> Mask:
    return GrowCut(values[..., None], steps)(hints) > 0.5


def otsu(values: NDArray[np.float32], hints: NDArray[np.uint8], steps: Any) -> Mask:
    """The side of Otsu's threshold on which the mean of the core lies."""
    from skimage.filters import threshold_otsu

    threshold = threshold_otsu(values[hints != 1])
    above = values > threshold
    return np.asarray(above if values[hints == 2].mean() > threshold else ~above)


def nearest_mean(values: NDArray[np.float32], hints: NDArray[np.uint8], steps: Any) -> Mask:
    """Values nearer to the core's mean than to that outside of the box, or of the core at least."""
    around = hints == 1 if (hints == 1).any() else hints != 2
    inside, outside = values[hints == 2].mean(), values[around].mean()
    return np.abs(values - inside) < np.abs(values - outside)


def ellipsoid(values: NDArray[np.float32], hints: NDArray[np.uint8], steps: Any) -> Mask:
    """Without a look at the image: 0.9 of the box's extents, the best on the generator's images."""
    free = np.argwhere(hints != 1)
    low, high = free.min(axis=0), free.max(axis=0)
    axes = np.ogrid[tuple(slice(0, n) for n in hints.shape)]
    parts = [
        ((axis - (a + b) / 2) / (0.9 * (b - a + 1) / 2)) ** 2
        for axis, a, b in zip(axes, low, high, strict=True)
    ]
    return np.asarray(sum(parts) <= 1)


SIMPLE: dict[str, Callable[..., Mask]] = {
    "growcut": grow_cut,
    "nearest mean": nearest_mean,
    "Otsu": otsu,
    "ellipsoid": ellipsoid,
}


def simple(case: Case, box: Box, method: Callable[..., Mask]) -> Mask:
    region = with_room(box, case.truth.shape)
    values = case.image.array[region.slices].reshape(*region.shape, -1)[..., 0]
    hints = box_hints(box, region)
    found = method(np.asarray(values, np.float32), hints, tuple(case.image.spacing[::-1]))
    mask = np.zeros(case.truth.shape, bool)
    mask[box.slices] = found[box.inside(region)]
    return mask


def in_session(case: Case, box: Box, method: str, corrections: int) -> list[float]:
    """Dice of the first mask and after each correction."""
    session = InteractiveSession(case.image, method=method)
    found = [dice(session.predict(roi=box), case.truth)]
    spacing = tuple(case.image.spacing[::-1])
    for number in range(corrections):
        rng = np.random.default_rng([0, number])
        strokes = scribbles(session.mask(), case.truth, spacing, rng)
        if any(stroke.any() for stroke in strokes):
            session.add(*strokes)
        found.append(dice(session.mask(), case.truth))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with ct/ and mr/")
    parser.add_argument("--procedural", type=int, default=4, help="number of procedural cases")
    parser.add_argument("--only", default="", help="cases whose name has this word")
    add_output(parser)
    args = parser.parse_args()
    folder, sets = (args.data, REAL) if args.data else (BUNDLED_DATA, BUNDLED)
    names = [*SESSIONS, *SIMPLE]
    found: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, list[float]] = {name: [] for name in names}

    def targets() -> Iterator[list[str]]:
        cases = itertools.chain(real_cases(folder, sets), procedural_cases(args.procedural, 0))
        for case in cases:
            if args.only not in case.name:
                continue
            box, row = box_of(case), {}
            for name in names:
                start = time.process_time()
                if name in SESSIONS:
                    row[name] = in_session(case, box, name, 0)
                else:
                    row[name] = [dice(simple(case, box, SIMPLE[name]), case.truth)]
                seconds[name].append(time.process_time() - start)
            row["network"] = in_session(case, box, "network", max(CORRECTIONS))
            found[case.name] = row
            yield [case.name, *(f"{row[name][0]:.2f}" for name in names)]

    def means() -> Iterator[list[str]]:
        for name in names:
            scores = {
                part: [row[name][0] for case, row in found.items() if keep(case)]
                for part, keep in (
                    ("all", bool),
                    ("real", lambda case: not case.startswith("procedural")),
                    ("procedural", lambda case: case.startswith("procedural")),
                )
            }
            cells = [f"{np.mean(values):.3f}" if values else "" for values in scores.values()]
            low = min(scores["all"])
            yield [f"`{name}`", *cells, f"{low:.2f}", f"{np.median(seconds[name]):.2f}"]

    with Report(args.output) as report:
        heads = [f"`{name}`" for name in names]
        report.table("interactive_box/targets", ("target", *heads), targets())
        head = ("method", "all", "real", "procedural", "lowest", "CPU s")
        report.table("interactive_box/means", head, means())
        steps = ", ".join(
            f"{np.mean([row['network'][n] for row in found.values()]):.3f} after {n}"
            for n in CORRECTIONS
        )
        report.lines(
            "interactive_box/corrections",
            f"Corrected by the simulated user, `network` has a mean Dice of {steps} strokes.",
        )
        report.figures = {"dice": found, "cpu_seconds": seconds}


if __name__ == "__main__":
    main()
