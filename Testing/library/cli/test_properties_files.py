"""Commands that make many files of many, or write others beside their output; as in
``test_properties.py``."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meddl.core import (
    Image,
    probe_video,
    read_frames,
    read_image,
    weights,
    write_frames,
)
from meddl.core.geometry import apply, compose
from meddl.core.pictures import RAS_FROM_PICTURE, read_rgb, write_picture
from meddl.deepdrr import Camera, read_camera, read_radiograph
from meddl.deepdrr.spectrum import read_spectrum
from properties import examples

from .drawn_files import accepted, boxes, command, few, sides, sizes, stored


def plain(folder: Path, name: str, size: tuple[int, int], grey: int) -> Path:
    """A picture of one grey level, which video codecs keep."""
    folder.mkdir(exist_ok=True)
    array = np.full((1, *size, 3), grey, np.uint8)
    write_picture(folder / f"{name}.png", Image(array, RAS_FROM_PICTURE))
    return folder / f"{name}.png"


@few
@given(
    st.lists(sizes, min_size=1, max_size=3),
    st.booleans(),
    st.floats(0.1, 1),
    st.sampled_from([".avi", ".mp4"]),
)
def test_desmoke_slideshow(folders, sizes, alike, seconds, suffix):
    folder = folders()
    for number, (height, width) in enumerate(sizes):
        plain(folder / "be fore", f"frame {number}", (height, width), 40)
        plain(folder / "after", f"frame {number}", (height + (not alike), width), 200)
    words = "desmoke", "slideshow", folder / "be fore", folder / "after", "--seconds", seconds
    done = command(*words, output=folder / f"both{suffix}")
    assert done == (alike and seconds >= 0.2)
    if done:
        count = round(25 * seconds)
        found = list(read_frames(folder / f"both{suffix}"))
        assert len(found) == probe_video(folder / f"both{suffix}").frames == count * len(sizes)
        largest = tuple(max(side) for side in zip(*sizes, strict=True))
        assert {frame.shape for frame in found} == {(*largest, 3)}
        for number, size in enumerate(sizes):
            # A pair begins with the picture before and ends with the one after, in the middle.
            middle = tuple(
                slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(largest, size, strict=True)
            )
            for frame, grey in (
                (found[number * count], 40),
                (found[(number + 1) * count - 1], 200),
            ):
                assert abs(float(np.median(frame[middle])) - grey) < 12


@few
@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=3),
    sizes,
    st.integers(1, 4),
    st.integers(8, 30),
    st.sampled_from(["png", "jpg"]),
)
def test_desmoke_prepare(folders, videos, size, step, longest, format):
    """Videos whose frames are bright or too dark; the bright ones looked at are taken."""
    folder = folders()
    for number, bright in enumerate(videos):
        (folder / f"patient {number}").mkdir()
        frames = (np.full((*size, 3), 120 if one else 5, np.uint8) for one in bright)
        write_frames(folder / f"patient {number}/one.avi", frames, 25)
    words = "desmoke", "prepare", folder, "--workers", 1, "--step", step, "--size", longest
    words = *words, "--sharpness", 0, "--colourfulness", 0, "--format", format
    output = folders() / "chosen"
    expected = {
        (f"patient {number}-one", frame)
        for number, bright in enumerate(videos)
        for frame in range(0, len(bright), step)
        if bright[frame]
    }
    assert command(*words, output=output) == bool(expected)
    if expected:
        with (output / "index.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {(row["video"], int(row["frame"])) for row in rows} == expected
        assert len(rows) == len(expected) == len(list(output.rglob(f"*.{format}")))
        shrunk = min(longest / max(size), 1)
        for row in rows:
            found = read_rgb(output / row["file"])
            assert found.shape == (*(max(round(side * shrunk), 1) for side in size), 3)
            assert abs(float(found.mean()) - 120) < 6


@few
@given(
    boxes(9),
    st.integers(1, 5),
    st.sampled_from(["scribbles", "random"]),
    st.sampled_from(["geodesic", "geodesic,randomwalker", "network"]),
    st.integers(0, 9),
)
def test_deepigeos_evaluate(folders, box, interactions, rule, methods, seed):
    folder, (image, inside) = folders(), box
    label = stored(folder, image.with_array(np.where(inside, np.uint8(3), np.uint8(0))), "truth")
    words = "deepigeos", "evaluate", stored(folder, image), label, "--label-value", 3
    words = *words, "--methods", methods, "--rule", rule, "--interactions", interactions
    words = *words, "--weights", folder / "gone.safetensors"  # of the network alone
    done = command(*words, "--seed", seed, output=folder / "jud ged")
    assert done == (not inside.all() and methods != "network")
    if done:
        record = json.loads((folder / "jud ged/evaluation.json").read_text())
        assert [row["method"] for row in record["table"]] == methods.split(",")
        dice = [step["dice"] for step in record["runs"][0]["steps"]]
        assert record["table"][0]["dice_1"] == pytest.approx(dice[0], abs=1e-4)
        # The box and what its planes part of the rest are flat: each stroke takes one of them.
        assert dice[-1] == 1 or (interactions < 4 or rule == "random")
        with (folder / "jud ged/evaluation.csv").open(newline="") as file:
            areas = [float(row["dice_area"]) for row in csv.DictReader(file)]
        steps = dice + dice[-1:] * (interactions - len(dice))
        between = [(a + b) / 2 for a, b in pairwise(steps)] or steps
        assert areas[0] == pytest.approx(np.mean(between), abs=1e-4)
        assert read_image(folder / "jud ged/evaluation.png").array.std() > 0


@few
@given(
    boxes(10),
    st.tuples(st.floats(-90, 90), st.floats(-40, 40)),
    st.sampled_from([None, 7, 5]),
    st.sampled_from([".tiff", ".nrrd"]),
    st.sampled_from(["mask", "instrument"]),
)
def test_drr_render_with_bodies_and_what_lies_beside(folders, box, angles, value, suffix, body):
    """The ray of the middle pixel goes through the isocentre, which is the box's middle."""
    folder, (ct, inside) = folders(), box
    labels = np.where(inside, np.uint8(7), np.uint8(0))
    middle = apply(ct.ras_from_ijk, np.argwhere(inside)[:, ::-1].mean(axis=0)[None])[0]
    place = ",".join(f"{n:.4f}" for n in middle)
    words = "drr", "render", stored(folder, ct), "--detector-size", "7,5", "--pixel-spacing", 30
    words = *words, f"--primary-angle={angles[0]}", f"--secondary-angle={angles[1]}"
    words = *words, f"--isocenter={place}", "--quantity", "neglog"
    label_map = stored(folder, ct.with_array(labels), "labels")
    beside = {name: folder / f"the {name}{suffix}" for name in ("depth", "masks", "labels")}
    options = [n for name, path in beside.items() for n in (f"--save-{name}", path)]
    options += ["--labels", label_map, "--save-camera", folder / "camera.json"]
    options += [] if value is None else ["--label-values", value]
    done = command(*words, *options, output=folder / "alone.tiff")
    assert done == (min(ct.size) > 1 and value != 5)
    if not done:
        return
    pictures = {name: read_image(path).array[0] for name, path in beside.items()}
    assert {array.shape for array in pictures.values()} == {(5, 7)}
    depth, mask, alone = pictures.values()
    assert mask[2, 3] == 1 and mask.max() == 1
    camera = read_camera(folder / "camera.json")
    corners = apply(ct.ras_from_ijk, np.argwhere(inside)[:, ::-1])
    distance = np.linalg.norm(corners - camera.source, axis=1)
    near = np.linalg.norm(ct.spacing)  # a voxel's diagonal
    assert distance.min() - near < depth[2, 3] < np.linalg.norm(middle - camera.source) + 1e-2
    seen = camera.project(corners)[0]
    columns, rows = np.nonzero(mask)[::-1]
    margin = near * 1020 / 30 / (distance.min() - near) + 1
    assert (columns >= seen[:, 0].min() - margin).all() and (
        rows <= seen[:, 1].max() + margin
    ).all()
    without = read_image(folder / "alone.tiff").array[0, 2, 3]
    assert 0 < alone[2, 3] <= without * 1.0001
    tip, end = (",".join(f"{n:.4f}" for n in middle + way) for way in ((0, 0, -9), (0, 0, 9)))
    bodies = {"mask": f"{label_map}:iron", "instrument": f"k-wire:{tip}:{end}"}
    assert command(*words, f"--{body}", bodies[body], output=folder / "with.tiff")
    assert read_image(folder / "with.tiff").array[0, 2, 3] > without


