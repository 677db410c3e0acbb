"""Showing volumes in slice views: layers, planes, windows, and which way up a picture stands."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from meddl.core import Image, InputError
from meddl.core.geometry import compose, rotation
from SlicerMedDLLib.display import set_window, show_picture, show_volume
from SlicerMedDLLib.sequences import image_from_frame
from SlicerMedDLLib.volumes import LABELS, VECTOR, volume_from_image

# Not those of a layout: where the host has a window, Red and Green are its own, and stay.
UPPER, LOWER = "Upper", "Lower"


@pytest.fixture
def views(scene):
    """The slice logics of two views of 64 x 48 pixels, without widgets."""
    application = slicer.app.applicationLogic()
    before = application.GetSliceLogics()
    collection = vtk.vtkCollection()
    logics = {}
    for name in (UPPER, LOWER):
        logics[name] = slicer.vtkMRMLSliceLogic()
        logics[name].SetMRMLScene(scene)
        logics[name].SetMRMLApplicationLogic(application)
        node = logics[name].AddSliceNode(name)
        node.SetDimensions(64, 48, 1)
        collection.AddItem(logics[name])
    logics[LOWER].GetSliceNode().SetOrientationToCoronal()
    application.SetSliceLogics(collection)
    yield logics
    application.SetSliceLogics(before)
    for logic in logics.values():  # singletons, which closing the scene would keep
        nodes = logic.GetSliceNode(), logic.GetSliceCompositeNode()
        logic.SetMRMLScene(None)
        for node in nodes:
            scene.RemoveNode(node)


def screen(logic) -> np.ndarray:
    """What the view's pipeline draws: (H, W, 4) uint8, row 0 at the top of the screen."""
    logic.UpdatePipeline()
    blend = logic.GetBlend()
    blend.Update()
    data = blend.GetOutput()
    width, height, _ = data.GetDimensions()
    pixels = vtk_to_numpy(data.GetPointData().GetScalars())
    return pixels.reshape(height, width, -1)[::-1]


def test_a_picture_stands_upright_and_is_not_mirrored(views):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:24, :32] = (255, 0, 0)  # top left
    frame[:24, 32:] = (0, 255, 0)  # top right
    frame[24:, :32] = (0, 0, 255)  # bottom left
    node = volume_from_image(image_from_frame(frame))
    assert node.GetClassName() == VECTOR
    show_picture(node, UPPER)
    drawn = screen(views[UPPER])
    height, width = drawn.shape[:2]
    assert np.argmax(drawn[height // 4, width // 4, :3]) == 0
    assert np.argmax(drawn[height // 4, 3 * width // 4, :3]) == 1
    assert np.argmax(drawn[3 * height // 4, width // 4, :3]) == 2
    assert drawn[3 * height // 4, 3 * width // 4, :3].max() == 0


def test_an_oblique_volume_is_shown_in_its_own_planes(views):
    pose = compose((1, 1, 2), (10, 20, 30), rotation((1, 0, 0), 20)[:3, :3] @ np.diag([-1, -1, 1]))
    node = volume_from_image(Image(np.arange(24000, dtype=np.int16).reshape(20, 30, 40), pose))
    show_volume(node)
    red = views[UPPER].GetSliceNode()
    assert views[UPPER].GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    normal = np.array([red.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    assert abs(normal @ pose[:3, 2]) / np.linalg.norm(pose[:3, 2]) == pytest.approx(1, abs=1e-6)


def test_layers_and_chosen_views(views):
    image = Image(np.zeros((4, 4, 4), np.uint8))
    back, front = volume_from_image(image), volume_from_image(image)
    labels = volume_from_image(image, class_name=LABELS)
    show_volume(back, [UPPER])
    show_volume(front, [UPPER], foreground=True, opacity=0.25)
    show_volume(labels, [UPPER])
    red, green = (views[name].GetSliceCompositeNode() for name in (UPPER, LOWER))
    assert red.GetBackgroundVolumeID() == back.GetID()
    assert red.GetForegroundVolumeID() == front.GetID()
    assert red.GetForegroundOpacity() == 0.25
    assert red.GetLabelVolumeID() == labels.GetID()
    assert green.GetBackgroundVolumeID() is None


def test_nothing_happens_without_views(scene):
    show_volume(volume_from_image(Image(np.zeros((4, 4, 4), np.uint8))))


def test_a_window_stays_when_the_voxels_change(scene):
    node = volume_from_image(Image(np.zeros((2, 2, 2), np.float32)))
    set_window(node, 0.5, 3.0)
    volume_from_image(Image(np.full((2, 2, 2), 100, np.float32)), node=node)
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.5, 3.0)


def test_windows_that_make_no_sense(scene):
    node = volume_from_image(Image(np.zeros((2, 2, 2), np.float32)), "CT")
    with pytest.raises(InputError, match="from 3 to 3"):
        set_window(node, 3, 3)
    labels = volume_from_image(Image(np.zeros((2, 2, 2), np.uint8)), "L", class_name=LABELS)
    with pytest.raises(InputError, match="'L' has no grey-value window"):
        set_window(labels, 0, 1)
