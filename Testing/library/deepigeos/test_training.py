"""Training end to end on small pictures, and the trained networks as a method of the session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
pytest.importorskip("lightning_fabric")

from meddl.cli.main import main  # noqa: E402
from meddl.core import read_image  # noqa: E402
from meddl.core.errors import Cancelled, FileError, InputError  # noqa: E402
from meddl.core.metrics import dice  # noqa: E402
from meddl.core.progress import CancelToken  # noqa: E402
from meddl.core.weights import read_card, save_weights  # noqa: E402
from meddl.deepigeos import InteractiveSession  # noqa: E402
from meddl.deepigeos.correction import IGNORED, SeedEncoding  # noqa: E402
from meddl.deepigeos.networks import make_network  # noqa: E402
from meddl.deepigeos.trained import Trained, load_trained, log_probabilities  # noqa: E402
from meddl.deepigeos.trained_method import TrainedMethod, make_trained_method  # noqa: E402
from meddl.deepigeos.training import start_from_first, train_network  # noqa: E402
from meddl.deepigeos.training_config import read_plan  # noqa: E402
from meddl.deepigeos.training_scores import picture, segmentation_loss  # noqa: E402

from .labelled_cases import PICTURES, VOLUMES, config, disc, pictures, volumes  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning_fabric"),
    pytest.mark.usefixtures("one_thread"),
]
SPACING = (1.0, 1.0, 1.0)
CORRECTING = "model: rnet\npnet: {}\nepochs: 1\nname: corrector\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Pictures, a P-Net that has learnt them, and an R-Net with a CRF-Net after one epoch."""
    folder = pictures(tmp_path_factory.mktemp("pictures"))
    learnt = PICTURES.replace("epochs: 2", "epochs: 12\nlearning_rate: 0.005")
    train_network(folder / "pnet_run", read_plan(config(folder, learnt)))
    text = PICTURES.replace("epochs: 2\n", CORRECTING.format("pnet_run/best/pnet.safetensors"))
    text += "crf: on\n"
    train_network(folder / "rnet_run", read_plan(config(folder, text)))
    return folder


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def picture_of(folder: Path, name: str) -> np.ndarray:
    """(1, J, I, 1) float32, raw."""
    return read_image(folder / f"JPEGImages/{name}.jpg").array.astype(np.float32)[..., None]


def test_pnet_learns_and_its_card_says_how_to_use_it(runs):
    rows = history(runs / "pnet_run")
    assert rows[-1]["validation/dice"] > 0.85 > rows[0]["validation/dice"]
    card = read_card(runs / "pnet_run/best/pnet.safetensors")
    best = max(row["validation/dice"] for row in rows)
    assert card.metrics["validation"]["dice"] == best
    assert card.architecture == "deepigeos" and "p1, p2, p3, p4" in card.training_data
    assert card.arguments["use"]["normalization"] == "window"
    assert card.arguments["use"]["classes"] == ["background", "disc"]
    mask = make_trained_method(str(card.path))(picture_of(runs, "p0"), SPACING)
    found = mask(np.zeros((1, 24, 24), np.uint8))
    truth = disc(np.random.default_rng(0))
    counts = np.ones((24, 24), bool)
    counts[0, :3] = False
    assert dice((found[0] > 0.5) & counts, truth & counts) == pytest.approx(best, abs=1e-6)


def test_the_record_holds_parameters_and_data_and_tensorboard_has_pictures(runs):
    record = json.loads((runs / "rnet_run/run.json").read_text())["parameters"]
    assert record["crf"] is True and record["pnet"].endswith("pnet.safetensors")
    data = json.loads(record["data"])
    assert data["training"] == ["p1", "p2", "p3", "p4"] and data["validation"] == ["p0"]
    row = history(runs / "rnet_run")[0]
    best = max(r["validation/dice"] for r in history(runs / "pnet_run"))
    assert row["validation/dice_before"] == pytest.approx(best, abs=1e-6)
    assert {"validation/iou_disc", "validation/assd_disc", "train/loss"} <= set(row)
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(runs / "rnet_run/tensorboard")).Reload()
    assert events.Images("held out 1")[0].width == 24