@few
@given(
    st.sampled_from(["60kV", "90kV", "120kV"]),
    st.lists(st.tuples(st.sampled_from(["Al", "Cu"]), st.floats(-1, 4)), max_size=2),
)
def test_drr_spectrum(folders, spectrum, layers):
    folder = folders()
    filtration = ",".join(f"{material}:{mm}" for material, mm in layers)
    words = "drr", "spectrum", "--spectrum", spectrum
    assert command(*words, output=folder / "tube.csv")
    more = ["--filtration", filtration] if layers else []
    done = command(*words, *more, output=folder / "filtered.csv")
    assert done == all(mm >= 0 for _, mm in layers)
    if done:
        tube, filtered = (read_spectrum(folder / f"{name}.csv") for name in ("tube", "filtered"))
        assert filtered.fractions.sum() == pytest.approx(1)
        # A filter hardens the beam.
        assert filtered.mean_energy >= tube.mean_energy - 1e-6


@examples(3, deadline=None)
@given(boxes(7), st.tuples(sides, sides), st.floats(-90, 90), st.booleans())
def test_drr_register(folders, box, size, angle, fine):
    """From the true pose on, the picture of a body in air is found again: of one whose sides have 8
    pixels and more. (A face of the grid that cuts a body is a step, which no search can follow;
    voxels five times as long as wide, longer than a CT's, are sampled too coarsely.)"""
    pytest.importorskip("torch")
    folder, (cut, inside) = folders(), box
    affine = cut.ras_from_ijk @ compose((1, 1, 1), (-1, -1, -1))
    ct = Image(np.pad(cut.array, 1, constant_values=-1000), affine)
    fine = fine and ct.spacing.max() < 5 * ct.spacing.min()
    corners = np.argwhere(np.pad(inside, 1))[:, ::-1]
    side = float(((np.ptp(corners, axis=0) + 1) * ct.spacing).min())
    place = ",".join(repr(float(n)) for n in apply(affine, corners.mean(axis=0)))
    file, pitch = stored(folder, ct), 1.9 * side / 8 if fine else 12  # 1.9: in the detector
    words = "drr", "render", file, "--detector-size", f"{size[0]},{size[1]}"
    words = *words, "--pixel-spacing", pitch, f"--isocenter={place}"
    words = *words, f"--primary-angle={angle}", "--quantity", "neglog"
    assert command(*words, "--save-camera", folder / "c.json", output=folder / "x ray.tiff")
    words = "drr", "register", file, folder / "x ray.tiff", "--camera", folder / "c.json"
    words = *words, "--candidates", 2, "--starts", 1, "--rounds", 1, "--device", "cpu"
    done = command(*words, f"--isocenter={place}", output=folder / "found.json")
    shown = np.ptp(read_image(folder / "x ray.tiff").array) > 0
    assert done == (min(size) >= 16 and shown), (size, shown)
    if done:
        found = json.loads((folder / "found.json").read_text())
        assert found["size"] == list(size) and found["score"] > (0.95 if fine else -1)


