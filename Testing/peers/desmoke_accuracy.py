"""Methods that remove smoke, in one run on the same frames: accuracy, flicker, clear frames.

    python Testing/peers/desmoke_accuracy.py [FOLDER_OF_CLIPS] --output DIR [--photos FILE ...]
        [--network WEIGHTS] [--unet WEIGHTS] [--unet-without WEIGHTS] [--name NAME]

Clear frames of input_12.avi, rendered abdomens from seed 1000 on, and photographs (name those that
no training has used) go under synthetic smoke of known density, as stills and as clips at 25
frames/s with a slowly moving camera. Writes report.md (tables), report.json (every figure) and
pictures: input, every method, reference.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from desmoking.methods import INPUT, Method, methods
from desmoking.scenes import DENSITIES, Scene, clips, scenes, stills
from reproduction.report import Report

from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.run_record import make_folder, versions
from meddl.desmoke.evaluation_files import side_by_side
from meddl.desmoke.flicker import FlickerMeter
from meddl.desmoke.metrics import FULL_REFERENCE, change, full_reference


def judge_stills(found: Sequence[Scene], peers: Sequence[Method], folder: Path) -> list[Any]:
    """A row per scene, density, kind and method; a picture of every third scene and density."""
    rows = []
    for case in stills(found):
        outputs = []
        for method in peers:
            method.reset()
            began = time.process_time()
            outputs.append(method.run(case.smoky[0]))
            spent = time.process_time() - began
            rows.append(
                {
                    "scene": case.scene.name, "source": case.scene.source, "kind": case.kind,
                    "density": case.density, "opacity": case.opacity, "method": method.name,
                    "cpu_seconds": spent, **full_reference(outputs[-1], case.clear[0]),
                }
            )  # fmt: skip
        if found.index(case.scene) % 3 == 0:
            picture = side_by_side([*outputs, case.clear[0]])
            name = f"{case.scene.name}_{case.density}_{case.kind}.jpg".replace(" ", "_")
            write_picture(folder / name, Image(picture[None], RAS_FROM_PICTURE))
        print(f"{case.scene.name}, {case.density}, {case.kind}", file=sys.stderr)
    return rows


def judge_clips(found: Sequence[Scene], peers: Sequence[Method]) -> list[Any]:
    """A row per scene, density and method: flicker over the clip, figures of its last frame."""
    rows = []
    for case in clips(found):
        outputs = {"clear": case.clear}
        for method in peers:
            method.reset()
            outputs[method.name] = [method.run(frame) for frame in case.smoky]
        meter = FlickerMeter()
        for n, guide in enumerate(case.clear):
            meter.add(guide, {name: frames[n] for name, frames in outputs.items()})
        for name, value in meter.means().items():
            row = {"scene": case.scene.name, "source": case.scene.source, "method": name}
            row |= {"density": case.density, "opacity": case.opacity, "flicker": value}
            if name != "clear":
                row |= full_reference(outputs[name][-1], case.clear[-1])
            rows.append(row)
        print(f"{case.scene.name}, {case.density}, clip", file=sys.stderr)
    return rows


def judge_clear(found: Sequence[Scene], peers: Sequence[Method]) -> list[Any]:
    """A row per scene and method: what a frame without smoke is changed by."""
    rows = []
    for scene in found:
        for method in peers:
            method.reset()
            changed = change(method.run(scene.frame), scene.frame)
            rows.append(
                {"scene": scene.name, "source": scene.source, "method": method.name}
                | {"change": changed}
            )
    return rows


def mean_of(rows: Sequence[Any], name: str, **where: str) -> float:
    """Mean of a figure over the rows that agree with ``where``."""
    return float(np.mean([row[name] for row in rows if all(row[k] == v for k, v in where.items())]))


def figures(rows: Sequence[Any], names: Sequence[str], **where: str) -> dict[str, str]:
    """PSNR / SSIM / UQI / FSIMc by method, the best in bold."""
    values = {
        name: [mean_of(rows, figure, method=name, **where) for figure in FULL_REFERENCE]
        for name in names
    }
    best = [max(column) for column in zip(*values.values(), strict=True)]
    found = {}
    for name, own in values.items():
        cells = [f"{own[0]:.2f}", *(f"{value:.3f}".removeprefix("0") for value in own[1:])]
        bold = (f"**{c}**" if v == b else c for c, v, b in zip(cells, own, best, strict=True))
        found[name] = " / ".join(bold)
    return found


def write(report: Report, title: str, result: dict[str, Any], names: Sequence[str]) -> None:
    """The tables: figures by density; by source, with the change of clear frames and flicker."""
    rows, moving, clear = result["stills"], result["clips"], result["clear"]
    head = ["method"]
    columns = []
    for density in DENSITIES:
        opacity = mean_of(rows, "opacity", density=density, method=INPUT)
        head.append(f"{density}, {opacity:.2f}")
        columns.append(figures(rows, names, density=density))
    densities = [(name, *(column[name] for column in columns)) for name in names]
    report.table(f"{title}/densities", head, densities)
    sources = list(dict.fromkeys(row["source"] for row in rows))
    head, columns = ["method"], []
    for source in sources:
        count = sum(row["source"] == source and row["method"] == INPUT for row in rows)
        head.append(f"{source}, {count} stills")
        columns.append(figures(rows, names, source=source))
    head.append(f"change of clear frames, {sources[0]}: mean (largest)")
    head.append(f"flicker, {' / '.join(DENSITIES)}")
    table = [("clear", *[""] * (len(sources) + 1), flicker(moving, "clear"))]
    for name in names:
        own = [r["change"] for r in clear if r["method"] == name and r["source"] == sources[0]]
        changed = f"{100 * np.mean(own):.2f} ({100 * np.max(own):.2f}) %" if name != INPUT else "0"
        row = (column[name] for column in columns)
        table.append((name, *row, changed, flicker(moving, name)))
    report.table(f"{title}/sources", head, table)
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        times[row["method"]].append(1000 * row["cpu_seconds"])
    spent = [(name, f"{np.median(times[name]):.0f}") for name in names]
    report.table(f"{title}/times", ("method", "CPU, ms, a still of 256x256"), spent)


def flicker(moving: Sequence[Any], name: str) -> str:
    """Of each density, % of the range."""
    means = (100 * mean_of(moving, "flicker", method=name, density=d) for d in DENSITIES)
    return f"{' / '.join(f'{mean:.2f}' for mean in means)} %"


def main() -> None:
    """Judge and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, nargs="?", help="folder with input_12.avi")
    parser.add_argument("--output", required=True, type=Path, help="folder of all files")
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--rendered", type=int, default=6, help="number of rendered scenes")
    parser.add_argument("--network", help="weights of the light network")
    parser.add_argument("--unet", help="weights of a U-Net with the dark channel")
    parser.add_argument("--unet-without", help="weights of a U-Net without it")
    parser.add_argument("--name", default="desmoke_accuracy", help="of the tables")
    args = parser.parse_args()
    peers = methods(args.network, args.unet, args.unet_without)
    names = [method.name for method in peers]
    folder = make_folder(args.output)
    found = scenes(args.clips, args.rendered, args.photos)
    result = {
        "machine": platform.processor() or platform.machine(),
        "versions": versions(),
        "weights": {"network": args.network, "unet": args.unet, "unet_without": args.unet_without},
        "stills": judge_stills(found, peers, folder),
        "clips": judge_clips(found[::3], peers),
        "clear": judge_clear(found, peers),
    }
    with Report(folder) as report:
        write(report, args.name, result, names)
        report.figures = result


if __name__ == "__main__":
    main()
