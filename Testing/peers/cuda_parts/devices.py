"""Choosing a device by its free memory, and work that does not fit."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import torch

from meddl.core import DeviceError, choose_device
from meddl.core.devices import megabytes
from meddl.deepdrr import CArm
from meddl.deepdrr.backends import choose_backend
from meddl.deepdrr.benchmark import phantom
from meddl.deepdrr.prepared import prepare
from meddl.deepdrr.radiograph import render_prepared

from .measuring import Row, Setting, differences, failure
from .radiographs import RAW

LEFT = 700 << 20  # bytes that a full device still has


def choosing(setting: Setting) -> Iterator[Row]:
    """``auto`` takes the accelerator while the work fits; ``cuda`` refuses what does not."""
    auto = choose_device("auto")
    yield {
        "asked": "auto",
        "bytes": "0",
        "answer": f"{auto.name} ({auto.description}, {megabytes(auto.free_bytes)} free)",
        "as wanted": auto.name.partition(":")[0] == setting.device.partition(":")[0],
    }
    if setting.device == "cpu":
        return
    cpu, beyond = choose_device("cpu").free_bytes, auto.free_bytes + 1
    for name in ("auto", "cuda"):
        try:
            chosen = choose_device(name, beyond)
            answer = f"{chosen.name} ({chosen.reason})"
            wanted = (name, chosen.name) == ("auto", "cpu")
        except DeviceError as error:
            answer, wanted = str(error), name == "cuda" or cpu < beyond
        yield {"asked": name, "bytes": megabytes(beyond), "answer": answer, "as wanted": wanted}


def full_device(setting: Setting) -> Iterator[Row]:
    """Radiographs while something else holds nearly all memory: slabs, a refusal, or the CPU."""
    if setting.device == "cpu":
        return
    ct = phantom(setting.size(512, 128))
    arm = CArm(33, 22, 17, detector_size=(256, 256), pixel_spacing=2.8)
    shape, pixels = (*ct.array.shape, 1), 256 * 256

    def picture(name: str, device: str) -> np.ndarray:
        backend = choose_backend(name, device, shape, pixels, 0)
        used.append(backend.device)
        return render_prepared(prepare(ct, RAW, backend=backend), arm, RAW).array[0]

    used: list[str] = []
    expected = picture("exact", "cpu")
    free = torch.cuda.mem_get_info(setting.device)[0]
    held = torch.empty(free - LEFT, dtype=torch.uint8, device=setting.device)
    try:
        for name, device in (("pycuda", "cuda"), ("torch", "cuda"), ("torch", "auto")):
            left = torch.cuda.mem_get_info(setting.device)[0]
            row: Row = {"backend": name, "device": device, "free": megabytes(left)}
            try:
                row |= differences(picture(name, device), expected)
                row["on"] = used[-1]
                yield row
            except DeviceError as error:
                yield {**row, "refused": str(error)}
            except Exception as error:
                yield {**row, **failure(error)}
            gc.collect()
            torch.cuda.empty_cache()
    finally:
        del held
