"""Stand-ins of MRML node selectors: real combo boxes that list the nodes of the scene."""

from __future__ import annotations

import weakref
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .ctk_values import row
from .properties import computed, delegated, stored

_SCENE_EVENTS = {
    "NodeAddedEvent": "_look_at_new_nodes",
    "NodeRemovedEvent": "_refresh",
    "EndBatchProcessEvent": "_refresh",
    "EndCloseEvent": "_refresh",
    "EndImportEvent": "_refresh",
}


def _root(item: QtCore.QObject) -> QtCore.QObject:
    """The outermost parent of an object."""
    while (parent := QtCore.QObject.parent(item)) is not None:
        item = parent
    return item


class Observers:
    """VTK observers of a widget, which end with the widget and keep nothing alive."""

    def __init__(self, owner: QtCore.QObject):
        self._owner = weakref.ref(owner)
        self._tags: list[tuple[Any, int]] = []

    def add(self, subject: Any, event: Any, method: str) -> None:
        """Call a method of the owner, without arguments, on an event of the subject."""
        owner = self._owner

        def call(caller: Any, name: str) -> None:
            widget = owner()
            if widget is not None and shiboken6.isValid(widget):
                # Only a panel's own reference keeps its children: without this one, a garbage
                # collection in the midst of the call deletes a panel that was let go, and both.
                root = _root(widget)
                getattr(widget, method)()
                del root

        self._tags.append((subject, subject.AddObserver(event, call)))

    def clear(self) -> None:
        """Remove all observers."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()


@standin("slicer")
class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene."""

    mrmlSceneChanged = QtCore.Signal(object)
    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


