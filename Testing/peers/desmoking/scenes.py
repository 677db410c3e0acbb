"""Clear frames that no training has seen, and the smoke that is put over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.core.pictures import read_rgb
from meddl.core.video import read_frames
from meddl.desmoke.frame_sources import RenderedFrames
from meddl.desmoke.scattering import blend
from meddl.desmoke.smoke import depth_from_brightness, smoke_clip

Frame = NDArray[np.uint8]

SIDE = 256  # pixels, of all frames
# The frames of the clips input_*.avi without smoke, by eye. What is not named has smoke of all
# densities, or cannot be told from it.
CLEAR = {
    2: (3, 4, 5, 6, 8, 25, 26, 27, 37, 38, 39, 40, 41),
    6: (28, 29, 32, 33, 34, 35, 37, 38, 39, 40),
    8: (0, 1, 2, 3, 4, 27, 28, 29, 30),
    10: (0, 1, 2, 3, 4, 11, 29, 30, 47, 48, 49),
    12: (0, 1, 2, 3, 4, 8, 9, 10, 11, 12),
}
FIRST_SEED = 1000  # rendered scenes below may be trained on
DENSITIES = ("light", "medium", "heavy")
RATE = 25.0
FRAMES = 13  # of a clip: half a second
DRIFT, ZOOM, TURN = 0.6, 0.0008, 0.05  # of the camera per frame: pixels, share, degrees


@dataclass(frozen=True, eq=False)
class Scene:
    """One clear frame (SIDE, SIDE, 3) and where it is from."""

    name: str
    source: str
    frame: Frame


@dataclass(frozen=True, eq=False)
class Smoky:
    """A scene under smoke: ``clear`` and ``smoky`` frames in order, and their mean opacity."""

    scene: Scene
    density: str
    kind: str
    clear: list[Frame]
    smoky: list[Frame]
    opacity: float


def clear_frames(folder: Path, clip: int) -> list[Scene]:
    """The frames of ``input_CLIP.avi`` without smoke."""
    return [
        Scene(f"clip {clip} frame {number}", f"clip {clip}", squared(frame))
        for number, frame in enumerate(read_frames(folder / f"input_{clip}.avi"))
        if number in CLEAR[clip]
    ]


def scenes(folder: Path | None, rendered: int, photos: Sequence[Path] = ()) -> list[Scene]:
    """Clear frames of clip 12, ``rendered`` abdomens from seed 1000 on, and photographs."""
    found = clear_frames(folder, 12) if folder else []
    for seed in range(FIRST_SEED, FIRST_SEED + rendered):
        for frame in RenderedFrames(seed, views=1).frames():
            found.append(Scene(f"abdomen {seed}", "rendered", squared(frame)))
    found += [Scene(path.stem, "photographs", squared(read_rgb(path))) for path in photos]
    return found


def squared(frame: Frame) -> Frame:
    """The middle square, SIDE pixels wide."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(frame[top : top + side, left : left + side])
    if side == SIDE:
        return middle
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (SIDE, SIDE), interpolation=how), np.uint8)


def moving(frame: Frame, count: int, rng: np.random.Generator) -> list[Frame]:
    """``count`` views of a still by a camera that drifts, nears and turns slowly.

    Lanczos interpolation, and an edge that stays inside the still.
    """
    drift = DRIFT * rng.standard_normal(2)
    nearer, turn = ZOOM * rng.standard_normal(), TURN * rng.standard_normal()
    margin = 1 + 4 * DRIFT * count / SIDE
    views = []
    for time in np.arange(count) - (count - 1) / 2:
        scale = margin * np.exp(nearer * time)
        way = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn * time, scale)
        way[:, 2] += drift * time
        view = cv2.warpAffine(
            frame, way, (SIDE, SIDE), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        views.append(np.asarray(view, np.uint8))
    return views


def under_smoke(scene: Scene, density: str, kind: str, count: int, seed: int) -> Smoky:
    """A scene under smoke of a class.

    Args:
        density: one of :data:`DENSITIES`.
        kind: ``"physical"``: veil, cloud or plume, drawn; ``"published"``: the composite of the
            published work.
        count: 1: the still itself; more: a clip at 25 frames/s with a moving camera.
        seed: of the smoke and the motion.
    """
    rng = np.random.default_rng([seed, DENSITIES.index(density), kind == "published"])
    clear = [scene.frame] if count == 1 else moving(scene.frame, count, rng)
    drawn = "published" if kind == "published" else str(rng.choice(["veil", "cloud", "plume"]))
    depth = depth_from_brightness(scene.frame)
    smoke = smoke_clip((SIDE, SIDE), count, rng, density, depth, RATE, drawn)
    smoky = [
        np.rint(255 * np.clip(blend(frame / np.float32(255), t, a), 0, 1)).astype(np.uint8)
        for frame, t, a in zip(clear, smoke.transmission, smoke.airlight, strict=True)
    ]
    return Smoky(scene, density, kind, clear, smoky, float(1 - smoke.transmission.mean()))


def stills(found: Sequence[Scene]) -> Iterator[Smoky]:
    """Every scene under every density and kind of smoke."""
    for seed, scene in enumerate(found):
        for density in DENSITIES:
            for kind in ("physical", "published"):
                yield under_smoke(scene, density, kind, 1, seed)


def clips(found: Sequence[Scene]) -> Iterator[Smoky]:
    """Every scene as a clip under every density of physical smoke."""
    for seed, scene in enumerate(found):
        for density in DENSITIES:
            yield under_smoke(scene, density, "physical", FRAMES, seed + 1000)
