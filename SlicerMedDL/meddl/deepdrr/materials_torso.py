"""Random torsos as maps of tissues, on which the material network is trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import rotation
from meddl.core.image import Image
from meddl.deepdrr.materials_phantoms import INDEX

SPACING = 1.5  # mm
HEIGHT = 240.0  # mm, of the section of the torso
SPINE, LONG, FLAT, RIBS = "of the spine", "of long bones", "of flat bones", "of ribs"
UPRIGHT = np.eye(3)


class Canvas:
    """A map of tissues that shapes are painted on; places in mm along R, A, S.

    Attributes:
        array: (K, J, I) uint8.
        axes: places of the voxels along i, j, k.
    """

    def __init__(self, low: Any, high: Any, spacing: float) -> None:
        self.low, self.spacing = np.asarray(low, float), spacing
        self.counts = np.rint((np.asarray(high) - low) / spacing).astype(int)
        self.axes = [
            np.float32(a) + np.float32(spacing) * np.arange(n, dtype=np.float32)
            for a, n in zip(low, self.counts, strict=True)
        ]
        self.array = np.zeros([len(axis) for axis in self.axes[::-1]], np.uint8)

    def box(
        self, low: Any, high: Any
    ) -> tuple[tuple[slice, ...], tuple[NDArray[np.float32], ...]] | None:
        """Slices of the part between two corners, and its x, y and z, ready to broadcast.

        None if the part is empty: most shapes lie outside a small canvas.
        """
        first = np.clip(np.ceil((low - self.low) / self.spacing), 0, self.counts).astype(int)
        end = np.clip(np.floor((high - self.low) / self.spacing) + 1, 0, self.counts).astype(int)
        if (first >= end).any():
            return None
        x, y, z = (axis[p:q] for axis, p, q in zip(self.axes, first, end, strict=True))
        part = tuple(slice(p, q) for p, q in zip(first[::-1], end[::-1], strict=True))
        return part, (x[None, None, :], y[None, :, None], z[:, None, None])

    def fill(self, part: tuple[slice, ...], inside: NDArray[np.bool_], tissue: str) -> None:
        """Paint where ``inside``, but never on air: nothing lies outside the body."""
        view = self.array[part]
        view[inside & (view != INDEX["air"])] = INDEX[tissue]

    def ellipsoid(
        self,
        tissue: str,
        centre: Any,
        half: Any,
        turn: NDArray[np.float64] = UPRIGHT,
        power: float = 2.0,
    ) -> None:
        """A superellipsoid |x/a|^p + |y/b|^p + |z/c|^p <= 1, turned about its centre."""
        centre, half = np.asarray(centre, float), np.maximum(half, 0.1)
        turn = turn[:3, :3]
        reach = np.minimum(np.abs(turn) @ half, 1e4)
        found = self.box(centre - reach, centre + reach)
        if found is None:
            return
        part, places = found
        offsets = [p - np.float32(c) for p, c in zip(places, centre, strict=True)]
        total: Any = np.float32(0)
        for axis, a in zip(turn.T, half, strict=True):
            along = sum(np.float32(w / a) * o for w, o in zip(axis, offsets, strict=True) if w)
            total = total + (along * along if power == 2 else np.abs(along) ** np.float32(power))
        self.fill(part, total <= 1, tissue)

    def tube(self, tissue: str, points: Any, radii: Any) -> None:
        """Capsules along a polyline, with one radius or one for each segment."""
        points = np.asarray(points, float)
        radii = np.broadcast_to(np.asarray(radii, float), len(points) - 1)
        for (start, end), radius in zip(pairwise(points), radii, strict=True):
            found = self.box(np.minimum(start, end) - radius, np.maximum(start, end) + radius)
            if radius <= 0 or found is None:
                continue
            part, places = found
            along = end - start
            offsets = [p - np.float32(c) for p, c in zip(places, start, strict=True)]
            share: Any = sum(np.float32(a) * o for a, o in zip(along, offsets, strict=True))
            share = np.clip(share / np.float32(max(along @ along, 1e-6)), 0, 1)
            distance = sum(
                (o - np.float32(a) * share) ** 2 for a, o in zip(along, offsets, strict=True)
            )
            self.fill(part, distance <= radius**2, tissue)

    def bony_ellipsoid(
        self,
        of: str,
        thickness: float,
        centre: Any,
        half: Any,
        turn: NDArray[np.float64] = UPRIGHT,
        power: float = 2.0,
    ) -> None:
        """A superellipsoid of bone: a cortex around a core."""
        self.ellipsoid(f"cortex {of}", centre, half, turn, power)
        self.ellipsoid(f"core {of}", centre, np.asarray(half) - thickness, turn, power)

    def bony_tube(self, of: str, thickness: float, points: Any, radii: Any) -> None:
        """A tube of bone: a cortex around a core."""
        self.tube(f"cortex {of}", points, radii)
        self.tube(f"core {of}", points, np.asarray(radii, float) - thickness)


def random_torso(
    generator: np.random.Generator, spacing: float = SPACING, side: float | None = None
) -> Image:
    """A section of a torso, anywhere from the thighs to the shoulders.

    Args:
        generator: decides everything.
        spacing: mm.
        side: mm, of a cube about a random place in it; by default all of the section.

    Returns:
        uint8 image, indices into TISSUES; axes R, A, S.
    """
    draw = generator.uniform
    wide = draw(120, 200)
    deep = float(np.clip(wide * draw(0.55, 0.8), 85, 140))
    base = draw(-260, 330)  # of the section; z = 0 is the sacrum's upper end
    arms = generator.random() < 0.3
    low = np.array([-wide - (90 if arms else 15), -deep - 45, base])
    high = np.array([-low[0], deep + 12, base + HEIGHT])
    if side is not None:
        x, y = np.clip(generator.normal((0, -0.15), 0.4), -0.9, 0.9)  # seldom beside the body
        centre = np.array([x * wide, y * deep, draw(base, base + HEIGHT)])
        low, high = centre - side / 2, centre + side / 2
    canvas = Canvas(low, high, spacing)
    _body(canvas, generator, wide, deep, arms)
    if base + HEIGHT > 180:
        _chest(canvas, generator, wide, deep)
    if base < 330:
        _abdomen(canvas, generator, wide, deep)
    if base < 40:
        _pelvis(canvas, generator, wide, deep)
    _spine(canvas, generator, deep)
    _vessels(canvas, generator, deep)
    if arms:
        for x in (-wide - 45, wide + 45):
            _long_bone(canvas, generator, (x, 0, base - 50), (x + draw(-15, 15), 0, base + 300), 12)
    _strays(canvas, generator, wide, deep, base)
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = [axis[0] for axis in canvas.axes]
    return Image(canvas.array, matrix)


def _body(
    canvas: Canvas, generator: np.random.Generator, wide: float, deep: float, arms: bool
) -> None:
    draw = generator.uniform
    x, y = canvas.axes[0][None, :], canvas.axes[1][:, None]
    section = np.zeros(canvas.array.shape[1:], np.uint8)
    if generator.random() < 0.5:  # the table: a shell around foam, flat or curved
        under = y + deep + draw(4, 15) - np.float32(draw(0, 4e-4)) * x * x
        section[(under < 0) & (under > -24)] = INDEX["foam"]
        section[(np.abs(under + 12) > 9) & (np.abs(under + 12) < 12)] = INDEX["table"]
    skin = np.abs(x / wide) ** 2.5 + np.abs(y / deep) ** 2.5
    section[skin <= 1] = INDEX["fat"]
    section[skin <= draw(0.5, 0.95)] = INDEX["muscle"]
    section[skin <= draw(0.3, 0.5)] = INDEX["fat"]
    if arms:
        for centre in (-wide - 45, wide + 45):
            distance = (x - centre) ** 2 + y**2
            section[distance < draw(36, 42) ** 2] = INDEX["fat"]
            section[distance < draw(25, 35) ** 2] = INDEX["muscle"]
    canvas.array[:] = section
    for way in (-1, 1):  # the muscles beside the spine and the psoas
        back = (way * draw(28, 45), -0.72 * deep, 100)
        canvas.ellipsoid("muscle", back, (draw(22, 34), draw(15, 24), 1e4))
        psoas = (way * draw(38, 55), -0.35 * deep, 0)
        canvas.ellipsoid("muscle", psoas, (draw(15, 28), draw(15, 25), 200))


def _spine(canvas: Canvas, generator: np.random.Generator, deep: float) -> None:
    draw = generator.uniform
    middle, bend, lean = -draw(0.4, 0.6) * deep, draw(-12, 12), draw(-10, 10)
    phase, pitch = draw(0, 30), draw(24, 38)
    thin = draw(1.2, 2.4)
    low, high = canvas.axes[2][[0, -1]]
    levels = np.arange(pitch / 2, 620, pitch)
    for z in levels[(levels > low - 40) & (levels < high + 40)]:
        size = float(np.clip(1.15 - z / 1200, 0.6, 1.1)) * draw(0.95, 1.05)
        x = lean * np.sin(z / 120 + phase)
        y = middle + bend * np.sin(z / 90 + phase)
        half = np.array([draw(21, 25), draw(15, 18), 0.0]) * size
        half[2] = 0.5 * pitch - draw(2, 4)
        turn = rotation((1, 0, 0), draw(-15, 15)) @ rotation((0, 1, 0), draw(-8, 8))
        canvas.ellipsoid("disc", (x, y, z - pitch / 2), (half[0], half[1], 6), turn)
        back = y - half[1] - 8 * size
        for way in (-1, 1):
            root, tip = (x + way * 13 * size, back, z), (x + way * 38 * size, back - 8, z + 3)
            canvas.bony_tube(SPINE, thin, ((x + way * 12 * size, y, z + 4), root), 5.5 * size)
            canvas.bony_tube(SPINE, thin, (root, tip), draw(3, 5) * size)
            facet = (x + way * 14 * size, back - 5, z - pitch / 2)
            canvas.bony_ellipsoid(SPINE, thin, facet, np.array([7, 7, 12]) * size)
            lamina = ((x + way * 13 * size, back - 2, z), (x, back - 14 * size, z - 4))
            canvas.bony_tube(SPINE, thin, lamina, 4 * size)
        spinous = ((x, back - 12 * size, z - 3), (x, back - 32 * size, z - draw(5, 25)))
        canvas.bony_tube(SPINE, thin, spinous, draw(3.5, 5.5) * size)
        canvas.bony_ellipsoid(SPINE, thin, (x, y, z), half, turn, 4.0)
        canvas.tube(
            "cord", ((x, back, z - pitch / 2 - 2), (x, back, z + pitch / 2 + 2)), 8.5 * size
        )


def _chest(canvas: Canvas, generator: np.random.Generator, wide: float, deep: float) -> None:
    draw = generator.uniform
    bottom, outer = draw(170, 230), draw(0.78, 0.9)
    thin = draw(1.2, 2.2)
    if generator.random() < 0.85:
        for way in (-1, 1):
            lung = (way * 0.42 * wide, 0.05 * deep, bottom + 130)
            canvas.ellipsoid("lung", lung, (0.38 * wide, 0.72 * deep, draw(140, 180)), power=2.5)
            for _ in range(12):  # its vessels
                start = np.array([way * 0.15 * wide, 0, bottom + 110]) + generator.normal(0, 15, 3)
                end = start + generator.normal(0, 55, 3)
                canvas.tube("vein" if draw() < 0.5 else "artery", (start, end), draw(1.5, 5))
    heart = np.array([-0.12 * wide, 0.25 * deep, bottom + draw(40, 80)])
    canvas.ellipsoid("muscle", heart, np.array([60, 50, 60]) * draw(0.8, 1.1))
    for _ in range(4):
        place = heart + generator.uniform(-25, 25, 3)
        canvas.ellipsoid("heart", place, generator.uniform(15, 32, 3))
    angles = np.linspace(-1.45, 1.2, 14)
    for number in range(11):
        z = bottom - 30 + 27 * number
        drop = draw(45, 75)
        for way in (-1, 1):
            ring = np.stack(
                [
                    way * outer * wide * np.cos(angles),
                    0.92 * outer * deep * np.sin(angles),
                    z - drop * (angles + 1.4) / 2.6,
                ],
                axis=1,
            )
            cut = 14 if number > 2 else 8
            canvas.bony_tube(RIBS, thin, ring[: cut - 3], draw(4, 6.5))
            if cut == 14:
                canvas.tube("cartilage", ring[cut - 4 :], 6)
    sternum = ((0, outer * deep - 4, bottom + 60), (0, outer * deep - 8, bottom + 230))
    canvas.bony_tube(FLAT, thin, sternum, 9)
    top = bottom + 260
    for way in (-1, 1):
        collar = ((way * 20, 0.6 * deep, top), (way * 0.85 * wide, -0.1 * deep, top + 20))
        _long_bone(canvas, generator, *collar, 7)
        turn = rotation((0, 0, 1), way * draw(25, 50))
        blade = (way * 0.6 * wide, -0.72 * deep, top - 60)
        canvas.bony_ellipsoid(FLAT, thin, blade, (45, draw(4, 7), 70), turn, 2.5)
        _long_bone(
            canvas,
            generator,
            (way * 0.95 * wide, -0.1 * deep, top),
            (way * (wide + 20), 0, top - 250),
            12,
        )
    canvas.tube("gas", ((0, 0.05 * deep, bottom + 150), (0, 0, top + 200)), draw(7, 10))


def _abdomen(canvas: Canvas, generator: np.random.Generator, wide: float, deep: float) -> None:
    draw = generator.uniform
    top = draw(150, 220)
    canvas.ellipsoid("liver", (0.4 * wide, 0.1 * deep, top), (0.5 * wide, 0.65 * deep, 85))
    canvas.ellipsoid("organ", (-0.6 * wide, -0.2 * deep, top), (35, 28, 55))
    canvas.ellipsoid("stomach", (-0.4 * wide, 0.3 * deep, top - 10), (45, 40, 60))
    canvas.ellipsoid("gas", (-0.4 * wide, 0.5 * deep, top - 5), (32, 15, 40))
    for _ in range(generator.integers(5, 14)):  # loops of bowel
        start = generator.uniform(-0.55, 0.7, 3) * (wide, deep, 0) + (0, 0, draw(-90, 160))
        path = start + np.cumsum(generator.normal(0, 22, (5, 3)), axis=0)
        radius = draw(8, 24)
        canvas.tube("muscle", path, radius + 2)
        canvas.tube("gas" if draw() < 0.3 else "bowel", path, radius)
        if draw() < 0.3:
            canvas.tube("gas", path + np.array((0, 0.6 * radius, 0)), 0.5 * radius)
    for way in (-1, 1):
        kidney = np.array([way * draw(50, 70), -0.45 * deep, draw(60, 130)])
        canvas.ellipsoid("kidney", kidney, (draw(24, 32), draw(20, 28), draw(45, 60)))
        canvas.ellipsoid("urine", kidney - (way * 10, 0, 0), (draw(6, 15), 8, draw(8, 25)))
        ureter = (kidney - (way * 15, 0, 5), (way * 35, -0.25 * deep, 0), (way * 25, 0, -90))
        canvas.tube("urine", ureter, draw(1.5, 4))


def _pelvis(canvas: Canvas, generator: np.random.Generator, wide: float, deep: float) -> None:
    draw = generator.uniform
    thin = draw(1.4, 2.6)
    sacrum = (0, -0.55 * deep, -35)
    tilt = rotation((1, 0, 0), draw(15, 50))
    canvas.bony_ellipsoid(SPINE, thin, sacrum, (draw(45, 55), draw(14, 20), 55), tilt, 2.5)
    for z in (-15, -35, -55):
        for way in (-1, 1):
            canvas.tube("fat", ((way * 18, -deep, z - 10), (way * 15, 0, z)), draw(3, 5))
    for way in (-1, 1):
        turn = rotation((0, 0, 1), way * draw(30, 55)) @ rotation((1, 0, 0), draw(-25, 5))
        wing = (way * draw(62, 82), -0.3 * deep, -35)
        canvas.bony_ellipsoid(FLAT, thin, wing, (draw(6, 11), 60, 65), turn, 2.5)
        hip = np.array([way * draw(85, 100), draw(-10, 15), -115])
        canvas.bony_ellipsoid(FLAT, thin, hip - (way * 12, 0, 0), np.array([28, 34, 36]))
        pubis = (hip - (way * 20, -25, 10), (way * 6, hip[1] + 50, hip[2] - 35))
        canvas.bony_tube(FLAT, thin, pubis, draw(8, 12))
        ischium = (hip - (way * 15, 20, 10), (way * 50, hip[1] - 30, hip[2] - 70), pubis[1])
        canvas.bony_tube(FLAT, thin, ischium, (draw(11, 16), draw(7, 10)))
        canvas.ellipsoid("cartilage", hip, (26, 26, 26))
        canvas.bony_ellipsoid(LONG, thin, hip, np.full(3, draw(21, 24.5)))
        knee = hip + np.array((way * draw(25, 40), -15, -40))
        canvas.bony_tube(LONG, thin, (hip, knee), draw(13, 17))
        canvas.bony_ellipsoid(LONG, thin, knee, np.array([20, 20, 26]))
        _long_bone(canvas, generator, knee, knee - np.array((way * 10, 0, 320)), draw(13, 17))
    bladder = np.array([draw(-10, 10), draw(0, 0.35) * deep, draw(-125, -90)])
    half = generator.uniform(22, 50, 3)
    canvas.ellipsoid("muscle", bladder, half + 3)
    canvas.ellipsoid("organ", bladder, half)  # urine; its agent lies at the back
    canvas.ellipsoid("urine", bladder - (0, draw(0, 0.8) * half[1], 0), half * draw(0.5, 0.9))


def _long_bone(
    canvas: Canvas,
    generator: np.random.Generator,
    start: Any,
    end: Any,
    radius: float,
) -> None:
    thickness = radius * generator.uniform(0.25, 0.5)
    canvas.bony_tube(LONG, thickness, (start, end), radius)


def _vessels(canvas: Canvas, generator: np.random.Generator, deep: float) -> None:
    """Aorta, vena cava, iliac and visceral vessels, with calcifications."""
    draw = generator.uniform
    front = -draw(0.05, 0.3) * deep
    for tissue, x, reach in (("artery", -draw(5, 20), draw(8, 20)), ("vein", draw(15, 30), 12)):
        z = np.arange(0.0, 480, 20)
        wave = 6 * np.sin(z / 70 + draw(0, 6))
        trunk = np.stack([x + wave, front + 5 * np.cos(z / 90 + draw(0, 6)), z], axis=1)
        canvas.tube(tissue, trunk, reach)
        for way in (-1, 1):
            iliac = (trunk[0], (way * 45, front, -50), (way * 75, 0.4 * deep, -120))
            thigh = (way * 85, 0.5 * deep, -320)
            canvas.tube(tissue, (*iliac, thigh), (0.6 * reach, 0.5 * reach, 0.45 * reach))
        for _ in range(generator.integers(3, 12)):
            start = trunk[generator.integers(len(trunk))]
            middle = start + generator.normal(0, 25, 3)
            path = (start, middle, middle + generator.normal(0, 30, 3))
            canvas.tube(tissue, path, (draw(2, 6), draw(1.5, 4)))
        if tissue == "artery":
            for _ in range(generator.integers(0, 8)):
                angle = draw(0, 2 * np.pi)
                place = trunk[generator.integers(len(trunk))] + reach * np.array(
                    [np.cos(angle), np.sin(angle), draw(-1, 1)]
                )
                canvas.ellipsoid("calcification", place, generator.uniform(1, 4, 3))


def _strays(
    canvas: Canvas, generator: np.random.Generator, wide: float, deep: float, base: float
) -> None:
    """Dense blobs, small bones and metal anywhere: shape and place alone must not decide."""
    draw = generator.uniform
    middle = (0, 0, base + HEIGHT / 2)

    def place() -> NDArray[np.float64]:
        offset: NDArray[np.float64] = generator.uniform(-0.7, 0.7, 3) * (wide, deep, HEIGHT / 1.4)
        return offset + middle

    for _ in range(generator.integers(0, 5)):
        turn = rotation(generator.normal(size=3), draw(0, 180))
        canvas.ellipsoid("dense blob", place(), generator.uniform(4, 35, 3), turn)
    for _ in range(generator.integers(0, 4)):
        turn = rotation(generator.normal(size=3), draw(0, 180))
        half = generator.uniform(5, 30, 3)
        canvas.bony_ellipsoid(FLAT, draw(1.5, 3), place(), half, turn, draw(2, 4))
    if generator.random() < 0.15:
        start = place()
        canvas.tube("metal", (start, start + generator.normal(0, 40, 3)), draw(2, 8))
