"""DeepDRR: a CT and its label map become radiographs, with the C-arm in the scene."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer

from DeepDRRModule import DeepDRRModuleLogic
from demo.chapters import Context
from demo.chapters.deepdrr import drawings, measures
from demo.report import Chapter, Number
from demo.scene import stage
from meddl.core import Image, read_image, read_json
from meddl.core.geometry import apply
from meddl.deepdrr import CArm, render, render_views
from SlicerMedDLLib import (
    image_from_volume,
    segmentation_from_labels,
    set_window,
    volume_from_image,
)
from SlicerMedDLLib.segmentations import Segment

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


def run(context: Context) -> Chapter:
    """Load, render, measure, draw, write the scene; the scene stays for screenshots."""
    folder, scale = context.folder, 4 if context.fast else 1

    def begin(fraction: float, message: str) -> None:
        context.cancel.check()
        context.progress(fraction, message)

    begin(0.0, "reading the CT and its label map")
    ct, labels, segments = _read_data(context.data)
    volume = volume_from_image(ct, "Abdomen CT")
    set_window(volume, -160, 240)
    segmentation = segmentation_from_labels(labels, segments, "Abdomen structures")
    named = {one.name: one for one in segments}
    voxels = _positions(labels, named[STRUCTURE])

    begin(0.05, "compiling the projector (once per machine)")
    render(ct, carm((0, 0), 64))
    logic = DeepDRRModuleLogic()
    carms = {name: carm(angles, scale) for name, angles in POSES.items()}
    nodes, started = {}, time.perf_counter()
    for number, (name, view) in enumerate(carms.items()):
        begin(0.1 + 0.04 * number, f"radiograph {name}")
        nodes[name] = logic.render(volume, view, quantity="neglog", cancel=context.cancel)
        nodes[name].SetName(f"Radiograph {name}")
    seconds = (time.perf_counter() - started) / len(carms)
    radiographs = {name: _with_quantity(image_from_volume(node)) for name, node in nodes.items()}
    tiles = {
        name: drawings.tile(one, name, carms[name], drawings.BODY_WINDOW)
        for name, one in radiographs.items()
    }

    begin(0.35, "C-arm and landmark")
    shown = carms[SHOWN]
    logic.showGeometry(volume, shown, nodes[SHOWN])
    landmark = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", STRUCTURE)
    landmark.CreateDefaultDisplayNodes()
    landmark.AddControlPoint(*voxels.mean(axis=0), STRUCTURE)
    logic.projectMarkups(landmark, nodes[SHOWN])
    drawings.show_bones_in_3d(segmentation)

    begin(0.4, "shadows of single structures")
    numbers = [
        measures.landing(labels, named[STRUCTURE], voxels, carms, context.cancel),
        measures.liver_side(labels, named["liver"], carms["AP"], context.cancel),
        Number("time for one radiograph", f"{seconds:.2f} s", "below 5 s", seconds < 5),
    ]
    camera = shown.camera(ct.center)
    shadow = measures.shadow(labels, named[STRUCTURE].label, shown, context.cancel)
    pictures = [
        drawings.radiographs(folder / "radiographs.png", list(tiles.values())),
        drawings.landmark(
            folder / "landmark.png",
            tiles[SHOWN],
            shadow,
            camera.project(voxels.mean(axis=0))[0],
            measures.shadow_center(shadow, camera),
            STRUCTURE,
        ),
    ]
    begin(0.5, "materials and noise")
    pictures.append(drawings.materials(folder / "materials.png", ct, carms["AP"]))
    detail = replace(carms["AP"], detector_size=(160, 160), pixel_spacing=1.2)
    images, ratio = measures.noise_ratio(ct, detail, PHOTONS, context.cancel)
    numbers.append(ratio)
    pictures.append(drawings.noise(folder / "noise.png", images, PHOTONS))

    begin(0.6, "radiographs of the pelvis")
    poses = {name: carm(angles, scale, 384) for name, angles in PELVIS_POSES.items()}
    bones = render_views(
        read_image(context.data / BONE_CT),
        list(poses.values()),
        quantity="neglog",
        hu_below="1:-1000",
        cancel=context.cancel,
    )
    pelvis = [
        drawings.tile(picture, name, view, drawings.BONE_WINDOW)
        for picture, (name, view) in zip(bones, poses.items(), strict=True)
    ]
    pictures.append(drawings.pelvis(folder / "pelvis.png", pelvis))

    begin(0.75, "slice views and 3-D view")
    if context.problem is None:
        side = 700 // scale
        through = voxels.mean(axis=0)
        pictures[:0] = [
            drawings.c_arm(
                folder / "carm.png",
                slicer.mrmlScene,
                shown,
                ct.center,
                (1500 // scale, 840 // scale),
            ),
            drawings.slices(folder / "slices.png", volume, labels, segments, side, through),
        ]

    begin(0.85, "writing the scene and reading it back")
    stage(volume, *drawings.viewpoint(shown, ct.center))
    numbers += measures.scene_file(folder / "deepdrr.mrb", segments)

    begin(0.92, "the same radiograph from the command line")
    output = folder / "lao30.tiff"
    arguments = measures.render_command(context.data / CT, shown, output)
    numbers.append(measures.command_line(arguments, output, radiographs[SHOWN]))
    context.progress(1.0, "done")
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


def _read_data(folder: Path) -> tuple[Image, Image, list[Segment]]:
    ct, labels = read_image(folder / CT), read_image(folder / LABELS)
    present = set(np.unique(labels.array).tolist())
    segments = [
        Segment(int(label), one["name"], tuple(one["color"]), one.get("terminology", ""))
        for label, one in read_json(folder / TABLE, "table of labels").items()
        if int(label) in present
    ]
    return ct, labels, segments


def carm(angles: tuple[float, float], scale: int = 1, pixels: int = 512) -> CArm:
    """A detector of 614 x 614 mm, larger than real ones, so that the whole CT is in the picture.

    Args:
        scale: divides the number of pixels per side.
    """
    return CArm(
        primary_angle=angles[0],
        secondary_angle=angles[1],
        detector_size=(pixels // scale, pixels // scale),
        pixel_spacing=614.4 / pixels * scale,
    )


def _positions(labels: Image, segment: Segment) -> np.ndarray:
    """(N, 3) RAS positions of a segment's voxels."""
    return apply(labels.ras_from_ijk, np.argwhere(labels.array == segment.label)[:, ::-1])


def _with_quantity(image: Image) -> Image:
    return Image(image.array, image.ras_from_ijk, {"quantity": "neglog"})
