"""Training of P-Net and R-Net on a user's cases, alone or end to end with a CRF-Net."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos.training_config import TrainingPlan
from meddl.deepigeos.training_parameters import NetworkTraining

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from meddl.core.weights import Card
    from meddl.deepigeos.trained import Trained
    from meddl.deepigeos.training_cases import Case

PREPARING = 0.1  # share of the progress
PRETRAINING_CASES = 8


def train_network(
    folder: str | Path,
    plan: TrainingPlan,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Train and return the history; see :mod:`meddl.core.training`.

    ``folder/cache`` keeps the prepared cases, ``folder/best`` the weights, for R-Net with those of
    the P-Net that it corrects.

    Args:
        folder: of the run.
        plan: see :func:`meddl.deepigeos.training_config.read_plan`.

    Raises:
        InputError: cases that do not fit together or to the weights that are named.
        FileError: damaged files; a folder with another run.
        DependencyError: MONAI is not installed.
        Cancelled: after a checkpoint.
    """
    from meddl.core.optional import require

    for package in ("torch", "monai", "lightning_fabric"):
        require(package, "training")
    folder = Path(folder)
    first = _first(plan)
    training, validation = _cases(
        folder / "cache", plan, subprogress(progress, 0, PREPARING), cancel
    )
    trainer = _trainer(folder, plan, training, validation, first)
    try:
        return trainer.fit(resume, subprogress(progress, PREPARING, 1), cancel)
    finally:
        _bring_first(folder / "best", first)


def _first(plan: TrainingPlan) -> Trained | None:
    """The P-Net that an R-Net corrects.

    Raises:
        InputError: an R-Net, or one of another kind of data.
    """
    parameters = plan.parameters
    if parameters.model != "rnet":
        return None
    from meddl.deepigeos.trained import load_trained

    first = load_trained(parameters.pnet)
    if first.model != "pnet":
        raise InputError(f"pnet is {parameters.pnet}, which holds an {first.model}")
    wanted = (tuple(plan.scheme.names), parameters.dimensions)
    if (first.classes, first.dimensions) != wanted:
        raise InputError(
            f"pnet ({parameters.pnet}) has the classes {', '.join(first.classes)} in "
            f"{first.dimensions}-D, this run {', '.join(wanted[0])} in {wanted[1]}-D"
        )
    same = ("orientation", "spacing", "normalization", "window")
    spacing = None if parameters.spacing is None else parameters.spacing[::-1]
    for name in same:
        mine = spacing if name == "spacing" else getattr(parameters, name)
        if name == "window" and parameters.normalization != "window":
            continue
        if getattr(first, name) != mine:
            raise InputError(
                f"pnet ({parameters.pnet}) was trained with {name} {getattr(first, name)}, this "
                f"run has {mine}; both need the same"
            )
    return first


def _cases(
    cache: Path, plan: TrainingPlan, progress: Progress, cancel: CancelToken | None
) -> tuple[list[Case], list[Case]]:
    from meddl.deepigeos.training_cases import prepare_cases

    share = plan.validation_slices
    files = plan.training if share else (*plan.training, *plan.validation)
    cases = prepare_cases(files, plan.scheme, plan.parameters, cache, progress, cancel)
    if not share:
        return cases[: len(plan.training)], cases[len(plan.training) :]
    lower, upper = [], []
    for case in cases:
        count = len(case.labels)
        cut = round((1 - share) * count)
        if not 0 < cut < count:
            raise InputError(
                f"case {case.name} has {count} slices, which cannot be split with "
                f"validation_slices {share:g}"
            )
        lower.append(case.slab(0, cut))
        upper.append(case.slab(cut, count))
    return lower, upper


def _trainer(
    folder: Path,
    plan: TrainingPlan,
    training: Sequence[Case],
    validation: Sequence[Case],
    first: Trained | None,
) -> Any:
    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.deepigeos.trained import build_network
    from meddl.deepigeos.training_samples import Patches, WholeCases
    from meddl.deepigeos.training_scores import Scores, pictures_of, segmentation_loss

    parameters = plan.parameters
    channels = len(training[0].image)
    if first is not None and first.channels != channels:
        raise InputError(
            f"pnet ({parameters.pnet}) takes {first.channels} channels, the cases have {channels}"
        )
    seed_everything(parameters.seed)
    arguments = _network_arguments(plan, training)
    network = build_network(**arguments)
    if parameters.crf:
        _pretrain(network, training, parameters)
    if parameters.initial:
        _start_from(network, parameters)
    loss = segmentation_loss(parameters.dice_weight)
    optimizer, scheduler = _optimizer(network, parameters, len(training))
    run_first = None if first is None else first.probabilities

    def training_step(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        return loss(_apply(model, batch, parameters.crf), batch["labels"])

    held_out = WholeCases(validation, parameters, run_first)
    validates = bool(validation)
    return Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=scheduler,
        training_step=training_step,
        training_data=Patches(training, parameters, run_first),
        validation_step=Scores(plan.scheme.names, parameters, loss) if validates else None,
        validation_data=held_out if validates else None,
        monitor="validation/dice" if validates else "train/loss",
        mode="max" if validates else "min",
        collate=_collate,
        pictures=pictures_of(held_out, parameters) if validates else None,
        folder=folder,
        parameters=replace(parameters, data=_data_record(plan)),
        card=_card(plan, arguments, first),
    )


def _apply(model: Any, batch: Mapping[str, Tensor], crf: bool) -> Tensor:
    logits: Tensor = model(batch["inputs"], batch["seeds"]) if crf else model(batch["inputs"])
    return logits


