"""Geometry against closed forms and SciPy's rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meddl.core import GeometryError
from meddl.core.geometry import (
    affine,
    apply,
    compose,
    inverse,
    is_orthogonal,
    orientation_code,
    rotation,
)
from properties import examples


@examples(40)
@given(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 1e-3),
    st.floats(-360, 360),
)
def test_rotation_equals_scipys(axis, degrees):
    unit = np.array(axis) / np.linalg.norm(axis)
    expected = Rotation.from_rotvec(unit * np.deg2rad(degrees)).as_matrix()
    np.testing.assert_allclose(rotation(axis, degrees)[:3, :3], expected, atol=1e-12)


def test_rotation_is_right_handed():
    np.testing.assert_allclose(apply(rotation((0, 0, 2), 90), [1, 0, 0]), [0, 1, 0], atol=1e-15)
    for axis in ((0, 0, 0), (np.nan, 0, 1)):
        with pytest.raises(GeometryError, match="axis"):
            rotation(axis, 10)


def test_apply_keeps_the_shape_of_the_points():
    matrix = rotation((1, 2, 3), 50) @ compose((1, 2, 3), (4, 5, 6))
    points = np.random.default_rng(0).normal(size=(2, 5, 3))
    result = apply(matrix, points)
    expected = (matrix @ [*points[1, 4], 1])[:3]
    np.testing.assert_allclose(result[1, 4], expected)
    np.testing.assert_allclose(apply(inverse(matrix), result), points, atol=1e-12)


def test_compose_puts_spacing_on_the_columns():
    direction = rotation((0, 1, 0), 20)[:3, :3]
    matrix = compose((1, 2, 3), (7, 8, 9), direction)
    np.testing.assert_allclose(apply(matrix, [0, 0, 0]), [7, 8, 9])
    np.testing.assert_allclose(apply(matrix, [0, 1, 0]) - [7, 8, 9], direction[:, 1] * 2)
    for spacing in ((0, 1, 1), (-1, 1, 1), (np.nan, 1, 1), (1, 1), (np.inf, 1, 1)):
        with pytest.raises(GeometryError, match="spacing"):
            compose(spacing)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), "shape"),
        ("text", "no matrix"),
        ([[1, 2], [3]], "no matrix"),
        (np.full((4, 4), np.inf), "NaN or infinity"),
        (np.diag([1, 1, 1, 2]), "last row"),
        (np.diag([1, 0, 1, 1]), "zero spacing along j"),
        ([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "singular"),
    ],
)
def test_what_is_no_affine_is_refused(matrix, message):
    with pytest.raises(GeometryError, match=message):
        affine(matrix, "ras_from_ijk")


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "RAS"),
        ([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], "LPS"),
        ([[0, 0, 1], [-1, 0, 0], [0, 1, 0]], "SLA"),
        ([[0.8, 0.6, 0], [0.6, -0.8, 0], [0, 0, -1]], "RPI"),
    ],
)
def test_orientation_codes(columns, code):
    matrix = np.eye(4)
    matrix[:3, :3] = np.transpose(columns) * 2.5
    assert orientation_code(matrix) == code


def test_shear_is_seen_at_any_spacing():
    matrix = rotation((1, 2, 3), 40) @ compose((0.1, 5, 60))
    assert is_orthogonal(matrix)
    matrix[:3, 0] += 0.01 * matrix[:3, 1] / 5  # the cosine between i and j becomes 0.1
    assert not is_orthogonal(matrix)
