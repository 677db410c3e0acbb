"""Whatever the size, pose and number type of its input, a command does its work or says in one line
why not."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meddl.core import Points, probe_video, read_frames, read_image
from meddl.core.markups import write_points
from meddl.deepdrr import CArm, write_camera

from .drawn_files import (
    command,
    few,
    marked,
    picture,
    same_grid,
    seeds,
    sizes,
    stored,
    video,
    volumes,
)


@few
@given(volumes, st.floats(-90, 90), st.sampled_from(["integral", "neglog", "intensity"]))
def test_drr_render(folders, ct, angle, quantity):
    folder = folders()
    options = "--detector-size", "6,5", "--pixel-spacing", "40", "--quantity", quantity
    path = stored(folder, ct)
    words = "drr", "render", path, f"--primary-angle={angle}", *options
    done = command(*words, output=folder / "drr.tiff")
    assert done == (min(ct.size) > 1)
    if done:
        picture = read_image(folder / "drr.tiff").array
        assert picture.shape == (1, 5, 6) and np.isfinite(picture).all()


@few
@given(st.integers(1, 9), seeds, st.tuples(*[st.integers(1, 500)] * 2))
def test_drr_points(folders, count, seed, size):
    folder = folders()
    camera = CArm(30, 10, detector_size=size, isocenter=(0, 0, 0)).camera()
    write_camera(folder / "camera.json", camera)
    ras = np.random.default_rng(seed).uniform(-100, 100, (count, 3))
    write_points(folder / "p.csv", Points(tuple(f"p{n}" for n in range(count)), ras))
    words = "drr", "points", folder / "p.csv", "--camera", folder / "camera.json"
    assert command(*words, output=folder / "uv.csv")
    rows = np.genfromtxt(folder / "uv.csv", delimiter=",", names=True, dtype=None, encoding="utf8")
    pixels, _ = camera.project(ras)
    found = np.stack([np.atleast_1d(rows[name]) for name in rows.dtype.names[1:3]], -1)
    np.testing.assert_allclose(found, pixels, atol=1e-3)


@few
@given(volumes, seeds)
def test_geodesic(folders, image, seed):
    folder = folders()
    seed_map = marked(image, seed=seed)
    words = "geodesic", stored(folder, image), stored(folder, seed_map, "seeds")
    assert command(*words, output=folder / "distance.nii.gz")
    distance = same_grid(folder / "distance.nii.gz", image).array
    assert (distance[seed_map.array == 1] == 0).all() and distance.min() >= 0


@few
@given(volumes, seeds, st.sampled_from(["geodesic", "crf", "randomwalker", "auto"]))
def test_deepigeos_segment(folders, image, seed, method):
    folder = folders()
    labels = marked(image, seed=seed, values=(1, 2))
    words = "deepigeos", "segment", stored(folder, image), "--seeds", stored(folder, labels, "s")
    if command(*words, "--method", method, output=folder / "found.nii.gz"):
        found = same_grid(folder / "found.nii.gz", image).array
        # Seeds are kept: 1 is the background, 2 the first segment.
        assert (found[labels.array == 2] == 1).all() and (found[labels.array == 1] == 0).all()


@few
@given(sizes, seeds, st.sampled_from([1, 3]), st.floats(0, 1))
def test_desmoke_image(folders, size, seed, channels, strength):
    folder = folders()
    words = "desmoke", "image", picture(folder, "smoky", size, seed, channels), "--strength"
    assert command(*words, strength, "--method", "classical", output=folder / "clear.png")
    assert read_image(folder / "clear.png").array.shape == (1, *size, 3)


@few
@given(sizes, seeds)
def test_desmoke_synthesize_and_evaluate(folders, size, seed):
    folder = folders()
    words = "desmoke", "synthesize", picture(folder, "clear", size, seed)
    if not command(*words, "--seed", seed % 1000, output=folder / "pairs"):
        return
    smoky, clear = folder / "pairs/smoky", folder / "pairs/clear"
    found = [read_image(next(one.iterdir())).array for one in (smoky, clear)]
    assert found[0].shape == found[1].shape == (1, *size, 3)
    words = "desmoke", "evaluate", smoky, clear, "--pictures", 0, "--flicker", "off"
    if command(*words, output=folder / "judged.json"):
        assert json.loads((folder / "judged.json").read_text())


@few
@given(sizes, st.integers(1, 5), seeds, st.sampled_from([".avi", ".mp4"]))
def test_commands_of_videos(folders, size, count, seed, suffix):
    """``desmoke video``, ``desmoke dark-channel`` with its two rows of three panels, ``endodepth
    frames``."""
    folder = folders()
    path = video(folder, size, count, seed)
    for words, panels in (
        (("desmoke", "video", path, "--method", "classical"), (1, 1)),
        (("desmoke", "dark-channel", path), (2, 3)),
    ):
        output = folder / f"{words[1]} made{suffix}"
        assert command(*words, output=output)
        shapes = {frame.shape for frame in read_frames(output)}
        assert shapes == {(panels[0] * size[0], panels[1] * size[1], 3)}
        assert probe_video(output).frames == count
    if command("endodepth", "frames", path, output=folder / "sequence"):
        assert len(list((folder / "sequence").glob("0*.jpg"))) == count
