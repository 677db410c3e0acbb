"""Depth, masks and radiographs by label beside the picture of ``meddl drr render``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from meddl.cli.main import main
from meddl.core import read_image, write_image
from meddl.core.geometry import apply
from meddl.deepdrr import CArm

from .output import error_line

SMALL = ["--detector-size", "40,30", "--pixel-spacing", "6"]


@pytest.fixture
def labelled(ct, tmp_path):
    """Labels of the CT's body (3) and bone (7) on its grid; returns their path."""
    body = read_image(ct)
    labels = np.where(body.array > 500, 7, np.where(body.array > 0, 3, 0)).astype(np.uint8)
    write_image(tmp_path / "labels.nii.gz", body.with_array(labels))
    (tmp_path / "labels.json").write_text('{"3": "body", "7": "L4 vertebra"}')
    return str(tmp_path / "labels.nii.gz")


def pages(path) -> dict[str, np.ndarray]:
    with tifffile.TiffFile(path) as file:
        return {page.description: page.asarray() for page in file.pages}


def test_depth_masks_and_label_radiographs_lie_beside(ct, labelled, tmp_path, capsys):
    depth, masks, alone = (str(tmp_path / f"{name}.tiff") for name in ("depth", "masks", "alone"))
    arguments = ["--output", str(tmp_path / "o.tiff"), "--quantity", "neglog", *SMALL, "--json"]
    arguments += ["--labels", labelled, "--save-depth", depth, "--save-masks", masks]
    assert main(["drr", "render", ct, *arguments, "--save-labels", alone]) == 0
    assert json.loads(capsys.readouterr().out)["beside"] == [depth, masks, alone]
    mask, picture = pages(masks), pages(alone)
    assert [name in page for name, page in zip(["body", "L4"], mask, strict=True)] == [True] * 2
    body, bone = mask.values()
    assert set(np.unique(body)) == {0, 1} == set(np.unique(bone))
    distance = tifffile.imread(depth)
    body_ct = read_image(ct)
    centers = apply(body_ct.ras_from_ijk, np.argwhere(body_ct.array == 900)[:, ::-1])
    source = CArm().camera(body_ct.center).source
    nearest = np.linalg.norm(centers - source, axis=1).min()
    assert np.nanmin(distance) == pytest.approx(nearest, abs=6)  # the voxel is 4 x 5 x 8 mm
    assert (~np.isnan(distance) != (bone == 1)).mean() < 0.02  # 350 HU and half a label lie apart
    whole = tifffile.imread(tmp_path / "o.tiff")
    for values, seen in zip(picture.values(), mask.values(), strict=True):
        assert values[seen == 1].min() >= 0 and values[seen == 1].mean() > values[seen == 0].mean()
    together = sum(picture.values())
    assert np.abs(together - whole).max() < 0.15 * whole.max()  # but for beam hardening


def test_one_label_and_another_level_of_bone(ct, labelled, tmp_path):
    arguments = ["--output", str(tmp_path / "o.tiff"), *SMALL, "--labels", labelled]
    arguments += ["--label-values", "3", "--save-masks", str(tmp_path / "mask.nrrd")]
    arguments += ["--save-depth", str(tmp_path / "depth.tiff"), "--bone-level", "0"]
    assert main(["drr", "render", ct, *arguments]) == 0
    mask = read_image(tmp_path / "mask.nrrd")
    assert mask.components == 1
    # With bone from 0 HU on, the first bone is the skin.
    skin = ~np.isnan(tifffile.imread(tmp_path / "depth.tiff"))
    assert (skin != (mask.array[0] > 0)).mean() < 0.05


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--save-masks", "m.tiff"], "need --labels"),
        (["--save-depth", "d.png"], ".nrrd"),
        (["--save-depth", "d.tiff", "--bone-level", "hard"], "--bone-level is 'hard'"),
        (["--labels", "LABELS", "--label-values", "3,x", "--save-masks", "m.tiff"], "'x'"),
        (["--labels", "LABELS", "--label-values", "5", "--save-masks", "m.tiff"], "label 5 is not"),
        (["--labels", "none.nii.gz", "--save-masks", "m.tiff"], "none.nii.gz"),
        (["--labels", "LABELS", "--save-labels", "m.tiff", "--quantity", "path"], "per material"),
        (["--save-depth", "no_folder/d.tiff"], "no_folder"),
    ],
)
def test_bad_companions_are_refused_before_work(
    ct, labelled, tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    arguments = [labelled if text == "LABELS" else text for text in arguments]
    assert main(["drr", "render", ct, "--output", "o.tiff", *SMALL, *arguments]) == 2
    assert words in error_line(capsys)
    assert sorted(tmp_path.iterdir()) == before
