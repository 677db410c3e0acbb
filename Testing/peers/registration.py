"""Accuracy and capture range of the 2-D/3-D registration: a table, a plot.

    python Testing/peers/registration.py --output DIR

Radiographs are polychromatic (90 kV, three materials, quantum noise); the registration renders the
CT at one energy. Start poses are spread evenly over 0 to 100 mm of mean target registration error
(mTRE): distance of bone points between true and found pose, in the camera's frame. Capture range as
van de Kraats et al. (2005, IEEE TMI 24:1177) define it: up to the first interval in which fewer
than 95 % of the starts succeed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from reproduction.report import Report, add_output

from meddl.core import Image, read_image
from meddl.core.geometry import apply
from meddl.deepdrr import Camera, CArm, correct_values, register, render
from meddl.deepdrr.rigid_motion import moved_pose

DATA = Path(__file__).parents[1] / "data"
SUCCESS = 2.0  # mm of mTRE
FARTHEST, INTERVAL = 100.0, 10.0  # mm
HEAD = ("| mTRE of the start (mm) | starts | found | median error (mm) |", "|---|---|---|---|")
TITLES = {"search": "random starts", "local": "the start alone"}


def abdomen() -> tuple[Image, Image]:
    """The CT that is X-rayed and the CT that is registered: the same, 3 mm."""
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    return ct, ct


def pelvis() -> tuple[Image, Image]:
    """Bone alone; X-rayed at 1.5 mm, registered at 3 mm (2x2x2 means)."""
    ct = correct_values(read_image(DATA / "ct244_bone.nrrd"), below=(1, -1000))
    k, j, i = (n // 2 * 2 for n in ct.array.shape)
    halves = ct.array[:k, :j, :i].reshape(k // 2, 2, j // 2, 2, i // 2, 2).mean((1, 3, 5))
    fine_from_coarse = np.diag([2.0, 2, 2, 1])
    fine_from_coarse[:3, 3] = 0.5
    return ct, Image(halves.astype(np.float32), ct.ras_from_ijk @ fine_from_coarse)


def bone_points(ct: Image, camera: Camera, generator: np.random.Generator) -> np.ndarray:
    """(500, 3) random voxels of 300 to 1500 HU that the camera sees, RAS mm."""
    kji = np.argwhere((ct.array > 300) & (ct.array < 1500))
    points = apply(ct.ras_from_ijk, kji[:, ::-1])
    pixels, _ = camera.project(points)
    seen = points[((pixels >= 0) & (pixels <= np.array(camera.size) - 1)).all(axis=1)]
    return generator.choice(seen, 500)


def error(points: np.ndarray, found: np.ndarray, truth: np.ndarray) -> float:
    """mTRE in mm of a pose ``camera_from_world``."""
    return float(np.linalg.norm(apply(found, points) - apply(truth, points), axis=1).mean())


def start_pose(
    camera: Camera, center: np.ndarray, points: np.ndarray, wanted: float, direction: np.ndarray
) -> np.ndarray:
    """The pose moved along ``direction`` (6,) until its mTRE is ``wanted``, by bisection."""
    import torch

    def pose(size: float) -> np.ndarray:
        return moved_pose(
            camera.camera_from_world, torch.from_numpy(size * direction), center
        ).numpy()

    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        if error(points, pose(middle), camera.camera_from_world) < wanted:
            low = middle
        else:
            high = middle
    return pose(low)


def measure(
    name: str, starts: int, photons: float, seed: int, device: str = "auto"
) -> Iterator[dict[str, Any]]:
    """One record per start."""
    xrayed, ct = {"abdomen": abdomen, "pelvis": pelvis}[name]()
    for number in range(starts):
        generator = np.random.default_rng([seed, number])
        carm = CArm(
            primary_angle=generator.uniform(-45, 45),
            secondary_angle=generator.uniform(-20, 20),
            detector_size=(256, 256),
            pixel_spacing=1.2,
            isocenter=tuple(ct.center + generator.uniform(-30, 30, 3)),
        )
        camera = carm.camera()
        picture = render(xrayed, carm, quantity="neglog", noise=True, photons=photons, seed=number)
        points = bone_points(ct, camera, generator)
        # Angles and shifts in equal parts: 1 degree and 1.5 mm move these points alike.
        direction = generator.normal(size=6) * [1, 1, 1, 1.5, 1.5, 1.5]
        wanted = (number + 0.5) / starts * FARTHEST
        start = start_pose(camera, np.array(carm.isocenter), points, wanted, direction)
        guess = Camera(camera.K, start, camera.size)
        record: dict[str, Any] = {"before": wanted}
        for kind, options in (("search", {}), ("local", {"candidates": 1, "rounds": 1})):
            clock, wall = time.process_time(), time.perf_counter()
            found = register(ct, picture, guess, device=device, **options)
            after = error(points, found.camera.camera_from_world, camera.camera_from_world)
            record[kind] = {
                "after": after,
                "score": found.coarse_score,
                "converged": found.converged,
                "cpu": time.process_time() - clock,
                "wall": time.perf_counter() - wall,
            }
        print(name, record, file=sys.stderr, flush=True)
        yield record


def table(records: list[dict[str, Any]], kind: str) -> str:
    """Markdown rows by interval of the start's mTRE, and the summary."""
    rows, captured = [], 0.0
    holds = True
    for low in np.arange(0, FARTHEST, INTERVAL):
        part = [r[kind] for r in records if low <= r["before"] < low + INTERVAL]
        good = [r["after"] for r in part if r["after"] < SUCCESS]
        holds = holds and len(good) >= 0.95 * max(len(part), 1)
        captured = low + INTERVAL if holds else captured
        middle = f"{np.median(good):.2f}" if good else "-"
        rows.append(f"| {low:.0f} to {low + INTERVAL:.0f} | {len(part)} | {len(good)} | {middle} |")
    every = [r[kind] for r in records]
    good = [r for r in every if r["after"] < SUCCESS]
    wrong = [r for r in every if r["after"] >= SUCCESS]
    if not good:
        return "\n".join([*HEAD, *rows, "", f"Success 0 of {len(every)}."])
    summary = [
        f"Success {len(good)} of {len(every)}; capture range {captured:.0f} mm; error of the "
        f"successes: median {np.median([r['after'] for r in good]):.2f} mm, "
        f"largest {max(r['after'] for r in good):.2f} mm; lowest coarse score of a success "
        f"{min(r['score'] for r in good):.2f}, highest of a failure "
        f"{max((r['score'] for r in wrong), default=float('nan')):.2f}; flag `converged` wrong in "
        f"{sum(r['converged'] != (r['after'] < SUCCESS) for r in every)}; processor time: median "
        f"{np.median([r['cpu'] for r in every]):.1f} s."
    ]
    return "\n".join([*HEAD, *rows, "", *summary])


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Error after against error before, one panel per CT."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(results), figsize=(4.5 * len(results), 3.6), sharey=True, squeeze=False
    )
    for axis, (name, records) in zip(axes[0], results.items(), strict=True):
        before = [r["before"] for r in records]
        for kind, marker in (("local", "x"), ("search", "o")):
            after = [r[kind]["after"] for r in records]
            axis.semilogy(before, after, marker, markersize=5, fillstyle="none", label=TITLES[kind])
        axis.axhline(SUCCESS, color="grey", linewidth=0.8, linestyle="--")
        axis.set(title=name, xlabel="mTRE of the start (mm)")
    axes[0, 0].set_ylabel("mTRE found (mm)")
    axes[0, 0].legend(loc="center left", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=50, help="per CT (default 50)")
    parser.add_argument("--photons", type=float, default=1e5, help="per pixel (default 1e5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("abdomen", "pelvis"), help="one CT")
    add_output(parser)
    args = parser.parse_args()
    names = [args.only] if args.only else ["abdomen", "pelvis"]
    results = {name: list(measure(name, args.starts, args.photons, args.seed)) for name in names}
    text = "\n\n".join(
        f"{name}, {TITLES[kind]}:\n\n{table(records, kind)}"
        for name, records in results.items()
        for kind in TITLES
    )
    with Report(args.output) as report:
        report.lines("registration", text)
        report.figures = results
        if path := report.picture("registration.png"):
            plot(results, path)


if __name__ == "__main__":
    main()
