"""Real smoke, of which there is no truth: before and after, and what can be said without one.

    python Testing/peers/desmoke_real.py FOLDER_OF_CLIPS --output DIR [--network WEIGHTS]
        [--unet WEIGHTS] [--unet-without WEIGHTS]

The clips input_2, 6, 8, 10 and 12.avi of DeSmoke-LAP go through every method as videos. Writes a
picture of each (rows: input and methods; columns: frames), one of all (before_after.jpg: input and
last method of each), and report.md, report.json with, per clip and method: smoke density of the
smoky and of the clear frames, contrast and share of values at the ends of the range, change of the
clear frames, how much of the input's structure is kept, and the correlation of the gradients with
the nearest clear frame, which optical flow between the inputs lays over the smoky one, where the
flow can be trusted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from desmoking.methods import Frame, Method, methods
from desmoking.scenes import CLEAR
from reproduction.report import Report

from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.run_record import make_folder, versions
from meddl.core.video import read_frames
from meddl.desmoke.evaluation_files import side_by_side
from meddl.desmoke.flicker import motion, warp
from meddl.desmoke.frame_quality import reduced
from meddl.desmoke.metrics import (
    change,
    clipped,
    contrast,
    gradient_correlation,
    smoke_density,
    structure,
)

# Frames to show, the last two of them clear.
SHOWN = {
    2: (9, 10, 12, 16, 43, 48, 5, 26),
    6: (19, 22, 23, 24, 47, 49, 33, 38),
    8: (11, 13, 14, 18, 34, 40, 2, 28),
    10: (6, 13, 14, 18, 20, 43, 3, 30),
    12: (5, 6, 16, 21, 29, 33, 4, 11),
}
SMALL = 128  # pixels: frames of the sheet of all clips
# Of the frame that the flow must match, and how far the clear frame may be: the camera moves on.
MATCHED, REACH = 0.3, 12


def judge(number: int, frames: Sequence[Frame], outputs: dict[str, list[Frame]]) -> list[Any]:
    """A row per method; outputs and frames of one clip."""
    clear = CLEAR[number]
    smoky = [n for n in range(len(frames)) if n not in clear]
    near = {n: found for n in smoky if (found := nearest_clear(n, frames, clear)) is not None}
    rows = []
    for name, own in outputs.items():
        edges = [gradient_correlation(own[n], laid, trusted) for n, (laid, trusted) in near.items()]
        rows.append(
            {
                "clip": number, "method": name, "smoky_frames": len(smoky),
                "density_smoky": mean(smoke_density(own[n]) for n in smoky),
                "density_clear": mean(smoke_density(own[n]) for n in clear),
                "clipped_smoky": mean(clipped(own[n]) for n in smoky),
                "contrast_smoky": mean(contrast(own[n]) for n in smoky),
                "change_clear": mean(change(own[n], frames[n]) for n in clear),
                "edges_with_clear": mean(edges), "matched_frames": len(near),
                "structure_kept": mean(structure(own[n], frames[n]) for n in smoky),
            }
        )  # fmt: skip
    return rows


def mean(values: Any) -> float:
    """As a plain float; 0 of nothing."""
    return float(np.mean([*values] or [0.0]))


def nearest_clear(
    number: int, frames: Sequence[Frame], clear: Sequence[int]
) -> tuple[Frame, Any] | None:
    """The nearest clear frame laid over frame ``number``, and where the flow can be trusted."""
    for other in sorted(clear, key=lambda n: abs(n - number)):
        if abs(other - number) > REACH:
            return None
        flow, trusted = motion(frames[other], frames[number])
        if trusted.mean() >= MATCHED:
            return warp(frames[other], flow), trusted
    return None


def sheet(rows: Sequence[Sequence[Frame]]) -> Frame:
    """Rows of frames of one size."""
    lines = [side_by_side(list(row)) for row in rows]
    white = np.full((4, lines[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for line in lines for part in (white, line)][1:])


HEAD = (
    "method",
    "smoke density, smoky frames",
    "values at the ends of the range",
    "change of clear frames",
    "edges with the nearest clear frames",
    "structure kept",
)


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the tables."""
    kept = (f"{row[key]:.3f}".removeprefix("0") for key in ("edges_with_clear", "structure_kept"))
    percent = (f"{100 * row[key]:.2g} %" for key in ("clipped_smoky", "change_clear"))
    return row["method"], f"{row['density_smoky']:.2f}", *percent, *kept


def run(method: Method, frames: Sequence[Frame]) -> list[Frame]:
    """The clip as a video."""
    method.reset()
    return [method.run(frame) for frame in frames]


def main() -> None:
    """Judge and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--network", help="weights of the light network")
    parser.add_argument("--unet", help="weights of a U-Net with the dark channel")
    parser.add_argument("--unet-without", help="weights of a U-Net without it")
    args = parser.parse_args()
    peers = methods(args.network, args.unet, args.unet_without)
    folder = make_folder(args.output)
    rows, both = [], []
    for number in CLEAR:
        frames = list(read_frames(args.clips / f"input_{number}.avi"))
        outputs = {method.name: run(method, frames) for method in peers}
        shown = [[own[n] for n in SHOWN[number]] for own in outputs.values()]
        write_picture(folder / f"clip_{number}.jpg", Image(sheet(shown)[None], RAS_FROM_PICTURE))
        both += [[reduced(frame, SMALL) for frame in row] for row in (shown[0], shown[-1])]
        rows += judge(number, frames, outputs)
    write_picture(folder / "before_after.jpg", Image(sheet(both)[None], RAS_FROM_PICTURE))
    for method in peers:
        own = [row for row in rows if row["method"] == method.name]
        whole = {key: mean(row[key] for row in own) for key in own[0] if key != "method"}
        matched = sum(row["matched_frames"] for row in own)
        rows.append({**whole, "clip": "all", "method": method.name, "matched_frames": matched})
    with Report(folder) as report:
        report.figures = {"versions": versions(), "rows": rows}
        for clip in (*CLEAR, "all"):
            name = "desmoke_real/mean" if clip == "all" else f"desmoke_real/clip_{clip}"
            report.table(name, HEAD, [cells(row) for row in rows if row["clip"] == clip])


if __name__ == "__main__":
    main()
