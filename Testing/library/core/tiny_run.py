"""A training run of milliseconds with everything that resuming must restore.

As a script, ``python tiny_run.py FOLDER JSON_OF_PARAMETERS [KILL_AT_STEP]``, it either kills itself
or trains on good data, with one bad sample, and cancelled and resumed; each process reports.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from meddl.core.errors import Cancelled
from meddl.core.progress import CancelToken
from meddl.core.seeding import seed_everything
from meddl.core.training import Trainer, TrainingParameters
from meddl.core.weights import Card

CARD = Card(name="tiny", task="fit a line", architecture="tiny")


class Line:
    """Noisy samples of y = 2 x0 - x1; ``draw`` adds noise from the generator it is given."""

    def __init__(self, length: int = 20, poisoned: tuple[int, ...] = ()) -> None:
        self.x = np.random.default_rng(1).standard_normal((length, 2)).astype(np.float32)
        self.y = 2 * self.x[:, :1] - self.x[:, 1:]
        self.x[list(poisoned)] = np.nan

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int):
        return self.x[index], self.y[index]

    def draw(self, index: int, generator: np.random.Generator):
        noise = generator.normal(0, 0.1, 2).astype(np.float32)
        return self.x[index] + noise, self.y[index]


def network(plain: bool = False) -> torch.nn.Module:
    seed_everything(0)
    if plain:  # nothing that depends on how a batch is split
        return torch.nn.Linear(2, 1)
    return torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
    )


def step(model, batch):
    x, y = batch
    return torch.nn.functional.mse_loss(model(x), y)


def validate(model, batch):
    return {"loss": step(model, batch)}


def trainer(folder, parameters=None, plain=False, **others) -> Trainer:
    model = network(plain)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    settings = {"epochs": 3, "batch_size": 4, "device": "cpu", **(parameters or {})}
    arguments = {
        "training_step": step,
        "training_data": Line(),
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 9], gamma=0.5),
        "validation_step": validate,
        "validation_data": Line(7),
        **others,
    }
    return Trainer(
        model,
        optimizer,
        folder=folder,
        parameters=TrainingParameters(**settings),
        card=CARD,
        **arguments,
    )


def digest(model: torch.nn.Module) -> str:
    """Of every bit of the network's state."""
    hashed = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        hashed.update(name.encode() + tensor.numpy().tobytes())
    return hashed.hexdigest()


def kill_at(count: int):
    """A training step that ends its process by SIGKILL when called for the ``count``-th time."""
    calls = 0

    def counted(model, batch):
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(model, batch)

    return counted


def resumed(folder: Path, settings: dict) -> list[tuple[str, list]]:
    """Digests and figures of a run and of one that the first process cancels, then resumed."""
    whole = trainer(folder / "whole", settings)
    rows = whole.fit()
    token = CancelToken()
    try:  # only the first process is told of progress
        broken = trainer(folder / "broken", settings)
        broken.fit(progress=lambda fraction, message: token.cancel(), cancel=token)
    except Cancelled:
        continued = trainer(folder / "broken", settings)
        later = continued.fit(resume=True)
    runs = ((whole, rows), (continued, later))
    return [
        (digest(run.model), [{k: v for k, v in row.items() if k != "seconds"} for row in found])
        for run, found in runs
    ]


def refuse_to_write(folder: Path) -> None:
    """Raise whenever this process opens for writing, makes or renames something in ``folder``."""

    def hook(event: str, arguments: tuple) -> None:
        if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            writes = True
        else:
            flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT
            writes = event == "open" and bool(arguments[2] & flags)
        if writes and (str(arguments[0]) + os.sep).startswith(str(folder) + os.sep):
            raise RuntimeError(f"wrote {arguments[0]} ({event})")

    sys.addaudithook(hook)


if __name__ == "__main__":
    target, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    rank = int(os.environ.get("RANK", 0))
    if rank > 0:
        refuse_to_write(target)
    if len(sys.argv) > 3:
        trainer(target, settings, training_step=kill_at(int(sys.argv[3]))).fit()
    for name, poisoned in (("clean", ()), ("poisoned", (5,))):
        run = trainer(target / name, settings, plain=True, training_data=Line(20, poisoned))
        report = {"rows": run.fit(), "digest": digest(run.model)}
        Path(f"{target}-{name}-rank{rank}.json").write_text(json.dumps(report))
    Path(f"{target}-resumed-rank{rank}.json").write_text(json.dumps(resumed(target, settings)))
