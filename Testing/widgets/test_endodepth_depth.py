"""EndoDepthModule, steps 2 to 4: depths, camera, points, surface and place against exact truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

import host
from EndoDepthModuleLib import (
    cameras,
    clouds,
    depths,
    live,
    phantom,
    placing,
    predicting,
    registering,
    surfaces,
    textures,
    video,
)
from meddl.core.depth_maps import read_depth_folder
from meddl.core.geometry import apply, rotation
from meddl.core.mesh import Mesh
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.sequence import read_sequence
from SlicerMedDLLib.markups import markups_from_points
from SlicerMedDLLib.models import mesh_from_model, model_from_mesh
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.transforms import matrix_from_transform, transform_points, world_from_node
from waiting import BLOCK, longest_block, until
from widgets.endodepth_panel import (
    UNIT_MM,
    apply_button,
    browser,
    folder,
    module,
    original,
    status,
)

__all__ = ["browser", "folder", "module", "original"]  # fixtures
WAIT = 600  # s; of a machine that does other work too


def truth(item: int) -> np.ndarray:
    """The exact depth map of an item, mm, 0 outside the mask."""
    row, column = np.mgrid[: phantom.SIZE[0], : phantom.SIZE[1]]
    mask = (row - 47.5) ** 2 + (column - 63.5) ** 2 < 46**2
    return phantom.depth_of(phantom.poses()[item]) * mask


def unit(browser: Any) -> str:
    """Of the depths in the scene."""
    return str(part(browser, depths.DEPTHS).GetAttribute(depths.UNIT))


def values(browser: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(depths.depth_volume(browser))[0]


def outside(points: np.ndarray) -> np.ndarray:
    """How far points lie off the phantom's wall, mm, to first order."""
    level = ((points / phantom.AXES) ** 2).sum(axis=1) - 1
    slope = 2 * np.linalg.norm(points / phantom.AXES**2, axis=1)
    return np.abs(level / slope)


# Depths


def test_depths_follow_the_browser_and_the_scale(module: Any, browser: Any) -> None:
    module.logic.loadDepths(browser)
    volume = depths.depth_volume(browser)
    display = volume.GetDisplayNode()
    window = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    for item in (0, 6, 3):
        browser.SetSelectedItemNumber(item)
        np.testing.assert_allclose(values(browser) * UNIT_MM, truth(item), atol=1e-4)
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == window
    assert unit(browser) == "relative"
    assert "relative" in module.widget.ui.unitLabel.text
    module.widget.ui.scaleSpinBox.value = UNIT_MM
    module.widget.ui.scaleButton.click()
    for item in (3, 5):
        browser.SetSelectedItemNumber(item)
        np.testing.assert_allclose(values(browser), truth(item), atol=1e-4)
    assert unit(browser) == "mm" and "5 mm" in module.widget.ui.unitLabel.text
    assert volume.GetVoxelValueUnits().GetCodeValue() == "mm"
    assert depths.depth_folder(browser).mm_per_unit == UNIT_MM
    assert display.GetWindowLevelMax() == pytest.approx(UNIT_MM * window[1], rel=1e-5)


def test_a_crop_lies_over_its_part_of_the_frame() -> None:
    intrinsics = np.diag([50.0, 50.0, 1.0])
    camera = depths.DepthCamera(intrinsics, 10, 12, (3, 13), (5, 17), downsampling=4.0)
    matrix = depths.frame_from_map((10, 12), (96, 128), camera)
    # The crop's first pixel covers x from 20 to 24 and y from 12 to 16 of the frame.
    np.testing.assert_allclose(matrix @ [0, 0, 0, 1], [21.5, 13.5, 0, 1])
    np.testing.assert_allclose(matrix @ [11, 9, 0, 1], [65.5, 49.5, 0, 1])
    assert depths.camera_from_text(depths.camera_text(camera)).rows == (3, 13)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: Any) -> str:
    """An untrained light network: what it says is no depth, but always the same."""
    import torch

    from meddl.core.weights import Card, save_weights
    from meddl.endodepth.networks import make_network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(make_network("light"), path, Card("untrained", "depth", "light"))
    return str(path)


