"""Structure from motion against a scene of which everything is known, and what cannot work."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture
from scipy import ndimage
from scipy.spatial.transform import Rotation

from meddl.core.errors import Cancelled, DependencyError, InputError
from meddl.core.pinhole import pixel_centres
from meddl.core.progress import CancelToken, no_progress
from meddl.endodepth.sequence import frame_name, read_sequence, unposed, write_sequence
from meddl.endodepth.sfm import ReconstructionError, feature_picture, run_sfm, write_job
from meddl.endodepth.sfm_parameters import SfmParameters
from meddl.endodepth.sfm_process import ATTEMPTS, Reconstructor, sequential_pairs

SIZE = (120, 160)
INTRINSICS = np.array([[115.0, 0, 80], [0, 115, 60], [0, 0, 1]])
PARAMETERS = SfmParameters(threads=1, features=300)


def height(x, y):
    """z of a bumpy wall in front of the camera, mm."""
    return 50 + 5 * np.sin(x / 8) * np.cos(y / 9) + 3 * np.sin(y / 5)


def texture(seed=5):
    """Marks of all sizes from 1 mm on, one pixel per 0.25 mm."""
    rng = np.random.default_rng(seed)
    marks = [
        size * ndimage.gaussian_filter(rng.normal(size=(480, 480)), size, mode="wrap")
        for size in (2, 4, 9, 20)
    ]
    total = sum(marks)
    return 0.5 + 0.12 * total / total.std()


def photograph(world_from_camera, albedo, size=SIZE, intrinsics=INTRINSICS):
    """The wall under a light at the camera: where every ray meets z = height(x, y)."""
    rays = np.concatenate([pixel_centres(*size), np.ones((*size, 1))], axis=-1)
    rays = rays @ np.linalg.inv(intrinsics).T @ world_from_camera[:3, :3].T
    origin, depth = world_from_camera[:3, 3], np.full(size, 50.0)
    for _ in range(40):  # contracts: the slope of the wall times that of the ray is below one
        x, y = (origin[axis] + depth * rays[..., axis] for axis in (0, 1))
        depth = (height(x, y) - origin[2]) / rays[..., 2]
    marks = ndimage.map_coordinates(albedo, (y * 4, x * 4), order=1, mode="grid-wrap")
    grey = np.clip(marks * (38 / depth) ** 2 * 330, 0, 255)
    return np.stack([grey, 0.7 * grey, 0.6 * grey], axis=-1).astype(np.uint8)


def true_poses(frames):
    """A path across the wall that also nears it, with small turns."""
    time = np.linspace(0, 1, frames)
    poses = np.tile(np.eye(4), (frames, 1, 1))
    turns = np.stack([3 * np.sin(5 * time), 4 * np.cos(4 * time), 6 * time], axis=-1)
    poses[:, :3, :3] = Rotation.from_euler("xyz", turns, degrees=True).as_matrix()
    poses[:, :3, 3] = np.stack([18 * time - 9, 5 * np.sin(3 * time), 8 * time**2], axis=-1)
    return poses


def write_frames(folder, frames, intrinsics=INTRINSICS):
    """A sequence before structure from motion, of (H, W, 3) uint8 frames."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        Picture.fromarray(frame).save(folder / frame_name(number, ".png"))
    mask = np.ones(frames[0].shape[:2], np.bool_)
    write_sequence(unposed(folder, np.arange(len(frames)), mask, intrinsics, ".png"))
    return folder


@pytest.fixture(scope="module")
def wall(tmp_path_factory):
    """Folder of a sequence of the wall, and its true poses."""
    poses, albedo = true_poses(12), texture()
    folder = tmp_path_factory.mktemp("sfm") / "wall"
    return write_frames(folder, [photograph(pose, albedo) for pose in poses]), poses


@pytest.fixture(scope="module")
def reconstructed(wall, tmp_path_factory):
    """A reconstructed copy of the wall."""
    folder = tmp_path_factory.mktemp("sfm") / "copy"
    shutil.copytree(wall[0], folder)
    return run_sfm(folder, PARAMETERS)


