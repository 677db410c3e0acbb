"""Times, memory and differences on a device, the same way in every part."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How a part is run.

    Attributes:
        device: as torch writes it; ``"cpu"`` tries the parts where there is no GPU.
        small: sizes of a second or two, to try the parts and to fill numba's cache.
    """

    device: str
    small: bool

    def size(self, full: Any, small: Any) -> Any:
        """One of the two."""
        return small if self.small else full


def wait(device: str) -> None:
    """Until the device has done what was started."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def milliseconds(work: Callable[[], object], device: str, repeat: int = 5) -> float:
    """Median wall time of one call, after one that is not counted; for seconds-long work fewer."""
    work()
    wait(device)
    times: list[float] = []
    while len(times) < repeat and sum(times) < 4:
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


def differences(found: Any, expected: Any) -> Row:
    """Relative L2 norm of the difference, and its largest value over the largest expected one."""
    found, expected = (np.asarray(a, np.float64) for a in (found, expected))
    difference = found - expected
    return {
        "L2": f"{np.linalg.norm(difference) / np.linalg.norm(expected):.2e}",
        "largest": f"{np.abs(difference).max() / np.abs(expected).max():.2e}",
    }


@contextmanager
def memory(row: Row, device: str) -> Iterator[None]:
    """Writes to ``row`` the megabytes that torch had at most, and that the device lost on the way.

    The second counts what the driver gave to others than torch: textures, kernels, PyCUDA's arrays.
    """
    if not device.startswith("cuda"):
        yield
        return
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before, free = torch.cuda.memory_allocated(device), torch.cuda.mem_get_info(device)[0]
    yield
    torch.cuda.synchronize(device)
    row["torch peak MB"] = (torch.cuda.max_memory_allocated(device) - before) >> 20
    row["taken MB"] = (free - torch.cuda.mem_get_info(device)[0]) >> 20


def failure(error: Exception) -> Row:
    """What a row says in the place of figures."""
    return {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
