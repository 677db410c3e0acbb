"""A rendered sequence in the published folder format, with its exact depth, poses and surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import depth_writer
from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_folder, existing_file, write_json
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.mesh import write_mesh
from meddl.core.optional import require
from meddl.core.parameters import parameter, to_dict, validate
from meddl.core.pictures import write_picture
from meddl.core.pinhole import pixel_centres
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.run_record import command_line, versions
from meddl.endodepth.sequence import (
    EndoscopicSequence,
    frame_name,
    points_in_mask,
    unposed,
    write_sequence,
)

if TYPE_CHECKING:
    from meddl.rendering import Scene

Floats = NDArray[np.float64]
SCENES = ("sinus", "colon", "abdomen", "labels")
RECORD = "render.json"
# A point is seen if its ray ends this close to it; the surface under it is flat at this scale.
_CLOSE = 0.02  # of the distance
_FEWEST = 2  # views of a point
_CANDIDATES = 3  # per point that is kept; some are seen only once


@dataclass
class RenderParameters:
    """What a rendered sequence shows, and how."""

    scene: str = parameter("sinus", "what is seen", choices=SCENES)
    labels: str = parameter("", "label map of the scene `labels`", metavar="FILE")
    values: str = parameter("", "labels whose inside is seen, as in 20,21", metavar="N,…")
    frames: int = parameter(60, "number of frames", minimum=1, maximum=99_999_999)
    size: tuple[int, int] = parameter(
        (512, 640), "height and width", "pixels", 16, 8192, metavar="H,W"
    )
    fov: float = parameter(75.0, "field of view across the width", "degrees", 10, 150)
    field: str = parameter("round", "shape of the field of view", choices=("round", "full"))
    step: float = parameter(
        0.0, "way from frame to frame; 0: about 1 % of the distance", "mm", minimum=0
    )
    noise: bool = parameter(True, "sensor noise, blur and vignetting")
    format: str = parameter("png", "of the frames", choices=("png", "jpg"))
    points: int = parameter(1500, "sampled points of the surface", minimum=0, maximum=100_000)
    seed: int = parameter(0, "of scene, path, appearance and noise", minimum=0)


def make_scene(parameters: RenderParameters) -> Scene:
    """The scene that the parameters name.

    Raises:
        InputError: labels that are missing, or given for another scene.
        FileError: no readable label map.
    """
    from meddl import rendering

    wants_labels = parameters.scene == "labels"
    if wants_labels != bool(parameters.labels and parameters.values):
        raise InputError(
            f"--scene is {parameters.scene!r}, --labels {parameters.labels!r} and --values "
            f"{parameters.values!r}; a label map and its values go with --scene labels, and only so"
        )
    if wants_labels:
        from meddl.core.image_io import read_image

        values = _whole_numbers(parameters.values)
        labels = read_image(existing_file(parameters.labels, "label map"))
        return rendering.lumen_from_labels(labels, values, parameters.seed)
    makers: dict[str, Callable[[int], Scene]] = {
        "sinus": rendering.sinus,
        "colon": rendering.colon,
        "abdomen": rendering.abdomen,
    }
    return makers[parameters.scene](parameters.seed)


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--values is {text!r}, whole numbers as in 20,21 were expected") from None


def render_sequence(
    parameters: RenderParameters,
    output: str | Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> EndoscopicSequence:
    """Render a sequence into a folder, as a whole or not at all.

    The folder is one of :mod:`meddl.endodepth.sequence` with all poses, sampled points of the
    surface and their visibility, in mm; ``depth/`` holds the true depth of every frame in mm
    (:mod:`meddl.core.depth_maps`), ``surface.ply`` the surface, ``render.json`` the
    parameters. The world of poses, points and surface is the scene's, RAS for label maps.

    Raises:
        InputError: a bad parameter.
        FileError: labels that cannot be read, or an output that cannot be written or that holds
            anything but an earlier rendered sequence, which is replaced.
        DependencyError: scikit-image is not installed.
    """
    from meddl.rendering import camera_path, fov_intrinsics, surface

    parameters = validate(parameters)
    output = Path(output)
    if output.is_dir() and any(output.iterdir()) and not (output / RECORD).is_file():
        raise FileError(
            f"{output} holds other files than a rendered sequence; choose another folder"
        )
    require("skimage.measure", "the surface of a rendered sequence")
    with atomic_folder(output) as folder:
        progress(0.0, "making the scene")
        scene = make_scene(parameters)
        rng = np.random.default_rng([parameters.seed, 1])
        numbers = np.arange(parameters.frames, dtype=np.int64)
        plain = unposed(
            folder,
            numbers,
            field_of_view(parameters.size, parameters.field),
            fov_intrinsics(parameters.fov, parameters.size),
            f".{parameters.format}",
        )
        sequence = replace(
            plain,
            view_numbers=numbers,
            world_from_camera=camera_path(scene, parameters.frames, rng, parameters.step or None),
            visibility=np.empty((parameters.frames, 0), np.bool_),
        )
        points = _write_frames(
            scene, sequence, parameters, rng, subprogress(progress, 0, 0.9), cancel
        )
        visibility = visible_points(scene, points, sequence, subprogress(progress, 0.9, 1), cancel)
        kept = np.flatnonzero(visibility.sum(0) >= min(_FEWEST, parameters.frames))
        if len(kept) > parameters.points:
            kept = np.sort(rng.choice(kept, parameters.points, replace=False))
        sequence = replace(sequence, points=points[kept], visibility=visibility[:, kept])
        write_sequence(sequence)
        write_mesh(folder / "surface.ply", surface(scene.field))
        record = {"scene": scene.name, "parameters": to_dict(parameters)}
        write_json(folder / RECORD, {**record, "command": command_line(), "versions": versions()})
    files = tuple(output / path.name for path in sequence.frame_files)
    return replace(sequence, folder=output, frame_files=files)


def _write_frames(
    scene: Scene,
    sequence: EndoscopicSequence,
    parameters: RenderParameters,
    rng: np.random.Generator,
    progress: Progress,
    cancel: CancelToken | None,
) -> Floats:
    """Write pictures and depth maps; returns world positions (n, 3) of random pixels of them."""
    from meddl.rendering import IDEAL, random_light, random_sensor, render

    light, sensor = random_light(rng), random_sensor(rng, parameters.size[1])
    # Which way the picture moves differs from pixel to pixel: no motion blur.
    sensor = replace(sensor, motion=(0.0, 0.0), jpeg=0) if parameters.noise else IDEAL
    intrinsics, mask = sequence.require_intrinsics(), sequence.mask
    poses = sequence.world_from_camera
    share = -(-_CANDIDATES * parameters.points // len(poses))
    points = []
    with depth_writer(sequence.folder / "depth", "mm") as depths:
        for number, pose in enumerate(
            steps(poses, len(poses), "rendering frame", progress, cancel)
        ):
            grain = np.random.default_rng([parameters.seed, 2, number])
            colour, depth = render(scene, intrinsics, mask.shape, pose, light, sensor, grain)
            depth = depth * mask
            write_picture(sequence.file_of(number), Image((colour * mask[..., None])[None]))
            depths.write(frame_name(number, ""), depth)
            points.append(_surface_points(depth, intrinsics, pose, share, rng))
    return np.concatenate(points)


def field_of_view(size: tuple[int, int], shape: str) -> NDArray[np.bool_]:
    """(H, W) mask of a ``"round"`` field as wide as the shorter side, or of the ``"full"`` one."""
    height, width = size
    if shape == "full":
        return np.ones(size, bool)
    from_centre = pixel_centres(height, width) - (width / 2, height / 2)
    return np.asarray(np.hypot(*np.moveaxis(from_centre, -1, 0)) < 0.49 * min(size))


def _surface_points(
    depth: NDArray[np.float32],
    intrinsics: Floats,
    world_from_camera: Floats,
    count: int,
    rng: np.random.Generator,
) -> Floats:
    """World positions (n, 3) of up to ``count`` random pixels that see something."""
    rows, columns = np.nonzero(depth)
    if not len(rows) or not count:
        return np.empty((0, 3))
    chosen = rng.integers(len(rows), size=count)
    pixels = np.stack([columns[chosen] + 0.5, rows[chosen] + 0.5, np.ones(count)], axis=-1)
    z = depth[rows[chosen], columns[chosen]][:, None]
    return apply(world_from_camera, z * (pixels @ np.linalg.inv(intrinsics).T))


def visible_points(
    scene: Scene,
    points: Floats,
    sequence: EndoscopicSequence,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.bool_]:
    """(V, P) whether a view sees a world point: in the mask, and no wall in between."""
    from meddl.rendering.path import ray_lengths

    poses, intrinsics = sequence.world_from_camera, sequence.require_intrinsics()
    visibility = np.zeros((len(poses), len(points)), bool)
    for view, pose in enumerate(steps(poses, len(poses), "points of frame", progress, cancel)):
        inside, _, _ = points_in_mask(points, pose, intrinsics, sequence.mask)
        rays = points[inside] - pose[:3, 3]
        distance = np.linalg.norm(rays, axis=1)
        starts = np.repeat(pose[None, :3, 3], len(rays), axis=0)
        reached = ray_lengths(scene.field, starts, rays / distance[:, None])
        visibility[view, inside] = reached > (1 - _CLOSE) * distance
    return visibility
