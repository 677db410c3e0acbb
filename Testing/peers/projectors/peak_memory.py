"""Print the bytes that a CT of 16-bit voxels and its radiograph of three materials add to a fresh
process at the most (Linux)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from meddl.core import Image
from meddl.core.geometry import compose
from meddl.deepdrr import Camera, CArm, RenderParameters, render


def resident(kind: str) -> int:
    """``VmRSS`` now or ``VmHWM`` at the most, bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{kind}:")[1].split()[0])


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    parameters = RenderParameters(quantity="neglog", backend="numba")
    warm = np.random.default_rng(0).integers(-1000, 1000, (64, 64, 64), np.int16)
    render(Image(warm), CArm(33, 22, 17), parameters)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, see proc(5)
    ct = Image(np.load(request["ct"]), compose(request["spacing"]))
    render(ct, Camera.from_dict(request["camera"]), parameters)
    print(resident("VmHWM") - before)
