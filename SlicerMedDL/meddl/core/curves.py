"""TensorBoard curves and pictures of a training run: welcome, but no reason for a run to fail."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meddl.core.optional import is_installed

logger = logging.getLogger(__name__)


class Curves:
    """Writes to a folder until TensorBoard is missing or the folder cannot be written.

    Args:
        folder: of the event files; one file per start of the run.
        step: what a killed run wrote beyond this step is hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        if not is_installed("tensorboard"):
            logger.warning("no TensorBoard curves: the package tensorboard is not installed")
            return
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer = SummaryWriter(str(folder), purge_step=step)
        except OSError as error:
            self._give_up(error)

    def write(self, row: Mapping[str, Any], pictures: Mapping[str, Any]) -> None:
        """Add an epoch's figures and pictures (see ``Trainer.pictures``) at ``row["step"]``."""
        if self._writer is None:
            return
        try:
            for name, value in row.items():
                if name not in ("epoch", "step"):
                    self._writer.add_scalar(name, value, row["step"])
            for name, picture in pictures.items():
                layout = "HWC" if picture.ndim == 3 else "HW"
                self._writer.add_image(name, picture, row["step"], dataformats=layout)
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the event file."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        logger.warning("no more TensorBoard curves: %s", error)
        self._writer = None
