"""What stands in a random room: furniture of boxes, cylinders and ellipsoids."""

from __future__ import annotations

import numpy as np

from meddl.rendering.room_builder import Builder
from meddl.rendering.room_kinds import (
    BOX,
    CYLINDER,
    ELLIPSOID,
    PATCHES,
    PLAIN,
    PLANKS,
    STRIPES,
    TILES,
)

WALL_GAP = 0.02  # m between furniture and wall


def furnish(builder: Builder) -> None:
    """Walls, lamps, furniture along the walls and in the middle, things on the tables."""
    rng = builder.rng
    width, length = np.exp(rng.uniform(np.log(2.4), np.log(8.0), 2))
    height = rng.uniform(2.3, 3.2)
    _shell(builder, width, length, height)
    _lights(builder, width, length, height)
    for wall in range(4):
        _along_wall(builder, wall, (width, length, height))
    middle = int(rng.integers(0, 1 + round(width * length / 8)))
    for _ in range(min(middle, 4)):
        place = (rng.uniform(-0.3, 0.3) * width, rng.uniform(-0.3, 0.3) * length, 0.0)
        builder.place(place, rng.choice([0, np.pi / 2, rng.uniform(0, 2 * np.pi)]))
        (_table, _table, _armchair, _carton)[rng.integers(4)](builder)
    if rng.random() < 0.4:
        builder.place((rng.uniform(-0.2, 0.2) * width, rng.uniform(-0.2, 0.2) * length, 0), 0)
        size = (rng.uniform(1, 0.8 * width), rng.uniform(1, 0.8 * length), 0.02)
        builder.add(BOX, (0, 0, 0.01), size, builder.cloth())


def _shell(builder: Builder, width: float, length: float, height: float) -> None:
    rng = builder.rng
    paint = builder.colour((0, 1), (0, 0.35), (0.3, 0.9))
    size, contrast = rng.uniform(0.05, 2), rng.uniform(0, 1)
    walls = []
    for _ in range(4):
        kind = rng.random()
        if kind < 0.7:
            walls.append(builder.material((paint, paint), PLAIN, size, contrast))
        elif kind < 0.85:
            walls.append(builder.cloth())
        else:
            accent = builder.colour((0, 1), (0, 0.8), (0.05, 0.8))
            walls.append(builder.material((accent, 0.8 * accent), TILES, rng.uniform(0.1, 0.5)))
    floor = rng.random()
    if floor < 0.4:
        ground = builder.wood(PLANKS)
    elif floor < 0.65:
        tint = builder.colour((0, 1), (0, 0.3), (0.1, 0.8))
        ground = builder.material(
            (tint, tint * rng.uniform(0.3, 1)), TILES, rng.uniform(0.2, 0.6), 1, 0.3
        )
    else:
        ground = builder.cloth()
    white = builder.colour((0, 1), (0, 0.1), (0.6, 0.95))
    ceiling = builder.material((white, white), PLAIN, 1, 0.5)
    if rng.random() < 0.2:
        ceiling = builder.material((white, 0.9 * white), TILES, 0.6)
    builder.place((0, 0, 0), 0)
    builder.add(BOX, (0, 0, height / 2), (width, length, height), [*walls, ground, ceiling])
    if rng.random() < 0.7:  # skirting boards
        board = builder.wood() if rng.random() < 0.5 else ceiling
        tall = rng.uniform(0.06, 0.14)
        for side in (-1, 1):
            builder.add(BOX, (side * width / 2, 0, tall / 2), (0.03, length, tall), board)
            builder.add(BOX, (0, side * length / 2, tall / 2), (width, 0.03, tall), board)


