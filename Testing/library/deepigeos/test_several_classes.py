"""Weights of several classes in a session and on the command line: class n is segment n."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from meddl.cli.main import main  # noqa: E402
from meddl.core import Image, read_image, write_image  # noqa: E402
from meddl.core.errors import InputError  # noqa: E402
from meddl.core.weights import Card  # noqa: E402
from meddl.deepigeos import InteractiveSession  # noqa: E402
from meddl.deepigeos.correction import SeedEncoding  # noqa: E402
from meddl.deepigeos.evaluation import check_methods, evaluate  # noqa: E402
from meddl.deepigeos.evaluation_cases import Case  # noqa: E402
from meddl.deepigeos.evaluation_parameters import EvaluationParameters  # noqa: E402
from meddl.deepigeos.trained import Trained  # noqa: E402

SHAPE = (6, 10, 12)
TRUTH = np.zeros(SHAPE, np.uint8)
TRUTH[1:5, 2:8, 1:5], TRUTH[2:4, 3:9, 7:11] = 1, 2


class Levels(torch.nn.Module):
    """The "network" whose class n is most likely where the value is n."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.levels = torch.nn.Parameter(torch.arange(classes, dtype=torch.float32))

    def forward(self, inputs):
        return -40 * (inputs[:, :1] - self.levels[:, None, None, None]) ** 2


@pytest.fixture
def weights(monkeypatch):
    """Names of weights: their number is that of their classes, background included."""
    names = ("background", "one", "two")

    def load(path, device):
        count = int(path)
        network = Levels(count).eval()
        return Trained(
            network, Card("levels", "", "deepigeos"), "pnet", names[:count], 1, 3, None, "keep",
            "window", (-1.0, 1.0), (64, 64, 64), SeedEncoding(), "",
        )  # fmt: skip

    monkeypatch.setattr("meddl.deepigeos.trained_method.load_trained", load)
    monkeypatch.setattr("meddl.deepigeos.trained_method.find_weights", str)
    # The values as they are: normalisation cuts them off beyond its window.
    monkeypatch.setattr("meddl.deepigeos.trained_method.normalized", lambda image, *_: image)


def image() -> Image:
    return Image(TRUTH.astype(np.float32), np.eye(4))


@pytest.mark.usefixtures("weights")
def test_a_case_without_seeds_gets_all_classes_and_background_corrects_them(
    tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_image("image.nii.gz", image())
    wrong = np.zeros(SHAPE, np.uint8)
    wrong[2, 3:6, 7:9] = 1
    write_image("wrong.nii.gz", Image(wrong, np.eye(4)))
    command = ["deepigeos", "segment", "image.nii.gz", "--weights", "3", "--output", "seg.nii.gz"]
    assert main(command) == 0
    assert np.array_equal(read_image("seg.nii.gz").array, TRUTH)
    assert main([*command, "--background", "wrong.nii.gz"]) == 0
    assert np.array_equal(read_image("seg.nii.gz").array, np.where(wrong, 0, TRUTH))


@pytest.mark.usefixtures("weights")
def test_each_segment_is_its_class():
    session = InteractiveSession(image(), weights="3", device="cpu")
    assert session.predictable == range(1, 3)
    stroke = np.zeros(SHAPE, bool)
    stroke[2, 3, 5:8] = True  # beyond the border of the second structure, and in it
    mask = session.add(foreground=stroke, segment=2)
    assert np.array_equal(mask, (TRUTH == 2) | stroke) and not session.mask(1).any()
    with pytest.raises(InputError, match="no class 3; levels has: one, two"):
        session.predict(segment=3)
    assert not session.mask(3).any()


@pytest.mark.usefixtures("weights")
def test_a_single_class_stands_for_every_segment():
    session = InteractiveSession(Image(np.minimum(image().array, 1)), weights="2", device="cpu")
    assert session.predictable == range(1, 2)
    assert np.array_equal(session.predict(segment=3), TRUTH > 0)


@pytest.mark.usefixtures("weights")
def test_an_evaluation_gives_the_weights_to_the_methods_that_take_some():
    case = Case("box", Image(np.minimum(image().array, 1)), TRUTH > 0)
    parameters = EvaluationParameters(interactions=1, weights="2", device="cpu")
    own, geodesic = evaluate([case], check_methods("auto,geodesic"), parameters)
    assert [(step.interaction, step.dice) for step in own.steps] == [(0, 1.0)]
    assert [step.interaction for step in geodesic.steps] == [1]
