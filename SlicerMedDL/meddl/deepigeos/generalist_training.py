"""Training of the generalist P-Net and R-Net on random images with a simulated user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.parameters import parameter
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.training import TrainingParameters
from meddl.deepigeos.encoding import CHANNELS, encode
from meddl.deepigeos.interactions import random_seeds, scribbles
from meddl.deepigeos.methods import P_NET, R_NET
from meddl.deepigeos.phantom_images import choose_target, paint
from meddl.deepigeos.phantom_shapes import random_labels

# Voxels along k, j, i and how much thicker they are along k: about as many voxels in each, most of
# them in cubes.
GRIDS = (
    ((40, 40, 40), 1),
    ((40, 40, 40), 1),
    ((48, 48, 32), 1),
    ((24, 48, 56), 2),
    ((16, 64, 64), 4),
)
HELD_OUT = 1_000_003  # the seed of the validation's images
VALIDATION_IMAGES = 24
MOST_ROUNDS = 8  # of corrections in training


@dataclass
class GeneralistTraining(TrainingParameters):
    """A training run of the generalist P-Net or R-Net."""

    epochs: int = parameter(40, "passes over --images images", minimum=1)
    batch_size: int = parameter(1, "groups of images per step", minimum=1, maximum=1)
    learning_rate: float = parameter(3e-3, "of the optimiser, at its highest", minimum=0)
    images: int = parameter(400, "random images per epoch, each new", minimum=8)
    together: int = parameter(4, "images of one size in a group", minimum=2, maximum=64)
    network: str = parameter(
        "p-net",
        "p-net segments from the seeds alone, r-net corrects a segmentation",
        choices=("p-net", "r-net"),
    )
    start: str = parameter(
        "", "weights to begin with; an r-net begins with those of its p-net", metavar="NAME|PATH"
    )
    labels: str = parameter(
        "", "label maps to make half of the images from", metavar="LABELS.nii.gz,…"
    )


class Phantoms:
    """Groups of random images: (images (N, K, J, I) float32, targets uint8, voxel (3,)).

    Args:
        count: images per epoch.
        together: N, images of one size in a group.
        anatomies: label maps (K, J, I) to draw half of the images from.
    """

    def __init__(
        self, count: int, together: int, anatomies: Sequence[NDArray[np.integer]] = ()
    ) -> None:
        self.count, self.together, self.anatomies = count // together, together, anatomies

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        return self.draw(index, np.random.default_rng([HELD_OUT, index]))

    def draw(self, index: int, generator: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """A group of one of the GRIDS, all images new."""
        shape, thick = GRIDS[int(generator.integers(len(GRIDS)))]
        pairs = [self._image(shape, thick, generator) for _ in range(self.together)]
        images, targets = (np.stack(part) for part in zip(*pairs, strict=True))
        return images, targets, np.array([thick, 1.0, 1.0])

    def _image(
        self, shape: tuple[int, int, int], thick: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """An image whose slices are means of ``thick`` thin ones, and its target."""
        fine = (shape[0] * thick, *shape[1:])
        while True:
            labels = random_labels(fine, generator, self.anatomies)
            target = choose_target(labels, generator)
            image = paint(labels, target, generator)
            image = image.reshape(shape[0], thick, *shape[1:]).mean(1)
            target = target.reshape(shape[0], thick, *shape[1:]).mean(1) >= 0.5
            if target.sum() >= 30:
                return image, target.astype(np.uint8)


def first_seeds(
    target: NDArray[np.bool_], spacing: Sequence[float], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Seeds of a first interaction: strokes, strokes in the foreground only, or clicks."""
    nothing = np.zeros_like(target)
    kind = rng.random()
    if kind < 0.75:
        foreground, background = scribbles(nothing, target, spacing, rng)
        if kind < 0.15:
            background = nothing
        if rng.random() < 0.3:  # a brush of three voxels
            foreground = _thicker(foreground) & target
    else:
        foreground, background = nothing.copy(), nothing.copy()
        for mask, voxels in ((foreground, target), (background, ~target)):
            inside = np.flatnonzero(voxels)
            mask.flat[rng.choice(inside, min(len(inside), int(rng.integers(1, 5))), False)] = True
        if kind < 0.85:
            background = nothing
    return _merged(np.zeros(target.shape, np.uint8), foreground, background)


def corrected_seeds(
    seeds: NDArray[np.uint8],
    segmentation: NDArray[np.bool_],
    target: NDArray[np.bool_],
    spacing: Sequence[float],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """The seeds with those of the next correction, a stroke or, at times, the published rule."""
    if rng.random() < 0.25:
        return _merged(seeds, *random_seeds(segmentation, target, rng))
    return _merged(seeds, *scribbles(segmentation, target, spacing, rng))


def _thicker(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask))


