"""Training of both architectures: it learns, resumes to the same bits, leaves usable weights."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from safetensors.torch import load_file  # noqa: E402

from meddl.cli.main import main  # noqa: E402
from meddl.core.checkpoint import latest_checkpoint, load_checkpoint  # noqa: E402
from meddl.core.errors import Cancelled, InputError  # noqa: E402
from meddl.core.image import Image  # noqa: E402
from meddl.core.metrics import psnr, ssim  # noqa: E402
from meddl.core.pictures import read_rgb, write_picture  # noqa: E402
from meddl.core.progress import CancelToken  # noqa: E402
from meddl.desmoke.network_estimator import NetworkEstimator  # noqa: E402
from meddl.desmoke.pix2pix_estimator import Pix2PixEstimator  # noqa: E402
from meddl.desmoke.synthesis import SynthesisParameters, synthesize  # noqa: E402
from meddl.desmoke.training import batch_figures, make_recipe, train_desmoker  # noqa: E402
from meddl.desmoke.training_config import read_plan  # noqa: E402
from meddl.desmoke.training_parameters import DesmokeTraining  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning_fabric"),
    pytest.mark.usefixtures("one_thread"),
]

CONFIG = {
    "data": {"clear": ["frames/*.png"], "validation": ["p0"]},
    "size": [32, 32],
    "epochs": 2,
    "batch_size": 2,
    "clip_length": 2,
    "device": "cpu",
}
SMALL = {
    "pix2pix": {"architecture": "pix2pix", "layers": 3, "filters": 4},
    "light": {"architecture": "light", "size": [32, 64]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five smooth pictures, as tissue is, in red."""
    folder = tmp_path_factory.mktemp("desmoke")
    (folder / "frames").mkdir()
    y, x = np.mgrid[:40, :40] / 40
    for n in range(5):
        waves = 0.5 + 0.5 * np.sin(7 * x * (n + 1) + 5 * y * (4 - n))
        rgb = np.stack([0.3 + 0.6 * waves, 0.1 + 0.4 * waves, 0.1 + 0.3 * waves * y], -1)
        picture = Image((255 * rgb).astype(np.uint8)[None])
        write_picture(folder / f"frames/p{n}.png", picture)
    return folder


def plan(folder: Path, architecture: str, **changes):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **SMALL[architecture], **changes}))
    return read_plan(path)


def digest(path: Path) -> str:
    weights, _ = load_checkpoint(latest_checkpoint(path))
    hashed = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        hashed.update(name.encode() + tensor.numpy().tobytes())
    return hashed.hexdigest()


@pytest.mark.parametrize("architecture", ["pix2pix", "light"])
def test_a_cancelled_run_resumes_to_the_same_bits(folder, tmp_path, architecture):
    token, seen = CancelToken(), []

    def progress(fraction, message):
        seen.append(fraction)
        if message.startswith("epoch 2/2, step 1/2"):
            token.cancel()

    settings = plan(folder, architecture)
    with pytest.raises(Cancelled):
        train_desmoker(tmp_path / "run", settings, progress=progress, cancel=token)
    rows = train_desmoker(tmp_path / "run", settings, resume=True)
    train_desmoker(tmp_path / "whole", settings)
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")
    assert seen == sorted(seen)
    assert len(rows) == 2 and {"validation/psnr", "validation/ssim", "validation/change"} <= {
        *rows[0]
    }
    load = NetworkEstimator if architecture == "light" else Pix2PixEstimator
    estimator = load(tmp_path / "run/best/desmoke.safetensors", "cpu", "torch")
    veil = estimator(np.random.default_rng(0).random((32, 48, 3), np.float32))
    assert veil.transmission.min() >= 0 and veil.transmission.max() <= 1
    with pytest.raises(InputError, match="was trained with"):
        train_desmoker(tmp_path / "run", plan(folder, architecture, density="heavy"), resume=True)


def test_the_command_leaves_weights_a_card_and_curves(folder, tmp_path, capsys):
    plan(folder, "pix2pix")
    command = ["desmoke", "train", str(folder / "config.yaml"), "--output", str(tmp_path / "run")]
    assert main([*command, "--json"]) == 0
    best = Path(json.loads(capsys.readouterr().out)["output"])
    card = json.loads(best.with_suffix(".json").read_text())
    assert card["architecture"] == "desmoke-pix2pix"
    assert card["arguments"]["network"] == {"guide": "refined", "layers": 3, "filters": 4}
    assert card["metrics"]["validation"]["psnr"] > 0
    # Of the two sides only the generator is kept.
    assert not any("discriminator" in name for name in load_file(best))
    checkpoint = load_file(latest_checkpoint(tmp_path / "run") / "model.safetensors")
    assert any("discriminator" in name for name in checkpoint)
    estimator = Pix2PixEstimator(best, "cpu")
    picture = read_rgb(folder / "frames/p0.png").astype(np.float32) / 255
    assert estimator.grid(40, 40) == (32, 32) and estimator.paint(picture).shape == (40, 40, 3)
    assert (tmp_path / "run/curves.png").stat().st_size > 1000
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert events.Images("smoky, restored, clear, transmission")[0].width == 4 * 32
    assert main(command) == 2
    assert "holds another training run" in capsys.readouterr().err


