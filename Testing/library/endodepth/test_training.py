"""Training on structure from motion: samples, configuration, runs. The sequence is a torus."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from library.endodepth.torus_sequence import torus_sequence
from meddl.cli.main import main
from meddl.core.curves import Curves
from meddl.core.errors import Cancelled, InputError
from meddl.core.progress import CancelToken
from meddl.endodepth.sequence import write_sequence
from meddl.endodepth.training_config import make_plan, print_config, read_config
from meddl.endodepth.training_parameters import PRESETS, DepthTraining

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from meddl.endodepth.training import train_network  # noqa: E402
from meddl.endodepth.training_samples import Pairs, Views  # noqa: E402
from meddl.endodepth.training_sequences import depth_map, load_sequences  # noqa: E402

# The options of the published program (its README).
PUBLISHED = [
    "adjacent_range",
    "id_range",
    "input_downsampling",
    "input_size",
    "batch_size",
    "workers",
    "dcl_weight",
    "sfl_weight",
    "max_lr",
    "min_lr",
    "num_iter",
    "network_downsampling",
    "inlier_percentage",
    "validation_interval",
    "training_patient_id",
    "validation_patient_id",
    "testing_patient_id",
    "load_intermediate_data",
    "load_trained_model",
    "number_epoch",
    "visibility_overlap",
    "use_hsv_colorspace",
    "architecture_summary",
    "display_interval",
    "training_result_root",
    "training_data_root",
]
SMALL = {
    "architecture": "light",
    "adjacent_range": (1, 4),
    "input_downsampling": 1.0,
    "input_size": None,
    "inlier_percentage": 1.0,
    "visibility_overlap": 0,
    "batch_size": 2,
    "num_iter": 2,
    "epochs": 2,
    "device": "cpu",
    "display_interval": 1,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """``bag_1/`` and ``bag_2/`` with one sequence each."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "bag_1").mkdir()
    sequence, depth = torus_sequence(folder / "bag_1" / "first")
    for other in (sequence.folder.with_name("source"), depth):
        other.rename(folder / other.name)
    (folder / "bag_2").mkdir()
    write_sequence(sequence, folder / "bag_2" / "second")
    return folder


def plan_of(root, **values):
    return make_plan({**SMALL, "sequence": str(root / "bag_1" / "first"), **values})


@pytest.fixture(scope="module")
def sequence(root, tmp_path_factory):
    plan = plan_of(root)
    cache = tmp_path_factory.mktemp("cache")
    return load_sequences(plan.training, plan.parameters, cache, 0.25)[0]


def test_pairs_are_views_as_far_apart_as_asked_with_the_motion_between_them(sequence):
    pairs = Pairs([sequence], DepthTraining(adjacent_range=(2, 3)), 8)
    poses = sequence.world_from_camera
    gaps = set()
    for index in range(40):
        sample = pairs.draw(0, np.random.default_rng(index))
        forth, back = sample["other_from_this"].astype(float)
        assert np.abs(forth @ back - np.eye(4)).max() < 1e-5
        # The pair is the one whose second pose is the first one moved so.
        guesses = [
            (one, two)
            for one in range(len(poses))
            for two in range(len(poses))
            if np.abs(np.linalg.inv(poses[two]) @ poses[one] - forth).max() < 1e-5
        ]
        assert len(guesses) == 1
        one, two = guesses[0]
        assert np.array_equal(
            sample["sparse"][1, 0], depth_map(sequence.sparse[two], sequence.size)
        )
        gaps.add(two - one)
    assert gaps == {-3, -2, 2, 3}


