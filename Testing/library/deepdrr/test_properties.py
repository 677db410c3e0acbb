"""Line integrals of a uniform box on grids of any size, spacing, orientation and number type."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meddl.core import Image
from meddl.core.geometry import apply, compose
from meddl.deepdrr import CArm, render
from properties import examples

few = examples(12, deadline=None)
DTYPES = [np.int16, np.uint16, np.float32, np.float64, np.dtype(">i2")]


@st.composite
def boxes(draw):
    """A uniform CT of value 3 on an oblique grid."""
    shape = draw(st.tuples(*[st.integers(2, 9)] * 3))
    spacing = [draw(st.floats(0.3, 8)) for _ in range(3)]
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    direction = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    direction[:, 0] *= draw(st.sampled_from([1, -1]))  # left-handed grids too
    origin = [draw(st.floats(-50, 50)) for _ in range(3)]
    values = np.full(shape, 3).astype(draw(st.sampled_from(DTYPES)))
    if draw(st.booleans()):
        values = np.asfortranarray(values)
    return Image(values, compose(spacing, origin, direction))


views = st.builds(
    CArm,
    primary_angle=st.floats(-180, 180),
    secondary_angle=st.floats(-60, 60),
    detector_size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    pixel_spacing=st.floats(1, 15),
)


def chords(ct: Image, source: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Lengths in the box of the voxels' outer faces, by clipping against its planes (mm)."""
    ijk_from_ras = np.linalg.inv(ct.ras_from_ijk)
    start = apply(ijk_from_ras, source)
    step = rays @ ijk_from_ras[:3, :3].T
    faces = np.stack([np.full(3, -0.5), np.array(ct.size) - 0.5])
    with np.errstate(all="ignore"):  # rays along an axis
        times = (faces[:, None, None] - start) / step
    entry, exit_ = times.min(0).max(-1), times.max(0).min(-1)
    return np.maximum(exit_ - np.maximum(entry, 0), 0)


@few
@given(boxes(), views)
def test_a_uniform_box_gives_the_length_of_the_chord(ct, view):
    camera = view.camera(ct.center)
    found = render(ct, camera, quantity="integral", backend="exact").array[0]
    width, height = camera.size
    assert found.shape == (height, width) and found.dtype == np.float32
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    expected = 3 * chords(ct, camera.source, camera.rays(pixels))
    # A ray along a face may be counted to either side.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


@few
@given(boxes(), views, st.integers(0, 2**32 - 1))
def test_the_same_body_on_a_mirrored_grid_gives_the_same_picture(ct, view, seed):
    rng = np.random.default_rng(seed)
    body = Image(rng.integers(-1000, 1000, ct.array.shape).astype(np.int16), ct.ras_from_ijk)
    mirror = np.eye(4)
    mirror[0, 0], mirror[0, 3] = -1, body.size[0] - 1
    other = Image(body.array[..., ::-1], body.ras_from_ijk @ mirror)
    camera = view.camera(body.center)
    pictures = [
        render(one, camera, quantity="integral", backend="exact").array for one in (body, other)
    ]
    scale = 1000 * np.linalg.norm(np.multiply(body.size, body.spacing))
    np.testing.assert_allclose(*pictures, atol=1e-5 * scale)


@few
@given(views, st.tuples(*[st.floats(-100, 100)] * 3), st.floats(1, 400))
def test_projecting_undoes_unprojecting(view, isocenter, depth):
    camera = view.camera(np.array(isocenter))
    pixels = np.array([[0.0, 0.0], [camera.size[0] - 1, camera.size[1] - 1], [-3.5, 7.25]])
    points = camera.unproject(pixels, np.full(3, depth))
    found, depths = camera.project(points)
    np.testing.assert_allclose(found, pixels, atol=1e-6)
    np.testing.assert_allclose(depths, depth, rtol=1e-9)
    # Depth is measured along the axis: a ray of length 1 advances by the cosine.
    toward = points - camera.source
    np.testing.assert_allclose(np.cross(toward, camera.rays(pixels)), 0, atol=1e-6 * depth)
