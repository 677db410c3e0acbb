"""The network of ``--materials network``: which voxels are bone, and which hold contrast agent."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddl.core.blocks import Residual, convolution_unit
from meddl.core.devices import choose_device
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.weights import find_weights, load_weights, read_card
from meddl.deepdrr.materials_grid import SPACING, patient_grid, sample
from meddl.deepdrr.materials_phantoms import CLASSES

NAME = "material-network"
LEVELS = 3
MULTIPLE = 2**LEVELS  # a side in voxels is a multiple of it
SLAB = 96  # voxels along S that are worked through at once; a multiple of MULTIPLE
MARGIN = 48  # the same; more than the network sees to either side of a voxel (47)
LEAST = 48  # voxels along each axis; those of the training's patches
BYTES = 100  # per voxel of a slab, at most


class MaterialNet(nn.Module):
    """A small V-Net (Milletari, Navab, Ahmadi 2016, arXiv:1606.04797).

    Residual blocks, strided convolutions down, transposed ones up; ReLU in place of PReLU. Blocks
    of 2 x 2 x 2 voxels are folded into channels before the first level and unfolded at the end: a
    level of full resolution would take three times as long. Batch normalisation keeps the network
    local, so that a volume can be worked through in slabs without a seam. MONAI's VNet has 45.6
    million parameters, and importing MONAI takes 8 s, too long for a command that renders in less.

    Args:
        width: channels of the first level; each deeper one has twice as many.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.first = nn.Sequential(convolution_unit(2 * 8, width), Residual(width, 1))
        self.down = nn.ModuleList(
            nn.Sequential(convolution_unit(fine, coarse, 2, 2), Residual(coarse, 2))
            for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(coarse, fine, 2, 2) for fine, coarse in pairwise(widths)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(convolution_unit(2 * fine, fine), Residual(fine, 1))
            for fine in widths[:-1]
        )
        self.last = nn.ConvTranspose3d(width, len(CLASSES), 2, 2)
        # A quarter faster on the CPU; torch's types know the 2-D form only.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, hu: Tensor) -> Tensor:
        """(N, 1, K, J, I) HU to (N, 3, K, J, I) logits of CLASSES; sides are multiples of 8."""
        # The whole range, and that of bone's and contrast agent's overlap spread out.
        inputs = torch.cat([hu / 1000, (hu - 150) / 200], 1).clamp(-1.5, 2.5)
        result = _folded(inputs).contiguous(memory_format=torch.channels_last_3d)
        result = self.first(result)
        passed = []
        for down in self.down:
            passed.append(result)
            result = down(result)
        for up, merge in zip(reversed(self.up), reversed(self.merge), strict=True):
            result = merge(torch.cat([passed.pop(), up(result)], 1))
        logits: Tensor = self.last(result)
        return logits


def _folded(values: Tensor) -> Tensor:
    """(N, C, K, J, I) to (N, 8 C, K/2, J/2, I/2)."""
    n, c, k, j, i = values.shape
    blocks = values.reshape(n, c, k // 2, 2, j // 2, 2, i // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, 8 * c, k // 2, j // 2, i // 2)


def classify(
    ct: Image,
    weights: str = NAME,
    device: str = "auto",
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.uint8]:
    """Which class each voxel of a CT is of.

    The CT is resampled to voxels of 2 mm along R, A and S, so that the result does not depend on
    how it is stored; the probabilities are interpolated linearly on the CT's own voxels.

    Args:
        ct: scalar volume in HU, any geometry.
        weights: name or path.
        device: see :func:`meddl.core.devices.choose_device`.

    Returns:
        (K, J, I) index into CLASSES.

    Raises:
        FileError: no such weights, or damaged ones.
        DeviceError: no such device, or too little memory.
        Cancelled: no result.
    """
    ras_from_grid, shape = patient_grid(ct, SPACING, MULTIPLE, LEAST)
    slab = min(SLAB + 2 * MARGIN, shape[0]) * shape[1] * shape[2]
    name = choose_device(device, BYTES * slab).name
    network = _network(str(weights), name)
    # The body goes on where the scan ends: with air around 20 slices of an abdomen, 70 % of the
    # contrast agent in them became bone, and 1 % so.
    hu = sample(_smoothed(ct), ct.ijk_from_ras @ ras_from_grid, shape, extend=True)
    shares = np.empty((len(CLASSES) - 1, *shape), np.float32)  # of bone and of contrast agent
    starts = range(0, shape[0], SLAB)
    for start in steps(starts, len(starts), "finding bone, slab", progress, cancel):
        low, stop = max(0, start - MARGIN), min(start + SLAB, shape[0])
        part = torch.from_numpy(hu[low : min(stop + MARGIN, shape[0])])
        with torch.inference_mode():
            found = network(part[None, None].to(name)).softmax(1)[0, 1:]
        shares[:, start:stop] = found[:, start - low : stop - low].cpu().numpy()
    return _on_voxels(ct, shares, np.linalg.inv(ras_from_grid) @ ct.ras_from_ijk)


def _smoothed(ct: Image) -> NDArray[np.float32]:
    """The CT blurred as voxels of SPACING would, along axes that have finer ones."""
    from scipy.ndimage import gaussian_filter

    ratio = SPACING / ct.spacing[::-1]
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0) / 12)  # the variance of a box
    values = ct.array.astype(np.float32)
    return gaussian_filter(values, sigma, mode="nearest", truncate=3.0) if sigma.any() else values


def _on_voxels(
    ct: Image, shares: NDArray[np.float32], grid_from_ct: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The most probable class of each voxel of the CT."""
    result = np.empty(ct.array.shape, np.uint8)
    for k in range(0, len(result), 16):  # without full-size temporaries
        part = result[k : k + 16]
        grid_from_part = grid_from_ct.copy()
        grid_from_part[:, 3] += k * grid_from_ct[:, 2]
        bone, contrast = (sample(share, grid_from_part, part.shape) for share in shares)
        other = 1 - bone - contrast
        part[...] = np.where(contrast > bone, 2, 1) * (np.maximum(bone, contrast) > other)
    return result


@lru_cache(maxsize=2)
def _network(weights: str, device: str) -> MaterialNet:
    network = MaterialNet(**read_card(find_weights(weights)).arguments)
    load_weights(network, weights, device)
    return network.eval()
