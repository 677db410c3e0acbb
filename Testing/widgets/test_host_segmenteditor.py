"""The host's slice views and segment editor: what Slicer refuses they refuse."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import shiboken6
import slicer
from vtk.util.numpy_support import vtk_to_numpy

import host
from host.layout import xy_of

SOURCE = """
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect

class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    def __init__(self, scriptedEffect):
        scriptedEffect.name = "Trial"
        super().__init__(scriptedEffect)
        self.seen, self.answer = [], True

    def clone(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects
        made = effects.qSlicerSegmentEditorScriptedEffect(None)
        made.setPythonSource(__file__)
        return made

    def setMRMLDefaults(self):
        self.scriptedEffect.setParameterDefault("Size", 2.5)

    def processInteractionEvents(self, callerInteractor, eventId, viewWidget):
        self.seen.append((eventId, tuple(callerInteractor.GetEventPosition())))
        return self.answer
"""


@pytest.fixture
def editor(scene: Any, tmp_path: Any) -> Any:
    """An editor with an effect of a few lines on a segmentation with one segment."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects

    folder = tmp_path / "TrialLib"
    folder.mkdir()
    path = folder / "SegmentEditorEffect.py"
    path.write_text(SOURCE)
    effect = effects.qSlicerSegmentEditorScriptedEffect(None)
    assert effect.setPythonSource(str(path))
    factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
    assert factory.registerEffect(effect)
    assert not factory.registerEffect(effect)  # a name once
    host.show_views()
    volume = slicer.util.addVolumeFromArray(np.zeros((10, 20, 30), np.int16))
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("one", "One")
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(scene)
    widget.setMRMLSegmentEditorNode(scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    widget.setSegmentationNode(segmentation)
    widget.setSourceVolumeNode(volume)
    widget.setCurrentSegmentID("one")
    yield widget
    widget.setActiveEffectByName("")
    widget.setMRMLSegmentEditorNode(None)
    shiboken6.delete(widget)
    host.hide_views()
    factory._effects.remove(effect)
    del sys.modules["TrialLib"]


def trial(editor: Any) -> Any:
    editor.setActiveEffectByName("Trial")
    return editor.effectByName("Trial")


def test_mouse_events_reach_the_active_effect_alone(editor: Any) -> None:
    view = slicer.app.layoutManager().sliceWidget("Red")
    effect = editor.effectByName("Trial")
    assert not host.drag(view, [(3, 4), (5, 6)]) and effect.self().seen == []
    trial(editor)
    assert host.drag(view, [(3, 4), (5, 6)])  # taken: the view does not see it
    assert [position for _event, position in effect.self().seen] == [(3, 4), (5, 6), (5, 6)]
    effect.self().answer = False
    assert not host.drag(view, [(3, 4)])
    editor.setActiveEffect(None)
    effect.self().seen.clear()
    host.drag(view, [(3, 4)])
    assert effect.self().seen == []


def test_an_answer_that_is_no_bool_is_an_error(editor: Any) -> None:
    trial(editor).self().answer = None
    host.drag(slicer.app.layoutManager().sliceWidget("Red"), [(3, 4)])
    assert "Slicer wants a bool" in host.errors()[0]
    host.clear()


def test_parameters_are_text_on_the_node(editor: Any) -> None:
    effect = trial(editor)
    node = editor.mrmlSegmentEditorNode()
    assert effect.doubleParameter("Size") == 2.5 and node.GetAttribute("Trial.Size") == "2.5"
    effect.setParameter("Size", 3)
    assert effect.integerParameter("Size") == 3
    with pytest.raises(LookupError, match="Other"):
        effect.parameter("Other")
    with pytest.raises(ValueError, match="str, int or float"):
        effect.setParameter("Size", True)


def test_what_slicer_has_not_is_refused(editor: Any) -> None:
    effect = trial(editor)
    with pytest.raises(AttributeError):
        effect.saveUndo()
    with pytest.raises(AttributeError):
        editor.setVolume(None)
    with pytest.raises(ValueError, match="does not exist"):
        editor.connect("volumeChanged()", lambda: None)
    with pytest.raises(AttributeError):
        slicer.app.layoutManager().sliceWidget("Red").slice()
    image = effect.defaultModifierLabelmap()
    with pytest.raises(ValueError, match="modification mode"):
        effect.modifySelectedSegmentByLabelmap(image, 7)
    with pytest.raises(ValueError, match="Invalid segment"):
        effect.modifySegmentByLabelmap(editor.segmentationNode(), "none", image, 1)


def test_editing_masking_and_undo_are_slicers(editor: Any) -> None:
    effect = trial(editor)

    def size() -> int:
        labelmap = effect.selectedSegmentLabelmap()
        scalars = labelmap.GetPointData().GetScalars()
        return 0 if scalars is None else int(vtk_to_numpy(scalars).sum())

    image = effect.defaultModifierLabelmap()
    vtk_to_numpy(image.GetPointData().GetScalars())[:100] = 1
    effect.saveStateForUndo()
    effect.modifySelectedSegmentByLabelmap(image, effect.ModificationModeAdd)
    assert size() == 100
    extent = [0, 29, 0, 0, 0, 0]
    effect.saveStateForUndo()
    effect.modifySelectedSegmentByLabelmap(image, effect.ModificationModeRemove, extent)
    assert size() == 70
    editor.undo()
    assert size() == 100
    editor.undo()
    assert size() == 0
    editor.redo()
    assert size() == 100


def test_views_know_where_a_pixel_lies(editor: Any) -> None:
    effect = trial(editor)
    for name, axis in (("Red", 2), ("Yellow", 0), ("Green", 1)):
        view = slicer.app.layoutManager().sliceWidget(name)
        view.mrmlSliceNode().JumpSliceByOffsetting(5, 6, 7)
        x, y = xy_of(view, (5, 6, 7))
        ras = effect.self().xyToRas([round(x), round(y)], view)
        assert ras[axis] == pytest.approx((5, 6, 7)[axis])
        assert np.linalg.norm(np.subtract(ras, (5, 6, 7))) < 1.0


def test_there_are_no_views_without_being_asked_for(scene: Any) -> None:
    assert slicer.app.layoutManager() is None