def _lights(builder: Builder, width: float, length: float, height: float) -> None:
    rng = builder.rng
    area = width * length
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-0.4, 0.4, 2) * (width, length)
        z = height - rng.uniform(0.15, 0.5)
        if rng.random() < 0.3:  # daylight: low and beside a wall
            x, y, z = 0.45 * width * rng.choice([-1, 1]), y, rng.uniform(1.2, 2)
        tint = builder.colour((0.05, 0.65), (0, 0.3), (1, 1))
        strength = rng.uniform(0.3, 1.5) * (0.5 + 0.15 * area)
        builder.lamps.append([x, y, z, *(tint * strength), rng.uniform(0.03, 0.3)])
        if z > height - 0.6 and rng.random() < 0.5:
            shade = builder.material((tint, tint), PLAIN, 1, 0, 0, 3.0)
            builder.place((x, y, 0), 0)
            edge = rng.uniform(0.1, 0.4)
            kind = CYLINDER if rng.random() < 0.5 else BOX
            builder.add(kind, (0, 0, height - 0.03), (edge, edge, 0.05), shade)


def _along_wall(builder: Builder, wall: int, room: tuple[float, float, float]) -> None:
    """Furniture side by side along one wall, with pictures, doors and windows behind it."""
    rng = builder.rng
    width, length, height = room
    run, depth = (length, width) if wall < 2 else (width, length)
    turn = (-np.pi / 2, np.pi / 2, 0.0, np.pi)[wall]  # y points into the room

    def stand(along: float) -> None:
        sides = (
            (-width / 2, -along),
            (width / 2, along),
            (along, -length / 2),
            (-along, length / 2),
        )
        builder.place((*sides[wall], 0.0), turn)

    position = -run / 2 + rng.uniform(0.05, 0.8)
    while position < run / 2 - 0.5:
        room_left = run / 2 - position
        piece = rng.random()
        if piece < 0.55 and depth > 2:
            size = min(
                room_left - 0.02, float(rng.choice([0.5, 0.8, 1.2, 1.8])) * rng.uniform(0.8, 1.2)
            )
            stand(position + size / 2)
            makers = [_cabinet, _cabinet, _shelf, _sofa, _desk, _bed, _curtain, _lamp]
            makers[rng.integers(len(makers))](builder, size, height)
            position += size
        elif piece < 0.8:
            size = min(room_left - 0.02, rng.uniform(0.5, 1.3))
            stand(position + size / 2)
            _flat(builder, size, height)
            position += size
        position += rng.exponential(0.4)


def _flat(builder: Builder, size: float, height: float) -> None:
    """A picture, a door or a window."""
    rng = builder.rng
    kind = rng.random()
    if kind < 0.5:
        tall, low = rng.uniform(0.3, 1.0), rng.uniform(1.1, 1.5)
        colour = builder.colour()
        canvas = builder.material((colour, colour), PATCHES, rng.uniform(0.05, 0.3), 0.6)
        builder.add(BOX, (0, 0.015, low + tall / 2), (size, 0.03, tall), builder.any())
        builder.add(BOX, (0, 0.02, low + tall / 2), (size - 0.1, 0.03, tall - 0.1), canvas)
    elif kind < 0.8:
        tall = min(2.05, height - 0.1)
        builder.add(BOX, (0, 0.02, tall / 2), (size + 0.1, 0.05, tall + 0.06), builder.any())
        builder.add(BOX, (0, 0.03, tall / 2), (size - 0.06, 0.05, tall), builder.any())
        knob = builder.material((np.full(3, 0.5), np.full(3, 0.5)), PLAIN, 1, 0, 1)
        builder.add(ELLIPSOID, (0.38 * size, 0.09, 1.0), (0.07, 0.07, 0.07), knob)
    else:
        low = rng.uniform(0.7, 1.1)
        tall = min(rng.uniform(0.8, 1.4), height - low - 0.1)
        sky = builder.colour((0.5, 0.65), (0, 0.3), (0.8, 1))
        pane = builder.material((sky, sky), PLAIN, 0.5, 1, 0.5, rng.uniform(0, 4))
        frame = builder.any()
        builder.add(BOX, (0, 0.02, low + tall / 2), (size + 0.08, 0.04, tall + 0.08), frame)
        builder.add(BOX, (0, 0.03, low + tall / 2), (size, 0.04, tall), pane)
        builder.add(BOX, (0, 0.04, low + tall / 2), (0.05, 0.05, tall), frame)


