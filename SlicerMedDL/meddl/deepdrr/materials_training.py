"""Training of the material network on phantoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.core.image import Image
from meddl.core.parameters import parameter
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.training import TrainingParameters
from meddl.deepdrr.materials_grid import SPACING, sample
from meddl.deepdrr.materials_phantoms import IS_BONE, TAKES_CONTRAST, label_anatomy, paint, scan
from meddl.deepdrr.materials_torso import random_torso

FINE = 1.0  # mm, of the phantoms whose voxels are averaged to that
CLASS_WEIGHTS = (1.0, 2.0, 3.0)  # of the loss: other, bone, contrast
SMOOTH = 1000.0  # voxels, of the Dice term
HELD_OUT = 1_000_003  # the seed of the validation's phantoms


@dataclass
class MaterialTraining(TrainingParameters):
    """A training run of the material network."""

    epochs: int = parameter(24, "passes over --patches phantoms", minimum=1)
    batch_size: int = parameter(4, "patches per step", minimum=1)
    learning_rate: float = parameter(3e-3, "of the optimiser, at its highest", minimum=0)
    patches: int = parameter(160, "phantoms per epoch, each new", minimum=1)
    side: int = parameter(48, "voxels of 2 mm along a side of a patch", minimum=16, maximum=256)
    width: int = parameter(16, "channels of the first level", minimum=4, maximum=128)
    labels: str = parameter(
        "",
        "label maps to make half of the phantoms from, each with its table LABELS.json beside it",
        metavar="LABELS.nii.gz,…",
    )


class Patches:
    """Samples (hu (1, n, n, n), shares (3, n, n, n)), float32, of random phantoms.

    Args:
        count: samples per epoch.
        side: n, voxels of 2 mm.
        anatomies: maps of tissues to draw half of the samples from; without any, all are torsos.
    """

    def __init__(self, count: int, side: int, anatomies: Sequence[Image] = ()) -> None:
        self.count, self.side, self.anatomies = count, side, anatomies

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], ...]:
        return self.draw(index, np.random.default_rng([HELD_OUT, index]))

    def draw(self, index: int, generator: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        """A phantom and a scanner, both at random, mirrored left to right at random."""
        length = self.side * SPACING
        if self.anatomies and generator.random() < 0.5:
            anatomy = self.anatomies[int(generator.integers(len(self.anatomies)))]
            tissues = _cut(anatomy, round(length / FINE), generator)
        else:
            tissues = random_torso(generator, FINE, length).array
        factor = round(SPACING / FINE)
        along, across = generator.uniform(0, 1.0, 2) ** 2  # the scanner's own voxels included
        hu, shares = scan(
            paint(tissues, generator),
            (factor, factor, factor),
            (along, across, across),
            float(generator.uniform(2, 35)),
            generator,
        )
        way = slice(None, None, int(generator.choice([-1, 1])))
        hu, shares = hu[None, ..., way], shares[..., way]
        return np.ascontiguousarray(hu), np.ascontiguousarray(shares)


def _cut(anatomy: Image, count: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A cube of ``count`` voxels of 1 mm about bone or a vessel, turned and stretched a little."""
    turn = rotation(generator.normal(size=3), generator.uniform(-20, 20))
    size = FINE * generator.uniform(0.8, 1.2, 3)
    wanted = (IS_BONE | TAKES_CONTRAST)[anatomy.array[::8, ::8, ::8]]
    filled = np.argwhere(wanted) * 8
    centre = apply(anatomy.ras_from_ijk, filled[generator.integers(len(filled))][::-1])
    shift = compose((1, 1, 1), centre)
    ras_from_cut = shift @ turn @ compose(size, -size * (count - 1) / 2)
    result: NDArray[np.uint8] = sample(
        anatomy.array, anatomy.ijk_from_ras @ ras_from_cut, (count, count, count), 0
    )
    return result


def train_network(
    folder: str | Path,
    parameters: MaterialTraining,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Train on phantoms and return the history; see meddl.core.training.

    The loss is the sum of Dice and cross-entropy to the share of each class in each voxel.

    Args:
        folder: of the run.

    Raises:
        InputError: a side that the network cannot halve often enough.
        FileError: no label map.
        DependencyError: MONAI is not installed.
    """
    from meddl.core.image_io import read_image
    from meddl.core.optional import require
    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.core.weights import Card
    from meddl.deepdrr.labels import read_label_names

    torch = require("torch", "training the material network")
    from meddl.deepdrr.materials_network import MULTIPLE, NAME, MaterialNet

    if parameters.side % MULTIPLE:
        raise InputError(f"--side is {parameters.side}, a multiple of {MULTIPLE} was expected")
    losses = require("monai.losses", "training the material network")
    paths = [path for path in parameters.labels.split(",") if path]
    anatomies = [label_anatomy(read_image(path), read_label_names(path)) for path in paths]
    seed_everything(parameters.seed)
    network = MaterialNet(parameters.width)
    optimizer = torch.optim.AdamW(network.parameters(), parameters.learning_rate)
    steps = parameters.epochs * max(1, parameters.patches // parameters.batch_size)
    # Pooled over the batch and smoothed, because most patches lack one of the classes.
    dice = losses.DiceCELoss(
        softmax=True,
        batch=True,
        smooth_nr=SMOOTH,
        smooth_dr=SMOOTH,
        weight=torch.tensor(CLASS_WEIGHTS),
    )

    def loss(model: Any, batch: Any) -> Any:
        hu, shares = batch
        return dice.to(hu.device)(model(hu), shares)

    def scores(model: Any, batch: Any) -> dict[str, Any]:
        hu, shares = batch
        logits = model(hu)
        found, true = logits.argmax(1), shares.argmax(1)
        result = {"loss": dice(logits, shares)}
        for number, name in ((1, "bone"), (2, "contrast")):
            both = ((found == number) & (true == number)).sum()
            total = (found == number).sum() + (true == number).sum()
            result[f"dice_{name}"] = 2 * both / total if total else torch.tensor(1.0)
        return result

    trainer = Trainer(
        model=network,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.OneCycleLR(
            optimizer, parameters.learning_rate, steps, pct_start=0.1
        ),
        training_step=loss,
        training_data=Patches(parameters.patches, parameters.side, anatomies),
        validation_step=scores,
        validation_data=Patches(max(2, parameters.patches // 10), parameters.side),
        folder=folder,
        parameters=parameters,
        card=Card(
            name=NAME,
            task="tells bone and contrast agent from other tissue in a CT",
            architecture="MaterialNet",
            arguments={"width": parameters.width},
            input_range="CT of the trunk in HU, -1024..3071, any voxels up to about 3 mm",
            units=f"HU on a grid of {SPACING:g} mm along R, A and S in, logits of other, bone and"
            " contrast agent out",
            training_data="random torsos"
            + "".join(f", {Path(path).name}" for path in paths)
            + f": {parameters.epochs * parameters.patches} phantoms",
            licence="Apache-2.0",
        ),
    )
    return trainer.fit(resume, progress, cancel)
