"""Checkpoints of a training run: ``checkpoint-STEP/`` with ``model.safetensors`` and ``state.pt``.

A checkpoint appears under its own new name in one rename, then the older ones are deleted, so that
a kill at any moment leaves the newest or the one before it complete.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from meddl.core.errors import FileError
from meddl.core.files import atomic_folder
from meddl.core.weights import tensor_bytes

_NAME = re.compile(r"checkpoint-(\d+)")


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, or None."""
    found = [path for path in folder.glob("checkpoint-*") if _step(path) >= 0]
    return max(found, key=_step, default=None)


def save_checkpoint(
    folder: Path, step: int, weights: Mapping[str, torch.Tensor], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint and delete the others, with the leftovers of killed writers.

    Args:
        folder: of the run.
        step: number of training steps done.
        weights: the network's state.
        state: everything else: tensors, numbers, texts, and dicts, lists and tuples of them.

    Raises:
        FileError: the folder cannot be written or the disk is full; older checkpoints stay.
    """
    path = folder / f"checkpoint-{step:09d}"
    if not path.exists():
        # Through memory, so that a full disk is an OSError and not a library's own exception.
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        with atomic_folder(path) as temporary:
            (temporary / "model.safetensors").write_bytes(tensor_bytes(weights))
            (temporary / "state.pt").write_bytes(buffer.getbuffer())
    for other in [*folder.glob("checkpoint-*"), *folder.glob(".part-*")]:
        if other.is_dir() and other != path:
            shutil.rmtree(other, ignore_errors=True)
    return path


def load_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the weights and the state of a checkpoint, on the CPU and without running code.

    Raises:
        FileError: a part is missing, truncated or damaged.
    """
    try:
        weights = safetensors.torch.load_file(path / "model.safetensors")
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no error type of its own for a damaged file
        raise FileError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); delete it to resume "
            "from an older one, or train anew in another folder"
        ) from error
    return weights, state
