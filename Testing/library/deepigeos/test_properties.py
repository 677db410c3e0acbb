"""Sessions, methods and simulated users on images of any size, spacing, pose and number type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from meddl.core import Image
from meddl.core.geometry import apply
from meddl.deepigeos import METHODS, InteractiveSession, make_method, random_seeds, scribbles
from properties import examples, images

from .simple_methods import Nearest

few = examples(12, deadline=None)
seeds = st.integers(0, 2**32 - 1)
UNTRAINED = ["geodesic", "crf", "randomwalker"]  # the rest of METHODS needs weights
shapes = st.tuples(*[st.integers(2, 10)] * 3)


def two_voxels(image: Image, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two places (k, j, i) of the image."""
    count = int(np.prod(image.array.shape[:3]))
    places = np.random.default_rng(seed).permutation(count)[:2]
    return tuple(np.stack(np.unravel_index(places, image.array.shape[:3]), 1))


@few
@given(images(shapes), seeds, st.sampled_from(UNTRAINED))
def test_a_session_keeps_its_seeds_and_undoes_to_the_bit(image, seed, method):
    inside, outside = two_voxels(image, seed)
    session = InteractiveSession(image, method=method)
    before = session.labels().copy()
    clicks = [apply(image.ras_from_ijk, [place[::-1]]) for place in (inside, outside)]
    mask = session.add(foreground=clicks[0], background=clicks[1])
    assert mask.shape == image.array.shape
    assert mask[tuple(inside)] and not mask[tuple(outside)]
    chance = session.probability(1)
    assert np.isfinite(chance).all() and chance.min() >= 0 and chance.max() <= 1
    labels = session.labels().copy()
    session.undo()
    np.testing.assert_array_equal(session.labels(), before)
    session.redo()
    np.testing.assert_array_equal(session.labels(), labels)


@few
@given(images(shapes), seeds, st.integers(0, 2))
def test_a_mirrored_grid_gives_the_mirrored_mask(image, seed, axis):
    """Positions are in RAS, so that the order of the voxels in memory is nobody's business."""
    inside, outside = two_voxels(image, seed)
    clicks = [apply(image.ras_from_ijk, [place[::-1]]) for place in (inside, outside)]
    mirror = np.eye(4)
    mirror[2 - axis, 2 - axis], mirror[2 - axis, 3] = -1, image.array.shape[axis] - 1
    other = Image(np.flip(image.array, axis), image.ras_from_ijk @ mirror)
    masks = [
        InteractiveSession(one, method=Nearest, roi=[(0, n) for n in image.array.shape]).add(
            foreground=clicks[0], background=clicks[1]
        )
        for one in (image, other)
    ]
    # Halfway between the clicks rounding decides.
    assert (np.flip(masks[1], axis) != masks[0]).mean() < 0.1 or image.array.size < 30
    assert masks[0][tuple(inside)] and not masks[0][tuple(outside)]


@few
@given(images(shapes, dtypes=["f4"]), seeds, st.sampled_from(UNTRAINED))
def test_methods_give_a_chance_per_voxel(image, seed, method):
    inside, outside = two_voxels(image, seed)
    marks = np.zeros(image.array.shape, np.uint8)
    marks[tuple(inside)], marks[tuple(outside)] = 2, 1  # as seeds are coded
    assert method in METHODS
    made = make_method(method, image.array[..., None], image.spacing[::-1])
    chance = made(marks)
    assert chance.shape == marks.shape and chance.dtype == np.float32
    assert np.isfinite(chance).all() and chance.min() >= 0 and chance.max() <= 1
    assert chance[tuple(inside)] >= chance[tuple(outside)]


@few
@given(
    st.lists(st.integers(1, 14), min_size=2, max_size=3),
    seeds,
    st.sampled_from([bool, np.uint8, np.float32]),
    st.lists(st.floats(0.1, 9), min_size=3, max_size=3),
)
def test_simulated_users_mark_only_errors(shape, seed, dtype, spacing):
    rng = np.random.default_rng(seed)
    truth, found = (ndimage.uniform_filter(rng.random(shape), 3) > 0.5 for _ in range(2))
    drawn = random_seeds(found.astype(dtype), truth.astype(dtype), rng)
    assert not (drawn[0] & ~(truth & ~found)).any() and not (drawn[1] & ~(found & ~truth)).any()
    missed, count = ndimage.label(truth & ~found)
    for number in range(1, count + 1):
        size = int((missed == number).sum())
        expected = 0 if size < 30 else -(-size // 100)  # the paper's rule
        assert int((drawn[0] & (missed == number)).sum()) == expected
    strokes = scribbles(found.astype(dtype), truth.astype(dtype), spacing[: len(shape)], rng)
    assert not (strokes[0] & ~(truth & ~found)).any()
    # One stroke; the first time one in the background, too.
    assert found.any() is False or not (strokes[1] & truth).any()
    assert any(part.any() for part in strokes) == bool((truth != found).any())


@examples(2, deadline=None)
@given(images(st.tuples(*[st.integers(4, 12)] * 3)), seeds)
def test_the_network_that_comes_with_it_takes_any_image(image, seed):
    pytest.importorskip("torch")
    inside, outside = two_voxels(image, seed)
    session = InteractiveSession(image, method="auto", device="cpu")
    clicks = [apply(image.ras_from_ijk, [place[::-1]]) for place in (inside, outside)]
    mask = session.add(foreground=clicks[0], background=clicks[1])
    assert mask[tuple(inside)] and not mask[tuple(outside)]