def _cabinet(builder: Builder, size: float, height: float) -> None:
    """A box with drawers or doors, and things on it if it is low."""
    rng = builder.rng
    deep, tall = rng.uniform(0.35, 0.65), min(rng.uniform(0.6, 2.2), height - 0.1)
    body = builder.any()
    builder.add(BOX, (0, WALL_GAP + deep / 2, tall / 2), (size, deep, tall), body)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    front = body if rng.random() < 0.5 else builder.any()
    metal = builder.material((np.full(3, 0.4), np.full(3, 0.4)), PLAIN, 1, 0, 1)
    w, h = size / columns, (tall - 0.08) / rows
    for row in range(rows):
        for column in range(columns):
            x, z = -size / 2 + (column + 0.5) * w, 0.08 + (row + 0.5) * h
            y = WALL_GAP + deep
            builder.add(BOX, (x, y + 0.01, z), (w - 0.03, 0.02, h - 0.03), front)
            builder.add(BOX, (x, y + 0.03, z + 0.3 * h), (0.12, 0.02, 0.02), metal)
    if tall < 1.4:
        _things(builder, (0, WALL_GAP + deep / 2, tall), (size, deep), int(rng.integers(0, 5)))


def _shelf(builder: Builder, size: float, height: float) -> None:
    """Boards with rows of books."""
    rng = builder.rng
    deep, tall = rng.uniform(0.25, 0.4), min(rng.uniform(0.9, 2.2), height - 0.1)
    wood = builder.any()
    y = WALL_GAP + deep / 2
    for side in (-1, 1):
        builder.add(BOX, (side * (size / 2 - 0.01), y, tall / 2), (0.025, deep, tall), wood)
    builder.add(BOX, (0, WALL_GAP, tall / 2), (size, 0.01, tall), wood)
    grey = builder.colour()
    levels = max(2, round(tall / rng.uniform(0.3, 0.45)))
    for level in range(levels + 1):
        z = 0.02 + level * (tall - 0.03) / levels
        builder.add(BOX, (0, y, z), (size, deep, 0.025), wood)
        if level < levels and rng.random() < 0.8:
            books = builder.material(
                (grey, grey), STRIPES, rng.uniform(0.02, 0.05), rng.uniform(0.5, 1)
            )
            wide = size * rng.uniform(0.3, 0.93)
            x = rng.uniform(-1, 1) * (size - wide) / 2.2
            h = (tall / levels) * rng.uniform(0.5, 0.85)
            builder.add(BOX, (x, y - 0.03, z + h / 2), (wide, 0.7 * deep, h), books)


def _sofa(builder: Builder, size: float, height: float) -> None:
    rng = builder.rng
    size = max(size, 0.8)
    cloth, deep, seat = builder.cloth(), rng.uniform(0.75, 0.95), rng.uniform(0.38, 0.46)
    builder.add(BOX, (0, WALL_GAP + deep / 2, seat / 2 + 0.05), (size, deep, seat - 0.1), cloth)
    back = rng.uniform(0.7, 1.0)
    builder.add(BOX, (0, 0.12, back / 2 + 0.05), (size, 0.2, back), cloth)
    for side in (-1, 1):
        x = side * (size / 2 - 0.08)
        builder.add(BOX, (x, deep / 2, 0.32), (0.16, deep, 0.6), cloth)
    count = max(1, round(size / 0.7))
    for n in range(count):
        x = (n + 0.5) * (size - 0.3) / count - (size - 0.3) / 2
        wide = (size - 0.34) / count
        builder.add(BOX, (x, deep / 2 + 0.1, seat + 0.05), (wide, deep - 0.2, 0.14), cloth)
        if rng.random() < 0.5:
            builder.add(ELLIPSOID, (x, 0.3, seat + 0.3), (0.45, 0.16, 0.42), builder.cloth())


def _armchair(builder: Builder) -> None:
    rng = builder.rng
    _chair(builder, (0, 0), rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 1.5))


