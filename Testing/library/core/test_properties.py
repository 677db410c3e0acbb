"""What the core promises of arrays and files of any size, number type, pose and content."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddl.core import (
    CancelToken,
    DeviceError,
    Mesh,
    atomic_folder,
    atomic_path,
    choose_device,
    explain_writer,
    list_devices,
    list_series,
    probe_video,
    read_dicom,
    read_frames,
    read_image,
    read_json,
    read_mesh,
    sha256,
    steps,
    subprogress,
    write_frames,
    write_image,
    write_json,
    write_mesh,
)
from meddl.core.geometry import apply
from properties import examples, images

from .dicom_files import OBLIQUE, SPACING, stored, write_slice

few = examples(15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("drawn")


@few
@given(images())
def test_an_image_says_where_its_voxels_are(image):
    corner = np.array(image.size) - 1.0
    np.testing.assert_allclose(
        apply(image.ras_from_ijk, corner),
        image.origin + image.direction @ (image.spacing * corner),
        atol=1e-6,
    )
    np.testing.assert_allclose(image.ijk_from_ras @ image.ras_from_ijk, np.eye(4), atol=1e-6)
    assert len(image.orientation) == 3 and image.array.shape == image.size[::-1]


@few
@given(images(), st.sampled_from([".nrrd", ".nii", ".nii.gz", ".mha"]))
def test_volumes_keep_values_type_and_pose(folders, image, suffix):
    path = folders() / f"v{suffix}"
    write_image(path, image)
    found = read_image(path)
    assert found.array.dtype == image.array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found.array, image.array)
    np.testing.assert_allclose(found.ras_from_ijk, image.ras_from_ijk, atol=2e-3)


@few
@given(st.permutations(range(4)), st.integers(2, 4), st.tuples(*[st.integers(1, 9)] * 2))
def test_a_dicom_series_is_one_volume_in_any_order_of_its_files(folders, order, count, shape):
    folder = folders()
    for name, index in enumerate(order):
        if index < count:
            pixels = stored(index, shape)
            write_slice(
                folder / f"{name}.dcm",
                index,
                Rows=shape[0],
                Columns=shape[1],
                PixelData=pixels.tobytes(),
            )
    [series] = list_series(folder)
    image = read_dicom(folder)
    expected = np.stack([stored(index, shape) for index in range(count)]).astype(float) - 1024
    np.testing.assert_array_equal(image.array, expected)
    np.testing.assert_allclose(image.spacing, (SPACING[1], SPACING[0], 2.5), atol=1e-4)
    # DICOM's LPS, the columns' direction first.
    np.testing.assert_allclose(image.direction, np.diag([-1, -1, 1]) @ OBLIQUE, atol=1e-5)
    assert len(series.files) == count


@few
@given(seeds, st.integers(3, 40), st.integers(1, 30), st.sampled_from([".ply", ".stl", ".obj"]))
def test_meshes_keep_their_triangles(folders, seed, vertices, faces, suffix):
    rng = np.random.default_rng(seed)
    corners = np.array([rng.permutation(vertices)[:3] for _ in range(faces)])
    mesh = Mesh(rng.normal(0, 50, (vertices, 3)), corners)
    path = folders() / f"m{suffix}"
    write_mesh(path, mesh)
    found = read_mesh(path)
    # STL has no shared vertices, so the corners are compared.
    one, other = (np.sort(m.vertices[m.faces], 1).reshape(-1, 9) for m in (mesh, found))
    order = [np.lexsort(np.round(part, 2).T) for part in (one, other)]
    np.testing.assert_allclose(other[order[1]], one[order[0]], atol=1e-3)


@examples(6, deadline=None)
@given(
    st.tuples(*[st.integers(1, 40)] * 2),
    st.integers(1, 5),
    st.sampled_from([5.0, 23.976, 25.0, 60.0]),
    st.sampled_from([".avi", ".mp4"]),
)
def test_videos_keep_size_number_and_colour(folders, size, count, rate, suffix):
    path = folders() / f"v{suffix}"
    colours = np.linspace(40, 200, 3 * count).reshape(count, 1, 1, 3)
    frames = np.broadcast_to(colours, (count, *size, 3)).astype(np.uint8)
    write_frames(path, iter(frames), rate)
    info = probe_video(path)
    assert (info.height, info.width, info.frames) == (*size, count)
    assert info.rate == pytest.approx(rate, rel=1e-3) and str(explain_writer(path))
    found = np.stack(list(read_frames(path)))
    assert found.dtype == np.uint8
    atol = 4 if suffix == ".avi" else 16
    np.testing.assert_allclose(found.astype(float), frames, atol=atol)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@few
@given(JSON, st.binary(min_size=1, max_size=300))
def test_small_files_come_back_and_are_whole(folders, data, content):
    folder = folders()
    write_json(folder / "x.json", data)
    assert read_json(folder / "x.json") == data
    with atomic_folder(folder / "f") as inside:
        with atomic_path(inside / "x") as temporary:
            temporary.write_bytes(content)
        assert not (folder / "f").exists()
    assert sha256(folder / "f/x") == hashlib.sha256(content).hexdigest()


@few
@given(st.integers(1, 30), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_progress_rises_to_its_end_within_its_part(count, borders):
    parts, told = [0.0, *sorted(borders), 1.0], []
    for start, stop in itertools.pairwise(parts):
        part = subprogress(lambda fraction, _: told.append(fraction), start, stop)
        assert list(steps(range(count), count, "x", part, CancelToken())) == list(range(count))
        assert start - 1e-9 <= told[-1] <= stop + 1e-9
    assert told == sorted(told)


@few
@given(st.integers(0, 2**62))
def test_a_device_that_is_chosen_has_what_was_asked_for(needed):
    device = choose_device("cpu")
    fits = needed <= device.free_bytes // 2
    if fits:
        assert replace(choose_device("auto", needed), reason="").free_bytes >= needed


@few
@given(st.integers(0, 2**62))
def test_every_device_that_is_listed_is_chosen_by_its_name_if_it_has_the_room(needed):
    devices = list_devices()
    assert devices[-1].name == "cpu" and len({device.name for device in devices}) == len(devices)
    for device in devices:
        assert 0 < device.free_bytes <= device.total_bytes
        if needed > device.total_bytes:
            with pytest.raises(DeviceError, match=device.name):
                choose_device(device.name, needed)
        elif needed < device.free_bytes // 2:
            assert choose_device(device.name, needed).name == device.name
