"""The inside of labelled structures of a CT: colon, airways, vessels, as an endoscope sees it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.rendering.appearance import random_appearance
from meddl.rendering.distance_field import DistanceField, distances, node_positions
from meddl.rendering.fields import closed, smooth_noise
from meddl.rendering.renderer import Scene

MAX_NODES = 4e6


def lumen_from_labels(
    labels: Image, values: Sequence[int], seed: int = 0, spacing: float | None = None
) -> Scene:
    """A scene whose free space is the inside of labels; world is RAS.

    The mask is blurred by 0.8 voxels against its steps, sampled along RAS, and gets wrinkles of a
    few tenths of a mm, which no CT resolves.

    Args:
        labels: label map (K, J, I).
        values: the labels whose inside is free, together.
        seed: of wrinkles and appearance.
        spacing: mm between the nodes; by default a third of the voxel, more for large structures.

    Raises:
        InputError: no such label, or a structure of a few voxels.
    """
    from scipy import ndimage

    labels = labels.require_volume("label map")
    inside = np.isin(labels.array, list(values))
    if not inside.any():
        present = ", ".join(map(str, np.unique(labels.array)[:20]))
        raise InputError(f"the label map has no voxel of {list(values)}; it has {present} …")
    pieces, count = ndimage.label(inside)
    sizes = np.bincount(pieces.ravel())[1:]
    inside = pieces == 1 + int(np.argmax(sizes))
    if sizes.max() < 30:
        raise InputError(
            f"the largest piece of the labels {list(values)} has {sizes.max()} voxels of {count} "
            "pieces; a camera needs at least 30"
        )
    rng = np.random.default_rng(seed)
    spans = [(n.min() - 2, n.max() + 2) for n in np.nonzero(inside)[::-1]]
    box = apply(labels.ras_from_ijk, list(product(*spans)))
    low, extent = box.min(0), np.ptp(box, axis=0)
    if spacing is None:
        spacing = max(
            float(labels.spacing.min()) / 3, float(np.prod(extent) / MAX_NODES) ** (1 / 3)
        )
    size = [int(n) + 2 for n in np.ceil(extent / spacing)]
    shape = (size[2], size[1], size[0])
    soft = ndimage.gaussian_filter(np.pad(inside, 3).astype(np.float32), 0.8) - 0.5
    nodes = np.stack(np.broadcast_arrays(*node_positions(shape, spacing, low)), axis=-1)
    ijk = apply(labels.ijk_from_ras, nodes.reshape(-1, 3)) + 3
    free = ndimage.map_coordinates(soft, ijk[:, ::-1].T, np.float32, order=1, mode="nearest")
    field = distances(free.reshape(shape), spacing)
    field += 0.05 * float(labels.spacing.mean()) * smooth_noise(shape, 5 / spacing, rng)
    field = distances(closed(field, spacing), spacing)
    width = float(field.max())
    name = f"labels {','.join(map(str, values))} {seed}"
    return Scene(DistanceField(field, spacing, low), random_appearance(rng, 1.5 * width), name)
