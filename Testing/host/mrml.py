"""The MRML scene with the application logic and the module logics of slicer-core."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import slicer

from . import record

# module name -> class of its logic in slicer-core
MODULE_LOGICS = {
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}

_kept: list[Any] = []  # logics end with their last reference, and the cache folder with them
_GUARDED = ("NodeAddedEvent", "NodeAboutToBeRemovedEvent", "StartBatchProcessEvent")


def start_scene(cache: Path) -> Any:
    """Create `slicer.mrmlScene` and its application logic; returns the application logic."""
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    attach_remote_io(scene, logic, cache)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    _guard(scene)
    return logic


def attach_remote_io(scene: Any, application_logic: Any, cache: Path) -> None:
    """Give the scene its cache folder, without which it reads no .mrb file."""
    cache.mkdir(parents=True, exist_ok=True)
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote.SetMRMLApplicationLogic(application_logic)
    remote.SetMRMLScene(scene)
    data_io = slicer.vtkDataIOManagerLogic()
    data_io.SetMRMLApplicationLogic(application_logic)
    data_io.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.GetDataIOManager().SetFileFormatHelper(slicer.vtkDataFileFormatHelper())
    remote.AddDataIOToScene()
    _kept.extend([remote, data_io])


def module_logics(application_logic: Any) -> dict[str, Any]:
    """Make and register the logic of each module; this also registers the module's node types."""
    logics = {"Colors": application_logic.GetColorLogic()}
    for name, class_name in MODULE_LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        application_logic.SetModuleLogic(name, logic)
        logics[name] = logic
    return logics


def _guard(scene: Any) -> None:
    """Record it when the scene or a node is changed outside the main thread."""

    def checker(what: str) -> Any:
        def check(caller: Any, event: str) -> None:
            if not record.on_main_thread():
                place = "".join(traceback.format_stack(limit=6)[:-1])
                record.add_error(f"{caller.GetClassName()} {what} outside the main thread\n{place}")

        return check

    def watch(caller: Any, event: str) -> None:
        # the event's call data crashes for the nodes that module logics add at start-up
        node = scene.GetNthNode(scene.GetNumberOfNodes() - 1)
        node.AddObserver("ModifiedEvent", modified)

    modified = checker("modified")
    scene.AddObserver(scene.NodeAddedEvent, watch)
    for event in _GUARDED:
        scene.AddObserver(getattr(scene, event), checker(event.removesuffix("Event")))


def clear_scene() -> None:
    """Close the scene as File / Close scene does; colour tables and other singletons stay."""
    slicer.mrmlScene.Clear(0)
