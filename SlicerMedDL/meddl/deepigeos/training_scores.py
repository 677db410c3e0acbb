"""What training minimises, and how it is judged: loss, figures on whole cases, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddl.core.metrics import dice, surface_distances
from meddl.core.optional import require
from meddl.deepigeos.correction import IGNORED
from meddl.deepigeos.trained import log_probabilities
from meddl.deepigeos.training_parameters import NetworkTraining
from meddl.deepigeos.training_samples import WholeCases

Loss = Callable[[Tensor, Tensor], Tensor]
TRUTH, FOUND = (90, 200, 90), (240, 80, 60)  # colours of outlines
SEED_COLOURS = ((80, 160, 255), (255, 230, 60))  # of background and other seeds


def segmentation_loss(dice_weight: float) -> Loss:
    """Cross-entropy plus ``dice_weight`` times the Dice loss over the classes but the background.

    The Dice term (Milletari et al., 2016, arXiv:1606.04797) is pooled over the batch, because a
    patch may lack a class. Voxels whose label is IGNORED count in neither.
    """
    losses: Any = require("monai.losses", "training")
    overlap = losses.DiceLoss(include_background=False, batch=True)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        """Of logits (N, classes, …) and class numbers (N, …), a scalar."""
        counts = (labels != IGNORED).unsqueeze(1)
        known = torch.where(counts[:, 0], labels, -100)
        cross = torch.nn.functional.cross_entropy(logits, known, reduction="sum")
        cross = cross / counts.sum().clamp(min=1)
        if dice_weight == 0:
            return cross
        truth = torch.nn.functional.one_hot(known.clamp(min=0), logits.shape[1])
        truth = truth.movedim(-1, 1) * counts
        return cross + dice_weight * overlap(logits.softmax(1) * counts, truth)

    return loss


class Scores:
    """The validation step: figures of whole cases, by sliding window.

    Args:
        names: of the classes.
        parameters: of the run.
        loss: see :func:`segmentation_loss`.
    """

    def __init__(self, names: Sequence[str], parameters: NetworkTraining, loss: Loss) -> None:
        self.names, self.parameters, self.loss = names, parameters, loss

    def __call__(self, network: nn.Module, cases: Sequence[Mapping[str, Tensor]]) -> dict[str, Any]:
        """Means over the cases: loss; Dice, intersection over union and ASSD (mm) by class.

        ``dice`` is the mean over the classes, ``dice_before`` that of P-Net.
        """
        rows = [self.case(network, case) for case in cases]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def case(self, network: nn.Module, case: Mapping[str, Tensor]) -> dict[str, float]:
        """The figures of one case."""
        p = self.parameters
        log = log_probabilities(network, case["inputs"], case["seeds"], p.dimensions, p.patch_shape)
        labels = case["labels"]
        figures = {"loss": float(self.loss(log[None], labels[None]))}
        truth = labels.cpu().numpy()
        spacing = case["spacing"].tolist()
        found = log.argmax(0).cpu().numpy()
        by_class = self.by_class(found, truth, spacing)
        figures["dice"] = float(np.mean([by_class[f"dice_{name}"] for name in self.names[1:]]))
        if "before" in case:
            before = self.by_class(case["before"].cpu().numpy(), truth, None)
            scores = [before[f"dice_{name}"] for name in self.names[1:]]
            figures["dice_before"] = float(np.mean(scores))
        return figures | by_class

    def by_class(
        self, found: NDArray[Any], truth: NDArray[Any], spacing: Sequence[float] | None
    ) -> dict[str, float]:
        """Dice, IoU and, with a spacing, ASSD of every class but the background."""
        figures = {}
        counts = truth != IGNORED
        for number, name in enumerate(self.names[1:], 1):
            pair = (found == number) & counts, (truth == number) & counts
            overlap = dice(*pair)
            figures[f"dice_{name}"] = overlap
            figures[f"iou_{name}"] = overlap / (2 - overlap)
            if spacing is not None:
                flat = len(truth) == 1
                one, other = (mask[0] if flat else mask for mask in pair)
                distances = surface_distances(one, other, spacing[1:] if flat else spacing)
                figures[f"assd_{name}"] = distances.assd
        return figures


def pictures_of(
    cases: WholeCases, parameters: NetworkTraining, count: int = 3
) -> Callable[[nn.Module], dict[str, NDArray[np.uint8]]]:
    """The pictures of an epoch: the fullest slice of the first held-out cases.

    The truth is outlined in green and what was found in red; seeds are blue (background) and
    yellow.
    """

    def pictures(network: nn.Module) -> dict[str, NDArray[np.uint8]]:
        drawn = {}
        device = next(network.parameters()).device
        for index in range(min(count, len(cases))):
            case = cases[index]
            inputs, seeds = (torch.from_numpy(case[key]).to(device) for key in ("inputs", "seeds"))
            shape, dimensions = parameters.patch_shape, parameters.dimensions
            found = log_probabilities(network, inputs, seeds, dimensions, shape).argmax(0)
            labels = case["labels"]
            k = int(((labels > 0) & (labels != IGNORED)).sum((1, 2)).argmax())
            planes = (case["inputs"][0], labels, found.cpu().numpy(), case["seeds"])
            drawn[f"held out {index + 1}"] = picture(*(plane[k] for plane in planes))
        return drawn

    return pictures


def picture(
    grey: NDArray[np.float32],
    truth: NDArray[np.integer],
    found: NDArray[np.integer],
    seeds: NDArray[np.integer],
) -> NDArray[np.uint8]:
    """(J, I, 3) uint8 of a slice: see :func:`pictures_of`; each argument is (J, I)."""
    low, high = np.percentile(grey, (0.5, 99.5))
    shade = np.clip((grey - low) / max(high - low, 1e-6), 0, 1) * 255
    result = np.repeat(shade[..., None], 3, -1).astype(np.uint8)
    for numbers, colour in ((truth, TRUTH), (found, FOUND)):
        result[_outline(numbers)] = colour
    result[seeds == 1], result[seeds > 1] = SEED_COLOURS
    return result


def _outline(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of a class that touch another one."""
    padded = np.pad(numbers, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    touches = np.zeros(inner.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = inner.shape
        touches |= padded[rows : rows + height, columns : columns + width] != inner
    return touches & (inner > 0) & (inner != IGNORED)
