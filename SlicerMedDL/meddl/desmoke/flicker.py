"""Flicker: what changes from frame to frame beside the motion of the scene.

The frame before is carried to the present one along the optical flow of guide frames, and the mean
absolute difference is taken where the flow can be trusted (the short-term warping error of Lai et
al., "Learning blind video temporal consistency", ECCV 2018, in absolute values). The guide is one
for all that are compared, the clear frames or the input, so that no method gains by frames in which
motion is hard to see. The warping itself and the noise of the camera leave a rest: read the figure
beside that of the input and of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.desmoke.metrics import Frame, check_frame

Flow = NDArray[np.float32]


class FlickerMeter:
    """Flicker of several versions of one video, by the flow of one guide.

    A pair of frames of which less than ``smallest`` of the picture can be matched (a cut, a black
    frame) does not count.
    """

    def __init__(self, smallest: float = 0.1) -> None:
        self._smallest = smallest
        self._before: tuple[Frame, dict[str, Frame]] | None = None
        self._rows: list[dict[str, float]] = []

    def add(self, guide: Frame, versions: Mapping[str, Frame]) -> dict[str, float] | None:
        """Take the next frame of every version.

        Args:
            guide: (H, W, 3) uint8, whose motion is that of the scene.
            versions: name -> (H, W, 3) uint8.

        Returns:
            Name -> mean absolute difference to the frame before, as a part of the range 0..255;
            None for the first frame and where the frames cannot be matched.

        Raises:
            InputError: frames of other sizes than the guide or than those before, or other names.
        """
        _check(guide, versions, self._before)
        before, self._before = self._before, (guide, dict(versions))
        if before is None:
            return None
        flow, trusted = motion(before[0], guide)
        if trusted.mean() < self._smallest:
            return None
        row = {}
        for name, frame in versions.items():
            carried = warp(before[1][name], flow).astype(np.int16)
            row[name] = float(np.abs(carried - frame)[trusted].mean(dtype=np.float64)) / 255
        self._rows.append(row)
        return row

    @property
    def pairs(self) -> int:
        """How many pairs of frames count so far."""
        return len(self._rows)

    def means(self) -> dict[str, float]:
        """Name -> mean over the pairs; empty if no pair counts."""
        return {
            name: float(np.mean([row[name] for row in self._rows]))
            for name in (self._rows[0] if self._rows else {})
        }


def flicker(frames: Iterable[Frame], guides: Iterable[Frame] | None = None) -> float:
    """Mean flicker of a video as a part of the range 0..255, by the flow of ``guides``.

    Args:
        frames: (H, W, 3) uint8 RGB in order.
        guides: as many of the same size; None: the frames themselves.

    Raises:
        InputError: frames that do not belong together, or no two successive ones that match.
    """
    meter = FlickerMeter()
    for frame, guide in _together(frames, guides):
        meter.add(guide, {"frames": frame})
    if not meter.pairs:
        raise InputError("there are no two successive frames that match, flicker is undefined")
    return meter.means()["frames"]


def _together(
    frames: Iterable[Frame], guides: Iterable[Frame] | None
) -> Iterator[tuple[Frame, Frame]]:
    if guides is None:
        yield from ((frame, frame) for frame in frames)
        return
    try:
        yield from zip(frames, guides, strict=True)
    except ValueError as error:
        raise InputError(f"frames and guides are not as many: {error}") from error


def motion(before: Frame, now: Frame) -> tuple[Flow, NDArray[np.bool_]]:
    """Where each pixel of ``now`` was in the frame before, and where that is to be trusted.

    Dense inverse search (Kroeger et al., ECCV 2016) by OpenCV, both ways. Trusted is a pixel that
    lands inside the picture and returns: |f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5, with the flow f
    and the flow back b there (Sundaram, Brox and Keutzer, ECCV 2010, equation 5).

    Returns:
        flow: (H, W, 2) float32, pixels right and down.
        trusted: (H, W) bool.

    Raises:
        InputError: a side under 16 pixels.
        DependencyError: OpenCV is not installed.
    """
    cv2 = require("cv2", "optical flow")
    if min(now.shape[:2]) < 16:
        raise InputError(f"the frames are {now.shape}, optical flow needs 16 x 16 pixels at least")
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, now)]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(grey[1], grey[0], None)
    back = warp(search.calc(grey[0], grey[1], None), flow)
    lengths = (flow**2).sum(-1) + (back**2).sum(-1)
    trusted = ((flow + back) ** 2).sum(-1) < 0.01 * lengths + 0.5
    height, width = trusted.shape
    x, y = _positions(flow)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return flow, trusted & inside


def warp(picture: NDArray[Any], flow: Flow) -> NDArray[Any]:
    """``picture`` (H, W[, C]) looked up at each pixel plus ``flow`` (H, W, 2); bilinear, the
    nearest pixel beyond the edge."""
    cv2 = require("cv2", "optical flow")
    result: NDArray[Any] = cv2.remap(
        picture, *_positions(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return result


def _positions(flow: Flow) -> tuple[Flow, Flow]:
    rows, columns = np.indices(flow.shape[:2], dtype=np.float32)
    return columns + flow[..., 0], rows + flow[..., 1]


def _check(
    guide: Frame, versions: Mapping[str, Frame], before: tuple[Frame, dict[str, Frame]] | None
) -> None:
    for name, frame in {"guide": guide, **versions}.items():
        if check_frame(frame, f"the frame of {name}").shape != guide.shape:
            raise InputError(f"the frame of {name} is {frame.shape}, its guide {guide.shape}")
    if before is not None and (
        before[0].shape != guide.shape or before[1].keys() != versions.keys()
    ):
        raise InputError(
            f"frames of {guide.shape} for {', '.join(versions)} follow ones of "
            f"{before[0].shape} for {', '.join(before[1])}"
        )
