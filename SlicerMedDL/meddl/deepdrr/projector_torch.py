"""Line integrals in torch: any device, differentiable with respect to volume, pose and intrinsics.

Every ray is cut by the volume's box and sampled at the middles of equal steps, trilinearly. The
convention is :mod:`meddl.deepdrr.projector`'s: the volume ends at the outer faces of its voxels, in
the outermost half voxel the edge value holds, pixel centres are integers.

Midpoint sums differ from the exact integral by what the interpolant's kinks contribute: on the
bundled CTs at 0.5 voxel per step by 0.2 % of its norm (``Docs/validation.md``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.utils.checkpoint import checkpoint

from meddl.core.progress import CancelToken, Progress, no_progress

STEP = 0.5  # voxels, along the longest possible ray; shorter chords get finer steps
# Samples in flight. A core works best within its caches, a GPU needs a million threads.
CPU_SAMPLES, ACCELERATOR_SAMPLES = 2**18, 2**24
# Bytes per sample in flight: position, its normalised form, and the backward pass's copies.
BYTES_PER_SAMPLE = 64
PARALLEL = 1e-12  # a ray's ijk component below this is parallel to the faces of that axis


def camera_rays(K: Tensor, camera_from_world: Tensor) -> tuple[Tensor, Tensor]:
    """Sources and ray matrices of cameras, differentiably.

    Args:
        K: (..., 3, 3) intrinsics, pixels.
        camera_from_world: (..., 4, 4) rigid, mm.

    Returns:
        (..., 3) source in world mm and (..., 3, 3) ``world_per_pixel``: the ray of pixel (u, v)
        points along ``world_per_pixel @ (u, v, 1)``.
    """
    world_from_camera = camera_from_world[..., :3, :3].transpose(-1, -2)
    source = -(world_from_camera @ camera_from_world[..., :3, 3:])[..., 0]
    return source, world_from_camera @ torch.linalg.inv(K)


def project(
    volume: Tensor,
    ijk_from_world: Tensor,
    source: Tensor,
    world_per_pixel: Tensor,
    size: tuple[int, int],
    *,
    box: tuple[Any, Any] | None = None,
    step: float = STEP,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Tensor:
    """Integrate every component of a volume along the rays of several views.

    Rays are worked off in chunks of bounded memory; with gradients, a chunk's samples are computed
    again in the backward pass rather than kept.

    Args:
        volume: (M, K, J, I) float16, float32 or float64, on the device of the work. float16 is
            widened once: at 512 voxels its 11 bits would misplace samples by a quarter voxel.
        ijk_from_world: (4, 4), best float64 in main memory.
        source: (V, 3) world mm.
        world_per_pixel: (V, 3, 3), see :func:`camera_rays`.
        size: (W, H).
        box: lower and upper ijk corner (3,), (3,) of what is not zero; without it the whole volume.
        step: longest distance of samples, voxels.

    Returns:
        (V, H, W, M) value x mm in the volume's dtype (float32 for float16).

    Raises:
        Cancelled: between chunks.
    """
    if volume.dtype == torch.float16:
        volume = volume.float()
    width, height = size
    corners = box or (np.full(3, -0.5), np.array(volume.shape[:0:-1]) - 0.5)
    samples = max(1, math.ceil(float(np.linalg.norm(np.subtract(corners[1], corners[0]))) / step))
    # Sums of a few numbers, done where the matrices are: a device takes as long for each of them
    # as for a small picture.
    source, world_per_pixel = source.to(ijk_from_world), world_per_pixel.to(ijk_from_world)
    linear = ijk_from_world[:3, :3]
    origin, ijk_per_pixel, mm, low, high = (
        t.to(volume)
        for t in (
            source @ linear.T + ijk_from_world[:3, 3],
            linear @ world_per_pixel,
            torch.linalg.inv(linear),
            *map(torch.as_tensor, corners),
        )
    )

    def integrate(volume: Tensor, origin: Tensor, ijk_per_pixel: Tensor, rays: Tensor) -> Tensor:
        view = rays // (width * height)
        v, u = (rays // width) % height, rays % width
        pixel = torch.stack([u, v, torch.ones_like(u)], -1).to(volume.dtype)
        direction = (ijk_per_pixel[view] @ pixel[..., None])[..., 0]
        return _sums(volume, origin[view], direction, low, high, samples) * (
            (direction @ mm.T).norm(dim=-1, keepdim=True)
        )

    total = source.shape[0] * height * width
    budget = CPU_SAMPLES if volume.device.type == "cpu" else ACCELERATOR_SAMPLES
    chunk = max(1, budget // samples)
    differentiated = torch.is_grad_enabled() and any(
        t.requires_grad for t in (volume, origin, ijk_per_pixel)
    )
    parts = []
    for start in range(0, total, chunk):
        if cancel is not None:
            cancel.check()
        rays = torch.arange(start, min(start + chunk, total), device=volume.device)
        arguments = (volume, origin, ijk_per_pixel, rays)
        if differentiated and total > chunk:
            parts.append(checkpoint(integrate, *arguments, use_reentrant=False))
        else:
            parts.append(integrate(*arguments))
        progress(min(1.0, (start + chunk) / total), "projecting")
    return torch.cat(parts).reshape(-1, height, width, volume.shape[0])


def _sums(
    volume: Tensor, origin: Tensor, direction: Tensor, low: Tensor, high: Tensor, samples: int
) -> Tensor:
    """(R, M) integrals over the ray parameter; origin, direction (R, 3) in ijk."""
    safe = torch.where(direction.abs() < PARALLEL, torch.full_like(direction, PARALLEL), direction)
    a, b = (low - origin) / safe, (high - origin) / safe
    enter = torch.minimum(a, b).amax(-1).clamp(min=0)
    leave = torch.maximum(a, b).amin(-1)
    chord = (leave - enter).clamp(min=0)
    middles = (torch.arange(samples, device=volume.device, dtype=volume.dtype) + 0.5) / samples
    distances = enter[:, None] + chord[:, None] * middles
    points = origin[:, None] + distances[..., None] * direction[:, None]
    extent = torch.tensor(volume.shape[:0:-1], device=volume.device, dtype=volume.dtype)
    grid = (2 * points + 1) / extent - 1  # voxel faces at -1 and 1, as grid_sample wants them
    values = grid_sample(
        volume[None], grid[None, :, :, None], padding_mode="border", align_corners=False
    )
    return values[0, ..., 0].sum(-1).T * (chord / samples)[:, None]


def needed_bytes(volume: tuple[int, ...], pixels: int, device: str) -> int:
    """Estimate of the device's memory for pictures of ``pixels`` of a volume (K, J, I, M)."""
    in_flight = CPU_SAMPLES if device == "cpu" else ACCELERATOR_SAMPLES
    components = volume[3]
    return (
        4 * (math.prod(volume) + components * (pixels + in_flight)) + BYTES_PER_SAMPLE * in_flight
    )


def upload(volume: NDArray[np.float32], device: str) -> Tensor:
    """A volume (K, J, I, M) float32 as a tensor (M, K, J, I) on ``device``."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, -1, 0))).to(device)


def line_integrals(
    volume: Tensor,
    ijk_from_world: NDArray[np.float64],
    source: NDArray[np.float64],
    world_per_pixel: NDArray[np.float64],
    size: tuple[int, int],
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """As :func:`meddl.deepdrr.projector.line_integrals`, with a volume of :func:`upload`.

    Returns:
        (H, W, M) float32, value x mm.
    """
    with torch.no_grad():
        picture = project(
            volume,
            torch.from_numpy(ijk_from_world),
            torch.from_numpy(source)[None],
            torch.from_numpy(world_per_pixel)[None],
            size,
            box=box,
            progress=progress,
            cancel=cancel,
        )
    return picture[0].cpu().numpy()
