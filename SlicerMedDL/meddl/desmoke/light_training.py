"""Loss of the light network over short clips."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from meddl.core.ssim import ssim_map
from meddl.desmoke.light_network import first_state, next_state, recovered
from meddl.desmoke.scattering import LEAST_TRANSMISSION
from meddl.desmoke.training_parameters import DesmokeTraining

RESIDUAL_WEIGHT = 0.05


def unrolled(model: Any, smoky: Tensor, cut: Tensor | None = None) -> list[Tensor]:
    """The network's maps of each frame of clips, each fed with those of the frame before.

    Args:
        model: the network.
        smoky: (B, T, 3, H, W) RGB 0..1.
        cut: (B,) bool: clips whose first frame follows a frame of another clip.
    """
    state = first_state(smoky[:, 0])
    if cut is not None and cut.any():
        with torch.no_grad():
            other = smoky[:, -1].roll(1, 0)
            smoke = model(torch.cat([other, first_state(other)], 1)).to(smoky.dtype)
            state = torch.where(cut[:, None, None, None], next_state(other, smoke), state)
    maps = []
    for frame in smoky.unbind(1):
        smoke = model(torch.cat([frame, state], 1)).float()
        state = next_state(frame, smoke)
        maps.append(smoke)
    return maps


def clip_loss(
    model: Any,
    clips: dict[str, Tensor],
    parameters: DesmokeTraining,
    cut: Tensor | None = None,
) -> dict[str, Tensor]:
    """Loss of clips: recovered frames, smoke, and change from frame to frame.

    A clip counts by 1 / (opacity_floor + its mean opacity): light smoke leaves small errors, which
    without this hardly count beside those of heavy smoke.

    Args:
        model: the network.
        clips: ``smoky`` and ``clear`` (B, T, 3, H, W), ``transmission`` (B, T, 1, H, W),
            ``airlight`` (B, T, 3, H, W), all float32 0..1.
        parameters: ``opacity_floor``, ``smoke_weight``, ``ssim_weight``, ``ssim_range`` and
            ``temporal_weight``.
        cut: see :func:`unrolled`.

    Returns:
        ``loss``, and its parts before weighting: ``l1``, ``ssim`` (1 - SSIM), ``smoke``,
        ``temporal``; and ``psnr`` of the recovered frames in dB.
    """
    clear, truth = clips["clear"], clips["transmission"]
    maps = unrolled(model, clips["smoky"], cut)
    smoke = torch.stack(maps, 1)
    found = recovered(clips["smoky"].flatten(0, 1), smoke.flatten(0, 1), LEAST_TRANSMISSION)
    found = found.view_as(clear)
    floor = parameters.opacity_floor
    weight = (floor + 0.4) / (floor + (1 - truth).mean((1, 2, 3, 4)))  # about 1 for medium smoke

    def mean(values: Tensor) -> Tensor:
        return (weight * values.flatten(1).mean(1)).mean()

    opacity = 1 - truth
    parts = {
        "l1": mean((found - clear).abs()),
        "ssim": mean(1 - _ssim(found.clamp(0, 1), clear, parameters.ssim_range)),
        "smoke": mean((smoke[:, :, :1] - truth).abs())
        + mean(opacity * (smoke[:, :, 1:4] - clips["airlight"]).abs()),
        "residual": mean(smoke[:, :, 4:].abs()),
    }
    loss = (
        parts["l1"]
        + parameters.ssim_weight * parts["ssim"]
        + parameters.smoke_weight * parts["smoke"]
        + RESIDUAL_WEIGHT * parts["residual"]
    )
    if clear.shape[1] > 1:
        # Where the clear frames change the found ones may, by as much.
        change = found.diff(dim=1) - clear.diff(dim=1)
        parts["temporal"] = mean(change.abs())
        loss = loss + parameters.temporal_weight * parts["temporal"]
    error = (found.detach().clamp(0, 1) - clear).square().mean((1, 2, 3, 4))
    return {"loss": loss, **parts, "psnr": -10 * torch.log10(error + 1e-8).mean()}


def _ssim(a: Tensor, b: Tensor, data_range: float) -> Tensor:
    """(B, T, 3, h, w) pictures -> (B, -1) similarities."""
    return ssim_map(a.flatten(0, 1), b.flatten(0, 1), data_range).unflatten(0, a.shape[:2])
