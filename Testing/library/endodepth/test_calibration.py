"""Calibration and undistortion against a lens that is known by its formulas."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from meddl.cli.main import main
from meddl.core.errors import FileError, InputError
from meddl.core.pinhole import pixel_centres
from meddl.endodepth.calibration import CalibrationParameters, calibrate, find_board, parse_board
from meddl.endodepth.lens import Lens, read_lens, undistort_points, undistortion, write_lens

from .chessboards import (
    BOARD,
    DISTORTION,
    INTRINSICS,
    SIZE,
    SQUARE,
    boards,
    chessboard,
    pixels_of,
    rays_of,
)


@pytest.fixture(scope="module", params=["pinhole", "fisheye"])
def model(request):
    return request.param


@pytest.fixture(scope="module")
def lens(model):
    return Lens(model, SIZE, INTRINSICS, DISTORTION[model])


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Pictures of the board, and one without it."""
    folder = tmp_path_factory.mktemp(model)
    for number, picture in enumerate(boards(model)):
        Image.fromarray(picture).save(folder / f"board{number}.png")
    Image.fromarray(np.full((*SIZE, 3), 128, np.uint8)).save(folder / "wall.png")
    return folder


@pytest.fixture(scope="module")
def calibration(model, folder):
    return calibrate([folder], CalibrationParameters("8x6", 3.0, model))


def places(left, top):
    """(63, 2) pixel positions within margins."""
    across, down = np.linspace(left, SIZE[1] - left, 9), np.linspace(top, SIZE[0] - top, 7)
    return np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)


def test_corners_are_found_where_the_lens_shows_them(model):
    """In OpenCV's count, half a pixel less than ours."""
    picture = chessboard(model, (0.0, 0.0), (0.0, 0.0, 27.0))
    corners = find_board(picture, BOARD).reshape(-1, 2)
    board = (np.mgrid[:8, :6].T.reshape(-1, 2) - (3.5, 2.5)) * SQUARE
    true = pixels_of(board / 27, model) - 0.5
    corners = corners if np.abs(corners - true).max() < 5 else corners[::-1]
    apart = corners - true
    assert np.abs(apart.mean(axis=0)).max() < 0.05 and apart.std() < 0.15


def test_a_rendered_board_gives_the_camera_back(calibration, model):
    assert calibration.missed == ("wall.png",) and len(calibration.errors) == 8
    assert calibration.lens.error < 0.2 and max(calibration.errors.values()) < 0.25
    # Corners are found to about 0.1 pixel, which leaves a wide lens less certain.
    found, unsure = calibration.lens.intrinsics, 1 if model == "pinhole" else 2
    np.testing.assert_allclose(found[:2, 2], INTRINSICS[:2, 2], atol=0.35 * unsure)
    np.testing.assert_allclose(np.diag(found)[:2], np.diag(INTRINSICS)[:2], rtol=5e-3 * unsure)


def test_the_found_lens_maps_pixels_as_the_true_one(calibration, model):
    """Over the part of the picture that all boards cover."""
    grid = places(90, 70)
    straight = undistort_points(grid, calibration.lens)
    centre, focal = calibration.lens.intrinsics[:2, 2], np.diag(calibration.lens.intrinsics)[:2]
    error = ((straight - centre) / focal - rays_of(grid, model)) * 212
    assert np.sqrt((error**2).sum(-1).mean()) < 0.8


def test_points_are_undistorted_to_where_their_rays_go(lens, model):
    grid = places(5, 5)
    expected = rays_of(grid, model) * np.diag(INTRINSICS)[:2] + INTRINSICS[:2, 2]
    np.testing.assert_allclose(undistort_points(grid, lens), expected, atol=2e-3)
    assert undistort_points(np.empty((0, 2)), lens).shape == (0, 2)


@pytest.mark.parametrize("zoom", [1.0, 0.7])
def test_an_undistorted_picture_shows_each_ray_where_a_pinhole_does(lens, model, zoom):
    """A smooth function of the ray, seen through the lens, against the same without a lens."""

    def scene(rays):
        return 128 + 60 * np.sin(4 * rays[..., 0]) + 50 * np.cos(5 * rays[..., 1] + 1)

    seen = scene(rays_of(pixel_centres(*SIZE), model)).round().astype(np.uint8)
    undo = undistortion(lens, zoom)
    result = undo.frame(np.repeat(seen[..., None], 3, -1))
    inside = undo.mask(np.ones(SIZE, bool))
    pinhole = (pixel_centres(*SIZE) - undo.intrinsics[:2, 2]) / np.diag(undo.intrinsics)[:2]
    inner = cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0
    assert np.abs(result[..., 1] - scene(pinhole))[inner].max() < 1.5
    assert inner.mean() > 0.5
    np.testing.assert_allclose(undo.intrinsics[0, 0], 210 * zoom)
    # The mask is what the frame covers: the pixels whose place in the frame exists.
    place = pixels_of(pinhole, model)
    exists = ((place > 1) & (place < np.array(SIZE[::-1]) - 1)).all(-1)
    assert (inside == exists)[exists].all() and (inside & ~exists).mean() < 0.02


