"""``meddl monodepth`` as scripts use it: rooms, a short training, prediction, judgement."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from meddl.cli.main import main
from meddl.core import Image, read_image, write_image
from meddl.core.depth_maps import read_depth_folder
from meddl.monodepth.training_config import read_plan

CONFIG = {
    "data": {"colour": "p/{pair}.png", "depth": "p/{pair}_depth.png", "validation": ["p9", "p8"]},
    "size": [32, 40],
    "epochs": 12,
    "learning_rate": 0.01,
    "batch_size": 8,
    "noise": 0,
    "device": "cpu",
    "name": "ramps",
}


def run(*arguments) -> int:
    return main(["monodepth", *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained on planes whose depth is written in their brightness."""
    folder = tmp_path_factory.mktemp("ramps")
    (folder / "p").mkdir()
    rng = np.random.default_rng(3)
    for n in range(34):
        y, x = np.mgrid[:32, :40]
        depth = 2 + rng.uniform(0, 2) + rng.uniform(-1, 1) * x / 40 + rng.uniform(-1, 1) * y / 32
        grey = (40 * depth).astype(np.uint8)
        write_image(folder / f"p/p{n}.png", Image(np.stack([grey] * 3, -1)[None]))
        write_image(folder / f"p/p{n}_depth.png", Image((1000 * depth).astype(np.uint16)[None]))
    (folder / "c.yaml").write_text(yaml.safe_dump(CONFIG))
    assert run("train", folder / "c.yaml", "--output", folder / "run", "--quiet") == 0
    return folder


def test_training_learns_and_leaves_curves_and_a_card(trained):
    rows = [json.loads(line) for line in (trained / "run/history.jsonl").read_text().splitlines()]
    assert len(rows) == 12 and {"train/mse", "validation/abs_rel", "validation/delta1"} <= {
        *rows[0]
    }
    assert rows[-1]["validation/abs_rel"] < 0.5 * rows[0]["validation/abs_rel"]
    picture = read_image(trained / "run/curves.png").array
    assert picture.shape[1] > 200 and picture.std() > 5
    card = json.loads((trained / "run/best/ramps.json").read_text())
    assert card["architecture"] == "monodepth" and card["arguments"]["use"]["size"] == [32, 40]
    assert np.mean(card["arguments"]["use"]["mean_depth"]) == pytest.approx(3, abs=0.3)


