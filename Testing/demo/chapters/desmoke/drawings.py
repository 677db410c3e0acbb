"""Figures of the chapter: frames before and after, the trial on known smoke, the smoke level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.chapters.desmoke.measures import DENSITY, Trial, frames_of
from demo.figures import Tile, panel
from demo.report import Picture
from DesmokeModuleLib import clips, smokecurve
from meddl.desmoke.smoke_curve import write_curve

ITEMS = (10, 20, 30, 49)  # frames of the figure


def frames(path: Path, browser: Any) -> Picture:
    """Some frames of the clip above what was made of them."""
    smoky, clear = (frames_of(browser, role) for role in (clips.INPUT, clips.OUTPUT))
    levels = smokecurve.levels_of(browser)
    before = [Tile(smoky[n], f"frame {n}, smoke level {levels[n]:.2f}") for n in ITEMS]
    panel(path, [*before, *(Tile(clear[n], "desmoked") for n in ITEMS)], len(ITEMS))
    return Picture(path.name, "Frames of the clip, and the same frames desmoked.")


def synthetic(path: Path, trial: Trial) -> Picture:
    """A frame without smoke, the frame in synthetic smoke, and what was made of it."""
    tiles = [
        Tile(trial.clear[-1], "without smoke"),
        Tile(trial.smoky[-1], f"{DENSITY} synthetic smoke"),
        Tile(trial.output[-1], "desmoked"),
    ]
    panel(path, tiles, len(tiles))
    return Picture(path.name, "A frame without smoke, under synthetic smoke, and desmoked.")


def levels(path: Path, browser: Any) -> Picture:
    """The smoke level over time."""
    write_curve(path, smokecurve.levels_of(browser), smokecurve.times_of(browser))
    return Picture(path.name, "Smoke level of the clip: mean opacity in the field of view.")
