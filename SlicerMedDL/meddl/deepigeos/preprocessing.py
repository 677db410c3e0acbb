"""What a network sees of an image; the same in training and in use. On MONAI's transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import Matrix
from meddl.core.optional import require

Channels = NDArray[np.float32]  # (C, K, J, I)


def normalized(channels: Channels, method: str, window: Sequence[float]) -> Channels:
    """Each channel on the networks' scale.

    Args:
        channels: (C, K, J, I).
        method: ``"zscore"``: mean 0 and standard deviation 1 over the voxels that are not 0, which
            stay 0; ``"window"``: ``window`` becomes -1..1, values beyond it are cut off.
        window: lowest and highest value.
    """
    transforms: Any = require("monai.transforms", "preparing images for a network")
    if method == "window":
        scale = transforms.ScaleIntensityRange(*window, -1.0, 1.0, clip=True)
    else:
        scale = transforms.NormalizeIntensity(nonzero=True, channel_wise=True)
    return np.asarray(scale(channels), dtype=np.float32)


def on_grid(
    channels: NDArray[Any],
    ras_from_ijk: Matrix,
    orientation: str,
    spacing: Sequence[float] | None,
    labels: bool = False,
) -> tuple[NDArray[Any], Matrix]:
    """Turn the axes of an image and resample it.

    Args:
        channels: (C, K, J, I).
        ras_from_ijk: 4x4, mm.
        orientation: where i, j, k shall point, as ``"RAS"``; ``"keep"`` leaves them.
        spacing: (3,) mm along the new i, j, k; None keeps it.
        labels: take the nearest value instead of interpolating linearly.

    Returns:
        The new array and its ``ras_from_ijk``.
    """
    transforms: Any = require("monai.transforms", "preparing images for a network")
    data: Any = require("monai.data", "preparing images for a network")
    # MONAI's arrays are (C, I, J, K).
    image = data.MetaTensor(np.ascontiguousarray(channels.transpose(0, 3, 2, 1)), ras_from_ijk)
    if orientation != "keep":
        image = transforms.Orientation(axcodes=orientation, labels=PAIRS)(image)
    if spacing is not None:
        mode = "nearest" if labels else "bilinear"
        image = transforms.Spacing(spacing, mode=mode, padding_mode="border", dtype=np.float32)(
            image
        )
    array = np.ascontiguousarray(image.numpy().transpose(0, 3, 2, 1))
    affine = np.asarray(image.affine, dtype=np.float64)
    return array.astype(channels.dtype if labels else np.float32, copy=False), affine


PAIRS = (("L", "R"), ("P", "A"), ("I", "S"))  # towards the lower and the higher RAS coordinate


def resampled(volume: Channels, shape: Sequence[int]) -> Channels:
    """(C, K, J, I) brought linearly to ``shape`` (k, j, i) of the same extent, ends on ends."""
    import torch

    found = torch.nn.functional.interpolate(
        torch.from_numpy(volume)[None], tuple(shape), mode="trilinear", align_corners=False
    )
    return found[0].numpy()