def test_rnet_finds_its_pnet_beside_it_and_keeps_seeds(runs):
    best = runs / "rnet_run/best"
    assert sorted(path.stem for path in best.glob("*.safetensors")) == ["corrector", "pnet"]
    image = picture_of(runs, "p0")
    method = make_trained_method(best / "corrector.safetensors")(image, SPACING, device="cpu")
    assert not method.needs_seeds and method.uses_previous
    none = np.zeros((1, 24, 24), np.uint8)
    first = method(none)
    assert first.shape == (1, 24, 24) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    seeds = none.copy()
    seeds[0, 2, 2:5], seeds[0, 20, 20] = 2, 1
    found = method(seeds)
    assert (found[seeds == 2] == 1).all() and (found[seeds == 1] == 0).all()
    assert np.abs(found - first).max() > 0.1
    np.testing.assert_array_equal(found, method(seeds))
    other = method(seeds, previous=1 - first)
    assert np.abs(other - found)[seeds == 0].max() > 0.01  # R-Net sees the previous result
    both = f"{best / 'corrector.safetensors'},{runs / 'pnet_run/best/pnet.safetensors'}"
    np.testing.assert_array_equal(make_trained_method(both)(image, SPACING)(seeds), found)


def test_the_session_takes_a_users_weights(runs):
    image = read_image(runs / "JPEGImages/p0.jpg")
    weights = str(runs / "rnet_run/best/corrector.safetensors")
    session = InteractiveSession(image, weights=weights, device="cpu")
    first = session.predict()
    assert dice(first[0], disc(np.random.default_rng(0))) > 0.8
    stroke = np.zeros((1, 24, 24), bool)
    stroke[0, 1, 20:23] = True
    corrected = session.add(foreground=stroke)
    assert corrected[stroke].all() and corrected.shape == first.shape


def test_a_method_stops_when_cancelled_and_can_be_called_again(runs):
    method = make_trained_method(runs / "pnet_run/best/pnet.safetensors")(
        picture_of(runs, "p1"), SPACING
    )
    token = CancelToken()
    token.cancel()
    none = np.zeros((1, 24, 24), np.uint8)
    with pytest.raises(Cancelled):
        method(none, cancel=token)
    assert method(none).max() > 0.5


def test_wrong_weights_and_images_are_refused(runs, tmp_path):
    pnet = runs / "pnet_run/best/pnet.safetensors"
    with pytest.raises(InputError, match="take 1 channels, the image has 3"):
        make_trained_method(pnet)(np.zeros((1, 8, 8, 3), np.float32), SPACING)
    with pytest.raises(InputError, match="no class 'liver'; pnet has: disc"):
        make_trained_method(pnet, "liver")(np.zeros((1, 8, 8, 1), np.float32), SPACING)
    with pytest.raises(InputError, match="both hold a pnet"):
        make_trained_method([pnet, pnet])(np.zeros((1, 8, 8, 1), np.float32), SPACING)
    with pytest.raises(FileError, match="no weights 'nobody'"):
        make_trained_method("nobody")
    lonely = runs / "rnet_run/best/corrector.safetensors"
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"corrector{suffix}").write_bytes(lonely.with_suffix(suffix).read_bytes())
    with pytest.raises(FileError, match="corrects pnet, whose weights are neither beside it"):
        make_trained_method(tmp_path / "corrector.safetensors")(
            np.zeros((1, 8, 8, 1), np.float32), SPACING
        )
    other = replace(read_card(pnet), architecture="UNet")
    save_weights(make_network("pnet", 1, 2, 2, 8), tmp_path / "other.safetensors", other)
    with pytest.raises(InputError, match="holds a UNet, weights of"):
        load_trained(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("window: [0, 100]", r"trained with window \(0.0, 255.0\), this run has \(0.0, 100.0\)"),
        ("name: pnet", "would be called pnet, as those of pnet"),
        ("initial: pnet_run/best/pnet.safetensors", "does not fit this"),
        ("pnet: rnet_run/best/corrector.safetensors", "which holds an rnet"),
    ],
)
def test_an_rnet_that_does_not_fit_its_pnet_is_refused_before_training(runs, change, message):
    base = CORRECTING.format("pnet_run/best/pnet.safetensors")
    lines = [line for line in base.splitlines() if line.split(":")[0] != change.split(":")[0]]
    text = PICTURES.replace("epochs: 2", "\n".join([*lines, change]))
    with pytest.raises(InputError, match=message):
        train_network(runs / "refused", read_plan(config(runs, text)))
    assert not (runs / "refused/run.json").exists()