def _collate(samples: list[dict[str, Any]]) -> Any:
    """Patches as one batch of tensors; whole cases, of different sizes, as a list."""
    import torch

    tables = [{name: torch.from_numpy(a) for name, a in sample.items()} for sample in samples]
    if "spacing" in tables[0]:
        return tables
    return {name: torch.stack([table[name] for table in tables]) for name in tables[0]}


def _network_arguments(plan: TrainingPlan, cases: Sequence[Case]) -> dict[str, Any]:
    """Of build_network; the CRF's spacing is that of the first case.

    Raises:
        InputError: a CRF over cases of different spacings.
    """
    parameters = plan.parameters
    spacings = np.array([case.spacing for case in cases])[:, 3 - parameters.dimensions :]
    if parameters.crf and not np.allclose(spacings, spacings[0], rtol=0.05):
        low, high = spacings.min(0), spacings.max(0)
        raise InputError(
            f"the cases have spacings from {low.tolist()} to {high.tolist()} mm (k, j, i), a "
            "CRF-Net needs one; set spacing"
        )
    return {
        "network": parameters.network,
        "model": parameters.model,
        "channels": len(cases[0].image),
        "classes": len(plan.scheme.names),
        "dimensions": parameters.dimensions,
        "width": parameters.width,
        "crf": parameters.crf,
        "crf_iterations": parameters.crf_iterations,
        "spacing": list(cases[0].spacing),
    }


def _pretrain(network: Any, cases: Sequence[Case], parameters: NetworkTraining) -> None:
    """The Pairwise-Net on pairs of voxels of the first cases."""
    from meddl.deepigeos.crfnet import pretrain_pairs

    images: list[NDArray[np.float32]] = []
    for case in cases[:PRETRAINING_CASES]:
        image = np.array(case.image)
        middle = image.shape[1] // 2
        images.append(image[:, middle] if parameters.dimensions == 2 else image)
    pretrain_pairs(network, images, np.random.default_rng(parameters.seed))


def _start_from(network: Module, parameters: NetworkTraining) -> None:
    from meddl.core.weights import find_weights, load_weights, read_card

    card = read_card(find_weights(parameters.initial))
    has_field = bool(card.arguments.get("network", {}).get("crf"))
    part: Any = network.network if parameters.crf and not has_field else network
    load_weights(part, parameters.initial)


def _optimizer(network: Module, parameters: NetworkTraining, cases: int) -> tuple[Any, Any]:
    """The optimiser and the schedule of its learning rate, by step."""
    import os

    import torch

    rate, decay = parameters.learning_rate, parameters.weight_decay
    optimizer: torch.optim.Optimizer
    if parameters.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            network.parameters(), rate, momentum=parameters.momentum, weight_decay=decay
        )
    else:
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    samples = cases * parameters.patches_per_case
    steps = max(1, samples // (parameters.batch_size * processes))
    if parameters.schedule == "step":
        return optimizer, torch.optim.lr_scheduler.StepLR(
            optimizer, parameters.step_epochs * steps, gamma=0.5
        )
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, parameters.epochs * steps
    )


def _data_record(plan: TrainingPlan) -> str:
    """What a resumed run must have in common, as one line of JSON."""
    return json.dumps(
        {
            "classes": {name: list(values) for name, values in plan.scheme.classes.items()},
            "ignored": list(plan.scheme.ignored),
            "others": plan.scheme.others,
            "training": [case.name for case in plan.training],
            "validation": [case.name for case in plan.validation],
            "validation_slices": plan.validation_slices,
        }
    )


def _card(plan: TrainingPlan, arguments: Mapping[str, Any], first: Trained | None) -> Card:
    from meddl.core.weights import Card
    from meddl.deepigeos.trained import ARCHITECTURE

    p = plan.parameters
    name = p.weights_name
    if first is not None and name == first.card.name:
        raise InputError(f"the weights would be called {name}, as those of pnet; set another name")
    targets = ", ".join(plan.scheme.classes)
    scale = "mean 0, deviation 1 over voxels that are not 0"
    if p.normalization == "window":
        scale = f"{p.window[0]:g}..{p.window[1]:g} to -1..1"
    names = [case.name for case in plan.training]
    share = f", without the upper {plan.validation_slices:.0%} of the slices"
    spacing = None if p.spacing is None else list(p.spacing[::-1])
    return Card(
        name=name,
        task=f"segments {targets}" if first is None else f"corrects {targets} by seeds",
        architecture=ARCHITECTURE,
        arguments={
            "network": dict(arguments),
            "use": {
                "classes": plan.scheme.names,
                "spacing": spacing,
                "orientation": p.orientation,
                "normalization": p.normalization,
                "window": list(p.window),
                "window_shape": list(p.patch_shape),
                "seeds": {
                    "cost": p.geodesic_cost,
                    "lambda_": p.geodesic_lambda,
                    "scale": p.geodesic_scale,
                },
                "pnet": "" if first is None else first.card.name,
            },
        },
        input_range=scale,
        units="image values in, log-probability of each class out",
        training_data=f"{len(names)} case(s) of the user: {', '.join(names[:5])}"
        f"{', …' if len(names) > 5 else ''}{share if plan.validation_slices else ''}",
        licence="that of whoever trained it; mind that of the training data",
    )


def _bring_first(folder: Path, first: Trained | None) -> None:
    """Put the weights of P-Net beside those of R-Net, so that one folder has all."""
    from meddl.core.weights import export_weights

    if first is None or not folder.is_dir() or (folder / f"{first.card.name}.json").exists():
        return
    assert first.card.path is not None
    export_weights(str(first.card.path), folder)
