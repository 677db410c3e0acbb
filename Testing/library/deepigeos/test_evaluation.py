"""The simulated user's harness on a target whose segmentation is known."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DependencyError, Image, InputError
from meddl.core.geometry import compose
from meddl.deepigeos.evaluation import Run, Step, check_methods, evaluate, simulate
from meddl.deepigeos.evaluation_cases import Case
from meddl.deepigeos.evaluation_parameters import EvaluationParameters
from meddl.deepigeos.evaluation_report import means, summary, write_report

from .simple_methods import Nearest, Trained

PARAMETERS = EvaluationParameters(interactions=4, seed=3)


def bar() -> Case:
    truth = np.zeros((12, 30, 40), bool)
    truth[4:8, 8:20, 10:30] = True
    return Case("bar", Image(truth.astype(np.float32), compose((1, 1, 2))), truth)


class Oracle(Nearest):
    """Knows the truth, which is the image."""

    def __init__(self, image, spacing, device="auto"):
        super().__init__(image, spacing)
        self.image = image

    def __call__(self, seeds, *rest, **options):
        return (self.image[..., 0] > 0.5).astype(np.float32)


def test_a_perfect_method_needs_one_interaction():
    run = simulate(bar(), Oracle, PARAMETERS, "oracle")
    assert [(step.interaction, step.dice, step.nsd) for step in run.steps] == [(1, 1.0, 1.0)]
    assert run.at(10).dice == 1 and run.area(4) == 1 and run.steps[0].seeds > 20


def test_corrections_improve_and_repeat_exactly():
    one, other = (simulate(bar(), Nearest, PARAMETERS) for _ in range(2))
    found = [(step.interaction, step.dice, step.nsd, step.seeds) for step in one.steps]
    assert found == [(s.interaction, s.dice, s.nsd, s.seeds) for s in other.steps]
    assert one.method == "Nearest" and len(one.steps) == 4
    assert one.at(4).dice > one.at(1).dice > 0.2
    assert all(step.seconds > 0 for step in one.steps)
    differs = simulate(bar(), Nearest, EvaluationParameters(interactions=4, seed=4))
    assert [step.dice for step in differs.steps] != [step.dice for step in one.steps]


def test_the_published_rule_corrects_with_random_voxels():
    parameters = EvaluationParameters(interactions=2, rule="random")
    run = simulate(bar(), Nearest, parameters)
    strokes = simulate(bar(), Nearest, EvaluationParameters(interactions=2))
    assert run.steps[0].seeds == strokes.steps[0].seeds  # nothing to correct yet: strokes
    # every error of N >= 30 voxels gets ceil(N / 100) seeds
    assert 0 < run.steps[1].seeds < strokes.steps[1].seeds


def test_a_trained_method_predicts_first():
    run = simulate(bar(), Trained, PARAMETERS)
    assert [(step.interaction, step.seeds, step.dice) for step in run.steps] == [(0, 0, 1.0)]
    assert run.at(1).dice == 1


def test_areas_are_trapezoids_and_ends_hold():
    run = Run("c", "m", [Step(n, d, d / 2, 0.1 * n, 0.2, 5) for n, d in ((1, 0.4), (2, 0.6))])
    assert run.area(2) == pytest.approx(0.5)
    assert run.area(3) == pytest.approx((0.5 + 0.6) / 2)
    row = summary(run, 3)
    assert row["dice_1"] == 0.4 and row["dice_3"] == 0.6 and row["nsd_3"] == 0.3
    assert row["first_seconds"] == 0.1 and row["seconds"] == 0.2 and "dice_5" not in row
    other = Run("d", "m", [Step(1, 0.8, 0.8, 0.3, 0.2, 5)])
    (mean,) = means([row, summary(other, 3)])
    assert mean["dice_1"] == pytest.approx(0.6) and mean["case"] == "mean of 2"


def test_what_a_method_lacks_is_said_before_any_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyamg", None)
    calls = []

    class Counting(Nearest):
        def __call__(self, seeds, *rest, **options):
            calls.append(seeds.shape)
            return super().__call__(seeds)

    with pytest.raises(DependencyError, match="pyamg"):
        evaluate([bar()], {"near": Counting, "walks": "randomwalker"}, PARAMETERS)
    assert not calls


def test_the_report_is_written(tmp_path):
    runs = evaluate([bar()], {"oracle": Oracle, "near": Nearest}, PARAMETERS)
    table = write_report(runs, PARAMETERS, tmp_path / "out")["table"]
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["table"] == table and record["parameters"]["seed"] == 3
    assert len(record["runs"][1]["steps"]) == 4
    rows = list(csv.DictReader((tmp_path / "out" / "evaluation.csv").open()))
    assert [row["method"] for row in rows] == ["oracle", "near"]
    assert float(rows[1]["dice_3"]) == table[1]["dice_3"] == round(runs[1].at(3).dice, 4)
    pytest.importorskip("matplotlib")
    assert (tmp_path / "out" / "evaluation.png").read_bytes()[:4] == b"\x89PNG"


def test_cancel_and_bad_cases():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        simulate(bar(), Nearest, PARAMETERS, cancel=token)
    image = bar().image
    with pytest.raises(InputError, match="no voxel"):
        Case("empty", image, np.zeros(image.array.shape))
    with pytest.raises(InputError, match=r"shape \(2, 2, 2\)"):
        Case("small", image, np.ones((2, 2, 2)))
    with pytest.raises(InputError, match="'magic'"):
        check_methods("crf,magic")
    with pytest.raises(InputError, match="twice"):
        check_methods("crf,crf")