def test_a_cancelled_run_resumes_to_the_same_weights(tmp_path):
    folder = pictures(tmp_path, 3)
    plan = read_plan(config(folder, PICTURES))
    token = CancelToken()

    def progress(fraction, message):
        if message.startswith("epoch 1/2, step 2"):
            token.cancel()

    with pytest.raises(Cancelled):
        train_network(tmp_path / "broken", plan, progress=progress, cancel=token)
    with pytest.raises(FileError, match="holds another training run; resume"):
        train_network(tmp_path / "broken", plan)
    train_network(tmp_path / "broken", plan, resume=True)
    train_network(tmp_path / "whole", plan)
    one, other = (
        (tmp_path / name / "best/pnet.safetensors").read_bytes() for name in ("broken", "whole")
    )
    assert one == other
    changed = read_plan(config(folder, PICTURES.replace("{disc: 1}", "{blob: 1}")))
    with pytest.raises(InputError, match="was trained with data"):
        train_network(tmp_path / "whole", changed, resume=True)


def test_volumes_of_two_modalities_and_two_classes_train_in_two_processes(tmp_path):
    folder = volumes(tmp_path)
    path = config(folder, VOLUMES)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "meddl", "deepigeos", "train", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "run"), "--quiet"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["parameters"]["processes"] == 2
    row = history(tmp_path / "run")[0]
    assert row["step"] == 1  # 4 patches by two processes, 2 each
    card = read_card(tmp_path / "run/best/pnet.safetensors")
    assert card.arguments["network"]["classes"] == 3
    # The same numbers as one process with the larger batch: there is no dropout in validation.
    image = np.stack(
        [read_image(folder / f"c1/c1_{name}.nii.gz").array for name in ("t1", "t2")], -1
    )
    affine = read_image(folder / "c1/c1_t1.nii.gz").ras_from_ijk
    maker = make_trained_method(card.path, "core")
    none = np.zeros(image.shape[:3], np.uint8)
    found = maker(image, (2.0, 1.0, 1.0), ras_from_ijk=affine)(none)
    assert found.shape == none.shape
    # Stored the other way round, the same patient gives the same result.
    turned = np.ascontiguousarray(image[:, ::-1, ::-1])
    flipped = affine @ np.array([[-1, 0, 0, 23], [0, -1, 0, 23], [0, 0, 1, 0], [0, 0, 0, 1]])
    again = maker(turned, (2.0, 1.0, 1.0), ras_from_ijk=flipped)(none)
    np.testing.assert_allclose(again[:, ::-1, ::-1], found, atol=1e-5)


# Parts


def test_the_loss_is_cross_entropy_plus_dice_over_the_voxels_that_count():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 6, generator=generator)
    labels = torch.randint(0, 3, (2, 5, 6), generator=generator)
    labels[0, :2] = IGNORED
    p = torch.softmax(logits.double(), 1).numpy()
    counts = labels.numpy() != IGNORED
    rows = np.moveaxis(p, 1, -1)[counts]
    true = labels.numpy()[counts]
    cross = -np.log(rows[np.arange(len(true)), true]).mean()
    overlaps = [
        (2 * rows[true == c, c].sum() + 1e-5) / (rows[:, c].sum() + (true == c).sum() + 1e-5)
        for c in (1, 2)
    ]
    expected = cross + 0.5 * (1 - np.mean(overlaps))
    assert segmentation_loss(0.5)(logits, labels).item() == pytest.approx(expected, rel=1e-5)
    assert segmentation_loss(0.0)(logits, labels).item() == pytest.approx(cross, rel=1e-5)
    labels[...] = IGNORED
    assert torch.isfinite(segmentation_loss(1.0)(logits, labels))


@pytest.mark.parametrize("name", ["pnet", "dynunet"])
def test_an_rnet_begins_as_its_pnet(name):
    pnet, rnet = (make_network(name, channels, 2, 2, 4).eval() for channels in (2, 5))
    inputs = torch.randn(1, 5, 16, 16)
    with torch.no_grad():
        assert (rnet(inputs) - pnet(inputs[:, :2])).abs().max() > 0.01
        start_from_first(rnet, pnet)
        torch.testing.assert_close(rnet(inputs), pnet(inputs[:, :2]), rtol=1e-4, atol=1e-5)


