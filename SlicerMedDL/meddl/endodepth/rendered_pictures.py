"""Rendered pictures with exact depth, kept in a folder while a network is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import atomic_path, parsing
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.endodepth.networks import network_input
from meddl.endodepth.picture_variation import random_field, random_hollows, random_look, random_view

if TYPE_CHECKING:
    from meddl.rendering import Scene

HEIGHT, WIDTH = 256, 320  # pixels of a picture
FIELD = (75.0, 110.0)  # range of the angle across, degrees
CANDIDATES = 6  # poses per view that is kept
HELD_OUT = 1_000_003  # the seeds of the validation's scenes begin here
VIEW = np.dtype([("colour", np.uint8, (HEIGHT, WIDTH, 3)), ("depth", np.float16, (HEIGHT, WIDTH))])


def random_scene(seed: int) -> Scene:
    """A nasal cavity, or for every third seed a colon."""
    from meddl.rendering import colon, sinus

    return colon(seed) if seed % 3 == 2 else sinus(seed)


def render_views(seed: int, views: int) -> NDArray[Any]:
    """(views,) of VIEW: pictures of a random scene from many places, depth in mm, 0: nothing."""
    from meddl.rendering import fov_intrinsics, random_light, random_sensor, render

    rng = np.random.default_rng([seed, 1])
    scene = random_scene(seed)
    result = np.zeros(views, VIEW)
    for number, world_from_camera in enumerate(_poses(scene, views, rng)):
        intrinsics = fov_intrinsics(rng.uniform(*FIELD), (HEIGHT, WIDTH))
        light, sensor = random_light(rng), random_sensor(rng, WIDTH)
        size = HEIGHT, WIDTH
        result[number] = tuple(
            render(scene, intrinsics, size, world_from_camera, light, sensor, rng)
        )
    return result


def _poses(scene: Scene, views: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Poses (views, 4, 4) from short paths, the likelier the more the depth varies in the picture.

    Most places of a passage look at a plain wall close by.
    """
    from meddl.rendering import camera_path, fov_intrinsics, render_radiance

    apart = 13  # frames, after which the picture is another one
    paths = -(-CANDIDATES * views // 4)
    poses = np.concatenate([camera_path(scene, 3 * apart + 1, rng)[::apart] for _ in range(paths)])
    size = HEIGHT // 8, WIDTH // 8
    contrasts = []
    for world_from_camera in poses:
        depth = render_radiance(scene, fov_intrinsics(90, size), size, world_from_camera)[1]
        near, far = np.percentile(depth[depth > 0], (5, 95)) if depth.any() else (1.0, 1.0)
        contrasts.append(np.log(far / near) ** 2)
    chances = np.array(contrasts) / np.sum(contrasts)
    return poses[rng.choice(len(poses), views, replace=False, p=chances)]


def render_scenes(
    folder: str | Path,
    seeds: Sequence[int],
    views: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[NDArray[Any]]:
    """Render the scenes that ``folder`` does not hold yet, one file each, and open all of them.

    Args:
        folder: made if it is missing.
        seeds: one per scene; a seed decides scene, path, camera and light.
        views: pictures per scene.

    Returns:
        (views,) of VIEW per scene; they stay on disk until they are read.

    Raises:
        FileError: the folder takes no file, or holds a damaged one.
    """
    folder = make_folder(Path(folder))
    paths = [folder / f"scene_{seed}_{views}.npy" for seed in seeds]
    pairs = zip(seeds, paths, strict=True)
    for seed, path in steps(pairs, len(paths), "rendering scene", progress, cancel):
        if not path.exists():
            with atomic_path(path) as temporary:
                np.save(temporary, render_views(seed, views))
    scenes = []
    for path in paths:
        with parsing(path, "rendered scene"):
            scene = np.load(path, mmap_mode="r")
        if scene.dtype != VIEW or scene.shape != (views,):
            raise InputError(f"{path} holds other pictures; delete it to render the scene again")
        scenes.append(scene)
    return scenes


class RenderedPictures:
    """Samples (picture (3, H, W) float32, -1..1, depth (1, H, W) float32, 0 where unknown).

    Each is seen with a random appearance and field of view; validation sees always the same ones.

    Args:
        scenes: see :func:`render_scenes`.
    """

    def __init__(self, scenes: Sequence[NDArray[Any]]) -> None:
        self._views = [(scene, view) for scene in scenes for view in range(len(scene))]

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.draw(index, np.random.default_rng([HELD_OUT, index]))

    def draw(
        self, index: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The picture of one view under a random appearance."""
        scene, view = self._views[index]
        colour, depth = scene[view]["colour"], scene[view]["depth"].astype(np.float32)
        colour, depth = random_view(colour, depth, generator)
        field = random_field(depth.shape, generator)
        colour = random_look(random_hollows(colour, depth, generator), generator)
        return network_input(colour, field), np.where(field, depth, np.float32(0))[np.newaxis]
