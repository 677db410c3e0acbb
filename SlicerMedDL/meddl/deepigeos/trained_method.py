"""Networks that a user has trained, as a method of the interactive session.

P-Net gives the first segmentation without seeds, R-Net corrects it by seeds; either may end in a
CRF-Net, which keeps the seeds. The method's interface is that of :mod:`meddl.deepigeos.methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from meddl.core.devices import choose_device
from meddl.core.errors import FileError, InputError
from meddl.core.geometry import Matrix, affine, inverse
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.weights import find_weights
from meddl.deepigeos.correction import correction_input
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND
from meddl.deepigeos.preprocessing import normalized, on_grid
from meddl.deepigeos.trained import Trained, load_trained

Volume = NDArray[np.float32]
Weights = str | Path | Sequence[str | Path]


def make_trained_method(weights: Weights, target: str | int = 1) -> Callable[..., TrainedMethod]:
    """A maker for the registry of methods: ``METHODS["mine"] = make_trained_method("rnet")``.

    Args:
        weights: name or path of P-Net, R-Net or both (a sequence, or joined by commas). R-Net alone
            brings the P-Net of its card, which lies beside it or is found by name.
        target: the class that is foreground, see :class:`TrainedMethod`.

    Returns:
        A function of (image, spacing, device="auto", ras_from_ijk=None) that prepares an image, see
        :class:`TrainedMethod`.

    Raises:
        FileError: no such weights.
    """
    paths = [find_weights(part) for part in _parts(weights)]

    def make(
        image: Volume,
        spacing: Sequence[float],
        device: str = "auto",
        ras_from_ijk: ArrayLike | None = None,
    ) -> TrainedMethod:
        pnet, rnet = _pair(paths, choose_device(device).name)
        return TrainedMethod(image, spacing, pnet, rnet, target, ras_from_ijk)

    return make


def _parts(weights: Weights) -> list[str | Path]:
    if isinstance(weights, str):
        return [part for part in weights.split(",") if part]
    return [weights] if isinstance(weights, Path) else list(weights)


def _pair(paths: Sequence[Path], device: str) -> tuple[Trained, Trained | None]:
    """P-Net and R-Net, by their cards.

    Raises:
        InputError: no P-Net, or two of one kind.
    """
    found: dict[str, Trained] = {}
    for path in paths:
        trained = load_trained(path, device)
        if trained.model in found:
            raise InputError(f"{path} and another of the weights both hold a {trained.model}")
        found[trained.model] = trained
    if "pnet" not in found and "rnet" in found:
        found["pnet"] = load_trained(_first_of(found["rnet"]), device)
    if "pnet" not in found:
        raise InputError("no weights of a P-Net were given")
    return found["pnet"], found.get("rnet")


def _first_of(rnet: Trained) -> Path:
    assert rnet.card.path is not None
    beside = rnet.card.path.parent / f"{rnet.pnet}.safetensors"
    try:
        return beside if beside.exists() else find_weights(rnet.pnet)
    except FileError as error:
        raise FileError(
            f"{rnet.card.path} corrects {rnet.pnet}, whose weights are neither beside it nor "
            "imported; put them there"
        ) from error


def _class_number(target: str | int, pnet: Trained) -> int:
    names = pnet.classes[1:]
    if isinstance(target, str) and target in names:
        return 1 + names.index(target)
    if not isinstance(target, str) and (len(names) == 1 or 1 <= target <= len(names)):
        return min(target, len(names))
    raise InputError(f"there is no class {target!r}; {pnet.card.name} has: {', '.join(names)}")


class Prepared(NamedTuple):
    """An image as the networks see it.

    Attributes:
        image: (C, K, J, I) normalised.
        spacing: (3,) mm along k, j, i.
        grid_from_image: 4x4, from an index (i, j, k) of the user's image to one of this.
    """

    image: Volume
    spacing: tuple[float, float, float]
    grid_from_image: Matrix


class TrainedMethod:
    """The probability of one class in one image, by P-Net and R-Net.

    Args:
        image: (K, J, I, C) float32, raw values as in training.
        spacing: (3,) mm along k, j, i.
        pnet, rnet: the networks; without R-Net seeds change the result at their voxels, and around
            them where P-Net ends in a CRF-Net.
        target: name of the class that is foreground, or its number from 1; a single class stands
            for every number.
        ras_from_ijk: 4x4; without it the axes are taken to point as in training.

    Attributes:
        classes: how many there are beside the background.

    Raises:
        InputError: another number of channels, or no such class.
    """

    needs_seeds = False

    def __init__(
        self,
        image: Volume,
        spacing: Sequence[float],
        pnet: Trained,
        rnet: Trained | None = None,
        target: str | int = 1,
        ras_from_ijk: ArrayLike | None = None,
    ) -> None:
        for trained in (pnet, rnet):
            if trained is not None and trained.channels != image.shape[3]:
                raise InputError(
                    f"the weights {trained.card.name} take {trained.channels} channels, the image "
                    f"has {image.shape[3]}"
                )
        self.pnet, self.rnet = pnet, rnet
        self.uses_previous = rnet is not None
        self.classes = len(pnet.classes) - 1
        self.target = _class_number(target, pnet)
        self.shape = image.shape[:3]
        self._source = image, tuple(spacing), ras_from_ijk
        if ras_from_ijk is not None:
            affine(ras_from_ijk, "ras_from_ijk")
        self._prepared: Prepared | None = None
        self._first: Volume | None = None

    @property
    def prepared(self) -> Prepared:
        """The image on the networks' grid; made when it is first needed."""
        if self._prepared is None:
            image, spacing, ras_from_ijk = self._source
            orientation = self.pnet.orientation
            if ras_from_ijk is None:
                orientation, ras_from_ijk = "keep", np.diag([*spacing[::-1], 1.0])
            ras_from_image = affine(ras_from_ijk)
            wanted = None if self.pnet.spacing is None else self.pnet.spacing[::-1]
            grid, ras_from_grid = on_grid(
                np.moveaxis(image, -1, 0), ras_from_image, orientation, wanted
            )
            k, j, i = np.linalg.norm(ras_from_grid[:3, :3], axis=0)[::-1].tolist()
            self._prepared = Prepared(
                normalized(grid, self.pnet.normalization, self.pnet.window),
                (k, j, i),
                inverse(ras_from_grid) @ ras_from_image,
            )
        return self._prepared

    def __call__(
        self,
        seeds: NDArray[np.uint8],
        previous: Volume | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Volume:
        """See :class:`meddl.deepigeos.methods.Method`; seeds keep their label."""
        token = cancel or CancelToken()
        progress(0.0, "first segmentation")
        first = self._first_probabilities(token)
        if not seeds.any() and previous is None:
            return self._on_image(first[self.target])
        known = self._seeds_on_grid(seeds)
        if previous is not None and self.uses_previous:
            first = self._with_previous(first, previous)
        progress(0.5, "correction")
        if self.rnet is not None:
            found = self._corrected(self.rnet, first, known, token)
        else:
            found = self.pnet.probabilities(self.prepared.image, known, token.check)
        result = self._on_image(found[self.target])
        result[seeds == FOREGROUND] = 1
        result[seeds == BACKGROUND] = 0
        progress(1.0, "correction")
        return result

    def _first_probabilities(self, token: CancelToken) -> Volume:
        """(classes, K, J, I) on the networks' grid; computed once."""
        if self._first is None:
            self._first = self.pnet.probabilities(self.prepared.image, None, token.check)
        return self._first

    def _corrected(
        self, rnet: Trained, first: Volume, seeds: NDArray[np.uint8], token: CancelToken
    ) -> Volume:
        """R-Net's probabilities; in 2-D those of slices without a seed stay."""
        image, spacing, _ = self.prepared
        arguments = (spacing, rnet.encoding, token)
        if rnet.dimensions == 3:
            inputs = correction_input(image, first, seeds, *arguments)
            return rnet.probabilities(inputs, seeds, token.check)
        result = first.copy()
        for k in np.flatnonzero(seeds.any((1, 2))):
            part = slice(k, k + 1)
            inputs = correction_input(image[:, part], first[:, part], seeds[part], *arguments)
            result[:, part] = rnet.probabilities(inputs, seeds[part], token.check)
        return result

    def _with_previous(self, first: Volume, previous: Volume) -> Volume:
        """``first`` with the target's probability replaced, the others in proportion."""
        image, _, grid_from_image = self.prepared
        target = _resampled(previous, inverse(grid_from_image), image.shape[1:])
        others = 1 - first[self.target]
        with np.errstate(invalid="ignore", divide="ignore"):
            result = np.where(others > 1e-6, first * ((1 - target) / others), 0)
        result[0] = np.where(others > 1e-6, result[0], 1 - target)
        result[self.target] = target
        return result.astype(np.float32)

    def _seeds_on_grid(self, seeds: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """0: none, 1 + class; the grid voxel nearest to each seed, so that none is lost."""
        known = np.zeros(self.prepared.image.shape[1:], np.uint8)
        for label, number in ((BACKGROUND, 0), (FOREGROUND, self.target)):
            voxels = np.argwhere(seeds == label)[:, ::-1]
            matrix = self.prepared.grid_from_image
            where = np.rint(voxels @ matrix[:3, :3].T + matrix[:3, 3]).astype(int)[:, ::-1]
            where = np.clip(where, 0, np.array(known.shape) - 1)
            known[tuple(where.T)] = 1 + number
        return known

    def _on_image(self, volume: Volume) -> Volume:
        return np.clip(_resampled(volume, self.prepared.grid_from_image, self.shape), 0, 1)


def _resampled(volume: Volume, from_target: Matrix, shape: Sequence[int]) -> Volume:
    """``volume`` at the voxels of another grid, linearly; ``from_target`` maps their (i, j, k)."""
    if tuple(shape) == volume.shape and np.allclose(from_target, np.eye(4), atol=1e-6):
        return volume.copy()
    matrix = from_target[2::-1, 2::-1]  # in the order k, j, i
    offset = from_target[2::-1, 3]
    result: Volume = ndimage.affine_transform(
        volume, matrix, offset, tuple(shape), np.float32, order=1, mode="nearest"
    )
    return result
