"""COLMAP's models against pycolmap's own reader and writer, and files that are damaged."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from PIL import Image as Picture

from meddl.core.errors import FileError, InputError
from meddl.core.pinhole import pixel_centres, project
from meddl.endodepth.colmap import ColmapCamera, read_model, write_model
from meddl.endodepth.colmap_sequence import (
    export_model,
    import_model,
    import_undistorted,
    intrinsics_of,
    lens_of,
    match_frames,
    model_of_sequence,
    point_errors,
    sequence_of_model,
)
from meddl.endodepth.lens import undistort_points
from meddl.endodepth.sequence import frame_name, read_sequence, unposed, write_sequence


@pytest.fixture(scope="module")
def theirs():
    """A model that pycolmap made up, with one camera and noisy features."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, 6, 40
    options.camera_model_id = pycolmap.CameraModelId.PINHOLE
    options.camera_params = [900.0, 910.0, 512.0, 384.0]
    pycolmap.set_random_seed(3)
    model = pycolmap.synthesize_dataset(options)
    noise = pycolmap.SyntheticNoiseOptions()
    noise.point2D_stddev = 0.7
    pycolmap.synthesize_noise(noise, model)
    model.update_point_3d_errors()
    return model


@pytest.fixture(scope="module", params=["binary", "text"])
def folder(theirs, request, tmp_path_factory):
    """Their model as they write it."""
    place = tmp_path_factory.mktemp("colmap")
    getattr(theirs, f"write_{request.param}")(place)
    return place


def assert_same(ours, theirs):
    assert sorted(ours.images) == sorted(theirs.images)
    for key, image in theirs.images.items():
        mine = ours.images[key]
        assert mine.name == image.name and mine.camera == image.camera_id
        expected = image.cam_from_world().matrix()
        np.testing.assert_allclose(mine.camera_from_world[:3], expected, atol=1e-12)
        np.testing.assert_allclose(mine.pixels, [p.xy for p in image.points2D], rtol=1e-12)
        point_keys = [p.point3D_id if p.has_point3D() else -1 for p in image.points2D]
        assert mine.points.tolist() == point_keys
    for key, camera in theirs.cameras.items():
        mine = ours.cameras[key]
        assert (mine.model, mine.width, mine.height) == ("PINHOLE", camera.width, camera.height)
        np.testing.assert_allclose(mine.parameters, camera.params, rtol=1e-15)
    assert sorted(ours.point_keys.tolist()) == sorted(theirs.points3D)
    for row, key in enumerate(ours.point_keys.tolist()):
        point = theirs.points3D[key]
        np.testing.assert_allclose(ours.points[row], point.xyz, rtol=1e-12)
        assert ours.colours[row].tolist() == list(point.color)
        np.testing.assert_allclose(ours.errors[row], point.error, rtol=1e-12)
        seen = ours.track[ours.track[:, 0] == row, 1:]
        pairs = [(e.image_id, e.point2D_idx) for e in point.track.elements]
        assert sorted(map(tuple, seen.tolist())) == sorted(pairs)


def test_what_colmap_writes_is_read(folder, theirs):
    assert_same(read_model(folder), theirs)
    np.testing.assert_allclose(point_errors(read_model(folder)), read_model(folder).errors, 1e-6)


def test_colmap_reads_what_we_write(folder, tmp_path):
    ours = read_model(folder)
    write_model(tmp_path / "model", ours)
    assert_same(ours, pycolmap.Reconstruction(tmp_path / "model"))
    again = read_model(tmp_path / "model")
    assert again.track.tolist() == ours.track.tolist()
    np.testing.assert_array_equal(again.points, ours.points)


def frames_of(theirs, tmp_path, size=(768, 1024), suffix=".jpg"):
    """A sequence of frames whose numbers are the model's keys, without the pictures."""
    names = sorted(theirs.images)
    return unposed(tmp_path, np.array(names), np.ones(size, np.bool_), suffix=suffix)


