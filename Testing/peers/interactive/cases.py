"""Real images with reference labels, from a folder of data sets, and procedural ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from meddl.core import Image, read_image
from meddl.deepigeos.evaluation_cases import Case


class DataSet(NamedTuple):
    """One image with a label map; files are relative to the data folder."""

    name: str
    image: str
    labels: str
    targets: dict[int, str]


ABDOMEN = {
    5: "liver",
    1: "spleen",
    2: "right kidney",
    4: "gallbladder",
    6: "stomach",
    52: "aorta",
    29: "L3",
    80: "gluteus",
}
BUNDLED = [
    DataSet("abdomen CT", "abdomen_pelvis_ct.nii.gz", "abdomen_pelvis_labels.nii.gz", ABDOMEN)
]
_TOTAL, _NECK, _MR = "ct/totalsegmentator", "ct/head_neck", "mr"
REAL = [
    DataSet(
        "abdomen CT",
        f"{_TOTAL}/abdomen_pelvis_ct.nii.gz",
        f"{_TOTAL}/abdomen_pelvis_labels.nii.gz",
        ABDOMEN,
    ),
    DataSet(
        "chest CT",
        f"{_TOTAL}/aorta/ct_cropped.nii.gz",
        f"{_TOTAL}/aorta/aorta.nii.gz",
        {1: "aorta"},
    ),
    DataSet(
        "chest CT",
        f"{_TOTAL}/aorta/ct_cropped.nii.gz",
        f"{_TOTAL}/aorta/vertebrae_T12.nii.gz",
        {1: "T12"},
    ),
    DataSet(
        "neck CT 2",
        f"{_NECK}/openkbp_pt_2_ct.nii.gz",
        f"{_NECK}/openkbp_pt_2_seg.nii.gz",
        {1: "organ 1", 4: "organ 4"},
    ),
    DataSet(
        "neck CT 54",
        f"{_NECK}/openkbp_pt_54_ct.nii.gz",
        f"{_NECK}/openkbp_pt_54_seg.nii.gz",
        {1: "organ 1", 6: "organ 6"},
    ),
    DataSet(
        "abdomen MR",
        f"{_MR}/abdomen/abdomen_mr.nii.gz",
        f"{_MR}/abdomen/abdomen_mr_labels.nii.gz",
        {5: "liver", 1: "spleen", 2: "right kidney", 6: "stomach"},
    ),
    DataSet(
        "brain tumour MR",
        f"{_MR}/brain_tumour/brain1_image.nrrd",
        f"{_MR}/brain_tumour/brain1_label.nrrd",
        {1: "tumour"},
    ),
    DataSet(
        "brain MR",
        f"{_MR}/brain_structures/voxelmorph_test_scan_vol.nii.gz",
        f"{_MR}/brain_structures/voxelmorph_test_scan_aseg.nii.gz",
        {4: "ventricle", 10: "thalamus", 12: "putamen", 17: "hippocampus", 16: "brain stem"},
    ),
]


def real_cases(folder: Path, sets: list[DataSet]) -> Iterator[Case]:
    """The cases of data sets, read when they are reached."""
    for each in sets:
        image = read_image(folder / each.image)
        labels = read_image(folder / each.labels).array
        for value, target in each.targets.items():
            yield Case(f"{each.name}: {target}", image, labels == value)


def procedural_cases(count: int, seed: int, size: int = 64) -> Iterator[Case]:
    """Smooth random shapes in a random surrounding: noise, a bias field, one shape is the target.

    Four neighbouring regions are cut from random fields; their mean intensities lie 0.15 to 0.5
    apart, the noise is 0.05 to 0.2, and voxels may be up to three times as thick as wide.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        shape = (max(size // int(rng.integers(1, 4)), 16), size, size)
        spacing = np.array([size / shape[0], 1.0, 1.0])
        fields = [gaussian_filter(rng.normal(size=shape), 8 / spacing) for _ in range(4)]
        radius = np.linalg.norm(
            [
                (axis - n / 2) * s
                for axis, n, s in zip(np.indices(shape), shape, spacing, strict=True)
            ],
            axis=0,
        )
        fields[0] = fields[0] / fields[0].std() + 3 * np.exp(-((radius / (size / 4)) ** 2))
        regions = np.argmax([fields[0], *(f / f.std() for f in fields[1:])], axis=0)
        means = rng.permutation(np.cumsum(rng.uniform(0.15, 0.5, 4)))
        image = gaussian_filter(means[regions], 0.6 / spacing)
        bias = gaussian_filter(rng.normal(size=shape), 20 / spacing)
        image += 0.1 * bias / bias.std() + rng.uniform(0.05, 0.2) * rng.normal(size=shape)
        target = _component_at(regions == 0, tuple(n // 2 for n in shape))
        yield Case(
            f"procedural {number}",
            Image(image.astype(np.float32), np.diag([*spacing[::-1], 1.0])),
            target,
        )


def _component_at(mask: np.ndarray, voxel: tuple[int, ...]) -> np.ndarray:
    from scipy.ndimage import label

    labels, _ = label(mask)
    if labels[voxel] == 0:
        return labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    return labels == labels[voxel]
