"""EndoDepth: a rendered sequence with exact truth, from frames to a surface laid on its anatomy."""

from __future__ import annotations

from typing import Any

import numpy as np

from demo.chapters import Context
from demo.chapters.endodepth import drawings, measures
from demo.report import Chapter, Picture
from demo.scene import checked_scene, stage
from EndoDepthModuleLib import clouds, predicting, video
from EndoDepthModuleLib.logic import EndoDepthLogic
from meddl.core.geometry import apply, rotation
from meddl.core.mesh import Mesh, read_mesh
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.rendered_sequence import RenderParameters, render_sequence
from SlicerMedDLLib.markups import markups_from_points
from SlicerMedDLLib.models import mesh_from_model, model_from_mesh

FRAMES, FAST_FRAMES, SIZE, SEED, STEP = 24, 8, (256, 320), 5, 0.5
VOXELS, FAST_VOXELS = 128, 64
LANDMARKS, CARELESSNESS = 5, 0.5  # pairs; mm, standard deviation of a placed landmark
SHOWN = 12  # item of the frame that the scene shows

TEXT = (
    "A camera moves through a rendered sinus whose depth, poses and surface are known exactly. The "
    "module predicts depth with the shipped weights, scales it by the points of the sequence, "
    "fuses it to a coloured surface and finds its place on the anatomy, which stands for a CT."
)
CONSOLE = """\
logic = slicer.util.getModuleLogic("EndoDepthModule")
video = logic.loadSequence("sequence")
depth = logic.predictDepth(video)
surface = logic.fuse(video)
logic.register(video, getNode("Anatomy"), getNode("on the surface"), getNode("on the anatomy"))"""
COMMAND = (
    f"meddl endodepth render --scene sinus --frames {FRAMES} --size {SIZE[0]},{SIZE[1]} "
    f"--step {STEP} --seed {SEED} --output sequence"
)
DATA = ("Everything is rendered here; no image of a patient is used.",)


def run(context: Context) -> Chapter:
    """Render, predict, fuse, register, measure, draw; the scene stays for screenshots."""
    fast = context.scale > 1
    context.step(0.0, "rendering the sequence")
    folder = context.folder / "sequence"
    frames = FAST_FRAMES if fast else FRAMES
    render_sequence(
        RenderParameters(frames=frames, size=SIZE, seed=SEED, step=STEP),
        folder,
        cancel=context.cancel,
    )
    logic = EndoDepthLogic()
    browser = logic.loadSequence(folder, "Endoscopy")
    browser.SetSelectedItemNumber(min(SHOWN, frames // 2))
    context.step(0.4, "predicting depth")
    logic.predictDepth(browser, predicting.DEFAULT)
    numbers = measures.depth(browser)
    context.step(0.55, "fusing the surface")
    voxels = FAST_VOXELS if fast else VOXELS
    logic.fuse(browser, FusionParameters(size=voxels), cancel=context.cancel)
    context.step(0.7, "finding its place on the anatomy")
    numbers += _register(context, logic, browser, read_mesh(folder / "surface.ply"))
    logic.showCamera(browser)
    logic.showCloud(browser)
    video.part(browser, clouds.CLOUD).GetDisplayNode().SetVisibility(False)
    context.step(0.85, "drawing")
    pictures: list[Picture] = [drawings.depths(context.folder / "depths.png", browser)]
    if not context.problem:
        pictures.append(drawings.space(context.folder / "surface.png", browser, context.scale))
    context.step(0.93, "writing the scene and reading it back")
    eye, focus = drawings.viewpoint(browser)
    stage(video.frame_volume(browser), eye, focus)
    numbers.append(checked_scene(context.folder / "endodepth.mrb")[0])
    context.step(1.0, "done")
    return Chapter(
        title="Depth and surface from endoscopic video (EndoDepth)",
        text=TEXT,
        scene="endodepth.mrb",
        pictures=pictures,
        numbers=numbers,
        commands={"Python console of Slicer": CONSOLE, "Command line": COMMAND},
        data=DATA,
        missing=[context.problem] if context.problem else [],
    )


def _register(context: Context, logic: EndoDepthLogic, browser: Any, anatomy: Mesh) -> list[Any]:
    """Lay the surface on the anatomy, which was moved away from where the camera knows it."""
    ras_from_scene = rotation((1, 1, 0), 40)
    ras_from_scene[:3, 3] = (15, 60, -30)
    model = model_from_mesh(
        Mesh(apply(ras_from_scene, anatomy.vertices), anatomy.faces),
        "Anatomy",
        color=(0.95, 0.91, 0.82),
        opacity=0.35,
    )
    vertices = mesh_from_model(video.part(browser, clouds.MESH)).vertices
    rng = np.random.default_rng(SEED)
    chosen = measures.spread_points(vertices, LANDMARKS)
    # Where these places truly are: the points of the anatomy nearest to them.
    targets = measures.nearest(anatomy, chosen) + rng.normal(0, CARELESSNESS, chosen.shape)
    on_mesh = markups_from_points(chosen, name="on the surface")
    on_anatomy = markups_from_points(apply(ras_from_scene, targets), name="on the anatomy")
    found = logic.register(browser, model, on_mesh, on_anatomy, cancel=context.cancel)
    return measures.place(browser, found, ras_from_scene)