def similarity(source, target):
    """Scale, rotation and shift that map points (N, 3) to points."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    scale = np.sqrt((b**2).sum() / (a**2).sum())
    rotation = Rotation.align_vectors(b, a)[0].as_matrix()
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)


def test_path_and_points_agree_with_the_truth_after_one_similarity(wall, reconstructed):
    _, truth = wall
    assert reconstructed.view_numbers.tolist() == list(range(12))
    scale, rotation, shift = similarity(reconstructed.world_from_camera[:, :3, 3], truth[:, :3, 3])
    centres = scale * reconstructed.world_from_camera[:, :3, 3] @ rotation.T + shift
    error = np.linalg.norm(centres - truth[:, :3, 3], axis=1)
    length = np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).sum()
    assert np.sqrt((error**2).mean()) < 0.01 * length
    turned = rotation @ reconstructed.world_from_camera[:, :3, :3]
    angles = Rotation.from_matrix(np.swapaxes(turned, 1, 2) @ truth[:, :3, :3]).magnitude()
    assert np.degrees(angles).max() < 1.5
    points = scale * reconstructed.points @ rotation.T + shift
    off = np.abs(points[:, 2] - height(points[:, 0], points[:, 1]))
    assert len(points) > 150
    assert np.median(off) < 0.02 * np.ptp(points[:, 2]) and np.percentile(off, 95) < 1.5


def test_threads_change_nothing(wall, reconstructed, tmp_path):
    shutil.copytree(wall[0], tmp_path / "again")
    again = run_sfm(tmp_path / "again", replace(PARAMETERS, threads=2))
    for name in ("motion.yaml", "structure.ply", "view_indexes_per_point"):
        assert (again.folder / name).read_bytes() == (reconstructed.folder / name).read_bytes()


def matched(pycolmap, path):
    """Matches of each pair of pictures, and those that its geometry explains."""
    with pycolmap.Database.open(path) as database:
        matches = dict(zip(*database.read_all_matches(), strict=True))
        pairs, geometries = database.read_two_view_geometries()
    return matches, {pair: g.inlier_matches for pair, g in zip(pairs, geometries, strict=True)}


def test_matches_are_those_of_one_thread_in_one_go(wall, tmp_path, monkeypatch):
    pycolmap = pytest.importorskip("pycolmap")
    parameters = SfmParameters(threads=2, features=900)  # from 512 on an index is trained
    (tmp_path / "work").mkdir()
    job = write_job(read_sequence(wall[0]), parameters, tmp_path / "work")
    at_once, match = [], pycolmap.match_image_pairs

    def record(*arguments, matching_options, **others):
        indexed = not matching_options.sift.cpu_brute_force_matcher
        at_once.append((indexed, matching_options.num_threads))
        match(*arguments, matching_options=matching_options, **others)

    monkeypatch.setattr(pycolmap, "match_image_pairs", record)
    reconstructor = Reconstructor(job, no_progress)
    reconstructor.features(ATTEMPTS[0])
    with pycolmap.Database.open(reconstructor.database) as database:
        images = database.read_all_images()
        assert min(database.num_keypoints_for_image(item.image_id) for item in images) >= 512
    shutil.copy(reconstructor.database, tmp_path / "in_one_go.db")
    reconstructor.match(ATTEMPTS[0])
    assert set(at_once) == {(True, 1), (False, 2)}  # two spoil each other's, once in a hundred runs

    options, pairing = pycolmap.FeatureMatchingOptions(), pycolmap.ImportedPairingOptions()
    options.use_gpu, options.num_threads, options.guided_matching = False, 1, True
    pairing.match_list_path = tmp_path / "pairs.txt"
    lines = [f"{one} {other}\n" for one, other in itertools.combinations(job["names"], 2)]
    pairing.match_list_path.write_text("".join(lines))
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.max_error, verification.ransac.random_seed = 2 * job["max_error"], 0
    match(
        tmp_path / "in_one_go.db",
        matching_options=options,
        pairing_options=pairing,
        verification_options=verification,
    )
    found = matched(pycolmap, reconstructor.database)
    expected = matched(pycolmap, tmp_path / "in_one_go.db")
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys() and sum(map(len, theirs.values())) > 1000
        for pair, rows in theirs.items():
            np.testing.assert_array_equal(ours[pair], rows)


def test_what_was_found_is_in_the_folder(wall, reconstructed):
    again = read_sequence(reconstructed.folder)
    np.testing.assert_allclose(again.points, reconstructed.points, rtol=1e-6)
    np.testing.assert_array_equal(again.visibility, reconstructed.visibility)
    np.testing.assert_allclose(again.intrinsics, INTRINSICS, rtol=1e-12)  # known, so kept
    assert (reconstructed.visibility.sum(axis=0) >= PARAMETERS.min_views).all()
    record = json.loads((reconstructed.folder / "sfm.json").read_text())
    assert record["parameters"]["seed"] == 0 and record["attempts"][-1]["registered"] == 12
    assert 0 < record["reprojection_error"]["median"] < record["reprojection_error"]["kept_up_to"]
    assert record["figures"]["inside"] > 0.999 and record["light_correlation"] < -0.2
    assert "Feature extraction" in (reconstructed.folder / "sfm.log").read_text()
    assert not list(reconstructed.folder.glob(".*"))


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "sfm.log"}


def test_cancel_kills_the_process_and_leaves_all_as_it_was(reconstructed):
    import psutil

    before, token, seen = snapshot(reconstructed.folder), CancelToken(), []
    others = set(psutil.Process().children())

    def progress(fraction, message):
        seen.append(message)
        if "features" in message or "matching" in message or "registered" in message:
            token.cancel()

    with pytest.raises(Cancelled):
        run_sfm(reconstructed.folder, PARAMETERS, progress, token)
    assert set(psutil.Process().children()) <= others
    assert snapshot(reconstructed.folder) == before and len(seen) >= 13


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_a_crash_of_colmap_is_an_error_of_one_line(reconstructed):
    import psutil

    before = snapshot(reconstructed.folder)
    others = set(psutil.Process().children())  # of other tests in this process

    def progress(fraction, message):
        for child in set(psutil.Process().children()) - others:
            child.kill()

    with pytest.raises(ReconstructionError, match=r"COLMAP ended by signal 9.*log: .*sfm\.log"):
        run_sfm(reconstructed.folder, PARAMETERS, progress)
    assert snapshot(reconstructed.folder) == before


def test_frames_without_light_motion_or_overlap_say_so(tmp_path):
    black = [np.zeros((*SIZE, 3), np.uint8)] * 3
    with pytest.raises(ReconstructionError, match="show too little: 0 features per frame"):
        run_sfm(write_frames(tmp_path / "black", black), PARAMETERS)
    still = [photograph(np.eye(4), texture())] * 4
    with pytest.raises(ReconstructionError, match=r"does not move: .* shift by 0\.00 pixels"):
        run_sfm(write_frames(tmp_path / "still", still), PARAMETERS)
    walls = [photograph(np.eye(4), texture(seed)) for seed in range(3)]
    with pytest.raises(ReconstructionError, match=r"neighbouring frames do not match: \d matches"):
        run_sfm(write_frames(tmp_path / "walls", walls), PARAMETERS)
    assert not list(tmp_path.rglob("motion.yaml")) and not list(tmp_path.rglob(".sfm-*"))


def test_two_frames_are_refused_before_work_starts(wall, tmp_path):
    frames = [read_sequence(wall[0]).frame(number) for number in (0, 1)]
    with pytest.raises(InputError, match="has 2 frames, structure from motion needs at least 3"):
        run_sfm(write_frames(tmp_path / "two", frames), PARAMETERS)


def test_without_pycolmap_it_says_what_to_install(wall, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(DependencyError, match="structure from motion needs the package pycolmap"):
        run_sfm(wall[0], PARAMETERS)


def test_feature_pictures_have_even_contrast_and_no_rim():
    rng = np.random.default_rng(1)
    light = np.linspace(1, 0.2, 160)
    frame = np.clip(128 + 60 * rng.normal(size=(120, 160, 1)), 0, 255) * light[:, np.newaxis]
    frame = np.repeat(frame, 3, axis=2).astype(np.uint8)
    mask = np.zeros((120, 160), np.bool_)
    mask[20:100, 30:130] = True
    grey, inside = feature_picture(frame, mask, (160, 120), 0.05)
    spread = grey[:, 10:50].std() / grey[:, 110:150].std()
    assert frame[:, 10:50].std() / frame[:, 110:150].std() > 1.5 and 0.8 < spread < 1.25
    assert inside.sum() == 76 * 96  # two pixels less on every side
    plain, small = feature_picture(frame, mask, (80, 60), 0)
    assert plain.shape == small.shape == (60, 80) and abs(plain.mean() - frame.mean()) < 1


def test_highlights_have_no_features():
    frame = np.full((120, 160, 3), (140, 80, 70), np.uint8)
    frame[58:62, 78:82] = 255
    _, inside = feature_picture(frame, np.ones((120, 160), np.bool_), (160, 120), 0, True)
    assert not inside[57:63, 77:83].any() and inside.sum() > 0.98 * inside.size


def test_sequential_pairs_have_all_neighbours_and_loops():
    pairs = list(sequential_pairs(10, 2, 4))
    assert {(i, i + 1) for i in range(9)} | {(i, i + 2) for i in range(8)} <= set(pairs)
    assert set(pairs) - {(i, j) for i, j in pairs if j - i <= 2} == {(0, 4), (0, 8), (4, 8)}
    assert len(pairs) == len(set(pairs)) == 20
    assert len(list(sequential_pairs(10, 10, 0))) == 45
