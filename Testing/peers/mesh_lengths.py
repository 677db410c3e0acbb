"""Ray-mesh lengths against closed formulas: ``python Testing/peers/mesh_lengths.py``.

Prints the tables of Docs/validation.md, section "Bodies in the place of the CT".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import trimesh
from numpy.typing import NDArray
from reproduction.report import Report, add_output

from meddl.core import Image, Mesh
from meddl.core.geometry import apply, compose, inverse, rotation
from meddl.deepdrr import Camera, CArm, Solid, render
from meddl.deepdrr.ray_mesh import mesh_integrals

SIZE = (400, 300)


def rays(camera: Camera) -> NDArray[np.float64]:
    """(H, W, 3) unit directions of all pixels."""
    w, h = camera.size
    return camera.rays(np.stack(np.meshgrid(range(w), range(h)), -1))


def box_chord(camera: Camera, size: NDArray[np.float64], pose: NDArray[np.float64]) -> np.ndarray:
    """Chords (H, W) of a box by the slab method, mm."""
    source, directions = apply(inverse(pose), camera.source), rays(camera) @ pose[:3, :3]
    with np.errstate(divide="ignore"):
        ends = [(sign * size / 2 - source) / directions for sign in (-1, 1)]
    near, far = np.minimum(*ends).max(-1), np.maximum(*ends).min(-1)
    return np.maximum(far - np.maximum(near, 0), 0)


Row = tuple[str, ...]


def boxes(count: int = 50) -> Row:
    """Random boxes in random views."""
    generator = np.random.default_rng(0)
    box, worst, seen = trimesh.creation.box((1, 1, 1)), 0.0, 0
    for _ in range(count):
        pose = rotation(generator.normal(size=3), generator.uniform(-180, 180))
        pose[:3, 3] = generator.uniform(-30, 30, 3)
        size = generator.uniform(0.5, 120, 3)
        view = CArm(*generator.uniform(-90, 90, 3), detector_size=SIZE, pixel_spacing=0.8)
        camera = view.camera()
        found = mesh_integrals([Mesh(apply(pose, box.vertices * size), box.faces)], camera)[0]
        expected = box_chord(camera, size, pose)
        worst = max(worst, float(np.abs(found[..., 0] - expected).max()))
        seen += int((expected > 0).sum())
    what = f"{count} random boxes, {grouped(seen)} rays through them"
    return what, "slab method", f"largest error {worst:.1e} mm"


def spheres() -> Iterator[Row]:
    """A finer and finer sphere of radius 30 mm."""
    camera = CArm(33, 17, 5, detector_size=SIZE, pixel_spacing=0.6).camera()
    half = rays(camera) @ -camera.source
    squared = 900 - (camera.source @ camera.source - half**2)
    expected = 2 * np.sqrt(np.maximum(squared, 0))
    for level in range(2, 8):
        sphere = trimesh.creation.icosphere(level, radius=30)
        start = time.process_time()
        found = mesh_integrals([Mesh(sphere.vertices, sphere.faces)], camera)[0][..., 0]
        seconds = time.process_time() - start
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        yield grouped(len(sphere.faces)), f"{error:.1e}", f"{seconds:.3f}"


def rays_through_vertices(pixels: int = 401) -> Row:
    """Every ray runs through vertices and along edges: a box of 1 mm squares, seen straight on."""
    half = pixels // 2 + 20
    grid = np.arange(-half, half + 1.0)
    # The faces next to the source and next to the detector as grids, joined by four sides.
    x, z = np.meshgrid(grid, grid, indexing="ij")
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    square = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    front = np.concatenate(square)
    rim = np.r_[index[:-1, 0], index[-1, :-1], index[:0:-1, -1], index[0, :0:-1]]
    count, after = x.size, np.roll(rim, -1)
    sides = np.r_[np.c_[after, rim, rim + count], np.c_[after, rim + count, after + count]]
    faces = np.r_[front, front[:, ::-1] + count, sides]
    flat, half_depth = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], -1), np.array([0, 5, 0])
    mesh = Mesh(np.concatenate([flat - half_depth, flat + half_depth]), faces)
    view = CArm(detector_size=(pixels, pixels), pixel_spacing=1020 / 525)  # 1 mm on the front
    camera = view.camera()
    found = mesh_integrals([mesh], camera)[0][..., 0]
    error = np.abs(found - 10 / np.abs(rays(camera)[..., 1])).max()
    count = f"{grouped(found.size)} rays, each through vertices and along edges"
    what = f"{count} of {grouped(len(faces))} triangles"
    return what, "thickness / cosine", f"largest error {error:.1e} mm, no ray lost"


def displaced() -> Row:
    """A body of the tissue that it displaces must change nothing."""
    ct = Image(np.zeros((40, 40, 40), np.float32), compose((4, 4, 4), (-78, -78, -78)))
    view = CArm(25, 10, detector_size=SIZE, pixel_spacing=0.8)
    plain = render(ct, view, quantity="path").array[0, ..., 1]
    sphere = trimesh.creation.icosphere(5, radius=30)
    body = Solid(Mesh(sphere.vertices, sphere.faces), "soft tissue", density=1.0)
    found = render(ct, view, quantity="path", solids=[body]).array[0, ..., 1]
    error = np.abs(found - plain).max()
    change = f"largest change {error:.1e} of {plain.max():.1f} g/cm²"
    return "ball of water in water", "the same without the ball", change


def grouped(number: int) -> str:
    """With spaces between thousands."""
    return f"{number:,}".replace(",", " ")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    with Report(parser.parse_args().output) as report:
        rows = (part() for part in (boxes, rays_through_vertices, displaced))
        report.table("mesh_lengths/known", ("what", "against", "result"), rows)
        head = ("triangles", "relative L2 error of the chord", "CPU seconds, one thread")
        report.table("mesh_lengths/spheres", head, spheres())


if __name__ == "__main__":
    main()
