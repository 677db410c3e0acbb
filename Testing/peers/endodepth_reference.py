"""The published example sequence, read and prepared here, beside values computed without meddl.

    python Testing/peers/endodepth_reference.py SEQUENCE_DIR

SEQUENCE_DIR is the example of github.com/lppllppl920/EndoscopyDepthEstimation-Pytorch
(``bag_1/_start_004259_end_004629_stride_25_segment_13``; non-commercial, not part of this project).
The values beside ours are of a separate numpy transcription of the published steps, at downsampling
4, multiple 64 and inlier percentage 0.99. Also prints the round trip and the mask found by
``meddl endodepth frames``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meddl.endodepth.mask import find_field
from meddl.endodepth.prepare import PreparedSequence, prepare
from meddl.endodepth.sequence import (
    EndoscopicSequence,
    read_sequence,
    visible_inside,
    write_sequence,
)
from meddl.endodepth.sequence_files import INTRINSICS, STRUCTURE

ARRAYS = ("frame_numbers", "intrinsics", "mask", "view_numbers", "world_from_camera", "points")


def depths(prepared: PreparedSequence) -> np.ndarray:
    """All depths at which a view sees a point, in the unit of structure from motion."""
    views = range(len(prepared.world_from_camera))
    return prepared.scale * np.concatenate([prepared.projected(view)[2] for view in views])


def rows(sequence: EndoscopicSequence) -> Iterator[tuple[str, object, object]]:
    """(what, expected, ours)."""
    full = prepare(sequence)
    everything = prepare(sequence, inlier_percentage=1)
    seen = sequence.visibility.sum(axis=1)
    path = sequence.world_from_camera[:, :3, 3]
    crop = full.intrinsics
    depth = depths(everything)
    yield "frames", 35, len(sequence.frame_numbers)
    yield "frame, rows x columns", "1080 x 1920", "{} x {}".format(*sequence.size)
    yield "points", 570, len(sequence.points)
    yield "crop, rows", "11:267", f"{full.rows.start}:{full.rows.stop}"
    yield "crop, columns", "88:408", f"{full.columns.start}:{full.columns.stop}"
    yield "fx = fy of the crop", 169.29275, round(crop[0, 0], 5)
    yield "cx of the crop", 130.03175, round(crop[0, 2], 5)
    yield "cy of the crop", 106.9795, round(crop[1, 2], 5)
    yield "mask, part of the crop", 0.593, round(float(full.mask.mean()), 3)
    yield "global scale", 3.8563907, round(full.scale, 7)
    yield "points after the filter", 564, len(full.points)
    yield "points per view, fewest", 97, int(seen.min())
    yield "points per view, mean", 188, round(float(seen.mean()))
    yield "points per view, most", 244, int(seen.max())
    yield "views per point, mean", 11.55, round(float(sequence.visibility.sum(0).mean()), 2)
    yield "depth, least", 1.055, round(float(depth.min()), 3)
    yield "depth, median", 1.545, round(float(np.median(depth)), 3)
    yield "depth, largest", 3.081, round(float(depth.max()), 3)
    yield "first to last camera", 0.2966, round(float(np.linalg.norm(path[0] - path[-1])), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sequence", type=Path, metavar="SEQUENCE_DIR")
    args = parser.parse_args()
    sequence = read_sequence(args.sequence)
    print("| what | expected | here |\n|---|---|---|")
    for what, expected, ours in rows(sequence):
        print(f"| {what} | {expected} | {ours} |")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        write_sequence(sequence, copy)
        back = read_sequence(copy)
        same = all(np.array_equal(getattr(back, n), getattr(sequence, n)) for n in ARRAYS)
        same &= np.array_equal(back.visibility, sequence.visibility)
        texts = [n for n in (*STRUCTURE, INTRINSICS) if not n.endswith(".ply")]
        bytes_same = all(
            (copy / n).read_bytes() == (args.sequence / n).read_bytes() for n in ("motion.yaml",)
        )
        numbers_same = all(
            (copy / n).read_text().split() == (args.sequence / n).read_text().split() for n in texts
        )
    print(f"\nround trip: arrays {'equal to the bit' if same else 'DIFFER'}; motion.yaml ", end="")
    print(f"{'byte for byte' if bytes_same else 'DIFFERS'}; other files' numbers ", end="")
    print("equal" if numbers_same else "DIFFER")
    print(
        f"visible points in front of the camera and in the mask: {visible_inside(sequence):.1%}, "
        f"with inverted poses {visible_inside(sequence, inverted=True):.1%}"
    )
    frames = [sequence.frame(int(number)) for number in sequence.frame_numbers[::3]]
    for count in (1, len(frames)):
        field = find_field(frames[:count])
        union = (field.mask | sequence.mask).sum()
        print(
            f"mask found in {count} frames: {field.shape}, intersection over union with the "
            f"published {(field.mask & sequence.mask).sum() / union:.3f}, "
            f"{(sequence.mask & ~field.mask).sum() / sequence.mask.sum():.2%} of it missed"
        )


if __name__ == "__main__":
    main()
