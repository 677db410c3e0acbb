"""Radiographs and cameras in and out of files, poses found again, at any size and view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.deepdrr.test_camera import random_camera
from library.deepdrr.test_properties import views
from meddl.core import FileError, Image, InputError, read_image
from meddl.core.geometry import compose
from meddl.deepdrr import (
    CArm,
    DicomGeometry,
    DisplayParameters,
    read_camera,
    read_dicom_geometry,
    read_radiograph,
    render,
    write_camera,
    write_dicom_radiograph,
    write_radiograph,
)
from properties import examples

few = examples(12, deadline=None)
seeds = st.integers(0, 2**32 - 1)
BODY = Image(np.full((5, 6, 7), 40, np.int16), compose((9, 8, 7), (-20, 10, -30)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("drawn")


@st.composite
def radiographs(draw, quantities=("intensity", "energy", "neglog", "integral")):
    """Any values in the place of a C-arm's picture, and the C-arm with its isocentre."""
    view = replace(
        draw(views),
        rotation=draw(st.floats(-180, 180)),
        isocenter=tuple(draw(st.floats(-100, 100)) for _ in range(3)),
    )
    picture = render(BODY, view, quantity=draw(st.sampled_from(quantities)), backend="exact")
    rng = np.random.default_rng(draw(seeds))
    low = draw(st.floats(-50, 50))
    values = rng.uniform(low, low + draw(st.floats(0, 1e4)), picture.array.shape)
    return picture.with_array(values.astype(np.float32)), view


@few
@given(radiographs(), st.sampled_from([".tiff", ".nrrd", ".nii.gz", ".dcm"]))
def test_a_radiograph_comes_back_with_its_values(folders, drawn, suffix):
    radiograph, _ = drawn
    path = folders() / f"drr{suffix}"
    write_radiograph(path, radiograph)
    found = read_radiograph(path)
    step = float(np.ptp(radiograph.array)) / 65535 / 2 if suffix == ".dcm" else 0
    assert found.array.shape == radiograph.array.shape
    expected = radiograph.array.astype(float)  # in which bounds of tiny values do not vanish
    atol = step + 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(found.array, expected, atol=atol, rtol=0)
    with pytest.raises(FileError, match="a radiograph is written as"):
        write_radiograph(path.with_suffix(".jpeg"), radiograph)


@few
@given(radiographs(("neglog", "integral")), st.floats(-10, 10), st.floats(0.1, 20), st.booleans())
def test_a_png_is_the_windowed_picture(folders, drawn, low, width, invert):
    radiograph, _ = drawn
    path = folders() / "drr.png"
    write_radiograph(path, radiograph, DisplayParameters((low, low + width), invert))
    grey = 255 * np.clip((radiograph.array.astype(float) - low) / width, 0, 1)
    found = read_image(path).array
    np.testing.assert_allclose(found, 255 - grey if invert else grey, atol=0.51)


@few
@given(radiographs(), st.booleans())
def test_a_dicom_file_knows_its_c_arm_and_its_mirroring(folders, drawn, mirrored):
    radiograph, view = drawn
    path = folders() / "drr.dcm"
    write_dicom_radiograph(path, radiograph, mirrored=mirrored)
    found = read_dicom_geometry(path)
    assert isinstance(found, DicomGeometry) and isinstance(found.view, CArm)
    assert found.mirrored is mirrored and found.unknown == ()
    ours, theirs = view.camera(), found.view.camera()
    np.testing.assert_allclose(theirs.P, ours.P, rtol=1e-6, atol=1e-5 * np.abs(ours.P).max())
    assert theirs.size == ours.size
    # Whichever way it lies in the file, it is read as our camera sees it.
    expected = radiograph.array.astype(float)
    atol = 0.51 * np.ptp(expected) / 65535 + 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(read_radiograph(path).array, expected, atol=atol, rtol=0)
    as_stored = read_radiograph(path, mirrored=False).array
    turned = expected[..., ::-1] if mirrored else expected
    np.testing.assert_allclose(as_stored, turned, atol=atol, rtol=0)
    with pytest.raises(InputError, match="it has 1, counted from 0"):
        read_radiograph(path, frame=1)


@few
@given(st.integers(0, 2**31))
def test_a_camera_comes_back_from_its_file(folders, seed):
    camera = random_camera(seed)
    path = folders() / "camera.json"
    write_camera(path, camera)
    found = read_camera(path)
    np.testing.assert_allclose(found.P, camera.P, rtol=1e-9, atol=1e-9 * np.abs(camera.P).max())
    assert found.size == camera.size


@examples(2, deadline=None)
@given(st.floats(-180, 180), st.floats(-40, 40), st.floats(0.2, 5), st.floats(-3, 3), seeds)
def test_a_pose_is_found_whatever_gain_and_offset(primary, secondary, gain, offset, seed):
    pytest.importorskip("torch")
    from library.deepdrr.test_registration import error, moved, rods
    from meddl.deepdrr import Registration, register

    ct = rods()
    carm = CArm(primary, secondary, detector_size=(48, 40), pixel_spacing=6.5)
    camera = carm.camera(ct.center)
    picture = render(ct, carm, quantity="neglog")
    rng = np.random.default_rng(seed)
    away = rng.choice([-1, 1], 6) * rng.uniform(2, 5, 6)
    start = moved(camera, away, ct.center)
    other = picture.with_array(np.float32(gain) * picture.array + np.float32(offset))
    found = register(ct, other, start, candidates=30, starts=4, seed=1, device="cpu")
    assert isinstance(found, Registration) and found.converged and -1 <= found.score <= 1
    assert error(found.camera, camera, ct) < 1.0 < error(start, camera, ct)
    np.testing.assert_array_equal(found.camera.K, start.K)
