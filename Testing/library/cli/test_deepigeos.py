"""``meddl deepigeos segment`` and ``evaluate`` as scripts use them: files, exit codes, messages."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Image, Points, read_image, write_image, write_points
from meddl.core.geometry import apply, compose, rotation

from .output import error_line

GEOMETRY = rotation((1, 2, 3), 25) @ compose((1, 1.5, 2), (10, -20, 30))
SHAPE = (16, 30, 40)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A bright ellipsoid on an oblique grid, with masks, points, seeds and the truth."""
    monkeypatch.chdir(tmp_path)
    k, j, i = np.indices(SHAPE)
    truth = ((k - 8) / 5) ** 2 + ((j - 15) / 8) ** 2 + ((i - 20) / 12) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 5, SHAPE)
    image = np.round(100 * truth + noise).astype(np.int16)
    inside, outside = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    inside[8, 15, 12:28], outside[8, 2, 5:35], outside[8, 27, 5:35] = 1, 1, 1
    second = np.zeros(SHAPE, np.uint8)
    second[2, 3, 3:6] = 3
    arrays = {
        "ct": image,
        "t2": (50 - image // 2).astype(np.int16),
        "truth": truth.astype(np.uint8) * 7,
        "in": inside,
        "out": outside,
        "seeds": 2 * inside + outside + second,
        "none": np.zeros(SHAPE, np.uint8),
    }
    for name, array in arrays.items():
        write_image(f"{name}.nii.gz", Image(array, GEOMETRY))
    shifted = GEOMETRY.copy()
    shifted[0, 3] += 0.5
    write_image("moved.nii.gz", Image(image, shifted))
    write_image("small.nii.gz", Image(image[:8], GEOMETRY))
    write_points("in.mrk.json", Points(("a", "b"), apply(GEOMETRY, [[20, 15, 8], [14, 15, 8]])))
    return tmp_path, truth


def run(*arguments: str) -> int:
    return main(["deepigeos", *arguments])


def overlap(path: str, truth: np.ndarray) -> float:
    found = read_image(path)
    assert found.array.dtype == np.uint8
    assert np.abs(found.ras_from_ijk - GEOMETRY).max() < 1e-4
    mask = found.array == 1
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


@pytest.mark.parametrize("foreground", ["in.nii.gz", "in.mrk.json"])
def test_segment_by_masks_and_points(files, capsys, foreground):
    _, truth = files
    marks = ["--foreground", foreground, "--background", "out.nii.gz"]
    assert run("segment", "ct.nii.gz", "--output", "seg.nii.gz", *marks, "--json") == 0
    assert overlap("seg.nii.gz", truth) > 0.95
    record = json.loads(capsys.readouterr().out)
    assert record["voxels"] == {"1": int((read_image("seg.nii.gz").array == 1).sum())}


def test_segment_by_a_label_map_and_two_channels(files):
    _, truth = files
    files = ["ct.nii.gz", "t2.nii.gz", "--seeds", "seeds.nii.gz"]
    assert run("segment", *files, "--output", "seg.nrrd", "--method", "geodesic") == 0
    assert overlap("seg.nrrd", truth) > 0.9
    labels = read_image("seg.nrrd").array
    seeds = read_image("seeds.nii.gz").array
    assert (labels[seeds == 3] == 2).all() and (labels[seeds == 1] == 0).all()


def test_segment_from_an_initial_segmentation_with_frozen_voxels(files):
    _, truth = files
    marks = ["--initial", "truth1.nii.gz", "--background", "out.nii.gz", "--frozen", "in.nii.gz"]
    write_image("truth1.nii.gz", Image(truth.astype(np.uint8), GEOMETRY))
    assert run("segment", "ct.nii.gz", "--output", "seg.nii.gz", *marks) == 0
    assert overlap("seg.nii.gz", truth) == 1  # the background lay outside already


@pytest.mark.parametrize("output", ["labels.png", "labels.tif"])
def test_a_picture_becomes_a_picture_of_labels(tmp_path, monkeypatch, capsys, output):
    monkeypatch.chdir(tmp_path)
    j, i = np.indices((60, 80))
    disc = (j - 30) ** 2 + (i - 40) ** 2 < 200
    picture = np.where(disc[..., None], (180, 60, 60), (60, 120, 60)).astype(np.uint8)
    seeds = np.zeros(disc.shape, np.uint8)
    seeds[30, 35:45], seeds[5, 5:75], seeds[55, 5:75] = 2, 1, 1
    write_image("photograph.png", Image(picture[None], np.diag([-1.0, -1, 1, 1])))
    write_image("seeds.png", Image(seeds[None], np.diag([-1.0, -1, 1, 1])))
    given = ["deepigeos", "segment", "photograph.png", "--seeds", "seeds.png", "--method"]
    assert main([*given, "geodesic", "--output", output]) == 0
    np.testing.assert_array_equal(read_image(output).array[0], disc)
    assert capsys.readouterr().out == f"segment 1: {disc.sum()} pixels\n"
    assert main([*given, "geodesic", "--output", "labels.jpg"]) == 2
    assert "picture is written as .png, .tif, .tiff" in error_line(capsys)


def test_only_segments_that_are_there_are_reported(files, capsys):
    write_image("old.nii.gz", Image(files[1].astype(np.uint8) * 9, GEOMETRY))
    marks = ["--initial", "old.nii.gz", "--background", "out.nii.gz", "--method", "geodesic"]
    assert run("segment", "ct.nii.gz", "--output", "seg.nii.gz", *marks) == 0
    assert capsys.readouterr().out.startswith(f"segment 9: {files[1].sum()} voxels, ")


def test_a_list_goes_on_after_a_bad_case(files, capsys):
    rows = [
        "image,foreground,background,name",
        "ct.nii.gz,in.nii.gz,out.nii.gz,",
        "missing.nii.gz,in.nii.gz,out.nii.gz,gone",
        "ct.nii.gz;small.nii.gz,in.nii.gz,,uneven",
        "ct.nii.gz; t2.nii.gz,in.mrk.json,out.nii.gz,both",
    ]
    (files[0] / "cases.csv").write_text("\n".join(rows))
    assert run("segment", "--list", "cases.csv", "--output", "all") == 2
    text = capsys.readouterr().out
    assert "2 of 4 cases" in text and "gone: image not found" in text and "uneven: " in text
    assert sorted(p.name for p in (files[0] / "all").iterdir()) == [
        "both.nii.gz",
        "ct.nii.gz",
        "summary.json",
    ]
    assert overlap("all/ct.nii.gz", files[1]) > 0.95
    summary = json.loads((files[0] / "all" / "summary.json").read_text())["cases"]
    assert [case["error"] is None for case in summary] == [True, False, False, True]


def test_a_box_about_the_target_is_enough(files, capsys):
    """A ROI along the image's axes, in the file and as a column of a list; bounds enclose it."""
    low, high = np.array([6, 5, 2]), np.array([34, 25, 14])  # ijk
    center = apply(GEOMETRY, [(low + high) / 2])[0]
    spacing = np.linalg.norm(GEOMETRY[:3, :3], axis=0)
    markup = {
        "type": "ROI",
        "coordinateSystem": "RAS",
        "center": center.tolist(),
        "size": ((high - low) * spacing).tolist(),
        "orientation": (GEOMETRY[:3, :3] / spacing).ravel().tolist(),
    }
    (files[0] / "box.mrk.json").write_text(json.dumps({"markups": [markup]}))
    command = ("segment", "ct.nii.gz", "--method", "crf", "--output", "seg.nii.gz")
    assert run(*command, "--roi", "box.mrk.json") == 0
    assert overlap("seg.nii.gz", files[1]) > 0.93
    found = np.argwhere(read_image("seg.nii.gz").array)[:, ::-1]
    assert (found >= low).all() and (found <= high).all()
    assert run(*command, "--roi", "box.mrk.json", "--background", "out.nii.gz") == 0
    assert overlap("seg.nii.gz", files[1]) > 0.93
    corners = apply(GEOMETRY, [[i, j, k] for i in (10, 30) for j in (7, 23) for k in (3, 13)])
    bounds = np.stack([corners.min(0), corners.max(0)], 1).ravel()
    text = ",".join(f"{bound:.3f}" for bound in bounds)
    assert run(*command, f"--roi={text}") == 0
    assert read_image("seg.nii.gz").array.any()
    (files[0] / "cases.csv").write_text(
        f'image,roi,name\nct.nii.gz,box.mrk.json,one\nct.nii.gz,"{text}",two\n'
    )
    assert run("segment", "--list", "cases.csv", "--method", "crf", "--output", "all") == 0
    assert overlap("all/one.nii.gz", files[1]) > 0.93
    assert np.array_equal(read_image("all/two.nii.gz").array, read_image("seg.nii.gz").array)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ct.nii.gz"], "cannot predict without seeds; add some, give a roi"),
        (["ct.nii.gz", "--roi", "1,2,3"], "R0,R1,A0,A1,S0,S1"),
        (["ct.nii.gz", "--roi", "900,950,0,10,0,10"], "no voxel of the image"),
        (["ct.nii.gz", "--roi", "in.mrk.json"], "0 ROIs"),
        (["ct.nii.gz", "--roi", "gone.mrk.json"], "not found"),
        (["ct.nii.gz", "--background", "out.nii.gz"], "background only"),
        (["ct.nii.gz", "--seeds", "out.nii.gz"], "background only"),
        ([], "no image"),
        (["ct.nii.gz", "--seeds", "none.nii.gz"], "all 0"),
        (["ct.nii.gz", "--foreground", "none.nii.gz"], "nothing is marked"),
        (["ct.nii.gz", "--foreground", "small.nii.gz"], "40x30x8 voxels"),
        (["ct.nii.gz", "small.nii.gz", "--foreground", "in.nii.gz"], "channel small.nii.gz"),
        (["ct.nii.gz", "moved.nii.gz", "--foreground", "in.nii.gz"], "corners differ by 0.5 mm"),
        (["ct.nii.gz", "--foreground", "in.nii.gz", "--background", "in.nii.gz"], "marked as"),
        (["ct.nii.gz", "--foreground", "in.nii.gz", "--method", "magic"], "'magic'"),
        (["ct.nii.gz", "--foreground", "gone.mrk.json"], "not found"),
        (["--list", "ct.nii.gz"], "list of cases"),
        (["ct.nii.gz", "--list", "cases.csv"], "alone"),
    ],
)
def test_bad_input_gets_one_line_and_no_file(files, capsys, arguments, message):
    assert run("segment", *arguments, "--output", "seg.nii.gz") == 2
    assert message in error_line(capsys)
    assert not (files[0] / "seg.nii.gz").exists()


