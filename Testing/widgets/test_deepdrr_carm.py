"""The C-arm section: sliders and a linear transform follow each other, without loops."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

import host
from meddl.core.geometry import rotation
from meddl.deepdrr import CArm
from SlicerMedDLLib.transforms import transform_from_matrix
from widgets.deepdrr_panel import body, button, ct, module, status

__all__ = ["ct", "module"]  # fixtures


def matrix(node) -> np.ndarray:
    return slicer.util.arrayFromTransformMatrix(node, toWorld=True)


def put(node, pose) -> None:
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(pose))


def random_pose(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    pose = rotation(generator.normal(size=3), generator.uniform(-180, 180))
    pose[:3, 3] = generator.uniform(-60, 60, 3)
    return pose


@pytest.fixture
def transform(module, ct):
    """The transform of the drawn C-arm."""
    module.widget.ui.primaryAngleSlider.value = 5
    return module.widget.parameterNode.carmTransform


@pytest.mark.parametrize("seed", range(6))
def test_panel_follows_a_moved_transform_and_leaves_it_where_it_is(module, transform, seed):
    node, ui = module.widget.parameterNode, module.widget.ui
    pose = random_pose(seed)
    put(transform, pose)
    np.testing.assert_allclose(matrix(transform), pose, atol=1e-9)
    carm = CArm(node.primaryAngle, node.secondaryAngle, node.rotation)
    np.testing.assert_allclose(carm.axes(), pose[:3, :3].T, atol=1e-9)
    assert ui.primaryAngleSlider.value == pytest.approx(node.primaryAngle, abs=0.051)
    points = slicer.util.arrayFromMarkupsControlPoints(node.isocenter, world=True)
    np.testing.assert_allclose(points, [pose[:3, 3]], atol=1e-9)
    # A slider then turns the C-arm about the place that it was moved to.
    ui.rotationSlider.value = 12
    assert node.rotation == 12
    np.testing.assert_allclose(matrix(transform)[:3, 3], pose[:3, 3], atol=1e-9)
    np.testing.assert_allclose(matrix(transform)[:3, 2], pose[:3, 2], atol=1e-9)


def test_each_change_moves_the_transform_once(module, transform):
    events = []
    changed = slicer.vtkMRMLTransformNode.TransformModifiedEvent
    transform.AddObserver(changed, lambda *_: events.append(1))
    module.widget.ui.primaryAngleSlider.value = 33
    assert len(events) == 1
    put(transform, random_pose(1))
    assert len(events) == 2


def test_moving_goes_on_while_another_module_is_open(module, transform):
    module.exit()
    pose = random_pose(3)
    put(transform, pose)
    node = module.widget.parameterNode
    np.testing.assert_allclose(
        CArm(node.primaryAngle, node.secondaryAngle, node.rotation).axes(), pose[:3, :3].T
    )
    module.enter()
    np.testing.assert_allclose(matrix(transform), pose, atol=1e-9)
    assert module.widget.ui.isocenterSelector.currentNode() is node.isocenter


def test_a_landmark_that_was_the_isocentre_stays_in_the_patient(module, transform):
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Hip")
    slicer.util.updateMarkupsControlPointsFromArray(points, np.array([[9.0, 8.0, 7.0]]))
    module.widget.ui.isocenterSelector.setCurrentNode(points)
    np.testing.assert_allclose(matrix(transform)[:3, 3], [9, 8, 7])
    pose = matrix(transform).copy()
    pose[0, 3] += 20
    put(transform, pose)
    assert tuple(points.GetNthControlPointPositionWorld(0)) == (9, 8, 7)
    assert module.widget.parameterNode.isocenter is not points
    np.testing.assert_allclose(matrix(transform)[:3, 3], [29, 8, 7])


def test_the_drawn_isocentre_drags_the_c_arm(module, transform):
    own = transform.GetNodeReference("MedDL.isocenter")
    before = matrix(transform).copy()
    own.SetNthControlPointPositionWorld(0, 11, 12, 13)
    np.testing.assert_allclose(matrix(transform)[:3, 3], [11, 12, 13], atol=1e-6)
    np.testing.assert_allclose(matrix(transform)[:3, :3], before[:3, :3], atol=1e-9)
    assert module.widget.ui.isocenterSelector.currentNode() is own
    local = slicer.util.arrayFromMarkupsControlPoints(own, world=False)
    np.testing.assert_allclose(local, [[0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.diag([1.0, 1.0, 1.5, 1.0]), "scales its axes by 1, 1, 1.5"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), "mirrors"),
    ],
)
def test_a_transform_that_is_no_pose_is_taken_back_with_a_message(module, transform, bad, words):
    before = matrix(transform).copy()
    put(transform, before @ bad)
    np.testing.assert_allclose(matrix(transform), before, atol=1e-9)
    assert words in status(module)
    assert module.widget.parameterNode.primaryAngle == 5
    assert host.messages("error") == []


def test_a_chosen_transform_moves_the_panel_and_a_new_one_takes_its_pose(module, transform):
    ui, node = module.widget.ui, module.widget.parameterNode
    pose = random_pose(5)
    tracked = transform_from_matrix(pose, "Tracked")
    ui.carmTransformSelector.setCurrentNode(tracked)
    np.testing.assert_allclose(matrix(tracked), pose, atol=1e-9)
    carm = CArm(node.primaryAngle, node.secondaryAngle, node.rotation)
    np.testing.assert_allclose(carm.axes(), pose[:3, :3].T, atol=1e-9)
    assert tracked.GetNodeReference("MedDL.detector").GetDisplayVisibility()
    assert not transform.GetNodeReference("MedDL.detector").GetDisplayVisibility()
    new = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "New")
    ui.carmTransformSelector.setCurrentNode(new)
    np.testing.assert_allclose(matrix(new), pose, atol=1e-9)
    pose = random_pose(6)
    put(tracked, pose)  # no longer bound
    assert not np.allclose(matrix(new), pose)


def test_a_chosen_transform_that_scales_is_not_bound(module, transform):
    ui = module.widget.ui
    stretched = transform_from_matrix(np.diag([2.0, 1.0, 1.0, 1.0]), "Stretched")
    ui.carmTransformSelector.setCurrentNode(stretched)
    assert module.widget.parameterNode.carmTransform is transform
    assert "2, 1, 1" in status(module)
    np.testing.assert_array_equal(matrix(stretched), np.diag([2.0, 1.0, 1.0, 1.0]))


def test_deleting_the_transform_removes_the_drawing_and_the_next_change_makes_another(
    module, ct, transform
):
    put(transform, random_pose(7))
    detector = transform.GetNodeReference("MedDL.detector")
    slicer.mrmlScene.RemoveNode(transform)
    node = module.widget.parameterNode
    assert node.carmTransform is None or node.carmTransform is not transform
    assert detector.GetScene() is None
    assert node.isocenter is None
    module.widget.ui.primaryAngleSlider.value = 70
    np.testing.assert_allclose(matrix(node.carmTransform)[:3, 3], body().center, atol=1e-6)


def test_the_c_arm_stays_at_the_centre_of_a_ct_that_is_moved(module, ct, transform):
    pose = np.eye(4)
    pose[:3, 3] = 10, 20, 30
    ct.SetAndObserveTransformNodeID(transform_from_matrix(pose, "Table").GetID())
    np.testing.assert_allclose(
        matrix(transform)[:3, 3], np.add(body().center, (10, 20, 30)), atol=1e-6
    )


def test_a_hidden_c_arm_follows_and_its_handles_are_a_choice(module, transform):
    ui = module.widget.ui
    ui.showCArmCheckBox.click()
    ui.primaryAngleSlider.value = 90
    np.testing.assert_allclose(matrix(transform)[:3, 2], [-1, 0, 0], atol=1e-9)
    ui.handlesCheckBox.click()
    assert transform.GetDisplayNode().GetEditorVisibility()
    ui.handlesCheckBox.click()
    assert not transform.GetDisplayNode().GetEditorVisibility()


def test_a_preset_sets_the_device_and_apply_keeps_to_its_limits(module, ct):
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.presetSelector.currentText = "biplane-lateral"
    ui.presetSelector.activated.emit(ui.presetSelector.currentIndex)
    assert (node.primaryAngle, node.sourceDetector, node.sourceIsocenter) == (90, 1195, 810)
    assert (node.columns, node.rows, node.pixelSpacing) == (2480, 1920, 0.154)
    assert "primary 30 to 120°" in ui.presetLabel.text
    assert button(module).isEnabled()
    ui.primaryAngleSlider.value = 0
    assert not button(module).isEnabled()
    assert "limits of the preset biplane-lateral are 30 to 120" in button(module).toolTip
    ui.presetSelector.currentText = "none"
    assert button(module).isEnabled()
    assert not ui.presetLabel.isVisibleTo(module.panel)
