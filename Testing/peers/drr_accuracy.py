"""The fast projector of the CPU against the exact one: CTs of coarse and of fine voxels.

OMP_NUM_THREADS=1 python Testing/peers/drr_accuracy.py [--ct FILE ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output
from scipy.ndimage import affine_transform

from meddl.core import Image, read_image
from meddl.core.geometry import compose
from meddl.deepdrr import CArm, correct_values, load_spectrum
from meddl.deepdrr.attenuation import spectral_moments
from meddl.deepdrr.radiograph import render_views

DATA = Path(__file__).resolve().parents[1] / "data"
PIXELS = 192
FIELD = 1.15  # what the detector sees at the isocentre, in longest edges of the volume
ANGLES = [(0, 0, 0), (90, 0, 0), (45, 20, 0), (-30, -25, 0), (0, 45, 0)]
HEAD = ("CT", "voxels", "spacing, mm", "`neglog`, median", "worst", "mass, worst")
HEAD = (*HEAD, "soft tissue, worst", "bone, worst")


def resample(ct: Image, spacing: float) -> Image:
    """The CT with cubic voxels of ``spacing`` mm, linear, about its centre."""
    steps = spacing / ct.spacing[::-1]
    shape = np.maximum(np.round(np.array(ct.array.shape) / steps), 2).astype(int)
    start = (np.array(ct.array.shape) - 1) / 2 - steps * (shape - 1) / 2
    values = affine_transform(
        ct.array.astype(np.float32),
        steps,
        start,
        output_shape=tuple(shape),
        order=1,
        mode="nearest",
    )
    return Image(values, compose((spacing,) * 3))


def errors(ct: Image, random_poses: int) -> np.ndarray:
    """Relative L2 errors of :data:`ANGLES` and random poses: (P, 4), ``neglog``, mass per area,
    that of soft tissue and that of bone."""
    generator = np.random.default_rng(0)
    drawn = (generator.uniform((-180, -45, -180), (180, 45, 180)) for _ in range(random_poses))
    views = [
        CArm(*map(float, pose), detector_size=(PIXELS, PIXELS), pixel_spacing=pitch)
        for pitch in [1020 / 530 * FIELD * float(np.max(ct.spacing * ct.size)) / PIXELS]
        for pose in [*ANGLES, *drawn]
    ]
    runs = [render_views(ct, views, quantity="path", backend=name) for name in ("numba", "exact")]
    return np.array(
        [
            [
                np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-9)
                for a, b in zip(*pair, strict=True)
            ]
            for pair in zip(*[map(pictures, run) for run in runs], strict=True)
        ]
    )


def pictures(path: Image) -> list[np.ndarray]:
    """Negative logarithm, mass, soft tissue and bone of the mass per area of the materials."""
    paths, names, spectrum = path.array[0], path.metadata["pages"], load_spectrum("90kV")
    energy = spectral_moments(paths, names, spectrum)[1]
    values = (-np.log(energy / spectrum.mean_energy), paths.sum(-1), paths[..., 1], paths[..., 2])
    return [value.astype(np.float64) for value in values]


def bundled() -> Iterator[tuple[str, Image]]:
    """The CTs of ``Testing/data``, as they are and with other voxels."""
    abdomen = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    yield "abdomen", abdomen
    for spacing in (4.0, 2.0, 1.5):
        yield "abdomen, resampled", resample(abdomen, spacing)
    bone = correct_values(read_image(DATA / "ct244_bone.nrrd"), below=(1, -1000))
    yield "pelvis, bone alone", bone
    yield "pelvis, bone alone, resampled", resample(bone, 3.0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", nargs="+", type=Path, default=[], help="in place of the bundled")
    parser.add_argument("--offset", type=float, default=0.0, help="HU that --ct lacks")
    parser.add_argument("--spacing", type=float, help="resample --ct to cubic voxels, mm")
    parser.add_argument("--random", type=int, default=24, help="random poses beside the five")
    add_output(parser)
    args = parser.parse_args()

    def given() -> Iterator[tuple[str, Image]]:
        for path in args.ct:
            ct = correct_values(read_image(path), args.offset)
            yield path.name, resample(ct, args.spacing) if args.spacing else ct

    def rows() -> Iterator[tuple[str, ...]]:
        for name, ct in given() if args.ct else bundled():
            found = 100 * errors(ct, args.random)
            figures = np.median(found[:, 0]), *found.max(axis=0)
            spacing = " x ".join(f"{s:.3g}" for s in dict.fromkeys(ct.spacing.round(3)))
            yield name, "x".join(map(str, ct.size)), spacing, *(f"{n:.3f} %" for n in figures)

    with Report(args.output) as report:
        report.table("drr_accuracy", HEAD, rows())


if __name__ == "__main__":
    main()
