"""plastimatch drr (Debian's package plastimatch), which starts anew for every view.

Each view runs twice, the second time with a detector of 4 x 4 pixels over the same field: start-up,
reading and preparing the volume are what the second run takes, and the difference is the view.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from worker import cpu_seconds, serve

HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
Offset = 0 0 0
ElementSpacing = {} {} {}
DimSize = {} {} {}
ElementType = MET_FLOAT
ElementDataFile = LOCAL
"""
FEW = 4  # pixels a side


class Plastimatch:
    """Algorithms ``exact`` (Siddon) and ``uniform`` (samples at steps of one millimetre)."""

    version = subprocess.run(
        ["plastimatch", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()

    def __init__(self, algorithm: str, folder: str) -> None:
        self.algorithm, self.folder = algorithm, Path(folder)

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        k, j, i = values.shape
        with (self.folder / "volume.mha").open("wb") as file:
            file.write(HEADER.format(*spacing, i, j, k).encode())
            file.write(values.tobytes())

    def project(self, view: dict[str, Any]) -> np.ndarray:
        _, *start = self._run(view, (FEW, FEW))
        picture, cpu, wall = self._run(view, tuple(view["size"]))
        self.own_seconds = {"cpu": cpu - start[0], "wall": wall - start[1]}
        return picture * 10  # it integrates over centimetres

    def _run(self, view: dict[str, Any], size: tuple[int, int]) -> tuple[np.ndarray, float, float]:
        source, first = np.array(view["source"]), np.array(view["first"])
        column, row = np.array(view["per_column"]), np.array(view["per_row"])
        w, h = view["size"]
        middle = first + (w - 1) / 2 * column + (h - 1) / 2 * row
        distance = float(np.linalg.norm(middle - source))
        away = (middle - source) / distance
        if abs(away @ column) + abs(away @ row) > 1e-6 * distance:
            raise ValueError("the central ray must meet the middle of the picture")
        options = {
            "nrm": -away,
            "vup": -row / np.linalg.norm(row),
            "sad": [distance / 2],
            "sid": [distance],
            "isocenter": (source + middle) / 2,
            "detector-size": [h * np.linalg.norm(row), w * np.linalg.norm(column)],
            "dim": size[::-1],
        }
        command = ["plastimatch", "drr", "-i", self.algorithm, "-P", "none", "-t", "pfm"]
        for name, values in options.items():
            command += [f"--{name}", " ".join(f"{value:.9g}" for value in values)]
        command += ["-O", str(self.folder / "out_"), str(self.folder / "volume.mha")]
        cpu, wall = cpu_seconds(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
        data = (self.folder / "out_0000.pfm").read_bytes()
        picture = np.frombuffer(data[-4 * size[0] * size[1] :], "<f4").reshape(size[1], size[0])
        return picture, cpu, wall


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        serve(Plastimatch(sys.argv[1], scratch))