@examples(2, deadline=None)  # of 4 s, nearly all of it the worker's start
@given(
    boxes(6, least=2),
    st.integers(1, 2),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(["png", "tiff", "dcm"]),
)
def test_drr_dataset(folders, box, views, size, format):
    pytest.importorskip("distributed")
    folder, (ct, inside) = folders(), box
    labels = stored(folder, ct.with_array(np.where(inside, np.uint8(4), np.uint8(0))), "the labels")
    config = {
        "views": views,
        "format": format,
        "cts": [{"path": stored(folder, ct).name, "labels": labels.name}],
        "masks": {"the box": 4},
        "carm": {"detector_size": list(size), "pixel_spacing": 30},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    words = "drr", "dataset", folder / "c.yaml", "--workers", 1
    assert command(*words, output=folder / "the set")
    lines = (folder / "the set/manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["view"] for line in lines] == list(range(views))
    for line in map(json.loads, lines):
        files = [line, line["camera_file"], line["mask"]]
        picture, camera, mask = (folder / "the set" / one["file"] for one in files)
        for path, one in zip((picture, camera, mask), files, strict=True):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
        assert picture.suffix == f".{format}"
        assert read_radiograph(picture).array.shape[:3] == (1, *size[::-1])
        assert read_camera(camera).size == Camera.from_dict(line["camera"]).size == size
        found = read_image(mask).array[0]
        assert found.shape == size[::-1] and found.max() <= 1
    assert not command(*words, output=folder / "the set")  # what is there stays


@few
@given(
    st.sampled_from(["a", "b.a", "ab-_b"]) | st.text("ab.-_ é", min_size=1, max_size=6),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from(["whole", "whole", "another byte", "no card", "cut off"]),
)
def test_weights(folders, name, shape, state):
    """In, out and away again; refused if the name cannot be, or the file is not the card's."""
    torch = pytest.importorskip("torch")
    folder = folders()
    for place in ("made", "out"):
        (folder / place).mkdir()
    card = weights.Card("", "tests", "none", {"shape": shape})
    first = weights.save_weights(
        {"layer.weight": torch.full(shape, 2.5)}, folder / "made/first.safetensors", card
    ).path
    content, record = first.read_bytes(), json.loads(first.with_suffix(".json").read_text())
    path = folder / f"{name}.safetensors"
    changed = {"another byte": content[:-1] + b"\0", "cut off": content[:-1]}.get(state, content)
    path.write_bytes(changed)
    if state != "no card":
        (folder / f"{name}.json").write_text(json.dumps({**record, "name": name}))
    valid = state == "whole" and re.fullmatch("[ab]([ab._-]*[ab])?", name) is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDL_WEIGHTS", str(folder / "us er"))
        assert accepted("weights", "import", path, folder=folder) == valid
        if valid:
            assert accepted("weights", "show", name, folder=folder)
            assert accepted("weights", "export", name, folder / "out", folder=folder)
            assert not accepted("weights", "export", name, folder / "out", folder=folder)
            assert not accepted("weights", "import", path, folder=folder)
            assert (folder / f"out/{name}.safetensors").read_bytes() == content
            assert accepted("weights", "delete", name, folder=folder)
        assert not accepted("weights", "delete", name, folder=folder)
        assert not list(folder.glob("us er/*"))
