"""DesmokeModule in the headless host: how live it is, and what its sliders cost.

    python Testing/peers/desmoke_module.py [--method classical] [--seconds 5]

Live: the bundled clip, enlarged, arrives at 25 pictures per second. Printed are the pictures
cleared per second beside what the library alone does in a loop just before, how far the last one
was behind, and the longest time that the window's thread needed for one round of events, as wall
and as processor time (others use the processors of a shared machine as well).
Sliders: one step of the strength, of the divider and of the browser on a cleared video.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("Testing", "SlicerMedDL", "DesmokeModule")]

import host  # noqa: E402

host.start()

import slicer  # noqa: E402

from DesmokeModuleLib import clips  # noqa: E402
from DesmokeModuleLib.filtering import Settings, make_desmoker  # noqa: E402
from DesmokeModuleLib.logic import DesmokeLogic  # noqa: E402
from meddl.core.optional import require  # noqa: E402
from meddl.core.video import read_frames  # noqa: E402
from SlicerMedDLLib.sequences import RAS_FROM_FRAME, recording  # noqa: E402

SIZES = ((480, 640), (1080, 1920))
RATE, WARM, COUNT = 25, 5, 10  # pictures per second, before the measurement, of the clip


def frames(size: tuple[int, int]) -> list[np.ndarray]:
    """Frames of the bundled clip, (H, W, 3) uint8, brought to a size (H, W)."""
    cv2 = require("cv2", "enlarging frames")
    found = read_frames(ROOT / "Testing/data/input_12.avi", 20, 20 + COUNT)
    return [cv2.resize(frame, size[::-1]) for frame in found]


def alone(size: tuple[int, int], settings: Settings) -> str:
    """Column: frames per second of the library in a loop."""
    desmoker, pictures = make_desmoker(settings), frames(size)
    for picture in pictures[:WARM]:
        desmoker(picture)
    spent = []
    for number in range(2 * COUNT):
        start = time.perf_counter()
        desmoker(pictures[number % COUNT])
        spent.append(time.perf_counter() - start)
    return f"{1 / np.median(spent):.1f}"


def live(logic: DesmokeLogic, size: tuple[int, int], settings: Settings, seconds: float) -> str:
    """Columns: cleared per second, ms behind, longest round wall and CPU ms."""
    pictures = frames(size)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Camera")
    slicer.util.updateVolumeFromArray(volume, pictures[0][None].copy())
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(RAS_FROM_FRAME))
    running = logic.liveDesmoke(volume, settings)
    delays: list[float] = []
    longest, number, due, shown, start = np.zeros(2), 0, time.monotonic(), 0, float("inf")
    while time.monotonic() < start + seconds:
        before = np.array([time.monotonic(), time.thread_time()])
        if before[0] >= due:
            due += 1 / RATE
            number += 1
            slicer.util.arrayFromVolume(volume)[0] = pictures[number % COUNT]
            slicer.util.arrayFromVolumeModified(volume)
        slicer.app.processEvents()
        if running.shown > shown:
            shown = running.shown
            delays.append(running.delay)
        if running.shown >= WARM:
            if start == float("inf"):
                start, first = time.monotonic(), running.shown
                delays.clear()
            else:
                longest = np.maximum(longest, [time.monotonic(), time.thread_time()] - before)
        time.sleep(0.001)
    running.stop()
    while running.busy:
        slicer.app.processEvents()
    rate, delay = (running.shown - first) / seconds, 1000 * np.median(delays)
    return f"{rate:.1f} | {delay:.0f} | {1000 * longest[0]:.0f} | {1000 * longest[1]:.0f}"


def median(step: Callable[[int], Any], rounds: int = 40) -> str:
    """Wall and CPU ms of a step."""
    spent = []
    for number in range(rounds):
        before = np.array([time.perf_counter(), time.thread_time()])
        step(number)
        spent.append([time.perf_counter(), time.thread_time()] - before)
    wall, cpu = 1000 * np.median(spent, axis=0)
    return f"{wall:.1f} ({cpu:.1f})"


def sliders(logic: DesmokeLogic, size: tuple[int, int], settings: Settings) -> str:
    """Columns: a step of the strength, of the divider, of the browser at half strength."""
    with recording("Clip", RATE) as append:
        for frame in frames(size):
            sequence = append(frame)
    logic.desmoke(sequence, settings)
    browser = clips.browser_of(sequence)
    strength = median(lambda n: logic.setStrength(sequence, 0.3 + 0.01 * n))
    play = median(lambda n: browser.SetSelectedItemNumber(n % COUNT))
    logic.showViews(sequence, "divider")
    divider = median(lambda n: logic.setDivider(sequence, 0.01 * n))
    return f"{strength} | {divider} | {play}"


def main() -> None:
    """Print one table for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="classical")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    logic, settings = DesmokeLogic(), Settings(options.method)
    print("| live | library alone, 1/s | cleared, 1/s | behind, ms | longest round, ms | CPU, ms |")
    print("|---|---|---|---|---|---|")
    for height, width in SIZES:
        library = alone((height, width), settings)
        row = live(logic, (height, width), settings, options.seconds)
        print(f"| {width}x{height} | {library} | {row} |", flush=True)
        slicer.mrmlScene.Clear(0)
    print("\n| wall (CPU), ms | strength | divider | next frame |\n|---|---|---|---|")
    for height, width in SIZES:
        print(f"| {width}x{height} | {sliders(logic, (height, width), settings)} |", flush=True)
        slicer.mrmlScene.Clear(0)


if __name__ == "__main__":
    main()
