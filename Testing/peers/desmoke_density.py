"""Fits the two numbers of meddl.desmoke.metrics.smoke_density; says how far it and the smoke level
of both methods are off.

    python Testing/peers/desmoke_density.py FOLDER_OF_CLIPS

Clear frames of the clips to train on (2, 6, 8, 10) go under synthetic smoke of known mean opacity.
The dark share is fitted as a line over the opacity; clip 12, which the fit has not seen, judges.
The smoke level, VideoDesmoker's, is looked at on the same frames, each for itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from desmoking.scenes import DENSITIES, Scene, clear_frames, under_smoke
from numpy.typing import NDArray
from reproduction.report import Report, add_output

from meddl.desmoke import VideoDesmoker
from meddl.desmoke.metrics import dark_share, smoke_density

TO_TRAIN, TO_JUDGE = (2, 6, 8, 10), (12,)
CLASSES = {"no smoke": (0, 0), "light": (0, 0.3), "medium": (0.3, 0.5), "heavy": (0.5, 1)}


def samples(folder: Path, clips: tuple[int, ...]) -> list[tuple[float, Any]]:
    """(mean opacity, frame) of every clear frame as it is, and under two smokes of each class."""
    found: list[tuple[float, Any]] = []
    scenes: list[Scene] = [scene for clip in clips for scene in clear_frames(folder, clip)]
    for seed, scene in enumerate(scenes):
        found.append((0.0, scene.frame))
        for density in DENSITIES:
            for again in (0, 1):
                case = under_smoke(scene, density, "physical", 1, 2 * seed + again)
                found.append((case.opacity, case.smoky[0]))
    return found


def level_of(method: str) -> Callable[[Any], float]:
    """The smoke level that a method gives to a frame."""
    desmoker = VideoDesmoker(method)

    def level(frame: Any) -> float:
        desmoker.reset()
        desmoker(frame)
        return desmoker.smoke_level

    return level


def judged(cases: Sequence[tuple[float, Any]], estimate: Callable[[Any], float]) -> Iterator[str]:
    """Cells: how far an estimate of the opacity is off."""
    opacity = np.array([o for o, _ in cases])
    error = np.array([estimate(frame) for _, frame in cases]) - opacity
    yield f"{np.abs(error).mean():.2f}"
    yield f"{np.corrcoef(error + opacity, opacity)[0, 1]:.2f}"
    for low, high in CLASSES.values():
        own: NDArray[Any] = error[(opacity > low) & (opacity <= high) | (opacity == high)]
        yield f"{own.mean():+.2f}"


def main() -> None:
    """Fit and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that holds input_2.avi and the others")
    add_output(parser)
    args = parser.parse_args()
    known = samples(args.folder, TO_TRAIN)
    opacities = np.array([opacity for opacity, _ in known])
    slope, start = np.polyfit(opacities, [dark_share(frame) for _, frame in known], 1)
    print(f"no smoke {start:.3f}, nothing but smoke {start + slope:.3f}")
    with Report(args.output) as report:
        head = ("clips", "mean error", "correlation", *(f"bias, {name}" for name in CLASSES))
        sets = {"2, 6, 8, 10": known, "12": samples(args.folder, TO_JUDGE)}
        rows = [(clips, *judged(cases, smoke_density)) for clips, cases in sets.items()]
        report.table("desmoke_density", head, rows)
        rows = [
            (method, clips, *judged(cases, level_of(method)))
            for method in ("classical", "network")
            for clips, cases in sets.items()
        ]
        report.table("desmoke_density/level", ("smoke level", *head), rows)


if __name__ == "__main__":
    main()
