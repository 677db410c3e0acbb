"""Supervised training of a depth network on rendered endoscopy, which has exact depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from meddl.core.metrics import depth_metrics
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.core.seeding import seed_everything
from meddl.core.training import Trainer
from meddl.core.weights import Card, load_weights
from meddl.endodepth.networks import make_network
from meddl.endodepth.rendered_parameters import RenderedTraining
from meddl.endodepth.rendered_pictures import HELD_OUT, RenderedPictures, render_scenes

VALIDATION_SCENES, VALIDATION_VIEWS = 12, 6
SCALES = 4  # of the gradient loss


def log_difference(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Difference of the log depths (B, 1, H, W), 0 where the truth is unknown, and where it is not.

    The truth of each picture is divided by its geometric mean first, so that a network without a
    unit has a scale to settle on.
    """
    known = truth > 0
    log_truth = torch.where(known, truth, torch.ones_like(truth)).log()
    count = known.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean = log_truth.sum((1, 2, 3), keepdim=True) / count
    return (prediction.log() - log_truth + mean) * known, known


def scale_invariant_loss(difference: Tensor, known: Tensor, share: float = 0.9) -> Tensor:
    """Mean square of the log difference less ``share`` of its squared mean, per picture.

    Eigen, Puhrsch and Fergus, NIPS 2014, equation 4, whose share of 1 ignores the scale and of 0
    does not. The square root makes large errors count less.
    """
    count = known.sum((1, 2, 3)).clamp(min=1)
    mean = difference.sum((1, 2, 3)) / count
    square = difference.square().sum((1, 2, 3)) / count
    return (square - share * mean.square() + 1e-6).sqrt().mean()


def gradient_loss(difference: Tensor, known: Tensor, scales: int = SCALES) -> Tensor:
    """Absolute differences of the log difference between neighbours 1, 2, 4, … pixels apart.

    Li and Snavely, MegaDepth, CVPR 2018, equation 4: edges and smooth surfaces where the truth has
    them.
    """
    total = difference.new_zeros(())
    for scale in range(scales):
        step = 2**scale
        part, inside = difference[..., ::step, ::step], known[..., ::step, ::step]
        for axis in (2, 3):
            both = torch.narrow(inside, axis, 1, inside.shape[axis] - 1) & torch.narrow(
                inside, axis, 0, inside.shape[axis] - 1
            )
            change = part.diff(dim=axis).abs() * both
            total = total + change.sum() / both.sum().clamp(min=1)
    return total / scales


def train_on_rendered(
    folder: str | Path,
    parameters: RenderedTraining,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Render the pictures, train, and return the history; see :mod:`meddl.core.training`.

    Validation is on scenes with other seeds: ``abs_rel`` and ``delta1`` after scaling each picture
    by the median, and ``abs_rel_constant`` of the same depth everywhere.

    Args:
        folder: of the run.

    Raises:
        FileError: no weights to begin with, or a folder that takes no file.
    """
    seed_everything(parameters.seed)
    network = make_network(parameters.architecture)
    if parameters.start:
        load_weights(network, parameters.start)
    pictures = Path(parameters.pictures or Path(folder) / "pictures")
    seeds = range(parameters.seed, parameters.seed + parameters.scenes)
    held_out = range(HELD_OUT, HELD_OUT + VALIDATION_SCENES)
    # Rendering and training take about as long.
    training = render_scenes(
        pictures, seeds, parameters.views, subprogress(progress, 0.0, 0.45), cancel
    )
    validation = render_scenes(
        pictures, held_out, VALIDATION_VIEWS, subprogress(progress, 0.45, 0.5), cancel
    )
    optimizer = torch.optim.AdamW(network.parameters(), parameters.learning_rate)
    steps = parameters.epochs * max(
        1, parameters.scenes * parameters.views // parameters.batch_size
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, parameters.learning_rate, steps, pct_start=0.1
    )

    def loss(model: Any, batch: Any) -> dict[str, Tensor]:
        picture, depth = batch
        difference, known = log_difference(model(picture), depth)
        invariant = scale_invariant_loss(difference, known)
        gradient = gradient_loss(difference, known)
        return {
            "loss": invariant + parameters.gradient_weight * gradient,
            "invariant": invariant,
            "gradient": gradient,
        }

    def scores(model: Any, batch: Any) -> dict[str, float]:
        picture, depth = batch
        predicted = model(picture).float().cpu().numpy()
        rows = []
        for one, truth in zip(predicted, depth.cpu().numpy(), strict=True):
            found = depth_metrics(one, truth, median_scaling=True)
            constant = depth_metrics(0 * one + 1, truth, median_scaling=True)
            rows.append((found["abs_rel"], found["delta1"], constant["abs_rel"]))
        names = ("abs_rel", "delta1", "abs_rel_constant")
        return {
            name: sum(column) / len(column)
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }

    trainer = Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=schedule,
        training_step=loss,
        training_data=RenderedPictures(training),
        validation_step=scores,
        validation_data=RenderedPictures(validation),
        monitor="validation/abs_rel",
        folder=folder,
        parameters=parameters,
        card=Card(
            name=f"endodepth-{parameters.architecture}",
            task="depth of an endoscopic picture, true up to one factor per picture",
            architecture=parameters.architecture,
            input_range="RGB -1..1, 0 outside the field of view",
            units="relative depth out",
            training_data=f"{parameters.scenes * parameters.views} pictures of {parameters.scenes} "
            "rendered nasal cavities and colons (meddl.rendering)",
            licence="Apache-2.0",
        ),
    )
    return trainer.fit(resume, subprogress(progress, 0.5, 1.0), cancel)
