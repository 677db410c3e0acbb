"""Depth from pictures of any size: prediction, evaluation, pairs, a training of seconds."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from meddl.core import Image, read_image, write_image
from meddl.core.depth_maps import read_depth_folder
from meddl.monodepth import (
    PredictionParameters,
    RoomPairs,
    evaluate_pairs,
    load_predictor,
    predict,
    read_plan,
    render_pairs,
    train_monodepth,
)
from properties import examples

few = examples(6, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def predictor():
    return load_predictor("monodepth-rooms", "cpu")


@few
@given(sizes, seeds)
def test_a_picture_of_any_size_gets_its_depth(predictor, folders, size, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    depth = predictor(picture)
    assert depth.shape == size and depth.dtype == np.float32
    assert np.isfinite(depth).all() and depth.min() > 0
    folder = folders()
    write_image(folder / "one.png", Image(picture[None]))
    names = predict(
        [folder / "one.png"],
        folder / "depth",
        PredictionParameters(weights="monodepth-rooms", device="cpu"),
    )
    found = read_depth_folder(folder / "depth").depth(names[0])
    np.testing.assert_allclose(found, depth, rtol=1e-3)


class Pairs:
    def __init__(self, size, seed):
        rng = np.random.default_rng(seed)
        self.names = ("a", "b")
        self.depths = rng.uniform(0.5, 9, (2, *size)).astype(np.float32)

    def __getitem__(self, index):
        return np.full((*self.depths[index].shape, 3), index, np.uint8), self.depths[index]


@few
@given(st.tuples(st.integers(4, 60), st.integers(4, 60)), seeds, st.floats(0.5, 2))
def test_a_prediction_is_judged_by_its_factor(size, seed, factor):
    pairs = Pairs(size, seed)
    report = evaluate_pairs(
        lambda colour: factor * pairs.depths[colour[0, 0, 0]], pairs, 3.0, crop=False
    )
    metric = report["mean"]["metric"]["network"]
    clipped = np.clip(factor * pairs.depths, 1e-3, 10)
    expected = np.mean(np.abs(clipped - pairs.depths) / pairs.depths, axis=(1, 2)).mean()
    assert metric["abs_rel"] == pytest.approx(expected, rel=1e-4, abs=1e-6)


@examples(2, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(24, 32), (33, 41)]))
def test_rendered_rooms_train_a_network(folders, seed, size):
    folder = folders()
    assert render_pairs(folder / "rooms", RoomPairs(pairs=3, seed=seed, size=size)).exists()
    pictures = sorted((folder / "rooms/color").iterdir())
    assert len(pictures) == 3 and read_image(pictures[0]).array.shape == (1, *size, 3)
    depth = read_image(folder / "rooms/depth" / f"{pictures[0].stem}.png").array
    assert depth.shape == (1, *size) and depth.max() > 0
    (folder / "config.yaml").write_text(
        yaml.safe_dump(
            {
                "data": {
                    "colour": "rooms/color/{pair}.png",
                    "depth": "rooms/depth/{pair}.png",
                    "validation": [pictures[0].stem],
                },
                "size": [32, 40],
                "epochs": 1,
                "batch_size": 2,
                "device": "cpu",
            }
        )
    )
    plan = read_plan(folder / "config.yaml")
    [row] = train_monodepth(folder / "run", plan)
    assert np.isfinite([v for v in row.values() if isinstance(v, float)]).all()
