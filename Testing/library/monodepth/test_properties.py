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

few = examples(5, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def predictor():
    return load_predictor("monodepth-rooms", "cpu")


@examples(3, deadline=None)  # of 1.5 s
@given(st.lists(sizes, min_size=2, max_size=4), seeds)
def test_pictures_of_any_size_get_their_depth(predictor, folders, sizes, seed):
    folder, rng = folders(), np.random.default_rng(seed)
    files, depths = [], []
    for number, size in enumerate(sizes):
        picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        depths.append(predictor(picture))
        assert depths[-1].shape == size and depths[-1].dtype == np.float32
        assert np.isfinite(depths[-1]).all() and depths[-1].min() > 0
        files.append(folder / f"{number}.png")
        write_image(files[-1], Image(picture[None]))
    parameters = PredictionParameters(weights="monodepth-rooms", device="cpu")
    names = predict(files, folder / "depth", parameters)
    found = read_depth_folder(folder / "depth")
    for name, depth in zip(names, depths, strict=True):
        np.testing.assert_allclose(found.depth(name), depth, rtol=1e-3)


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


@few
@given(st.integers(0, 10**6), st.tuples(st.integers(16, 60), st.integers(16, 60)))
def test_rooms_of_any_size_are_rendered(folders, seed, size):
    pictures = rendered(folders(), seed, size)
    assert len(pictures) == 3
    for path in pictures:
        assert read_image(path).array.shape == (1, *size, 3)
        depth = read_image(path.parents[1] / "depth" / f"{path.stem}.png").array
        assert depth.shape == (1, *size) and depth.max() > 0


def rendered(folder, seed, size):
    assert render_pairs(folder / "rooms", RoomPairs(pairs=3, seed=seed, size=size)).exists()
    return sorted((folder / "rooms/color").iterdir())


def test_rendered_rooms_train_a_network(tmp_path):
    validation = rendered(tmp_path, 5, (33, 41))[0].stem
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(
            {
                "data": {
                    "colour": "rooms/color/{pair}.png",
                    "depth": "rooms/depth/{pair}.png",
                    "validation": [validation],
                },
                "size": [32, 40],
                "epochs": 1,
                "batch_size": 2,
                "device": "cpu",
            }
        )
    )
    [row] = train_monodepth(tmp_path / "run", read_plan(tmp_path / "config.yaml"))
    assert np.isfinite([v for v in row.values() if isinstance(v, float)]).all()
