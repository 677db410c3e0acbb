"""What a session guarantees, whatever its method does."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, Image, InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.core.markups import Points
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.history import History

from .simple_methods import Nearest, Trained, stubborn

SHAPE = (24, 40, 48)
OBLIQUE = rotation((1, 2, 3), 25) @ compose((1.0, 1.5, 2.0), (10, -20, 30))


def picture(shape=SHAPE, channels=(), geometry=OBLIQUE, seed=0) -> Image:
    values = np.random.default_rng(seed).normal(size=(*shape, *channels)).astype(np.float32)
    return Image(values, geometry)


def marked(*corners, shape=SHAPE) -> np.ndarray:
    """A mask of boxes ((k0, k1), (j0, j1), (i0, i1))."""
    mask = np.zeros(shape, bool)
    for k, j, i in corners:
        mask[slice(*k), slice(*j), slice(*i)] = True
    return mask


FOREGROUND = marked(((11, 12), (18, 22), (20, 28)))
BACKGROUND = marked(((11, 12), (5, 6), (10, 40)), ((11, 12), (34, 35), (10, 40)))


def session(method=Nearest, image=None, **options) -> InteractiveSession:
    return InteractiveSession(image or picture(), method=method, **options)


def state(s: InteractiveSession):
    segments = [segment for segment in range(1, 4) if s.region(segment)]
    return [s.labels(), s.seeds, s.frozen] + [s.probability(n) for n in segments]


def same(one, other) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def test_a_stroke_segments_what_is_nearer_to_it_than_to_the_background():
    s = session(roi=((0, 24), (0, 40), (0, 48)))
    mask = s.add(FOREGROUND, BACKGROUND)
    # Independent of the session: squared distances by brute force, k 2 mm, j 1.5 mm, i 1 mm.
    grid = np.indices(SHAPE).reshape(3, -1).T * (2.0, 1.5, 1.0)

    def distance(seeds):
        ends = np.argwhere(seeds) * (2.0, 1.5, 1.0)
        return np.sqrt(((grid[:, None] - ends) ** 2).sum(-1)).min(1).reshape(SHAPE)

    inside, outside = distance(FOREGROUND), np.minimum(distance(BACKGROUND), 10)
    clear = np.abs(inside - outside) > 0.1  # probabilities are kept in steps of 1/255
    assert mask.dtype == bool and mask.shape == SHAPE and 100 < mask.sum() < mask.size / 2
    assert (mask == (inside < outside))[clear].all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_every_seed_keeps_its_label_against_a_stubborn_method(value):
    s = session(stubborn(value))
    s.add(FOREGROUND, BACKGROUND)
    s.add(foreground=marked(((3, 4), (3, 6), (3, 6))), segment=2)
    assert (s.labels()[FOREGROUND] == 1).all()
    assert (s.labels()[BACKGROUND] == 0).all()
    assert (s.labels()[3, 3:6, 3:6] == 2).all()
    assert (s.probability(1)[FOREGROUND] == 1).all() and (s.probability(2)[FOREGROUND] == 0).all()


def test_frozen_voxels_never_change_and_take_no_seed():
    frozen = marked(((11, 12), (18, 20), (0, 48)))
    s = session(stubborn(1.0), frozen=frozen)
    s.add(FOREGROUND)
    assert not s.mask()[frozen].any() and not s.seeds[frozen].any()
    assert s.mask()[FOREGROUND & ~frozen].all() and s.mask()[~frozen & s.mask()].any()
    s.frozen = frozen | FOREGROUND
    s.add(background=marked(((11, 12), (20, 23), (20, 30))))
    assert s.mask()[FOREGROUND & ~frozen].all() and not s.mask()[11, 22, 20:30].any()
    with pytest.raises(InputError, match="frozen"):
        s.add(background=FOREGROUND)


def test_the_largest_probability_wins_and_seeds_are_background_of_other_segments():
    other = marked(((11, 12), (18, 22), (36, 40)))
    s = session(roi=((0, 24), (0, 40), (0, 48)))
    s.add(FOREGROUND, BACKGROUND)
    s.add(foreground=other, segment=2)
    one, two = s.probability(1), s.probability(2)
    highest = np.maximum(one, two)
    expected = np.where(highest * 255 < 127.5, 0, np.where(one >= two, 1, 2))
    expected[FOREGROUND], expected[other], expected[BACKGROUND] = 1, 2, 0
    assert np.array_equal(s.labels(), expected)
    assert {1, 2} <= set(np.unique(s.labels()))
    # 27 to 36 along i between the strokes: each takes its half
    assert (s.labels()[11, 20, 20:31] == 1).all() and (s.labels()[11, 20, 33:40] == 2).all()


def test_a_stroke_leaves_segments_alone_that_it_does_not_concern():
    calls = []

    class Counting(Nearest):
        def __call__(self, seeds, *rest, **options):
            calls.append(self.shape)
            return super().__call__(seeds, *rest, **options)

    image = picture((20, 30, 200), geometry=np.eye(4))
    s = session(Counting, image)
    s.add(foreground=[[10, 15, 10]])
    s.add(foreground=[[190, 15, 10]], segment=2)
    assert len(calls) == 2 and max(shape[2] for shape in calls) < 80
    s.add(background=[[186, 15, 10]])
    assert len(calls) == 3


def test_undo_and_redo_restore_every_state_exactly():
    s = session()
    actions = [
        lambda: s.add(FOREGROUND, BACKGROUND),
        lambda: s.add(foreground=marked(((3, 5), (3, 9), (3, 9))), segment=2),
        lambda: s.add(background=marked(((9, 10), (18, 22), (20, 28)))),
        lambda: setattr(s, "frozen", s.mask(2)),
        lambda: s.remove(marked(((9, 10), (0, 40), (0, 48)))),
        lambda: s.add(foreground=marked(((20, 23), (30, 36), (40, 46))), segment=3),
    ]
    states = [[array.copy() for array in state(s)]]
    for act in actions:
        act()
        states.append([array.copy() for array in state(s)])
    assert not same(states[-1], states[-2])
    for before in reversed(states[:-1]):
        assert s.undo() and same(state(s), before)
    assert not s.undo() and not s.can_undo
    for after in states[1:]:
        assert s.redo() and same(state(s), after)
    assert not s.redo()
    s.undo()
    s.add(background=[apply(OBLIQUE, [45, 2, 2])])
    assert not s.can_redo


def test_a_session_goes_on_after_undo_as_if_nothing_had_been():
    one, other = session(), session()
    one.add(FOREGROUND, BACKGROUND)
    one.add(background=marked(((12, 13), (18, 22), (20, 28))))
    one.undo()
    other.add(FOREGROUND, BACKGROUND)
    last = marked(((5, 6), (10, 30), (20, 22)))
    assert np.array_equal(one.add(foreground=last), other.add(foreground=last))
    assert same(state(one), state(other))


def test_seeds_resume_a_session():
    first = session(roi=((0, 24), (0, 40), (0, 48)))
    first.add(FOREGROUND, BACKGROUND)
    first.add(foreground=marked(((3, 5), (3, 9), (3, 9))), segment=2)
    again = session(roi=((0, 24), (0, 40), (0, 48)), seeds=first.seeds)
    assert np.array_equal(again.labels(), first.labels()) and not again.can_undo
    assert set(np.unique(first.seeds)) == {0, 1, 2, 3}


def test_points_in_ras_mark_the_voxels_that_hold_them():
    positions = apply(OBLIQUE, [[20.4, 19.6, 11.2], [3, 4, 5]])
    s = session()
    s.add(foreground=Points(("a",), positions[:1]), background=positions[1])
    assert np.argwhere(s.seeds == 2).tolist() == [[11, 20, 20]]
    assert np.argwhere(s.seeds == 1).tolist() == [[5, 4, 3]]
    assert s.image.ras_from_ijk is not None and s.mask()[11, 20, 20]


def test_the_region_grows_until_the_result_no_longer_touches_it():
    image = picture((60, 60, 200), geometry=np.eye(4))

    class Bright(Nearest):
        def __init__(self, image, spacing, device="auto"):
            super().__init__(image, spacing)
            self.image = image

        def __call__(self, seeds, *rest, **options):
            return (self.image[..., 0] > 50).astype(np.float32)

    image.array[25:35, 25:35, 20:180] = 100
    s = session(Bright, image)
    s.add(foreground=[[30, 30, 30]])
    assert np.array_equal(s.mask(), image.array > 50)
    region = s.region()
    assert region.start[2] < 20 and region.stop[2] > 180 and region.shape[0] < 60
    fixed = session(Bright, image, roi=((0, 60), (0, 60), (10, 50)))
    fixed.add(foreground=[[30, 30, 30]])
    assert np.array_equal(np.flatnonzero(fixed.mask().any((0, 1))), np.arange(20, 50))


@pytest.mark.parametrize("when", ["before", "within"])
def test_a_cancelled_call_returns_the_last_good_mask_and_changes_nothing(when):
    token = CancelToken()

    class Slow(Nearest):
        def __call__(self, seeds, previous=None, progress=None, cancel=None):
            if cancel is not None:
                token.cancel()
            return super().__call__(seeds, previous, cancel=cancel)

    s = session(Slow)
    good = s.add(FOREGROUND, BACKGROUND)
    before = [array.copy() for array in state(s)]
    if when == "before":
        token.cancel()
    assert np.array_equal(s.add(foreground=~good, cancel=token), good)
    assert s.interrupted and same(state(s), before)
    s.undo()
    assert not s.can_undo and not s.interrupted
    with pytest.raises(Cancelled):
        session(Slow, seeds=2 * FOREGROUND, cancel=token)


def test_a_failing_method_leaves_the_session_as_it_was():
    class Failing(Nearest):
        def __call__(self, seeds, *rest, **options):
            if (seeds == 2).sum() > 50:
                raise RuntimeError("out of luck")
            return super().__call__(seeds)

    s = session(Failing)
    s.add(FOREGROUND)
    before = [array.copy() for array in state(s)]
    with pytest.raises(RuntimeError, match="luck"):
        s.add(foreground=marked(((5, 9), (5, 15), (5, 15))))
    assert same(state(s), before)


def test_an_initial_segmentation_stays_but_where_it_is_corrected():
    initial = marked(((4, 20), (8, 32), (8, 40))).astype(np.uint8)
    initial[1, 1, 1] = 2
    s = session(initial=initial)
    assert np.array_equal(s.labels(), initial) and not s.can_undo
    wrong = marked(((6, 18), (28, 31), (10, 38)))
    mask = s.add(background=wrong)
    assert not mask[wrong].any() and mask[6:18, 12:24, 12:36].all()
    far = np.ones(SHAPE, bool)
    far[:, 18:] = False  # the stroke lies at most 3.5 * 1.5 mm deep and reaches twice as far
    assert np.array_equal(mask[far], (initial == 1)[far])
    assert s.labels()[1, 1, 1] == 2
    assert s.undo() and np.array_equal(s.labels(), initial)


def test_trained_weights_predict_without_seeds_and_see_their_previous_answer():
    s = session(Trained)
    mask = s.predict()
    assert np.array_equal(mask, s.image.array > 0.5) and s.can_undo
    s.add(background=BACKGROUND)
    method = s._estimator._prepared[1][1]
    assert method.calls[0][1] is None and np.array_equal(method.calls[-1][1], mask)
    assert np.array_equal(method.calls[-1][0] == 1, BACKGROUND)
    with pytest.raises(InputError, match="seeds"):
        session(Nearest).predict()


def test_channels_reach_the_method_in_the_region():
    shapes = []

    def maker(image, spacing, device="auto"):
        shapes.append((image.shape, image.dtype, spacing))
        return stubborn(0.0)(image, spacing)

    s = session(maker, picture(channels=(3,)), roi=((2, 20), (5, 40), (0, 30)))
    s.add(FOREGROUND)
    assert shapes == [((18, 35, 30, 3), np.float32, pytest.approx((2.0, 1.5, 1.0)))]


def test_a_picture_of_one_slice_is_segmented():
    image = Image(np.zeros((1, 30, 40), np.uint8))
    s = session(Nearest, image)
    mask = s.add(foreground=[[20, 15, 0]], background=[[20, 10, 0]])
    assert mask.shape == (1, 30, 40) and mask[0, 15, 20] and not mask[0, 10, 20]


def test_history_stays_within_its_limit():
    s = session()
    s._history = History(limit=3000)
    rng = np.random.default_rng(0)
    for _ in range(12):
        s.add(foreground=rng.random(SHAPE) > 0.99)
    assert s._history.size <= 3000 or len(s._history.done) == 1
    assert s.can_undo


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing is marked"),
        ({"foreground": np.zeros((3, 4, 5))}, r"shape \(3, 4, 5\).*\(24, 40, 48\)"),
        ({"foreground": np.zeros(SHAPE)}, "nothing is marked"),
        ({"foreground": np.full(SHAPE, np.nan)}, "not finite"),
        ({"foreground": [[1e6, 0, 0]]}, "outside the image"),
        ({"foreground": [[np.inf, 0, 0]]}, "not finite"),
        ({"foreground": ["a"]}, "numbers were expected"),
        ({"foreground": FOREGROUND, "background": FOREGROUND}, r"both|foreground and background"),
        ({"foreground": FOREGROUND, "segment": 0}, r"segment 0.*1\.\.254"),
        ({"foreground": FOREGROUND, "segment": 1.5}, "segment 1.5"),
    ],
)
def test_bad_marks_are_refused_and_change_nothing(arguments, message):
    s = session()
    with pytest.raises(InputError, match=message):
        s.add(**arguments)
    assert not s.seeds.any() and not s.can_undo


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roi": ((0, 5), (0, 5))}, "roi is"),
        ({"roi": ((0, 25), (0, 5), (0, 5))}, "leaves the image"),
        ({"roi": ((5, 5), (0, 5), (0, 5))}, "empty"),
        ({"roi": "everything"}, "whole numbers"),
        ({"initial": np.full(SHAPE, 0.5)}, "whole numbers"),
        ({"initial": np.zeros((2, 2, 2))}, r"initial labels have shape \(2, 2, 2\)"),
        ({"seeds": np.full(SHAPE, 256)}, "256"),
        ({"seeds": np.full(SHAPE, np.nan)}, "nan"),
        ({"frozen": np.zeros((2, 2, 2))}, "frozen"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        session(**options)


def test_an_image_with_nan_is_refused():
    image = picture()
    image.array[1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"ijk \(3, 2, 1\)"):
        session(image=image)
