"""The training loop: exact resume, one writer, and a run that survives bad steps and full disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from safetensors.torch import load_file  # noqa: E402

from meddl.core.checkpoint import latest_checkpoint, load_checkpoint  # noqa: E402
from meddl.core.errors import Cancelled, FileError, InputError, MedDLError  # noqa: E402
from meddl.core.files import claimed_folder  # noqa: E402
from meddl.core.progress import CancelToken  # noqa: E402
from meddl.core.run_record import command_line  # noqa: E402
from meddl.core.training_data import training_batches, validation_batches  # noqa: E402
from meddl.core.weights import load_weights  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
import tiny_run  # noqa: E402
from tiny_run import Line, digest, network, trainer  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning_fabric"),
    pytest.mark.usefixtures("one_thread"),
]


def script(*arguments: str, torchrun: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable]
    if torchrun:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={torchrun}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [*command, tiny_run.__file__, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def history(folder: Path) -> list[dict]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_a_run_killed_within_an_epoch_resumes_to_the_same_bits(tmp_path):
    settings = {"checkpoint_steps": 3, "device": "cpu"}
    killed = script(str(tmp_path / "killed"), json.dumps(settings), "9")
    assert killed.returncode == -9, killed.stderr
    checkpoint = latest_checkpoint(tmp_path / "killed")
    assert checkpoint.name == "checkpoint-000000006"  # the second batch of the second epoch

    whole = trainer(tmp_path / "whole", settings)
    whole.fit()
    resumed = trainer(tmp_path / "killed", settings)
    resumed.fit(resume=True)
    assert digest(resumed.model) == digest(whole.model)
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
    for folder in ("killed", "whole"):
        assert latest_checkpoint(tmp_path / folder).name == "checkpoint-000000015"
    states = [load_checkpoint(latest_checkpoint(tmp_path / f))[1] for f in ("killed", "whole")]
    for key in ("optimizer", "scheduler"):
        torch.testing.assert_close(states[0][key], states[1][key], rtol=0, atol=0)
    random = [state["random"][0] for state in states]
    for name in ("torch", "cuda"):  # tensors, which have no one truth value
        torch.testing.assert_close(random[0].pop(name), random[1].pop(name), rtol=0, atol=0)
    assert random[0] == random[1]
    starts = json.loads((tmp_path / "killed" / "run.json").read_text())["starts"]
    assert [start["step"] for start in starts] == [0, 6]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cancelled_run_resumes_to_the_same_bits(tmp_path, workers):
    token, seen = CancelToken(), []

    def progress(fraction, message):
        seen.append((fraction, message))
        if len(seen) == 7:
            token.cancel()

    with pytest.raises(Cancelled, match="at step 8; resume"):
        trainer(tmp_path / "run", {"workers": workers}).fit(progress=progress, cancel=token)
    assert seen[6][1].startswith("epoch 2/3, step 2/5, loss ")
    assert seen[6][0] == pytest.approx(7 / 15)
    assert latest_checkpoint(tmp_path / "run").name == "checkpoint-000000008"
    resumed, whole = trainer(tmp_path / "run", {"workers": 0}), trainer(tmp_path / "whole")
    resumed.fit(resume=True)
    whole.fit()
    assert digest(resumed.model) == digest(whole.model)


def test_it_learns_and_keeps_the_best_weights(tmp_path):
    run = trainer(tmp_path, {"epochs": 30}, plain=True, scheduler=None)
    run.optimizer.param_groups[0]["lr"] = 0.1
    rows = run.fit()
    losses = [row["validation/loss"] for row in rows]
    assert losses[-1] < 0.05 * losses[0]
    best = network(plain=True)
    card = load_weights(best, tmp_path / "best" / "tiny.safetensors")
    assert card.metrics["validation"]["loss"] == min(losses)
    assert card.task == "fit a line" and card.command == command_line()
    x, y = (torch.from_numpy(array) for array in (Line(7).x, Line(7).y))
    with torch.no_grad():  # the mean over all samples, though 7 is no multiple of 4
        own = torch.nn.functional.mse_loss(best(x), y).item()
    assert own == pytest.approx(min(losses), rel=1e-5)
    # The fit by least squares, to which the network must come near.
    solution = np.linalg.lstsq(Line().x, Line().y, rcond=None)[0].ravel()
    np.testing.assert_allclose(best.weight.detach().numpy().ravel(), solution, atol=0.15)


def test_a_part_of_the_model_can_be_the_result(tmp_path):
    run = trainer(tmp_path, {"epochs": 1})
    run.result = run.model[0]
    run.fit()
    kept = load_file(tmp_path / "best" / "tiny.safetensors")
    assert set(kept) == {"weight", "bias"} and torch.equal(kept["weight"], run.model[0].weight)
    assert "3.weight" in load_file(latest_checkpoint(tmp_path) / "model.safetensors")


def test_what_is_judged_and_kept_can_be_the_running_mean(tmp_path):
    """Against the mean of the states after each step, by hand; training itself does not change."""
    settings = {"epochs": 2, "weight_average": 0.8, "device": "cpu"}
    run, states = trainer(tmp_path / "mean", settings), []

    def remember(fraction, message):
        states.append({name: t.double().clone() for name, t in run.model.state_dict().items()})

    run.mode = "max"  # a loss that falls: the first epoch's weights are kept
    rows = run.fit(progress=remember)
    assert len(states) == 10 and rows[0]["validation/loss"] > rows[1]["validation/loss"]
    mean = states[0]
    for state in states[1:5]:
        mean = {name: 0.8 * value + 0.2 * state[name] for name, value in mean.items()}
    kept = network()
    load_weights(kept, tmp_path / "mean" / "best" / "tiny.safetensors")
    for name, value in kept.state_dict().items():
        if value.is_floating_point():  # batch norm's running means among them
            torch.testing.assert_close(value.double(), mean[name], rtol=1e-5, atol=1e-6)
    x, y = (torch.from_numpy(array) for array in (Line(7).x, Line(7).y))
    with torch.no_grad():
        own = torch.nn.functional.mse_loss(kept.eval()(x), y).item()
    assert rows[0]["validation/loss"] == pytest.approx(own, rel=1e-5)
    plain = trainer(tmp_path / "plain", {**settings, "weight_average": 0})
    plain.fit()
    assert digest(run.model) == digest(plain.model)


def test_a_cancelled_run_resumes_to_the_same_running_mean(tmp_path):
    settings, token = {"weight_average": 0.9}, CancelToken()
    with pytest.raises(Cancelled):
        trainer(tmp_path / "parts", settings).fit(
            progress=lambda fraction, message: fraction > 0.5 and token.cancel(), cancel=token
        )
    trainer(tmp_path / "parts", settings).fit(resume=True)
    trainer(tmp_path / "whole", settings).fit()
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    kept = [load_file(tmp_path / name / "best" / "tiny.safetensors") for name in ("parts", "whole")]
    torch.testing.assert_close(*kept, rtol=0, atol=0)


def test_kernels_can_be_kept_with_16_bits(tmp_path):
    layers = [torch.nn.Unflatten(1, (1, 1, 2)), torch.nn.Conv2d(1, 1, (1, 2)), torch.nn.Flatten()]
    run = trainer(tmp_path, {"epochs": 1, "weight_bits": 16}, plain=True)
    run.model = torch.nn.Sequential(*layers)
    run.optimizer = torch.optim.SGD(run.model.parameters(), 0.1)
    run.scheduler = None
    run.fit()
    path = tmp_path / "best" / "tiny.safetensors"
    kept = load_file(path)
    assert kept["1.weight"].dtype == torch.float16 and kept["1.bias"].dtype == torch.float32
    exact = run.model[1].weight.detach().clone()
    load_weights(run.model, path)
    assert run.model[1].weight.dtype == torch.float32
    torch.testing.assert_close(run.model[1].weight, exact, rtol=2**-11, atol=0)
    assert not torch.equal(run.model[1].weight, exact)


def test_figures_that_are_not_finite_are_recorded_as_none(tmp_path):
    def figures(model, batch):
        return {"loss": tiny_run.step(model, batch), "hd95": np.inf}

    trainer(tmp_path, {"epochs": 1}, validation_step=figures).fit()
    row = history(tmp_path)[0]
    assert row["validation/hd95"] is None and row["validation/loss"] > 0
    card = json.loads((tmp_path / "best" / "tiny.json").read_text())
    assert list(card["metrics"]["validation"]) == ["loss"]


def test_early_stop_and_extension(tmp_path):
    run = trainer(tmp_path, {"epochs": 50, "patience": 2}, plain=True)
    run.optimizer.param_groups[0]["lr"] = 0.0  # nothing gets better
    assert [row["epoch"] for row in run.fit()] == [1, 2, 3]
    again = trainer(tmp_path, {"epochs": 50, "patience": 4}, plain=True)
    assert [row["epoch"] for row in again.fit(resume=True)] == [1, 2, 3, 4, 5]


def test_a_bad_batch_is_skipped_and_spoils_nothing(tmp_path, caplog):
    run = trainer(tmp_path, training_data=Line(20, poisoned=(5,)))
    rows = run.fit()
    assert caplog.text.count("skipped: loss or gradient not finite") == 3  # once per epoch
    assert all(torch.isfinite(tensor).all() for tensor in run.model.state_dict().values())
    assert all(np.isfinite(row["train/loss"]) for row in rows)
    assert run.model[1].num_batches_tracked == 12  # of 15


def test_a_loss_that_stays_bad_ends_the_run_and_keeps_the_last_good_state(tmp_path):
    def turns_bad(model, batch):
        turns_bad.calls += 1
        loss = tiny_run.step(model, batch)
        return loss if turns_bad.calls <= 6 else loss * torch.inf

    turns_bad.calls = 0
    run = trainer(tmp_path, {"non_finite_limit": 3, "checkpoint_steps": 2}, training_step=turns_bad)
    with pytest.raises(MedDLError, match=r"not finite in 3 steps in a row \(epoch 2, step 9\)"):
        run.fit()
    weights, _ = load_checkpoint(latest_checkpoint(tmp_path))
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_clipping_bounds_the_gradient(tmp_path):
    norms = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            gradients = [p.grad for group in self.param_groups for p in group["params"]]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())
            return super().step(closure)

    for clip in (0.0, 0.01):
        model = network(plain=True)
        run = trainer(tmp_path / f"{clip}", {"clip_norm": clip}, scheduler=None)
        run.model, run.optimizer = model, Watched(model.parameters(), lr=0.01)
        run.fit()
    assert min(norms[:15]) > 0.1
    assert norms[15:] == pytest.approx([0.01] * 15, rel=1e-3)


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights(tmp_path):
    seen = set()

    def step(model, batch):
        seen.add(model(batch[0]).dtype)
        with torch.no_grad():
            seen.add(torch.nn.Linear(2, 2)(batch[0]).dtype)  # the step's own work, too
        return tiny_run.step(model, batch)

    run = trainer(tmp_path, {"precision": "bf16-mixed", "epochs": 1}, training_step=step)
    run.fit()
    assert torch.bfloat16 in seen
    assert {tensor.dtype for tensor in run.model.parameters()} == {torch.float32}


def test_the_loss_scale_of_16_bits_skips_adapts_and_resumes(tmp_path, monkeypatch, caplog):
    fabric = pytest.importorskip("lightning_fabric")

    def scaled(parameters):
        """float16 with a loss scale that overflows at first; Fabric alone has it for CUDA only."""
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**22, growth_interval=4)
        precision = fabric.plugins.MixedPrecision("16-mixed", "cpu", scaler=scaler)
        return fabric.Fabric(accelerator="cpu", devices=1, plugins=[precision])

    monkeypatch.setattr("meddl.core.training_loop._fabric", scaled)
    whole = trainer(tmp_path / "whole", {"epochs": 8})
    whole.fit()
    state = load_checkpoint(latest_checkpoint(tmp_path / "whole"))[1]
    assert 1 < state["precision"]["scale"] < 2.0**22
    assert "skipped" in caplog.text
    trainer(tmp_path / "parts", {"epochs": 5}).fit()
    resumed = trainer(tmp_path / "parts", {"epochs": 8})
    resumed.fit(resume=True)
    assert digest(resumed.model) == digest(whole.model)


def test_two_processes_train_like_one_and_only_the_first_writes(tmp_path):
    mean = {"weight_average": 0.7, "device": "cpu"}
    settings = {"batch_size": 2, "checkpoint_steps": 2, **mean}
    result = script(str(tmp_path / "two"), json.dumps(settings), torchrun=2)
    assert result.returncode == 0, result.stderr[-3000:]

    def reports(name: str) -> list[dict]:
        paths = [tmp_path / f"two-{name}-rank{rank}.json" for rank in (0, 1)]
        return [json.loads(path.read_text()) for path in paths]

    first, second = reports("clean")
    assert first["digest"] == second["digest"]
    one = trainer(tmp_path / "one", {"batch_size": 4, **mean}, plain=True)
    rows = one.fit()
    two = load_file(latest_checkpoint(tmp_path / "two" / "clean") / "model.safetensors")
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6)
    for row, other in zip(rows, first["rows"], strict=True):
        assert other["train/loss"] == pytest.approx(row["train/loss"], rel=1e-4)
        assert other["validation/loss"] == pytest.approx(row["validation/loss"], rel=1e-4)
    # A batch that is bad for one process only is skipped by both.
    first, second = reports("poisoned")
    assert first["digest"] == second["digest"]
    assert np.isfinite([row["train/loss"] for row in first["rows"]]).all()
    # Cancelled by one process, both stop at the same step and resume to the same bits.
    first, second = reports("resumed")
    assert first == second
    assert first[0] == first[1]


def test_the_record_and_the_curves(tmp_path):
    pictures = {"line": np.full((4, 5, 3), 128, np.uint8)}
    trainer(tmp_path, {"seed": 3}, pictures=lambda model: pictures).fit()
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["parameters"]["seed"] == 3 and record["parameters"]["batch_size"] == 4
    start = record["starts"][0]
    assert start["device"] == "cpu" and start["versions"]["torch"] == version("torch")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    curve = [(event.step, event.value) for event in events.Scalars("validation/loss")]
    expected = [(row["step"], row["validation/loss"]) for row in history(tmp_path)]
    assert curve == [(step, pytest.approx(value)) for step, value in expected]
    assert events.Images("line")[0].width == 5


def test_a_folder_with_another_run_is_refused(tmp_path):
    trainer(tmp_path, {"epochs": 1}).fit()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileError, match="holds another training run; resume"):
        trainer(tmp_path, {"epochs": 1}).fit()
    with pytest.raises(InputError, match="was trained with batch_size 4, not 5"):
        trainer(tmp_path, {"batch_size": 5}).fit(resume=True)
    with pytest.raises(FileError, match="not of this network"):
        trainer(tmp_path, {"epochs": 2}, plain=True).fit(resume=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_second_run_is_refused(tmp_path):
    pytest.importorskip("fcntl", reason="Windows has no lock of a folder")
    with claimed_folder(tmp_path), pytest.raises(FileError, match="another run is at work"):
        trainer(tmp_path, {"epochs": 1}).fit()
    assert not (tmp_path / "run.json").exists()


def test_what_a_killed_run_left_is_deleted(tmp_path):
    (tmp_path / "cache").mkdir()
    for left in (tmp_path / ".part-a", tmp_path / "cache" / ".part-b.npy"):
        left.touch()
    trainer(tmp_path, {"epochs": 1}).fit()
    assert not list(tmp_path.rglob(".part-*"))


def test_damaged_files_are_named(tmp_path):
    trainer(tmp_path, {"epochs": 1}).fit()
    state = latest_checkpoint(tmp_path) / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(FileError, match="checkpoint-000000005 cannot be read"):
        trainer(tmp_path, {"epochs": 2}).fit(resume=True)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(FileError, match="no training record"):
        trainer(tmp_path, {"epochs": 2}).fit(resume=True)


def test_a_checkpoint_runs_no_code(tmp_path):
    trainer(tmp_path, {"epochs": 1}).fit()

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"optimizer": Trap()}, latest_checkpoint(tmp_path) / "state.pt")
    with pytest.raises(FileError, match="cannot be read"):
        trainer(tmp_path, {"epochs": 2}).fit(resume=True)
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_up(model, batch):
        fills_up.calls += 1
        if fills_up.calls == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        return tiny_run.step(model, batch)

    fills_up.calls = 0
    try:
        with pytest.raises(FileError, match="checkpoint-000000004 cannot be written"):
            trainer(tmp_path, {"checkpoint_steps": 2}, training_step=fills_up).fit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-000000002"]
    assert not list(tmp_path.glob(".part-*"))
    trainer(tmp_path, {"checkpoint_steps": 2}).fit(resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"epochs": 0}}, "--epochs is 0, at least 1"),
        ({"parameters": {"precision": "64"}}, "--precision is '64'"),
        ({"parameters": {"device": "cuda:77"}}, "no device 'cuda:77'"),
        ({"training_data": []}, "has no samples"),
        ({"training_data": iter([1])}, "has no samples or no length"),
        ({"validation_data": None}, "validation needs both"),
        ({"monitor": "dice"}, "figure is 'dice'"),
        ({"monitor": "validation/dice"}, "no figure 'validation/dice'.*validation/loss"),
        ({"mode": "best"}, "mode is 'best'"),
        ({"training_step": lambda model, batch: 1.0}, "gave 1.0 as loss"),
    ],
)
def test_bad_input_is_named(tmp_path, change, message):
    with pytest.raises(MedDLError, match=message):
        trainer(tmp_path / "run", **change).fit()
    if "step" not in message and "no figure" not in message and "loss" not in message:
        assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="is a file, a folder"):
        trainer(tmp_path / "file").fit()
    with pytest.raises(FileError, match="cannot be made"):
        trainer(tmp_path / "file" / "below").fit()


def test_the_order_of_samples():
    first = training_batches(20, 4, seed=0, epoch=0)
    assert sorted(index for batch in first for _, index in batch) == list(range(20))
    assert first == training_batches(20, 4, 0, 0)
    second = training_batches(20, 4, 0, 1)
    assert [i for b in second for _, i in b] != [i for b in first for _, i in b]
    shares = [training_batches(20, 2, 0, 0, rank, 2) for rank in (0, 1)]
    for whole, *parts in zip(first, *shares, strict=True):
        assert sorted(whole) == sorted(parts[0] + parts[1])
    assert [len(b) for b in training_batches(10, 4, 0, 0)] == [4, 4]  # the incomplete one left out
    assert [len(b) for b in training_batches(3, 4, 0, 0)] == [3]
    assert [len(b) for b in training_batches(3, 4, 0, 0, 1, 2)] == [2]
    for length in (1, 2, 7):
        indices = [i for r in (0, 1) for b in validation_batches(length, 3, r, 2) for _, i in b]
        assert sorted(indices) == list(range(length))