def test_pairs_are_trained_on(folder, tmp_path):
    synthesize([folder / "frames"], tmp_path / "set", SynthesisParameters(density="medium"))
    data = {"pairs": str(tmp_path / "set"), "validation": ["p1"]}
    rows = train_desmoker(tmp_path / "run", plan(folder, "pix2pix", data=data, epochs=1))
    assert np.isfinite(rows[0]["validation/psnr"])
    assert rows[0]["train/l1"] > 0


@pytest.mark.parametrize("loss", ["adversarial", "alternating", "l1"])
def test_two_frames_are_learned_by_heart(loss):
    parameters = DesmokeTraining(
        architecture="pix2pix", size=(32, 32), layers=3, filters=8, guide="minimum", loss=loss,
        learning_rate=2e-3,
    )  # fmt: skip
    torch.manual_seed(0)
    recipe = make_recipe(parameters, 80)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 4), (32, 32), mode="bilinear")
    batch = {"clear": smooth[:, None], "smoky": 0.5 * smooth[:, None] + 0.4}
    errors = []
    for _ in range(40):
        figures = recipe.training_step(recipe.model, batch)
        errors.append(figures["l1"].item())
        recipe.optimizer.zero_grad()
        figures["loss"].backward()
        recipe.optimizer.step()
    assert np.mean(errors[-4:]) < 0.4 * errors[0]


def rates_of(schedule: str, steps: int) -> list[float]:
    parameters = DesmokeTraining(
        architecture="pix2pix", size=(32, 32), layers=2, filters=2, learning_rate=1e-3,
        schedule=schedule,
    )  # fmt: skip
    recipe = make_recipe(parameters, steps)
    assert recipe.optimizer.defaults["betas"] == (0.5, 0.999)
    rates = []
    for _ in range(steps + 1):
        rates.append(recipe.optimizer.param_groups[0]["lr"])
        recipe.optimizer.step()
        recipe.scheduler.step()
    return rates


def test_the_rate_falls_in_the_second_half():
    rates = rates_of("linear", 10)
    np.testing.assert_allclose(rates[:6], 1e-3)
    np.testing.assert_allclose(rates[5:], 1e-3 * np.array([5, 4, 3, 2, 1, 0]) / 5)
    assert len(rates_of("linear", 1)) == 2  # the shortest run


def test_each_architecture_has_its_own_rate():
    light = DesmokeTraining()
    published = DesmokeTraining(architecture="pix2pix", size=(32, 32), layers=2, filters=2)
    assert (light.rate, light.course) == (1.5e-3, "onecycle")
    assert (published.rate, published.course) == (2e-4, "linear")
    assert DesmokeTraining(learning_rate=0.01, schedule="linear").rate == 0.01
    assert make_recipe(published, 2).optimizer.defaults["lr"] == 2e-4


def test_one_cycle_rises_and_falls():
    rates = np.array(rates_of("onecycle", 40))
    assert rates.argmax() == 4 and rates.max() == pytest.approx(1e-3)
    assert (np.diff(rates)[:4] > 0).all() and (np.diff(rates)[4:] < 0).all()
    assert rates[22] == pytest.approx(5e-4) and rates[40] == pytest.approx(0, abs=1e-12)


def test_validation_figures_are_those_of_numpy():
    rng = np.random.default_rng(1)
    clear = rng.random((2, 2, 3, 24, 24), np.float32)
    smoky = 0.5 * clear + 0.4
    tensors = torch.from_numpy(smoky), torch.from_numpy(clear)

    class Halfway:
        """Takes half of the smoke away, and darkens frames without smoke by 0.1."""

        result = None

        @staticmethod
        def restore(network, frames):
            return (0.75 * tensors[1] + 0.2 if frames is tensors[0] else frames - 0.1), None

    found = batch_figures(Halfway, *tensors)
    half = 0.75 * clear + 0.2
    frames = [(half[b, t], smoky[b, t], clear[b, t]) for b in range(2) for t in range(2)]

    def mean(figure, which):
        return np.mean([
            figure(f[which].transpose(1, 2, 0), f[2].transpose(1, 2, 0), 1.0) for f in frames
        ])  # fmt: skip

    assert float(found["psnr"]) == pytest.approx(mean(psnr, 0), abs=1e-3)
    assert float(found["psnr_gain"]) == pytest.approx(mean(psnr, 0) - mean(psnr, 1), abs=1e-3)
    assert float(found["ssim"]) == pytest.approx(mean(ssim, 0), abs=2e-3)
    change = np.abs(np.clip(clear - 0.1, 0, 1) - clear).mean()
    assert float(found["change"]) == pytest.approx(change, abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["pix2pix", "light"])
def test_two_processes_train_together(folder, tmp_path, architecture):
    plan(folder, architecture, batch_size=1, epochs=1)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "meddl", "desmoke", "train"]
    command += [str(folder / "config.yaml"), "--output", str(tmp_path / "run"), "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    row = json.loads((tmp_path / "run/history.jsonl").read_text())
    assert row["step"] == 2 and np.isfinite(row["train/loss"])
    assert json.loads((tmp_path / "run/run.json").read_text())["parameters"]["processes"] == 2
    assert (tmp_path / "run/best/desmoke.safetensors").is_file()
