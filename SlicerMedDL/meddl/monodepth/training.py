"""Training of depth from one picture."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.monodepth.training_config import TrainingPlan
from meddl.monodepth.training_parameters import MonodepthTraining

if TYPE_CHECKING:
    from meddl.core.weights import Card

ARCHITECTURE = "monodepth"
CURVES = ("loss", "abs_rel", "rmse", "delta1")
SHOWN = 4  # validation pairs in TensorBoard


def train_monodepth(
    folder: str | Path,
    plan: TrainingPlan,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Train and return the history; see :mod:`meddl.core.training`.

    ``folder/cache`` keeps the pairs on the network's grid, ``folder/best`` the weights of the
    smallest validation loss, ``folder/curves.png`` the curves.

    Raises:
        InputError: pairs without depth, weights to start from that do not fit.
        FileError: damaged files; a folder with another run.
        DependencyError: torch or Lightning Fabric is not installed.
        Cancelled: after a checkpoint.
    """
    from meddl.core.training import train

    folder = Path(folder)
    return train(
        lambda part: _trainer(folder, plan, part, cancel), CURVES, resume, progress, cancel
    )


def _trainer(
    folder: Path, plan: TrainingPlan, progress: Progress, cancel: CancelToken | None
) -> Any:
    import torch

    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.core.weights import load_weights
    from meddl.monodepth.evaluation import mean_depth_map
    from meddl.monodepth.losses import depth_loss
    from meddl.monodepth.network import DepthNetwork
    from meddl.monodepth.samples import Prepared, prepare

    p = plan.parameters
    settings = (p.size, p.largest_depth, folder / "cache")
    share = 0.9 if plan.validation is not None else 1.0
    training = prepare(plan.training, *settings, subprogress(progress, 0, share), cancel)
    held_out = None
    if plan.validation is not None:
        rest = subprogress(progress, share, 1)
        held_out = Prepared(*prepare(plan.validation, *settings, rest, cancel))
    seed_everything(p.seed)
    network = DepthNetwork()
    if p.initial:
        load_weights(network, p.initial)
    optimizer = torch.optim.Adam(network.parameters(), p.learning_rate)

    def step(model: Any, batch: Any) -> dict[str, Any]:
        pictures, depths = batch
        prediction = model(pictures).float()
        return depth_loss(prediction, depths, p.ssim_weight, p.mse_weight, p.largest_depth)

    def judge(model: Any, batch: Any) -> dict[str, Any]:
        pictures, depths = batch
        prediction = model(pictures).float()
        loss = depth_loss(prediction, depths, p.ssim_weight, p.mse_weight, p.largest_depth)
        return {**loss, **batch_figures(prediction, depths)}

    return Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=_schedule(optimizer, p, len(training[1])),
        training_step=step,
        training_data=Prepared(*training, p.noise, p.flip),
        validation_step=None if held_out is None else judge,
        validation_data=held_out,
        pictures=None if held_out is None else _pictures_of(held_out, p.largest_depth),
        folder=folder,
        parameters=replace(p, data=_data_record(plan)),
        card=_card(plan, mean_depth_map(training[1])),
    )


def _schedule(optimizer: Any, parameters: MonodepthTraining, pairs: int) -> Any:
    import torch

    if parameters.schedule == "constant":
        return None
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    steps = max(1, pairs // (parameters.batch_size * processes)) * parameters.epochs
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def batch_figures(prediction: Any, truth: Any) -> dict[str, Any]:
    """``abs_rel``, ``rmse`` (m) and ``delta1`` of a batch of tensors, over its known pixels."""
    known = truth > 0
    d, t = prediction[known], truth[known]
    return {
        "abs_rel": ((d - t).abs() / t).mean(),
        "rmse": (d - t).square().mean().sqrt(),
        "delta1": ((d / t).maximum(t / d) < 1.25).float().mean(),
    }


def _pictures_of(pairs: Any, largest: float) -> Any:
    """For TensorBoard: picture, true and predicted depth of the first held-out pairs, in rows."""
    import numpy as np
    import torch

    from meddl.monodepth.depth_colours import coloured

    def draw(network: Any) -> Mapping[str, Any]:
        device = next(network.parameters()).device
        rows = []
        for n in range(min(SHOWN, len(pairs))):
            picture, truth = pairs[n]
            with torch.inference_mode():
                found = network(torch.from_numpy(picture)[None].to(device)).float().cpu().numpy()
            top = min(largest, float(truth.max()))
            shown = ((picture.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)
            rows.append(
                np.hstack([shown, coloured(truth[0], 0, top), coloured(found[0, 0], 0, top)])
            )
        return {"picture, true depth, predicted depth": np.vstack(rows)}

    return draw


def _data_record(plan: TrainingPlan) -> str:
    """What a resumed run must have in common, as one line of JSON."""
    held_out = [] if plan.validation is None else list(plan.validation.names)
    names = {"training": list(plan.training.names), "validation": held_out}
    if len(names["training"]) > 200:  # a digest says as much as thousands of names
        from hashlib import sha256

        return sha256(json.dumps(names).encode()).hexdigest()
    return json.dumps(names)


def _card(plan: TrainingPlan, mean_depth: list[list[float]]) -> Card:
    from meddl.core.weights import Card
    from meddl.monodepth.network import WIDTHS

    p = plan.parameters
    return Card(
        name=p.name,
        task="depth from one picture",
        architecture=ARCHITECTURE,
        arguments={
            "network": {"widths": list(WIDTHS)},
            "use": {
                "size": list(p.size),
                "largest_depth": p.largest_depth,
                "ssim_weight": p.ssim_weight,
                "mse_weight": p.mse_weight,
                "mean_depth": mean_depth,
            },
        },
        input_range="RGB -1..1",
        units="RGB in, depth in m along the camera's z out",
        training_data=plan.described,
        licence="that of whoever trained it; mind that of the training data",
    )
