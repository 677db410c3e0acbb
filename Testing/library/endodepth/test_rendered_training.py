"""Training on rendered endoscopy, and what the shipped weights do on scenes of other seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.core.metrics import depth_metrics
from meddl.core.weights import verify_weights

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")
pytest.importorskip("lightning_fabric")

from meddl.endodepth import rendered_training  # noqa: E402
from meddl.endodepth.prediction import DepthPredictor  # noqa: E402
from meddl.endodepth.prepare import brightness  # noqa: E402
from meddl.endodepth.rendered_parameters import RenderedTraining  # noqa: E402
from meddl.endodepth.rendered_pictures import (  # noqa: E402
    HEIGHT,
    VIEW,
    WIDTH,
    RenderedPictures,
    render_scenes,
    render_views,
)

SEED, VIEWS = 501, 6  # a nasal cavity that neither training nor validation has seen


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A folder with one rendered scene."""
    folder = tmp_path_factory.mktemp("pictures")
    render_scenes(folder, [SEED], VIEWS)
    return folder


def test_scenes_are_rendered_once_and_differ_from_view_to_view(pictures, monkeypatch):
    monkeypatch.setattr("meddl.endodepth.rendered_pictures.render_views", None)  # it is not called
    (scene,) = render_scenes(pictures, [SEED], VIEWS)
    assert scene.shape == (VIEWS,) and scene.dtype == VIEW
    depth = scene["depth"].astype(np.float32)
    assert (depth > 0).mean() > 0.99 and depth.max() < 200  # mm, in a nose
    assert len({view.tobytes() for view in scene["colour"]}) == VIEWS
    # Under a light at the camera, near is bright.
    value = scene["colour"].max(-1)
    near = depth < np.median(depth, (1, 2), keepdims=True)
    assert all(v[n].mean() > v[~n].mean() for v, n in zip(value, near, strict=True))


def test_a_file_of_other_pictures_is_named(tmp_path):
    np.save(tmp_path / f"scene_{SEED}_{VIEWS}.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"scene_501_6\.npy"):
        render_scenes(tmp_path, [SEED], VIEWS)


def test_samples_follow_the_seed_and_are_0_outside_the_field(pictures):
    samples = RenderedPictures(render_scenes(pictures, [SEED], VIEWS))
    assert len(samples) == VIEWS
    drawn = [samples.draw(0, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0][0], drawn[1][0]) and np.array_equal(drawn[0][1], drawn[1][1])
    assert not np.array_equal(drawn[0][0], drawn[2][0])
    for picture, depth in drawn:
        assert picture.shape == (3, HEIGHT, WIDTH) and depth.shape == (1, HEIGHT, WIDTH)
        assert picture.dtype == depth.dtype == np.float32 and np.abs(picture).max() <= 1
    assert all(np.array_equal(samples[1][n], samples[1][n]) for n in (0, 1))


def test_the_shipped_weights_beat_what_needs_no_network_on_a_scene_of_another_seed(pictures):
    predictor = DepthPredictor(device="cpu", engine="torch")
    scores: dict[str, list[float]] = {"network": [], "constant": [], "brightness": []}
    for view in render_scenes(pictures, [SEED], VIEWS)[0]:
        colour, truth = view["colour"], view["depth"].astype(np.float32)
        found = {
            "network": predictor(colour),
            "constant": np.ones_like(truth),
            "brightness": 1 / np.sqrt(np.maximum(brightness(np.array(colour)), 1 / 255)),
        }
        for name, depth in found.items():
            scores[name].append(depth_metrics(depth, truth, median_scaling=True)["abs_rel"])
    network, constant, bright = (np.mean(scores[n]) for n in scores)
    assert network < 0.6 * constant and network < 0.75 * bright


def test_a_run_learns_and_leaves_weights_of_half_size(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(rendered_training, "VALIDATION_SCENES", 1)
    monkeypatch.setattr(rendered_training, "VALIDATION_VIEWS", VIEWS)
    monkeypatch.setattr(rendered_training, "HELD_OUT", SEED)
    options = {"scenes": 1, "views": VIEWS, "seed": SEED, "batch_size": 3, "device": "cpu"}
    parameters = RenderedTraining(epochs=2, pictures=str(pictures), **options)
    history = rendered_training.train_on_rendered(tmp_path / "run", parameters)
    assert rendered_training.train_on_rendered(tmp_path / "run", parameters, True) == history
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["train/loss"] < history[0]["train/loss"]
    weights = tmp_path / "run" / "best" / "endodepth-light.safetensors"
    card = verify_weights(weights)
    assert weights.stat().st_size < 2.5e6
    assert card.metrics["validation"]["abs_rel_constant"] > 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["parameters"]["scenes"] == 1
    depth = DepthPredictor(weights, device="cpu", engine="torch")(
        np.full((64, 64, 3), 90, np.uint8)
    )
    assert (depth > 0).all()


def test_views_depend_on_the_seed_alone():
    first, again = render_views(SEED + 1, 1), render_views(SEED + 1, 1)
    assert first.tobytes() == again.tobytes()