def test_poses_become_world_from_camera(folder, theirs, tmp_path):
    model = read_model(folder)
    images = {key: replace(i, name=frame_name(key)) for key, i in model.images.items()}
    model = replace(model, images=images)
    sequence = sequence_of_model(frames_of(theirs, tmp_path, (384, 512)), model, "m")
    np.testing.assert_allclose(
        sequence.intrinsics, [[450, 0, 256], [0, 455, 192], [0, 0, 1]]
    )  # frames of half the size
    for row, key in enumerate(sequence.view_numbers.tolist()):
        centre = theirs.images[key].projection_center()
        np.testing.assert_allclose(sequence.world_from_camera[row, :3, 3], centre, atol=1e-9)
    for column, point in enumerate(sequence.points):
        (key,) = [k for k, p in theirs.points3D.items() if np.allclose(p.xyz, point)]
        seen = {element.image_id for element in theirs.points3D[key].track.elements}
        assert set(sequence.view_numbers[sequence.visibility[:, column]].tolist()) == seen
    strict = sequence_of_model(frames_of(theirs, tmp_path), model, "m", max_error=0.8)
    assert len(strict.points) == (model.errors <= 0.8).sum() < len(sequence.points)
    with pytest.raises(InputError, match="none of 40 points is seen in 7 of the 6 frames"):
        sequence_of_model(frames_of(theirs, tmp_path), model, "m", min_views=7)
    with pytest.raises(InputError, match="1024x768 pixels, the frames have 100x100; both need"):
        sequence_of_model(frames_of(theirs, tmp_path, (100, 100)), model, "m")


def test_export_and_import_give_the_same_sequence(theirs, tmp_path):
    place = tmp_path / "theirs"
    place.mkdir()
    theirs.write_binary(place)
    model = read_model(place)
    images = {key: replace(i, name=frame_name(key)) for key, i in model.images.items()}
    sequence = sequence_of_model(frames_of(theirs, tmp_path), replace(model, images=images), "m")
    export_model(sequence, tmp_path / "model")
    again = import_model(frames_of(theirs, tmp_path), tmp_path / "model")
    np.testing.assert_array_equal(again.points, sequence.points)
    np.testing.assert_array_equal(again.visibility, sequence.visibility)
    np.testing.assert_array_equal(again.intrinsics, sequence.intrinsics)
    np.testing.assert_allclose(again.world_from_camera, sequence.world_from_camera, atol=1e-12)
    checked = pycolmap.Reconstruction(tmp_path / "model")
    assert checked.num_points3D() == 40 and checked.num_reg_images() == 6
    checked.update_point_3d_errors()
    assert checked.compute_mean_reprojection_error() < 1e-9  # features are projections


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["00000007.jpg", "00000009.jpg"], [7, 9]),
        (["left/00000007.jpg", r"a\00000009.jpg", "other.png"], [7, 9, None]),
        (["frame_7.png", "frame_0009.tiff", "frame_8.png"], [7, 9, None]),
        (["scene2_7.png", "scene2_9.png"], [7, 9]),
    ],
)
def test_images_match_frames_by_name_or_number(names, numbers, tmp_path):
    sequence = unposed(tmp_path, np.array([7, 9]), np.ones((4, 4), np.bool_))
    assert match_frames(names, sequence, "m") == numbers


def test_images_that_match_nothing_or_twice_are_refused(tmp_path):
    sequence = unposed(tmp_path, np.array([7, 9]), np.ones((4, 4), np.bool_))
    with pytest.raises(InputError, match=r"a\.png, 8\.png …, of which 0 match the frames 00000007"):
        match_frames(["a.png", "8.png"], sequence, "m")
    with pytest.raises(InputError, match="two images match frame 7"):
        match_frames(["7.png", "00000007.jpg"], sequence, "m")


