"""Flicker of pictures that move by a known amount."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from meddl.core.errors import InputError

cv2 = pytest.importorskip("cv2")

from meddl.desmoke.flicker import FlickerMeter, flicker, motion, warp  # noqa: E402


@pytest.fixture(scope="module")
def scene():
    """Smooth texture, larger than the frames cut from it."""
    coarse = np.random.default_rng(0).random((40, 50, 3), np.float32)
    picture = cv2.resize(coarse, (500, 400), interpolation=cv2.INTER_CUBIC)
    return (np.clip(picture, 0, 1) * 200).astype(np.uint8)


def moving(scene, frames=4, step=(3, -2)):
    return [
        scene[50 + step[1] * n : 250 + step[1] * n, 60 + step[0] * n : 310 + step[0] * n]
        for n in range(frames)
    ]


def test_flow_finds_a_translation(scene):
    before, now = moving(scene, 2)
    flow, trusted = motion(before, now)
    assert trusted.mean() > 0.9
    # The camera goes right and up, so what is here now was right of it and above it.
    np.testing.assert_allclose(np.median(flow[trusted], axis=0), [3, -2], atol=0.1)
    difference = np.abs(warp(before, flow).astype(int) - now)[trusted]
    assert difference.mean() < 1


def test_motion_alone_is_no_flicker(scene):
    frames = moving(scene)
    still = np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairwise(frames)]) / 255
    assert flicker(frames) < 0.004 < still / 5


def test_brightness_that_jumps_is_measured_by_the_flow_of_the_guide(scene):
    clear = moving(scene, 6)
    jumping = [frame + np.uint8(20 * (n % 2)) for n, frame in enumerate(clear)]
    assert flicker(jumping, clear) == pytest.approx(20 / 255, abs=0.003)


def test_what_was_hidden_does_not_count(scene):
    before, now = (frame.copy() for frame in moving(scene, 2, (0, 0)))
    before[60:120, 80:140] = 250  # goes away; what comes to light was not seen before
    now[60:120, 110:170] = 250
    _, trusted = motion(before, now)
    uncovered = trusted[65:115, 82:106].mean()
    assert uncovered < 0.5 < trusted[130:].mean()


def test_cuts_do_not_count(scene):
    other = np.random.default_rng(1).integers(0, 256, (200, 250, 3)).astype(np.uint8)
    first = moving(scene, 2)
    meter = FlickerMeter()
    rows = [meter.add(frame, {"a": frame}) for frame in [*first, other, *first]]
    assert rows[0] is None and rows[1] is not None
    assert rows[2] is None and rows[3] is None and meter.pairs == 2
    assert meter.means()["a"] < 0.004


@pytest.mark.parametrize(
    ("frames", "guides", "message"),
    [
        ([], None, "no two successive frames"),
        ([np.zeros((20, 20, 3), np.uint8)], None, "no two successive frames"),
        ([np.zeros((20, 20, 3), np.uint8)] * 3, [np.zeros((20, 20, 3), np.uint8)] * 2, "as many"),
        ([np.zeros((20, 20, 3), np.uint8)] * 2, [np.zeros((20, 21, 3), np.uint8)] * 2, "its guide"),
        ([np.zeros((9, 20, 3), np.uint8)] * 2, None, "16 x 16"),
        ([np.zeros((20, 20, 3), np.uint8), np.zeros((30, 20, 3), np.uint8)], None, "follow ones"),
        ([np.zeros((20, 20), np.uint8)] * 2, None, r"\(H, W, 3\)"),
    ],
)
def test_bad_input_is_named(frames, guides, message):
    with pytest.raises(InputError, match=message):
        flicker(frames, guides)
