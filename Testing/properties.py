"""What property tests draw, and how many examples of it (Hypothesis)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from meddl.core import Image
from meddl.core.geometry import compose

LONG = "long"  # the profile that ``--long`` loads; see conftest.py of the root
TIMES = 50
settings.register_profile(LONG)


def examples(count: int, times: int = TIMES, **others: Any) -> settings:
    """Settings of a test of ``count`` examples, the same in each run.

    With ``--long`` (or ``--hypothesis-profile long``) they are ``times`` as many, and fresh ones.
    """
    if settings.get_current_profile_name() == LONG:
        return settings(max_examples=times * count, **{**others, "deadline": None})
    return settings(max_examples=count, derandomize=True, **others)


DTYPES = ("u1", "i1", "u2", "i2", ">i2", "u4", "i4", "f4", ">f4", "f8")
shapes = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """ras_from_ijk of a grid with any spacing (mm), obliqueness, handedness and origin."""
    spacing = [draw(st.floats(0.05, 20)) for _ in range(3)]
    degrees = [draw(st.floats(-180, 180)) for _ in range(3)]
    direction = Rotation.from_euler("zyx", degrees, degrees=True).as_matrix()
    direction[:, 0] *= draw(st.sampled_from([1, -1]))
    return compose(spacing, [draw(st.floats(-300, 300)) for _ in range(3)], direction)


@st.composite
def images(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[tuple[int, ...]] = shapes,
    dtypes: Sequence[str] = DTYPES,
    low: float = 0,
    high: float = 100,
) -> Image:
    """Noise between ``low`` and ``high`` of any size, number type, layout in memory and pose."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    array = rng.uniform(low, high, draw(shapes)).astype(dtype)
    layout = draw(st.sampled_from(["C", "F", "strided", "read-only"]))
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "strided":
        array = np.repeat(array, 2, axis=0)[::2]
    array.setflags(write=layout != "read-only")
    return Image(array, draw(affines()))
