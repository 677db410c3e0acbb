"""The loop behind :class:`meddl.core.training.Trainer`."""

from __future__ import annotations

import atexit
import logging
import math
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from meddl.core import run_record
from meddl.core.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from meddl.core.curves import Curves
from meddl.core.devices import choose_device
from meddl.core.errors import Cancelled, FileError, InputError, MedDLError
from meddl.core.files import claimed_folder, remove_leftovers
from meddl.core.optional import require
from meddl.core.parameters import to_dict, validate
from meddl.core.progress import CancelToken, Progress
from meddl.core.seeding import random_state, seed_everything, set_random_state
from meddl.core.training_data import SampleLoader, training_batches, validation_batches
from meddl.core.weight_average import WeightAverage
from meddl.core.weights import check_name, save_weights, with_half_kernels

if TYPE_CHECKING:
    from meddl.core.training import Trainer, TrainingParameters

logger = logging.getLogger(__name__)


@dataclass
class Position:
    """Where a run is; part of its checkpoint."""

    epoch: int = 0
    batch: int = 0  # batches of this epoch that are done
    step: int = 0  # batches of the run that are done
    skipped: int = 0  # steps in a row that were not finite
    best: float = math.nan
    epochs_since_best: int = 0
    seconds: float = 0.0  # spent in this epoch
    sums: dict[str, float] = field(default_factory=dict)  # of this epoch's training figures
    counts: dict[str, int] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def _leave_group() -> None:
    """Leave the other processes before the interpreter goes.

    Fabric does so for NCCL alone. A Gloo group that lives on is destroyed with its threads running:
    one run, its work done, ended in "terminate called without an active exception".
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _fabric(parameters: TrainingParameters) -> Any:
    """Fabric on one device, or on one per process under torchrun."""
    fabric = require("lightning_fabric", "training")
    kind, _, index = choose_device(parameters.device).name.partition(":")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        atexit.unregister(_leave_group)
        atexit.register(_leave_group)
        return fabric.Fabric(
            accelerator=kind,
            devices=int(os.environ["LOCAL_WORLD_SIZE"]),
            num_nodes=int(os.environ["GROUP_WORLD_SIZE"]),
            strategy="ddp",
            precision=parameters.precision,
        )
    devices = [int(index)] if index else 1
    return fabric.Fabric(accelerator=kind, devices=devices, precision=parameters.precision)


class Run:
    """One call of ``Trainer.fit``, in one process."""

    def __init__(
        self, trainer: Trainer, resume: bool, progress: Progress, cancel: CancelToken
    ) -> None:
        self.trainer, self.resume = trainer, resume
        self.progress, self.cancel = progress, cancel
        self.parameters = validate(trainer.parameters)
        check_name(trainer.card.name)
        self.folder = Path(trainer.folder)
        self.validates = trainer.validation_step is not None
        self.monitor = trainer.monitor or ("validation/loss" if self.validates else "train/loss")
        if trainer.mode not in ("min", "max"):
            raise InputError(f"mode is {trainer.mode!r}, min or max was expected")
        kind, _, figure = self.monitor.partition("/")
        if kind not in ("train", "validation")[: 1 + self.validates] or not figure:
            raise InputError(
                f"the monitored figure is {self.monitor!r}, train/NAME or, with a validation step, "
                "validation/NAME was expected"
            )
        if self.validates != (trainer.validation_data is not None):
            raise InputError("validation needs both a step and data, one of them is missing")
        self.fabric = _fabric(self.parameters)
        self.fabric.launch()
        self.rank, self.processes = self.fabric.global_rank, self.fabric.world_size
        self.record = {**to_dict(self.parameters), "processes": self.processes}
        self.record["monitor"], self.record["mode"] = self.monitor, trainer.mode
        run_record.check_folder(self.folder, self.record, resume)
        self.training_data = self._loader(trainer.training_data, self.parameters.seed)
        if self.validates:
            self.validation_data = self._loader(trainer.validation_data, None)
        self.network, self.optimizer = trainer.model, trainer.optimizer
        self.model, self.stepper = self.fabric.setup(self.network, self.optimizer)
        decay = self.parameters.weight_average
        self.average = WeightAverage(self.network, decay) if decay else None
        self.position = Position()
        seed_everything(self.parameters.seed + self.rank)
        checkpoint = latest_checkpoint(self.folder) if resume else None
        if checkpoint is not None:
            self._restore(checkpoint)
        self.fabric.barrier()  # nobody writes before everybody has looked at the folder
        self.curves: Curves | None = None
        self.due, self.last_checkpoint = False, time.monotonic()

    def _loader(self, samples: Any, seed: int | None) -> SampleLoader:
        pin = self.fabric.device.type == "cuda"
        return SampleLoader(samples, seed, self.parameters.workers, self.trainer.collate, pin)

    # The loop

    def train(self) -> list[dict[str, Any]]:
        if self.rank > 0:
            return self._train()
        with claimed_folder(run_record.make_folder(self.folder)):
            run_record.check_folder(self.folder, self.record, self.resume)
            remove_leftovers(self.folder)
            device, step = str(self.fabric.device), self.position.step
            run_record.write_record(self.folder, self.record, device, step)
            run_record.write_history(self.folder, self.position.history)
            self.curves = Curves(self.folder / "tensorboard", step)
            return self._train()

    def _train(self) -> list[dict[str, Any]]:
        try:
            while self.position.epoch < self.parameters.epochs and not self._out_of_patience():
                self._train_epoch()
                self._finish_epoch()
                if self.due:
                    self._save()
            self._save()
        finally:
            if self.curves is not None:
                self.curves.close()
        return self.position.history

    def _out_of_patience(self) -> bool:
        return 0 < self.parameters.patience <= self.position.epochs_since_best

    def _train_epoch(self) -> None:
        here, parameters = self.position, self.parameters
        batches = training_batches(
            self.training_data.length,
            parameters.batch_size,
            parameters.seed,
            here.epoch,
            self.rank,
            self.processes,
        )
        self.network.train()
        start = time.monotonic()
        for batch in self.training_data.load(batches[here.batch :]):
            figures, cancelled = self._step(self.fabric.to_device(batch))
            here.batch += 1
            here.step += 1
            here.seconds += time.monotonic() - start
            start = time.monotonic()
            for name, value in figures.items():
                here.sums[name] = here.sums.get(name, 0.0) + value
                here.counts[name] = here.counts.get(name, 0) + 1
            if self.curves is not None:  # the first process
                self._display(figures)
                done = here.step / (parameters.epochs * len(batches))
                loss = f"loss {figures['loss']:.4g}" if figures else "step skipped"
                self.progress(
                    min(done, 1.0),
                    f"epoch {here.epoch + 1}/{parameters.epochs}, "
                    f"step {here.batch}/{len(batches)}, {loss}",
                )
            # The last step's checkpoint waits for the figures of the epoch.
            if cancelled or (self.due and here.batch < len(batches)):
                self._save()
            if cancelled:
                raise Cancelled(f"training cancelled at step {here.step}; resume {self.folder}")

    def _display(self, figures: Mapping[str, float]) -> None:
        """A step's figures and pictures, where they are due and no epoch ends."""
        here, interval = self.position, self.parameters.display_interval
        if interval and here.step % interval == 0:
            assert self.curves is not None
            row = {f"step/{name}": value for name, value in figures.items()}
            self.curves.write({"step": here.step, **row}, self._pictures())
            self.network.train()

    def _step(self, batch: Any) -> tuple[dict[str, float], bool]:
        """One training step: its figures, empty if it was skipped, and whether to stop."""
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        with self.fabric.autocast():
            result = self.trainer.training_step(self.model, batch)
        figures = dict(result) if isinstance(result, Mapping) else {"loss": result}
        loss = figures.get("loss")
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise InputError(f"the training step gave {loss!r} as loss, a scalar tensor is needed")
        bad, self.due, cancelled = self._any_process(
            not bool(torch.isfinite(loss)), self._checkpoint_due(), self.cancel.cancelled
        )
        if bad:  # batch norm's running means have seen the bad batch
            with torch.no_grad():
                for buffer, before in zip(self.network.buffers(), buffers, strict=True):
                    buffer.copy_(before)
        else:
            self.fabric.backward(loss)
            bad = not self._update()
        self.optimizer.zero_grad()
        if bad:
            self._count_skipped()
            return {}, cancelled
        self.position.skipped = 0
        numbers = {name: float(torch.as_tensor(value).detach()) for name, value in figures.items()}
        return numbers, cancelled

    def _update(self) -> bool:
        """Clip the gradient and step the optimiser; False, and nothing done, if not finite."""
        norm = self.fabric.clip_gradients(
            self.model,
            self.stepper,
            max_norm=self.parameters.clip_norm or math.inf,
            error_if_nonfinite=False,
        )
        finite = bool(torch.isfinite(norm))
        # In 16-mixed the scaler skips the step by itself and lowers its scale.
        if finite or getattr(self.fabric.strategy.precision, "scaler", None) is not None:
            self.stepper.step()
        if finite and self.trainer.scheduler is not None:
            self.trainer.scheduler.step()
        if finite and self.average is not None:
            self.average.update()
        return finite

    def _count_skipped(self) -> None:
        here = self.position
        here.skipped += 1
        logger.warning("step %d skipped: loss or gradient not finite", here.step + 1)
        if here.skipped >= self.parameters.non_finite_limit:
            raise MedDLError(
                f"the loss or its gradient was not finite in {here.skipped} steps in a row (epoch "
                f"{here.epoch + 1}, step {here.step + 1}); lower the learning rate, set a clip "
                f"norm or look for bad data; the checkpoint in {self.folder} is not affected"
            )

    def _any_process(self, *flags: bool) -> list[bool]:
        """Each flag, set if it is set in any process."""
        if self.processes == 1:
            return list(flags)
        tensor = torch.tensor(flags, dtype=torch.float32, device=self.fabric.device)
        return [bool(flag) for flag in self.fabric.all_reduce(tensor, reduce_op="sum")]

    # The end of an epoch

    def _finish_epoch(self) -> None:
        here = self.position
        if self.processes > 1:  # each process's batch norm has seen its own share of the last batch
            averaged = () if self.average is None else self.average.buffers()
            for buffer in (*self.network.buffers(), *averaged):
                torch.distributed.broadcast(buffer, 0)
        row: dict[str, Any] = {"epoch": here.epoch + 1, "step": here.step}
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        row |= self._means("train/", here.sums, here.counts)
        validates = self.validates and self._validation_due()
        row |= self._validate() if validates else {}
        row["seconds"] = round(here.seconds, 3)
        known = [name for name in row if name.startswith(self.monitor.partition("/")[0] + "/")]
        if known and self.monitor not in row:
            raise InputError(f"there is no figure {self.monitor!r}; there are: {', '.join(known)}")
        here.history.append(row)
        value = row.get(self.monitor, math.nan)  # every step of the epoch may have been skipped
        better = value < here.best if self.trainer.mode == "min" else value > here.best
        improved = better or (math.isnan(here.best) and not math.isnan(value))
        here.best = value if improved else here.best
        judged = validates or not self.validates
        here.epochs_since_best = 0 if improved else here.epochs_since_best + judged
        if self.curves is not None:  # the first process
            if improved:
                self._save_best(row)
            run_record.write_history(self.folder, here.history)
            self.curves.write(row, self._pictures())
        here.epoch, here.batch, here.seconds = here.epoch + 1, 0, 0.0
        here.sums, here.counts = {}, {}

    def _kept_weights(self) -> AbstractContextManager[None]:
        """The network is what is judged and kept: the running mean of its weights, if any."""
        return nullcontext() if self.average is None else self.average.applied()

    def _validation_due(self) -> bool:
        done = self.position.epoch + 1
        return done % self.parameters.validation_interval == 0 or done == self.parameters.epochs

    def _means(
        self, prefix: str, sums: Mapping[str, float], counts: Mapping[str, int]
    ) -> dict[str, float]:
        """Means over all processes; a process without a sample of its own still takes part."""
        names = sorted(sums)
        if self.processes > 1:
            everywhere: list[Any] = [None] * self.processes
            torch.distributed.all_gather_object(everywhere, (dict(sums), dict(counts)))
            names = sorted({name for part, _ in everywhere for name in part})
            sums = {n: sum(part.get(n, 0.0) for part, _ in everywhere) for n in names}
            counts = {n: sum(part.get(n, 0) for _, part in everywhere) for n in names}
        return {prefix + name: sums[name] / counts[name] for name in names}

    def _validate(self) -> dict[str, float]:
        batches = validation_batches(
            self.validation_data.length, self.parameters.batch_size, self.rank, self.processes
        )
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        assert self.trainer.validation_step is not None
        self.network.eval()
        with self._kept_weights(), torch.no_grad(), self.fabric.autocast():
            loaded = self.validation_data.load(batches)
            for keys, batch in zip(batches, loaded, strict=True):
                # The bare network: the processes' numbers of batches may differ.
                figures = self.trainer.validation_step(self.network, self.fabric.to_device(batch))
                for name, value in figures.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(keys)
                    counts[name] = counts.get(name, 0) + len(keys)
        return self._means("validation/", sums, counts)

    def _pictures(self) -> Mapping[str, Any]:
        if self.trainer.pictures is None:
            return {}
        self.network.eval()
        with self._kept_weights(), torch.no_grad():
            return self.trainer.pictures(self.network)

    def _save_best(self, row: Mapping[str, Any]) -> None:
        card = replace(
            self.trainer.card, seed=self.parameters.seed, command=run_record.command_line()
        )
        scores = {
            name.removeprefix("validation/"): value
            for name, value in row.items()
            if name.startswith("validation/") and math.isfinite(value)
        }
        if scores:
            card = replace(card, metrics={**card.metrics, "validation": scores})
        folder = run_record.make_folder(self.folder / "best")
        path = folder / f"{card.name}.safetensors"
        with self._kept_weights():
            state = (self.trainer.result or self.network).state_dict()
            if self.parameters.weight_bits == 16:
                state = with_half_kernels(state)
            save_weights(state, path, card)

    # Checkpoints

    def _checkpoint_due(self) -> bool:
        steps, minutes = self.parameters.checkpoint_steps, self.parameters.checkpoint_minutes
        by_step = steps > 0 and (self.position.step + 1) % steps == 0
        return by_step or time.monotonic() - self.last_checkpoint >= 60 * minutes

    def _save(self) -> None:
        # What each process has of its own: its chance, and the figures of its share of the epoch.
        own = (random_state(), self.position.sums, self.position.counts)
        each: list[Any] = [own]
        if self.processes > 1:
            each = [None] * self.processes
            torch.distributed.all_gather_object(each, own)
        if self.rank == 0:
            state = {
                "position": asdict(self.position),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.trainer.scheduler and self.trainer.scheduler.state_dict(),
                "average": self.average and self.average.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "random": [chance for chance, _, _ in each],
                "figures": [[sums, counts] for _, sums, counts in each],
            }
            weights = self.network.state_dict()
            save_checkpoint(self.folder, self.position.step, weights, state)
        self.fabric.barrier()
        self.due, self.last_checkpoint = False, time.monotonic()

    def _restore(self, checkpoint: Path) -> None:
        weights, state = load_checkpoint(checkpoint)
        try:
            self.network.load_state_dict(weights)
            self.optimizer.load_state_dict(state["optimizer"])
            if self.trainer.scheduler is not None:
                self.trainer.scheduler.load_state_dict(state["scheduler"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            self.position = Position(**state["position"])
            set_random_state(state["random"][self.rank])
            if "figures" in state:  # older checkpoints have those of process 0 alone
                self.position.sums, self.position.counts = state["figures"][self.rank]
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(
                f"the checkpoint {checkpoint} is not of this network, optimiser and schedule "
                f"({' '.join(str(error).split())[:200]}); train anew in another folder"
            ) from error