def test_drawing_depends_on_the_generator_alone_and_changes_colours_only(sequence):
    pairs = Pairs([sequence], DepthTraining(adjacent_range=(1, 4)), 8)
    one, same, other = (pairs.draw(0, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["colour"], other["colour"])
    plain = Pairs([sequence], DepthTraining(adjacent_range=(1, 4), augmentation=0), 8)
    bare = plain.draw(0, np.random.default_rng(7))
    assert np.array_equal(bare["sparse"], one["sparse"])
    assert not np.array_equal(bare["colour"], one["colour"])
    assert not one["colour"][:, :, ~sequence.mask].any() and np.abs(one["colour"]).max() <= 1


def test_points_teach_or_validate_but_never_both(sequence):
    for sparse, held_out in zip(sequence.sparse, sequence.held_out, strict=True):
        assert len(sparse) and len(held_out)
        assert not {tuple(p) for p in sparse.tolist()} & {tuple(p) for p in held_out.tolist()}
    lengths = [sum(map(len, lists)) for lists in (sequence.held_out, sequence.sparse)]
    assert lengths[0] / sum(lengths) == pytest.approx(0.25, abs=0.08)
    views = Views([sequence])
    assert len(views) == len(sequence.pictures)
    assert np.count_nonzero(views[0]["truth"]) == len(sequence.held_out[0])


def test_another_size_is_cut_about_the_middle_and_its_points_still_project_to_their_pixels(
    root, sequence, tmp_path
):
    plan = plan_of(root, input_size=(96, 160))
    fitted = load_sequences(plan.training, plan.parameters, tmp_path, 0.25)[0]
    assert fitted.pictures.shape[1:] == (96, 160, 3)
    shift = fitted.intrinsics[:2, 2] - sequence.intrinsics[:2, 2]
    column, row = shift.astype(int)
    assert (row, column) == (-16, 16)
    inside = [p for p in sequence.sparse[3] if 16 <= p[0] < 112]
    assert np.array_equal(fitted.sparse[3], np.add(inside, (row, column, 0)))
    assert np.array_equal(fitted.pictures[3][:, 16:-16], sequence.pictures[3][16:-16])


def test_prepared_sequences_are_taken_from_the_cache_if_asked(root, tmp_path):
    plan = plan_of(root, inlier_percentage=0.9)
    first = load_sequences(plan.training, plan.parameters, tmp_path, 0.0)[0]
    pictures = next(tmp_path.glob("*-pictures.npy"))
    np.lib.format.open_memmap(pictures)[:] = 7
    again = replace(plan.parameters, load_intermediate_data=True)
    second = load_sequences(plan.training, again, tmp_path, 0.0)[0]
    assert (second.pictures == 7).all()
    assert all(map(np.array_equal, first.sparse, second.sparse))
    third = load_sequences(plan.training, plan.parameters, tmp_path, 0.0)[0]
    assert not (third.pictures == 7).all()


def test_views_too_far_apart_are_refused(sequence):
    with pytest.raises(InputError, match="12 views with points, none of them 20 to 30"):
        Pairs([sequence], DepthTraining(adjacent_range=(20, 30)), 8)


def test_every_published_option_is_a_key_and_an_option_and_the_printed_file_reads_back(tmp_path):
    for name in PRESETS:
        path = tmp_path / f"{name}.yaml"
        path.write_text(print_config(name))
        keys = yaml.safe_load(path.read_text())
        assert set(PUBLISHED) <= set(keys)
        assert DepthTraining(**read_config(path)) == DepthTraining(**PRESETS[name])
    assert (keys := DepthTraining()).sfl_weight == 20 and keys.dcl_weight_at(19) == 0.1
    assert keys.dcl_weight_at(20) == 5 and keys.epochs == 100 and keys.clip_norm == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dcl_wheight: 5", "line 1: dcl_wheight: unknown key; known are: number_epoch"),
        ("sfl_weight: 20\nadjacent_range: [30, 5]", "line 2: adjacent_range.*not be the smaller"),
        ("max_lr: .nan", "line 1: max_lr.*a finite number"),
        ("min_lr: 1", "line 1: min_lr.*above --max_lr"),
        ("input_size: [250, 320]", "multiples of 32"),
        ("[1]", "a table was expected"),
        ("architecture: resnet", "line 1: architecture.*fcdensenet57"),
    ],
)
def test_a_bad_configuration_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(path)


