"""The material network: phantoms with a known truth, the shipped weights, training, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Cancelled, CancelToken, DependencyError, Image, InputError, read_image
from meddl.core.geometry import compose, rotation
from meddl.core.image_io import write_image
from meddl.core.weights import find_weights, verify_weights
from meddl.deepdrr import CArm, MaterialParameters, render
from meddl.deepdrr.labels import read_label_names
from meddl.deepdrr.materials import decompose
from meddl.deepdrr.materials_grid import sample
from meddl.deepdrr.materials_phantoms import (
    INDEX,
    IS_BONE,
    TISSUES,
    Painted,
    label_anatomy,
    paint,
    scan,
    tissue_of,
)
from meddl.deepdrr.materials_torso import Canvas, random_torso
from meddl.deepdrr.materials_training import MaterialTraining, train_network

DATA = Path(__file__).parents[2] / "data"
BONES = ("trabecular bone", "bone")
TINY = {"epochs": 2, "patches": 2, "batch_size": 1, "side": 16, "width": 4, "device": "cpu"}


def called_bone(ct: Image, method: str):
    volume = decompose(ct, MaterialParameters(materials=method))
    return np.isin(volume.label, [n for n, name in enumerate(volume.names) if name in BONES])


# Phantoms


def test_partial_volume_is_the_share_of_the_finer_voxels():
    painted = Painted(np.full((4, 4, 4), -100, np.float32), np.zeros((4, 4, 4), np.uint8))
    painted.hu[:, :, 1] = 900  # a cortex of half a voxel
    painted.classes[:, :, 1] = 1
    generator = np.random.default_rng(0)
    hu, shares = scan(painted, (2, 2, 2), (0, 0, 0), 0.0, generator)
    np.testing.assert_allclose(hu[..., 0], 400)
    np.testing.assert_allclose(hu[..., 1], -100)
    np.testing.assert_allclose(shares[1][..., 0], 0.5)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    noisy, _ = scan(painted, (2, 2, 2), (0, 0, 0), 30.0, generator)
    assert (noisy - hu).std() == pytest.approx(30, rel=1e-3)


def test_paint_keeps_to_the_ranges_and_names_the_class():
    tissues = np.repeat(np.arange(len(TISSUES), dtype=np.uint8), 4096).reshape(-1, 16, 256)
    enhanced = set()
    for seed in range(12):
        painted = paint(tissues, np.random.default_rng(seed))
        for number, tissue in enumerate(TISSUES):
            inside = tissues == number
            mean, found = painted.hu[inside].mean(), set(painted.classes[inside].tolist())
            assert found == {1} if tissue.bone else found <= {0, 2}
            if found == {2}:
                enhanced.add(tissue.name)
                assert tissue.contrast[0] - 150 < mean < tissue.contrast[1] * 1.4
                assert mean > 50
            elif not tissue.contrast:
                spread = 3 * tissue.texture[1]
                assert tissue.hu[0] - spread < mean < tissue.hu[1] + spread
    assert {"artery", "urine", "kidney"} <= enhanced


def test_shapes_have_their_volume():
    canvas = Canvas((-60, -60, -60), (60, 60, 60), 1.0)
    canvas.array[:] = INDEX["fat"]
    turn = rotation((1, 2, 3), 50)
    canvas.ellipsoid("liver", (1, 2, 3), (40, 25, 15), turn)
    volume = (canvas.array == INDEX["liver"]).sum()
    assert volume == pytest.approx(4 / 3 * np.pi * 40 * 25 * 15, rel=0.01)
    canvas.array[:] = INDEX["fat"]
    canvas.tube("artery", ((-20, 0, 0), (20, 10, 5)), 12)
    length = np.linalg.norm((40, 10, 5))
    volume = (canvas.array == INDEX["artery"]).sum()
    assert volume == pytest.approx(np.pi * 12**2 * (length + 4 / 3 * 12), rel=0.01)
    canvas.array[:] = INDEX["air"]
    canvas.tube("artery", ((-20, 0, 0), (20, 10, 5)), 12)
    assert not canvas.array.any()  # nothing grows outside the body


def test_torsos_repeat_by_seed_and_differ():
    one, again, other = (random_torso(np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.array, again.array)
    assert one.array.shape != other.array.shape or (one.array != other.array).any()
    assert IS_BONE[one.array].mean() > 0.005
    cube = random_torso(np.random.default_rng(5), 1.0, 40.0)
    assert cube.size == (40, 40, 40)


def test_label_maps_become_tissues():
    names = {1: "L4 vertebra", 2: "aorta", 3: "inferior vena cava", 4: "??"}
    labels = np.zeros((24, 40, 40), np.uint8)
    labels[4:20, 8:24, 8:24] = 1
    labels[4:20, 28:34, 12:18] = 2
    geometry = rotation((0, 0, 1), 90) @ compose((1.5, 1.5, 1.5), (4, 5, 6))
    anatomy = label_anatomy(Image(labels, geometry), names)
    assert anatomy.orientation == "RAS"
    voxel = 1.5**3
    assert IS_BONE[anatomy.array].sum() * voxel == pytest.approx((labels == 1).sum() * voxel)
    core = (anatomy.array == INDEX["core of the spine"]).sum()
    assert core == 14**3  # without a cortex of one voxel on each side
    assert (anatomy.array == INDEX["artery"]).sum() == (labels == 2).sum()
    assert (anatomy.array == INDEX["fat"]).any()
    found = [TISSUES[tissue_of(name)].name for name in names.values()]
    assert found == ["core of the spine", "artery", "vein", "organ"]
    for name, expected in (
        ("urinary_bladder", "urine"),
        ("left hip bone", "core of flat bones"),
        ("costal cartilage", "cartilage"),
        ("rib_left_3", "core of ribs"),
        ("portal and splenic vein", "vein"),
        ("left kidney", "kidney"),
    ):
        assert TISSUES[tissue_of(name)].name == expected


# The shipped weights


@pytest.fixture(scope="module")
def held_out():
    """A phantom of an unseen patient, contrast agent in vessels and organs."""
    path = DATA / "abdomen_pelvis_labels.nii.gz"
    labels = read_image(path)
    part = labels.array[60:100, 20:95, 10:110]
    geometry = labels.ras_from_ijk @ compose((1, 1, 1), (10, 20, 60))
    anatomy = label_anatomy(Image(part, geometry), read_label_names(path))
    tissues = anatomy.array[: anatomy.array.shape[0] // 2 * 2]
    tissues = tissues[:, : tissues.shape[1] // 2 * 2, : tissues.shape[2] // 2 * 2]
    generator = np.random.default_rng(504)
    hu, shares = scan(paint(tissues, generator), (2, 2, 2), (0.4, 0.5, 0.5), 15.0, generator)
    return Image(hu, compose((3, 3, 3), (0, 0, 0))), shares.argmax(axis=0)


def test_shipped_weights_beat_the_thresholds(held_out):
    ct, truth = held_out
    assert (truth == 2).sum() > 1000 and (truth == 1).sum() > 1000
    scores = {}
    for method in ("threshold", "network"):
        bone = called_bone(ct, method)
        dice = 2 * (bone & (truth == 1)).sum() / (bone.sum() + (truth == 1).sum())
        scores[method] = dice, bone[truth == 2].mean(), bone[truth == 1].mean()
    assert scores["network"][0] > scores["threshold"][0] + 0.1
    assert scores["network"][1] < 0.5 * scores["threshold"][1]
    assert scores["network"][2] > scores["threshold"][2] + 0.1


def test_real_vertebrae_are_bone_and_real_organs_are_not():
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    label = read_image(DATA / "abdomen_pelvis_labels.nii.gz").array
    lumbar, organs = np.isin(label, range(27, 32)), np.isin(label, (1, 2, 3, 5, 21))
    network, threshold = called_bone(ct, "network"), called_bone(ct, "threshold")
    assert network[lumbar].mean() > 3 * threshold[lumbar].mean()
    assert network[lumbar].mean() > 0.45
    assert network[organs].mean() < 0.01


@pytest.fixture(scope="module")
def spine():
    """A small real CT with a piece of spine, turned and with flat voxels."""
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    part = ct.array[60:92, 20:70, 35:90]
    where = ct.ras_from_ijk @ compose((1, 1, 1), (35, 20, 60))
    upright = Image(part, where)
    oblique = where @ rotation((1, 1, 0), 12) @ compose((0.8, 1.1, 1.3), (6, 6, 4))
    values = sample(part.astype(np.float32), upright.ijk_from_ras @ oblique, (18, 36, 44))
    return Image(values, oblique)


def test_the_result_does_not_depend_on_how_the_ct_is_stored(spine):
    expected = called_bone(spine, "network")
    assert expected.sum() > 500
    flip = np.eye(4)
    flip[0, 0], flip[0, 3] = -1, spine.size[0] - 1
    mirrored = Image(spine.array[..., ::-1], spine.ras_from_ijk @ flip)
    swap = np.eye(4)[[2, 0, 1, 3]]  # i, j, k of the new array are j, k, i of the old one
    permuted = Image(spine.array.transpose(2, 0, 1), spine.ras_from_ijk @ swap)
    assert (called_bone(mirrored, "network")[..., ::-1] != expected).mean() < 1e-4
    assert (called_bone(permuted, "network").transpose(1, 2, 0) != expected).mean() < 1e-4


def test_render_takes_the_network(spine):
    view = CArm(primary_angle=20, detector_size=(32, 32), pixel_spacing=6)
    picture = render(spine, view, materials="network", quantity="path", device="cpu")
    pages = picture.metadata["pages"]
    mass = picture.array.reshape(-1, len(pages)).sum(axis=0)
    bone = sum(mass[pages.index(name)] for name in BONES)
    plain = render(spine, view, quantity="path").array
    assert bone > 1.5 * plain[..., 2].sum()  # spongiosa counts
    assert mass.sum() == pytest.approx(plain.sum(), rel=0.05)


def test_slabs_have_no_seam(spine, monkeypatch):
    from meddl.deepdrr import materials_network

    tall = Image(np.tile(spine.array[:, 10:26, 14:30], (4, 1, 1)), compose((2, 2, 2), (0, 0, 0)))
    whole = materials_network.classify(tall, device="cpu")
    monkeypatch.setattr(materials_network, "SLAB", 8)
    assert whole.any() and len(whole) > materials_network.MARGIN + 8
    np.testing.assert_array_equal(materials_network.classify(tall, device="cpu"), whole)


def test_the_card_names_its_data():
    card = verify_weights(find_weights("material-network"))
    assert card.architecture == "MaterialNet" and "Apache-2.0" in card.licence
    assert "CC BY 4.0" in card.training_data
    assert any("contrast" in name for scores in card.metrics.values() for name in scores)


def test_cancelled_or_without_torch(spine, monkeypatch):
    cancel = CancelToken()
    cancel.cancel()
    parameters = MaterialParameters(materials="network")
    with pytest.raises(Cancelled):
        decompose(spine, parameters, cancel=cancel)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match="--materials network needs the package torch"):
        decompose(spine, parameters)


# Training


def test_training_resumes_to_the_same_weights(tmp_path):
    parameters = MaterialTraining(**TINY)
    history = train_network(tmp_path / "whole", parameters)
    assert len(history) == 2 and np.isfinite(history[-1]["validation/dice_bone"])
    cancel = CancelToken()

    def stop(fraction: float, message: str) -> None:
        if fraction > 0.6:
            cancel.cancel()

    with pytest.raises(Cancelled):
        train_network(tmp_path / "parts", parameters, progress=stop, cancel=cancel)
    train_network(tmp_path / "parts", parameters, resume=True)
    name = "best/material-network.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_command(tmp_path, capsys):
    labels = np.zeros((16, 24, 24), np.uint8)
    labels[4:12, 8:16, 8:16] = 1
    write_image(tmp_path / "map.nii.gz", Image(labels, compose((3, 3, 3), (0, 0, 0))))
    (tmp_path / "map.json").write_text(json.dumps({"1": "L4 vertebra"}))
    tiny = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    arguments = ["drr", "materials", "train", "--output", str(tmp_path / "run"), *tiny]
    assert main([*arguments, "--labels", str(tmp_path / "map.nii.gz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epoch"] == 2
    card = json.loads((tmp_path / "run/best/material-network.json").read_text())
    assert "map.nii.gz" in card["training_data"] and card["arguments"] == {"width": 4}


def test_help_has_units_and_an_example(capsys):
    assert main(["drr", "materials", "train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    example = "meddl drr materials train --output materials_run"
    for words in ("HU", "2 mm", "[minutes]", example, "--resume"):
        assert words in text


def test_bad_training_is_refused(tmp_path):
    with pytest.raises(InputError, match="--side is 20, a multiple of 8"):
        train_network(tmp_path / "run", MaterialTraining(**{**TINY, "side": 20}))
    assert not (tmp_path / "run").exists()
    command = ["drr", "materials", "train", "--output", str(tmp_path), "--labels", "no.nii.gz"]
    assert main(command) > 0