def test_apply_predicts_the_whole_video_by_the_chosen_weights(
    module: Any, browser: Any, folder: Path, weights: str
) -> None:
    module.widget.parameterNode.weights = weights

    def press() -> None:
        apply_button(module).click()
        assert apply_button(module).text == "Cancel"

    widget = module.widget
    works = lambda: widget.busy  # noqa: E731
    assert longest_block(press, works, WAIT) < BLOCK
    written = read_depth_folder(folder / "depth-predicted")
    sequence = read_sequence(folder)
    for item in (7, 2):
        browser.SetSelectedItemNumber(item)
        name = sequence.file_of(video.frame_number(browser)).stem
        np.testing.assert_array_equal(values(browser), written.depth(name))
    # What the panel shows while scrubbing is the same network, scaled by the same points; its map
    # is of the whole frame.
    module.logic.predictFrame(browser, weights)
    shown = slicer.util.arrayFromVolume(video.part(browser, live.LIVE))[0]
    ratio = np.median(shown[shown > 0]) / np.median(values(browser)[values(browser) > 0])
    assert ratio == pytest.approx(1, abs=0.1)
    assert host.messages("error") == []


def slow_prediction(*arguments: Any, progress: Any, cancel: Any) -> None:
    """Works until it is cancelled."""
    while True:
        progress(0.5, "waiting")
        cancel.check()
        time.sleep(0.005)


def test_the_window_lives_and_cancel_leaves_the_scene(
    module: Any, browser: Any, folder: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "predict_video", slow_prediction)
    module.widget.parameterNode.weights = weights
    before = sorted(path.name for path in folder.iterdir())
    count = slicer.mrmlScene.GetNumberOfNodes()
    apply_button(module).click()
    turns, longest, end = 0, 0.0, time.monotonic() + 1.0
    while time.monotonic() < end or turns < 20:
        browser.SetSelectedItemNumber(turns % 8)
        start = time.thread_time()  # of this thread: the machine may have other work
        slicer.app.processEvents()
        longest = max(longest, time.thread_time() - start)
        turns += 1
        time.sleep(0.005)
    assert module.widget.runner.busy and longest < 0.1
    apply_button(module).click()
    until(lambda: not module.widget.runner.busy, WAIT)
    assert status(module) == "Cancelled" and apply_button(module).text == "Apply"
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert sorted(path.name for path in folder.iterdir()) == before


def test_depths_abandoned_halfway_leave_the_scene(module: Any, browser: Any) -> None:
    count = slicer.mrmlScene.GetNumberOfNodes()
    steps = depths.adding_depths(browser, video.folder_of(browser) / "depth")
    for _ in range(3):
        next(steps)
    steps.close()
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert depths.depth_volume(browser) is None


