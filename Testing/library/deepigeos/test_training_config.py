"""Configurations: pairing of files, line numbers of errors, defaults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meddl.cli.main import main
from meddl.core.errors import FileError, InputError
from meddl.deepigeos.training_config import print_config, read_plan
from meddl.deepigeos.training_files import find_cases
from meddl.deepigeos.training_parameters import KINDS, NetworkTraining, defaults

from .labelled_cases import PICTURES, VOLUMES, config, pictures, volumes


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_modalities_are_paired_by_the_name_of_their_case(tmp_path):
    for case in ("b_2", "a.1"):
        touch(tmp_path, *(f"{case}/{case}_{part}.nii.gz" for part in ("flair", "t1", "seg")))
    touch(tmp_path, "b_2/other_flair.nii.gz")
    patterns = ["{case}/{case}_flair.nii.gz", "{case}/{case}_t1.nii.gz"]
    cases = find_cases(tmp_path, patterns, "{case}/{case}_seg.nii.gz")
    assert [case.name for case in cases] == ["a.1", "b_2"]
    assert [path.name for path in cases[0].images] == ["a.1_flair.nii.gz", "a.1_t1.nii.gz"]
    assert cases[1].labels == tmp_path / "b_2/b_2_seg.nii.gz"


def test_files_that_do_not_pair_up_are_named(tmp_path):
    touch(tmp_path, "images/a.png", "images/b.png", "labels/a.png", "labels/a_old.jpg")
    with pytest.raises(InputError, match=r"b\.png has no labels labels/b\.png \(1 such"):
        find_cases(tmp_path, ["images/{case}.png"], "labels/{case}.png")
    with pytest.raises(FileError, match="no file matches imgs"):
        find_cases(tmp_path, ["imgs/{case}.png"], "labels/{case}.png")
    with pytest.raises(FileError, match=r"the case c has no file images/\{case\}\.png"):
        find_cases(tmp_path, ["images/{case}.png"], "labels/{case}.png", ["a", "c"])
    with pytest.raises(FileError, match="two files for one case"):
        find_cases(tmp_path, ["images/*.png"], "labels/a.png")
    touch(tmp_path, "labels/c.png")
    with pytest.raises(FileError, match="the case c has no file images"):
        find_cases(tmp_path, ["images/{case}.png"], "labels/{case}.png")


def test_listed_cases_leave_the_other_files_alone(tmp_path):
    pictures(tmp_path, 4)
    (tmp_path / "SegmentationClass/p3.png").unlink()
    (tmp_path / "train.txt").write_text("p2\np1\n")
    lists = PICTURES.replace("validation: [p0]", "training: train.txt\n  validation: [p0]")
    plan = read_plan(config(tmp_path, lists))
    assert [case.name for case in plan.training] == ["p2", "p1"]
    assert [case.name for case in plan.validation] == ["p0"]
    assert plan.scheme.names == ["background", "disc"] and plan.scheme.ignored == (255,)


def test_a_share_of_the_cases_is_held_out_by_the_seed(tmp_path):
    pictures(tmp_path, 5)
    text = PICTURES.replace("[p0]", "0.4")
    names = [
        {case.name for case in read_plan(config(tmp_path, f"{text}seed: {seed}\n")).validation}
        for seed in (0, 0, 1, 2, 3)
    ]
    assert names[0] == names[1] and all(len(held_out) == 2 for held_out in names)
    assert len({frozenset(held_out) for held_out in names}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_configuration_is_that_of_the_defaults(tmp_path, kind, capsys):
    assert main(["deepigeos", "train", "--print-config", kind]) == 0
    text = capsys.readouterr().out
    assert text == print_config(kind)
    touch(tmp_path, *(f"{part}/{case}.nii.gz" for part in ("images", "labels") for case in "abc"))
    plan = read_plan(config(tmp_path, text))
    assert replace(plan.parameters, data="") == defaults(kind)
    explained = [line for line in text.splitlines() if line.startswith("patch_size")]
    assert explained[0].endswith("[voxels]")


def test_published_hyperparameters_are_accepted_and_recorded(tmp_path):
    published = "optimizer: sgd\nmomentum: 0.99\nweight_decay: 5.0e-4\nschedule: step\n"
    published += "step_epochs: 5\ndice_weight: 0\n"
    volumes(tmp_path, 2)
    plan = read_plan(config(tmp_path, VOLUMES + published))
    assert isinstance(plan.parameters, NetworkTraining)
    assert (plan.parameters.optimizer, plan.parameters.momentum) == ("sgd", 0.99)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width: 8", "wdith: 8", r"line 8: wdith: unknown parameter; known are: .*width"),
        ("width: 8", "width: 6", r"line 8: width: width is 6, a multiple of 4"),
        ("width: 8", "width: x", r"line 8: width: --width is 'x', a whole number"),
        ("width: 8", "width: 8\nwidth: 8", r"line 9: width: line \d+ has it again|has it again"),
        ("epochs: 2", "epochs: 0", r"line 13: epochs: --epochs is 0, at least 1"),
        ("epochs: 2", "flips: k", r"line 13: flips: flips has k"),
        ("epochs: 2", "orientation: RAR", r"line 13: orientation: orientation is 'RAR'"),
        ("epochs: 2", "window: [5, 5]", r"line 13: window: window is \(5.0, 5.0\)"),
        ("epochs: 2", "model: rnet", r"line 13: model: model is rnet, which needs pnet"),
        ("epochs: 2", "data: 1", "has it again"),
        ("{disc: 1}", "{disc: one}", r"line 4: data.classes.disc: 'one' is no label"),
        ("{disc: 1}", "{disc: 0}", r"data.classes.disc: the value 0 belongs to background"),
        ("{disc: 1}", "{a: 1, b: [2, 1]}", r"data.classes.b: the value 1 belongs to a already"),
        ("{disc: 1}", "[1]", r"line 4: data.classes: \{NAME: VALUE"),
        ("ignored: 255", "ignored: 1", r"line 5: data.ignored: 1 belongs to disc already"),
        ("ignored: 255", "others: maybe", r"line 5: data.others: is 'maybe'"),
        ("ignored: 255", "ignore: 255", r"line 5: data.ignore: unknown entry"),
        ("[p0]", "[p9]", r"line 1: data: the case p9|line 6: data.validation: there is no case"),
        ("[p0]", "2", r"line 6: data.validation: is 2, a share"),
        ("[p0]", "[p0, p1, p2]", r"line 6: data.validation: 3 case\(s\) leave none to train on"),
        ("[p0]", "[p0]\n  validation_slices: 0.5", r"give it or validation_slices"),
        ("[p0]", "[p0]\n  training: [p0, p1]", r"data.validation: p0 is a training case too"),
        ("[p0]", "[p0]\n  training: none.txt", r"data.training: none.txt cannot be read"),
        ("JPEGImages/", "JPEG/", r"line 1: data: no file matches JPEG/"),
        ("  labels: SegmentationClass/{case}.png\n", "", r"data.labels: a pattern was expected"),
    ],
)
def test_bad_configurations_name_line_value_and_remedy(tmp_path, old, new, message):
    pictures(tmp_path, 3)
    assert old in PICTURES
    with pytest.raises(InputError, match=message):
        read_plan(config(tmp_path, PICTURES.replace(old, new)))


@pytest.mark.parametrize("text", ["", "[1]", "data: 3", "epochs: 3", "data: {images: a\n"])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    with pytest.raises(InputError):
        read_plan(config(tmp_path, text + " "))


def test_the_command_asks_for_what_is_missing(tmp_path, capsys):
    assert main(["deepigeos", "train"]) == 2
    assert "CONFIG.yaml is missing" in capsys.readouterr().err
    assert main(["deepigeos", "train", "--print-config", "qnet"]) == 2
    assert "there are: pnet, rnet, end-to-end" in capsys.readouterr().err
    assert main(["deepigeos", "train", str(tmp_path / "no.yaml"), "--output", str(tmp_path)]) == 2