def test_cameras_that_a_sequence_cannot_have_are_refused(theirs, tmp_path):
    theirs.write_binary(tmp_path)
    model = read_model(tmp_path)
    images = {key: replace(i, name=frame_name(key)) for key, i in model.images.items()}
    model, frames = replace(model, images=images), frames_of(theirs, tmp_path)
    bent = ColmapCamera("OPENCV", 1024, 768, (900.0, 910.0, 512.0, 384.0, 0.1, 0, 0, 0))
    with pytest.raises(InputError, match="OPENCV camera with distortion"):
        sequence_of_model(frames, replace(model, cameras={1: bent}), "m")
    key = next(iter(images))
    two = replace(model, cameras={1: model.cameras[1], 2: bent})
    two = replace(two, images={**images, key: replace(images[key], camera=2)})
    with pytest.raises(InputError, match="2 different cameras, a sequence has one"):
        sequence_of_model(frames, two, "m")
    straight = replace(bent, parameters=(*bent.parameters[:4], 0.0, 0.0, 0.0, 0.0))
    np.testing.assert_array_equal(intrinsics_of(straight), intrinsics_of(model.cameras[1]))
    with pytest.raises(InputError, match="has no poses and points"):
        model_of_sequence(frames)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SIMPLE_PINHOLE", (900, 500, 390)),
        ("SIMPLE_RADIAL", (900, 500, 390, -0.1)),
        ("RADIAL", (900, 500, 390, -0.1, 0.03)),
        ("OPENCV", (900, 910, 500, 390, -0.1, 0.03, 0.002, -0.003)),
        ("FULL_OPENCV", (900, 910, 500, 390, -0.1, 0.03, 0.002, -0.003, 0.01, 0.05, 0.01, 0.002)),
        ("OPENCV_FISHEYE", (900, 910, 500, 390, -0.05, 0.01, 0.003, -0.002)),
        ("SIMPLE_RADIAL_FISHEYE", (900, 500, 390, -0.05)),
        ("RADIAL_FISHEYE", (900, 500, 390, -0.05, 0.01)),
    ],
)
def test_lenses_bend_rays_as_in_colmap(name, parameters):
    rays = np.stack(np.meshgrid([-0.5, -0.1, 0.3], [-0.3, 0.2]), axis=-1).reshape(-1, 2)
    camera = pycolmap.Camera(model=name, width=1024, height=768, params=parameters)
    pixels = camera.img_from_cam(np.column_stack([rays, np.ones(6)]))
    lens = lens_of(ColmapCamera(name, 1024, 768, parameters), "m")
    straight = rays * lens.intrinsics[[0, 1], [0, 1]] + lens.intrinsics[:2, 2]
    np.testing.assert_allclose(undistort_points(pixels, lens), straight, atol=1e-4)


def test_import_of_a_bent_lens_undistorts_frames_into_a_new_sequence(tmp_path):
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, 4, 20
    options.camera_params = [1000.0, 512.0, 384.0, -0.2]
    pycolmap.set_random_seed(4)
    theirs = pycolmap.synthesize_dataset(options)
    theirs.write_binary(tmp_path)
    (tmp_path / "old").mkdir()
    x, y = np.moveaxis(pixel_centres(96, 128), -1, 0)
    marks = {}
    for key, image in theirs.images.items():
        seen = [p for p in image.points2D if p.has_point3D()]
        # The mark nearest to a corner: distortion moves it most.
        mark = max(seen, key=lambda p: np.abs(p.xy - (512, 384)).min())
        marks[key] = theirs.points3D[mark.point3D_id].xyz
        blob = 255 * np.exp(-((x - mark.xy[0] / 8) ** 2 + (y - mark.xy[1] / 8) ** 2) / 4)
        frame = np.repeat(blob[..., np.newaxis], 3, axis=2).astype(np.uint8)
        Picture.fromarray(frame).save(tmp_path / "old" / frame_name(key, ".png"))
    model = read_model(tmp_path)
    images = {key: replace(i, name=frame_name(key)) for key, i in model.images.items()}
    write_model(tmp_path / "model", replace(model, images=images))
    old = frames_of(theirs, tmp_path / "old", (96, 128), ".png")
    write_sequence(old)
    new = import_undistorted(old, tmp_path / "model", tmp_path / "new")
    assert read_sequence(tmp_path / "new").view_numbers.tolist() == sorted(theirs.images)
    for row, key in enumerate(new.view_numbers.tolist()):
        camera_from_world = np.linalg.inv(new.world_from_camera[row])
        point = camera_from_world[:3, :3] @ marks[key] + camera_from_world[:3, 3]
        grey = new.frame(key)[..., 0].astype(float)
        centre = [(grey * axis).sum() / grey.sum() for axis in (x, y)]
        np.testing.assert_allclose(centre, project(point, new.intrinsics)[0], atol=0.2)
    with pytest.raises(InputError, match="make a new one with --undistorted NEW_DIR"):
        import_model(old, tmp_path / "model")


