"""Clear frames on the network's grid, kept in files that all worker processes map."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import atomic_path
from meddl.core.picture_size import fit_frame
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.desmoke.frame_sources import Source

logger = logging.getLogger(__name__)


class StoredFrames:
    """Frames of several files, one after the other: ``frames[n]`` is (h, w, 3) uint8 RGB.

    Args:
        parts: (n, h, w, 3) uint8 each.
    """

    def __init__(self, parts: Sequence[NDArray[np.uint8]]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        part = int(np.searchsorted(self.ends, index, side="right"))
        found: NDArray[np.uint8] = self.parts[part][index - self.ends[part]]
        return found


def store_frames(
    sources: Sequence[Source],
    size: tuple[int, int],
    cache: Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> StoredFrames:
    """Read every source once, cut to the aspect of ``size`` and brought to it.

    Args:
        sources: at least one; those without a frame are left out, with a logged warning.
        size: rows and columns.
        cache: folder, made if missing; a file per source, which later calls find.

    Raises:
        FileError: damaged files, or a folder that takes none.
        InputError: no source has a frame.
        Cancelled: what was read before is kept.
    """
    make_folder(cache)
    parts = []
    for source in steps(sources, len(sources), "reading source", progress, cancel):
        key = json.dumps([source.identity(), list(size)])
        path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.frames"
        if not path.exists():
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                for frame in source.frames(cancel):
                    file.write(fit_frame(frame, size).tobytes())
        if path.stat().st_size:
            parts.append(np.memmap(path, np.uint8, "r").reshape(-1, *size, 3))
        else:
            logger.warning("%s is left out: it has no clear frame", source.name)
    if not parts:
        names = ", ".join(source.name for source in sources)
        raise InputError(f"there is no clear frame in {names}; name frames, as in clip.avi:0-10")
    return StoredFrames(parts)
