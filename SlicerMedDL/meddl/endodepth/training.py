"""Self-supervised training of a depth network: structure from motion is the only teacher."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meddl.core.files import write_json
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.endodepth.training_config import TrainingPlan
from meddl.endodepth.training_parameters import DepthTraining

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from meddl.core.weights import Card
    from meddl.endodepth.training_samples import Pairs
    from meddl.endodepth.training_sequences import TrainingSequence

PREPARING = 0.05  # share of the progress
SHOWN_PAIRS = 2
MOMENTUM = 0.9


def train_network(
    folder: str | Path,
    plan: TrainingPlan,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    describe: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train and return the history; see :mod:`meddl.core.training`.

    ``folder/cache`` keeps the prepared sequences, ``folder/best`` the weights of the smallest
    ``validation/abs_rel``, ``folder/testing.json`` their figures on the bags for testing.

    Args:
        folder: of the run.
        plan: see :func:`meddl.endodepth.training_config.make_plan`.
        describe: gets the table of the network's layers, if ``architecture_summary`` is on.

    Raises:
        InputError: sequences without structure from motion, too few points, or weights that do
            not fit.
        FileError: damaged files; a folder with another run.
        Cancelled: after a checkpoint.
    """
    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.endodepth.training_samples import Pairs, Views
    from meddl.endodepth.training_sequences import load_sequences

    folder = Path(folder)
    seed_everything(plan.parameters.seed)
    network, parameters = build_network(plan.parameters)
    if parameters.architecture_summary and describe is not None:
        describe(summary(network, parameters))
    held_out = 0.0 if plan.validation else parameters.held_out_points
    loading = subprogress(progress, 0, PREPARING)
    cache = folder / "cache"
    training = load_sequences(plan.training, parameters, cache, held_out, loading, cancel)
    # As the run goes on from its record, whatever does not decide its course is left out of it.
    parameters = replace(
        parameters,
        input_size=training[0].size,
        load_intermediate_data=False,
        architecture_summary=False,
        training_result_root="",
    )
    validation = training
    if plan.validation:
        validation = load_sequences(plan.validation, parameters, cache, 1.0, cancel=cancel)
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # of torchrun
    pairs = Pairs(training, parameters, parameters.num_iter * parameters.batch_size * processes)
    optimizer, scheduler = _optimizer(network, parameters)

    def training_step(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if parameters.keep_statistics:
            network.eval()
        epoch = scheduler.last_epoch // parameters.num_iter
        return batch_loss(model, batch, parameters.sfl_weight, parameters.dcl_weight_at(epoch))

    trainer = Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=scheduler,
        training_step=training_step,
        training_data=pairs,
        validation_step=sparse_scores,
        validation_data=Views(validation, parameters.use_hsv_colorspace),
        monitor="validation/abs_rel",
        pictures=_grid_of(pairs),
        folder=folder,
        parameters=parameters,
        card=_card(plan, parameters),
    )
    history: list[dict[str, Any]] = trainer.fit(resume, subprogress(progress, PREPARING, 1), cancel)
    if plan.testing:
        testing = load_sequences(plan.testing, parameters, cache, 1.0, cancel=cancel)
        _test(folder, parameters, testing)
    return history


def build_network(parameters: DepthTraining) -> tuple[Module, DepthTraining]:
    """The network, with the weights to start from, and the parameters with its architecture."""
    from meddl.core.weights import find_weights, load_weights, read_card
    from meddl.endodepth.networks import make_network

    if not parameters.load_trained_model:
        return make_network(parameters.architecture), parameters
    card = read_card(find_weights(parameters.load_trained_model))
    network = make_network(card.architecture, **card.arguments)
    load_weights(network, parameters.load_trained_model)
    return network, replace(parameters, architecture=card.architecture)


def _optimizer(network: Module, parameters: DepthTraining) -> tuple[Any, Any]:
    """The optimiser, and the triangular cycle of its learning rate: up and down in two epochs."""
    import torch

    optimizer: torch.optim.Optimizer
    if parameters.optimizer == "sgd":
        optimizer = torch.optim.SGD(network.parameters(), parameters.min_lr, momentum=MOMENTUM)
    else:
        optimizer = torch.optim.AdamW(network.parameters(), parameters.min_lr)
    scheduler = torch.optim.lr_scheduler.CyclicLR(
        optimizer,
        parameters.min_lr,
        parameters.learning_rate,
        step_size_up=parameters.num_iter,
        cycle_momentum=False,
    )
    return optimizer, scheduler


def batch_loss(
    model: Any, batch: Mapping[str, Tensor], sfl_weight: float, dcl_weight: float
) -> dict[str, Tensor]:
    """The weighted sum of both losses over a batch of pairs, and the losses themselves.

    Args:
        model: pictures (2 B, 3, h, w) -> relative depth (2 B, 1, h, w).
        batch: of :class:`meddl.endodepth.training_samples.Pairs`.
    """
    import torch

    from meddl.endodepth.losses import pair_losses

    depth = model(batch["colour"].flatten(0, 1)).unflatten(0, (-1, 2))
    with torch.autocast(depth.device.type, enabled=False):
        found = pair_losses(
            depth.float(),
            batch["sparse"],
            batch["mask"],
            batch["intrinsics"],
            batch["other_from_this"],
        )
    loss = sfl_weight * found.sparse_flow + dcl_weight * found.depth_consistency
    return {
        "loss": loss,
        "sparse_flow": found.sparse_flow,
        "depth_consistency": found.depth_consistency,
        "scale_deviation": found.deviation,
    }


