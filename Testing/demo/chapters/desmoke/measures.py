"""What the chapter measures: on real smoke its density, on known smoke the error."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demo.report import Number
from DesmokeModuleLib import clips
from DesmokeModuleLib.showing import showing
from meddl.core.progress import CancelToken, steps
from meddl.desmoke import VideoDesmoker, blend, smoke_clip
from meddl.desmoke.metrics import psnr, smoke_density, ssim
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.sequences import frames_from_sequence
from SlicerMedDLLib.volumes import image_from_volume

CLEAR = slice(9, 15)  # frames of the clip without smoke, by eye
RATE, DENSITY, SEED = 2.0, "heavy", 0
# Of the smoke density so much may be left. The network leaves haze rather than change clear tissue.
LARGEST_SHARES = {"network": 0.8, "classical": 0.6}

Frames = list[NDArray[np.uint8]]


class Trial(NamedTuple):
    """Frames (H, W, 3) uint8: the truth, under synthetic smoke, and cleared."""

    clear: Frames
    smoky: Frames
    output: Frames


def frames_of(browser: Any, role: str) -> Frames:
    """All frames of one of a video's sequences."""
    return list(frames_from_sequence(part(browser, role)))


def density(browser: Any, cancel: CancelToken) -> list[Number]:
    """Smoke that a measure without reference sees: before, in the output, by the classical way."""
    smoky = frames_of(browser, clips.INPUT)
    classical = VideoDesmoker("classical")
    cleared = {
        "network": frames_of(browser, clips.OUTPUT),
        "classical": [classical(f) for f in steps(smoky, len(smoky), "clearing", cancel=cancel)],
    }
    before = float(np.mean([smoke_density(frame) for frame in smoky]))
    numbers = []
    for method, share in LARGEST_SHARES.items():
        after = float(np.mean([smoke_density(frame) for frame in cleared[method]]))
        numbers.append(
            Number(
                f"smoke density of the clip (mean), before and after, {method}",
                f"{before:.2f}, {after:.2f}",
                f"after: below {share:.0%} of before",
                after < share * before,
            )
        )
    return numbers


def strength(browser: Any) -> list[Number]:
    """At strength 0 the shown frame is the input's."""
    showing().set_strength(browser, 0)
    shown, before = (
        image_from_volume(volume).array
        for volume in (clips.shown(browser, clips.OUTPUT), clips.before(browser))
    )
    showing().set_strength(browser, 1)
    different = int((shown != before).sum())
    return [
        Number(
            "values that differ from the input at strength 0", f"{different}", "0", not different
        )
    ]


def synthetic(browser: Any, cancel: CancelToken) -> Trial:
    """Smoke the clear frames of the clip, and clear them again."""
    clear = frames_of(browser, clips.INPUT)[CLEAR]
    rng = np.random.default_rng(SEED)
    smoke = smoke_clip(clear[0].shape[:2], len(clear), rng, density=DENSITY, rate=RATE)
    veils = zip(clear, smoke.transmission, smoke.airlight, strict=True)
    smoky = [np.rint(255 * blend(c / np.float32(255), t, a)).astype(np.uint8) for c, t, a in veils]
    desmoker = VideoDesmoker()
    output = [desmoker(frame) for frame in steps(smoky, len(smoky), "clearing", cancel=cancel)]
    return Trial(clear, smoky, output)


def gains(trial: Trial) -> list[Number]:
    """How much nearer to the truth the output is than the smoky input."""
    numbers = []
    for name, unit, measure, digits in (("PSNR", " dB", psnr, 1), ("SSIM", "", ssim, 3)):
        smoky, output = (
            float(np.mean([measure(f, c) for f, c in zip(frames, trial.clear, strict=True)]))
            for frames in (trial.smoky, trial.output)
        )
        numbers.append(
            Number(
                f"{name} of clear frames under {DENSITY} synthetic smoke, cleared",
                f"{output:.{digits}f}{unit}",
                f"above {smoky:.{digits}f}{unit}, that of the smoky frames",
                output > smoky,
            )
        )
    return numbers
