"""The pinhole camera against OpenCV and against pictures that are resized and cropped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from meddl.core.errors import GeometryError
from meddl.core.pinhole import (
    backproject,
    cropped,
    intrinsics_matrix,
    pixel_centres,
    project,
    resized,
)

INTRINSICS = np.array([[300.0, 2.0, 161.5], [0.0, 310.0, 119.25], [0.0, 0.0, 1.0]])


def test_projection_is_opencvs_with_half_a_pixel():
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, 2), (1, 1, 5), (50, 3))
    straight = INTRINSICS.copy()
    straight[0, 1] = 0.0  # OpenCV has no skew
    opencv = straight.copy()
    opencv[:2, 2] -= 0.5
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), opencv, None)
    pixels, depth = project(points, straight)
    np.testing.assert_allclose(pixels, expected[:, 0] + 0.5, atol=1e-9)
    np.testing.assert_array_equal(depth, points[:, 2])


def test_backprojected_pixels_project_to_their_centres():
    depth = np.random.default_rng(1).uniform(1, 4, (24, 32))
    pixels, z = project(backproject(depth, INTRINSICS), INTRINSICS)
    np.testing.assert_allclose(pixels, pixel_centres(24, 32), atol=1e-9)
    np.testing.assert_allclose(z, depth, rtol=1e-12)


def test_a_resized_and_cropped_picture_shows_the_same_point():
    """A bright square's centroid follows its point through OpenCV's area resampling."""
    picture = np.zeros((96, 128))
    picture[40:48, 64:80] = 1.0
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)[4:, 6:]
    centroid = (pixel_centres(*small.shape) * small[..., None]).sum((0, 1)) / small.sum()
    point = backproject(np.ones((96, 128)), INTRINSICS)[40:48, 64:80].mean((0, 1))
    pixels, _ = project(point, cropped(resized(INTRINSICS, 0.25), row=4, column=6))
    np.testing.assert_allclose(pixels, centroid, atol=1e-9)


def test_points_behind_the_camera_have_no_pixel():
    pixels, depth = project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]], INTRINSICS)
    assert np.isnan(pixels).all() and depth.tolist() == [-1.0, 0.0]


@pytest.mark.parametrize(
    "matrix", [np.eye(4), np.diag([1.0, -1.0, 1.0]), np.full((3, 3), np.nan), "eye", np.eye(3) * 2]
)
def test_other_matrices_are_refused(matrix):
    with pytest.raises(GeometryError, match="intrinsics"):
        intrinsics_matrix(matrix)