def test_prediction_is_a_depth_folder_in_mm(trained, tmp_path, capsys):
    weights = trained / "run/best/ramps.safetensors"
    pictures = [trained / f"p/p{n}.png" for n in (8, 9)]
    options = ["--weights", weights, "--device", "cpu", "--focal", "0.8"]
    options += ["--points", "on", "--pictures", "on", "--json"]
    assert run("predict", *pictures, "--output", tmp_path / "d", *options) == 0
    assert json.loads(capsys.readouterr().out)["unit"] == "mm"
    depths = read_depth_folder(tmp_path / "d")
    assert (depths.names, depths.unit, depths.mm_per_unit) == (("p8", "p9"), "mm", 1.0)
    np.testing.assert_allclose(depths.intrinsics, [[32, 0, 20], [0, 32, 16], [0, 0, 1]])
    for n in (8, 9):
        truth = read_image(trained / f"p/p{n}_depth.png").array[0]
        assert np.abs(depths.depth(f"p{n}") / truth - 1).mean() < 0.25
    assert read_image(tmp_path / "d/p8.png").array.shape == (1, 32, 80, 3)
    header, _, body = (tmp_path / "d/p8.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 1280" in header and len(body) == 1280 * 15
    x, _, z = np.frombuffer(body[:12], "<f4")
    assert z == depths.depth("p8")[0, 0]
    assert x == pytest.approx(z * (0.5 - 20) / 32)
    assert body[12] == read_image(pictures[0]).array[0, 0, 0, 0]


def test_evaluation_shows_the_baseline_beside_the_network(trained, tmp_path, capsys):
    weights = trained / "run/best/ramps.safetensors"
    arguments = [trained / "c.yaml", "--weights", weights, "--output", tmp_path / "r.json"]
    assert run("evaluate", *arguments, "--device", "cpu", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["pairs"] == 2 and shown["unit"] == "m"
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["mean"]["metric"] == shown["metric"] and report["crop"] == "eigen"
    assert [row["name"] for row in report["pairs"]] == ["p9", "p8"]
    assert run("evaluate", *arguments, "--device", "cpu") == 0
    assert "mean depth (median scaled)" in capsys.readouterr().out


def test_the_printed_configuration_is_complete_and_can_be_read(tmp_path, capsys):
    assert run("train", "--print-config") == 0
    text = capsys.readouterr().out
    for folder in ("color", "depth"):
        (tmp_path / folder).mkdir()
        for n in range(10):
            write_image(tmp_path / f"{folder}/{n}.png", Image(np.ones((1, 4, 4), np.uint16)))
    (tmp_path / "c.yaml").write_text(text)
    plan = read_plan(tmp_path / "c.yaml")
    assert plan.parameters.learning_rate == 1e-4 and plan.parameters.batch_size == 16
    assert len(plan.training.names) == 9 and len(plan.validation.names) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochz": 3}, "unknown parameter"),
        ({"size": [8, 8]}, "at least 32"),
        ({"ssim_weight": 0, "mse_weight": 0}, "nothing to learn"),
        ({"data": {"colour": "p/{pair}.png"}}, "depth is missing"),
        ({"data": {"colour": "q/{pair}.png", "depth": "p/{pair}_depth.png"}}, "no file matches"),
        ({"data": {"nyu": "nyu.mat", "splits": "splits.mat"}}, "official split is at"),
        ({"data": {**CONFIG["data"], "depth_scale": -1}}, "depth_scale"),
        ({"data": {**CONFIG["data"], "validation": ["p99"]}}, "no pair 'p99'"),
        ({"data": {**CONFIG["data"], "index": "i.txt"}}, "one of colour"),
    ],
)
def test_bad_configurations_are_refused_in_one_line(trained, tmp_path, capsys, change, message):
    (trained / "bad.yaml").write_text(yaml.safe_dump({**CONFIG, **change}))
    assert run("train", trained / "bad.yaml", "--output", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_bad_predictions_are_refused_in_one_line(trained, tmp_path, capsys):
    weights = trained / "run/best/ramps.safetensors"
    output = ["--output", tmp_path / "d"]
    for arguments, message in (
        ([trained / "p/p8.png", "--weights", weights, "--points", "on"], "give focal"),
        ([trained / "p/p8.png"], "weights are missing"),
        ([trained / "none.png", "--weights", weights], "not found"),
        ([trained / "run/cache", "--weights", weights], "holds no pictures"),
        ([trained / "p/p8.png", trained / "p/p8.png", "--weights", weights], "are called p8"),
        ([trained / "p/p8.png", "--weights", "deepigeos-p-net"], "meddl monodepth train"),
    ):
        assert run("predict", *arguments, *output) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_rooms_are_pairs_in_the_folder_format(tmp_path, capsys):
    options = ["--output", tmp_path / "rooms", "--size", "16,20", "--seed", "4"]
    assert run("render-rooms", *options, "--pairs", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 2
    first = (tmp_path / "rooms/color/000001.png").read_bytes()
    stamp = (tmp_path / "rooms/color/000001.png").stat().st_mtime_ns
    assert run("render-rooms", *options, "--pairs", "3") == 0  # goes on
    assert (tmp_path / "rooms/color/000001.png").stat().st_mtime_ns == stamp
    depth = read_image(tmp_path / "rooms/depth/000002.png").array
    assert depth.dtype == np.uint16 and depth.shape == (1, 16, 20) and depth.min() > 300
    assert run("render-rooms", *options[:-1], "5", "--pairs", "3") == 2
    assert "was rendered with seed 4" in capsys.readouterr().err
    options[1] = tmp_path / "again"
    assert run("render-rooms", *options, "--pairs", "2") == 0
    assert (tmp_path / "again/color/000001.png").read_bytes() == first
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    assert run("render-rooms", "--output", tmp_path / "full") == 2
    assert "holds no rendered rooms" in capsys.readouterr().err