def test_a_cropped_frame_is_undistorted_to_the_crop(lens):
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8), (0, 0), 3)
    rows, columns = slice(40, 200), slice(60, 280)
    part = undistortion(lens.cropped(rows, columns)).frame(frame[rows, columns])
    whole = undistortion(lens).frame(frame)[rows, columns]
    difference = np.abs(part.astype(int) - whole)[40:-40, 40:-40]
    assert difference.max() <= 1


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".yml"])
def test_files_are_opencvs_and_come_back(lens, model, suffix, tmp_path):
    path = tmp_path / f"camera{suffix}"
    known = Lens(
        model,
        SIZE,
        INTRINSICS * np.array([[1.0], [1 + 1e-9], [1.0]]),
        DISTORTION[model] / 3,
        error=0.123,
    )
    write_lens(path, known)
    back = read_lens(path)
    assert (back.model, back.size, back.error) == (model, SIZE, 0.123)
    np.testing.assert_allclose(back.intrinsics, known.intrinsics, rtol=1e-15)
    np.testing.assert_array_equal(back.distortion, known.distortion)
    if suffix == ".yml":
        return  # OpenCV tells YAML by .yml and .yaml alike
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    np.testing.assert_allclose(
        storage.getNode("camera_matrix").mat(),
        known.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0] * 3],
    )
    np.testing.assert_array_equal(
        storage.getNode("distortion_coefficients").mat().ravel(), known.distortion
    )


def test_what_opencv_writes_is_read(tmp_path):
    for name in ("camera.yml", "camera.json"):
        storage = cv2.FileStorage(str(tmp_path / name), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 320)
        storage.write("image_height", 240)
        storage.write("camera_matrix", INTRINSICS)
        storage.write("distortion_coefficients", np.arange(5.0).reshape(5, 1))
        storage.write("avg_reprojection_error", 0.25)
        storage.release()
        lens = read_lens(tmp_path / name)
        assert lens.model == "pinhole" and lens.size == (240, 320) and lens.error == 0.25
        assert lens.intrinsics[0, 2] == INTRINSICS[0, 2] + 0.5
        assert lens.distortion.tolist() == [0, 1, 2, 3, 4]
    assert read_lens(tmp_path / "camera.yml").model == "pinhole"
    ros = {
        "image_width": 320,
        "image_height": 240,
        "distortion_model": "equidistant",
        "camera_matrix": {"rows": 3, "cols": 3, "data": INTRINSICS.ravel().tolist()},
        "distortion_coefficients": {"rows": 1, "cols": 4, "data": [0.1, 0, 0, 0]},
    }
    (tmp_path / "ros.json").write_text(json.dumps(ros))
    assert read_lens(tmp_path / "ros.json").model == "fisheye"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("camera_matrix: [1, 2", "no valid calibration"),
        ("- 1\n- 2\n", "no table"),
        ("image_width: 3\nimage_height: 4\n", "has no camera_matrix"),
        ("camera_matrix: [1, 2, 3]\n", "cannot reshape"),
        (
            "camera_matrix: [[-1, 0, 5], [0, 1, 5], [0, 0, 1]]\nimage_width: 9\nimage_height: 9\n"
            "dist: [0, 0, 0, 0]\n",
            "positive fx and fy",
        ),
        (
            "camera_matrix: [[1, 0, 5], [0, 1, 5], [0, 0, 1]]\nimage_width: 9\nimage_height: 9\n"
            "dist: [0, 0, 0]\n",
            "4 or 5 or 8",
        ),
        ("!!python/object/apply:os.system [ls]\n", "no valid calibration"),
    ],
)
def test_damaged_calibrations_are_named(tmp_path, text, message):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_lens(path)


def test_frames_of_another_size_are_matched_by_aspect(lens):
    double = lens.resized((480, 640))
    np.testing.assert_allclose(double.intrinsics[:2], 2 * INTRINSICS[:2])
    with pytest.raises(InputError, match="frames are 320x200, the calibration is of 320x240"):
        lens.resized((200, 320))
    with pytest.raises(InputError, match="zoom is 0"):
        undistortion(lens, 0)
    with pytest.raises(InputError, match="fisheye lens has the distortion"):
        Lens("fisheye", SIZE, INTRINSICS, np.zeros(5))
    with pytest.raises(InputError, match="'wide'"):
        Lens("wide", SIZE, INTRINSICS, np.zeros(4))


def test_pictures_without_enough_boards_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="found in 0 of 1 pictures"):
        calibrate([folder / "wall.png"], CalibrationParameters("5x4"))
    with pytest.raises(InputError, match="found in 2 of 2"):
        calibrate([folder / "board0.png", folder / "board1.png"], CalibrationParameters("8x6"))
    with pytest.raises(FileError, match="not found"):
        calibrate([tmp_path / "none.png"])
    Image.fromarray(np.zeros((10, 12, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(FileError, match=r"small\.png is 12x10, the pictures before it are 320x240"):
        calibrate([folder / "board0.png", tmp_path / "small.png"])
    for text in ("9", "2x9", "axb", "9x6x1"):
        with pytest.raises(InputError, match="inner corners across x down"):
            parse_board(text)
    assert parse_board("8X6") == BOARD


def test_the_command_writes_the_calibration(folder, model, calibration, tmp_path, capsys):
    output = tmp_path / "camera.yaml"
    options = ["--board", "8x6", "--model", model, "--output", str(output)]
    assert main(["endodepth", "calibrate", str(folder), *options, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["missed"] == ["wall.png"] and printed["reprojection_error"] < 0.2
    back = read_lens(output)
    # OpenCV's optimiser sums in the order of its threads.
    np.testing.assert_allclose(back.intrinsics, calibration.lens.intrinsics, rtol=1e-6)
    assert main(["endodepth", "calibrate", str(folder), "--output", str(tmp_path / "a.txt")]) == 2
    assert "ends in .yaml" in capsys.readouterr().err
