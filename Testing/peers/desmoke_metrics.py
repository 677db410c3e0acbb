"""FSIM and FSIMc by piq, which its authors checked against the MATLAB program of FSIM's authors.

    python Testing/peers/reproduce.py --only desmoke_metrics

installs piq without its dependencies and puts it, this library and Testing on PYTHONPATH.
Prints the constants of Testing/library/desmoke/test_metrics.py, ours beside them, and the CPU time
of every figure of a 256 x 256 picture.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
import torch
from reproduction.report import Report, add_output

from library.desmoke.distorted_pictures import Picture, distortions, photographs
from meddl.desmoke.fsim import fsim, fsimc
from meddl.desmoke.metrics import psnr, smoke_density, ssim, uqi

TITLES = {"psnr": "PSNR", "ssim": "SSIM", "uqi": "UQI", "fsim": "FSIM", "fsimc": "FSIMc"}
TITLES["smoke_density"] = "smoke density"


def piq_fsim() -> Any:
    """``piq.fsim.fsim`` without the package's ``__init__``, which wants torchvision."""
    found = importlib.util.find_spec("piq")
    if found is None or found.submodule_search_locations is None:
        sys.exit("piq is not on the path; see the first lines of this file")
    package = ModuleType("piq")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["piq"] = package
    return importlib.import_module("piq.fsim").fsim


def tensor(picture: Picture) -> torch.Tensor:
    """(1, 3, H, W) float64."""
    return torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float64))


def main() -> None:
    """Print the values and the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    args = parser.parse_args()
    peer = piq_fsim()
    worst = [0.0, 0.0]
    for name, clear in photographs().items():
        for kind, picture in distortions(clear).items():
            pair = [tensor(p) for p in (picture, clear)]
            grey = [p[:, 1:2] for p in pair]
            theirs = (
                float(peer(*grey, data_range=255, chromatic=False)),
                float(peer(*pair, data_range=255)),
            )
            ours = fsim(picture[..., 1], clear[..., 1]), fsimc(picture, clear)
            worst = [max(w, abs(a - b)) for w, a, b in zip(worst, ours, theirs, strict=True)]
            print(f'    ("{name}", "{kind}"): ({theirs[0]:.5f}, {theirs[1]:.5f}),', end="")
            print(f"  # ours {ours[0]:.5f}, {ours[1]:.5f}")
    off = {"fsim": f"{worst[0]:.1e}", "fsimc": f"{worst[1]:.1e}"}
    clear = photographs()["astronaut"]
    smoky = distortions(clear)["haze"]
    figures = {f.__name__: lambda f=f: f(smoky, clear) for f in (psnr, ssim, uqi, fsimc)}
    figures["fsim"] = lambda: fsim(smoky[..., 1], clear[..., 1])
    figures["smoke_density"] = lambda: smoke_density(smoky)
    times: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(15):
        for name, run in figures.items():
            began = time.process_time()
            run()
            times[name].append(1000 * (time.process_time() - began))
    with Report(args.output) as report:
        head = ("figure", "largest difference from piq", "CPU, ms")
        rows = ((TITLES[n], off.get(n, ""), f"{median(times[n][1:]):.1f}") for n in TITLES)
        report.table("desmoke_metrics", head, rows)


if __name__ == "__main__":
    main()
