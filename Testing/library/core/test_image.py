"""The image: geometry derived from one matrix, and what is refused when it is made."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from meddl.core import GeometryError, Image, InputError
from meddl.core.geometry import apply, compose, rotation


@pytest.fixture
def image():
    matrix = rotation((0, 0, 1), 30) @ compose((2, 3, 4), (10, 20, 30))
    return Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), matrix, {"unit": "HU"})


def test_geometry_follows_from_the_matrix(image):
    assert image.size == (4, 3, 2) and image.components == 1
    np.testing.assert_allclose(image.spacing, [2, 3, 4])
    np.testing.assert_allclose(image.direction, rotation((0, 0, 1), 30)[:3, :3], atol=1e-12)
    np.testing.assert_allclose(image.origin, image.ras_from_ijk[:3, 3])
    np.testing.assert_allclose(image.ijk_from_ras @ image.ras_from_ijk, np.eye(4), atol=1e-12)
    corners = [[i, j, k] for i in (0, 3) for j in (0, 2) for k in (0, 1)]
    np.testing.assert_allclose(image.center, apply(image.ras_from_ijk, corners).mean(axis=0))
    assert image.orientation == "RAS"
    assert Image(image.array, np.diag([-1, -1, 1, 1])).orientation == "LPS"


def test_types_without_a_file_format_are_widened():
    assert Image(np.ones((1, 2, 3), bool)).array.dtype == np.uint8
    assert Image(np.ones((1, 2, 3), np.float16)).array.dtype == np.float32
    assert Image(np.ones((1, 2, 3, 5))).components == 5


@pytest.mark.parametrize(
    "array",
    [
        None,
        np.zeros(5),
        np.zeros((3, 4)),
        np.zeros((1, 2, 3, 4, 5)),
        np.zeros((0, 2, 3)),
        np.zeros((2, 2, 2), complex),
        np.full((2, 2, 2), "x"),
    ],
)
def test_arrays_that_are_no_image_are_refused(array):
    with pytest.raises(InputError, match="image array"):
        Image(array)


def test_matrices_that_are_no_geometry_are_refused():
    for matrix in (np.eye(3), np.diag([1, 0, 1, 1]), np.full((4, 4), np.nan), np.ones((4, 4))):
        with pytest.raises(GeometryError):
            Image(np.zeros((2, 2, 2)), matrix)


def test_an_image_is_not_changed_from_outside(image):
    matrix, metadata = np.eye(4), {"unit": "HU"}
    other = Image(image.array, matrix, metadata)
    matrix[0, 3], metadata["unit"] = 99, "mm"
    assert other.ras_from_ijk[0, 3] == 0 and other.metadata["unit"] == "HU"
    with pytest.raises(TypeError):
        other.metadata["unit"] = "mm"  # type: ignore[index]


def test_an_image_travels_to_another_process(image):
    copy = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(copy.array, image.array)
    np.testing.assert_array_equal(copy.ras_from_ijk, image.ras_from_ijk)
    assert dict(copy.metadata) == {"unit": "HU"}


def test_other_voxels_keep_the_geometry(image):
    result = image.with_array(np.zeros((2, 3, 4, 2)))
    np.testing.assert_array_equal(result.ras_from_ijk, image.ras_from_ijk)
    assert result.metadata["unit"] == "HU"
    with pytest.raises(InputError, match=r"\(2, 3, 5\)"):
        image.with_array(np.zeros((2, 3, 5)))


def test_voxels_that_are_not_finite_are_counted_and_located():
    array = np.zeros((2, 3, 4))
    assert Image(array).require_finite().array is array
    array[1, 2, 3], array[1, 2, 2] = np.nan, np.inf
    with pytest.raises(InputError, match=r"2 voxels .* ijk \(2, 2, 1\)"):
        Image(array).require_finite("CT")


def test_a_volume_is_scalar_and_three_dimensional(image):
    assert image.require_volume() is image
    assert Image(np.zeros((2, 3, 4, 1))).require_volume().array.shape == (2, 3, 4)
    with pytest.raises(InputError, match="3 values per voxel"):
        Image(np.zeros((2, 3, 4, 3))).require_volume()
    with pytest.raises(InputError, match="the CT has 4x3x1 voxels"):
        Image(np.zeros((1, 3, 4))).require_volume("CT")
