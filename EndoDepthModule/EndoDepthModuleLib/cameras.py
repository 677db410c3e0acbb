"""The camera of a video in 3-D: its path as a curve, and a frustum that follows the shown frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from EndoDepthModuleLib import placing, video
from EndoDepthModuleLib.player import player
from meddl.core.mesh import Mesh
from meddl.endodepth.sequence import EndoscopicSequence
from SlicerMedDLLib.markups import CURVE, markups_from_points
from SlicerMedDLLib.models import model_from_mesh
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.sequences import browse

PATH = "MedDL.EndoDepth.cameraPath"
POSES = "MedDL.EndoDepth.cameraPoses"  # a sequence of transforms world_from_camera
CAMERA = "MedDL.EndoDepth.camera"  # the frustum's model
COLOR = (1.0, 0.7, 0.28)
FRUSTUM = 0.1  # its length, in parts of the extent of points and path


def show_path(browser: Any) -> tuple[Any, Any]:
    """Show where the camera was; returns the curve and the model of the camera.

    The model hangs under a transform that the browser sets to the pose of the shown frame, or of
    the last one before it that has a pose.

    Raises:
        MedDLError: the sequence cannot be read, or has no poses.
    """
    sequence = player().sequence(browser).require_structure()
    name = browser.GetName()
    centres = sequence.world_from_camera[:, :3, 3]
    curve = video.part(browser, PATH)
    if curve is None:
        curve = new_node(CURVE, _("{name} camera path").format(name=name))
        curve.SetCurveTypeToLinear()
        curve.SetLocked(True)
        display = curve.GetDisplayNode()
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetGlyphScale(0.7)
        display.SetSelectedColor(*COLOR)
        video.set_part(browser, PATH, curve)
    curve.SetAndObserveTransformNodeID(None)
    labels = [str(number) for number in sequence.view_numbers]
    markups_from_points(centres, labels, node=curve)
    placing.put_in_place(browser, curve)
    pose = _pose_sequence(browser, sequence)
    camera = model_from_mesh(
        frustum(sequence, FRUSTUM * _extent(sequence)),
        _("{name} camera").format(name=name),
        node=_without_transform(video.part(browser, CAMERA)),
        color=COLOR,
        opacity=0.35,
    )
    camera.GetDisplayNode().SetEdgeVisibility(True)
    camera.GetDisplayNode().SetBackfaceCulling(False)
    camera.SetAndObserveTransformNodeID(pose.GetID())
    video.set_part(browser, CAMERA, camera)
    return curve, camera


def frustum(sequence: EndoscopicSequence, length: float) -> Mesh:
    """The pyramid of the field of view, apex in the camera's centre, camera frame."""
    inside = np.argwhere(sequence.mask)
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1.0]])
    rays = corners @ np.linalg.inv(sequence.require_intrinsics()).T
    faces = [[0, 2, 1], [0, 3, 2], [0, 4, 3], [0, 1, 4]]
    return Mesh(np.vstack([np.zeros(3), length * rays]), np.array(faces))


def _extent(sequence: EndoscopicSequence) -> float:
    places: NDArray[Any] = np.vstack([sequence.world_from_camera[:, :3, 3], sequence.points])
    # Stray points of structure from motion lie anywhere.
    low, high = np.percentile(places, [2, 98], axis=0)
    return float((high - low).max()) or 1.0


def _without_transform(node: Any) -> Any:
    if node is not None:
        node.SetAndObserveTransformNodeID(None)
    return node


def _pose_sequence(browser: Any, sequence: EndoscopicSequence) -> Any:
    """Fill the sequence of poses; returns the transform that plays it."""
    poses = video.part(browser, POSES)
    if poses is None:
        poses = new_node(
            "vtkMRMLSequenceNode", _("{name} camera poses").format(name=browser.GetName())
        )
        poses.SetIndexName(video.INDEX)
        poses.SetIndexUnit("")
        video.set_part(browser, POSES, poses)
    poses.RemoveAllDataNodes()
    item = slicer.vtkMRMLLinearTransformNode()
    for number, matrix in zip(sequence.view_numbers, sequence.world_from_camera, strict=True):
        item.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        poses.SetDataNodeAtValue(item, str(number))
    browse(poses, browser)
    pose = browser.GetProxyNode(poses)
    placing.put_in_place(browser, pose)
    return pose
