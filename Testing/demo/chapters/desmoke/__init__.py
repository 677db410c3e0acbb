"""Desmoke: a bundled laparoscopic clip cleared, and its clear frames under smoke that is known."""

from __future__ import annotations

from demo.chapters import Context
from demo.chapters.desmoke import drawings, measures
from demo.report import Chapter, Picture
from demo.scene import checked_scene, stage
from DesmokeModuleLib import clips, layouts
from DesmokeModuleLib.filtering import Settings
from DesmokeModuleLib.logic import DesmokeLogic

CLIP = "input_12.avi"
SHOWN = 20  # item of the frame that the scene shows: much smoke

TEXT = (
    "A laparoscopic clip with smoke goes through the module: the cleared frames play beside the "
    "smoky ones, the smoke level becomes a curve. What is true below real smoke nobody knows, so "
    "frames of the clip without smoke get a synthetic one, are cleared, and compared with "
    "themselves."
)
CONSOLE = """\
logic = slicer.util.getModuleLogic("DesmokeModule")
video = logic.loadVideo("input_12.avi", "Laparoscopy")
clear = logic.desmoke(video)
logic.setStrength(video, 0.5)
logic.showViews(video, "divider")"""
COMMAND = "meddl desmoke video input_12.avi --output clear.avi --smoke-plot smoke.png"
DATA = (
    "Laparoscopic video: sample clip 12 of DeSmoke-LAP, Y. Pan, S. Bano, F. Vasconcelos et al., "
    "International Journal of Computer Assisted Radiology and Surgery 17, 2022, BSD (two clauses).",
)


def run(context: Context) -> Chapter:
    """Load, clear, measure, draw; the scene stays for screenshots."""
    context.step(0.0, "reading the clip")
    logic = DesmokeLogic()
    video = logic.loadVideo(context.data / CLIP, "Laparoscopy", cancel=context.cancel)
    context.step(0.15, "removing smoke")
    logic.desmoke(video, Settings(), cancel=context.cancel)
    browser = clips.browser_of(video)
    browser.SetSelectedItemNumber(SHOWN)
    context.step(0.5, "measuring")
    numbers = [*measures.density(browser, context.cancel), *measures.strength(browser)]
    trial = measures.synthetic(browser, context.cancel)
    numbers += measures.gains(trial)
    context.step(0.8, "drawing")
    folder = context.folder
    pictures: list[Picture] = [
        drawings.frames(folder / "frames.png", browser),
        drawings.synthetic(folder / "synthetic.png", trial),
        drawings.levels(folder / "levels.png", browser),
    ]
    context.step(0.9, "writing the scene and reading it back")
    stage(clips.before(browser), (0, 0, 800), (0, 0, 0))
    layouts.show_linked(clips.before(browser), clips.shown(browser, clips.OUTPUT))
    numbers.append(checked_scene(folder / "desmoke.mrb")[0])
    context.step(1.0, "done")
    return Chapter(
        title="Surgical smoke removed from laparoscopic video (Desmoke)",
        text=TEXT,
        scene="desmoke.mrb",
        pictures=pictures,
        numbers=numbers,
        commands={"Python console of Slicer": CONSOLE, "Command line": COMMAND},
        data=DATA,
    )
