"""Where colour and depth pairs come from, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.io

from meddl.core import FileError, Image, InputError, write_image
from meddl.core.files import PART
from meddl.core.pictures import write_picture
from meddl.monodepth import RoomPairs, render_pairs, rendered_pairs
from meddl.monodepth.nyu import NyuPairs, read_split
from meddl.monodepth.pairs import (
    FilePairs,
    PairFiles,
    associate,
    find_pairs,
    read_depth,
    read_index,
    read_time_stamped,
)
from meddl.monodepth.samples import Prepared, prepare, shrink


def write_pair(
    folder, name, shape=(12, 16), unit=1000, colour="color/{}.png", depth="depth/{}.png"
):
    rng = np.random.default_rng(sum(name.encode()))
    picture = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
    metres = rng.uniform(0.5, 6, shape)
    metres[0, :3] = 0
    for path, array in (
        (folder / colour.format(name), picture),
        (folder / depth.format(name), np.round(metres * unit).astype(np.uint16)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, Image(array[None]))
    return picture, metres


def test_patterns_pair_by_name_and_scale_gives_metres(tmp_path):
    truth = {name: write_pair(tmp_path, name, unit=5000) for name in ("a", "b10", "b2")}
    pairs = FilePairs(find_pairs(tmp_path, "color/{pair}.png", "depth/{pair}.png"), 5000)
    assert pairs.names == ["a", "b10", "b2"]
    for n, name in enumerate(pairs.names):
        colour, depth = pairs[n]
        np.testing.assert_array_equal(colour, truth[name][0])
        np.testing.assert_allclose(depth, truth[name][1], atol=1.01e-4)
        assert depth.dtype == np.float32 and (depth[0, :3] == 0).all()


def test_lists_of_files_and_of_time_stamps(tmp_path):
    for name in ("1.00", "1.05", "1.10"):
        write_pair(tmp_path, name)
    (tmp_path / "index.txt").write_text(
        "# pairs\ncolor/1.00.png depth/1.05.png\n1.1 color/1.10.png 1.1 depth/1.10.png\n"
    )
    pairs = read_index(tmp_path / "index.txt")
    assert [(p.name, p.depth.name) for p in pairs] == [("1.00", "1.05.png"), ("1.10", "1.10.png")]
    (tmp_path / "rgb.txt").write_text("1.00 color/1.00.png\n1.05 color/1.05.png\n")
    (tmp_path / "depth.txt").write_text("1.06 depth/1.05.png\n1.5 depth/1.00.png\n")
    pairs = read_time_stamped(tmp_path / "rgb.txt", tmp_path / "depth.txt")
    assert [(p.name, p.depth.name) for p in pairs] == [("1.05", "1.05.png")]


def test_association_is_one_to_one_and_nearest_first():
    rng = np.random.default_rng(5)
    first, second = rng.uniform(0, 1, 40), rng.uniform(0, 1, 50)
    found = associate(first, second, 0.02)
    # The same rule, written as a plain scan of all pairs.
    gaps = sorted(
        (abs(a - b), i, j)
        for (i, a), (j, b) in itertools.product(enumerate(first), enumerate(second))
        if abs(a - b) <= 0.02
    )
    left, right, expected = set(), set(), []
    for _, i, j in gaps:
        if i not in left and j not in right:
            expected.append((i, j))
            left.add(i), right.add(j)
    assert found == sorted(expected) and len(found) > 20


def test_bad_pairs_are_refused(tmp_path):
    write_pair(tmp_path, "a")
    with pytest.raises(InputError, match=r"has no \{pair\}"):
        find_pairs(tmp_path, "color/a.png", "depth/{pair}.png")
    with pytest.raises(FileError, match="no file matches"):
        find_pairs(tmp_path, "rgb/{pair}.png", "depth/{pair}.png")
    write_pair(tmp_path, "b", colour="color/b.png", depth="other/b.png")
    with pytest.raises(InputError, match=r"b\.png has no partner"):
        find_pairs(tmp_path, "color/{pair}.png", "depth/{pair}.png")
    (tmp_path / "index.txt").write_text("color/a.png depth/a.png more\n")
    with pytest.raises(InputError, match="line 1: 3 entries"):
        read_index(tmp_path / "index.txt")
    (tmp_path / "index.txt").write_text("color/a.png depth/z.png\n")
    with pytest.raises(FileError, match="line 1: there is no file"):
        read_index(tmp_path / "index.txt")
    (tmp_path / "rgb.txt").write_text("soon color/a.png\n")
    with pytest.raises(InputError, match="TIME FILE was expected"):
        read_time_stamped(tmp_path / "rgb.txt", tmp_path / "rgb.txt")
    with pytest.raises(InputError, match="depth_scale is 0"):
        FilePairs([PairFiles("a", tmp_path / "color/a.png", tmp_path / "depth/a.png")], 0)
    write_picture(tmp_path / "grey.png", Image(np.zeros((1, 4, 4), np.uint8)))
    with pytest.raises(FileError, match="8 bits per pixel"):
        read_depth(tmp_path / "grey.png", 1000)
    with pytest.raises(FileError, match="3 values per pixel"):
        read_depth(tmp_path / "color/a.png", 1000)
    write_picture(tmp_path / "depth/a.png", Image(np.ones((1, 5, 5), np.uint16)))
    index = tmp_path / "one.txt"
    index.write_text("color/a.png depth/a.png\n")
    with pytest.raises(FileError, match=r"16x12.*5x5"):
        FilePairs(read_index(index), 1000)[0]


def test_float_depths_and_their_gaps(tmp_path):
    depth = np.array([[1.5, np.nan, -1], [np.inf, 0, 2]], np.float32)
    write_image(tmp_path / "d.tiff", Image(depth[None]))
    np.testing.assert_array_equal(
        read_depth(tmp_path / "d.tiff", 1), np.float32([[1.5, 0, 0], [0, 0, 2]])
    )


def test_shrinking_averages_colours_and_picks_depths():
    colour = np.zeros((4, 8, 3), np.uint8)
    colour[:, 2:4] = 200  # of the middle 4 x 4, the left half
    depth = np.arange(32, dtype=np.float32).reshape(4, 8)
    small, picked = shrink(colour, depth, (2, 2))
    np.testing.assert_array_equal(small[..., 0], [[200, 0], [200, 0]])
    np.testing.assert_array_equal(picked, depth[np.ix_([1, 3], [3, 5])])


def test_rooms_that_ended_before_their_record_go_on(tmp_path, monkeypatch):
    folder, rooms = tmp_path / "rooms", RoomPairs(pairs=1, size=(24, 32))

    def killed(path, data):
        (path.parent / f"{PART}x").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rendered_pairs, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            render_pairs(folder, rooms)
    render_pairs(folder, rooms)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {"rooms.json", "color/000000.png", "depth/000000.png"}


def test_prepared_pairs_are_cached_and_augmented_as_published(tmp_path):
    for name in "abcd":
        write_pair(tmp_path, name, shape=(24, 32))
    pairs = FilePairs(find_pairs(tmp_path, "color/{pair}.png", "depth/{pair}.png"), 1000)
    colours, depths = prepare(pairs, (12, 16), 4.0, tmp_path / "cache")
    assert depths.max() <= 4 and (depths == 0).any()
    stamp = next((tmp_path / "cache").iterdir()).stat().st_mtime_ns
    again = prepare(pairs, (12, 16), 4.0, tmp_path / "cache")
    np.testing.assert_array_equal(again[1], depths)
    assert next((tmp_path / "cache").iterdir()).stat().st_mtime_ns == stamp
    data = Prepared(colours, depths, noise=0.1, flip=True)
    picture, depth = data[1]
    assert picture.min() >= -1 and picture.max() <= 1 and depth.shape == (1, 12, 16)
    flipped = 0
    noises = []
    for seed in range(40):
        drawn, its_depth = data.draw(1, np.random.default_rng(seed))
        mirrored = not np.array_equal(its_depth, depth)
        np.testing.assert_array_equal(its_depth, depth[..., ::-1] if mirrored else depth)
        flipped += mirrored
        noises.append(drawn - (picture[..., ::-1] if mirrored else picture))
    assert 10 < flipped < 30
    assert abs(np.mean(noises)) < 0.002 and np.std(noises) == pytest.approx(0.1, rel=0.02)
    with pytest.raises(InputError, match=r"pair a has no depth up to 0\.1 m"):
        prepare(pairs, (12, 16), 0.1, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_nyu_is_turned_upright_and_split_officially(tmp_path):
    import h5py

    rng = np.random.default_rng(6)
    colours = rng.integers(0, 255, (5, 12, 16, 3), dtype=np.uint8)
    depths = rng.uniform(0.7, 10, (5, 12, 16)).astype(np.float32)
    with h5py.File(tmp_path / "nyu.mat", "w") as file:  # as MATLAB writes: last axis first
        file["images"] = colours.transpose(0, 3, 2, 1)
        file["depths"] = depths.transpose(0, 2, 1)
    pairs = NyuPairs(tmp_path / "nyu.mat", [4, 0])
    assert pairs.names == ["0005", "0001"]
    colour, depth = pairs[0]
    np.testing.assert_array_equal(colour, colours[4])
    np.testing.assert_array_equal(depth, depths[4])
    with pytest.raises(InputError, match="has 5 pairs, number 6"):
        NyuPairs(tmp_path / "nyu.mat", [5])
    (tmp_path / "bad.mat").write_bytes(b"no HDF5 at all" * 9)
    with pytest.raises(FileError, match="no valid NYU Depth v2"):
        NyuPairs(tmp_path / "bad.mat")
    with h5py.File(tmp_path / "odd.mat", "w") as file:
        file["images"], file["depths"] = np.zeros((2, 3, 4, 5)), np.zeros((2, 5, 4))
    with pytest.raises(FileError, match=r"\(N, 3, W, H\)"):
        NyuPairs(tmp_path / "odd.mat")


def test_the_split_file_counts_from_1(tmp_path):
    path = tmp_path / "splits.mat"
    scipy.io.savemat(path, {"trainNdxs": [[3], [1]], "testNdxs": [[2], [5]]})
    training, test = read_split(path)
    assert training.tolist() == [0, 2] and test.tolist() == [1, 4]
    with pytest.raises(FileError, match="official split is at"):
        read_split(tmp_path / "none.mat")
    scipy.io.savemat(path, {"trainNdxs": [[1]], "testNdxs": [[1]]})
    with pytest.raises(InputError, match="pair 1 is in both"):
        read_split(path)
    scipy.io.savemat(path, {"trainNdxs": [[1]]})
    with pytest.raises(FileError, match="has no testNdxs"):
        read_split(path)
