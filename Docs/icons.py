"""Draws the icons of the extension and its modules: python Docs/icons.py.

Drawn at eight times their size on a 128 x 128 grid and reduced, which smooths the edges.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
SIZE, SCALE = 128, 8
NIGHT, SEA = (16, 38, 66), (18, 122, 138)
WHITE, BONE, BEAM, SIGNAL = (255, 255, 255), (243, 233, 208), (120, 214, 220), (255, 179, 71)

GRASS, BRICK = (46, 160, 67), (240, 84, 72)


class Canvas:
    """Shapes in icon coordinates (0..128, y down), each blended over what is there."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
        ramp = Image.linear_gradient("L").resize(self.image.size)
        ground = Image.composite(
            Image.new("RGBA", ramp.size, (*SEA, 255)),
            Image.new("RGBA", ramp.size, (*NIGHT, 255)),
            ramp,
        )
        mask = Image.new("L", ramp.size)
        side = SIZE * SCALE
        ImageDraw.Draw(mask).rounded_rectangle((4, 4, side - 5, side - 5), 26 * SCALE, fill=255)
        self.image.paste(ground, mask=mask)

    def draw(self, shape, points, color, alpha=255, **options) -> None:
        """Blend one of Pillow's shapes; lengths in ``options`` are in icon units."""
        layer = Image.new("RGBA", self.image.size)
        scaled = [value * SCALE for value in points]
        options = {k: int(v * SCALE) if k in ("width", "radius") else v for k, v in options.items()}
        paint = "outline" if options.pop("outline", False) else "fill"
        getattr(ImageDraw.Draw(layer), shape)(scaled, **{paint: (*color, alpha)}, **options)
        self.image = Image.alpha_composite(self.image, layer)

    def polygon(self, points, color, alpha=255) -> None:
        self.draw("polygon", [value for point in points for value in point], color, alpha)

    def stroke(self, points, color, width, alpha=255) -> None:
        """A polyline with round joints and ends."""
        layer = Image.new("RGBA", self.image.size)
        pen, half = ImageDraw.Draw(layer), width * SCALE / 2
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        pen.line(scaled, fill=(*color, alpha), width=int(width * SCALE))
        for x, y in scaled:
            pen.ellipse((x - half, y - half, x + half, y + half), fill=(*color, alpha))
        self.image = Image.alpha_composite(self.image, layer)

    def dot(self, x, y, radius, color, alpha=255) -> None:
        self.draw("ellipse", (x - radius, y - radius, x + radius, y + radius), color, alpha)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)


def slices(canvas: Canvas, x: float, y: float, half: float, gap: float) -> None:
    """Three slices of a volume in perspective, the lowest first."""
    for level, alpha in ((2, 95), (1, 150), (0, 235)):
        top = y + gap * level
        canvas.polygon(
            [(x, top - half / 2), (x + half, top), (x, top + half / 2), (x - half, top)],
            WHITE,
            alpha,
        )


def extension() -> Canvas:
    """MedDL: a volume whose top slice carries a small network."""
    canvas = Canvas()
    slices(canvas, 64, 48, 46, 20)
    nodes = [(40, 48), (64, 37), (64, 59), (88, 48)]
    for a, b in ((0, 1), (0, 2), (1, 3), (2, 3), (1, 2)):
        canvas.stroke([nodes[a], nodes[b]], SEA, 2.6)
    for x, y in nodes:
        canvas.dot(x, y, 5.2, NIGHT)
    canvas.dot(*nodes[3], 5.2, SIGNAL)
    return canvas


def hub() -> Canvas:
    """MedDL Home: a house with a volume in it."""
    canvas = Canvas()
    canvas.polygon([(64, 22), (108, 60), (98, 60), (98, 104), (30, 104), (30, 60), (20, 60)], WHITE)
    for level, color in ((2, BEAM), (1, SEA), (0, NIGHT)):
        y = 66 + 11 * level
        canvas.polygon([(64, y - 11), (86, y), (64, y + 11), (42, y)], color)
    return canvas


