"""Camera paths through free space: an endoscope that moves on and keeps its distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.rendering.distance_field import DistanceField, gradient, sample
from meddl.rendering.fields import smooth_curve
from meddl.rendering.renderer import Scene

Floats = NDArray[np.float64]


def camera_path(
    scene: Scene, frames: int, seed: int | np.random.Generator = 0, step: float | None = None
) -> Floats:
    """Poses ``world_from_camera`` (N, 4, 4), mm, of a smooth path along the open space.

    The camera moves ``step`` mm from frame to frame (0.3 to 1.2 % of the view by default), looks
    along its way or up to 35 degrees aside, and sways by a few degrees.

    Raises:
        InputError: no frame asked for, or a scene without room for a camera.
    """
    if frames < 1:
        raise InputError(f"a path of {frames} frames was asked for, at least 1 was expected")
    rng = np.random.default_rng(seed)
    field = scene.field
    if scene.aim is not None:
        return _hover(field, np.array(scene.aim), frames, step, rng)
    start, heading, view = _start(field, rng)
    if step is None:
        step = view * rng.uniform(0.004, 0.015)
    centres, headings = _walk(field, start, heading, frames, step, rng)
    return _look(centres, headings, rng, view)


def free_points(
    field: DistanceField, count: int, margin: float, rng: np.random.Generator
) -> Floats:
    """``count`` random node positions (N, 3) at least ``margin`` mm from the surface."""
    nodes = np.argwhere(field.values >= margin)
    if not len(nodes):
        raise InputError(
            f"the scene has no room for a camera: nothing is {margin:g} mm from the surface, "
            f"the widest place {field.values.max():.2f} mm"
        )
    chosen = nodes[rng.integers(len(nodes), size=count)]
    return np.asarray(chosen[:, ::-1] * field.spacing + field.origin)


def ray_lengths(field: DistanceField, starts: Floats, directions: Floats) -> Floats:
    """Lengths (N,) in mm of rays (N, 3) to the surface, or to the border of the grid."""
    from meddl.rendering.tracing import hits

    lengths = np.empty(len(starts))
    nodes = np.ascontiguousarray((starts - field.origin) / field.spacing)
    hits(field.values, 1 / (field.spacing * field.slope), nodes, directions, lengths)
    return lengths * field.spacing


def _start(field: DistanceField, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """A place with an open view, the direction of it, and how far one sees (mm)."""
    margin = min(0.3 * float(field.values.max()), rng.uniform(1.2, 2.5))
    starts = free_points(field, 24, margin, rng)
    directions = rng.normal(size=(24, 40, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    lengths = ray_lengths(field, np.repeat(starts, 40, axis=0), directions.reshape(-1, 3)).reshape(
        24, 40
    )
    # Passages rather than rooms: one direction is far longer than the others.
    passage = lengths.max(axis=1) / np.maximum(np.median(lengths, axis=1), 1e-6)
    which = int(rng.choice(np.argsort(passage)[12:]))
    return (
        starts[which],
        directions[which, np.argmax(lengths[which])],
        float(np.median(lengths[which])),
    )


def _walk(
    field: DistanceField, start: Floats, heading: Floats, frames: int, step: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Positions (N, 3) and headings (N, 3): on towards where rays are long, back at an end."""
    stride = max(step * 4, 0.5 * field.spacing)
    points, headings = [start], [heading]
    for _ in range(int(np.ceil(frames * step / stride)) + 2):
        point, heading = points[-1], headings[-1]
        probes = heading + 0.6 * rng.normal(size=(48, 3))
        probes /= np.linalg.norm(probes, axis=1, keepdims=True)
        lengths = ray_lengths(field, np.repeat(point[None], 48, axis=0), probes)
        open_ = (probes * (lengths**2)[:, None]).sum(0)
        room = float(sample(field, point))
        push = gradient(field, point) * max(0.0, 1 - room / 4.0)
        aim = heading + 0.25 * open_ / (np.linalg.norm(open_) + 1e-9) + 0.15 * push
        aim /= np.linalg.norm(aim)
        moved = point + stride * aim
        if sample(field, moved) < min(0.6 * room, 2.0 + stride):
            break
        points.append(moved)
        headings.append(aim)
    if len(points) < 2:
        return np.repeat(start[None], frames, axis=0), np.repeat(heading[None], frames, axis=0)
    line = smooth_curve(np.array(points), stride / 8)
    ways = smooth_curve(np.array(headings), stride / 8) if len(headings) > 3 else np.array(headings)
    travelled = np.arange(frames) * step
    total = stride * (len(points) - 1)
    travelled = total - np.abs(total - travelled % (2 * total))  # back at the end
    position = travelled / total
    return _at(line, position), _at(ways, position)


def _hover(
    field: DistanceField, aim: Floats, frames: int, step: float | None, rng: np.random.Generator
) -> Floats:
    """Poses that look down at one place from changing sides, far from all surfaces."""
    start = free_points(field, 1, 0.7 * float(field.values.max()), rng)[0]
    heading = aim + 0.35 * rng.normal(size=3)
    heading /= np.linalg.norm(heading)
    view = float(ray_lengths(field, start[None], heading[None])[0])
    target = start + view * heading
    if step is None:
        step = view * rng.uniform(0.004, 0.015)
    turn = rng.normal(size=3)
    centres, point, speed = [], start, np.cross(heading, turn)
    for _ in range(frames):
        centres.append(point)
        speed = speed / np.linalg.norm(speed) + 0.1 * rng.normal(size=3)
        speed += 0.2 * gradient(field, point) * max(0.0, 1 - float(sample(field, point)) / 15)
        point = point + step * speed / np.linalg.norm(speed)
    path = np.array(centres)
    return _look(path, target - path, rng, view)


def _at(line: Floats, position: Floats) -> Floats:
    """Linear interpolation of (M, 3) at positions 0 to 1."""
    known = np.linspace(0, 1, len(line))
    return np.stack([np.interp(position, known, line[:, axis]) for axis in range(3)], axis=-1)


def _look(centres: Floats, headings: Floats, rng: np.random.Generator, view: float) -> Floats:
    from meddl.core.geometry import rotation

    frames = len(centres)
    up = rng.normal(size=3)
    aside = rng.uniform(0, 35) * (rng.random() < 0.6)
    turn = rotation(rng.normal(size=3), aside)[:3, :3]
    time = np.arange(frames)
    sway = np.zeros((frames, 3))
    for period, size in ((90, 4.0), (37, 1.5), (13, 0.4)):
        phase = rng.uniform(0, 2 * np.pi, 3)
        sway += size * rng.uniform(0.5, 1.5, 3) * np.sin(2 * np.pi * time[:, None] / period + phase)
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for n in range(frames):
        z = turn @ headings[n]
        z /= np.linalg.norm(z)
        x = np.cross(up, z)
        x /= np.linalg.norm(x)
        basis = np.stack([x, np.cross(z, x), z], axis=1)
        wobble = (
            rotation((1, 0, 0), sway[n, 0])
            @ rotation((0, 1, 0), sway[n, 1])
            @ rotation((0, 0, 1), 2 * sway[n, 2])
        )
        poses[n, :3, :3] = basis @ wobble[:3, :3]
        poses[n, :3, 3] = centres[n]
    return poses
