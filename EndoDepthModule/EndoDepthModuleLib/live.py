"""The depth of the shown frame while someone scrubs: the newest frame wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from EndoDepthModuleLib import depths, placing, predicting, video
from EndoDepthModuleLib.player import player
from SlicerMedDLLib.newest import NewestWins
from SlicerMedDLLib.volumes import SCALAR, volume_from_image

LIVE = "MedDL.EndoDepth.liveDepth"  # the volume
STEADY = 0.2  # colours stay as they are while the range changes by less than this part of it


class LiveDepth(NewestWins):
    """Predicts the newest requested frame.

    Args:
        runner: as for :class:`NewestWins`.
        on_shown: called with the browser after a depth map has entered the scene.
        on_failed: called after a prediction has failed.
    """

    def __init__(
        self,
        runner: Any,
        on_shown: Callable[[Any], None] = lambda browser: None,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        def show(request: predicting.FrameRequest, found: tuple[NDArray[np.float32], str]) -> None:
            show_live_depth(request.browser, *found)
            on_shown(request.browser)

        super().__init__(runner, predicting.predict_frame, show, on_failed)

    def predict(self, browser: Any, weights: str, device: str) -> None:
        """Predict the shown frame of a video soon; what waits is dropped.

        Raises:
            MedDLError: the frame cannot be read.
        """
        number = video.frame_number(browser)
        frame, sequence = player().frame(browser, number), player().sequence(browser)
        request = predicting.FrameRequest(browser, number, frame, sequence, weights, device)
        self.request(request, browser)


def show_live_depth(browser: Any, depth: NDArray[np.float32], unit: str) -> Any:
    """Put a depth map of the shown frame into the scene, over the frame; returns the volume.

    Args:
        browser: of the video.
        depth: (h, w) of the whole frame, 0 where unknown.
        unit: see :func:`predicting.predict_frame`.
    """
    scale = placing.mm_per_unit(browser) if unit == predicting.SFM else None
    size = player().sequence(browser).size
    image = depths.depth_image(depth * np.float32(scale or 1.0), size)
    node = video.part(browser, LIVE)
    made = node is None
    name = f"{browser.GetName()} live depth"
    node = volume_from_image(image, name, node, SCALAR if made else None)
    video.set_part(browser, LIVE, node)
    in_mm = scale is not None or unit == predicting.MM
    depths.name_unit(node, placing.MM if in_mm else placing.RELATIVE)
    known = image.array[image.array > 0]
    if known.size:
        low, high = np.percentile(known, depths.PERCENTILES)
        display = node.GetDisplayNode()
        shown = np.array([display.GetWindowLevelMin(), display.GetWindowLevelMax()])
        # Colours that jump with every frame would hide what moves.
        if made or np.abs(shown - (low, high)).max() > STEADY * (high - low):
            depths.show_range(node, low, max(high, low * 1.001))
    return node