def test_the_newest_frame_wins(
    module: Any, browser: Any, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted: list[int] = []

    def predict(request: Any, progress: Any, cancel: Any) -> Any:
        predicted.append(request.number)
        time.sleep(0.1)
        return np.full(phantom.SIZE, float(request.number), np.float32), predicting.SFM

    monkeypatch.setattr(module.widget.surface.live, "_function", predict)
    module.widget.parameterNode.weights = weights
    module.widget.ui.liveCheckBox.checked = True
    for item in range(8):
        browser.SetSelectedItemNumber(item)
    until(lambda: not module.widget.surface.live.busy, WAIT)
    volume = video.part(browser, live.LIVE)
    assert (slicer.util.arrayFromVolume(volume) == 45).all()
    assert predicted[0] == 10 and predicted[-1] == 45 and len(predicted) < 5
    placing.set_scale(browser, 2.0)
    module.widget.ui.liveCheckBox.checked = False
    module.widget.ui.liveCheckBox.checked = True
    until(lambda: not module.widget.surface.live.busy, WAIT)
    assert (slicer.util.arrayFromVolume(volume) == 90).all()
    assert volume.GetVoxelValueUnits().GetCodeValue() == "mm"


# In space


def test_camera_and_points_lie_where_the_truth_is(module: Any, browser: Any) -> None:
    module.logic.loadDepths(browser)
    module.logic.setScale(browser, UNIT_MM)
    module.widget.ui.cameraButton.click()
    curve, camera = video.part(browser, cameras.PATH), video.part(browser, cameras.CAMERA)
    poses = phantom.poses()
    centres = slicer.util.arrayFromMarkupsControlPoints(curve, world=True)
    np.testing.assert_allclose(centres, poses[:, :3, 3], atol=1e-9)
    for item in (2, 7):
        browser.SetSelectedItemNumber(item)
        expected = poses[item] @ np.diag([UNIT_MM] * 3 + [1])
        np.testing.assert_allclose(world_from_node(camera), expected, atol=1e-6)
        module.widget.ui.cloudButton.click()
        until(lambda: not module.widget.runner.busy, WAIT)
        cloud = video.part(browser, clouds.CLOUD).GetPolyData()
        points = transform_points(
            video.part(browser, clouds.CLOUD), vtk_to_numpy(cloud.GetPoints().GetData())
        )
        assert len(points) == (truth(item) > 0).sum() and outside(points).max() < 1e-3
    colours = vtk_to_numpy(cloud.GetPointData().GetArray(surfaces.COLORS))
    sequence = read_sequence(video.folder_of(browser))
    expected = phantom.picture_of(poses[7])[sequence.mask]
    np.testing.assert_array_equal(colours, expected)
    apex = world_from_node(camera)[:3, 3]
    vertices = slicer.util.arrayFromModelPoints(camera)
    np.testing.assert_allclose(apply(world_from_node(camera), vertices)[0], apex, atol=1e-5)


@pytest.fixture
def fused(module: Any, browser: Any) -> Any:
    """The video with depths and a fused surface, still in units of its own."""
    module.logic.loadDepths(browser)
    module.logic.fuse(browser, FusionParameters(size=64))
    return browser


def test_the_surface_is_the_wall(fused: Any) -> None:
    mesh = mesh_from_model(video.part(fused, clouds.MESH))
    off = outside(mesh.vertices * UNIT_MM)
    assert np.median(off) < 0.1 and np.percentile(off, 95) < 0.5 and len(off) > 1000


def test_a_texture_is_shown_and_the_scene_keeps_it(
    module: Any, browser: Any, tmp_path: Path
) -> None:
    module.logic.loadDepths(browser)
    module.widget.parameterNode.texture = True
    assert module.widget.ui.textureCheckBox.checked
    module.widget.ui.fuseButton.click()
    until(lambda: not module.widget.runner.busy, WAIT)
    assert host.messages("error") == []

    def shown(node: Any) -> np.ndarray:
        """What VTK reads from the picture at the texture coordinates: rows count from below."""
        picture = (
            node.GetDisplayNode()
            .GetTextureImageDataConnection()
            .GetProducer()
            .GetOutputDataObject(0)
        )
        width, height, _ = picture.GetDimensions()
        pixels = vtk_to_numpy(picture.GetPointData().GetScalars()).reshape(height, width, 3)
        u, v = vtk_to_numpy(node.GetPolyData().GetPointData().GetTCoords()).T
        return pixels[(v * height).astype(int), (u * width).astype(int)].astype(float)

    node = video.part(browser, clouds.MESH)
    assert not node.GetDisplayNode().GetScalarVisibility()
    colours = vtk_to_numpy(node.GetPolyData().GetPointData().GetArray(surfaces.COLORS))
    first = shown(node)
    spread = np.abs(first - first.mean(axis=0)).mean()
    assert np.abs(first - colours).mean() < 0.3 * spread
    mesh = mesh_from_model(node)
    assert np.median(outside(mesh.vertices * UNIT_MM)) < 0.1

    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    [again] = video.videos()
    node = video.part(again, clouds.MESH)
    np.testing.assert_array_equal(shown(node), first)
    count = node.GetPolyData().GetNumberOfPoints()
    surfaces.paint(node, registering.DISTANCE, np.zeros(count), (0, 1))
    assert node.GetDisplayNode().GetTextureImageDataConnection() is None
    module.logic.fuse(again, FusionParameters(size=32))
    assert part(node, textures.TEXTURE) is None
    assert node.GetDisplayNode().GetScalarVisibility()


def test_distances_are_painted_ever_darker(scene: Any) -> None:
    table = scene.GetNodeByID(surfaces.DISTANCE_COLORS).GetLookupTable()
    colors = np.array([table.GetTableValue(n)[:3] for n in range(table.GetNumberOfTableValues())])
    luminance = colors @ (0.2126, 0.7152, 0.0722)  # of sRGB, BT.709
    assert (np.diff(luminance) < 1 / 255).all()  # the first yellow is a shade darker than the next
    assert luminance[0] > 3 * luminance[-1]


def patient() -> np.ndarray:
    """4x4: the phantom's frame, mm, to that of a patient."""
    matrix = rotation((1, 2, 3), 35)
    matrix[:3, 3] = (12, -80, 140)
    return matrix


def test_registration_places_everything_and_the_scene_keeps_it(
    module: Any, fused: Any, tmp_path: Path
) -> None:
    node, mesh_node = module.widget.parameterNode, video.part(fused, clouds.MESH)
    wall = phantom.surface()
    node.surface = model_from_mesh(Mesh(apply(patient(), wall.vertices), wall.faces), "CT wall")
    before = mesh_from_model(mesh_node).vertices
    numbers = [0, len(before) // 3, len(before) // 2, -1]
    chosen = before[numbers]
    noise = np.random.default_rng(0).normal(0, 1, (4, 3))  # nobody hits a landmark exactly
    node.meshPoints = markups_from_points(chosen, name="on mesh")
    node.surfacePoints = markups_from_points(
        apply(patient(), chosen * UNIT_MM) + noise, name="on CT"
    )
    module.widget.ui.registerButton.click()
    until(lambda: not module.widget.runner.busy, WAIT)
    assert host.messages("error") == []
    scale = placing.mm_per_unit(fused)
    assert scale == pytest.approx(UNIT_MM, rel=0.01)
    after = mesh_from_model(mesh_node).vertices
    error = np.linalg.norm(after - apply(patient(), before * UNIT_MM), axis=1)
    assert np.median(error) < 1.0  # of a wall 80 mm long
    points = slicer.util.arrayFromMarkupsControlPoints(node.meshPoints, world=True)
    np.testing.assert_allclose(points, after[numbers], atol=1e-3)
    fused.SetSelectedItemNumber(4)
    np.testing.assert_allclose(values(fused), truth(4), rtol=0.01)
    assert unit(fused) == "mm"
    distances = vtk_to_numpy(mesh_node.GetPolyData().GetPointData().GetArray(registering.DISTANCE))
    back = apply(np.linalg.inv(patient()), after)
    np.testing.assert_allclose(np.median(distances), np.median(outside(back)), atol=0.05)
    assert mesh_node.GetDisplayNode().GetActiveScalarName() == registering.DISTANCE
    assert f"median {np.median(distances):.2f}" in module.widget.ui.registrationLabel.text
    module.widget.ui.cameraButton.click()
    place = matrix_from_transform(placing.place_of(fused))

    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    [again] = video.videos()
    assert video.frame_number(again) == 30 and placing.mm_per_unit(again) == scale
    np.testing.assert_allclose(matrix_from_transform(placing.place_of(again)), place, rtol=1e-6)
    np.testing.assert_allclose(
        mesh_from_model(video.part(again, clouds.MESH)).vertices, after, atol=1e-3
    )
    assert video.part(again, clouds.MESH).GetDisplayNode().GetActiveScalarName() == (
        registering.DISTANCE
    )
    again.SetSelectedItemNumber(6)
    np.testing.assert_allclose(values(again), truth(6), rtol=0.01)
    expected = place @ read_sequence(video.folder_of(again)).world_from_camera[6]
    np.testing.assert_allclose(
        world_from_node(video.part(again, cameras.CAMERA)), expected, rtol=1e-4, atol=1e-4
    )
    module.enter()
    assert "median" in module.widget.ui.registrationLabel.text


@pytest.mark.parametrize("pairs", [2, (4, 3)])
def test_landmarks_that_are_no_pairs_are_refused(module: Any, fused: Any, pairs: Any) -> None:
    first, second = pairs if isinstance(pairs, tuple) else (pairs, pairs)
    node = module.widget.parameterNode
    node.surface = model_from_mesh(phantom.surface(), "CT wall")
    node.meshPoints = markups_from_points(np.eye(4, 3)[:first], name="on mesh")
    node.surfacePoints = markups_from_points(np.eye(4, 3)[:second], name="on CT")
    module.widget.ui.registerButton.click()
    [message] = host.messages("error")
    assert "3 or more pairs" in str(message) and placing.mm_per_unit(fused) is None


def test_what_is_missing_is_named(module: Any, browser: Any, folder: Path) -> None:
    module.logic.loadDepths(browser)
    with pytest.raises(Exception, match="a positive number was expected"):
        module.logic.setScale(browser, -1.0)
    (folder / "depth" / "00000020.tiff").unlink()
    module.logic.loadDepths(browser)
    number = browser.GetMasterSequenceNode().GetItemNumberFromIndexValue("20")
    browser.SetSelectedItemNumber(number)
    module.widget.ui.cloudButton.click()
    [message] = host.messages("error")
    assert "no depth of frame 20" in str(message)
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")  # frames are such, too
    assert [n for n in nodes if not n.IsA("vtkMRMLVectorVolumeNode")] == [
        depths.depth_volume(browser)
    ]
