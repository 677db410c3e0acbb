"""Numbers of the DeepDRR chapter: geometry, noise, the scene file and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.report import Number
from demo.scene import read_scene, write_scene
from meddl.core import Image, read_image
from meddl.core.errors import FileError
from meddl.core.progress import CancelToken
from meddl.deepdrr import Camera, CArm, render
from SlicerMedDLLib.segmentations import Segment


def shadow_center(shadow: NDArray[np.floating], camera: Camera) -> NDArray[np.float64]:
    """(2,) column and row of the centre of a structure's line integrals (H, W).

    Pixels are weighted with the cosine of the ray's angle, which makes the sum over pixels an
    integral over the structure's volume; see :func:`voxels_center`.
    """
    rows, columns = np.mgrid[: shadow.shape[0], : shadow.shape[1]]
    pixels = np.stack([columns, rows], axis=-1)
    weights = shadow * (camera.rays(pixels) @ camera.camera_from_world[2, :3])
    return (weights[..., None] * pixels).sum(axis=(0, 1)) / weights.sum()


def voxels_center(voxels: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """(2,) centre of projected voxels (N, 3; RAS mm), each with its weight in the shadow.

    A shadow is magnified with 1/depth along columns and rows, hence the weight 1/depth squared.
    """
    pixels, depth = camera.project(voxels)
    return np.average(pixels, axis=0, weights=1 / depth**2)


def shadow(labels: Image, label: int, carm: CArm, cancel: CancelToken) -> NDArray[np.float32]:
    """(H, W) line integrals in mm through one structure of a label map."""
    mask = labels.with_array((labels.array == label).astype(np.float32))
    return render(mask, carm, quantity="integral", cancel=cancel).array[0]


def landing(
    labels: Image,
    structure: Segment,
    voxels: NDArray[np.float64],
    carms: dict[str, CArm],
    cancel: CancelToken,
) -> Number:
    """Whether voxels that the camera projects land where the renderer casts their shadow."""
    errors = {}
    for name, carm in carms.items():
        camera = carm.camera(labels.center)
        centre = shadow_center(shadow(labels, structure.label, carm, cancel), camera)
        errors[name] = float(np.linalg.norm(centre - voxels_center(voxels, camera)))
    worst = max(errors, key=lambda name: errors[name])
    return Number(
        f"shadow of {structure.name} against its voxels projected one by one, distance of the "
        f"centres, largest of {len(errors)} views ({worst})",
        f"{errors[worst]:.3f} pixels",
        "below 0.5 pixels",
        errors[worst] < 0.5,
    )


def liver_side(labels: Image, liver: Segment, carm: CArm, cancel: CancelToken) -> Number:
    """Whether the liver, a right-sided organ, appears on the picture's right at 0/0."""
    picture = shadow(labels, liver.label, carm, cancel)
    offset = shadow_center(picture, carm.camera(labels.center))[0] - (picture.shape[1] - 1) / 2
    return Number(
        "centre of the liver's shadow at 0/0, columns right of the middle",
        f"{offset:+.1f} pixels",
        "positive: the picture's right is the patient's right",
        bool(offset > 0),
    )


def noise_ratio(
    ct: Image, carm: CArm, photons: tuple[float, float], cancel: CancelToken
) -> tuple[list[Image], Number]:
    """Radiographs without noise and with two doses; quantum noise falls as 1/sqrt(dose).

    Measured within the body on I/I0, each pixel's deviation over the root of its value.
    """
    clean = render(ct, carm, cancel=cancel)
    noisy = [
        render(ct, carm, noise=True, photons=count, seed=seed, cancel=cancel)
        for seed, count in enumerate(photons)
    ]
    body = clean.array < 0.1
    low, high = (
        float(np.std(((one.array - clean.array) / np.sqrt(clean.array))[body])) for one in noisy
    )
    expected = float(np.sqrt(photons[1] / photons[0]))
    number = Number(
        f"noise with {photons[0]:g} photons per pixel over noise with {photons[1]:g}",
        f"{low / high:.3f}",
        f"{expected:.3f} within 3 %",
        abs(low / high / expected - 1) < 0.03,
    )
    return [clean, *noisy], number


def scene_file(path: Path, segments: Sequence[Segment]) -> list[Number]:
    """Write the scene, read it into another one, and compare."""
    written = write_scene(path)
    read, read_segments = read_scene(path)
    wanted = {one.name: np.asarray(one.color) for one in segments}
    found = sum(
        name in wanted and np.allclose(color, wanted[name], atol=1e-3)
        for name, color in read_segments
    )
    kinds = ", ".join(
        f"{count} {kind.removeprefix('vtkMRML').removesuffix('Node')}"
        for kind, count in sorted(written.items())
    )
    return [
        Number(
            "nodes in the scene, read back",
            f"{read.total()}",
            f"{written.total()}: {kinds}",
            read == written,
        ),
        Number(
            "segments with their names and colours, read back",
            f"{found}",
            f"{len(wanted)}",
            found == len(wanted) == len(read_segments),
        ),
    ]


def render_command(ct: Path, carm: CArm, output: Path) -> list[str]:
    """The arguments of ``meddl`` that render ``carm`` into ``output``."""
    w, h = carm.detector_size
    return [
        *("drr", "render", os.path.relpath(ct), "--output", os.path.relpath(output)),
        *("--primary-angle", f"{carm.primary_angle:g}"),
        *("--secondary-angle", f"{carm.secondary_angle:g}"),
        *("--detector-size", f"{w},{h}", "--pixel-spacing", f"{carm.pixel_spacing:g}"),
        *("--quantity", "neglog"),
    ]


def command_line(arguments: Sequence[str], output: Path, expected: Image) -> Number:
    """Run ``meddl`` in a process of its own and compare its picture with the scene's.

    Raises:
        FileError: the command failed; with its message.
    """
    result = subprocess.run(
        [sys.executable, "-m", "meddl", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if result.returncode != 0:
        raise FileError(f"meddl {' '.join(arguments)} failed: {result.stderr.strip()[-300:]}")
    difference = float(np.abs(read_image(output).array - expected.array).max())
    return Number(
        "largest difference between the scene's radiograph and the command line's",
        f"{difference:g}",
        "0 (the same computation)",
        difference == 0,
    )
