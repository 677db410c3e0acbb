"""Depth of rendered scenes against other means, and the time of a picture.

    OMP_NUM_THREADS=1 python Testing/peers/rendering.py [--output DIR]

Prints the tables of Docs/validation.md, section "Rendered endoscopy"; writes its picture to DIR.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from reproduction.report import Report, add_output
from scipy import ndimage, optimize

from meddl.core import Image, read_image
from meddl.core.geometry import apply, rotation
from meddl.core.pictures import write_picture
from meddl.core.pinhole import backproject
from meddl.rendering import (
    DistanceField,
    Scene,
    abdomen,
    camera_path,
    colon,
    fov_intrinsics,
    lumen_from_labels,
    render,
    render_radiance,
    sinus,
)
from meddl.rendering.distance_field import node_positions

SIZE = (256, 320)
INTRINSICS = fov_intrinsics(75, SIZE)
LABELS = Path(__file__).parents[1] / "data" / "abdomen_pelvis_labels.nii.gz"
COLON = 20


def labelled(seed: int) -> Scene:
    """The colon of the bundled CT."""
    return lumen_from_labels(read_image(LABELS), [COLON], seed)


SCENES: dict[str, Callable[[int], Scene]] = {
    "sinus": sinus, "colon": colon, "abdomen": abdomen, "colon of the bundled CT": labelled,
}  # fmt: skip
Rows = Iterator[tuple[str, ...]]


def spheres() -> Rows:
    """A finer and finer ball of 15 mm seen from inside, against the closed form."""
    pose = rotation((1, 2, 3), 40)
    pose[:3, 3] = (2, -3, 4)
    directions = backproject(np.ones(SIZE), INTRINSICS) @ pose[:3, :3].T
    squared, half = (directions**2).sum(-1), directions @ pose[:3, 3]
    rest = pose[:3, 3] @ pose[:3, 3] - 15**2
    expected = (-half + np.sqrt(half**2 - squared * rest)) / squared
    for count in (41, 81, 161):
        spacing = 32 / (count - 1)
        x, y, z = node_positions((count,) * 3, spacing, np.full(3, -16.0))
        field = DistanceField(15 - np.sqrt(x**2 + y**2 + z**2), spacing, np.full(3, -16.0))
        _, depth = render_radiance(Scene(field), INTRINSICS, SIZE, pose)
        error = np.abs(depth - expected)
        relative = (error / expected).max()
        yield f"{count}³", f"{spacing:.1f}", f"{error.max():.1e}", f"{relative:.1e}"


def first_zero(field: DistanceField, start: NDArray[np.float64], way: NDArray[np.float64]) -> float:
    """Share of ``way`` at the first zero: scipy's interpolation every 0.02 mm, then Brent."""

    def value(share: NDArray[np.float64]) -> NDArray[np.float64]:
        nodes = (start + np.asarray(share)[..., None] * way - field.origin) / field.spacing
        flat = nodes.reshape(-1, 3)[:, ::-1].T
        return ndimage.map_coordinates(field.values, flat, np.float64, order=1, mode="nearest")

    shares = np.linspace(0, 1.01, int(np.linalg.norm(way) / 0.02) + 2)
    sign = np.flatnonzero(value(shares) <= 0)
    at = int(sign[0])
    return float(optimize.brentq(lambda s: value(np.array([s]))[0], shares[at - 1], shares[at]))


def scenes(pictures: list[NDArray[np.uint8]]) -> Rows:
    """Depth at random pixels against scipy's and Brent's, and the processor time of a picture; one
    of each scene goes into ``pictures``."""
    rng = np.random.default_rng(0)
    for name, make in SCENES.items():
        began = time.process_time()
        scene = make(4)
        made = time.process_time() - began
        poses = camera_path(scene, 50, 4)[::10]
        render(scene, INTRINSICS, SIZE, poses[0])
        busy = []
        for pose in poses:
            began = time.process_time()
            colour, depth = render(scene, INTRINSICS, SIZE, pose)
            busy.append(time.process_time() - began)
        pictures.append(colour)
        points = apply(pose, backproject(depth, INTRINSICS)).reshape(-1, 3)
        chosen = rng.choice(len(points), 100, replace=False)
        start = pose[:3, 3]
        shares = [first_zero(scene.field, start, points[n] - start) for n in chosen]
        worst = np.abs(np.array(shares) - 1).max()
        nodes = f"{scene.field.values.size / 1e6:.1f} million"
        yield name, nodes, f"{worst:.1e}", f"{made:.1f}", f"{median(busy):.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    pictures: list[NDArray[np.uint8]] = []
    with Report(parser.parse_args().output) as report:
        head = ("nodes", "spacing, mm", "largest error, mm", "largest relative error")
        report.table("rendering/ball", head, spheres())
        head = ("scene", "nodes", "largest relative error", "making it, s", "picture, s")
        report.table("rendering/scenes", head, scenes(pictures))
        if path := report.picture("rendering.jpg"):
            rows = [np.concatenate(pictures[n : n + 2], axis=1) for n in (0, 2)]
            write_picture(path, Image(np.concatenate(rows)[None]))


if __name__ == "__main__":
    main()
