"""`slicer.app.coreIOManager()`: files to nodes and back, through MRML's own storage nodes.

slicer.util's load and save functions are Slicer's own; they end here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore

from .classes import standin

_VOLUMES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".hdr", ".img", ".dcm")
_MODELS = (".vtk", ".vtp", ".stl", ".ply", ".obj")
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "SceneFile": (".mrb", ".mrml"),
    "SequenceFile": (".seq.nrrd", ".seq.nhdr", ".seq.mrb", ".seq.mha"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.vtm"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "ColorTableFile": (".ctbl", ".cxml", ".labels.csv"),
    "TransformFile": (".h5", ".tfm", ".mat"),
    "TableFile": (".csv", ".tsv"),
    "TextFile": (".txt", ".json", ".xml"),
    "ModelFile": _MODELS,
    "VolumeFile": _VOLUMES,
}
_WRITER_TYPES = {
    "vtkMRMLSegmentationNode": "SegmentationFile",
    "vtkMRMLVolumeNode": "VolumeFile",
    "vtkMRMLModelNode": "ModelFile",
    "vtkMRMLMarkupsNode": "MarkupsFile",
    "vtkMRMLTransformNode": "TransformFile",
    "vtkMRMLTableNode": "TableFile",
    "vtkMRMLTextNode": "TextFile",
    "vtkMRMLSequenceNode": "SequenceFile",
    "vtkMRMLColorNode": "ColorTableFile",
}


def _suffix(file_name: str) -> str:
    """The known suffix of a file name, double ones first."""
    known = sorted({item for group in _SUFFIXES.values() for item in group}, key=len)
    lower = str(file_name).lower()
    return next((item for item in reversed(known) if lower.endswith(item)), "")


def _logic(name: str) -> Any:
    return slicer.app.moduleLogic(name)


def _load_volume(path: str, properties: dict, messages: Any) -> list[Any]:
    name = properties.get("name") or Path(path).name.removesuffix(_suffix(path))
    options = 1 if properties.get("labelmap") else 0
    if properties.get("center"):
        options |= 2
    if properties.get("singleFile"):
        options |= 8
    if properties.get("discardOrientation"):
        options |= 16
    return [_logic("Volumes").AddArchetypeVolume(path, name, options)]


def _load_segmentation(path: str, properties: dict, messages: Any) -> list[Any]:
    name = properties.get("name") or Path(path).name.removesuffix(_suffix(path))
    logic = _logic("Segmentations")
    return [logic.LoadSegmentationFromFile(path, True, name)]


def _load_markups(path: str, properties: dict, messages: Any) -> list[Any]:
    name = properties.get("name") or ""
    node_id = _logic("Markups").LoadMarkups(path, name, messages)
    ids = [item for item in (node_id or "").split(",") if item]
    return [slicer.mrmlScene.GetNodeByID(item) for item in ids]


def _load_stored(node_class: str, storage_class: str) -> Any:
    """A loader for node types without a loading function: node and storage node by hand."""

    def load(path: str, properties: dict, messages: Any) -> list[Any]:
        name = properties.get("name") or Path(path).name.removesuffix(_suffix(path))
        node = slicer.mrmlScene.AddNewNodeByClass(node_class, name)
        storage = slicer.mrmlScene.AddNewNodeByClass(storage_class)
        storage.SetFileName(path)
        node.SetAndObserveStorageNodeID(storage.GetID())
        if not storage.ReadData(node):
            slicer.mrmlScene.RemoveNode(node)
            slicer.mrmlScene.RemoveNode(storage)
            return [None]
        return [node]

    return load


def _load_sequence(path: str, properties: dict, messages: Any) -> list[Any]:
    node = _logic("Sequences").AddSequence(path, messages)
    if node is None:
        return [None]
    browser = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLSequenceBrowserNode", f"{node.GetName()} browser"
    )
    browser.AddSynchronizedSequenceNodeID(node.GetID())
    return [node]


def _load_scene(path: str, properties: dict, messages: Any) -> bool:
    scene, clear = slicer.mrmlScene, bool(properties.get("clear"))
    if path.lower().endswith(".mrb"):
        return bool(scene.ReadFromMRB(path, clear, messages))
    scene.SetURL(path)
    return bool(scene.Connect(messages) if clear else scene.Import(messages))


_LOADERS: dict[str, Any] = {
    "VolumeFile": _load_volume,
    "SegmentationFile": _load_segmentation,
    "MarkupsFile": _load_markups,
    "SequenceFile": _load_sequence,
    "ModelFile": lambda path, properties, messages: [
        _logic("Models").AddModel(path, properties.get("coordinateSystem", 0), messages)
    ],
    "TransformFile": lambda path, properties, messages: [
        _logic("Transforms").AddTransform(path, slicer.mrmlScene, messages)
    ],
    "TableFile": _load_stored("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TextFile": _load_stored("vtkMRMLTextNode", "vtkMRMLTextStorageNode"),
    "ColorTableFile": lambda path, properties, messages: [
        slicer.app.applicationLogic().GetColorLogic().LoadColorFile(path)
    ],
}


@standin("slicer")
class qSlicerCoreIOManager(QtCore.QObject):
    """Reads and writes by file type, as Slicer's registered readers and writers do."""

    newFileLoaded = QtCore.Signal("QVariantMap")
    fileSaved = QtCore.Signal("QVariantMap")

    def fileType(self, file_name: str) -> str:
        suffix = _suffix(str(file_name))
        return next((kind for kind, known in _SUFFIXES.items() if suffix in known), "NoFile")

    def registeredFileReaderCount(self, kind: str) -> int:
        return int(kind in _LOADERS)

    def loadNodes(self, kind: str, properties: dict, loaded: Any = None, messages: Any = None):
        """Load a file; nodes go to the collection. Returns success, as Slicer does."""
        path = str(properties["fileName"])
        if not Path(path).exists():
            return False
        messages = messages if messages is not None else slicer.vtkMRMLMessageCollection()
        if kind == "SceneFile":
            return _load_scene(path, properties, messages)
        if kind not in _LOADERS:
            return False
        nodes = _LOADERS[kind](path, properties, messages)
        for node in nodes:
            if node is not None and loaded is not None:
                loaded.AddItem(node)
        return bool(nodes) and all(node is not None for node in nodes)

    def loadScene(self, path: str, clear: bool = True) -> bool:
        return self.loadNodes("SceneFile", {"fileName": path, "clear": clear})

    def fileWriterFileType(self, node: Any) -> str:
        return next((kind for cls, kind in _WRITER_TYPES.items() if node.IsA(cls)), "NoFile")

    def fileWriterExtensions(self, node: Any) -> tuple[str, ...]:
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)
        storage.SetScene(slicer.mrmlScene)
        types = storage.GetSupportedWriteFileTypes()
        return tuple(types.GetValue(index) for index in range(types.GetNumberOfValues()))

    def extractKnownExtension(self, file_name: str, node: Any) -> str:
        helper = slicer.vtkDataFileFormatHelper
        formats = self.fileWriterExtensions(node)
        known = [helper.GetFileExtensionFromFormatString(item) for item in formats]
        matching = [item for item in known if str(file_name).lower().endswith(item)]
        return max(matching, key=len, default="")

    def createAndAddDefaultStorageNode(self, node: Any) -> Any:
        node.AddDefaultStorageNode()
        return node.GetStorageNode()

    def saveNodes(self, kind: str, properties: dict, messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return _save_scene(path, messages)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        if "useCompression" in properties:
            storage.SetUseCompression(bool(properties["useCompression"]))
        return bool(storage.WriteData(node))

    def saveScene(self, path: str, screenshot: Any = None) -> bool:
        return _save_scene(path, None)

    def exportNodes(
        self, node_ids: list[str], paths: list[str], properties: dict, harden: bool, messages: Any
    ) -> bool:
        """Write copies of the nodes, which leaves their storage nodes alone."""
        done = []
        for node_id, path in zip(node_ids, paths, strict=True):
            source = slicer.mrmlScene.GetNodeByID(node_id)
            copy = slicer.mrmlScene.AddNewNodeByClass(source.GetClassName())
            copy.CopyContent(source)
            if harden:
                copy.SetAndObserveTransformNodeID(source.GetTransformNodeID())
                copy.HardenTransform()
            storage = copy.CreateDefaultStorageNode()
            storage.UnRegister(None)
            storage.SetScene(slicer.mrmlScene)
            storage.SetFileName(str(path))
            done.append(bool(storage.WriteData(copy)))
            slicer.mrmlScene.RemoveNode(copy)
        return all(done)


def _save_scene(path: str, messages: Any) -> bool:
    scene = slicer.mrmlScene
    messages = messages if messages is not None else slicer.vtkMRMLMessageCollection()
    target = Path(path)
    if target.suffix.lower() == ".mrb":
        scene.SetRootDirectory(str(target.parent))
        return bool(scene.WriteToMRB(path, None, messages))
    if target.suffix.lower() == ".mrml":
        scene.SetURL(path)
        scene.SetRootDirectory(str(target.parent))
        return bool(scene.Commit(path, messages))
    return bool(scene.SaveSceneToSlicerDataBundleDirectory(path, None, messages))
