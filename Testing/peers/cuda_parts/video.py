"""Frames of a video desmoked on a device: from main memory and back to it, as a video's are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np
from desmoke_speed import SIZES, frames

from meddl.desmoke import VideoDesmoker

from .measuring import Row, Setting, failure, memory, milliseconds


def video(setting: Setting) -> Iterator[Row]:
    """Milliseconds per frame of both methods, and the largest difference from the CPU's frames."""
    for size, shape in setting.size(SIZES, {"96x64": (64, 96)}).items():
        clip = frames(shape)
        for method in ("network", "classical"):
            row: Row = {"frame": size, "method": method}
            try:
                there, here = (VideoDesmoker(method, device=d) for d in (setting.device, "cpu"))
                away = [np.abs(there(frame).astype(int) - here(frame)) for frame in clip]
                row["mean levels off"] = f"{np.mean(away):.1e}"
                row["levels off"] = int(np.max(away))
                following = cycle(clip)
                with memory(row, setting.device):
                    row["ms"] = milliseconds(
                        lambda d=there, f=following: d(next(f)), setting.device, 200
                    )
                row["per s"] = round(1000 / row["ms"])
                yield row
            except Exception as error:
                yield {**row, **failure(error)}
