"""Training of desmoking networks on clear frames under synthetic smoke."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.desmoke.training_config import TrainingPlan
from meddl.desmoke.training_parameters import DesmokeTraining

if TYPE_CHECKING:
    from meddl.core.weights import Card
    from meddl.desmoke.frame_sources import Source
    from meddl.desmoke.training_recipe import Recipe

CURVES = ("loss", "psnr", "ssim", "change")
SHOWN = 4  # validation clips in TensorBoard


def train_desmoker(
    folder: str | Path,
    plan: TrainingPlan,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[dict[str, Any]]:
    """Train and return the history; see :mod:`meddl.core.training`.

    ``folder/cache`` keeps the frames on the network's grid, ``folder/best`` the weights of the
    largest validation PSNR, ``folder/curves.png`` the curves.

    Raises:
        InputError: sources without frames, weights to start from that do not fit.
        FileError: damaged files; a folder with another run.
        DependencyError: torch or Lightning Fabric is not installed.
        Cancelled: after a checkpoint.
    """
    from meddl.core.training import train

    folder = Path(folder)
    return train(
        lambda part: _trainer(folder, plan, part, cancel), CURVES, resume, progress, cancel
    )


def make_recipe(parameters: DesmokeTraining, steps: int) -> Recipe:
    """What the architecture brings: ``steps`` are those of the whole run."""
    if parameters.architecture == "pix2pix":
        from meddl.desmoke.pix2pix_training import pix2pix_recipe

        return pix2pix_recipe(parameters, steps)
    from meddl.desmoke.light_recipe import light_recipe

    return light_recipe(parameters, steps)


def _trainer(
    folder: Path, plan: TrainingPlan, progress: Progress, cancel: CancelToken | None
) -> Any:
    from meddl.core.seeding import seed_everything
    from meddl.core.training import Trainer
    from meddl.desmoke.frame_cache import store_frames
    from meddl.desmoke.pair_frames import PairSamples
    from meddl.desmoke.samples import ClipSamples, Repeated

    p = plan.parameters
    cache = folder / "cache"
    share = len(plan.training) / (len(plan.training) + len(plan.validation))
    kind = PairSamples if plan.paired else ClipSamples

    def samples(sources: list[Source], part: Progress) -> Any:
        return kind(store_frames(sources, p.size, cache, part, cancel), p)

    training = Repeated(samples(plan.training, subprogress(progress, 0, share)), p.clips_per_frame)
    rest = subprogress(progress, share, 1)
    held_out = samples(plan.validation, rest) if plan.validation else None
    seed_everything(p.seed)
    recipe = make_recipe(p, _steps(p, len(training)))

    def judge(model: Any, batch: Any) -> dict[str, Any]:
        return batch_figures(recipe, batch["smoky"], batch["clear"])

    return Trainer(
        model=recipe.model,
        result=recipe.result,
        optimizer=recipe.optimizer,
        scheduler=recipe.scheduler,
        training_step=recipe.training_step,
        training_data=training,
        validation_step=None if held_out is None else judge,
        validation_data=held_out,
        monitor="train/loss" if held_out is None else "validation/psnr",
        mode="min" if held_out is None else "max",
        pictures=None if held_out is None else _pictures_of(recipe, held_out),
        folder=folder,
        parameters=replace(p, data=_data_record(plan)),
        card=_card(plan, recipe),
    )


def _steps(parameters: DesmokeTraining, samples: int) -> int:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return max(1, samples // (parameters.batch_size * processes)) * parameters.epochs


def batch_figures(recipe: Recipe, smoky: Any, clear: Any) -> dict[str, Any]:
    """``psnr`` (dB) and ``ssim`` of the restored frames, the gains over the smoky ones, and
    ``change``: mean absolute difference that the network makes to frames without smoke, 0..1.

    Args:
        smoky, clear: (B, T, 3, h, w) RGB 0..1, tensors.
    """
    from meddl.core.ssim import ssim_map

    def scores(clip: Any) -> tuple[Any, Any]:
        found, truth = clip.flatten(0, 1), clear.flatten(0, 1)
        error = (found - truth).square().mean((1, 2, 3)).clamp(min=1e-10)  # at most 100 dB
        return -10 * error.log10().mean(), ssim_map(found, truth, 1.0).mean()

    restored = recipe.restore(recipe.result, smoky)[0].float().clamp(0, 1)
    untouched = recipe.restore(recipe.result, clear)[0].float().clamp(0, 1)
    (psnr, ssim), (psnr_smoky, ssim_smoky) = scores(restored), scores(smoky)
    return {
        "psnr": psnr,
        "ssim": ssim,
        "psnr_gain": psnr - psnr_smoky,
        "ssim_gain": ssim - ssim_smoky,
        "change": (untouched - clear).abs().mean(),
    }


def _pictures_of(recipe: Recipe, samples: Any) -> Any:
    """For TensorBoard, a row per held-out clip: its last frame smoky, restored and clear, and the
    true and the estimated transmission where there are such.
    """
    import numpy as np
    import torch

    def draw(network: Any) -> Mapping[str, Any]:
        device = next(recipe.result.parameters()).device
        rows = []
        for n in np.linspace(0, len(samples) - 1, min(SHOWN, len(samples))).astype(int):
            sample = samples[int(n)]
            with torch.inference_mode():
                smoky = torch.from_numpy(sample["smoky"])[None].to(device)
                clear, transmission = recipe.restore(recipe.result, smoky)
            shown = [sample["smoky"], clear[0], sample["clear"]]
            shown += [sample["transmission"]] if "transmission" in sample else []
            shown += [] if transmission is None else [transmission[0]]
            rows.append(np.hstack([_picture(clip[-1]) for clip in shown]))
        return {"smoky, restored, clear, transmission": np.vstack(rows)}

    return draw


def _picture(frame: Any) -> Any:
    """(3 or 1, h, w) 0..1, array or tensor -> (h, w, 3) uint8."""
    import numpy as np
    import torch

    array = torch.as_tensor(frame).float().cpu().numpy()
    levels = np.round(255 * np.clip(array, 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels, (3, *levels.shape[1:])).transpose(1, 2, 0)


def _data_record(plan: TrainingPlan) -> str:
    """What a resumed run must have in common: the names of all sources, or their digest."""
    parts = {"training": plan.training, "validation": plan.validation}
    names = {key: [source.name for source in sources] for key, sources in parts.items()}
    record = json.dumps(names)
    return record if len(record) < 2000 else sha256(record.encode()).hexdigest()


def _card(plan: TrainingPlan, recipe: Recipe) -> Card:
    from meddl.core.weights import Card

    p = plan.parameters
    return Card(
        name=p.name,
        task="removal of surgical smoke from laparoscopic frames",
        architecture=f"desmoke-{p.architecture}",
        arguments=recipe.arguments,
        input_range=recipe.input_range,
        units="RGB in, RGB out" if p.architecture == "pix2pix" else "RGB in, scattering model out",
        training_data=plan.described,
        licence="that of whoever trained it; mind that of the training data",
    )
