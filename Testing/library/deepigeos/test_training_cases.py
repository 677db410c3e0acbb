"""Cases: reading, checking, geometry, cache; patches, augmentation and simulated seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as pillow

pytest.importorskip("monai")

from meddl.core import Image, read_image, write_image
from meddl.core.errors import FileError, InputError
from meddl.core.geometry import compose
from meddl.deepigeos.correction import (
    IGNORED,
    SeedEncoding,
    correction_input,
    simulated_seeds,
)
from meddl.deepigeos.training_cases import Case, prepare_cases
from meddl.deepigeos.training_config import LabelScheme, read_plan
from meddl.deepigeos.training_parameters import NetworkTraining
from meddl.deepigeos.training_samples import Augmentation, Patches

from .labelled_cases import PICTURES, VOLUMES, config, disc, pictures, volumes


def prepared(folder, text=VOLUMES, **changes):
    plan = read_plan(config(folder, text))
    parameters = replace(plan.parameters, **changes)
    files = sorted((*plan.training, *plan.validation), key=lambda case: case.name)
    return prepare_cases(files, plan.scheme, parameters, folder / "cache")


# Cases


def test_a_case_is_turned_resampled_and_normalised(tmp_path):
    volumes(tmp_path, 2)
    cases = prepared(tmp_path, spacing=(2.0, 1.0, 2.0))
    for case in cases:
        assert case.image.shape == (2, 8, 24, 12) and case.labels.shape == (8, 24, 12)
        assert case.spacing == (2.0, 1.0, 2.0)
        assert case.image.mean((1, 2, 3)) == pytest.approx([0, 0], abs=0.1)
        assert case.image.std((1, 2, 3)) == pytest.approx([1, 1], abs=0.1)
        bright = case.image[0][case.labels > 0].mean() - case.image[0][case.labels == 0].mean()
        assert bright > 1.5  # image and labels stay together
    # The second case is stored in LPS: its first half along i is the right of the patient.
    values = [read_image(tmp_path / f"c{n}/c{n}_seg.nii.gz").array for n in (0, 1)]
    for case, array, right in zip(cases, values, (slice(12, None), slice(0, 12)), strict=True):
        assert (array[..., right] == 4).any() == (case.labels[..., 6:] == 2).any()


def test_pictures_have_indices_for_labels_and_keep_their_pixels(tmp_path):
    pictures(tmp_path, 2)
    case = prepared(tmp_path, PICTURES)[0]
    mask = disc(np.random.default_rng(0))
    expected = mask.astype(np.uint8)
    expected[0, :3] = IGNORED
    np.testing.assert_array_equal(case.labels[0], expected)
    grey = np.asarray(pillow.open(tmp_path / "JPEGImages/p0.jpg"))
    np.testing.assert_allclose(case.image[0, 0], grey / 127.5 - 1, atol=1e-6)


def test_the_empty_margin_is_cut_off(tmp_path):
    volumes(tmp_path, 2)
    for name in ("t1", "t2"):
        path = tmp_path / f"c0/c0_{name}.nii.gz"
        image = read_image(path)
        array = image.array.copy()
        array[:2], array[..., :3], array[..., -4:] = 0, 0, 0
        write_image(path, image.with_array(array))
    case = prepared(tmp_path)[0]
    assert case.labels.shape == (6, 24, 17)
    whole = prepared(tmp_path, crop_to_nonzero=False)[0]
    np.testing.assert_array_equal(whole.labels[2:, :, 3:20], case.labels)


def test_a_changed_file_or_setting_is_prepared_anew(tmp_path):
    volumes(tmp_path, 2)
    first = prepared(tmp_path)
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = prepared(tmp_path)
    assert entries == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    np.testing.assert_array_equal(first[0].image, again[0].image)
    prepared(tmp_path, normalization="window")
    assert len(list((tmp_path / "cache").iterdir())) == 2 * len(entries)
    path = tmp_path / "c0/c0_seg.nii.gz"
    image = read_image(path)
    write_image(path, image.with_array(np.where(image.array == 4, 1, image.array)))
    assert prepared(tmp_path)[0].labels.max() == 1
    for entry in (tmp_path / "cache").glob("*-grid.json"):
        entry.write_text("{")
    with pytest.raises(FileError, match=r"the cache .* is damaged"):
        prepared(tmp_path)


def spoil(path, change):
    image = read_image(path)
    array = image.array.copy()
    write_image(path, change(image, array))


def stray(image, array):
    array[0, 0, :2] = 7, 9
    return image.with_array(array)


def shifted(image, array):
    return Image(array, compose((1, 1, 2), (0.0, 0.0, 4.0)))


def cropped(image, array):
    return Image(array[:-1], image.ras_from_ijk)


def not_a_number(image, array):
    array[0, 0, 0] = np.nan
    return image.with_array(array)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("seg", stray, r"c0_seg.nii.gz has the value 7, 9, which is no class; .*others"),
        ("seg", shifted, r"c0_t1.nii.gz and .*c0_seg.nii.gz lie 4 mm apart"),
        ("seg", cropped, r"c0_t1.nii.gz has 24x24x8 voxels, .*c0_seg.nii.gz has 24x24x7"),
        ("t2", cropped, r"c0_t1.nii.gz has 24x24x8 voxels, .*c0_t2.nii.gz has 24x24x7"),
        ("t1", not_a_number, r"image .*c0_t1.nii.gz has 1 voxels that are NaN"),
    ],
)
def test_bad_cases_are_refused_with_their_file(tmp_path, file, change, message):
    volumes(tmp_path, 2)
    spoil(tmp_path / f"c0/c0_{file}.nii.gz", change)
    with pytest.raises(InputError, match=message):
        prepared(tmp_path)


def test_pictures_of_other_kinds_are_refused(tmp_path):
    pictures(tmp_path, 2)
    colours = np.zeros((24, 24, 3), np.uint8)
    pillow.fromarray(colours).save(tmp_path / "SegmentationClass/p1.png")
    with pytest.raises(InputError, match=r"p1\.png has 3 values per pixel; labels are one grey"):
        prepared(tmp_path, PICTURES)
    pictures(tmp_path, 2)
    pillow.fromarray(colours).save(tmp_path / "JPEGImages/p1.jpg")
    with pytest.raises(InputError, match="case p1 has 3 channels, case p0 has 1"):
        prepared(tmp_path, PICTURES)


# Patches


def case_of(labels, image=None, spacing=(1.0, 1.0, 1.0)) -> Case:
    image = labels[None].astype(np.float32) if image is None else image
    return Case("case", image, labels.astype(np.uint8), spacing)


def test_patches_follow_from_seed_and_index_and_hold_image_and_labels_together():
    labels = np.zeros((10, 40, 50), np.uint8)
    labels[3:7, 10:30, 20:40] = 1
    parameters = NetworkTraining(patch_size=(24, 20, 6), patches_per_case=3, intensity=0.0)
    patches = Patches([case_of(labels)], parameters)
    assert len(patches) == 3
    one, same, other = (patches.draw(1, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one["inputs"].shape == (1, 6, 20, 24) and one["labels"].shape == (6, 20, 24)
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
    assert (one["inputs"] != other["inputs"]).any()
    counts = one["labels"] != IGNORED
    agree = (one["inputs"][0] > 0.5) == (one["labels"] == 1)
    assert agree[counts].mean() > 0.99 and (one["labels"] == 1).any()


def test_patches_look_for_the_classes():
    labels = np.zeros((1, 200, 200), np.uint8)
    labels[0, 100:104, 50:54] = 2
    parameters = NetworkTraining(dimensions=2, patch_size=(16, 16, 1), foreground_share=0.8)
    patches = Patches([case_of(labels)], parameters)
    found = [(patches.draw(n, np.random.default_rng(n))["labels"] == 2).any() for n in range(60)]
    assert 0.65 < np.mean(found) < 0.95
    nothing = replace(parameters, foreground_share=0.0)
    patches = Patches([case_of(labels)], nothing)
    found = [(patches.draw(n, np.random.default_rng(n))["labels"] == 2).any() for n in range(60)]
    assert np.mean(found) < 0.15


def test_a_case_smaller_than_a_patch_is_filled_up_with_ignored_voxels():
    labels = np.ones((2, 8, 8), np.uint8)
    parameters = NetworkTraining(
        patch_size=(16, 16, 4), rotation=0.0, scale=(1, 1), flips="", intensity=0.0
    )
    sample = Patches([case_of(labels)], parameters)[0]
    assert (sample["labels"] == 1).sum() == 2 * 8 * 8
    assert (sample["labels"] == IGNORED).sum() == 4 * 16 * 16 - 2 * 8 * 8
    assert (sample["inputs"] == 1).all()  # the image goes on as at its border


def bar_angle(mask: np.ndarray) -> float:
    """Degrees between the long axis of a mask (J, I) and the i axis."""
    points = np.argwhere(mask)
    axis = np.linalg.eigh(np.cov((points - points.mean(0)).T))[1][:, -1]
    return float(np.degrees(np.arctan(axis[0] / axis[1])))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rotation_is_in_degrees_within_the_plane_and_scale_is_that_of_sizes(dimensions):
    depth = 1 if dimensions == 2 else 5
    labels = np.zeros((depth, 140, 140), np.uint8)
    labels[:, 66:74, 40:100] = 1  # a bar of 60 x 8
    parameters = NetworkTraining(
        dimensions=dimensions, patch_size=(90, 90, depth), rotation=30.0,
        scale=(1.0, 1.0), flips="", intensity=0.0, foreground_share=1.0,
    )  # fmt: skip
    augment = Augmentation(parameters)
    image = labels[None].astype(np.float32)
    angles, sizes = [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        _, found = augment(image, labels, generator)
        angles.append(bar_angle(found[0] == 1))
        assert (found == found[:1]).all()  # about k alone
    assert 20 < max(angles) < 31 and -31 < min(angles) < -20
    scaled = Augmentation(replace(parameters, rotation=0.0, scale=(0.8, 1.25)))
    for seed in range(40):
        _, found = scaled(image, labels, np.random.default_rng(seed))
        sizes.append((found[depth // 2] == 1).any(0).sum() / 60)
    assert 0.78 < min(sizes) < 0.85 and 1.17 < max(sizes) < 1.27


def test_intensities_change_the_image_and_not_the_labels():
    labels = np.zeros((1, 32, 32), np.uint8)
    labels[0, 8:20, 8:20] = 1
    parameters = NetworkTraining(
        dimensions=2, patch_size=(32, 32, 1), rotation=0.0, scale=(1, 1), flips="", intensity=0.2
    )
    image = labels[None] + np.float32(0.1)
    changes = []
    for seed in range(20):
        found, same = Augmentation(parameters)(image, labels, np.random.default_rng(seed))
        np.testing.assert_array_equal(same, labels)
        changes.append(np.abs(found - image).max())
    assert np.mean(np.array(changes) > 0.02) > 0.5 and max(changes) < 2


# Interactions


@pytest.mark.parametrize("rule", ["published", "scribbles", "both"])
@pytest.mark.parametrize("shape", [(1, 40, 40), (9, 40, 40)])
def test_seeds_lie_in_errors_and_have_the_true_class(rule, shape):
    labels = np.zeros(shape, np.uint8)
    labels[..., 5:20, 5:20], labels[..., 22:38, 5:20], labels[..., :4, :4] = 1, 2, IGNORED
    segmentation = np.zeros(shape, np.uint8)
    segmentation[..., 5:20, 5:30] = 1  # too wide
    segmentation[..., 22:26, 5:20] = 2  # too narrow
    found = set()
    for seed in range(6):
        generator = np.random.default_rng(seed)
        seeds = simulated_seeds(segmentation, labels, (2.0, 1.0, 1.0), rule, 3, generator)
        at = seeds > 0
        assert at.any() and (seeds[at] == labels[at] + 1).all()
        assert (segmentation != labels)[at].all() and not at[labels == IGNORED].any()
        found |= set(np.unique(seeds).tolist())
    assert {1, 3} <= found
    perfect = simulated_seeds(labels, labels, (2.0, 1.0, 1.0), rule, 3, np.random.default_rng(0))
    assert not perfect.any()


def test_the_published_rule_gives_the_published_number_of_seeds():
    labels = np.zeros((1, 60, 60), np.uint8)
    labels[0, 10:40, 10:40] = 1  # 900 missed: 9 seeds
    segmentation = np.zeros_like(labels)
    segmentation[0, 50:55, :50] = 1  # 250 wrong: 3 seeds
    segmentation[0, 0:5, 0:5] = 1  # 25 wrong: none
    generator = np.random.default_rng(0)
    seeds = simulated_seeds(segmentation, labels, (1.0, 1.0, 1.0), "published", 1, generator)
    assert (seeds == 2).sum() == 9 and (seeds == 1).sum() == 3


def test_the_input_of_rnet_has_a_channel_for_the_seeds_of_every_class():
    image = np.zeros((2, 4, 9, 9), np.float32)
    image[:, :, :, 5:] = 1  # an edge
    probability = np.full((3, 4, 9, 9), 1 / 3, np.float32)
    seeds = np.zeros((4, 9, 9), np.uint8)
    seeds[2, 4, 2] = 3
    inputs = correction_input(image, probability, seeds, (1.0, 1.0, 1.0), SeedEncoding(scale=0.5))
    assert inputs.shape == (2 + 2 + 3, 4, 9, 9) and inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[:2], image)
    assert not inputs[4].any() and not inputs[5].any()  # no seed, no channel: not the image
    encoded = inputs[6]
    assert encoded[2, 4, 2] == 1
    # Of no cost within the even part; one step of 1 mm over an edge of sqrt(2) beyond it.
    np.testing.assert_allclose(encoded[..., :5], 1)
    np.testing.assert_allclose(encoded[..., 5:], np.exp(-np.sqrt(2) / 0.5), rtol=1e-5)


def test_labels_beyond_the_scheme_can_be_background_or_ignored(tmp_path):
    volumes(tmp_path, 2)
    text = VOLUMES.replace("{whole: 1, core: 4}", "{whole: 1}\n  others: background")
    assert set(np.unique(prepared(tmp_path, text)[0].labels)) == {0, 1}
    text = VOLUMES.replace("{whole: 1, core: 4}", "{whole: 1}\n  ignored: [4]")
    assert set(np.unique(prepared(tmp_path, text)[0].labels)) == {0, 1, IGNORED}
    assert LabelScheme({"a": (1,)}).names == ["background", "a"]