def _chair(builder: Builder, at: tuple[float, float], turn: float, scale: float = 1.0) -> None:
    """A seat of 45 cm, four legs and a back, at a place of the present frame."""
    rng = builder.rng
    origin, before = builder.origin, builder.turn
    c, s = np.cos(before), np.sin(before)
    x, y = c * at[0] - s * at[1], s * at[0] + c * at[1]
    builder.place((origin[0] + x, origin[1] + y, 0), before + turn)
    wood, seat = builder.any(), builder.any()
    w, back = 0.44 * scale, rng.uniform(0.8, 1.05) * min(scale, 1.2)
    builder.add(BOX, (0, 0, 0.45), (w, w, 0.05), seat)
    for sx in (-1, 1):
        for sy in (-1, 1):
            builder.add(
                BOX, (sx * (w / 2 - 0.02), sy * (w / 2 - 0.02), 0.22), (0.04, 0.04, 0.44), wood
            )
        builder.add(
            BOX,
            (sx * (w / 2 - 0.02), -w / 2 + 0.02, (0.45 + back) / 2),
            (0.04, 0.04, back - 0.45),
            wood,
        )
    if rng.random() < 0.5:
        builder.add(BOX, (0, -w / 2 + 0.02, (0.5 + back) / 2), (w, 0.05, back - 0.5), seat)
    else:
        for z in np.linspace(0.6, back, 3):
            builder.add(BOX, (0, -w / 2 + 0.02, float(z)), (w, 0.03, 0.07), wood)
    builder.place((origin[0], origin[1], 0), before)


def _table(builder: Builder) -> None:
    rng = builder.rng
    w, d = rng.uniform(0.8, 1.9), rng.uniform(0.6, 1.0)
    tall = rng.uniform(0.68, 0.8) if rng.random() < 0.7 else rng.uniform(0.35, 0.5)
    _tabletop(builder, (0, 0), (w, d), tall)
    if tall > 0.6:
        for _ in range(int(rng.integers(0, 5))):
            side = rng.choice([-1, 1])
            at = (rng.uniform(-0.4, 0.4) * w, side * (d / 2 + rng.uniform(0, 0.3)))
            _chair(builder, at, (0.0 if side < 0 else np.pi) + rng.normal(0, 0.2))


def _desk(builder: Builder, size: float, height: float) -> None:
    size = max(size, 0.9)
    deep = builder.rng.uniform(0.6, 0.8)
    _tabletop(builder, (0, WALL_GAP + deep / 2), (size, deep), builder.rng.uniform(0.7, 0.78))
    if builder.rng.random() < 0.6:
        _chair(builder, (0, deep + 0.2), np.pi + builder.rng.normal(0, 0.4))


def _tabletop(
    builder: Builder, at: tuple[float, float], size: tuple[float, float], tall: float
) -> None:
    rng = builder.rng
    top, leg = builder.any(), builder.any()
    (x, y), (w, d) = at, size
    builder.add(BOX, (x, y, tall - 0.02), (w, d, 0.04), top)
    for sx in (-1, 1):
        for sy in (-1, 1):
            place = (x + sx * (w / 2 - 0.04), y + sy * (d / 2 - 0.04), (tall - 0.04) / 2)
            builder.add(BOX, place, (0.06, 0.06, tall - 0.04), leg)
    builder.table((x, y, tall))
    _things(builder, (x, y, tall), size, int(rng.integers(1, 9)))
    if rng.random() < 0.3:  # a screen
        black = builder.material((np.full(3, 0.01), np.full(3, 0.01)), PLAIN, 1, 0, 0.5)
        wide = rng.uniform(0.35, 0.6)
        builder.add(BOX, (x, y - d / 4, tall + 0.06), (0.05, 0.05, 0.12), black)
        builder.add(BOX, (x, y - d / 4, tall + 0.3), (wide, 0.05, 0.6 * wide), black)


