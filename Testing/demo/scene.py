"""The scene as a file: default views for desktop Slicer, writing, and reading back to check."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import slicer
from numpy.typing import ArrayLike

from demo.report import Number
from host.mrml import attach_remote_io
from meddl.core.errors import FileError
from meddl.core.files import PART, parsing, writable_parent


def stage(volume: Any, position: ArrayLike, focus: ArrayLike) -> None:
    """Let desktop Slicer show ``volume`` in the slice views and look from ``position`` in 3-D."""
    scene = volume.GetScene()
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is None:
            node = logic.AddSliceNode(name)
        else:
            logic.SetSliceNode(node)
        node.SetOrientation(orientation)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        logic.FitSliceToBackground(*node.GetDimensions()[:2])
    view = scene.GetSingletonNode("1", "vtkMRMLViewNode") or slicer.vtkMRMLViewNode()
    camera = slicer.vtkMRMLCameraNode()
    camera.SetName("Camera")
    for one in (view, camera):
        one.SetLayoutName("1")
    view.SetBoxVisible(False)
    if view.GetScene() is None:
        scene.AddNode(view)
    camera = scene.AddNode(camera)
    camera.SetPosition(*np.asarray(position, dtype=float))
    camera.SetFocalPoint(*np.asarray(focus, dtype=float))
    camera.SetViewUp(0, 0, 1)


def write_scene(path: Path) -> Counter[str]:
    """Write the scene as ``.mrb``; returns how many nodes of each class with data it has.

    MRML writes a bundle in place; here a former one stays until the new one is complete.

    Raises:
        FileError: the file could not be written.
    """
    with TemporaryDirectory(prefix=PART, dir=writable_parent(path).parent) as folder:
        # The names inside the archive follow the file's, so the folder is what is temporary.
        part = Path(folder) / path.name
        if not slicer.mrmlScene.WriteToMRB(str(part)) or not zipfile.is_zipfile(part):
            raise FileError(f"the scene {path} could not be written; is there space on the disk?")
        os.replace(part, path)
    return _content(slicer.mrmlScene)


def read_scene(path: Path) -> tuple[Counter[str], list[tuple[str, tuple[float, ...]]]]:
    """Read an ``.mrb`` into a scene of its own.

    Returns:
        How many nodes of each class with data there are, and name and colour of every segment.

    Raises:
        FileError: the file holds no scene that can be read.
    """
    with TemporaryDirectory() as folder:
        with parsing(path, "scene bundle"), zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        files = list(Path(folder).glob("*/*.mrml"))
        if len(files) != 1:
            raise FileError(f"{path} holds {len(files)} scenes, one was expected")
        scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
        application.SetMRMLScene(scene)
        logics = (
            slicer.vtkSlicerSegmentationsModuleLogic(),
            slicer.vtkSlicerMarkupsLogic(),
            slicer.vtkSlicerSequencesLogic(),
        )
        for logic in logics:  # they register the classes of their nodes
            logic.SetMRMLApplicationLogic(application)
            logic.SetMRMLScene(scene)
        attach_remote_io(scene, application, Path(folder) / "cache")
        scene.SetURL(str(files[0]))
        if not scene.Connect():
            raise FileError(f"{path} was written but cannot be read back; VTK's log says why")
        segments = []
        for node in _nodes(scene, "vtkMRMLSegmentationNode"):
            segmentation = node.GetSegmentation()
            for name in segmentation.GetSegmentIDs():
                segment = segmentation.GetSegment(name)
                segments.append((segment.GetName(), segment.GetColor()))
        content = _content(scene)
    return content, segments


def checked_scene(path: Path) -> tuple[Number, list[tuple[str, tuple[float, ...]]]]:
    """Write the scene and read it back: whether its nodes are the same, and its segments."""
    written = write_scene(path)
    read, segments = read_scene(path)
    text = "nodes in the scene, read back"
    return Number(text, f"{read.total()}", f"{written.total()}", read == written), segments


def _nodes(scene: Any, class_name: str) -> list[Any]:
    return [
        scene.GetNthNodeByClass(n, class_name)
        for n in range(scene.GetNumberOfNodesByClass(class_name))
    ]


def _content(scene: Any) -> Counter[str]:
    """Nodes with something in them: voxels, segments, points of a surface, markups or a matrix."""
    filled = {
        "vtkMRMLVolumeNode": lambda node: node.GetImageData() is not None,
        "vtkMRMLSegmentationNode": lambda node: node.GetSegmentation().GetNumberOfSegments() > 0,
        "vtkMRMLModelNode": lambda node: (
            node.GetPolyData() is not None and node.GetPolyData().GetNumberOfPoints() > 0
        ),
        "vtkMRMLSequenceNode": lambda node: node.GetNumberOfDataNodes() > 0,
        "vtkMRMLMarkupsNode": lambda node: node.GetNumberOfControlPoints() > 0,
        "vtkMRMLLinearTransformNode": lambda node: True,
    }
    return Counter(
        node.GetClassName()
        for kind, is_filled in filled.items()
        for node in _nodes(scene, kind)
        if node.GetSaveWithScene() and is_filled(node)
    )
