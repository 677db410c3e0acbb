"""A Segment Editor with the effect DeepIGeoS on a phantom, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shiboken6
from numpy.typing import NDArray

import host
from host.layout import xy_of
from meddl.core.image import Image
from waiting import until

ROOT = Path(__file__).resolve().parents[2]
METHOD = "nearest mean"
INSIDE, OUTSIDE = 100.0, 20.0
SHAPE = (20, 36, 40)
IN_BALL, AROUND = ((14, 18, 10), (18, 18, 10)), ((3, 3, 10), (30, 3, 10))  # strokes, ijk


class NearestMean:
    """Voxels whose value is nearer to that of the foreground seeds; for tests only."""

    uses_previous = False

    def __init__(self, image: NDArray[np.float32], spacing: Any, **_: Any) -> None:
        self._values = image[..., 0]

    def __call__(self, seeds: Any, previous: Any = None, progress: Any = None, cancel: Any = None):
        inside = self._values[seeds == 2].mean()
        outside = self._values[seeds == 1].mean() if (seeds == 1).any() else self._values.min()
        nearer = np.abs(self._values - inside) < np.abs(self._values - outside)
        if cancel is not None:
            cancel.check()
        return nearer.astype(np.float32)


def ball(shape: tuple[int, int, int], center: Any, radius: float) -> NDArray[np.bool_]:
    """A ball in voxels (k, j, i)."""
    grid = np.indices(shape).astype(float)
    return ((grid - np.reshape(center, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2


@dataclass
class Editing:
    """What a test works with."""

    editor: Any
    node: Any
    volume: Any
    segmentation: Any
    truth: NDArray[np.bool_]
    layout: Any

    @property
    def effect(self) -> Any:
        """The Python object of the effect."""
        return self.editor.effectByName("DeepIGeoS").self()

    @property
    def session(self) -> Any:
        """The live session."""
        return self.effect.panel.session

    @property
    def ui(self) -> Any:
        """The widgets of the options."""
        return self.effect.panel.ui

    def view(self, name: str = "Red") -> Any:
        """A slice widget."""
        return self.layout.sliceWidget(name)

    def ras(self, ijk: Any) -> NDArray[np.float64]:
        """World position of a voxel of the volume."""
        from SlicerMedDLLib.volumes import view_of_volume

        return (view_of_volume(self.volume).ras_from_ijk @ [*ijk, 1])[:3]

    def stroke(self, *ijk: Any, name: str = "Red", button: str = "left", **modifiers: bool) -> bool:
        """Go to the slice of the first voxel and draw through the voxels; one is a click."""
        view, way = self.view(name), [self.ras(voxel) for voxel in ijk]
        node = view.mrmlSliceNode()
        node.JumpSliceByOffsetting(*way[0])
        return host.drag(view, [xy_of(view, point) for point in way], button, **modifiers)

    def wait(self) -> None:
        """Until the preview has followed."""
        import slicer

        slicer.app.processEvents()
        until(lambda: not self.effect.panel._timer.isActive(), 10)
        until(lambda: not self.session.runner.busy, 20)

    def drawn(self) -> list[tuple[str, str]]:
        """Kind and segment of each stroke."""
        from DeepIGeoSModuleLib import scribbles

        return [(one.kind, one.segment) for one in scribbles.strokes(self.segmentation)]

    def apply_stroke(self) -> NDArray[np.bool_]:
        """Draw in the ball and apply the preview."""
        self.stroke(*IN_BALL)
        self.wait()
        self.ui.applyButton.click()
        return self.mask()

    def mask(self, segment: str = "organ", node: Any = None) -> NDArray[np.bool_]:
        """A segment on the voxels of the volume."""
        from DeepIGeoSModuleLib.writing import segment_masks
        from SlicerMedDLLib.volumes import image_from_volume

        node = node or self.segmentation
        return segment_masks(node, image_from_volume(self.volume), [segment])[segment]

    def preview(self, segment: str = "organ") -> NDArray[np.bool_]:
        """The preview of a segment."""
        from DeepIGeoSModuleLib.preview import preview_of

        return self.mask(segment, preview_of(self.segmentation))


def add_segment(segmentation: Any, name: str, mask: NDArray[np.bool_] | None, volume: Any) -> None:
    """An empty segment, or one with these voxels of the volume."""
    import slicer

    segmentation.GetSegmentation().AddEmptySegment(name, name, [0.2, 0.5, 1.0])
    if mask is not None:
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, name, volume
        )


def phantom(ras_from_ijk: Any = None) -> tuple[Image, NDArray[np.bool_]]:
    """A ball in noise, and its mask."""
    truth = ball(SHAPE, (10, 18, 16), 7)
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    values = np.where(truth, INSIDE, OUTSIDE) + noise
    matrix = np.diag([-1.0, -1.0, 2.0, 1.0]) if ras_from_ijk is None else ras_from_ijk
    return Image(values.astype(np.float32), matrix), truth


@pytest.fixture
def work(scene: Any) -> Iterator[Editing]:
    """The effect on the phantom."""
    with editing() as found:
        yield found


@contextmanager
def editing(ras_from_ijk: Any = None, transform: Any = None) -> Iterator[Editing]:
    """The effect is active on an empty segment "organ"; views are there."""
    host.start()
    import slicer

    from meddl.deepigeos.methods import METHODS
    from SlicerMedDLLib.volumes import volume_from_image

    METHODS[METHOD] = NearestMean
    layout = host.show_views()
    registered = slicer.qSlicerSegmentEditorEffectFactory.instance().registeredEffects()
    if not any(effect.name == "DeepIGeoS" for effect in registered):
        if not hasattr(slicer.modules, "segmenteditordeepigeos"):
            host.load_module(ROOT / "DeepIGeoSModule" / "SegmentEditorDeepIGeoS.py")
        host.finish_startup()
    image, truth = phantom(ras_from_ijk)
    volume = volume_from_image(image, "CT")
    if transform is not None:
        volume.SetAndObserveTransformNodeID(transform.GetID())
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    segmentation.CreateDefaultDisplayNodes()
    if transform is not None:
        segmentation.SetAndObserveTransformNodeID(transform.GetID())
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.SetAttribute("MedDL.DeepIGeoS.Method", METHOD)
    add_segment(segmentation, "organ", None, volume)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(slicer.mrmlScene)
    editor.setMRMLSegmentEditorNode(node)
    editor.setSegmentationNode(segmentation)
    editor.setSourceVolumeNode(volume)
    editor.setCurrentSegmentID("organ")
    for name in layout.sliceViewNames():
        logic = layout.sliceWidget(name).sliceLogic()
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        if ras_from_ijk is not None:
            logic.RotateSliceToLowestVolumeAxes()
        layout.sliceWidget(name).fitSliceToBackground()
    editor.setActiveEffectByName("DeepIGeoS")
    found = Editing(editor, node, volume, segmentation, truth, layout)
    try:
        yield found
    finally:
        if editor.activeEffect() is not None:
            editor.setActiveEffect(None)
        editor.setMRMLSegmentEditorNode(None)
        editor.removeViewObservations()
        shiboken6.delete(editor)  # its selectors would follow the scene through all later tests
        host.hide_views()
        METHODS.pop(METHOD, None)