def _things(
    builder: Builder,
    at: tuple[float, float, float],
    size: tuple[float, float],
    count: int,
) -> None:
    """Cups, books, boxes, balls and bowls on a surface."""
    rng = builder.rng
    for _ in range(count):
        x = at[0] + rng.uniform(-0.42, 0.42) * size[0]
        y = at[1] + rng.uniform(-0.38, 0.38) * size[1]
        kind, wide = rng.random(), rng.uniform(0.06, 0.2)
        material, turn = builder.any(), rng.uniform(0, np.pi)
        if kind < 0.35:
            tall = wide * rng.uniform(0.7, 2)
            builder.add(
                CYLINDER, (x, y, at[2] + tall / 2), (wide * 0.6, wide * 0.6, tall), material
            )
        elif kind < 0.6:
            tall = rng.uniform(0.02, 0.06)
            builder.add(BOX, (x, y, at[2] + tall / 2), (1.4 * wide, wide, tall), material, turn)
        elif kind < 0.85:
            tall = wide * rng.uniform(0.5, 2)
            builder.add(BOX, (x, y, at[2] + tall / 2), (wide, 0.6 * wide, tall), material, turn)
        else:
            builder.add(ELLIPSOID, (x, y, at[2] + wide / 2), (wide, wide, wide), material)


def _bed(builder: Builder, size: float, height: float) -> None:
    rng = builder.rng
    size = min(max(size, 0.9), 1.8)
    long, frame, sheet = 2.0, builder.any(), builder.cloth()
    builder.add(BOX, (0, long / 2, 0.15), (size, long, 0.25), frame)
    builder.add(BOX, (0, long / 2 + 0.02, 0.38), (size - 0.04, long - 0.06, 0.24), sheet)
    builder.add(BOX, (0, 0.04, 0.5), (size, 0.06, rng.uniform(0.7, 1.1)), frame)
    for n in range(1 if size < 1.3 else 2):
        x = 0.0 if size < 1.3 else (n - 0.5) * size / 2
        builder.add(ELLIPSOID, (x, 0.35, 0.55), (0.7, 0.4, 0.2), builder.cloth())


def _curtain(builder: Builder, size: float, height: float) -> None:
    """Folds as a row of thin elliptic cylinders."""
    cloth, tall = builder.cloth(), builder.rng.uniform(1.6, height - 0.1)
    count = max(3, min(12, round(size / 0.12)))
    for n in range(count):
        x = (n + 0.5) * size / count - size / 2
        edge = 1.15 * size / count
        builder.add(CYLINDER, (x, 0.1, height - 0.05 - tall / 2), (edge, 0.12, tall), cloth)


def _lamp(builder: Builder, size: float, height: float) -> None:
    """A standard lamp whose shade glows."""
    rng = builder.rng
    tall, metal = rng.uniform(1.3, 1.8), builder.any()
    tint = builder.colour((0.07, 0.15), (0.1, 0.5), (1, 1))
    glow = builder.material((tint, tint), PLAIN, 1, 0, 0, rng.uniform(0.5, 3))
    builder.add(CYLINDER, (0, 0.3, 0.02), (0.3, 0.3, 0.04), metal)
    builder.add(CYLINDER, (0, 0.3, tall / 2), (0.03, 0.03, tall), metal)
    builder.add(CYLINDER, (0, 0.3, tall), (0.35, 0.35, 0.28), glow)
    if rng.random() < 0.5:
        at = builder.origin
        c, s = np.cos(builder.turn), np.sin(builder.turn)
        light = tint * rng.uniform(0.5, 1.5)
        builder.lamps.append([at[0] - 0.3 * s, at[1] + 0.3 * c, tall + 0.3, *light, 0.1])


def _carton(builder: Builder) -> None:
    """A stool, a box, a bin or a ball on the floor."""
    rng = builder.rng
    edge, material = rng.uniform(0.25, 0.7), builder.any()
    kind = int(rng.choice([BOX, CYLINDER, ELLIPSOID]))
    tall = edge * rng.uniform(0.6, 1.4)
    builder.add(kind, (0, 0, tall / 2), (edge, edge * rng.uniform(0.7, 1), tall), material)
