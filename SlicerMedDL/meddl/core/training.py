"""The training loop that every system uses, on Lightning Fabric.

A run is a folder::

    run.json            parameters, and for every start: time, command, device, versions
    history.jsonl       one line per epoch: learning rate, train/*, validation/*, seconds
    tensorboard/        the same as curves, and the system's pictures
    checkpoint-STEP/    the newest checkpoint: network, optimiser, schedule, random states, position
    best/NAME.*         the weights with the best monitored figure and their card

A run that was killed or cancelled continues exactly: on the CPU its weights become bit for bit
those of an uninterrupted run (on accelerators as far as their kernels repeat themselves). Under
``torchrun`` (and ``srun torchrun``) every process calls the same code; the processes share each
batch, and the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.core.parameters import parameter
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from meddl.core.training_data import Samples
    from meddl.core.weights import Card

PREPARING = 0.1  # share of the progress


@dataclass
class TrainingParameters:
    """What decides a training run; a system's own record may extend it."""

    epochs: int = parameter(10, "passes over the training data", minimum=1)
    batch_size: int = parameter(4, "samples per step and process", minimum=1)
    learning_rate: float = parameter(1e-3, "of the optimiser", minimum=0)
    precision: str = parameter(
        "32-true", "number format", choices=("32-true", "16-mixed", "bf16-mixed")
    )
    clip_norm: float = parameter(0.0, "largest norm of the gradient; 0: no clipping", minimum=0)
    weight_average: float = parameter(
        0.0,
        "share that stays at each step of a running mean of the weights, which is then what is "
        "judged and kept (0.99: about 100 steps); 0: the weights themselves",
        minimum=0,
        maximum=0.99999,
    )
    weight_bits: int = parameter(
        32,
        "per number of the convolutions in the kept weights; 16 halve the file",
        choices=(32, 16),
    )
    seed: int = parameter(0, "of order, augmentation and network", minimum=0)
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")
    workers: int = parameter(0, "processes that load data; 0: none besides this one", minimum=0)
    patience: int = parameter(
        0, "stop after so many epochs without a better monitored figure; 0: never", minimum=0
    )
    checkpoint_minutes: float = parameter(
        5.0, "time between checkpoints; 0: after every step", unit="minutes", minimum=0
    )
    checkpoint_steps: int = parameter(0, "steps between checkpoints; 0: by time only", minimum=0)
    validation_interval: int = parameter(
        1, "epochs between validations; the last epoch always has one", minimum=1
    )
    display_interval: int = parameter(
        0, "steps between curves and pictures in TensorBoard; 0: after every epoch only", minimum=0
    )
    non_finite_limit: int = parameter(
        20, "give up after so many steps in a row without a finite loss and gradient", minimum=1
    )


@dataclass(eq=False)
class Trainer:
    """What to train and how; :meth:`fit` does it.

    Attributes:
        model: the network; build it after :func:`meddl.core.seeding.seed_everything`.
        optimizer: over the network's parameters.
        training_step: (model, batch on the device) -> scalar loss tensor, or figures with a key
            ``loss``. It calls the network through ``model(...)``.
        training_data: see :class:`meddl.core.training_data.Samples`.
        folder: of the run.
        parameters: see :class:`TrainingParameters`.
        card: name, task, architecture, … of the weights that result.
        result: the part of the model whose weights result; None: all of it. An adversary, for
            example, is trained along and checkpointed, but only its opponent is kept.
        scheduler: torch learning-rate schedule, stepped after every optimiser step.
        validation_step: (network, batch) -> figures, each the mean over the batch.
        validation_data: the samples that it gets, in order, all of them.
        monitor: the figure that decides what is best: ``"validation/…"`` or ``"train/…"``; by
            default the loss.
        mode: ``"min"`` or ``"max"``: which of two figures is better.
        collate: list of samples -> batch; torch's default if None.
        pictures: network -> name -> (H, W) or (H, W, 3) array, uint8 or 0..1, after each epoch and
            every ``display_interval`` steps.
    """

    model: Module
    optimizer: Optimizer
    training_step: Callable[[Any, Any], Tensor | Mapping[str, Tensor | float]]
    training_data: Samples
    folder: str | Path
    parameters: TrainingParameters
    card: Card
    result: Module | None = None
    scheduler: LRScheduler | None = None
    validation_step: Callable[[Module, Any], Mapping[str, Tensor | float]] | None = None
    validation_data: Samples | None = None
    monitor: str | None = None
    mode: str = "min"
    collate: Callable[[list[Any]], Any] | None = None
    pictures: Callable[[Module], Mapping[str, Any]] | None = None

    def fit(
        self,
        resume: bool = False,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> list[dict[str, Any]]:
        """Train to the end and return the history, one row per epoch.

        Args:
            resume: continue the run that the folder holds; a folder without one starts anew.
            progress: called by the first process after every step.
            cancel: checked after every step; a checkpoint is written before Cancelled is raised.

        Raises:
            InputError: bad parameters or data, or a folder that was trained with others.
            FileError: the folder holds a run and ``resume`` is off, or cannot be written (disk
                full); the newest checkpoint stays.
            MedDLError: too many steps in a row without a finite loss and gradient.
            Cancelled: by ``cancel``.
        """
        from meddl.core.training_loop import Run

        return Run(self, resume, progress, cancel or CancelToken()).train()


def train(
    prepare: Callable[[Progress], Trainer],
    figures: Sequence[str],
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Prepare the data, train on them, and draw the curves (``curves.png`` in the run's folder).

    Args:
        prepare: reports its own progress and gives the trainer; it has a tenth of the whole.
        figures: names of the curves; drawn by the first process, if matplotlib is installed.
        resume, progress, cancel: see :meth:`Trainer.fit`.

    Raises:
        DependencyError: torch or Lightning Fabric is not installed.
        MedDLError: see :meth:`Trainer.fit`; and what ``prepare`` raises.
    """
    from meddl.core.history_plot import plot_history
    from meddl.core.optional import is_installed, require

    for package in ("torch", "lightning_fabric"):
        require(package, "training")
    trainer = prepare(subprogress(progress, 0, PREPARING))
    history = trainer.fit(resume, subprogress(progress, PREPARING, 1), cancel)
    if is_installed("matplotlib") and os.environ.get("RANK", "0") == "0":
        plot_history(Path(trainer.folder) / "curves.png", history, figures)
    return history