def test_bags_are_divided_by_their_numbers(root):
    values = {"training_data_root": str(root)}
    assert [p.name for p in make_plan(values).training] == ["first", "second"]
    plan = make_plan({**values, "validation_patient_id": "2"})
    assert [p.name for p in (*plan.training, *plan.validation)] == ["first", "second"]
    assert [p.name for p in make_plan({**values, "id_range": (2, 9)}).training] == ["second"]
    for bad, message in (
        ({"validation_patient_id": "3"}, "names bag '3'; there is: 1, 2"),
        ({"validation_patient_id": "1", "testing_patient_id": "1 2"}, "bag 1 is in"),
        ({"validation_patient_id": "1,2"}, "no bag is left"),
        ({"id_range": (5, 6)}, "no bag_N folder"),
        ({"sequence": "x"}, "both are given"),
        ({"keep_statistics": True}, "needs weights"),
    ):
        with pytest.raises(InputError, match=message):
            make_plan({**values, **bad})


def tiny_plan(root):
    return plan_of(root, input_size=(64, 64), batch_size=1)


def test_a_run_learns_stops_and_goes_on_as_if_it_had_not_stopped(root, tmp_path):
    whole = train_network(tmp_path / "whole", tiny_plan(root))
    stop = CancelToken()

    def cancel_in_the_second_epoch(fraction, message):
        if message.startswith("epoch 2"):
            stop.cancel()

    with pytest.raises(Cancelled):
        train_network(
            tmp_path / "parts", tiny_plan(root), progress=cancel_in_the_second_epoch, cancel=stop
        )
    parts = train_network(tmp_path / "parts", tiny_plan(root), resume=True)
    for one, other in zip(whole, parts, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert whole[0]["train/loss"] != whole[1]["train/loss"]
    assert 0 < whole[-1]["validation/abs_rel"] < 1


def test_the_command_trains_with_published_options_and_tests_on_a_bag(
    root, tmp_path, capsys, monkeypatch
):
    shown = []
    monkeypatch.setattr(
        Curves, "write", lambda curves, row, pictures: shown.append((row, pictures))
    )
    small = "--architecture light --device cpu --num_iter 2 --number_epoch 2 --batch_size 1"
    sizes = "--input_downsampling 1 --adjacent_range 1 4 --input-size 64,64"
    data = f"{sizes} --training_data_root {root}"
    bags = "--training_patient_id 1 --testing_patient_id 2 --architecture_summary on"
    bags += " --validation_interval 2 --display_interval 3"
    output = ["--output", str(tmp_path / "run"), "--json"]
    assert main(["endodepth", "train", *f"{small} {data} {bags}".split(), *output]) == 0
    result = capsys.readouterr()
    assert "light: " in result.err and "parameters" in result.err
    record = json.loads(result.out)
    assert record["validation/abs_rel"] > 0
    history = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert ["validation/abs_rel" in json.loads(row) for row in history] == [False, True]
    assert [row["step"] for row, _ in shown] == [2, 3, 4] and "step/loss" in shown[1][0]
    assert all(grid.shape == (4 * 64, 4 * 64, 3) for _, grids in shown for grid in grids.values())
    tested = json.loads((tmp_path / "run" / "testing.json").read_text())
    assert set(tested) == {"second"} and 0 < tested["second"]["abs_rel"] < 2
    adapted = ["--weights", record["output"], "--sequence", str(root / "bag_2" / "second")]
    more = f"{sizes} --num_iter 1 --number_epoch 1".split()
    code = main(["endodepth", "train", *adapted, *more, "--output", str(tmp_path / "two")])
    assert code == 0
    best = tmp_path / "two" / "best" / "endodepth-light.safetensors"
    before, after = load_file(record["output"]), load_file(best)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed and not [name for name in changed if "running" in name]  # see keep_statistics
    card = json.loads(best.with_suffix(".json").read_text())
    assert (
        "second" in card["training_data"] and "before that endodepth-light" in card["training_data"]
    )
    assert main(["endodepth", "train", "--sequence", str(root)]) == 2
    assert "--output DIR is missing" in capsys.readouterr().err
