"""Training of the scatter network on Monte-Carlo examples of random torsos."""

from __future__ import annotations

import logging
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import DependencyError, FileError, InputError
from meddl.core.files import atomic_path, claimed_folder, remove_leftovers
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.core.run_record import make_folder
from meddl.core.weights import Card
from meddl.deepdrr.scatter import smooth
from meddl.deepdrr.scatter_examples import random_examples
from meddl.deepdrr.scatter_parameters import ScatterTraining

logger = logging.getLogger(__name__)

WEIGHT_DECAY = 0.3
HELD_OUT = 0.15  # share of the torsos that the best weights are chosen on
PART = 20  # examples that a kill may cost: minutes of a CPU
FIELDS = ("inputs", "kernel", "truth", "error")
UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error)


class Views:
    """Samples (inputs, kernel, truth, weight), both maps over the mean truth.

    The truth is smoothed as in a radiograph. Views whose Monte Carlo is noisier weigh less: by the
    inverse of the squared relative standard error, plus that of 10 %, over its mean.

    Args:
        table: of :func:`load_examples`.
        chosen: of its examples.
        jitter: standard deviation of the offsets of a drawn sample's inputs.
    """

    def __init__(
        self, table: Mapping[str, NDArray[Any]], chosen: slice, jitter: float = 0.0
    ) -> None:
        self.jitter = jitter
        pairs = zip(table["truth"][chosen], table["error"][chosen], strict=True)
        smoothed = [smooth(truth, error) for truth, error in pairs]
        truth, error = (np.array(parts) for parts in zip(*smoothed, strict=True))
        scale = truth.mean(axis=(1, 2), keepdims=True)
        noise = ((error / scale) ** 2).mean(axis=(1, 2), keepdims=True)
        weight = 1 / (noise + 0.01)
        self.inputs = table["inputs"][chosen].astype(np.float32)
        self.kernel = (table["kernel"][chosen] / scale).astype(np.float32)
        self.truth = (truth / scale).astype(np.float32)
        self.weight = np.broadcast_to(weight / weight.mean(), truth.shape).astype(np.float32)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], ...]:
        return self.inputs[index], self.kernel[index], self.truth[index], self.weight[index]

    def draw(self, index: int, generator: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """The sample mirrored at random; each input is offset, against overfitting few torsos."""
        rows, columns = (slice(None, None, way) for way in generator.choice([-1, 1], 2))
        inputs, *maps = (np.ascontiguousarray(part[..., rows, columns]) for part in self[index])
        jitter = generator.normal(0, self.jitter, (len(inputs), 1, 1)).astype(np.float32)
        return inputs + jitter, *maps


def photon_device(name: str) -> str:
    """Where photons are followed: the CUDA device that a training has, or else the CPU.

    Args:
        name: as in :func:`meddl.core.devices.choose_device`. A CUDA device without PyCUDA or nvcc
            trains, but does not follow photons; a warning says so.
    """
    from meddl.deepdrr.cuda.driver import open_device

    chosen = choose_device(name).name
    if not chosen.startswith("cuda"):
        return "cpu"
    try:
        open_device(chosen)
    except DependencyError as error:
        logger.warning("photons are followed on the CPU: %s", error)
        return "cpu"
    return chosen


def load_examples(
    path: str | Path,
    count: int,
    photons: int,
    device: str = "cpu",
    workers: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, NDArray[Any]]:
    """The examples of a file, simulated and written to it if it is not there.

    Until all are there, those that are wait in a folder beside it, whatever ends the work.

    Args:
        path: ``examples.npz``; the folder is ``examples``.
        device: of the training, see :func:`photon_device`.
        workers: processes that make examples for a CUDA device; 0: this one alone.

    Returns:
        inputs (N, 8, h, w), kernel, truth and error (N, h, w).

    Raises:
        FileError: the file or the folder holds others, or cannot be read.
    """
    path = Path(path)
    folder = path.with_suffix("")
    if path.exists():
        table = _read(path, photons)
        if len(table["truth"]) != count:
            raise FileError(_others(path, table, f"{count} of {photons}"))
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed right here
        return table
    make_folder(folder)
    remove_leftovers(folder)

    def part() -> Path:
        return folder / f"{PART * len(parts):06d}.npz"  # the next one, by its first seed

    parts: list[dict[str, NDArray[Any]]] = []
    while len(parts) < count // PART and part().exists():
        parts.append(_read(part(), photons))
    left = range(PART * len(parts), count)
    device = photon_device(device)
    if device == "cpu":
        workers = 0  # the photons of one view have all cores
    found = random_examples(left, photons, device, workers, progress, cancel)
    while waiting := list(islice(found, PART)):
        table = {k: np.array([getattr(e, k) for e in waiting]) for k in FIELDS}
        if len(waiting) == PART:
            _write(part(), table | {"photons": np.array(photons)})
        parts.append(table)
    table = {k: np.concatenate([part[k] for part in parts]) for k in FIELDS}
    table["photons"] = np.array(photons)
    _write(path, table)
    shutil.rmtree(folder)
    return table


def _read(path: Path, photons: int) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            table = {name: file[name] for name in (*FIELDS, "photons")}
        followed = int(table["photons"])
    except UNREADABLE as error:
        raise FileError(f"{path} holds no examples, or is damaged; delete it") from error
    if followed != photons:
        raise FileError(_others(path, table, f"such of {photons}"))
    return table


def _others(path: Path, table: Mapping[str, NDArray[Any]], wanted: str) -> str:
    return (
        f"{path} holds {len(table['truth'])} examples of {int(table['photons'])} photons, "
        f"{wanted} were asked for; choose another --output"
    )


def _write(path: Path, table: Mapping[str, NDArray[Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **table)


def train_network(
    folder: str | Path,
    parameters: ScatterTraining,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Simulate the examples, train, and return the history; see meddl.core.training.

    The loss is the weighted mean square difference to the Monte Carlo over the square of its mean.

    Args:
        folder: of the run; ``examples.npz`` in it keeps the simulations.
    """
    import torch

    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.deepdrr.scatter_network import INPUTS, NAME, ScatterNet

    held_out = max(1, round(HELD_OUT * parameters.examples))
    if parameters.examples <= held_out:
        raise InputError(f"{parameters.examples} examples are too few")
    folder = make_folder(Path(folder))
    examples = folder / "examples.npz"
    with claimed_folder(folder):
        remove_leftovers(folder)
        table = load_examples(
            examples,
            parameters.examples,
            parameters.photons,
            parameters.device,
            parameters.workers,
            subprogress(progress, 0, 0.8),
            cancel,
        )
    found = table["inputs"].shape[1]
    if found != INPUTS:
        raise FileError(
            f"{examples} has {found} inputs of each view, {INPUTS} are expected: another version "
            "made it; delete it"
        )
    seed_everything(parameters.seed)
    network = ScatterNet(parameters.width)
    optimizer = torch.optim.AdamW(
        network.parameters(), parameters.learning_rate, weight_decay=WEIGHT_DECAY
    )
    training = Views(table, slice(held_out, None), parameters.jitter)
    steps = parameters.epochs * max(1, len(training) // parameters.batch_size)

    def loss(model: Any, batch: Any) -> Any:
        inputs, kernel, truth, weight = batch
        return (weight * (kernel * model(inputs).exp() - truth) ** 2).mean()

    def scores(model: Any, batch: Any) -> dict[str, Any]:
        _, kernel, truth, weight = batch
        return {
            "loss": loss(model, batch),
            "kernel_loss": (weight * (kernel - truth) ** 2).mean(),
        }

    trainer = Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        training_step=loss,
        training_data=training,
        validation_step=scores,
        validation_data=Views(table, slice(0, held_out)),
        folder=folder / "run",
        parameters=parameters,
        card=Card(
            name=NAME,
            task="corrects the kernel model of scattered X-rays on a coarse picture",
            architecture="ScatterNet",
            arguments={"width": parameters.width},
            input_range="detectors of 150 to 430 mm a side with any pixel size, 900 to 1300 mm from"
            " source to detector, 60 to 120 kV, objects up to 50 g/cm2",
            units="features of meddl.deepdrr.scatter in, log(scatter / kernel model) out",
            training_data=f"{parameters.examples} random torsos, Monte-Carlo transport of this "
            f"library, {parameters.photons} photons each",
            licence="Apache-2.0",
        ),
    )
    return trainer.fit(resume, subprogress(progress, 0.8, 1), cancel)
