"""Pictures for the documentation: module panels, alone or beside the views of the scene."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import slicer
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

import host
from demo.views import plot_view, slice_view, three_d_view
from meddl.core.files import atomic_path
from meddl.core.geometry import apply

ROOT = Path(__file__).resolve().parents[2]
SIZE, BAR = (1600, 900), 20  # pixels
PAGE, BAR_TEXT = "#efefef", "#1d1d1d"
# The bars of Slicer's views.
BARS = {
    "1": "#9797d6",
    "2": "#9797d6",
    "R": "#f34a33",
    "G": "#6eb04b",
    "Y": "#edd54c",
    "P": "#a8a8a8",
}


class Pane(NamedTuple):
    """One view of a four-up layout: the key of its bar, the text in it, and its picture."""

    key: str
    text: str
    picture: NDArray[np.uint8]


def panel_picture(module: Any, width: int) -> Picture.Image:
    """The whole panel of a loaded module, ``width`` pixels wide."""
    with TemporaryDirectory() as folder:
        path = host.grab(module, Path(folder) / "panel.png", width=width)
        with Picture.open(path) as picture:
            return picture.convert("RGB")


def four_up(panel: Picture.Image, panes: list[Pane]) -> Picture.Image:
    """A panel at the left and four views beside it, as in Slicer's default layout."""
    page = Picture.new("RGB", SIZE, PAGE)
    if panel.height > SIZE[1]:
        panel = panel.resize(
            (panel.width * SIZE[1] // panel.height, SIZE[1]), Picture.Resampling.LANCZOS
        )
    page.paste(panel, (0, 0))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    width, height = pane_size(panel.width)
    for number, pane in enumerate(panes):
        x = SIZE[0] - (2 - number % 2) * (width + 2) + 2
        y = (number // 2) * (height + BAR + 2)
        draw.rectangle((x, y, x + width - 1, y + BAR - 1), fill=BARS[pane.key])
        draw.text((x + 7, y + 2), f"{pane.key}   {pane.text}", fill=BAR_TEXT, font=font)
        page.paste(Picture.fromarray(pane.picture), (x, y + BAR))
    return page


def pane_size(panel_width: int) -> tuple[int, int]:
    """(W, H) of one of the four views beside a panel."""
    return (SIZE[0] - panel_width - 4) // 2, SIZE[1] // 2 - BAR - 1


def deepdrr(panel_width: int = 500) -> Picture.Image:
    """DeepDRRModule on the scene that its chapter left."""
    from demo.chapters import deepdrr as chapter
    from demo.chapters.deepdrr.drawings import viewpoint

    module = host.load_module(ROOT / "DeepDRRModule" / "DeepDRRModule.py")
    volume = slicer.util.getNode("Abdomen CT")
    radiograph = slicer.util.getNode(f"Radiograph {chapter.SHOWN}")
    carm = chapter.carm(chapter.POSES[chapter.SHOWN])
    state = module.logic.getParameterNode()
    with slicer.util.NodeModify(state):
        state.ctVolume, state.radiograph = volume, radiograph
        state.carmTransform = slicer.util.getNode("C-arm")
        state.primaryAngle, state.secondaryAngle = carm.primary_angle, carm.secondary_angle
        state.columns, state.rows = carm.detector_size
        state.pixelSpacing = carm.pixel_spacing
    module.enter()
    panel = panel_picture(module, panel_width)
    size = pane_size(min(panel_width, panel_width * SIZE[1] // panel.height))
    eye, focus = viewpoint(carm, module.logic.center(volume))
    eye = focus + 1.1 * (eye - focus)  # the pane is narrower than the chapter's figure
    through = slicer.util.arrayFromMarkupsControlPoints(slicer.util.getNode(chapter.STRUCTURE))[0]
    panes = [
        Pane("1", "", three_d_view(slicer.mrmlScene, size, eye, focus).picture),
        Pane("R", radiograph.GetName(), slice_view(radiograph, "Axial", size).picture),
        Pane("G", volume.GetName(), slice_view(volume, "Coronal", size, through).picture),
        Pane("Y", volume.GetName(), slice_view(volume, "Sagittal", size, through).picture),
    ]
    module.exit()
    return four_up(panel, panes)


def deepigeos(panel_width: int = 460) -> Picture.Image:
    """DeepIGeoSModule on the scene that its chapter left: a correction is previewed."""
    from demo.chapters import deepigeos as chapter

    host.show_views()
    for name in ("SegmentEditorDeepIGeoS", "DeepIGeoSModule"):
        module = host.load_module(ROOT / "DeepIGeoSModule" / f"{name}.py")
    host.finish_startup()
    volume, segmentation = slicer.util.getNode("Abdomen CT"), slicer.util.getNode("Organs")
    segmentation.RemoveClosedSurfaceRepresentation()
    state = module.logic.getParameterNode()
    with slicer.util.NodeModify(state):
        state.volume, state.segmentation = volume, segmentation
    module.enter()
    module.widget.segments.editor.setCurrentSegmentID(chapter.ORGANS[0])
    module.widget.inputs.session.update()
    _wait(lambda: not module.widget.inputs.session.runner.busy)
    module.widget.segments.effect.panel.ui.show3DCheckBox.checked = True
    module.widget.updateApply()
    panel = panel_picture(module, panel_width)
    size = pane_size(min(panel_width, panel_width * SIZE[1] // panel.height))
    bounds = np.zeros(6)
    segmentation.GetRASBounds(bounds)
    focus = bounds.reshape(3, 2).mean(axis=1)
    through = _middle(segmentation, chapter.ORGANS[0], volume)
    scene, eye = slicer.mrmlScene, focus + np.array([120, 900, 150])
    panes = [
        Pane("1", "", three_d_view(scene, size, eye, focus).picture),
        *(
            Pane(key, volume.GetName(), slice_view(volume, orientation, size, through).picture)
            for key, orientation in (("R", "Axial"), ("G", "Coronal"), ("Y", "Sagittal"))
        ),
    ]
    module.exit()
    host.hide_views()
    return four_up(panel, panes)


def endodepth(panel_width: int = 460) -> Picture.Image:
    """EndoDepthModule on the scene that its chapter left: the surface lies on the anatomy."""
    from demo.chapters.endodepth.drawings import viewpoint
    from EndoDepthModuleLib import depths, video

    module = host.load_module(ROOT / "EndoDepthModule" / "EndoDepthModule.py")
    [browser] = video.videos()
    state = module.logic.getParameterNode()
    with slicer.util.NodeModify(state):
        state.video, state.surface = browser, slicer.util.getNode("Anatomy")
        state.meshPoints = slicer.util.getNode("on the surface")
        state.surfacePoints = slicer.util.getNode("on the anatomy")
    module.enter()
    for name in ("motionButton", "surfaceButton"):
        getattr(module.widget.ui, name).collapsed = False
    panel = panel_picture(module, panel_width)
    size = pane_size(min(panel_width, panel_width * SIZE[1] // panel.height))
    frame, depth = video.frame_volume(browser), depths.depth_volume(browser)
    eye, focus = viewpoint(browser)
    inside = 0.45 * eye + 0.55 * focus
    scene = slicer.mrmlScene
    panes = [
        Pane("1", "", three_d_view(scene, size, eye, focus).picture),
        Pane("R", frame.GetName(), slice_view(frame, "Axial", size).picture),
        Pane("2", "", three_d_view(scene, size, inside, focus).picture),
        Pane("G", depth.GetName(), slice_view(depth, "Axial", size).picture),
    ]
    module.exit()
    return four_up(panel, panes)


def desmoke(panel_width: int = 460) -> Picture.Image:
    """DesmokeModule on the scene that its chapter left: before, after, divider, smoke level."""
    from DesmokeModuleLib import clips
    from SlicerMedDLLib.nodes import part

    module = host.load_module(ROOT / "DesmokeModule" / "DesmokeModule.py")
    [browser] = clips.clips()
    module.enter()
    module.widget.parameterNode.view = "divider"
    panel = panel_picture(module, panel_width)
    size = pane_size(min(panel_width, panel_width * SIZE[1] // panel.height))
    smoky, clear = clips.before(browser), clips.shown(browser, clips.OUTPUT)
    divided, chart = part(browser, clips.DIVIDED), part(browser, clips.CHART)
    panes = [
        Pane("R", smoky.GetName(), slice_view(smoky, "Axial", size).picture),
        Pane("G", clear.GetName(), slice_view(clear, "Axial", size).picture),
        Pane("Y", divided.GetName(), slice_view(divided, "Axial", size).picture),
        Pane("P", chart.GetName(), plot_view(chart, size)),
    ]
    module.exit()
    return four_up(panel, panes)


def _middle(segmentation: Any, name: str, volume: Any) -> NDArray[np.float64]:
    """RAS position (mm) of the middle of a segment."""
    from DeepIGeoSModuleLib.writing import segment_masks
    from SlicerMedDLLib.volumes import image_from_volume

    image = image_from_volume(volume)
    ijk = np.argwhere(segment_masks(segmentation, image, [name])[name])[:, ::-1].mean(axis=0)
    return np.asarray(apply(image.ras_from_ijk, ijk))


def _wait(done: Callable[[], bool]) -> None:
    while not done():
        slicer.app.processEvents()
        time.sleep(0.05)


def hub(panel_width: int = 500) -> Picture.Image:
    """The panel of MedDL Home, with all modules loaded as in Slicer."""
    for name in ("DeepDRRModule", "DeepIGeoSModule", "EndoDepthModule", "DesmokeModule"):
        host.load_module(ROOT / name / f"{name}.py")
    module = host.load_module(ROOT / "SlicerMedDL" / "SlicerMedDL.py")
    module.enter()
    _wait(lambda: not module.widget.deviceRunner.busy)  # a worker looks for devices
    picture = panel_picture(module, panel_width)
    module.exit()
    return picture


# Chapter -> name of the file -> what makes it, in the scene that the chapter left.
SCREENSHOTS: dict[str, dict[str, Callable[[], Picture.Image]]] = {
    "deepdrr": {"DeepDRRModule": deepdrr, "SlicerMedDL": hub},
    "deepigeos": {"DeepIGeoSModule": deepigeos},
    "endodepth": {"EndoDepthModule": endodepth},
    "desmoke": {"DesmokeModule": desmoke},
}


def write_screenshots(folder: Path, chapter: str) -> None:
    """Write the screenshots of a chapter's modules into ``folder``, in the scene as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SCREENSHOTS[chapter].items():
        with atomic_path(folder / f"{name}.png") as path:
            make().save(path, optimize=True)
