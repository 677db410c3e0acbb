"""The first mask from a box about the target, and what comes after it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, FileError, Image, InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.core.markups import read_roi
from meddl.core.metrics import dice
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.anchors import anchored_seeds
from meddl.deepigeos.batch import read_box
from meddl.deepigeos.box_hints import box_hints, with_room
from meddl.deepigeos.methods import with_hints
from meddl.deepigeos.roi import Box, box_of_corners

from .simple_methods import Nearest, Trained

SHAPE = (24, 40, 48)
GRID = np.indices(SHAPE) - np.reshape((11, 20, 24), (3, 1, 1, 1))
TRUTH = (GRID[0] / 6) ** 2 + (GRID[1] / 9) ** 2 + (GRID[2] / 12) ** 2 <= 1
ROI = ((4, 19), (10, 31), (11, 38))  # two voxels about it
INSIDE = np.zeros(SHAPE, bool)
INSIDE[4:19, 10:31, 11:38] = True


def picture() -> Image:
    noise = np.random.default_rng(0).normal(0, 10, SHAPE)
    return Image((100 * TRUTH + noise).astype(np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))


class Hinted(Nearest):
    """As its base, from seeds and hints."""

    takes_hints = True

    def __call__(self, seeds, previous=None, progress=None, cancel=None, hints=None):
        if cancel is not None:
            cancel.check()
        found = super().__call__(with_hints(seeds, hints), previous)
        self.calls[-1] = seeds.copy(), previous, hints
        return found


@pytest.fixture
def calls(monkeypatch):
    """The arguments of all calls of a :class:`Hinted`: seeds, previous, hints."""
    made = []
    monkeypatch.setattr(Hinted, "__init__", lambda self, *a, **k: _record(self, made, *a, **k))
    return made


def _record(method, made, image, spacing, device="auto"):
    method.spacing, method.shape, method.calls = spacing, image.shape[:3], made


def test_hints_are_the_outside_and_the_middle_of_the_box():
    region, box = Box((2, 3, 4), (22, 33, 44)), Box((4, 7, 10), (16, 27, 34))
    hints = box_hints(box, region)
    outside = np.ones(region.shape, bool)
    outside[2:14, 4:24, 6:30] = False
    assert np.array_equal(hints == 1, outside)
    places = np.argwhere(hints == 2) + region.start
    low, high = places.min(0), places.max(0)
    # Half of the box's extents of 12, 20 and 24, about its centre.
    assert np.array_equal(low, (7, 12, 16)) and np.array_equal(high, (12, 21, 27))
    assert len(places) == pytest.approx(np.pi / 6 * 6 * 10 * 12, rel=0.1)
    for flat in (Box((0, 3, 4), (1, 5, 30)), Box((0, 0, 0), (1, 1, 1)), Box((0, 0, 0), (2, 2, 2))):
        assert (box_hints(flat, flat) == 2).any() and not (box_hints(flat, flat) == 1).any()


@pytest.mark.parametrize("method", ["crf", "geodesic", "network"])
def test_a_box_gives_a_first_mask_and_seeds_correct_it(method):
    if method == "network":
        pytest.importorskip("torch")
    session = InteractiveSession(picture(), method=method)
    mask = session.predict(roi=ROI)
    assert dice(mask, TRUTH) > 0.93 and not mask[~INSIDE].any()
    assert not session.seeds.any()
    wrong = np.zeros(SHAPE, bool)
    wrong[11, 18:23, 34:36] = True  # at the end of the target
    corrected = session.add(background=wrong)
    assert not corrected[wrong].any() and dice(corrected, TRUTH) > 0.85


def test_hints_hold_no_voxel(monkeypatch):
    pytest.importorskip("torch")
    from meddl.deepigeos import crf_method, generalist

    for module, method in ((generalist, "network"), (crf_method, "crf")):
        held = []

        def refine(image, probability, seeds, spacing, held=held, **_):
            held.append(seeds.copy())
            return probability

        monkeypatch.setattr(module, "refine", refine)
        session = InteractiveSession(picture(), method=method)
        session.predict(roi=ROI)
        assert not held[0].any()


def test_initialising_is_one_step_and_seeds_correct_it_as_an_initial_segmentation(calls):
    session = InteractiveSession(picture(), method=Hinted)
    mask = session.predict(roi=ROI)
    seeds, previous, hints = calls[-1]
    box = Box(*zip(*ROI, strict=True))
    assert not seeds.any() and previous is None
    assert np.array_equal(hints, box_hints(box, with_room(box, SHAPE)))
    first = session.labels().copy(), session.probability()
    stroke = np.zeros(SHAPE, bool)
    stroke[11, 20, 10:14] = True
    session.add(background=stroke)
    region = session.region()
    seeds, previous, hints = calls[-1]
    assert np.array_equal(previous > 0.5, mask[region.slices]) and hints is None
    expected = anchored_seeds(
        stroke[region.slices].astype(np.uint8), mask[region.slices], (2.0, 1.0, 1.0)
    )
    assert np.array_equal(seeds, expected)
    second = session.labels().copy()
    resumed = InteractiveSession(picture(), method=Hinted, initial=first[0], roi=region_of(region))
    resumed.add(background=stroke)
    assert np.array_equal(resumed.labels(), second)
    assert session.undo() and np.array_equal(session.labels(), first[0])
    assert np.array_equal(session.probability(), first[1])
    assert session.undo() and not session.labels().any() and not session.can_undo
    session.redo()
    assert np.array_equal(session.labels(), first[0])
    session.redo()
    assert np.array_equal(session.labels(), second)
    session.undo()
    session.add(background=stroke)
    assert np.array_equal(session.labels(), second)
    session.undo()
    session.undo()
    session.add(TRUTH & (abs(GRID[0]) + abs(GRID[1]) < 1))
    assert not (calls[-1][0] == 1).any()  # nothing is left of the box


def test_users_seeds_come_before_the_box(calls):
    session = InteractiveSession(picture(), method=Hinted)
    stroke = np.zeros(SHAPE, bool)
    stroke[11, 20, 24] = True
    session.add(TRUTH & (GRID[0] == 3), stroke)
    mask = session.predict(roi=ROI)
    assert not mask[stroke].any() and mask[TRUTH & (GRID[0] == 3)].all()
    assert (calls[-1][0] == 1).sum() == 1


def test_the_sessions_region_is_the_box(calls):
    session = InteractiveSession(picture(), method=Hinted, roi=ROI)
    assert session.can_predict and session.predictable == range(1, 2)
    mask = session.predict()
    assert mask.any() and not mask[~INSIDE].any()
    assert session.region() == Box(*zip(*ROI, strict=True))
    with pytest.raises(InputError, match="outside the session's region"):
        session.predict(roi=((0, 3), (0, 3), (0, 3)))


def test_a_cancelled_start_leaves_nothing(calls):
    token = CancelToken()
    token.cancel()
    session = InteractiveSession(picture(), method=Hinted)
    assert not session.predict(roi=ROI, cancel=token).any()
    assert session.interrupted and not session.can_undo
    with pytest.raises(Cancelled):
        token.check()


def test_what_is_missing_is_named():
    with pytest.raises(InputError, match=r"add some, give a roi.*or give the weights"):
        InteractiveSession(picture(), method="crf").predict()
    with pytest.raises(InputError, match="without seeds; add some, or give the weights"):
        InteractiveSession(picture(), method=Nearest).predict(roi=ROI)
    assert not InteractiveSession(picture(), method="crf").can_predict
    assert InteractiveSession(picture(), method="crf").can_start_in_box
    assert not InteractiveSession(picture(), method=Nearest, roi=ROI).can_predict
    assert InteractiveSession(picture(), method=Trained).can_start_in_box


def test_own_weights_look_in_the_box():
    session = InteractiveSession(picture(), method=Trained, roi=ROI)
    mask = session.predict(roi=((4, 19), (10, 20), (11, 38)))
    expected = (session.image.array > 0.5) & INSIDE
    assert np.array_equal(mask[:, :20], expected[:, :20])


def region_of(box: Box):
    return tuple(zip(box.start, box.stop, strict=True))


OBLIQUE = Image(np.zeros(SHAPE), rotation((1, 2, 3), 25) @ compose((1, 1.5, 2), (10, -20, 30)))


def test_corners_become_the_voxels_between_them():
    low, high = np.array([9.6, 7.6, 3.4]), np.array([20.4, 18.0, 12.0])  # ijk
    ends = np.stack([low, high])
    corners = [[ends[a, 0], ends[b, 1], ends[c, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    ras = apply(OBLIQUE.ras_from_ijk, np.array(corners))
    assert box_of_corners(ras, OBLIQUE) == Box((4, 8, 10), (13, 19, 21))
    with pytest.raises(InputError, match="no voxel of the image"):
        box_of_corners(ras + 500, OBLIQUE)


def test_bounds_are_ras_millimetres():
    image = Image(np.zeros(SHAPE), np.diag([-1.0, -1.0, 2.0, 1.0]))  # i to the left, j to the back
    assert read_box("-20,-9.6,-7,0,4,8.1", image) == Box((2, 0, 10), (5, 8, 21))
    for text in ("1,2,3", "a,b,c,d,e,f", "0,0,1,2,3,4", "5,1,1,2,3,4", "nan,1,1,2,3,4"):
        with pytest.raises(InputError, match="R0,R1,A0,A1,S0,S1"):
            read_box(text, image)


def test_a_roi_file_is_read(tmp_path):
    markup = {
        "type": "ROI",
        "coordinateSystem": "LPS",
        "center": [10, 20, 30],
        "size": [2, 4, 6],
        "orientation": [0, -1, 0, 1, 0, 0, 0, 0, 1],  # the box's x axis points along +P
    }
    path = tmp_path / "box.mrk.json"
    path.write_text(json.dumps({"markups": [markup]}))
    corners = read_roi(path)
    assert corners.min(0) == pytest.approx([-12, -21, 27])
    assert corners.max(0) == pytest.approx([-8, -19, 33])
    for change, message in (
        ({"type": "Fiducial"}, "0 ROIs"),
        ({"size": [1, 2]}, "three finite numbers"),
        ({"size": [1, 2, 0]}, "three positive"),
        ({"orientation": [1, 0]}, "nine numbers"),
        ({"coordinateUnits": "inch"}, "mm or um"),
    ):
        path.write_text(json.dumps({"markups": [markup | change]}))
        with pytest.raises(FileError, match=message):
            read_roi(path)
