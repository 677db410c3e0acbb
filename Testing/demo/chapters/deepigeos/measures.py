"""What the chapter measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer

from DeepIGeoSModuleLib import scribbles
from DeepIGeoSModuleLib.livesession import LiveSession
from DeepIGeoSModuleLib.preview import preview_of
from DeepIGeoSModuleLib.writing import segment_masks
from demo.report import Number
from demo.scene import checked_scene
from meddl.core import Image
from meddl.deepigeos.methods import automatic

LEAST_DICE = {3: 0.6, 10: 0.8}  # after so many rounds


def quality(course: Any) -> list[Number]:
    """Dice of the last round, and the time of an update."""
    rounds = len(course.seconds)
    least = LEAST_DICE[rounds]
    rows = [
        Number(
            f"Dice of the {name} after {rounds} rounds (method {automatic()})",
            f"{values[-1]:.3f}",
            f"above {least}",
            values[-1] > least,
        )
        for name, values in course.dice.items()
    ]
    seconds = float(np.median(course.seconds))
    organs = len(course.dice)
    text = f"processor time for the strokes of one round on {organs} organs (median)"
    return [*rows, Number(text, f"{seconds:.2f} s", "below 10 s", seconds < 10)]


def seeds_hold(session: LiveSession, ct: Image) -> list[Number]:
    """Whether every voxel of a stroke has its label in the preview."""
    values = {name: number + 1 for name, number in session.numbers.items()}
    seeds = scribbles.seeds(session.segmentation, ct, values)
    found = np.ones_like(seeds)
    for name, mask in segment_masks(preview_of(session.segmentation), ct).items():
        found[mask] = values[name]
    marked = seeds > 0
    right, wanted = int((found == seeds)[marked].sum()), int(marked.sum())
    return [Number("voxels of strokes with their label", f"{right}", f"{wanted}", right == wanted)]


def apply_and_undo(session: LiveSession, ct: Image, names: list[str]) -> list[Number]:
    """Apply, undo and redo by the Segment Editor's history."""
    before = _sizes(session, ct, names)
    session.apply()
    after = _sizes(session, ct, names)
    session.editor.logic.Undo()
    undone = _sizes(session, ct, names)
    session.editor.logic.Redo()
    redone = _sizes(session, ct, names)
    return [
        Number(
            "voxels after Apply, one undo, one redo",
            f"{sum(after)}, {sum(undone)}, {sum(redone)}",
            f"{sum(after)}, {sum(before)}, {sum(after)}",
            undone == before and redone == after and sum(after) > 0,
        )
    ]


def _sizes(session: LiveSession, ct: Image, names: list[str]) -> list[int]:
    masks = segment_masks(session.segmentation, ct, names)
    return [int(masks[name].sum()) for name in names]


def scene_file(path: Path) -> list[Number]:
    """Write the scene and read it back: organs, what was wanted, and every stroke."""
    strokes = len(scribbles.strokes(slicer.util.getNode("Organs")))
    nodes, segments = checked_scene(path)
    found = sum("ground" in name for name, _color in segments)
    return [
        nodes,
        Number("strokes in the scene, read back", f"{found}", f"{strokes}", found == strokes),
    ]
