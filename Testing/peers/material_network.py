"""The material network beside the thresholds, on phantoms and CTs that it was not trained on.

    python Testing/peers/material_network.py --data FOLDER [--output DIR]

Phantoms: label maps of patients, painted and scanned at random (three seeds), and random torsos.
Real CTs: the abdomen in Testing/data and a chest with contrast agent. FOLDER holds files of others;
what is not there is left out:

- `aorta` and `dicom_upper_abdomen_labels.nii.gz`, test files of TotalSegmentator (Apache-2.0,
  https://github.com/wasserth/TotalSegmentator);
- `s0327_labels.nii.gz` with its table, the labels of subject s0327 of the TotalSegmentator data set
  (CC BY 4.0, https://doi.org/10.5281/zenodo.6802613). The shipped network was trained on its slices
  below 146 and from 222 on, which `--cut` writes; the vertebrae L2 to L4 between them are judged.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from reproduction.report import Report, add_output

from meddl.core import Image, read_image
from meddl.core.geometry import compose
from meddl.core.image_io import write_image
from meddl.deepdrr import CArm, MaterialParameters, render
from meddl.deepdrr.hounsfield import density
from meddl.deepdrr.labels import read_label_names
from meddl.deepdrr.materials import decompose
from meddl.deepdrr.materials_phantoms import INDEX, IS_BONE, label_anatomy, paint, scan
from meddl.deepdrr.materials_torso import random_torso

DATA = Path(__file__).parents[1] / "data"
TORSO = "s0327_labels.nii.gz"
HELD_OUT = slice(146, 222)  # slices of it
METHODS = ("threshold", "network")
FIGURES = (
    "bone Dice",
    "contrast called bone",
    "spine called bone",
    "dim spine called bone",
    "bone path error",
)
SEEDS = (501, 502, 503)
SPINE = (INDEX["cortex of the spine"], INDEX["core of the spine"])
BONES = ("trabecular bone", "bone")
SMALL = CArm(detector_size=(96, 96), pixel_spacing=4.0)
VIEWS = [replace(SMALL, primary_angle=a, secondary_angle=b) for a, b in ((0, 0), (90, 0), (40, 20))]


@dataclass(frozen=True, eq=False)
class Case:
    """A CT with what is known about its voxels.

    Attributes:
        name: cases of one name are averaged.
        ct: in HU.
        bone, contrast, spine: where each is.
        bone_density: true mass of bone, g/cm3, of a phantom.
    """

    name: str
    ct: Image
    bone: Any = None
    contrast: Any = None
    spine: Any = None
    bone_density: Any = None


def phantoms(
    name: str, anatomy: Image, factors: tuple[int, int, int], seeds: Any
) -> Iterator[Case]:
    """Painted and scanned forms of one anatomy."""
    shape = [n // f * f for n, f in zip(anatomy.array.shape, factors, strict=True)]
    tissues = anatomy.array[tuple(slice(0, n) for n in shape)]
    steps = np.array(factors[::-1])
    geometry = anatomy.ras_from_ijk @ compose(steps, (steps - 1) / 2)
    for seed in seeds:
        generator = np.random.default_rng(seed)
        painted = paint(tissues, generator)
        hu, shares = scan(painted, factors, (0.4, 0.5, 0.5), 15.0, generator)
        spine = block_mean(np.isin(tissues, SPINE), factors) > 0.5
        mass = block_mean(density(painted.hu) * IS_BONE[tissues], factors)
        found = shares.argmax(0)
        yield Case(name, Image(hu, geometry), found == 1, found == 2, spine, mass)


def block_mean(values: Any, factors: tuple[int, int, int]) -> Any:
    """Means of blocks of voxels."""
    shape = [part for n, f in zip(values.shape, factors, strict=True) for part in (n // f, f)]
    return values.reshape(shape).mean((1, 3, 5), dtype=np.float32)


def part_of(labels: Image, slices: slice) -> Image:
    """Some axial slices of a label map."""
    start = slices.start or 0
    return Image(labels.array[slices], labels.ras_from_ijk @ compose((1, 1, 1), (0, 0, start)))


def label_maps(folder: Path) -> Iterator[tuple[str, Image, dict[int, str]]]:
    """Label maps of patients that are there, and the names of their labels."""
    bundled = DATA / "abdomen_pelvis_labels.nii.gz"
    names = read_label_names(bundled)
    yield "abdomen and pelvis", read_image(bundled), names
    if (path := folder / "dicom_upper_abdomen_labels.nii.gz").exists():
        yield "upper abdomen", read_image(path), names  # structures are numbered alike
    if (path := folder / TORSO).exists():
        yield "s0327, L2 to L4", part_of(read_image(path), HELD_OUT), read_label_names(path)


def real_cases(folder: Path) -> Iterator[Case]:
    """Real CTs with label maps (a model's)."""
    names = read_label_names(DATA / "abdomen_pelvis_labels.nii.gz")
    label = read_image(DATA / "abdomen_pelvis_labels.nii.gz").array
    words = {"vertebra", "sacrum", "hip", "femur", "rib"}
    bones = [value for value, name in names.items() if words & set(name.split())]
    spine = [value for value in bones if "vertebra" in names[value]]
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    yield Case("real abdomen, 3 mm", ct, np.isin(label, bones), spine=np.isin(label, spine))
    if (chest := folder / "aorta").exists():
        ct = read_image(chest / "ct_cropped.nii.gz")
        lumen = read_image(chest / "aorta_true_lumen.nii.gz").array > 0
        spine = read_image(chest / "vertebrae_T12.nii.gz").array > 0
        yield Case("real chest with contrast agent, 1.5 mm", ct, contrast=lumen, spine=spine)


def all_cases(folder: Path, seeds: Any) -> Iterator[Case]:
    """Everything that is judged."""
    yield from real_cases(folder)
    for name, labels, names in label_maps(folder):
        anatomy = label_anatomy(labels, names)
        yield from phantoms(f"{name}, 3 mm", anatomy, (2, 2, 2), seeds)
        yield from phantoms(f"{name}, 1.5 x 1.5 x 3 mm", anatomy, (2, 1, 1), seeds)
    for seed in range(9000, 9000 + 2 * len(seeds)):
        torso = random_torso(np.random.default_rng(seed))
        yield from phantoms("random torsos, 3 mm", torso, (2, 2, 2), [seed])


def judge(case: Case, method: str) -> dict[str, float]:
    """The figures of one method on one case."""
    start = time.process_time()
    volume = decompose(case.ct, MaterialParameters(materials=method))
    figures: dict[str, Any] = {"CPU seconds": time.process_time() - start}
    called = np.isin(volume.label, [n for n, name in enumerate(volume.names) if name in BONES])
    if case.bone is not None:
        both = 2.0 * (called & case.bone).sum()
        figures["bone Dice"] = both / (called.sum() + case.bone.sum())
    if case.contrast is not None and case.contrast.sum() > 100:
        figures["contrast called bone"] = called[case.contrast].mean()
    if case.spine.sum() > 100:
        figures["spine called bone"] = called[case.spine].mean()
        figures["dim spine called bone"] = called[case.spine & (case.ct.array < 350)].mean()
    if case.bone_density is not None:
        figures["bone path error"] = path_error(case, np.where(called, volume.density, 0))
    return {name: float(value) for name, value in figures.items()}


def path_error(case: Case, found: Any) -> float:
    """Relative L2 error of the radiographs of bone mass along the ray."""
    truth, picture = (
        np.stack([bone_path(case.ct.with_array(mass), view) for view in VIEWS])
        for mass in (case.bone_density, found)
    )
    return float(np.linalg.norm(picture - truth) / np.linalg.norm(truth))


def bone_path(mass: Image, view: CArm) -> Any:
    """(H, W) mass along the ray, g/cm3 x mm."""
    return render(mass, view, quantity="integral").array[0]


def table(folder: Path, seeds: Any) -> Iterator[list[str]]:
    """The means of the cases of each name, as `threshold / network`."""
    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    for case in all_cases(folder, seeds):
        row = rows.setdefault(case.name, {method: [] for method in METHODS})
        for method in METHODS:
            row[method].append(judge(case, method))
            print(case.name, method, row[method][-1], flush=True)
    for name, row in rows.items():
        cells = [name]
        for figure in FIGURES:
            pair = [[f[figure] for f in row[method] if figure in f] for method in METHODS]
            cells.append(" / ".join(f"{np.mean(p):.3f}" for p in pair) if pair[0] else "")
        yield cells


def draw(path: Path, folder: Path) -> None:
    """Sections of the real CTs, and what each method calls bone (orange) and contrast (blue)."""
    from PIL import Image as Picture

    rows = []
    for case in real_cases(folder):
        code = case.ct.orientation  # head up, face up or to the left
        ways = tuple(slice(None, None, 1 if a in "LPI" else -1) for a in reversed(code))
        k = case.ct.array.shape[0] // 2
        i = int(np.median(np.nonzero(case.spine[ways])[2]))
        grey = np.clip((case.ct.array.astype(np.float32) + 250) / 950, 0, 1)
        panels = []
        for method in ("", *METHODS):
            colour = np.repeat(grey[..., None], 3, axis=-1)[ways]
            if method:
                volume = decompose(case.ct, MaterialParameters(materials=method))
                for number, name in enumerate(volume.names):
                    tint = (1, 0.55, 0) if name in BONES else (0.1, 0.5, 1)
                    if name in BONES or "iodine" in name:
                        inside = volume.label[ways] == number
                        colour[inside] = 0.45 * colour[inside] + 0.55 * np.array(tint)
            panels.append(np.hstack([padded(colour[k]), padded(colour[:, :, i])]))
        rows.append(np.hstack(panels))
    pixels = (255 * np.vstack(rows)).astype(np.uint8)
    Picture.fromarray(pixels).quantize(128).save(path, optimize=True)


def padded(picture: Any, height: int = 166, width: int = 128) -> Any:
    """The middle of a picture in a frame of fixed size."""
    top, left = (max(0, (n - m) // 2) for n, m in zip(picture.shape, (height, width), strict=False))
    part = picture[top : top + height, left : left + width]
    result = np.zeros((height, width, 3), np.float32)
    y, x = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    result[y : y + part.shape[0], x : x + part.shape[1]] = part
    return result


def cut(folder: Path, source: Path) -> None:
    """Write the two parts of s0327 that the shipped network was trained on."""
    labels = read_image(source / TORSO)
    for name, slices in (
        ("lower", slice(0, HELD_OUT.start)),
        ("upper", slice(HELD_OUT.stop, None)),
    ):
        write_image(folder / f"s0327_{name}.nii.gz", part_of(labels, slices))
        shutil.copyfile(source / "s0327_labels.json", folder / f"s0327_{name}.json")


def main() -> None:
    """Print the table, draw the picture of the real CTs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the optional files")
    parser.add_argument("--fast", action="store_true", help="one seed")
    parser.add_argument("--cut", type=Path, help="folder for the training's label maps, only these")
    add_output(parser)
    args = parser.parse_args()
    if args.cut:
        cut(args.cut, args.data)
        return
    with Report(args.output) as report:
        rows = table(args.data, SEEDS[:1] if args.fast else SEEDS)
        report.table("material_network", ("case", *FIGURES), rows)
        if path := report.picture("materials.png"):
            draw(path, args.data)


if __name__ == "__main__":
    main()
