"""Stand-in of the segment editor: its panel, its effects and what it observes in the views.

Editing, masking, undo and redo are those of Slicer's own vtkSlicerSegmentEditorLogic.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .properties import computed, stored
from .qmrml_nodes import Observers
from .qmrml_segments import segments_of
from .scriptedeffects import qSlicerSegmentEditorEffectFactory
from .segmenteditorpanel import SegmentEditorPanel

VIEW_EVENTS = (
    *(
        f"{button}Button{action}Event"
        for button in ("Left", "Right", "Middle")
        for action in ("Press", "Release", "DoubleClick")
    ),
    "MouseMoveEvent",
    *(f"MouseWheel{side}Event" for side in ("Forward", "Backward", "Left", "Right")),
    "KeyPressEvent",
    "KeyReleaseEvent",
    "EnterEvent",
    "LeaveEvent",
)
# In the order of vtkMRMLSegmentationNode's modes.
_MASKS = (
    "Everywhere",
    "Inside all segments",
    "Inside all visible segments",
    "Outside all segments",
    "Outside all visible segments",
)
UNDO_STATES = 10


@standin("slicer")
class qMRMLSegmentEditorWidget(SegmentEditorPanel):
    """Segmentation, source volume, segments, effects with their options, undo, masking."""

    currentSegmentIDChanged = QtCore.Signal(str)
    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMaximumNumberOfUndoStates(UNDO_STATES)
        self._node: Any = None
        self._shown: Any = None
        self._volume: Any = None
        self._effects: list[Any] = []
        self._active: Any = None
        self._last_active: Any = None
        self._order: list[str] = []
        self._buttons: dict[str, QtWidgets.QToolButton] = {}
        self._shortcuts: list[QtGui.QShortcut] = []
        self._view_tags: list[tuple[Any, int]] = []
        self._observers, self._scene_observers = Observers(self), Observers(self)
        self._updating = False
        self._build()
        self.updateEffectList()

    readOnly = stored("readOnly", bool, False, "updateWidgetFromMRML")
    maskingSectionVisible = stored("maskingSectionVisible", bool, True, "updateWidgetFromMRML")
    autoShowSourceVolumeNode = stored("autoShowSourceVolumeNode", bool, True)
    unorderedEffectsVisible = stored("unorderedEffectsVisible", bool, True, "updateEffectList")
    effectColumnCount = stored("effectColumnCount", int, 2, "updateEffectList")
    undoEnabled = computed(
        bool,
        lambda self: self._logic.GetMaximumNumberOfUndoStates() > 0,
        lambda self, on: self._logic.SetMaximumNumberOfUndoStates(UNDO_STATES if on else 0),
    )
    maximumNumberOfUndoStates = computed(
        int,
        lambda self: self._logic.GetMaximumNumberOfUndoStates(),
        lambda self, count: self._logic.SetMaximumNumberOfUndoStates(count),
    )

    def _set_row(self, row: int, visible: bool) -> None:
        self._rows[row].setVisible(visible)
        (self._segmentations, self._volumes)[row].setVisible(visible)

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        self._set_row(0, visible)

    def setSourceVolumeNodeSelectorVisible(self, visible: bool) -> None:
        self._set_row(1, visible)

    segmentationNodeSelectorVisible = computed(
        bool, lambda self: not self._rows[0].isHidden(), setSegmentationNodeSelectorVisible
    )
    sourceVolumeNodeSelectorVisible = computed(
        bool, lambda self: not self._rows[1].isHidden(), setSourceVolumeNodeSelectorVisible
    )
    switchToSegmentationsButtonVisible = stored("switchToSegmentationsButtonVisible", bool, True)

    def setSwitchToSegmentationsButtonVisible(self, visible: bool) -> None:
        self.switchToSegmentationsButtonVisible = visible

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        self._logic.SetMaximumNumberOfUndoStates(count)

    def setReadOnly(self, read_only: bool) -> None:
        self.readOnly = read_only

    # scene and nodes

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self.mrmlScene():
            return
        super().setMRMLScene(scene)
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(scene)
        for child in (self._segmentations, self._volumes, self._table):
            blocked = child.blockSignals(True)
            child.setMRMLScene(scene)
            child.blockSignals(blocked)
        self._scene_observers.clear()
        if scene is not None:
            self._scene_observers.add(scene, scene.EndCloseEvent, "_on_scene_closed")
            self._scene_observers.add(scene, scene.EndBatchProcessEvent, "updateWidgetFromMRML")
        self.updateWidgetFromMRML()

    def _on_scene_closed(self) -> None:
        self._give_node_to_effects()
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is self._node:
            return
        self._observers.clear()
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        if node is None:
            return
        self._observers.add(node, "ModifiedEvent", "updateWidgetFromMRML")
        self._observers.add(node, node.EffectParameterModified, "_on_effect_parameter")
        self._give_node_to_effects()
        self.updateWidgetFromMRML()

    def _give_node_to_effects(self) -> None:
        if self._node is None:
            return
        modifying = self._node.StartModify()
        for effect in self._effects:
            effect.setParameterSetNode(self._node)
            effect._call("setMRMLDefaults")
        self._node.EndModify(modifying)

    def _on_effect_parameter(self) -> None:
        for effect in self._effects:
            effect.updateGUIFromMRML()

    def segmentationNode(self) -> Any:
        return self._logic.GetSegmentationNode()

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is not None and not self._updating:
            self._node.SetAndObserveSegmentationNode(node)

    def segmentationNodeID(self) -> str:
        node = self.segmentationNode()
        return node.GetID() if node is not None else ""

    def sourceVolumeNode(self) -> Any:
        return self._logic.GetSourceVolumeNode()

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is not None and not self._updating:
            self._logic.SetSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return self._logic.GetCurrentSegmentID()

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment_id)

    def onAddSegment(self) -> None:
        if self._logic.CanAddSegments():
            self._logic.AddEmptySegment()

    def onRemoveSegment(self) -> None:
        self._logic.RemoveSelectedSegment()

    def _on_selection_changed(self) -> None:
        if self._node is None or self._updating:
            return
        chosen = next(iter(self._table.selectedSegmentIDs()), "")
        if chosen != (self._node.GetSelectedSegmentID() or ""):
            self._node.SetSelectedSegmentID(chosen or None)
            self.currentSegmentIDChanged.emit(chosen)

    # following the parameter node

    def updateWidgetFromMRML(self) -> None:
        scene = self.mrmlScene()
        if scene is None or scene.IsClosing() or scene.IsBatchProcessing() or self._updating:
            return
        self._updating = True
        modifying = self._node.StartModify() if self._node is not None else 0
        try:
            self._follow_segmentation()
            self._follow_volume()
            self._follow_masking()
        finally:
            self._updating = False
            if self._node is not None:
                self._node.EndModify(modifying)
        self._follow_effect()
        self._undo.setEnabled(not self.readOnly and self._logic.CanUndo())
        self._redo.setEnabled(not self.readOnly and self._logic.CanRedo())

    def _follow_segmentation(self) -> None:
        node = self.segmentationNode()
        self._segmentations.setCurrentNode(node)
        if node is not self._shown:
            self._shown = node
            self._table.setSegmentationNode(node)
            self._show3d.setSegmentationNode(node)
            if node is not None:
                node.CreateDefaultDisplayNodes()
                if not self.sourceVolumeNode():
                    role = node.GetReferenceImageGeometryReferenceRole()
                    self._logic.SetSourceVolumeNode(node.GetNodeReference(role))
                if segments_of(node):
                    self._node.SetSelectedSegmentID(segments_of(node)[0][0])
            self.segmentationNodeChanged.emit(node)
        chosen = self.currentSegmentID()
        known = [entry[0] for entry in segments_of(node)]
        self._table.setSelectedSegmentIDs([chosen] if chosen in known else [])
        self._add.setEnabled(self._logic.CanAddSegments() and not self.readOnly)
        self._remove.setEnabled(chosen in known and not self.readOnly)

    def _follow_volume(self) -> None:
        volume = self.sourceVolumeNode() if self.segmentationNode() is not None else None
        self._volumes.setCurrentNode(volume)
        if volume is not self._volume:
            self._volume = volume
            self.sourceVolumeNodeChanged.emit(volume)
            for effect in self._effects:
                effect._call("sourceVolumeNodeChanged")

    def _follow_masking(self) -> None:
        wanted = [(name, "") for name in _MASKS]
        wanted += [(f"Inside {name}", key) for key, name, _ in segments_of(self._shown)]
        self._mask.clear()
        for name, key in wanted:
            self._mask.addItem(name, key)
        if self._node is None:
            return
        mode = self._node.GetMaskMode()
        if mode == slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment:
            mode = self._mask.findData(self._node.GetMaskSegmentID())
        self._mask.setCurrentIndex(mode)
        self._overwrite.setCurrentIndex(self._node.GetOverwriteMode())

    def onMaskModeChanged(self, index: int) -> None:
        if self._node is None or self._updating or index < 0:
            return
        single = slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
        self._node.SetMaskSegmentID(self._mask.itemData(index) or None)
        self._node.SetMaskMode(min(index, single))

    def onOverwriteModeChanged(self, index: int) -> None:
        if self._node is not None and not self._updating:
            self._node.SetOverwriteMode(index)

    # effects

    def updateEffectList(self) -> None:
        known = [effect.name for effect in self._effects]
        for pattern in qSlicerSegmentEditorEffectFactory.instance().registeredEffects():
            if pattern.name not in known:
                self._take(pattern._clone())
        grid = self._effect_box.layout()
        for button in self._buttons.values():
            button.hide()
            grid.removeWidget(button)
        names = [name for name in self._order if name in self.availableEffectNames()]
        if self.unorderedEffectsVisible:
            names += [name for name in self.availableEffectNames() if name not in names]
        for number, name in enumerate(names):
            grid.addWidget(self._buttons[name], *divmod(number, self.effectColumnCount))
            self._buttons[name].show()

    def _take(self, effect: Any) -> None:
        effect._editor = self
        if self._node is not None:
            effect.setParameterSetNode(self._node)
            effect._call("setMRMLDefaults")
        button = QtWidgets.QToolButton()
        button.setText(effect.title)
        button.setIcon(effect._icon())
        button.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
        button.setCheckable(True)
        button.connect("clicked()", lambda: self.setActiveEffect(effect))
        self._buttons[effect.name] = button
        effect._call("setupOptionsFrame")
        effect.optionsFrame().setVisible(False)
        self._options.addWidget(effect.optionsFrame())
        self._effects.append(effect)

    def availableEffectNames(self) -> tuple[str, ...]:
        return tuple(effect.name for effect in self._effects)

    def effectCount(self) -> int:
        return len(self._effects)

    def effectNameOrder(self) -> tuple[str, ...]:
        return tuple(self._order)

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self.updateEffectList()

    def effectByName(self, name: str) -> Any:
        return next((effect for effect in self._effects if effect.name == name), None)

    def activeEffect(self) -> Any:
        return self._active

    def setActiveEffect(self, effect: Any) -> None:
        if self._node is not None:
            self._node.SetActiveEffectName(effect.name if effect is not None else "")

    def setActiveEffectByName(self, name: str) -> None:
        self.setActiveEffect(self.effectByName(name))

    def _follow_effect(self) -> None:
        if self._node is None:
            return
        ready = self._node.GetSourceVolumeNode() is not None and not self.readOnly
        self._effect_box.setEnabled(ready)
        self._options_box.setEnabled(ready)
        count = len(segments_of(self._shown))
        for effect in self._effects:
            has = count > 0 and (bool(self.currentSegmentID()) or not effect.perSegment)
            self._buttons[effect.name].setEnabled(not effect.requireSegments or has)
        effect = self.effectByName(self._node.GetActiveEffectName() or "")
        if effect is self._active:
            return
        if self._active is not None:
            self._active.deactivate()
        if effect is not None and not self._logic.TrivialSetSourceRepresentationToBinaryLabelmap():
            effect = None
        if effect is not None:
            self.setupViewObservations()
            effect.activate()
            self._options_box.setTitle(effect.title)
            self._help.setText(effect.helpText())
        else:
            self.removeViewObservations()
        self._options_box.setVisible(effect is not None)
        self._masking_box.setVisible(effect is not None and self.maskingSectionVisible)
        for name, button in self._buttons.items():
            button.setChecked(effect is not None and name == effect.name)
        self._set_cursor(effect)
        self._last_active, self._active = self._active, effect

    def _set_cursor(self, effect: Any) -> None:
        layout = slicer.app.layoutManager()
        for name in layout.sliceViewNames() if layout is not None else ():
            widget = layout.sliceWidget(name)
            shown = effect is not None and effect.showEffectCursorInSliceView
            cursor = effect.createCursor(widget) if shown else QtGui.QCursor()
            widget.sliceView().setViewCursor(cursor)
            widget.sliceView().setDefaultViewCursor(cursor)

    # undo

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()
        self.updateWidgetFromMRML()

    def undo(self) -> None:
        self._logic.Undo()
        self.updateWidgetFromMRML()

    def redo(self) -> None:
        self._logic.Redo()
        self.updateWidgetFromMRML()

    # views

    def setupViewObservations(self) -> None:
        self.removeViewObservations()
        layout = slicer.app.layoutManager()
        for name in layout.sliceViewNames() if layout is not None else ():
            widget = layout.sliceWidget(name)
            if self._logic.IsSegmentationDisplayableInView(widget.mrmlSliceNode()):
                self._observe(widget)

    def _observe(self, widget: Any) -> None:
        interactor, tags = widget.sliceView().interactor(), {}

        def on_interaction(caller: Any, name: str) -> None:
            effect, scene = self._active, self.mrmlScene()
            if effect is None or scene is None or scene.IsClosing():
                return
            event = vtk.vtkCommand.GetEventIdFromString(name)
            if effect._interaction(caller, event, widget):
                interactor.GetCommand(tags[name]).SetAbortFlag(1)

        def on_view_node(caller: Any, name: str) -> None:
            if self._active is not None:
                event = vtk.vtkCommand.GetEventIdFromString(name)
                self._active._call("processViewNodeEvents", caller, event, widget)

        for name in VIEW_EVENTS:
            tags[name] = interactor.AddObserver(name, on_interaction, 1.0)
            self._view_tags.append((interactor, tags[name]))
        node = widget.mrmlSliceNode()
        self._view_tags.append((node, node.AddObserver("ModifiedEvent", on_view_node, 1.0)))

    def removeViewObservations(self) -> None:
        for subject, tag in self._view_tags:
            subject.RemoveObserver(tag)
        self._view_tags.clear()

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        """Slicer's keys for undo and redo."""
        self.uninstallKeyboardShortcuts()
        for key, act in (("Z", self.undo), ("Y", self.redo)):
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), parent or self)
            shortcut.connect("activated()", act)
            self._shortcuts.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts.clear()
