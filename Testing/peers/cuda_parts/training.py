"""Training on a device: steps of every network, the loop's precisions, resuming."""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from meddl.core.seeding import seed_everything

from .measuring import Row, Setting, failure, memory, milliseconds

TESTING = Path(__file__).resolve().parents[2]
LossOf = Callable[[torch.nn.Module, Any], torch.Tensor]


def cases(setting: Setting) -> Iterator[tuple[str, torch.nn.Module, Any, LossOf]]:
    """Name, network, batch on the CPU, loss: as the systems' own training has them."""
    from meddl.deepigeos.networks import make_network as segmentation
    from meddl.deepigeos.training_scores import segmentation_loss
    from meddl.endodepth.networks import make_network
    from meddl.endodepth.training import batch_loss
    from meddl.monodepth.losses import depth_loss
    from meddl.monodepth.network import DepthNetwork

    sys.path.insert(0, str(TESTING / "peers"))
    import endodepth_training

    endodepth_training.SIZE = setting.size((256, 320), (64, 96))
    pairs = setting.size(8, 1)
    batch = endodepth_training.pair_of_pictures(pairs)
    for name in ("fcdensenet57", "light"):
        seed_everything(0)
        yield (
            f"endodepth {name}, {pairs} pairs",
            make_network(name),
            batch,
            lambda network, b: batch_loss(network, b, 20.0, 5.0)["loss"],
        )
    rng = np.random.default_rng(0)
    rows, columns = setting.size((120, 160), (32, 48))
    count = setting.size(16, 2)
    pictures = torch.from_numpy(rng.uniform(-1, 1, (count, 3, rows, columns)).astype(np.float32))
    depths = torch.from_numpy(rng.uniform(1, 8, (count, 1, rows, columns)).astype(np.float32))
    seed_everything(0)
    yield (
        f"monodepth, {count} pairs {rows}x{columns}",
        DepthNetwork(),
        (pictures, depths),
        lambda network, b: depth_loss(network(b[0]).float(), b[1], 1.0, 1.0, 10.0)["loss"],
    )
    loss = segmentation_loss(0.5)
    for name, dimensions, full in (
        ("pnet", 3, (2, 1, 48, 96, 96)),
        ("pnet", 2, (4, 1, 256, 256)),
        ("dynunet", 3, (2, 1, 48, 96, 96)),
    ):
        shape = setting.size(full, (1, 1, *[16] * dimensions))
        seed_everything(0)
        images = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
        labels = (images[:, 0] > 0.5).long()
        yield (
            f"deepigeos {name}, {'x'.join(map(str, shape))}",
            segmentation(name, 1, 2, dimensions),
            (images, labels),
            lambda network, b: loss(torch.log_softmax(network(b[0]), 1), b[1]),
        )


def to_device(batch: Any, device: str) -> Any:
    """A batch with its tensors on a device."""
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(to_device(value, device) for value in batch)
    return batch.to(device)


def training_steps(setting: Setting) -> Iterator[Row]:
    """Forward, loss, backward, SGD; the first loss beside the CPU's, dropout apart."""
    for name, network, batch, loss_of in cases(setting):
        row: Row = {"step": name}
        try:
            for module in network.modules():
                if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                    module.p = 0.0
            with torch.no_grad():
                expected = float(loss_of(copy.deepcopy(network), batch))
            there = copy.deepcopy(network).to(setting.device)
            moved = to_device(batch, setting.device)
            with torch.no_grad():
                found = float(loss_of(copy.deepcopy(there), moved))
            row["loss, off the CPU's by"] = f"{abs(found - expected) / abs(expected):.1e}"
            optimizer = torch.optim.SGD(there.parameters(), 1e-4, momentum=0.9)

            def step(
                network=there, batch=moved, loss_of=loss_of, optimizer=optimizer
            ) -> torch.Tensor:
                optimizer.zero_grad()
                loss = loss_of(network, batch)
                loss.backward()
                optimizer.step()
                return loss

            with memory(row, setting.device):
                row["ms"] = milliseconds(step, setting.device, 10)
            row["steps/s"] = round(1000 / row["ms"], 1)
            row["finite"] = bool(torch.isfinite(step()))
            yield row
        except Exception as error:
            yield {**row, **failure(error)}


def loop(setting: Setting) -> Iterator[Row]:
    """The training loop: every precision learns, and a cancelled run goes on to the same bits."""
    sys.path.insert(0, str(TESTING / "library" / "core"))
    from tiny_run import trainer

    from meddl.core.errors import Cancelled
    from meddl.core.progress import CancelToken

    with tempfile.TemporaryDirectory() as name:
        for precision in ("32-true", "bf16-mixed", "16-mixed"):
            row: Row = {"precision": precision}
            if precision == "16-mixed" and setting.device == "cpu":
                continue
            folder = Path(name) / precision
            settings = {
                "epochs": 4, "device": setting.device, "precision": precision,
            }  # fmt: skip
            try:
                whole = trainer(folder / "whole", settings)
                history = whole.fit()
                row["device"] = str(next(whole.model.parameters()).device)
                losses = [line["train/loss"] for line in history]
                row["loss"] = f"{losses[0]:.3g} -> {losses[-1]:.3g}"
                token, seen = CancelToken(), []

                def stop(fraction, message, token=token, seen=seen) -> None:
                    seen.append(message)
                    if len(seen) == 8:
                        token.cancel()

                broken = trainer(folder / "broken", settings)
                try:
                    broken.fit(progress=stop, cancel=token)
                    row["cancelled"] = False
                except Cancelled:
                    row["cancelled"] = True
                resumed = trainer(folder / "broken", settings)
                resumed.fit(resume=True)
                states = [run.model.state_dict() for run in (whole, resumed)]
                row["same bits"] = all(torch.equal(states[0][k], states[1][k]) for k in states[0])
                yield row
            except Exception as error:
                yield {**row, **failure(error)}