@standin("slicer")
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of `nodeTypes`, follows the scene, creates, renames and deletes nodes."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    currentNodeRenamed = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: Any = None
        self._current: Any = None
        self._requested: Any = None
        self._nodes: list[Any] = []
        self._seen = 0  # nodes of the scene that were looked at; new ones come last
        self._attributes: dict[tuple[str, str], str | None] = {}
        self._labels: dict[str, str] = {}
        self._scene_observers, self._node_observers = Observers(self), Observers(self)
        self._combo = self._make_combo()
        row(self, self._combo)
        self._combo.connect("activated(int)", self._on_activated)
        self._refresh()

    def _make_combo(self) -> QtWidgets.QComboBox:
        combo = QtWidgets.QComboBox()
        combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        return combo

    # properties
    addEnabled = stored("addEnabled", bool, True, "_refresh")
    removeEnabled = stored("removeEnabled", bool, True, "_refresh")
    renameEnabled = stored("renameEnabled", bool, False, "_refresh")
    editEnabled = stored("editEnabled", bool, False)
    noneEnabled = stored("noneEnabled", bool, False, "_refresh")
    noneDisplay = stored("noneDisplay", str, "None", "_refresh")
    nodeTypes = stored("nodeTypes", "QStringList", [], "_refresh")
    hideChildNodeTypes = stored("hideChildNodeTypes", "QStringList", [], "_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, "_refresh")
    showHidden = stored("showHidden", bool, False, "_refresh")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, False)
    baseName = stored("baseName", str, "")
    sizeAdjustPolicy = delegated("sizeAdjustPolicy", int, "_combo")
    currentNodeID = currentNodeId = computed(
        str,
        lambda self: self._current.GetID() if self._current else "",
        lambda self, node_id: self.setCurrentNodeID(node_id),
    )

    # scene
    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._scene_observers.clear()
        self._scene = scene
        if scene is not None:
            for event, method in _SCENE_EVENTS.items():
                self._scene_observers.add(scene, getattr(scene, event), method)
        wanted, self._requested = self._requested, None
        self._refresh()
        if wanted is not None:
            self.setCurrentNode(wanted)

    def mrmlScene(self) -> Any:
        return self._scene

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        self._attributes[node_type, name] = value
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes.pop((node_type, name), None)
        self._refresh()

    def _accepts(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(hidden) for hidden in self.hideChildNodeTypes):
            return False
        matching = [
            kind
            for kind in self.nodeTypes
            if node.GetClassName() == kind or (self.showChildNodeTypes and node.IsA(kind))
        ]
        wanted = [(item, value) for item, value in self._attributes.items() if item[0] in matching]
        return bool(matching) and all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for (_, name), value in wanted
        )

    def _look_at_new_nodes(self) -> None:
        """As Slicer's model does: a scene of many nodes would make each new one slow otherwise."""
        scene, seen = self._scene, self._seen
        if scene.IsBatchProcessing():
            return
        self._seen = scene.GetNumberOfNodes()
        if any(self._accepts(scene.GetNthNode(index)) for index in range(seen, self._seen)):
            self._refresh()

    def _refresh(self) -> None:
        """List the scene's nodes anew; the selection stays if its node is still listed."""
        scene = self._scene
        if "_combo" not in self.__dict__ or (scene is not None and scene.IsBatchProcessing()):
            return
        self._seen = scene.GetNumberOfNodes() if scene else 0
        nodes = [scene.GetNthNode(index) for index in range(self._seen)]
        before, self._nodes = self._nodes, [node for node in nodes if self._accepts(node)]
        self._node_observers.clear()
        for node in self._nodes:
            self._node_observers.add(node, "ModifiedEvent", "_update_names")
        self._fill()
        for node in self._nodes:
            if node not in before:
                self.nodeAdded.emit(node)
        if self._current in self._nodes:
            self._select(self._current)
        else:
            self._select(None if self.noneEnabled or not self._nodes else self._nodes[0])

    def _entries(self) -> list[tuple[str, Any]]:
        """(text, node or None or method name) of each entry; "" is a separator."""
        entries: list[tuple[str, Any]] = [(self.noneDisplay, None)] if self.noneEnabled else []
        entries += [(node.GetName() or "", node) for node in self._nodes]
        actions: list[tuple[str, Any]] = []
        if self.addEnabled:
            actions += [(f"Create new {self.nodeTypeLabel(kind)}", kind) for kind in self.nodeTypes]
        if self.renameEnabled:
            actions.append(("Rename current node", "renameCurrentNode"))
        if self.removeEnabled:
            actions.append(("Delete current node", "removeCurrentNode"))
        return entries + ([("", None)] if actions and entries else []) + actions

    def _fill(self) -> None:
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        for text, target in self._entries():
            if text or target is not None:
                self._combo.addItem(text)
            else:
                self._combo.insertSeparator(self._combo.count)
        self._combo.setCurrentIndex(-1)
        self._combo.blockSignals(blocked)

    def _update_names(self) -> None:
        offset = 1 if self.noneEnabled else 0
        for index, node in enumerate(self._nodes):
            name = node.GetName() or ""
            if self._combo.itemText(index + offset) != name:
                self._combo.setItemText(index + offset, name)
                if node is self._current:
                    self.currentNodeRenamed.emit(name)

    def _select(self, node: Any) -> None:
        offset = 1 if self.noneEnabled else 0
        empty = 0 if self.noneEnabled else -1
        self._combo.setCurrentIndex(empty if node is None else self._nodes.index(node) + offset)
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(self.currentNodeID)

    def _on_activated(self, index: int) -> None:
        """The user picked an entry of the list."""
        target = self._entries()[index][1]
        if not isinstance(target, str):
            self._select(target)
            self.nodeActivated.emit(target)
            return
        self._select(self._current)  # an action is never what is shown as current
        if target in ("renameCurrentNode", "removeCurrentNode"):
            getattr(self, target)()
        else:
            self.nodeAddedByUser.emit(self.addNode(target))

    # slots and methods
    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Select a node (or its ID); a node that is not listed selects none."""
        if isinstance(node, str):
            self.setCurrentNodeID(node)
        elif self._scene is None:
            self._requested = node
        else:
            self._select(node if node in self._nodes else None)

    def setCurrentNodeID(self, node_id: str) -> None:
        node = self._scene.GetNodeByID(node_id) if self._scene and node_id else None
        self.setCurrentNode(node)

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index))

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def nodeTypeLabel(self, kind: str) -> str:
        if kind in self._labels:
            return self._labels[kind]
        node = self._scene.CreateNodeByClass(kind) if self._scene is not None else None
        if node is None:  # an abstract class, such as vtkMRMLVolumeNode
            return kind.removeprefix("vtkMRML").removesuffix("Node")
        node.UnRegister(None)
        return node.GetTypeDisplayName() or node.GetNodeTagName()

    def setNodeTypeLabel(self, label: str, kind: str) -> None:
        self._labels[kind] = label
        self._refresh()

    def addNode(self, kind: str | None = None) -> Any:
        """Create a node of the first (or given) type and select it."""
        kind = kind or self.nodeTypes[0]
        node = self._scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        if self.baseName:
            node.SetName(self._scene.GenerateUniqueName(self.baseName))
        for (attribute_type, name), value in self._attributes.items():
            if attribute_type == kind:
                node.SetAttribute(name, value or "")
        node = self._scene.AddNode(node)
        self._select(node)
        return node

    def removeCurrentNode(self) -> None:
        if self._current is not None:
            self.nodeAboutToBeRemoved.emit(self._current)
            self._scene.RemoveNode(self._current)

    def renameCurrentNode(self) -> None:
        if self._current is not None:
            name = QtWidgets.QInputDialog.getText(self, "Rename node", "New name:")
            if name:
                self._current.SetName(name)


@standin("slicer")
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """A node selector whose nodes can be checked."""

    checkedNodesChanged = QtCore.Signal()
    _filling = False

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._combo.model().connect("itemChanged(QStandardItem*)", self._on_item)

    def _fill(self) -> None:
        checked, self._filling = self._checked_ids(), True
        super()._fill()
        model, offset = self._combo.model(), 1 if self.noneEnabled else 0
        for index, node in enumerate(self._nodes):
            item = model.item(index + offset)
            item.setFlags(item.flags() | QtCore.Qt.ItemIsUserCheckable)
            item.setCheckState(QtCore.Qt.Checked if node in checked else QtCore.Qt.Unchecked)
        self._filling = False

    def _checked_ids(self) -> list[Any]:
        return self.__dict__.setdefault("_checked", [])

    def _on_item(self, item: QtGui.QStandardItem) -> None:
        index = item.row() - (1 if self.noneEnabled else 0)
        if not self._filling and 0 <= index < len(self._nodes):
            self._mark(self._nodes[index], item.checkState() == QtCore.Qt.Checked)

    def _mark(self, node: Any, checked: bool) -> None:
        known = self._checked_ids()
        if checked != (node in known):
            (known.append if checked else known.remove)(node)
            self.checkedNodesChanged.emit()

    def setCheckState(self, node: Any, state: int) -> None:
        if node in self._nodes:
            offset = 1 if self.noneEnabled else 0
            self._combo.model().item(self._nodes.index(node) + offset).setCheckState(state)

    def checkState(self, node: Any) -> int:
        return QtCore.Qt.Checked if node in self.checkedNodes() else QtCore.Qt.Unchecked

    def check(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.Checked)

    def uncheck(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.Unchecked)

    def checkedNodes(self) -> tuple[Any, ...]:
        return tuple(node for node in self._nodes if node in self._checked_ids())

    def uncheckedNodes(self) -> tuple[Any, ...]:
        return tuple(node for node in self._nodes if node not in self._checked_ids())

    def allChecked(self) -> bool:
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        return not self.checkedNodes()
