"""DeepDRR: a CT and its label map become radiographs, with the C-arm in the scene."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from DeepDRRModule import DeepDRRModuleLogic
from DeepDRRModuleLib.radiographs import radiograph_from_node
from demo.chapters import Context
from demo.chapters.deepdrr import drawings, measures
from demo.figures import Tile
from demo.report import Chapter, Number, Picture
from demo.scene import stage
from meddl.core import Image, read_image
from meddl.core.geometry import apply
from meddl.deepdrr import CArm, render, render_views
from SlicerMedDLLib import (
    image_from_volume,
    segmentation_from_labels,
    set_window,
    volume_from_image,
)
from SlicerMedDLLib.segmentations import Segment, read_segments

CT, LABELS, TABLE = (
    "abdomen_pelvis_ct.nii.gz",
    "abdomen_pelvis_labels.nii.gz",
    "abdomen_pelvis_labels.json",
)
BONE_CT = "ct244_bone.nrrd"
POSES = {
    "AP": (0, 0),
    "LAO 30": (30, 0),
    "RAO 30": (-30, 0),
    "lateral": (90, 0),
    "cranial 25": (0, 25),
    "caudal 25": (0, -25),
}
PELVIS_POSES = {"AP": (0, 0), "LAO 45": (45, 0), "inlet": (0, 40), "outlet": (0, -40)}
SHOWN, STRUCTURE = "LAO 30", "vertebra L5"
PHOTONS = (5_000.0, 20_000.0)  # four times the dose: half the noise

TEXT = (
    "The bundled abdominal CT and its label map are loaded into a scene; a C-arm takes radiographs "
    "of it with a polychromatic 90 kV spectrum; source, detector, beam and central ray are shown "
    "where they stood."
)
CONSOLE = """\
from meddl.deepdrr import CArm
logic = slicer.util.getModuleLogic("DeepDRRModule")
radiograph = logic.render(getNode("Abdomen CT"), CArm(primary_angle=30), quantity="neglog")
carm = logic.showGeometry(getNode("Abdomen CT"), CArm(primary_angle=30), radiograph)"""
DATA = (
    f"{CT} and its label map: test files of TotalSegmentator (Wasserthal et al.), Apache-2.0.",
    f"{BONE_CT}: TotalSegmentator dataset (Wasserthal et al., Radiology: Artificial Intelligence "
    "2023), CC BY 4.0, blanked below 200 HU.",
)


@dataclass(frozen=True)
class Case:
    """The patient of this chapter.

    Attributes:
        ct, labels: the bundled CT and its label map.
        segments: name to its entry in the table of labels.
        volume, segmentation: their nodes.
        voxels: (N, 3) RAS mm, positions of the voxels of :data:`STRUCTURE`.
        carms: name to pose.
    """

    ct: Image
    labels: Image
    segments: dict[str, Segment]
    volume: Any
    segmentation: Any
    voxels: NDArray[np.float64]
    carms: dict[str, CArm]


def run(context: Context) -> Chapter:
    """Load, render, measure, draw, write the scene; the scene stays for screenshots."""
    context.step(0.0, "reading the CT and its label map")
    case = _load(context)
    logic = DeepDRRModuleLogic()
    nodes, speed = _take_radiographs(context, case, logic)
    context.step(0.35, "C-arm and landmark")
    _show_geometry(case, logic, nodes[SHOWN])
    pictures = [
        *_views(context, case),
        _radiographs(context, case, nodes),
        _landmark(context, case, nodes[SHOWN]),
        drawings.materials(context.folder / "materials.png", case.ct, case.carms["AP"]),
        _pelvis(context),
    ]
    context.step(0.7, "noise")
    noise, ratio = _noise(context, case)
    pictures.insert(-1, noise)
    context.step(0.75, "shadows of single structures")
    labels, segments, carms = case.labels, case.segments, case.carms
    numbers = [
        measures.landing(labels, segments[STRUCTURE], case.voxels, carms, context.cancel),
        measures.liver_side(labels, segments["liver"], carms["AP"], context.cancel),
        ratio,
        speed,
    ]
    context.step(0.85, "writing the scene and reading it back")
    stage(case.volume, *drawings.viewpoint(carms[SHOWN], case.ct.center))
    numbers += measures.scene_file(context.folder / "deepdrr.mrb", list(segments.values()))
    context.step(0.92, "the same radiograph from the command line")
    output = context.folder / "lao30.tiff"
    arguments = measures.render_command(context.data / CT, carms[SHOWN], output)
    numbers.append(measures.command_line(arguments, output, image_from_volume(nodes[SHOWN])))
    context.step(1.0, "done")
    return Chapter(
        title="Radiographs from CT (DeepDRR)",
        text=TEXT,
        scene="deepdrr.mrb",
        pictures=pictures,
        numbers=numbers,
        commands={
            "Python console of Slicer": CONSOLE,
            "Command line": "./meddl " + shlex.join([*arguments[:4], output.name, *arguments[5:]]),
        },
        data=DATA,
        missing=[context.problem] if context.problem else [],
    )


def carm(angles: tuple[float, float], scale: int = 1, pixels: int = 512) -> CArm:
    """A detector of 614 x 614 mm, larger than real ones, so that the whole CT is in the picture.

    Args:
        angles: primary and secondary, degrees.
        scale: divides the number of pixels per side.
    """
    return CArm(
        primary_angle=angles[0],
        secondary_angle=angles[1],
        detector_size=(pixels // scale, pixels // scale),
        pixel_spacing=614.4 / pixels * scale,
    )


def _load(context: Context) -> Case:
    ct, labels = read_image(context.data / CT), read_image(context.data / LABELS)
    present = set(np.unique(labels.array).tolist())
    segments = [one for one in read_segments(context.data / TABLE) if one.label in present]
    volume = volume_from_image(ct, "Abdomen CT")
    set_window(volume, -160, 240)
    segmentation = segmentation_from_labels(labels, segments, "Abdomen structures")
    drawings.show_bones_in_3d(segmentation)
    named = {one.name: one for one in segments}
    ijk = np.argwhere(labels.array == named[STRUCTURE].label)[:, ::-1]
    voxels = apply(labels.ras_from_ijk, ijk)
    carms = {name: carm(angles, context.scale) for name, angles in POSES.items()}
    return Case(ct, labels, named, volume, segmentation, voxels, carms)


def _take_radiographs(
    context: Context, case: Case, logic: DeepDRRModuleLogic
) -> tuple[dict[str, Any], Number]:
    context.step(0.05, "compiling the projector (once per machine)")
    render(case.ct, carm((0, 0), 64))
    nodes, started = {}, time.perf_counter()
    for number, (name, view) in enumerate(case.carms.items()):
        context.step(0.1 + 0.04 * number, f"radiograph {name}")
        nodes[name] = logic.render(case.volume, view, quantity="neglog", cancel=context.cancel)
        nodes[name].SetName(f"Radiograph {name}")
    seconds = (time.perf_counter() - started) / len(nodes)
    return nodes, Number("time for one radiograph", f"{seconds:.2f} s", "below 5 s", seconds < 5)


def _show_geometry(case: Case, logic: DeepDRRModuleLogic, radiograph: Any) -> None:
    logic.showGeometry(case.volume, case.carms[SHOWN], radiograph)
    landmark = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", STRUCTURE)
    landmark.CreateDefaultDisplayNodes()
    landmark.AddControlPoint(*case.voxels.mean(axis=0), STRUCTURE)
    logic.projectMarkups(landmark, radiograph)


def _views(context: Context, case: Case) -> list[Picture]:
    if context.problem is not None:
        return []
    context.step(0.4, "slice views and 3-D view")
    folder, scale, shown = context.folder, context.scale, case.carms[SHOWN]
    segments, through = list(case.segments.values()), case.voxels.mean(axis=0)
    size = (1500 // scale, 840 // scale)
    return [
        drawings.c_arm(folder / "carm.png", slicer.mrmlScene, shown, case.ct.center, size),
        drawings.slices(
            folder / "slices.png", case.volume, case.labels, segments, 700 // scale, through
        ),
    ]


def _tile(case: Case, name: str, node: Any) -> Tile:
    radiograph = radiograph_from_node(node)
    return drawings.tile(radiograph, name, case.carms[name], drawings.BODY_WINDOW)


def _radiographs(context: Context, case: Case, nodes: dict[str, Any]) -> Picture:
    tiles = [_tile(case, name, node) for name, node in nodes.items()]
    return drawings.radiographs(context.folder / "radiographs.png", tiles)


def _landmark(context: Context, case: Case, node: Any) -> Picture:
    view = case.carms[SHOWN]
    camera, label = view.camera(case.ct.center), case.segments[STRUCTURE].label
    shadow = measures.shadow(case.labels, label, view, context.cancel)
    return drawings.landmark(
        context.folder / "landmark.png",
        _tile(case, SHOWN, node),
        shadow,
        camera.project(case.voxels.mean(axis=0))[0],
        measures.shadow_center(shadow, camera),
        STRUCTURE,
    )


def _noise(context: Context, case: Case) -> tuple[Picture, Number]:
    detail = replace(case.carms["AP"], detector_size=(160, 160), pixel_spacing=1.2)
    images, ratio = measures.noise_ratio(case.ct, detail, PHOTONS, context.cancel)
    return drawings.noise(context.folder / "noise.png", images, PHOTONS), ratio


def _pelvis(context: Context) -> Picture:
    context.step(0.5, "radiographs of the pelvis")
    views = {name: carm(angles, context.scale, 384) for name, angles in PELVIS_POSES.items()}
    radiographs = render_views(
        read_image(context.data / BONE_CT),
        list(views.values()),
        quantity="neglog",
        hu_below="1:-1000",
        cancel=context.cancel,
    )
    tiles = [
        drawings.tile(picture, name, view, drawings.BONE_WINDOW)
        for picture, (name, view) in zip(radiographs, views.items(), strict=True)
    ]
    return drawings.pelvis(context.folder / "pelvis.png", tiles)
