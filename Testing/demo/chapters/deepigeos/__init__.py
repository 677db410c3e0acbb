"""DeepIGeoS: organs of the bundled CT, segmented by the strokes of a simulated user."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from DeepIGeoSModuleLib import preview, scribbles
from DeepIGeoSModuleLib.livesession import LiveSession
from DeepIGeoSModuleLib.writing import Editor, segment_masks
from demo.chapters import Context
from demo.chapters.deepigeos import drawings, measures
from demo.report import Chapter, Picture
from demo.scene import stage
from meddl.core import Image, read_image
from meddl.core.metrics import dice
from meddl.deepigeos import interactions
from SlicerMedDLLib import segmentation_from_labels, set_window, volume_from_image
from SlicerMedDLLib.segmentations import Segment, read_segments
from SlicerMedDLLib.tasks import SynchronousRunner

CT, LABELS, TABLE = (
    "abdomen_pelvis_ct.nii.gz",
    "abdomen_pelvis_labels.nii.gz",
    "abdomen_pelvis_labels.json",
)
ORGANS = ("liver", "spleen", "left kidney", "urinary bladder")
ROUNDS, FAST_ROUNDS, SEED = 10, 3, 0

TEXT = (
    "A simulated user scribbles on four organs of the bundled CT: in each round one stroke along "
    "the middle of the largest error of each organ. The module's session follows; the result is "
    "written through the rules of the Segment Editor."
)
CONSOLE = """\
logic = slicer.util.getModuleLogic("DeepIGeoSModule")
inside, outside = getNode("inside"), getNode("outside")  # point lists
segmentation = logic.segment(getNode("Abdomen CT"), inside, outside)"""
DATA = (
    f"{CT} and its label map: test files of TotalSegmentator (Wasserthal et al.), Apache-2.0. The "
    "labels, segmented by a model, are what the simulated user wants.",
)


@dataclass(eq=False)
class Course:
    """How the segmentation went.

    Attributes:
        dice: organ -> Dice after each round.
        seconds: processor time of each round's update.
        pictures: round -> picture of the slice.
    """

    dice: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    pictures: dict[int, Any] = field(default_factory=dict)


def run(context: Context) -> Chapter:
    """Load, scribble, measure, draw, write the scene; the scene stays for screenshots."""
    context.step(0.0, "reading the CT and its label map")
    ct, truth, volume, session = _load(context)
    course = _scribble(context, ct, truth, volume, session)
    context.step(0.7, "applying the preview, and undoing it")
    numbers = measures.quality(course)
    numbers += measures.seeds_hold(session, ct)
    numbers += measures.apply_and_undo(session, ct, list(ORGANS))
    pictures: list[Picture] = []
    if course.pictures:
        pictures.append(drawings.rounds(context.folder / "rounds.png", course.pictures))
        context.step(0.8, "3-D view")
        pictures.append(
            drawings.organs(context.folder / "organs.png", session.segmentation, context.scale)
        )
    pictures.append(drawings.curves(context.folder / "dice.png", course.dice))
    context.step(0.9, "writing the scene and reading it back")
    stage(volume, ct.center + np.array([0, 900, 0]), ct.center)
    numbers += measures.scene_file(context.folder / "deepigeos.mrb")
    context.step(1.0, "done")
    return Chapter(
        title="Interactive segmentation (DeepIGeoS)",
        text=TEXT,
        scene="deepigeos.mrb",
        pictures=pictures,
        numbers=numbers,
        commands={"Python console of Slicer": CONSOLE},
        data=DATA,
        missing=[context.problem] if context.problem else [],
    )


def _load(context: Context) -> tuple[Image, dict[str, NDArray[np.bool_]], Any, LiveSession]:
    """The CT, the wanted masks, the volume's node, and a session on empty segments."""
    ct, labels = read_image(context.data / CT), read_image(context.data / LABELS)
    table = {one.name: one for one in read_segments(context.data / TABLE)}
    truth = {name: np.asarray(labels.array == table[name].label) for name in ORGANS}
    volume = volume_from_image(ct, "Abdomen CT")
    set_window(volume, -160, 240)
    _show_truth(ct, truth, table)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name in ORGANS:
        segmentation.GetSegmentation().AddEmptySegment(name, name, table[name].color)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode", "Editor")
    node.SetAndObserveSegmentationNode(segmentation)
    node.SetAndObserveSourceVolumeNode(volume)
    session = LiveSession(segmentation, SynchronousRunner())
    session.editor = Editor(node)
    return ct, truth, volume, session


def _show_truth(ct: Image, truth: dict[str, NDArray[np.bool_]], table: dict[str, Segment]) -> None:
    """What is wanted, as white outlines."""
    labels = np.zeros(ct.array.shape, np.uint8)
    for number, mask in enumerate(truth.values(), start=1):
        labels[mask] = number
    entries = [
        Segment(number, f"wanted {name}", (1, 1, 1)) for number, name in enumerate(truth, start=1)
    ]
    node = segmentation_from_labels(Image(labels, ct.ras_from_ijk), entries, "Wanted")
    node.GetDisplayNode().SetVisibility2DFill(False)
    node.GetDisplayNode().SetVisibility3D(False)


def _scribble(
    context: Context,
    ct: Image,
    truth: dict[str, NDArray[np.bool_]],
    volume: Any,
    session: LiveSession,
) -> Course:
    """Draw the strokes of all rounds."""
    rng = np.random.default_rng(SEED)
    course = Course({name: [] for name in truth})
    found = {name: np.zeros_like(mask) for name, mask in truth.items()}
    through = None
    rounds = ROUNDS if context.scale == 1 else FAST_ROUNDS
    for number in range(1, rounds + 1):
        context.step(0.05 + 0.6 * (number - 1) / rounds, f"round {number} of {rounds}")
        for name, wanted in truth.items():
            inside, outside = interactions.scribbles(found[name], wanted, ct.spacing[::-1], rng)
            _draw(session, name, inside, outside, truth)
            if through is None:
                through = drawings.middle(ct, inside)
        started = time.process_time()  # of all threads: the machine may have other work
        session.update()
        course.seconds.append(time.process_time() - started)
        shown = preview.preview_of(session.segmentation)
        found = segment_masks(shown, ct)
        for name, wanted in truth.items():
            course.dice[name].append(dice(found[name], wanted))
        if context.problem is None and number in (1, 3, rounds):
            size = (700 // context.scale, 620 // context.scale)
            course.pictures[number] = drawings.slice_picture(volume, size, through)
    return course


def _draw(
    session: LiveSession,
    name: str,
    inside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    truth: dict[str, NDArray[np.bool_]],
) -> None:
    """Store the strokes; what lies in another organ is marked as that organ."""
    rest = outside.copy()
    for other, wanted in truth.items():
        part = inside if other == name else outside & wanted
        rest &= ~wanted
        if part.any():
            session.add_stroke(np.argwhere(part)[:, ::-1], scribbles.FOREGROUND, other)
    if rest.any():
        session.add_stroke(np.argwhere(rest)[:, ::-1], scribbles.BACKGROUND, "")