def test_no_model_and_files_missing(theirs, tmp_path):
    with pytest.raises(FileError, match=r"holds no COLMAP model: .* there or in sparse/0"):
        read_model(tmp_path)
    theirs.write_binary(tmp_path)
    (tmp_path / "points3D.bin").unlink()
    with pytest.raises(FileError, match=r"COLMAP file not found: .*points3D\.bin"):
        read_model(tmp_path)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_truncated_and_hostile_binary_files_are_refused(theirs, tmp_path, name):
    theirs.write_binary(tmp_path)
    path = tmp_path / f"{name}.bin"
    whole = path.read_bytes()
    for size in {4, 8, 20, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match=rf"{name}\.bin is no valid COLMAP file"):
            read_model(tmp_path)
    for count in (2**60, 2**63 + 1, 10**9):
        path.write_bytes(struct.pack("<Q", count) + whole[8:])
        with pytest.raises(FileError, match=r"truncated: .* bytes are announced at byte 8"):
            read_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("cameras", "PINHOLE", "LENS", "camera model 'LENS'; known are: SIMPLE_PINHOLE"),
        ("cameras", " 1024 ", " 0 ", "a camera of 0x768 pixels"),
        ("cameras", " 384", "", "3 camera parameters, PINHOLE has 4"),
        ("cameras", " 384", " nan", "a camera of 1024x768 pixels with parameters"),
        ("points3D", "1 ", "x ", r"points3D\.txt is no valid COLMAP file"),
    ],
)
def test_damaged_text_files_are_refused(theirs, tmp_path, name, old, new, message):
    theirs.write_text(tmp_path)
    path = tmp_path / f"{name}.txt"
    comments = [line for line in path.read_text().split("\n") if line.startswith("#")]
    lines = [line for line in path.read_text().split("\n") if not line.startswith("#")]
    path.write_text("\n".join([*comments, lines[0].replace(old, new, 1), *lines[1:]]))
    with pytest.raises(FileError, match=message):
        read_model(tmp_path)


def test_references_that_lead_nowhere_are_refused(theirs, tmp_path):
    def damage(name, line, change):
        theirs.write_text(tmp_path)
        path = tmp_path / f"{name}.txt"
        lines = path.read_text().split("\n")
        first = next(i for i, text in enumerate(lines) if not text.startswith("#"))
        words = lines[first + line].split(" ")
        change(words)
        lines[first + line] = " ".join(words)
        path.write_text("\n".join(lines))

    damage("images", 0, lambda words: words.__setitem__(8, "77"))
    with pytest.raises(FileError, match="has camera 77, not there"):
        read_model(tmp_path)
    damage("images", 0, lambda words: words.__setitem__(slice(1, 5), ["0"] * 4))
    with pytest.raises(FileError, match=r"images\.txt is no valid COLMAP file"):
        read_model(tmp_path)
    damage("points3D", 0, lambda words: words.__setitem__(8, "77"))
    with pytest.raises(FileError, match="seen in image 77, which is not there"):
        read_model(tmp_path)
    damage("points3D", 0, lambda words: words.__setitem__(9, "9999"))
    with pytest.raises(FileError, match="is feature 9999 of image"):
        read_model(tmp_path)
    damage("points3D", 0, lambda words: words.__setitem__(1, "inf"))
    with pytest.raises(FileError, match="coordinates that are not finite"):
        read_model(tmp_path)