def _merged(
    seeds: NDArray[np.uint8], foreground: NDArray[np.bool_], background: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    return np.where(foreground, 2, np.where(background, 1, seeds)).astype(np.uint8)


def train_generalist(
    folder: str | Path,
    parameters: GeneralistTraining,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Train on random images and return the history; see meddl.core.training.

    The loss is the sum of Dice and binary cross-entropy. In every step a simulated user draws the
    first seeds of each image and corrects the network's own segmentation a random number of times;
    the last state is trained on.

    Args:
        folder: of the run.

    Raises:
        InputError: an r-net without weights to begin with, or a file that is no label map.
        FileError: no such label map, no weights.
        DependencyError: MONAI is not installed.
    """
    from meddl.core.optional import require
    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.core.weights import Card

    torch = require("torch", "training the generalist networks")
    losses = require("monai.losses", "training the generalist networks")
    from meddl.deepigeos.generalist_network import ScribbleNet, load_p_net, widened_p_net

    corrects = parameters.network == "r-net"
    paths = [path for path in parameters.labels.split(",") if path]
    anatomies = [_read_anatomy(path) for path in paths]
    seed_everything(parameters.seed)
    p_net = load_p_net(parameters.start) if parameters.start else ScribbleNet(len(CHANNELS))
    if corrects and not parameters.start:
        raise InputError("an r-net begins with the weights of its p-net: give --start")
    network = widened_p_net(p_net) if corrects else p_net
    optimizer = torch.optim.AdamW(network.parameters(), parameters.learning_rate)
    steps = parameters.epochs * max(1, parameters.images // parameters.together)
    criterion = losses.DiceCELoss(sigmoid=True, smooth_nr=10.0, smooth_dr=10.0)

    def predict(model: Any, inputs: Any) -> Any:
        training = model.training
        model.eval()
        with torch.no_grad():
            probability = torch.sigmoid(model(inputs))
        model.train(training)
        return probability

    def interact(
        model: Any, batch: Any, rounds: NDArray[np.int64], rng: np.random.Generator
    ) -> Any:
        """Inputs of the network after so many corrections of each image."""
        images, targets, voxel = (part.cpu().numpy() for part in batch)
        device = batch[0].device
        spacing, wanted = voxel.tolist(), targets != 0
        seeds = [first_seeds(target, spacing, rng) for target in wanted]
        inputs = [encode(image, s, spacing) for image, s in zip(images, seeds, strict=True)]
        previous: list[Any] = [None] * len(inputs)
        for done in range(max(rounds)):
            active = [n for n, wish in enumerate(rounds) if wish > done]
            stack = torch.from_numpy(np.stack([_with(inputs[n], previous[n]) for n in active]))
            first = corrects and done == 0
            found = predict(p_net.to(device) if first else model, stack.to(device))
            for n, probability in zip(active, found.float().cpu().numpy()[:, 0], strict=True):
                seeds[n] = corrected_seeds(seeds[n], probability > 0.5, wanted[n], spacing, rng)
                inputs[n] = encode(images[n], seeds[n], spacing)
                if corrects:
                    previous[n] = probability
        stack = np.stack([_with(channels, p) for channels, p in zip(inputs, previous, strict=True)])
        return torch.from_numpy(stack).to(device)

    def loss(model: Any, batch: Any) -> Any:
        seed = int(torch.randint(2**31, ()))
        rng = np.random.default_rng(seed)
        share = 0.45 if not corrects else 0.65
        rounds = np.minimum(rng.geometric(1 - share, len(batch[0])) - (not corrects), MOST_ROUNDS)
        inputs = interact(model, batch, rounds, rng)
        return criterion(model(inputs), batch[1][:, None].float())

    def scores(model: Any, batch: Any) -> dict[str, Any]:
        result: dict[str, Any] = {}
        count = len(batch[0])
        targets = batch[1][:, None] != 0
        for rounds in (1, 3) if corrects else (0, 2):
            inputs = interact(model, batch, np.full(count, rounds), np.random.default_rng(HELD_OUT))
            found = model(inputs) > 0
            both = (found & targets).sum((1, 2, 3, 4))
            total = found.sum((1, 2, 3, 4)) + targets.sum((1, 2, 3, 4))
            result[f"dice_{rounds + 1}"] = (2 * both / total).mean()
        result["dice"] = sum(result.values()) / len(result)
        return result

    trainer = Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.OneCycleLR(
            optimizer, parameters.learning_rate, steps, pct_start=0.1
        ),
        training_step=loss,
        training_data=Phantoms(parameters.images, parameters.together, anatomies),
        validation_step=scores,
        validation_data=Phantoms(VALIDATION_IMAGES, 4),
        monitor="validation/dice",
        mode="max",
        collate=lambda groups: tuple(torch.from_numpy(part) for part in groups[0]),
        folder=folder,
        parameters=parameters,
        card=Card(
            name=R_NET if corrects else P_NET,
            task="corrects a segmentation of any target by scribbles"
            if corrects
            else "segments any target from scribbles",
            architecture="ScribbleNet",
            arguments={"channels": len(CHANNELS) + corrects},
            input_range="channels of meddl.deepigeos.encoding"
            + (", then the previous probability" if corrects else ""),
            units="channels -1..1 in, logit of the target out",
            training_data="random images of blobs, tubes, sheets and boxes"
            + "".join(f" and cuts of {Path(path).name}" for path in paths)
            + f": {parameters.epochs * parameters.images} images",
            licence="Apache-2.0",
        ),
    )
    return trainer.fit(resume, progress, cancel)


def _with(channels: NDArray[np.float32], previous: NDArray[np.float32] | None) -> Any:
    """The channels, and the previous probability for a network that corrects."""
    return channels if previous is None else np.concatenate([channels, previous[None]])


def _read_anatomy(path: str) -> NDArray[np.integer]:
    """Labels (K, J, I) from 0 to 32767, of which some are not 0."""
    from meddl.core.image_io import read_image

    image = read_image(path).require_finite(f"label map {path}")
    if image.components != 1:
        raise InputError(f"{path} has {image.components} values per voxel, a label map has one")
    labels = image.array.reshape(image.array.shape[:3])
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int16, copy=False)
    if not np.array_equal(whole, labels) or whole.min() < 0:
        raise InputError(
            f"{path} holds values from {labels.min():g} to {labels.max():g}; a label map holds "
            "whole numbers from 0 to 32767"
        )
    if not whole.any():
        raise InputError(f"{path} has no label: every voxel is 0")
    return whole
