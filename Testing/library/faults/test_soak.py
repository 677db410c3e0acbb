"""Long use does not fill the memory: hundreds of interactions, thousands of frames."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from meddl.core import Image
from meddl.deepigeos import InteractiveSession

pytest.importorskip("cv2")
from meddl.desmoke.desmoker import VideoDesmoker


def growth(work: Callable[[int], None], count: int) -> tuple[int, int]:
    """Bytes that Python and numpy, and the whole process, hold more after the second half."""
    process = psutil.Process()
    tracemalloc.start()
    try:
        held = []
        for half in (range(count // 2), range(count // 2, count)):
            for number in half:
                work(number)
            held.append((tracemalloc.get_traced_memory()[0], process.memory_info().rss))
    finally:
        tracemalloc.stop()
    (traced, resident), (traced_after, resident_after) = held
    return traced_after - traced, resident_after - resident


def check_frames(count: int) -> None:
    desmoker = VideoDesmoker("classical", device="cpu")
    rng = np.random.default_rng(0)
    tissue = rng.integers(40, 160, (48, 64, 3)).astype(np.float32)

    def work(number: int) -> None:
        smoke = 0.4 + 0.3 * np.sin(number / 7)
        frame = (tissue * (1 - smoke) + 200 * smoke).astype(np.uint8)
        assert desmoker(frame).shape == frame.shape
        # Other sizes begin anew, every now and then.
        if number % 100 == 99:
            desmoker(frame[:40, :50])

    work(0)
    traced, resident = growth(work, count)
    assert traced < 50_000 and resident < 20e6, (traced, resident)


def check_interactions(count: int) -> None:
    """Scribbles, corrections and undoing, as a long session has them."""
    rng = np.random.default_rng(1)
    k, j, i = np.mgrid[:12, :24, :28]
    ball = (k - 6) ** 2 + (j - 12) ** 2 + (i - 14) ** 2 < 30
    image = Image((100.0 * ball + rng.normal(0, 10, ball.shape)).astype(np.float32))
    session = InteractiveSession(image, method="geodesic")
    where = [np.argwhere(ball), np.argwhere(~ball)]

    def work(number: int) -> None:
        for points, name in zip(where, ("foreground", "background"), strict=True):
            place = points[rng.integers(len(points))]
            mark = np.zeros(ball.shape, bool)
            mark[tuple(place)] = True
            session.add(**{name: mark})
        if number % 5 == 4:
            session.undo()
            session.redo()

    work(0)
    traced, resident = growth(work, count)
    # What undoing needs: the history's own limit is far above what this may take.
    assert traced < 4000 * count and resident < 50e6, (traced, resident)
    assert session.mask(1)[tuple(where[0][0])]


def test_300_frames():
    check_frames(300)


def test_30_interactions():
    check_interactions(30)


@pytest.mark.long
def test_10000_frames():
    check_frames(10_000)


@pytest.mark.long
def test_500_interactions():
    check_interactions(500)
