"""The guided filter against least squares, window by window, and against kornia where it is."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.desmoke.guided_filter import guided_filter, guided_lines


def by_least_squares(guide, target, radius, eps, weight):
    """He, Sun and Tang, equations 4 and 8, with numpy's solver in every window."""
    height, width = guide.shape
    lines = np.zeros((height, width, 2))
    windows = {}
    for y in range(height):
        for x in range(width):
            rows = slice(max(y - radius, 0), y + radius + 1)
            columns = slice(max(x - radius, 0), x + radius + 1)
            windows[y, x] = rows, columns
            g, t, w = (v[rows, columns].ravel().astype(float) for v in (guide, target, weight))
            design = np.stack([g, np.ones_like(g)], axis=1)
            # The ridge acts on the mean of squares, so it has the weight of the whole window.
            normal = design.T @ (w[:, None] * design) + np.diag([eps * w.sum(), 0])
            lines[y, x] = np.linalg.solve(normal, design.T @ (w * t))
    result = np.zeros(guide.shape)
    for (y, x), window in windows.items():
        w = weight[window][..., None]
        a, b = (w * lines[window]).sum((0, 1)) / w.sum()
        result[y, x] = a * guide[y, x] + b
    return result


@pytest.fixture
def pictures():
    rng = np.random.default_rng(4)
    return tuple(rng.uniform(0.01, 1, (11, 14)).astype(np.float32) for _ in range(3))


@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-2), (3, 1e-4), (20, 0.1)])
def test_filter_is_the_least_squares_solution(pictures, radius, eps):
    guide, target, weight = pictures
    for w in (np.ones_like(weight), weight):
        expected = by_least_squares(guide, target, radius, eps, w)
        np.testing.assert_allclose(
            guided_filter(guide, target, radius, eps, w), expected, atol=2e-5
        )


def test_inside_is_as_kornia_has_it(pictures):
    torch = pytest.importorskip("torch")
    filters = pytest.importorskip("kornia.filters")
    guide, target, _ = pictures
    theirs = filters.guided_blur(
        *(torch.from_numpy(v)[None, None] for v in (guide, target)), 5, 0.01
    )
    inside = (slice(4, -4), slice(4, -4))  # kornia reflects at the rim
    ours = guided_filter(guide, target, 2, 0.01)
    np.testing.assert_allclose(ours[inside], theirs[0, 0].numpy()[inside], atol=1e-5)


def test_a_line_of_the_guide_is_kept_and_nothing_looks_outside_the_weight(pictures):
    guide, target, _ = pictures
    np.testing.assert_allclose(
        guided_filter(guide, 0.5 * guide + 0.1, 3, 1e-9), 0.5 * guide + 0.1, atol=1e-4
    )
    inside = np.zeros_like(guide)
    inside[:, :7] = 1
    changed = np.where(inside > 0, target, 99)
    np.testing.assert_array_equal(
        guided_filter(guide, target, 2, 0.01, inside)[:, :7],
        guided_filter(guide, changed, 2, 0.01, inside)[:, :7],
    )
    a, b = guided_lines(guide, target, 2, 0.01, inside)
    assert not a[:, 9:].any() and not b[:, 9:].any()


def test_fast_variant_is_close_on_a_smooth_target():
    y, x = np.mgrid[:96, :128].astype(np.float32)
    guide = (0.5 + 0.3 * np.sin(x / 15) * np.cos(y / 11)).astype(np.float32)
    target = (0.3 + 0.004 * x).astype(np.float32)
    exact = guided_filter(guide, target, 16, 1e-2)
    fast = guided_filter(guide, target, 16, 1e-2, subsampling=4)
    assert np.abs(fast - exact).max() < 0.02 and np.abs(fast - exact).mean() < 0.003


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5)])
def test_small_pictures(shape):
    guide = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_allclose(
        guided_filter(guide, np.full(shape, 0.25), 15, 1e-4), 0.25, atol=1e-6
    )


def test_bad_arguments():
    one = np.ones((3, 3), np.float32)
    with pytest.raises(InputError, match=r"\(3, 3\), target \(2, 3\)"):
        guided_lines(one, one[:2], 1, 0.1)
    with pytest.raises(InputError, match="eps 0"):
        guided_lines(one, one, 1, 0)
