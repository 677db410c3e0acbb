"""Methods that remove smoke, in one run on the same frames: accuracy, flicker, clear frames.

    python Testing/peers/desmoke_accuracy.py FOLDER_OF_CLIPS --output DIR [--photos FILE ...]
        [--network WEIGHTS] [--unet WEIGHTS] [--unet-without WEIGHTS]

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
from desmoking.scenes import DENSITIES, FRAMES, Scene, clips, scenes, stills

from meddl.core.files import write_json
from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.run_record import make_folder, versions
from meddl.desmoke.evaluation_files import side_by_side
from meddl.desmoke.flicker import FlickerMeter
from meddl.desmoke.metrics import FULL_REFERENCE, change, full_reference

HEAD = ("PSNR, dB", "SSIM", "UQI", "FSIMc")


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


def figures_table(rows: Sequence[Any], names: Sequence[str], **where: str) -> list[str]:
    """Lines of Markdown: a row per method."""
    lines = [f"| method | {' | '.join(HEAD)} |", "|---" * 5 + "|"]
    for name in names:
        values = [mean_of(rows, figure, method=name, **where) for figure in FULL_REFERENCE]
        cells = [f"{values[0]:.2f}", *(f"{value:.3f}" for value in values[1:])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def report(result: dict[str, Any], names: Sequence[str]) -> str:
    """All tables."""
    rows, moving, clear = result["stills"], result["clips"], result["clear"]
    lines = []
    for density in DENSITIES:
        own = [row for row in rows if row["density"] == density and row["method"] == INPUT]
        mean = np.mean([row["opacity"] for row in own])
        lines += ["", f"**{density}** smoke, {len(own)} stills, mean opacity {mean:.2f}", ""]
        lines += figures_table(rows, names, density=density)
    for key in ("source", "kind"):
        for value in dict.fromkeys(row[key] for row in rows):
            count = sum(row[key] == value and row["method"] == INPUT for row in rows)
            lines += ["", f"{key}: **{value}**, {count} stills of all densities", ""]
            lines += figures_table(rows, names, **{key: value})
    lines += ["", f"Clips of {FRAMES} frames, the last frame, all densities", ""]
    lines += figures_table([row for row in moving if row["method"] != "clear"], names)
    lines += ["", "Flicker, % of the range (mean over the clips)", ""]
    lines += [f"| method | {' | '.join(DENSITIES)} |", "|---" * 4 + "|"]
    for name in ["clear", *names]:
        cells = [100 * mean_of(moving, "flicker", method=name, density=d) for d in DENSITIES]
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    sources = list(dict.fromkeys(row["source"] for row in clear))
    lines += ["", "Change of frames without smoke, % of the range: mean (largest)", ""]
    lines += [f"| method | {' | '.join(sources)} |", "|---" * (len(sources) + 1) + "|"]
    for name in names:
        cells = []
        for source in sources:
            own = [r["change"] for r in clear if r["method"] == name and r["source"] == source]
            cells.append(f"{100 * np.mean(own):.2f} ({100 * np.max(own):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "CPU time of a still of 256x256, ms (median)", "", "| method | ms |", "|---|---|"]
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        times[row["method"]].append(1000 * row["cpu_seconds"])
    lines += [f"| {name} | {np.median(times[name]):.0f} |" for name in names]
    return "\n".join(lines[1:]) + "\n"


def main() -> None:
    """Judge and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="folder with input_12.avi")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--rendered", type=int, default=6, help="number of rendered scenes")
    parser.add_argument("--network", help="weights of the light network")
    parser.add_argument("--unet", help="weights of a U-Net with the dark channel")
    parser.add_argument("--unet-without", help="weights of a U-Net without it")
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
    write_json(folder / "report.json", result)
    text = report(result, names)
    (folder / "report.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
