"""``meddl geodesic``: maps with the image's geometry, and one line for what cannot be used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Image, Points, read_image, write_image, write_points
from meddl.geodesic import geodesic_distance

OBLIQUE = np.array(
    [[0.0, -1.2, 0.0, 10.0], [0.8, 0.0, 0.0, -20.0], [0.0, 0.0, 2.5, 5.0], [0, 0, 0, 1]]
)


@pytest.fixture
def scene(tmp_path):
    """A volume of two components with a mask, in files; the image and its seeds."""
    rng = np.random.default_rng(3)
    image = Image(rng.normal(0, 30, (6, 9, 11, 2)).astype(np.float32), OBLIQUE)
    seeds = np.zeros((6, 9, 11), np.uint8)
    seeds[2, 3, 4] = seeds[5, 8, 10] = 7
    write_image(tmp_path / "image.nii.gz", image)
    write_image(tmp_path / "seeds.nrrd", Image(seeds, OBLIQUE))
    return tmp_path, image, seeds


def call(capsys, *arguments):
    code = main(["geodesic", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("name", ["d.nii.gz", "d.nrrd"])
def test_mask_and_points_give_the_same_map(scene, capsys, name):
    folder, image, seeds = scene
    ras = [OBLIQUE[:3] @ [*place[::-1], 1.0] for place in np.argwhere(seeds)]
    write_points(folder / "points.mrk.json", Points(("a", "b"), np.array(ras) + 0.3))
    expected = geodesic_distance(image.array, seeds, (2.5, 1.2, 0.8))
    for source in ("seeds.nrrd", "points.mrk.json"):
        code, out, _ = call(
            capsys, folder / "image.nii.gz", folder / source, "--output", folder / name
        )
        assert code == 0 and name in out
        found = read_image(folder / name)
        assert found.array.dtype == np.float32
        np.testing.assert_allclose(found.array, expected, rtol=1e-5)
        np.testing.assert_allclose(found.ras_from_ijk, OBLIQUE, atol=1e-5)


def test_options_reach_the_computation(scene, capsys):
    folder, image, seeds = scene
    files = folder / "image.nii.gz", folder / "seeds.nrrd", "--output", folder / "d.nrrd"
    options = "--cost", "fastgeodis", "--lambda", 0.4, "--cap", 30, "--backend", "numba", "--json"
    code, out, _ = call(capsys, *files, *options)
    expected = geodesic_distance(
        image.array, seeds, (2.5, 1.2, 0.8), cost="fastgeodis", lambda_=0.4, cap=30
    )
    np.testing.assert_allclose(read_image(folder / "d.nrrd").array, expected, rtol=1e-5)
    record = json.loads(out)
    assert code == 0 and record["largest"] == 30 and record["seeds"] == 2


def test_bad_input_is_one_line_and_writes_nothing(scene, capsys):
    folder, image, seeds = scene
    moved = OBLIQUE.copy()
    moved[0, 3] += 4
    write_image(folder / "moved.nrrd", Image(seeds, moved))
    write_image(folder / "small.nrrd", Image(seeds[:4], OBLIQUE))
    write_image(folder / "empty.nrrd", Image(0 * seeds, OBLIQUE))
    write_points(folder / "far.mrk.json", Points(("far",), np.array([[900.0, 0, 0]])))
    hole = image.array.copy()
    hole[1, 2, 3, 0] = np.nan
    write_image(folder / "nan.nrrd", Image(hole, OBLIQUE))
    good, mask = folder / "image.nii.gz", folder / "seeds.nrrd"
    for arguments, message in (
        ((good, folder / "moved.nrrd"), "lies elsewhere"),
        ((good, folder / "small.nrrd"), "11x9x4 voxels"),
        ((good, folder / "empty.nrrd"), "there is no seed"),
        ((good, folder / "far.mrk.json"), "lies outside of the image"),
        ((good, folder / "missing.nrrd"), "missing.nrrd"),
        ((folder / "nan.nrrd", mask), "NaN"),
        ((good, mask, "--lambda", "1.5"), "lambda is 1.5"),
        ((good, mask, "--lambda", "-1"), "lambda is -1"),
        ((good, mask, "--cap", "0"), "cap 0"),
        ((good, mask, "--iterations", "0"), "iterations 0"),
        ((good, mask, "--cost", "other"), "other"),
    ):
        code, out, error = call(capsys, *arguments, "--output", folder / "never.nrrd")
        assert (code, out) == (2, "") and message in error and error.count("\n") == 1
        assert not (folder / "never.nrrd").exists()
    code, _, error = call(capsys, good, mask, "--output", folder / "never.png")
    assert code == 2 and "never.png" in error
