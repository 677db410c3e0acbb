"""The clear frame at full resolution on a torch device: the frame goes there once.

The arithmetic of :mod:`meddl.desmoke.recovery`. Besides the frame and its result, as bytes, only
the coarse grid of the estimator crosses between the device and the processor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from meddl.desmoke.recovery import cells_of
from meddl.desmoke.scattering import LEAST_TRANSMISSION

Array = NDArray[np.float32]
Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class TorchFrame:
    """A frame on a device.

    Args:
        frame: (H, W, 3) uint8 RGB.
        device: for example ``"cuda:0"``.
    """

    def __init__(self, frame: Frame, device: str) -> None:
        there = _to_device(np.require(frame, None, ("C", "W")), torch.device(device))
        self.planes = there.permute(2, 0, 1).float()  # (3, H, W), 0 to 255

    @torch.inference_mode()
    def shrunk(self, grid: tuple[int, int]) -> Array:
        """The frame on a grid of (rows, columns), (h, w, 3) float32 0..1."""
        height, width = self.planes.shape[1:]
        if grid[0] <= height and grid[1] <= width:
            rows = area_means(grid[0], height, self.planes.device)
            columns = area_means(grid[1], width, self.planes.device)
            small = rows @ self.planes @ columns.T
        else:
            small = interpolate(self.planes[None], grid, mode="bilinear")[0]
        # Whole levels, as the processor's path has them.
        levels = _to_host(small.round().to(torch.uint8).permute(1, 2, 0).contiguous())
        return np.divide(levels, 255, dtype=np.float32)

    @torch.inference_mode()
    def recovered(
        self,
        maps: Array,
        inside: Mask,
        strength: float = 1.0,
        least_transmission: float = LEAST_TRANSMISSION,
    ) -> Frame:
        """As :func:`meddl.desmoke.recovery.recover_frame`, (H, W, 3) uint8."""
        seen = self.planes
        coarse = _to_device(maps, seen.device)
        wide = interpolate(coarse[None], seen.shape[1:], mode="bilinear")[0]
        t, airlight, residual = wide[:1], wide[1:4], wide[4:]
        clear = (seen - 255 * airlight * (1 - t)) / t.clamp(min=least_transmission)
        if len(residual):
            clear = clear + 255 * residual
        mixed = torch.lerp(seen, clear.clamp(0, 255), strength)
        if not inside.all():
            rows = pixel_cells(seen.shape[1], inside.shape[0], seen.device)
            columns = pixel_cells(seen.shape[2], inside.shape[1], seen.device)
            field = _to_device(inside, seen.device)[rows[:, None], columns]
            mixed = torch.where(field, mixed, seen)
        values = (mixed + 0.5).to(torch.uint8)
        return _to_host(values.permute(1, 2, 0).contiguous())


def _to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy there; to CUDA from pinned memory, which torch keeps for the next frame."""
    there = torch.from_numpy(array)
    if device.type == "cuda":
        there = there.pin_memory()
    return there.to(device, non_blocking=True)


def _to_host(there: Tensor) -> NDArray[Any]:
    """A copy in main memory, when all before it is done; from CUDA by way of pinned memory, of
    which a video that is kept must not hold any."""
    if there.device.type != "cuda":
        return there.cpu().numpy()
    pinned = torch.empty(there.shape, dtype=there.dtype, pin_memory=True)
    return pinned.copy_(there).numpy().copy()


@lru_cache(maxsize=8)
def pixel_cells(pixels: int, cells: int, device: torch.device) -> Tensor:
    """:func:`meddl.desmoke.recovery.cells_of` there."""
    return torch.from_numpy(cells_of(pixels, cells)).to(device)


@lru_cache(maxsize=8)  # two per size of frame; without it an H200 gave 61 frames/s at 1080p
def area_means(cells: int, pixels: int, device: torch.device) -> Tensor:
    """(cells, pixels) float32: the share of each pixel in the mean over each cell."""
    edges = torch.arange(cells + 1, dtype=torch.float64) * pixels / cells
    left, right = edges[:-1, None], edges[1:, None]
    pixel = torch.arange(pixels, dtype=torch.float64)
    covered = torch.minimum(right, pixel + 1) - torch.maximum(left, pixel)
    return (covered.clamp(min=0) * cells / pixels).float().to(device)