def deepdrr() -> Canvas:
    """DeepDRR: a C-arm, its beam from the source below to the detector above, a bone in between."""
    canvas = Canvas()
    arc = [
        (60 + 45 * math.cos(math.radians(angle)), 64 + 45 * math.sin(math.radians(angle)))
        for angle in range(84, 271, 3)
    ]
    canvas.polygon([(71, 99), (54, 28), (106, 28)], BEAM, 120)
    canvas.stroke(arc, WHITE, 9)
    canvas.draw("rounded_rectangle", (52, 14.5, 108, 28), WHITE, radius=4)
    canvas.draw("rounded_rectangle", (58, 95, 84, 113.5), WHITE, radius=4)
    canvas.dot(71, 99, 4.5, SIGNAL)
    canvas.stroke([(65, 68), (91, 52)], BONE, 9)
    for x, y in ((61, 65), (66, 74), (90, 46), (95, 55)):
        canvas.dot(x, y, 6.5, BONE)
    return canvas


def endodepth() -> Canvas:
    """EndoDepth: a lumen in rings that darken with depth, the tip of an endoscope before it."""
    canvas = Canvas()
    for radius, shade in ((46, 235), (36, 180), (26, 125), (15, 70)):
        canvas.dot(66, 58, radius + 2, NIGHT, 120)
        canvas.dot(66, 58, radius, BONE, shade)
    canvas.dot(66, 58, 9, NIGHT)
    canvas.polygon([(31, 97), (58, 50), (78, 64)], BEAM, 150)
    canvas.stroke([(14, 114), (30, 98)], WHITE, 15)
    canvas.dot(33, 95, 4.5, SIGNAL)
    return canvas


def deepigeos() -> Canvas:
    """DeepIGeoS: a structure with a stroke inside it and one beside it."""
    canvas = Canvas()
    outline = [
        (
            62 + (34 + 6 * math.sin(3 * angle)) * math.cos(angle),
            66 + (30 + 5 * math.cos(2 * angle)) * math.sin(angle),
        )
        for angle in (math.radians(step) for step in range(0, 360, 4))
    ]
    canvas.polygon(outline, BONE, 235)
    canvas.stroke([*outline, outline[0]], WHITE, 3)
    canvas.stroke([(44, 72), (52, 62), (64, 66), (76, 58)], GRASS, 8)
    canvas.stroke([(24, 28), (52, 19), (86, 24)], BRICK, 8)
    return canvas


def desmoke() -> Canvas:
    """Desmoke: an instrument in the round field of view, smoke at the left, a clear right half."""
    canvas = Canvas()
    canvas.dot(64, 64, 46, BRICK, 235)
    canvas.stroke([(74, 50), (106, 92)], WHITE, 8)
    canvas.stroke([(64, 46), (74, 50), (70, 60)], WHITE, 6)
    for x, y, radius in ((32, 50, 20), (46, 74, 22), (38, 88, 16), (52, 40, 16), (24, 70, 15)):
        canvas.dot(x, y, radius, WHITE, 150)
    canvas.stroke([(64, 12), (64, 116)], SIGNAL, 4)
    canvas.dot(64, 64, 7, SIGNAL)
    return canvas


if __name__ == "__main__":
    extension().save(ROOT / "SlicerMedDL/Resources/Icons/MedDL.png")
    hub().save(ROOT / "SlicerMedDL/Resources/Icons/SlicerMedDL.png")
    deepdrr().save(ROOT / "DeepDRRModule/Resources/Icons/DeepDRRModule.png")
    endodepth().save(ROOT / "EndoDepthModule/Resources/Icons/EndoDepthModule.png")
    desmoke().save(ROOT / "DesmokeModule/Resources/Icons/DesmokeModule.png")
    for name in ("DeepIGeoSModule", "SegmentEditorDeepIGeoS"):
        deepigeos().save(ROOT / f"DeepIGeoSModule/Resources/Icons/{name}.png")
