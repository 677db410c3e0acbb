"""Section *Segments*: Slicer's Segment Editor with the effect DeepIGeoS alone."""

from __future__ import annotations

from typing import Any

import slicer

from SlicerMedDLLib.section import Section

EFFECT = "DeepIGeoS"


class EditorSection(Section):
    """The embedded editor: its nodes are those of the panel, its effect is on while it is seen."""

    button = "segmentsButton"

    def connect(self) -> None:
        """Make the editor."""
        self.editor = slicer.qMRMLSegmentEditorWidget()
        self.editor.setMRMLScene(slicer.mrmlScene)
        self.editor.setSegmentationNodeSelectorVisible(False)
        self.editor.setSourceVolumeNodeSelectorVisible(False)
        self.editor.setSwitchToSegmentationsButtonVisible(False)
        self.editor.setEffectNameOrder([EFFECT])
        self.editor.unorderedEffectsVisible = False
        self.ui.segmentsButton.layout().addWidget(self.editor)

    @property
    def effect(self) -> Any:
        """The effect's Python object; None where it is not registered."""
        effect = self.editor.effectByName(EFFECT)
        return effect.self() if effect is not None else None

    def bind(self) -> None:
        """The editor's node comes from the scene."""
        self.editor.setMRMLSegmentEditorNode(self.logic.editorNode())

    def follow(self) -> None:
        """Edit what is chosen above."""
        node = self.node
        if self.editor.mrmlSegmentEditorNode() is None:
            return
        self.editor.updateEffectList()  # the effect may have been registered since
        self.editor.setSegmentationNode(node.segmentation)
        self.editor.setSourceVolumeNode(node.volume)
        ready = node.segmentation is not None and node.volume is not None
        wanted = EFFECT if ready and not self.ui.segmentsButton.collapsed else ""
        active = self.editor.activeEffect()
        if wanted != (active.name if active is not None else ""):
            self.editor.setActiveEffectByName(wanted)

    def onCollapsed(self, collapsed: bool) -> None:
        """Without the section the mouse is Slicer's again."""
        if self.node is not None:
            self.follow()

    def leave(self) -> None:
        """The panel is left."""
        self.editor.setActiveEffectByName("")
        self.editor.setMRMLSegmentEditorNode(None)
