"""Where smoke is made: the tips of drawn instruments, and puffs that rise from there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.desmoke.instruments import SIDE, instrument_tip
from meddl.desmoke.smoke import smoke_clip, smoke_source
from meddl.desmoke.synthesis import SynthesisParameters, synthesize

HEIGHT, WIDTH = 192, 256
CELL = WIDTH / SIDE  # pixels of a frame per pixel in which instruments are looked for
START, TIP = (0, 150), (130, 90)  # x, y


def tissue(seed=0):
    """(H, W, 3) uint8, red with texture."""
    noise = np.random.default_rng(seed).normal(0, 12, (HEIGHT, WIDTH, 1))
    return np.clip(np.array([170, 70, 60]) + noise, 0, 255).astype(np.uint8)


def add_instrument(frame, start, tip, radius, color=(90, 86, 84)):
    """A straight rod from ``start`` to ``tip`` with a round end."""
    y, x = np.indices(frame.shape[:2])
    way = np.subtract(tip, start)
    along = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / (way @ way), 0, 1)
    frame[np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1]) < radius] = color
    return frame


@pytest.mark.parametrize("color", [(60, 55, 52), (230, 215, 200)])
@pytest.mark.parametrize("turn", range(4))
def test_the_tip_of_an_instrument_from_any_side(color, turn):
    frame = np.rot90(add_instrument(tissue(), START, TIP, 12, color), turn).copy()
    marked = np.zeros((HEIGHT, WIDTH), bool)
    marked[TIP[1], TIP[0]] = True
    [(y, x)] = np.argwhere(np.rot90(marked, turn))
    found = instrument_tip(frame)
    assert np.hypot(found[0] - x, found[1] - y) < 12 + 2 * CELL


def test_the_largest_one_that_enters_from_the_rim():
    frame = add_instrument(tissue(), START, TIP, 12)
    add_instrument(frame, (255, 20), (200, 40), 8)
    add_instrument(frame, (190, 140), (215, 140), 24)  # swims in the middle
    found = instrument_tip(frame)
    assert np.hypot(found[0] - TIP[0], found[1] - TIP[1]) < 12 + 2 * CELL


def test_tissue_has_no_tip():
    assert instrument_tip(tissue()) is None
    pale = tissue()
    pale[:, 226:] = (220, 205, 195)  # along the rim
    assert instrument_tip(pale) is None
    assert instrument_tip(np.zeros((5, 7, 3), np.uint8)) is None
    assert instrument_tip(tissue()[:1, :1]) is None


def test_instruments_enter_at_the_rim_of_the_field():
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    field = np.hypot(x, y) < 0.9
    frame = add_instrument(tissue(), START, TIP, 12)
    frame[~field] = 0
    found = instrument_tip(frame, field)
    assert np.hypot(found[0] - TIP[0], found[1] - TIP[1]) < 12 + 2 * CELL
    assert instrument_tip(frame, np.zeros_like(field)) is None


def test_puffs_leave_from_the_tip():
    """Around the tip is more smoke than with the same plume elsewhere, over many plumes."""
    near = np.hypot(*(np.indices((48, 64)) - np.array([30, 12])[:, None, None])) < 6
    more = []
    for seed in range(20):
        here, there = (
            smoke_clip((48, 64), 1, np.random.default_rng(seed), "light", kind="plume", tip=tip)
            for tip in ((12, 30), (52, 30))
        )
        more.append((there.transmission[0] - here.transmission[0])[near].mean())
    assert np.mean(np.array(more) > 0) > 0.9 and np.mean(more) > 0.1
    cloud = smoke_source((48, 64), np.random.default_rng(0), kind="cloud")
    plume = smoke_source((48, 64), np.random.default_rng(0), kind="plume")
    assert cloud.rising_from((1, 2)) is cloud and plume.rising_from(None) is plume


@pytest.mark.parametrize("clip", [1, 2])
def test_data_sets_have_it(tmp_path, clip):
    frame = add_instrument(tissue(), START, TIP, 12)
    write_picture(tmp_path / "frame.png", Image(frame[None], RAS_FROM_PICTURE))
    parameters = SynthesisParameters(kind="plume", clip=clip, motion=0.02)
    synthesize([tmp_path / "frame.png"], tmp_path / "pairs", parameters)
    record = json.loads((tmp_path / "pairs/dataset.json").read_text())
    x, y = np.array(record["smoke"][0]["plume"]["tip"]) * WIDTH
    # A moving camera looks at a part of the frame.
    assert np.hypot(x - TIP[0], y - TIP[1]) < 12 + 2 * CELL + (clip > 1) * 0.1 * WIDTH
