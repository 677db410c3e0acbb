"""Following nodes of the scene, also those that a loaded scene brings."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin


class Follower(VTKObservationMixin):
    """Calls :meth:`changed` for each change of the nodes that it follows.

    Attributes:
        events: that are changes.
    """

    events: tuple[int, ...] = (vtk.vtkCommand.ModifiedEvent,)

    def __init__(self) -> None:
        super().__init__()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.EndImportEvent, self._on_import)
        self.addObserver(scene, scene.EndCloseEvent, self._on_close)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._on_removed)
        self._on_import()

    def follow(self, node: Any) -> None:
        """Follow a node from now on."""
        for event in self.events:
            if not self.hasObserver(node, event, self._on_modified):
                self.addObserver(node, event, self._on_modified)

    def follows(self, node: Any) -> bool:
        """Whether a node is followed."""
        return bool(self.hasObserver(node, self.events[0], self._on_modified))

    def unfollow(self, node: Any) -> None:
        """Follow a node no longer."""
        for event in self.events:
            if self.hasObserver(node, event, self._on_modified):
                self.removeObserver(node, event, self._on_modified)

    # What a subclass defines

    def arrived(self) -> None:
        """A scene was loaded, or the follower made: follow what there is."""

    def changed(self, node: Any) -> None:
        """A node that is followed was modified."""
        raise NotImplementedError

    def removed(self, node: Any) -> None:
        """A node that is followed leaves the scene."""

    def closed(self) -> None:
        """The scene is closed: forget everything."""

    def _on_modified(self, node: Any, event: Any) -> None:
        self.changed(node)

    def _on_import(self, caller: Any = None, event: Any = None) -> None:
        self.arrived()

    def _on_close(self, caller: Any, event: Any) -> None:
        self.closed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, caller: Any, event: Any, node: Any) -> None:
        if node is not None and self.follows(node):
            self.unfollow(node)
            self.removed(node)