def sparse_scores(network: Any, batch: Mapping[str, Tensor]) -> dict[str, float]:
    """AbsRel and delta < 1.25 at the sparse points, each picture scaled by its median ratio.

    Args:
        network: pictures (B, 3, h, w) -> relative depth (B, 1, h, w).
        batch: of :class:`meddl.endodepth.training_samples.Views`.
    """
    from meddl.core.metrics import depth_metrics

    depth = network(batch["colour"]).float().cpu().numpy()[:, 0]
    rows = []
    for found, truth in zip(depth, batch["truth"].cpu().numpy(), strict=True):
        positive = np.maximum(found, np.finfo(np.float32).tiny)
        rows.append(depth_metrics(positive, truth, median_scaling=True))
    return {
        name: float(np.mean([row[name] for row in rows])) for name in ("abs_rel", "delta1", "rmse")
    }


def _grid_of(pairs: Pairs) -> Callable[[Module], dict[str, Any]]:
    """The picture grid of a few pairs that stay the same."""
    import torch
    from torch.utils.data import default_collate

    from meddl.endodepth.losses import pair_losses
    from meddl.endodepth.training_pictures import picture_grid

    batch = default_collate([pairs[index] for index in range(SHOWN_PAIRS)])

    def pictures(network: Module) -> dict[str, Any]:
        device = next(network.parameters()).device
        here = {name: tensor.to(device) for name, tensor in batch.items()}
        colour = here["colour"].flatten(0, 1)
        with torch.no_grad():
            depth = network(colour)
            found = pair_losses(
                depth.float().unflatten(0, (-1, 2)),
                *(here[name] for name in ("sparse", "mask", "intrinsics", "other_from_this")),
            )
        mask = here["mask"].repeat_interleave(2, 0)
        shown = (colour, found.depth, found.sparse_flow_map, found.dense_flow, mask)
        grid = picture_grid(*(tensor.cpu().numpy() for tensor in shown))
        return {"frame, depth, sparse flow, dense flow": grid}

    return pictures


def summary(network: Module, parameters: DepthTraining) -> str:
    """The layers of a network with the shape of their output and their number of parameters."""
    import torch

    height, width = parameters.input_size or (256, 320)
    lines: list[str] = []
    hooks = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: Module, _: Any, output: Tensor) -> None:
            count = sum(parameter.numel() for parameter in module.parameters())
            kind, shape = type(module).__name__, "x".join(map(str, output.shape[1:]))
            lines.append(f"{name:<44} {kind:<16} {shape:<14} {count:>9,}")

        return hook

    for name, module in network.named_modules():
        if not any(True for _ in module.children()):
            hooks.append(module.register_forward_hook(note(name)))
    training = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, height, width))
    network.train(training)
    for one in hooks:
        one.remove()
    total = sum(parameter.numel() for parameter in network.parameters())
    return "\n".join([*lines, f"{parameters.architecture}: {total:,} parameters"])


def _test(folder: Path, parameters: DepthTraining, sequences: list[TrainingSequence]) -> None:
    """Write ``testing.json``: the figures of the best weights on each sequence for testing."""
    import torch
    from torch.utils.data import default_collate

    from meddl.core.weights import load_weights, read_card
    from meddl.endodepth.networks import make_network
    from meddl.endodepth.training_samples import Views

    path = folder / "best" / f"{parameters.weights_name}.safetensors"
    card = read_card(path)
    network = make_network(card.architecture, **card.arguments)
    load_weights(network, path)
    network.eval()
    result = {}
    for sequence in sequences:
        views = Views([sequence], parameters.use_hsv_colorspace)
        with torch.no_grad():
            rows = [sparse_scores(network, default_collate([views[n]])) for n in range(len(views))]
        result[sequence.name] = {
            name: float(np.mean([row[name] for row in rows])) for name in rows[0]
        }
    write_json(folder / "testing.json", result)


def _card(plan: TrainingPlan, parameters: DepthTraining) -> Card:
    from meddl.core.weights import Card, find_weights, read_card

    names = [path.name for path in plan.training]
    arguments: dict[str, Any] = {}
    before = ""
    if parameters.load_trained_model:
        first = read_card(find_weights(parameters.load_trained_model))
        arguments = first.arguments
        before = f"; before that {first.name}: {first.training_data}"
    space = "HSV" if parameters.use_hsv_colorspace else "RGB"
    return Card(
        name=parameters.weights_name,
        task="depth of an endoscopic picture, true up to one factor per picture",
        architecture=parameters.architecture,
        arguments=arguments,
        input_range=f"{space} -1..1, 0 outside the field of view",
        units="relative depth out",
        training_data=f"structure from motion of {len(names)} sequence(s) of the user: "
        f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}{before}",
        licence="that of whoever trained it; mind that of the training data",
    )
