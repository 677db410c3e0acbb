"""What the classical method's choices are worth, on synthetic smoke over clear frames.

    python Testing/peers/desmoke_classical.py FOLDER_OF_CLIPS [--seed 5]

Clear frames of input_2.avi, input_6.avi, input_8.avi and input_10.avi, on which the choices were
made, each under two clips' first frames of light, medium and heavy smoke. Airlight: error against
the mean airlight, weighted by opacity. Dark channel: side of its square, with the airlight of this
library: PSNR, mean absolute error of the transmission, change of the clear frames. Enlargement: the
true transmission on a grid of a third and a sixth of photographs' size (give a folder with
--photos), back at full size: PSNR against what the true one gives; smoke in the air, and smoke up
to edges of depth.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

TESTING = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTING.parent / "SlicerMedDL"))

from meddl.core.metrics import psnr  # noqa: E402
from meddl.core.pictures import read_rgb  # noqa: E402
from meddl.core.video import picture_files, read_frames  # noqa: E402
from meddl.desmoke.classical import PATCH, SIDE, DarkChannelEstimator  # noqa: E402
from meddl.desmoke.dark_channel import (  # noqa: E402
    USUAL_AIRLIGHT,
    brightest_airlight,
    estimate_airlight,
    grey_of,
)
from meddl.desmoke.guided_filter import guided_lines  # noqa: E402
from meddl.desmoke.scattering import Veil, blend, recover  # noqa: E402
from meddl.desmoke.smoke import smoke_clip  # noqa: E402

# Frames without smoke, looked at one by one.
CLEAR = {
    2: [0, 4, 6, 8, 26, 28, 30, 32, 36, 40],
    6: [30, 34, 38, 40, 46],
    8: [28, 40, 46, 48],
    10: [0, 2, 4, 30, 48],
}
DENSITIES = ("light", "medium", "heavy")


class Case(NamedTuple):
    """A clear frame under smoke; float32 0..1."""

    density: str
    clear: np.ndarray
    smoky: np.ndarray
    transmission: np.ndarray
    airlight: np.ndarray


def clear_frames(folder: Path) -> Iterator[np.ndarray]:
    for number, wanted in CLEAR.items():
        for n, frame in enumerate(read_frames(folder / f"input_{number}.avi")):
            if n in wanted:
                yield frame.astype(np.float32) / np.float32(255)


def cases(clear: list[np.ndarray], seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    found = []
    for picture in clear:
        for density in DENSITIES:
            for _ in range(2):
                smoke = smoke_clip(picture.shape[:2], 1, rng, density=density)
                t, airlight = smoke.transmission[0], smoke.airlight[0]
                smoky = np.round(255 * blend(picture, t, airlight).clip(0, 1)) / np.float32(255)
                found.append(Case(density, picture, smoky, t, airlight))
    return found


def airlights(found: list[Case]) -> None:
    patch = 2 * int(SIDE * PATCH / 2) + 1
    methods = {
        "brightest of the top 0.1 % (He et al.)": brightest_airlight,
        "always the usual one": lambda picture: np.array(USUAL_AIRLIGHT),
        "ours": lambda picture: estimate_airlight(picture, patch),
    }
    print("| airlight, RMS error | light | medium | heavy |\n|---|---|---|---|")
    for name, method in methods.items():
        errors = defaultdict(list)
        for case in found:
            weight = (1 - case.transmission)[..., None]
            truth = (weight * case.airlight).sum((0, 1)) / weight.sum()
            errors[case.density].append(np.sqrt(((method(case.smoky) - truth) ** 2).mean()))
        print(f"| {name} | " + " | ".join(f"{np.mean(errors[d]):.3f}" for d in DENSITIES) + " |")


def patches(found: list[Case], clear: list[np.ndarray]) -> None:
    print("\n| side of the square | PSNR light, medium, heavy, dB | error of t | clear frames, % |")
    print("|---|---|---|---|")
    scores = defaultdict(list)
    for case in found:
        scores[case.density].append(psnr(case.smoky, case.clear, 1))
    print("| smoky input | " + ", ".join(f"{np.mean(scores[d]):.1f}" for d in DENSITIES) + " | | |")
    for side in (15 / SIDE, 0.12, 0.24, PATCH):
        scores, errors = defaultdict(list), []
        for case in found:
            veil = DarkChannelEstimator(patch=side)(case.smoky)
            scores[case.density].append(psnr(recover(case.smoky, veil), case.clear, 1))
            errors.append(np.abs(veil.transmission - case.transmission).mean())
        change = [np.abs(recover(c, DarkChannelEstimator(patch=side)(c)) - c).mean() for c in clear]
        values = ", ".join(f"{np.mean(scores[d]):.1f}" for d in DENSITIES)
        print(
            f"| {side:.2f} of the picture | {values} | {np.mean(errors):.3f} | "
            f"{100 * np.mean(change):.2f} |"
        )


def enlargements(pictures: list[np.ndarray], seed: int) -> None:
    print("\n| smoke | grid | enlargement | error of t | PSNR, dB |\n|---|---|---|---|---|")
    for edges in (False, True):
        for ratio in (3, 6):
            rng = np.random.default_rng(seed)
            rows = defaultdict(list)
            for picture in pictures:
                height, width = picture.shape[:2]
                depth = 2 * cv2.bilateralFilter(grey_of(picture), 9, 0.1, 9) + 0.3
                smoke = smoke_clip((height, width), 1, rng, depth=depth if edges else None)
                t, airlight = smoke.transmission[0], smoke.airlight[0]
                smoky = blend(picture, t, airlight)
                grid, full = (width // ratio, height // ratio), (width, height)
                small, coarse = (
                    cv2.resize(x, grid, interpolation=cv2.INTER_AREA) for x in (smoky, t)
                )
                results = {
                    "bilinear": cv2.resize(coarse, full),
                    "cubic": cv2.resize(coarse, full, interpolation=cv2.INTER_CUBIC),
                }
                for radius in (1, 2, 4):
                    lines = guided_lines(grey_of(small), coarse, radius, 1e-4)
                    a, b = (cv2.resize(x, full) for x in lines)
                    results[f"guided, radius {radius}"] = np.clip(a * grey_of(smoky) + b, 0, 1)
                best = recover(smoky, Veil(t, airlight))
                for name, result in results.items():
                    score = psnr(recover(smoky, Veil(result, airlight)), best, 1)
                    rows[name].append((np.abs(result - t).mean(), score))
            kind = "up to edges of depth" if edges else "in the air"
            for name, values in rows.items():
                error, score = np.mean(values, axis=0)
                print(f"| {kind} | 1/{ratio} | {name} | {error:.4f} | {score:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that holds input_2.avi and the others")
    parser.add_argument("--photos", type=Path, help="folder of photographs, for the enlargement")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    clear = list(clear_frames(args.folder))
    found = cases(clear, args.seed)
    airlights(found)
    patches(found, clear)
    if args.photos:
        pictures = [read_rgb(path) / np.float32(255) for path in picture_files(args.photos)[:8]]
        enlargements(pictures, args.seed)


if __name__ == "__main__":
    main()
