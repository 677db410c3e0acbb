"""Depth maps in the scene: a sequence of scalar volumes in the video's own browser.

Unlike the frames they are volumes in memory: 0.3 MB each on the grid of the network, so that
Slicer's own tools, probes, statistics and saving, work on all of them. Each lies over its frame in
the slice views. Values are in units of structure from motion until one unit is known in mm
(:mod:`placing`), then in mm; the node says which.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from EndoDepthModuleLib import placing, video
from EndoDepthModuleLib.player import player
from meddl.core.depth_maps import (
    DepthCamera,
    DepthFolder,
    camera_of,
    read_depth_folder,
    set_scale,
)
from meddl.core.devices import require_memory
from meddl.core.errors import FileError, InputError
from meddl.core.geometry import Matrix
from meddl.core.image import Image
from SlicerMedDLLib.nodes import describe, new_node
from SlicerMedDLLib.sequences import RAS_FROM_FRAME, replace_sequence
from SlicerMedDLLib.volumes import vtk_image

DEPTHS = "MedDL.EndoDepth.depths"  # the sequence
UNIT = "MedDL.EndoDepth.Unit"  # attributes of the sequence
FILE_UNIT = "MedDL.EndoDepth.FileUnit"
FACTOR = "MedDL.EndoDepth.Factor"  # what the values of the files were multiplied by
CAMERA = "MedDL.EndoDepth.DepthCamera"
PLACE = "MedDL.EndoDepth.DepthFolder"  # relative to the video's folder if it lies in it
COLORS = "vtkMRMLColorTableNodeRainbow"  # near is red, far is violet
PERCENTILES = (1, 99)


def frame_from_map(
    map_size: tuple[int, int], frame_size: tuple[int, int], camera: DepthCamera | None = None
) -> Matrix:
    """4x4: indices (column, row) of a depth map to those of its frame.

    Args:
        map_size, frame_size: (H, W); without a crop the map is of the whole frame.
        camera: of the map, if it is known.
    """
    step = np.array([frame_size[1] / map_size[1], frame_size[0] / map_size[0]])
    start = np.zeros(2)
    if camera is not None and camera.rows is not None and camera.columns is not None:
        step = np.array([camera.downsampling] * 2)
        start = np.array([camera.columns[0], camera.rows[0]], dtype=float)
    matrix = np.diag([*step, 1.0, 1.0])
    matrix[:2, 3] = (start + 0.5) * step - 0.5  # an index counts from the first pixel's centre
    return matrix


def depth_image(
    depth: NDArray[np.float32], frame_size: tuple[int, int], camera: DepthCamera | None = None
) -> Image:
    """A depth map (H, W) as an image that lies over its frame, see :func:`frame_from_map`."""
    size = (depth.shape[0], depth.shape[1])
    return Image(depth[np.newaxis], RAS_FROM_FRAME @ frame_from_map(size, frame_size, camera))


def camera_of_maps(browser: Any, depths: DepthFolder) -> DepthCamera | None:
    """The camera of the maps in a folder, for the frames of a video; None before a calibration."""
    sequence = player().sequence(browser)
    if depths.camera is not None or sequence.intrinsics is None:
        return depths.camera
    height, width = depths.depth(depths.names[0]).shape
    return camera_of(depths, sequence.intrinsics, sequence.size, (height, width))


def adding_depths(browser: Any, folder: str | Path) -> Iterator[tuple[float, str]]:
    """Add a folder's depth maps to the video's browser, one map between two yields.

    Replaces the video's former depths. An abandoned iterator leaves the scene as it was.

    Yields:
        The fraction done and a message.

    Raises:
        MedDLError: no depth maps, none of this video, or more than the memory takes.
    """
    depths = read_depth_folder(folder)
    sequence = player().sequence(browser)
    names = {
        path.stem: int(n)
        for n, path in zip(sequence.frame_numbers, sequence.frame_files, strict=True)
    }
    wanted = [name for name in depths.names if name in names]
    if not wanted:
        raise InputError(
            _("{folder} holds depths of other frames than those of {node}").format(
                folder=folder, node=describe(browser)
            )
        )
    camera = camera_of_maps(browser, depths)
    size = depths.depth(wanted[0]).nbytes
    require_memory(size * len(wanted), _("{count} depth maps").format(count=len(wanted)))
    factor = _factor(browser, depths.unit)
    node = new_node("vtkMRMLSequenceNode", _("{name} depth").format(name=browser.GetName()))
    node.SetIndexName(video.INDEX)
    node.SetIndexUnit("")
    if camera is not None:
        node.SetAttribute(CAMERA, camera_text(camera))
    node.SetAttribute(PLACE, _relative(depths.folder, video.folder_of(browser)))
    node.SetAttribute(FILE_UNIT, depths.unit)
    node.SetAttribute(FACTOR, repr(factor))
    node.SetAttribute(UNIT, placing.MM if depths.unit == "mm" else placing.unit(browser))
    item = slicer.vtkMRMLScalarVolumeNode()
    low, high, whole = np.inf, 0.0, False
    text = _("depth {number}/{total}")
    try:
        for count, name in enumerate(wanted, start=1):
            depth = depths.depth(name) * np.float32(factor)
            image = depth_image(depth, sequence.size, camera)
            item.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image.ras_from_ijk))
            item.SetAndObserveImageData(vtk_image(image.array))
            node.SetDataNodeAtValue(item, str(names[name]))
            if (depth > 0).any():
                ends = np.percentile(depth[depth > 0], PERCENTILES)
                low, high = min(low, ends[0]), max(high, ends[1])
            yield count / len(wanted), text.format(number=count, total=len(wanted))
        whole = True
    finally:
        if not whole:
            slicer.mrmlScene.RemoveNode(node)
    replace_sequence(browser, DEPTHS, node)
    name_unit(depth_volume(browser), node.GetAttribute(UNIT))
    show_range(depth_volume(browser), *((low, high) if high > low else (0.0, 1.0)))


def depth_folder(browser: Any) -> DepthFolder:
    """The folder of the depths that a video shows.

    Raises:
        InputError: it shows none.
        FileError: the folder is gone.
    """
    node = video.part(browser, DEPTHS)
    if node is None:
        raise InputError(
            _("{node} has no depths; press Apply first").format(node=describe(browser))
        )
    return read_depth_folder(video.folder_of(browser) / node.GetAttribute(PLACE))


def default_folder(browser: Any) -> Path:
    """Where the depths of a video lie: those of this module, else those that came with it."""
    folder = video.folder_of(browser)
    predicted = folder / video.PREDICTED
    return predicted if predicted.is_dir() else folder / video.DEPTH


def _relative(folder: Path, parent: Path) -> str:
    folder = folder.resolve()
    inside = folder.is_relative_to(parent)
    return (folder.relative_to(parent) if inside else folder).as_posix()


def camera_text(camera: DepthCamera) -> str:
    """A camera of depth maps as an attribute of their node."""
    record = dataclasses.asdict(camera)
    return json.dumps({**record, "intrinsics": camera.intrinsics.tolist()})


def camera_from_text(text: str) -> DepthCamera:
    """The camera that :func:`camera_text` has written."""
    record = json.loads(text)
    spans = {name: record[name] and tuple(record[name]) for name in ("rows", "columns")}
    return DepthCamera(**{**record, **spans})


def shown_depth(browser: Any) -> tuple[NDArray[np.float32], DepthCamera]:
    """The depth map (H, W) of the shown frame in units of structure from motion, and its camera.

    Raises:
        InputError: there is none for this frame, its camera is not known, or it is in mm while the
            unit of the poses is not known in mm.
    """
    node = video.part(browser, DEPTHS)
    number = video.frame_number(browser)
    item = node.GetItemNumberFromIndexValue(str(number)) if node is not None else -1
    if item < 0:
        raise InputError(
            _("there is no depth of frame {number} of {node}; press Apply").format(
                number=number, node=describe(browser)
            )
        )
    if not node.GetAttribute(CAMERA):
        raise InputError(_("the camera of the depths is not known; calibrate it in step 2"))
    factor = float(node.GetAttribute(FACTOR))
    if node.GetAttribute(FILE_UNIT) == "mm":
        factor = placing.mm_per_unit(browser) or 0.0
        if not factor:
            raise InputError(
                _(
                    "the depths are in mm, the poses in units of structure from motion; enter "
                    "the scale"
                )
            )
    depth = slicer.util.arrayFromVolume(node.GetNthDataNode(item))[0] / np.float32(factor)
    return depth, camera_from_text(node.GetAttribute(CAMERA))


def show_range(volume: Any, low: float, high: float) -> None:
    """Fixed colours from ``low`` to ``high``; 0 is unknown and not drawn."""
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLORS)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)
    display.SetLowerThreshold(np.finfo(np.float32).tiny)
    display.SetUpperThreshold(np.finfo(np.float32).max)
    display.SetApplyThreshold(True)


def depth_volume(browser: Any) -> Any:
    """The volume that plays the depths of a video; None without depths."""
    node = video.part(browser, DEPTHS)
    return None if node is None else browser.GetProxyNode(node)


def rescale(browser: Any) -> None:
    """Let the depths of a video, and the record beside their files, follow its changed scale."""
    node = video.part(browser, DEPTHS)
    if node is None:
        return
    wanted, had = _factor(browser, node.GetAttribute(FILE_UNIT)), float(node.GetAttribute(FACTOR))
    if wanted == had:
        return
    # The folder may be gone; then the scene alone knows.
    with suppress(FileError):
        set_scale(depth_folder(browser).folder, wanted)
    ratio = np.float32(wanted / had)
    for number in range(node.GetNumberOfDataNodes()):
        data = node.GetNthDataNode(number).GetImageData()
        vtk_to_numpy(data.GetPointData().GetScalars())[:] *= ratio
    node.SetAttribute(FACTOR, repr(wanted))
    node.SetAttribute(UNIT, placing.unit(browser))
    volume = depth_volume(browser)
    display = volume.GetDisplayNode()
    low, high = display.GetWindowLevelMin() * ratio, display.GetWindowLevelMax() * ratio
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    name_unit(volume, placing.unit(browser))
    show_range(volume, low, high)


def _factor(browser: Any, unit: str) -> float:
    return 1.0 if unit == "mm" else placing.mm_per_unit(browser) or 1.0


def name_unit(volume: Any, unit: str) -> None:
    """Say in a volume whether its depths are in mm."""
    code, meaning = ("mm", "millimeter") if unit == placing.MM else ("{relative}", "relative unit")
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(code, "UCUM", meaning)
    volume.SetVoxelValueUnits(entry)
