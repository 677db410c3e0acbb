"""The published folder format: values by hand, exact round trips, damage, inverted poses."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from meddl.cli.main import main
from meddl.core.errors import FileError, InputError
from meddl.endodepth.sequence import (
    read_sequence,
    unposed,
    visible_inside,
    write_sequence,
)

from .plane_sequence import CAMERA, NUMBERS, SIZE, plane_sequence

ARRAYS = (
    "frame_numbers",
    "intrinsics",
    "mask",
    "view_numbers",
    "world_from_camera",
    "points",
    "visibility",
)
# Three frames of 8 x 6, two of them with poses, as the published tools write them.
PUBLISHED = {
    "selected_indexes": "7\n8\n9\n",
    "visible_view_indexes": "7\n9\n",
    "camera_intrinsics_per_view": "10.5\n11\n4\n3\n",
    "motion.yaml": """\
header:
  seq: 0
  stamp: 0.000000000
  frame_id:
poses[]:
  poses[0]:
    position:
      x: 0.5
      y: -2e-05
      z: 1
    orientation:
      x: 0
      y: 0
      z: 0.7071068
      w: 0.7071068
  poses[1]:
    position: {x: 0, y: 0, z: 0}
    orientation: {x: 0, y: 0, z: 0, w: 1}
""",
    "structure.ply": """\