def test_windows_of_a_2d_network_are_slices_and_seeds_reach_the_field():
    network = make_network("pnet", 2, 3, 2, 4).eval()
    inputs = torch.randn(2, 3, 8, 9)
    with torch.no_grad():
        found = log_probabilities(network, inputs, None, 2, (96, 96))
        for k in range(3):
            expected = network(inputs[:, k][None]).log_softmax(1)[0]
            torch.testing.assert_close(found[:, k], expected, rtol=1e-4, atol=1e-5)


def anisotropic(orientation="RAS", spacing=(2.0, 1.0, 1.0)) -> Trained:
    """The "network" of one channel whose logit is the value itself."""

    class Value(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs):
            return torch.cat([torch.zeros_like(inputs[:, :1]), 8 * inputs[:, :1]], 1)

    card = read_card_like()
    return Trained(
        Value().eval(), card, "pnet", ("background", "target"), 1, 3, spacing, orientation,
        "window", (-1.0, 1.0), (64, 64, 64), SeedEncoding(), "",
    )  # fmt: skip


def read_card_like():
    from meddl.core.weights import Card

    return Card(name="value", task="", architecture="deepigeos")


def test_a_result_comes_back_on_the_voxels_of_the_image():
    """Resampled to coarser slices and turned axes, and back: within a slice of the truth."""
    truth = np.zeros((12, 20, 16), bool)
    truth[3:9, 4:15, 5:12] = True
    image = np.where(truth, 1, -1).astype(np.float32)[..., None]
    ras_from_ijk = np.diag([1.0, -1.0, 1.0, 1.0])[
        [1, 0, 2, 3]
    ]  # axes i and j exchanged, one turned
    for matrix in (None, ras_from_ijk):
        method = TrainedMethod(image, (1.0, 1.0, 1.0), anisotropic(), ras_from_ijk=matrix)
        found = method(np.zeros(truth.shape, np.uint8))
        assert (found > 0.5).sum() == pytest.approx(truth.sum(), rel=0.25)
        assert dice(found > 0.5, truth) > 0.88
        middle = (found > 0.5)[:, 4:15, 5:12].all((1, 2))
        assert middle[4:8].all() and not middle[:2].any() and not middle[10:].any()
    coarse = TrainedMethod(image, (1.0, 1.0, 1.0), anisotropic(spacing=(4.0, 4.0, 4.0)))
    seeds = np.zeros(truth.shape, np.uint8)
    seeds[1, 1, 1], seeds[6, 8, 8] = 2, 1  # one voxel each, against the image
    found = coarse(seeds)
    assert found[1, 1, 1] == 1 and found[6, 8, 8] == 0


def test_pictures_outline_truth_and_result():
    grey = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    truth, found, seeds = (np.zeros((10, 10), np.uint8) for _ in range(3))
    truth[2:8, 2:8], found[4:6, 4:6], seeds[0, 0], seeds[9, 9] = 1, 1, 1, 2
    drawn = picture(grey, truth, found, seeds)
    assert drawn.shape == (10, 10, 3) and drawn.dtype == np.uint8
    assert tuple(drawn[2, 2]) == (90, 200, 90) and tuple(drawn[4, 4]) == (240, 80, 60)
    assert tuple(drawn[0, 0]) == (80, 160, 255) and tuple(drawn[9, 9]) == (255, 230, 60)
    assert len({*drawn[3, 3].tolist()}) == 1  # inside is grey


def test_the_example_of_the_documentation_trains(tmp_path, capsys):
    """Docs/examples/spine-pnet.yaml on the bundled CT, shortened."""
    examples = Path(__file__).parents[3] / "Docs/examples"
    text = (examples / "spine-pnet.yaml").read_text().replace("../../", f"{examples}/../../")
    text = text.replace("epochs: 30", "epochs: 1").replace("per_case: 32", "per_case: 2")
    text = text.replace("width: 16", "width: 4").replace("[96, 96, 1]", "[32, 32, 1]")
    text = text.replace("validation_slices: 0.25", "validation_slices: 0.05")
    path = config(tmp_path, text.replace("batch_size: 4", "batch_size: 2"))
    output = tmp_path / "run"
    assert main(["deepigeos", "train", str(path), "--output", str(output), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert Path(result["output"]).is_file() and result["epoch"] == 1 and result["train/loss"] > 0
    corrector = (examples / "spine-rnet.yaml").read_text()
    assert "pnet: ../../spine_pnet/best/spine-pnet.safetensors" in corrector
