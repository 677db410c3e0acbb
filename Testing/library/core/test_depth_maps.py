"""Folders of depth maps: round trips, what other programs read, and damaged files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from meddl.core.depth_maps import (
    DepthCamera,
    camera_of,
    depth_writer,
    read_depth_folder,
    set_scale,
)
from meddl.core.errors import FileError, InputError

K = np.array([[40.0, 0, 16], [0, 42, 12], [0, 0, 1]])
CAMERA = DepthCamera(K, 24, 32, rows=(11, 35), columns=(88, 120), downsampling=4.0)


def write(folder, camera=CAMERA, **options):
    depth = np.random.default_rng(3).uniform(0.5, 2, (24, 32)).astype(np.float32)
    with depth_writer(folder, camera=camera, **options) as writer:
        writer.write("00000002", depth)
        writer.write("00000001", depth * 2)
    return depth


def test_a_folder_of_depth_maps_round_trips(tmp_path):
    depth = write(tmp_path / "depth")
    depths = read_depth_folder(tmp_path / "depth")
    assert depths.names == ("00000001", "00000002")
    assert (depths.unit, depths.mm_per_unit) == ("relative", None)
    np.testing.assert_array_equal(depths.depth("00000002"), depth)
    np.testing.assert_array_equal(depths.intrinsics, K)
    camera = depths.camera
    assert (camera.rows, camera.columns, camera.downsampling) == ((11, 35), (88, 120), 4.0)
    with tifffile.TiffFile(tmp_path / "depth/00000001.tiff") as file:  # as any program sees it
        page = file.pages[0]
        assert (page.dtype, page.shape, page.compression) == (np.float32, (24, 32), 1)
    assert json.loads((tmp_path / "depth/units.json").read_text()) == {
        "unit": "relative",
        "mm_per_unit": None,
    }


def test_depths_that_are_none_become_0(tmp_path):
    with depth_writer(tmp_path / "d") as writer:
        writer.write("a", np.array([[1.0, -1, 0], [np.nan, np.inf, 2]]))
    depth = read_depth_folder(tmp_path / "d").depth("a")
    assert depth.dtype == np.float32 and depth.tolist() == [[1, 0, 0], [0, 0, 2]]


def test_the_scale_is_recorded_and_the_maps_stay(tmp_path):
    depth = write(tmp_path / "d")
    set_scale(tmp_path / "d", 12.5)
    depths = read_depth_folder(tmp_path / "d")
    assert (depths.unit, depths.mm_per_unit) == ("relative", 12.5)
    np.testing.assert_array_equal(depths.depth("00000002"), depth)
    write(tmp_path / "d", unit="mm")
    assert read_depth_folder(tmp_path / "d").mm_per_unit == 1
    with pytest.raises(InputError, match="are in mm"):
        set_scale(tmp_path / "d", 2)


def test_nothing_is_left_of_a_run_that_fails_and_the_earlier_folder_stays(tmp_path):
    write(tmp_path / "d")

    def write_two(second):
        with depth_writer(tmp_path / "d") as writer:
            writer.write("x", np.ones((2, 2)))
            writer.write("y", second)

    with pytest.raises(InputError, match=r"y has shape \(2,\)"):
        write_two(np.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert read_depth_folder(tmp_path / "d").names == ("00000001", "00000002")


def test_a_folder_of_other_files_is_not_replaced(tmp_path):
    (tmp_path / "frame.jpg").write_bytes(b"x")
    with pytest.raises(FileError, match="other files"), depth_writer(tmp_path):
        pass
    assert (tmp_path / "frame.jpg").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("units.json", '{"unit": "cm"}', "the unit is 'cm'"),
        ("units.json", '{"unit": "relative", "mm_per_unit": -1}', "-1, a positive"),
        ("units.json", '{"unit": "relative", "mm_per_unit": "1"}', "'1', a positive"),
        ("units.json", '{"unit": "mm", "mm_per_unit": 2}', "with depths in mm"),
        ("units.json", "[]", "says no unit"),
        ("camera.json", "[]", "no camera of depth maps"),
        ("camera.json", '{"intrinsics": [[1]]}', "no camera of depth maps"),
        ("camera.json", '{"intrinsics": [[1]], "width": 32, "height": 24}', "3x3"),
        (
            "camera.json",
            '{"intrinsics": [[1,0,0],[0,1,0],[0,0,1]], "width": 3.5, "height": 24}',
            "width is 3.5",
        ),
        (
            "camera.json",
            '{"intrinsics": [[1,0,0],[0,1,0],[0,0,1]], "width": 32, "height": 24, '
            '"crop": {"rows": [0, 9], "columns": [0, 32]}}',
            "not their size",
        ),
    ],
)
def test_damaged_records_are_named(tmp_path, name, content, message):
    write(tmp_path / "d")
    (tmp_path / "d" / name).write_text(content)
    with pytest.raises(FileError, match=message) as error:
        read_depth_folder(tmp_path / "d")
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((24, 32), np.float64), "float64; one page of 32-bit"),
        (np.full((24, 32), np.nan, np.float32), "NaN"),
        (np.full((24, 32), -1, np.float32), "negative"),
        (np.ones((24, 31), np.float32), "24 x 31 pixels, camera.json beside it says 24 x 32"),
    ],
)
def test_maps_that_cannot_be_are_refused(tmp_path, array, message):
    write(tmp_path / "d")
    tifffile.imwrite(tmp_path / "d/00000001.tiff", array)
    with pytest.raises(FileError, match=message):
        read_depth_folder(tmp_path / "d").depth("00000001")


def test_a_truncated_map_and_missing_ones(tmp_path):
    write(tmp_path / "d")
    path = tmp_path / "d/00000001.tiff"
    path.write_bytes(path.read_bytes()[:700])
    depths = read_depth_folder(tmp_path / "d")
    with pytest.raises(FileError):
        depths.depth("00000001")
    with pytest.raises(FileError, match="not found"):
        depths.depth("00000009")
    with pytest.raises(FileError, match="no folder"):
        read_depth_folder(tmp_path / "e")
    (tmp_path / "e").mkdir()
    with pytest.raises(FileError, match="holds no depth map"):
        read_depth_folder(tmp_path / "e")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(InputError, match="no name of a frame"), depth_writer(tmp_path / "d") as w:
        w.write(name, np.ones((2, 2)))


def test_maps_of_full_frames_take_the_intrinsics_of_the_sequence(tmp_path):
    write(tmp_path / "d", camera=None)
    depths = read_depth_folder(tmp_path / "d")
    camera = camera_of(depths, K * [[2], [2], [1]], (48, 64), (24, 32))
    np.testing.assert_allclose(camera.intrinsics, K)
    assert camera.downsampling == 2
    with pytest.raises(InputError, match=r"a crop needs camera\.json"):
        camera_of(depths, K, (48, 64), (24, 24))
    write(tmp_path / "d")
    assert camera_of(read_depth_folder(tmp_path / "d"), 3 * K, (1, 1), (24, 32)).rows == (11, 35)
