"""Pictures of slice views and 3-D views of a scene, as desktop Slicer draws them, without a window.

Slicer's own displayable managers draw into an offscreen render window: segmentation outlines,
models, markups and cameras are theirs. Only what Slicer leaves to its Qt widgets stands here: the
grey slice behind the outlines and the window itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from vtk.util.numpy_support import vtk_to_numpy

from meddl.core.geometry import Matrix

SLICE_MANAGERS = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)
TRIAL = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.Render()
"""
BACKGROUND_BOTTOM, BACKGROUND_TOP = (0.86, 0.89, 0.93), (1.0, 1.0, 1.0)


class View(NamedTuple):
    """A rendered view.

    Attributes:
        picture: (H, W, 3) uint8, row 0 at the top.
        pixel_from_ras: 4x4, homogeneous: column and row of a RAS point after division by the last
            element.
    """

    picture: NDArray[np.uint8]
    pixel_from_ras: Matrix

    def locate(self, points: ArrayLike) -> NDArray[np.float64]:
        """Where RAS points (N, 3) appear: (N, 2) column and row in pixels."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        homogeneous = np.column_stack([points, np.ones(len(points))]) @ self.pixel_from_ras.T
        return homogeneous[:, :2] / homogeneous[:, 3:]


def offscreen_problem() -> str | None:
    """Why views cannot be rendered on this machine, in one line; None if they can.

    Tried in another process: without OpenGL, VTK 9.6 crashes at the first picture.
    """
    if not os.environ.get("DISPLAY"):  # otherwise VTK tries X first and complains
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    trial = subprocess.run([sys.executable, "-c", TRIAL], capture_output=True, check=False)
    if trial.returncode == 0:
        return None
    return (
        "no slice views and no 3-D view: OpenGL does not work here; on Debian or Ubuntu, "
        "apt install libegl1 libgl1"
    )


def slice_view(
    volume: Any, orientation: str, size: tuple[int, int], through: ArrayLike | None = None
) -> View:
    """Draw one slice of a volume with the visible segmentations, models and markups of its scene.

    Args:
        volume: the volume node behind; the view is zoomed to it.
        orientation: ``"Axial"``, ``"Coronal"`` or ``"Sagittal"``, Slicer's default directions.
        size: (W, H) pixels.
        through: (3,) RAS mm, a point in the slice; the middle of the volume by default.
    """
    scene = volume.GetScene()
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetMRMLScene(scene)
    node = logic.AddSliceNode(f"Figure {orientation}")
    node.SetOrientation(orientation)
    node.SetDimensions(*size, 1)
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    logic.FitSliceToBackground(*size)
    if through is not None:
        node.JumpSliceByOffsetting(*np.asarray(through, dtype=float))
    logic.UpdatePipeline()
    with _window(size) as window:
        grey, overlay = vtk.vtkRenderer(), vtk.vtkRenderer()
        window.SetNumberOfLayers(2)
        overlay.SetLayer(1)
        for renderer in (grey, overlay):
            renderer.GetActiveCamera().ParallelProjectionOn()
            window.AddRenderer(renderer)
        mapper = vtk.vtkImageMapper()
        mapper.SetInputConnection(logic.GetImageDataConnection())
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        picture = vtk.vtkActor2D()
        picture.SetMapper(mapper)
        grey.AddViewProp(picture)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        with _managers(factory, SLICE_MANAGERS, overlay, node):
            pixels = _grab(window)
    pixel_from_xy = np.array([[1, 0, 0, 0], [0, -1, 0, size[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    xy_from_ras = np.linalg.inv(slicer.util.arrayFromVTKMatrix(node.GetXYToRAS()))
    composite = logic.GetSliceCompositeNode()
    logic.SetMRMLScene(None)
    scene.RemoveNode(composite)
    scene.RemoveNode(node)
    return View(pixels, pixel_from_xy @ xy_from_ras)


def three_d_view(
    scene: Any,
    size: tuple[int, int],
    position: ArrayLike,
    focus: ArrayLike,
    up: ArrayLike = (0.0, 0.0, 1.0),
    angle: float = 30.0,
) -> View:
    """Draw the visible models, segmentations and markups of a scene on a light background.

    Args:
        size: (W, H) pixels.
        position, focus: (3,) RAS mm, where the eye is and what it looks at.
        up: (3,) RAS direction that is up in the picture.
        angle: vertical opening in degrees.
    """
    node, camera_node = slicer.vtkMRMLViewNode(), slicer.vtkMRMLCameraNode()
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    node.SetBackgroundColor(*BACKGROUND_BOTTOM)
    node.SetBackgroundColor2(*BACKGROUND_TOP)
    for one in (node, camera_node):
        one.SetName("Figure 3D")
        one.SetLayoutName("Figure 3D")
    node, camera_node = scene.AddNode(node), scene.AddNode(camera_node)
    with _window(size) as window:
        renderer = vtk.vtkRenderer()
        renderer.SetUseFXAA(True)
        window.AddRenderer(renderer)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        with _managers(factory, THREE_D_MANAGERS, renderer, node):
            camera = renderer.GetActiveCamera()
            camera.SetPosition(*np.asarray(position, dtype=float))
            camera.SetFocalPoint(*np.asarray(focus, dtype=float))
            camera.SetViewUp(*np.asarray(up, dtype=float))
            camera.SetViewAngle(angle)
            renderer.ResetCameraClippingRange()
            pixels = _grab(window)
            near_far = camera.GetClippingRange()
            clip_from_ras = slicer.util.arrayFromVTKMatrix(
                camera.GetCompositeProjectionTransformMatrix(size[0] / size[1], *near_far)
            )
    scene.RemoveNode(node)
    scene.RemoveNode(camera_node)
    w, h = size
    pixel_from_clip = np.array(
        [[w / 2, 0, 0, (w - 1) / 2], [0, -h / 2, 0, (h - 1) / 2], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    return View(pixels, pixel_from_clip @ clip_from_ras)


def plot_view(chart: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the series of a chart node, (H, W, 3) uint8.

    Args:
        chart: a plot chart node.
        size: (W, H) pixels.
    """
    drawn = vtk.vtkChartXY()
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(number)
        plot = vtk.vtkPlotLine()
        table = series.GetTableNode().GetTable()
        plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
        plot.SetColorF(*series.GetColor())
        plot.SetWidth(series.GetLineWidth())
        drawn.AddPlot(plot)
    drawn.SetTitle(chart.GetTitle())
    drawn.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(chart.GetXAxisTitle())
    left = drawn.GetAxis(vtk.vtkAxis.LEFT)
    left.SetTitle(chart.GetYAxisTitle())
    if not chart.GetYAxisRangeAuto():
        left.SetBehavior(vtk.vtkAxis.FIXED)
        left.SetRange(*chart.GetYAxisRange())
    with _window(size) as window:
        renderer, actor = vtk.vtkRenderer(), vtk.vtkContextActor()
        renderer.SetBackground(1, 1, 1)
        window.AddRenderer(renderer)
        actor.GetScene().AddItem(drawn)
        actor.GetScene().SetRenderer(renderer)
        renderer.AddViewProp(actor)
        return _grab(window)


@contextmanager
def _window(size: Sequence[int]) -> Iterator[Any]:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    # The managers of cameras and markups crash without an interactor; it is never started.
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    try:
        yield window
    finally:
        interactor.SetRenderWindow(None)
        window.Finalize()


@contextmanager
def _managers(factory: Any, names: Sequence[str], renderer: Any, view_node: Any) -> Iterator[None]:
    """Let Slicer's displayable managers draw ``view_node`` into ``renderer``."""
    factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    # Not factory.InstantiateDisplayableManagers: nobody would own that group, and its managers
    # would follow events of the scene into a window that is gone.
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(view_node)
    try:
        yield
    finally:
        group.SetMRMLDisplayableNode(None)


def _grab(window: Any) -> NDArray[np.uint8]:
    window.Render()
    capture = vtk.vtkWindowToImageFilter()
    capture.SetInput(window)
    capture.ReadFrontBufferOff()
    capture.Update()
    w, h, _ = capture.GetOutput().GetDimensions()
    pixels = vtk_to_numpy(capture.GetOutput().GetPointData().GetScalars())
    return np.ascontiguousarray(pixels.reshape(h, w, 3)[::-1])
