"""The Monte-Carlo transport on a device, history by history as on the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from meddl.deepdrr import CArm, load_spectrum
from meddl.deepdrr.montecarlo import Simulation, simulate

from .measuring import Row, Setting, differences, failure

MATERIALS = ("air", "soft tissue", "bone")


def histories(setting: Setting) -> Iterator[Row]:
    """Pictures, photons by energy and sums of the same histories; histories per second."""
    count = setting.size(6_400_000, 6_400)
    expected: Simulation | None = None
    for device in dict.fromkeys(("cpu", setting.device)):
        row: Row = {"on": device, "histories": count}
        try:
            _simulate(640, device)  # compiles
            start = time.perf_counter()
            found = _simulate(count, device)
            row["per s"] = round(count / (time.perf_counter() - start))
            expected = expected or found
            row |= differences(found.scatter, expected.scatter)
            photons = differences(found.spectrum, expected.spectrum)
            row["L2 of photons by energy"] = photons["L2"]
            away = [
                abs(getattr(found, name) / getattr(expected, name) - 1)
                for name in ("emitted", "absorbed", "unscattered", "escaped")
            ]
            yield {**row, "sums off by": f"{max(away):.1e}"}
        except Exception as error:
            yield {**row, **failure(error)}


def _simulate(count: int, device: str) -> Simulation:
    """A cube of 300 mm of tissue around bone, voxels of 5 mm."""
    densities = np.zeros((60, 60, 60, 3), np.float32)
    densities[..., 1] = 1.05
    densities[20:40, 25:35, 20:40] = 0, 0, 1.9
    ijk_from_world = np.diag([0.2, 0.2, 0.2, 1.0])
    ijk_from_world[:3, 3] = 29.5
    view = CArm(20, 10, isocenter=(0, 0, 0), detector_size=(24, 20), pixel_spacing=16)
    setup = (densities, MATERIALS, ijk_from_world, view.camera(), 1020, load_spectrum("90kV"))
    return simulate(*setup, count, seed=4, device=device, with_spectrum=True)
