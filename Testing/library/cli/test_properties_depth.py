"""The commands of depth, ``endodepth`` and ``monodepth``; as in ``test_properties.py``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

pytest.importorskip("torch")
pytest.importorskip("cv2")

from library.endodepth import chessboards
from meddl.core import Image, Mesh, read_image, read_mesh, write_image, write_mesh
from meddl.core.depth_maps import read_depth_folder
from meddl.core.geometry import apply, inverse
from meddl.core.pictures import read_rgb, write_picture
from meddl.endodepth.lens import read_lens
from meddl.endodepth.prediction import BLACK
from meddl.endodepth.sequence import read_sequence, unposed, write_sequence
from properties import examples

from .drawn_files import command, few, picture, seeds, sides
from .drawn_sequences import depth_maps, plane_sequence

frame_sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@few
@given(
    frame_sizes,
    st.integers(1, 4),
    seeds,
    st.tuples(st.floats(0.3, 2), st.floats(0.5, 2)),
    st.sampled_from(["frame", "sequence", "none"]),
    st.integers(1, 3),
    st.booleans(),
)
def test_endodepth_evaluate(folders, size, count, seed, factors, scaling, gap, truth):
    """True depth in other pixels and another unit."""
    folder, (shrunk, factor) = folders(), factors
    sequence = plane_sequence(folder / "se quence", size, count, seed)
    maps = depth_maps(folder / "ma ps", sequence, shrunk, factor)
    words = "endodepth", "evaluate", sequence.folder, "--depth", maps, "--scaling", scaling
    words = *words, "--gap", gap, *(["--truth", depth_maps(folder / "true", sequence)] * truth)
    done = command(*words, output=folder / "report.json")
    assert done or min(size) * shrunk < 4 or not truth  # few points are seen in small frames
    assert done or min(size) < 12
    if done:
        found = json.loads((folder / "report.json").read_text())
        error = abs(factor - 1) if scaling == "none" else 0
        assert found["pooled"]["abs_rel"] == pytest.approx(error, abs=0.05)
        assert [row["name"] for row in found["frames"]] == [p.stem for p in sequence.frame_files]
        assert found["truth"] == ("maps" if truth else "structure from motion")
        assert (folder / "report.csv").read_text().count("\n") > count
        assert read_image(folder / "report.png").array.std() > 0


@few
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 3),
    seeds,
    st.floats(0.05, 50),
    st.sampled_from([".ply", ".obj", ".stl"]),
    st.sampled_from(["relative", "mm"]),
    st.booleans(),
    st.integers(0, 4),
)
def test_endodepth_fuse(folders, size, count, seed, unit, suffix, measure, texture, other):
    folder = folders()
    if not other:
        (folder / "clouds").mkdir()
        (folder / "clouds/my own.txt").touch()
    sequence = plane_sequence(folder / "se quence", size, count, seed, unit)
    maps = depth_maps(folder / "maps", sequence, unit=measure)
    words = "endodepth", "fuse", sequence.folder, "--depth", maps, "--size", 24
    words = *words, "--scaling", "none", "--minimum-weight", 0.1
    words = *words, "--texture", "on" if texture else "off", "--texture-size", 256
    output = folder / f"the surface{suffix}"
    done = command(*words, "--point-clouds", folder / "clouds", output=output)
    possible = other and (suffix == ".obj" or not texture)
    assert done if possible and min(size) > 4 else not done or possible
    if done:
        mesh, record = read_mesh(output), json.loads(output.with_suffix(".json").read_text())
        assert record["unit"] == measure and record["frames"] == count
        assert np.abs(mesh.vertices[:, 2] - 4 * unit).max() < 0.25 * record["voxel"]
        assert len(list((folder / "clouds").glob("*.ply"))) == count


@few
@given(
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.integers(2, 4),
    seeds,
    st.floats(0.05, 50),
    st.sampled_from(["drawn", "sequence", "missing/drawn"]),
)
def test_endodepth_sfm(folders, size, count, seed, unit, drawn):
    """What COLMAP is to get of a sequence goes out, and into a bare copy of it."""
    folder = folders()
    sequence = plane_sequence(folder / "sequence", size, count, seed, unit)
    words = "endodepth", "sfm", sequence.folder, "--check", "--overlay", folder / drawn
    done = command(*words, output=folder / "mo del", option="--export")
    assert done == (drawn == "drawn" and sequence.visibility.any())
    if done:
        assert len(list((folder / "drawn").glob("*.jpg"))) == count
        camera = sequence.intrinsics
        bare = unposed(sequence.folder, sequence.frame_numbers, sequence.mask, camera, ".png")
        copy = write_sequence(bare, folder / "co py")
        words = "endodepth", "sfm", copy.folder, "--import", folder / "mo del", "--min-views", 2
        if not command(*words, output=folder / "again", option="--export"):
            assert (sequence.visibility.sum(axis=0) < 2).all()
            return
        found = read_sequence(copy.folder)
        np.testing.assert_allclose(found.world_from_camera, sequence.world_from_camera, atol=1e-6)
        kept = sequence.points[sequence.visibility.sum(axis=0) >= 2]
        np.testing.assert_allclose(found.points, kept, rtol=1e-9)


@few
@given(
    st.lists(frame_sizes, min_size=1, max_size=3),
    seeds,
    st.sampled_from([1, 3]),
    st.booleans(),
    st.booleans(),
)
def test_endodepth_predict(folders, sizes, seed, channels, alike, preview):
    folder = folders()
    sizes = sizes[:1] * len(sizes) if alike else sizes
    files = [
        picture(folder, f"frame {n}", size, seed + n, channels) for n, size in enumerate(sizes)
    ]
    words = "endodepth", "predict", *files, "--device", "cpu", "--engine", "torch", "--mask", "none"
    done = command(*words, "--preview", "on" if preview else "off", output=folder / "depth")
    dark = all(read_rgb(path).max() <= BLACK for path in files)  # as one pixel may be
    assert done or dark or len(set(sizes)) > 1, sizes
    if done:
        depths = read_depth_folder(folder / "depth")
        assert depths.names == tuple(path.stem for path in files) and depths.unit == "relative"
        for name in depths.names:
            assert depths.depth(name).shape == sizes[0] and depths.depth(name).min() >= 0
        assert len(list((folder / "depth").glob("preview/*"))) == preview * len(files)


@examples(4, deadline=None)
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=5, unique=True),
    st.sampled_from(["pinhole", "fisheye"]),
    st.sampled_from([".yaml", ".json"]),
    st.integers(0, 4),
)
def test_endodepth_calibrate(folders, chosen, model, suffix, walls):
    folder = folders()
    (folder / "bo ard").mkdir()
    boards = chessboards.boards(model)
    for number in chosen:
        write_picture(folder / f"bo ard/{number}.png", Image(boards[number][None]))
    for number in range(walls):
        picture(folder / "bo ard", f"wall {number}", chessboards.SIZE, number)
    words = "endodepth", "calibrate", folder / "bo ard", "--board", "8x6", "--model", model
    done = command(*words, output=folder / f"camera{suffix}")
    if done:
        lens = read_lens(folder / f"camera{suffix}")
        assert lens.size == chessboards.SIZE and lens.model == model
    assert done == (len(chosen) >= 3)


@examples(4, deadline=None)
@given(
    seeds,
    st.floats(0.1, 10),
    st.sampled_from([".ply", ".obj", ".stl"]),
    st.sampled_from([".json", ".h5"]),
    st.integers(2, 5),
)
def test_endodepth_register(folders, seed, scale, suffix, kind, pairs):
    """An ellipsoid with three axes, and the upper part of it in a unit of its own."""
    import trimesh

    folder, rng = folders(), np.random.default_rng(seed)
    ball = trimesh.creation.icosphere(subdivisions=3)
    whole = Mesh(ball.vertices * [30.0, 20, 12], ball.faces)
    part = ball.faces[(ball.vertices[ball.faces][..., 2] > -0.2).all(axis=1)]
    used, faces = np.unique(part, return_inverse=True)
    ras_from_part = np.eye(4)
    ras_from_part[:3, :3] = scale * Rotation.random(random_state=rng).as_matrix()
    ras_from_part[:3, 3] = rng.uniform(-50, 50, 3)
    places = apply(inverse(ras_from_part), whole.vertices[used])
    write_mesh(folder / f"the part{suffix}", Mesh(places, faces.reshape(-1, 3)), space="RAS")
    write_mesh(folder / "lumen.stl", whole)
    rows = rng.choice(len(used), pairs, replace=False)
    text = "label,x,y,z,r,a,s\n" + "".join(
        "p," + ",".join(map(repr, map(float, (*places[n], *whole.vertices[used[n]])))) + "\n"
        for n in rows
    )
    (folder / "pairs.csv").write_text(text)
    words = "endodepth", "register", folder / f"the part{suffix}", folder / "lumen.stl"
    words = *words, "--landmarks", folder / "pairs.csv", "--points", 400, "--iterations", 5
    words = *words, "--transform", folder / f"pose{kind}", "--output-mesh", folder / "there.ply"
    assert command(*words, output=folder / "report.json") == (pairs >= 3)
    if pairs >= 3:
        found = json.loads((folder / "report.json").read_text())
        assert found["mm_per_unit"] == pytest.approx(scale, rel=0.02)
        # STL's vertices come in another order.
        there, expected = read_mesh(folder / "there.ply").vertices, whole.vertices[used]
        assert cKDTree(there).query(expected)[0].max() < 0.3
        pose = folder / f"pose{kind}"
        if kind == ".json":
            np.testing.assert_allclose(
                json.loads(pose.read_text())["ras_from_mesh"], ras_from_part, atol=0.5
            )
        assert read_mesh(folder / "there.ply").colours is not None


@examples(5, deadline=None)
@given(
    st.lists(frame_sizes, min_size=1, max_size=2),
    seeds,
    st.floats(0, 2),
    st.booleans(),
    st.booleans(),
)
def test_monodepth_predict(folders, sizes, seed, focal, points, pictures):
    folder = folders()
    files = [picture(folder, f"frame {n}", size, seed + n) for n, size in enumerate(sizes)]
    words = "monodepth", "predict", *files, "--weights", "monodepth-rooms", "--device", "cpu"
    words = *words, "--points", "on" if points else "off", "--pictures", "on" if pictures else "off"
    done = command(*words, "--focal", focal, output=folder / "depth")
    alike = len(set(sizes)) == 1
    assert done == ((focal >= 0.01 and alike) or (focal == 0 and not points))
    if done:
        depths = read_depth_folder(folder / "depth")
        assert depths.unit == "mm"
        for name, size in zip(depths.names, sizes, strict=True):
            assert depths.depth(name).shape == size


@examples(4, deadline=None)
@given(
    st.lists(frame_sizes, min_size=1, max_size=3),
    seeds,
    st.booleans(),
    st.floats(0, 0.6),
    st.sampled_from(["eigen", "none"]),
)
def test_monodepth_evaluate(folders, sizes, seed, alike, unknown, crop):
    folder, rng = folders(), np.random.default_rng(seed)
    known = []
    for n, size in enumerate(sizes):
        picture(folder, f"colour {n}", size, seed + n)
        truth = rng.integers(500, 5000, (1, *size), dtype=np.uint16)
        truth[rng.random(truth.shape) < unknown] = 0
        known.append(truth[0] > 0)
        write_image(
            folder / f"depth {n}.png",
            Image(truth if alike else np.pad(truth, ((0, 0), (0, 1), (0, 0)))),
        )
    data = {"colour": "colour {pair}.png", "depth": "depth {pair}.png"}
    (folder / "c.yaml").write_text(yaml.safe_dump({"data": data}))
    words = "monodepth", "evaluate", folder / "c.yaml", "--weights", "monodepth-rooms"
    done = command(*words, "--device", "cpu", "--crop", crop, output=folder / "report.json")
    if done:
        found = json.loads((folder / "report.json").read_text())
        assert [row["name"] for row in found["pairs"]] == [str(n) for n in range(len(sizes))]
        for kind in found["mean"].values():
            for figures in kind.values():
                assert 0 <= figures["delta1"] <= figures["delta2"] <= figures["delta3"] <= 1
    some = all(mask.any() for mask in known)
    assert done <= (alike and some) and (done or not alike or not some or crop == "eigen")


@examples(2, deadline=None)
@given(st.tuples(sides, sides), st.integers(1, 2), st.integers(0, 9))
def test_monodepth_render_rooms(folders, size, pairs, seed):
    folder = folders()
    words = "monodepth", "render-rooms", "--size", f"{size[0]},{size[1]}", "--pairs", pairs
    done = command(*words, "--seed", seed, output=folder / "the rooms")
    assert done == (min(size) >= 16)
    if done:
        for number in range(pairs):
            depth = read_image(folder / f"the rooms/depth/{number:06d}.png").array
            colour = read_image(folder / f"the rooms/color/{number:06d}.png").array
            assert depth.shape == (1, *size) and colour.shape == (1, *size, 3)
            assert depth.min() > 100 and depth.max() < 20000  # mm, in a room


@examples(3, deadline=None)
@given(
    st.tuples(sides, sides),
    st.integers(1, 2),
    st.floats(10, 150),
    st.sampled_from(["sinus", "colon", "colon", "labels"]),
    st.sampled_from([False, False, True]),
)
def test_endodepth_render(folders, size, frames, degrees, scene, taken):
    folder = folders()
    words = (
        "endodepth",
        "render",
        "--size",
        f"{size[0]},{size[1]}",
        "--frames",
        frames,
        "--scene",
        scene,
    )
    if taken:
        (folder / "rendered").mkdir()
        (folder / "rendered/my own.txt").touch()
    done = command(*words, output=folder / "rendered")
    assert done == (min(size) >= 16 and scene != "labels" and not taken)
    if done:
        assert read_sequence(folder / "rendered").size == size
        assert len(read_depth_folder(folder / "rendered/depth").names) == frames