ply
format ascii 1.0
comment PCL generated
element vertex 2
property float x
property float y
property float z
element camera 1
property float view_px
end_header
0.1 0.2 5
-0.25 0.125 6.5
0
""",
    "view_indexes_per_point": "-1\n7\n9\n-1\n9\n",
}


@pytest.fixture
def published(tmp_path):
    for name, text in PUBLISHED.items():
        (tmp_path / name).write_text(text)
    for number in (7, 8, 9):
        Image.fromarray(np.full((6, 8, 3), 20 * number, np.uint8)).save(
            tmp_path / f"{number:08d}.jpg"
        )
    mask = np.zeros((6, 8), np.uint8)
    mask[1:, 1:] = 255
    mask[1, :] = 100  # a soft edge
    Image.fromarray(mask).save(tmp_path / "undistorted_mask.bmp")
    return tmp_path


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    return plane_sequence(tmp_path_factory.mktemp("plane") / "sequence")


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def test_the_published_files_are_read_as_they_mean(published):
    sequence = read_sequence(published)
    assert sequence.frame_numbers.tolist() == [7, 8, 9]
    assert sequence.view_numbers.tolist() == [7, 9]
    assert sequence.intrinsics.tolist() == [[10.5, 0, 4], [0, 11, 3], [0, 0, 1]]
    assert sequence.mask.sum() == 4 * 7 and sequence.size == (6, 8)
    # A quarter turn about z takes the camera's x to the world's y.
    expected = [[0, -1, 0, 0.5], [1, 0, 0, -2e-5], [0, 0, 1, 1], [0, 0, 0, 1]]
    np.testing.assert_allclose(sequence.world_from_camera[0], expected, atol=1e-15)
    assert sequence.world_from_camera[1].tolist() == np.eye(4).tolist()
    assert sequence.points.tolist() == [[0.1, 0.2, 5], [-0.25, 0.125, 6.5]]
    assert sequence.visibility.tolist() == [[True, False], [True, True]]
    assert sequence.frame(8).shape == (6, 8, 3) and abs(int(sequence.frame(8).mean()) - 160) < 3


@pytest.mark.parametrize("text", ["7\n9\n-1\n9\n", "7\n9\n-1\n9\n-1\n", "-1\n9\n7\n-1\n9\n"])
def test_points_may_be_begun_separated_or_ended(published, text):
    (published / "view_indexes_per_point").write_text(text)
    assert read_sequence(published).visibility.tolist() == [[True, False], [True, True]]


def test_a_sequence_is_read_back_with_the_same_bits_and_written_with_the_same_text(
    published, tmp_path
):
    sequence = read_sequence(published)
    first, second = tmp_path / "first", tmp_path / "second"
    copy = write_sequence(sequence, first)
    assert same(copy, sequence) and same(read_sequence(first), sequence)
    write_sequence(read_sequence(first), second)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir()) and len(names) == 10
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    # Quaternions keep their digits, and a mask that says the same its soft edge.
    assert "w: 0.7071068\n" in (first / "motion.yaml").read_text()
    mask = "undistorted_mask.bmp"
    assert (first / mask).read_bytes() == (published / mask).read_bytes()


def test_any_rotation_comes_back_to_the_last_bits(plane, tmp_path):
    from scipy.spatial.transform import Rotation

    matrices = plane.world_from_camera.copy()
    matrices[:, :3, :3] = Rotation.random(len(matrices), rng=0).as_matrix()
    matrices[:, :3, 3] *= 1e-7 / 3
    turned = replace(plane, world_from_camera=matrices, visibility=plane.visibility & False)
    write_sequence(turned, tmp_path / "turned")
    back = read_sequence(tmp_path / "turned").world_from_camera
    np.testing.assert_allclose(back, matrices, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(back[:, :3, 3], matrices[:, :3, 3])


def test_before_structure_from_motion_there_are_frames_and_a_mask(plane, tmp_path):
    bare = replace(unposed(plane.folder, NUMBERS, plane.mask), frame_files=plane.frame_files)
    write_sequence(bare, tmp_path / "bare")
    back = read_sequence(tmp_path / "bare")
    assert back.intrinsics is None and not len(back.points) and not len(back.view_numbers)
    with pytest.raises(InputError, match="calibrate the camera"):
        back.require_intrinsics()
    with pytest.raises(InputError, match="meddl endodepth sfm"):
        back.require_structure()


def test_writing_in_place_replaces_the_structure_as_a_whole(plane, tmp_path):
    copy = write_sequence(plane, tmp_path / "copy")
    write_sequence(replace(unposed(copy.folder, NUMBERS, copy.mask), frame_files=copy.frame_files))
    names = {path.name for path in copy.folder.iterdir() if path.suffix != ".png"}
    assert names == {"selected_indexes", "undistorted_mask.bmp"}
    skewed = replace(copy, intrinsics=CAMERA + 2 * np.outer([1, 0, 0], [0, 1, 0]))
    with pytest.raises(InputError, match="skew of 2"):
        write_sequence(skewed)
    assert {p.name for p in copy.folder.iterdir() if p.suffix != ".png"} == names


def test_inverted_poses_are_noticed_and_mended(plane, tmp_path):
    assert visible_inside(plane) == 1
    assert 0.5 < visible_inside(plane, inverted=True) < 0.96
    wrong = write_sequence(
        replace(plane, world_from_camera=np.linalg.inv(plane.world_from_camera)),
        tmp_path / "wrong",
    )
    with pytest.raises(FileError, match=r"100\.0% if the poses are inverted.*--invert"):
        read_sequence(wrong.folder)
    mended = read_sequence(wrong.folder, poses="camera_from_world")
    np.testing.assert_allclose(mended.world_from_camera, plane.world_from_camera, atol=1e-14)
    assert main(["endodepth", "sfm", str(wrong.folder), "--invert", "--quiet"]) == 0
    mended = read_sequence(wrong.folder)
    np.testing.assert_allclose(mended.world_from_camera, plane.world_from_camera, atol=1e-14)
    with pytest.raises(FileError, match="they are world_from_camera; they are as the format"):
        read_sequence(plane.folder, poses="camera_from_world")
    with pytest.raises(InputError, match=r"colmap.*world_from_camera, camera_from_world"):
        read_sequence(plane.folder, poses="colmap")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("selected_indexes", None, "not found"),
        ("selected_indexes", "", "is empty"),
        ("selected_indexes", "7\n8\nnine\n", "holds 'nine', whole numbers"),
        ("selected_indexes", "7\n9\n8\n", "each larger than the last"),
        ("selected_indexes", "7\n8\n9\n10\n", "has no 00000010.jpg, which selected_indexes lists"),
        ("selected_indexes", "7\n8\n", "view 9 is none of the 2 frames"),
        ("selected_indexes", b"\xff\xfe\0", "is no text"),
        ("camera_intrinsics_per_view", None, "no camera_intrinsics_per_view"),
        ("camera_intrinsics_per_view", "1\n2\n3\n", "has 3 numbers, the four fx, fy, cx, cy"),
        ("camera_intrinsics_per_view", "1\n-2\n3\n4\n", "focal lengths 1 and -2"),
        ("camera_intrinsics_per_view", "1\n2\nnan\n4\n", "'nan', a finite number"),
        ("visible_view_indexes", None, "has motion.yaml but no visible_view_indexes"),
        ("visible_view_indexes", "7\n8\n9\n", "has 2 poses, 3 were expected"),
        ("motion.yaml", ("w: 0.7071068", "w: 0.9"), r"poses\[0\] has length 1.14"),
        ("motion.yaml", ("x: 0.5", "x: .nan"), r"poses\[0\].position.x is nan"),
        ("motion.yaml", ("  poses[1]", "  poses[2]"), r"poses\[1\].position.x is None"),
        ("motion.yaml", ("poses[]", "[poses"), "no valid file of poses"),
        ("structure.ply", ("format ascii", "format binary_little_endian"), "ASCII PLY"),
        ("structure.ply", ("vertex 2", "vertex 9"), "it holds 2 of 9 vertices"),
        ("structure.ply", ("-0.25", "inf"), "NaN or infinite"),
        ("structure.ply", ("end_header", ""), "no valid PLY"),
        ("view_indexes_per_point", "-1\n7\n", "views of 1 points, structure.ply has 2"),
        ("view_indexes_per_point", "-1\n7\n-1\n8\n", "names frame 8, which visible_view_indexes"),
        ("undistorted_mask.bmp", None, "not found"),
        ("undistorted_mask.bmp", np.zeros((6, 8), np.uint8), "nothing is in the field"),
        ("undistorted_mask.bmp", np.full((6, 9), 255, np.uint8), "is 8x6, the mask is 9x6"),
        ("00000008.jpg", None, "has no 00000008.jpg"),
        ("00000008.jpg", np.zeros((6, 7, 3), np.uint8), "00000008.jpg is 7x6, the mask is 8x6"),
        ("00000008.jpg", b"no picture", "no valid JPEG"),
    ],
)
def test_damage_is_named(published, name, change, message):
    path = published / name
    if change is None:
        path.unlink()
    elif isinstance(change, np.ndarray):
        Image.fromarray(change).save(path)
    elif isinstance(change, tuple):
        assert change[0] in path.read_text()
        path.write_text(path.read_text().replace(*change, 1))
    elif isinstance(change, bytes):
        path.write_bytes(change)
    else:
        path.write_text(change)
    with pytest.raises(InputError, match=message):
        read_sequence(published)


def test_a_frame_that_was_changed_later_is_refused(published):
    sequence = read_sequence(published)
    Image.fromarray(np.zeros((5, 8, 3), np.uint8)).save(published / "00000008.jpg")
    with pytest.raises(FileError, match="is 8x5, the mask is 8x6"):
        sequence.frame(8)
    with pytest.raises(InputError, match="no frame 6; it has 7 to 9"):
        sequence.frame(6)
    with pytest.raises(FileError, match="no folder"):
        read_sequence(published / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((64, 2))}, "points have shape"),
        ({"points": np.full((64, 3), np.nan)}, "points have values that are NaN"),
        ({"visibility": np.zeros((8, 63), bool)}, "visibility have shape"),
        ({"view_numbers": np.arange(8)}, "view 0 is none"),
        ({"frame_numbers": NUMBERS[::-1]}, "do not increase"),
        ({"frame_files": ()}, "8 frame numbers for 0"),
        ({"mask": np.zeros(SIZE, bool)}, "no pixel inside"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(plane, change, message):
    with pytest.raises(InputError, match=message):
        replace(plane, **change)


def test_a_copy_of_a_sequence_that_lost_a_frame_leaves_nothing(plane, tmp_path):
    copy = write_sequence(plane, tmp_path / "copy")
    copy.frame_files[3].unlink()
    with pytest.raises(FileError, match="cannot be written"):
        write_sequence(copy, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
    shutil.rmtree(copy.folder)