def test_an_output_that_cannot_be_written_is_refused_first(files, capsys):
    marks = ["--foreground", "in.nii.gz", "--output"]
    assert run("segment", "ct.nii.gz", *marks, "seg.png") == 2
    assert ".nii.gz" in capsys.readouterr().err
    assert run("segment", "ct.nii.gz", *marks, "nowhere/seg.nii.gz") == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,colour\nct.nii.gz,red\n", "colour"),
        ("image,name\nct.nii.gz,../x\n", "no file name"),
        ("image,name\n,x\n", "line 2 has no image"),
        ("image,seeds\nct.nii.gz,\nct.nii.gz,\n", "two cases of the name 'ct'"),
        ("image\n", "lists no case"),
        ("image,seeds\nct.nii.gz\n", "line 2"),
    ],
)
def test_bad_lists_are_refused_before_any_case(files, capsys, text, message):
    (files[0] / "cases.csv").write_text(text)
    assert run("segment", "--list", "cases.csv", "--output", "all") == 2
    assert message in capsys.readouterr().err and not (files[0] / "all").exists()


def test_evaluate_one_case_and_a_list(files, capsys):
    options = ["--methods", "crf,geodesic", "--interactions", "3", "--json", "--output"]
    one = ["evaluate", "ct.nii.gz", "truth.nii.gz", "--label-value", "7"]
    assert run(*one, *options, "one") == 0
    table = json.loads(capsys.readouterr().out)["table"]
    assert [row["method"] for row in table] == ["crf", "geodesic"]
    assert table[0]["dice_3"] > 0.9 and table[0]["case"] == "truth-7"
    (files[0] / "cases.csv").write_text(
        "image,label,value,name\nct.nii.gz,truth.nii.gz,7,egg\nct.nii.gz;t2.nii.gz,truth.nii.gz,7,\n"
    )
    assert run("evaluate", "--list", "cases.csv", *options, "two") == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["case"] for row in report["table"]] == ["egg"] * 2 + ["truth-7"] * 2
    same = ("dice_1", "dice_3", "nsd_3", "dice_area")
    assert [report["table"][0][n] for n in same] == [table[0][n] for n in same]
    assert (files[0] / "two" / "evaluation.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ct.nii.gz"], "LABEL"),
        (["ct.nii.gz", "truth.nii.gz"], "no voxel of value 1; there are: 0, 7"),
        (["ct.nii.gz", "truth.nii.gz", "--label-value", "x"], "--label-value"),
        (["small.nii.gz", "truth.nii.gz", "--label-value", "7"], "label map"),
        (["ct.nii.gz", "truth.nii.gz", "--methods", "crf,magic"], "'magic'"),
        (["ct.nii.gz", "truth.nii.gz", "--interactions", "0"], "--interactions is 0"),
    ],
)
def test_evaluate_refuses_bad_input(files, capsys, arguments, message):
    assert run("evaluate", *arguments, "--output", "out") == 2
    assert message in capsys.readouterr().err and not (files[0] / "out").exists()


def test_an_evaluation_that_could_not_be_written_is_refused_first(files, capsys, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError

    monkeypatch.setattr("meddl.deepigeos.evaluation.evaluate", never)
    arguments = ["ct.nii.gz", "truth.nii.gz", "--label-value", "7", "--output", "ct.nii.gz"]
    assert run("evaluate", *arguments) == 2
    assert "the folder ct.nii.gz cannot be made" in error_line(capsys)
