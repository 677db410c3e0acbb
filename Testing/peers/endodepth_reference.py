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
from reproduction.report import Report, add_output

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
    counts = f"{len(sequence.frame_numbers)}, {len(sequence.points)}"
    yield "frames, points", "35, 570", counts
    yield "frame, rows and columns", "1080, 1920", "{}, {}".format(*sequence.size)
    slices = f"{full.rows.start}:{full.rows.stop}, {full.columns.start}:{full.columns.stop}"
    yield "crop, rows and columns", "11:267, 88:408", slices
    camera = ", ".join(f"{crop[at]:.7g}" for at in ((0, 0), (0, 2), (1, 2)))
    yield "fx = fy, cx, cy of the crop", "169.2928, 130.0317, 106.9795", camera
    yield "global scale", "3.8563907", f"{full.scale:.7f}"
    yield "points after the contamination filter", 564, len(full.points)
    per_view = f"{seen.min()}, {seen.mean():.0f}, {seen.max()}"
    yield "points per view, fewest, mean, most", "97, 188, 244", per_view
    yield "views per point, mean", "11.55", f"{sequence.visibility.sum(0).mean():.2f}"
    depths_here = f"{depth.min():.3f}, {np.median(depth):.3f}, {depth.max():.3f}"
    yield "depth, least, median, largest", "1.055, 1.545, 3.081", depths_here
    yield "first to last camera", "0.2966", f"{np.linalg.norm(path[0] - path[-1]):.4f}"
    yield "mask, part of the crop", "0.593", f"{full.mask.mean():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sequence", type=Path, metavar="SEQUENCE_DIR")
    add_output(parser)
    args = parser.parse_args()
    sequence = read_sequence(args.sequence)
    with Report(args.output) as report:
        report.table("endodepth_reference", ("what", "expected", "here"), rows(sequence))
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
