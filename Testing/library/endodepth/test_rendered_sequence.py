"""Rendered sequences: what lies in the folder agrees with itself and with the scene."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Image, read_image, write_image
from meddl.core.depth_maps import read_depth_folder
from meddl.core.errors import Cancelled, InputError
from meddl.core.geometry import apply, compose, inverse
from meddl.core.mesh import read_mesh
from meddl.core.pinhole import project
from meddl.core.progress import CancelToken
from meddl.endodepth.rendered_sequence import (
    RenderParameters,
    make_scene,
    render_sequence,
    visible_points,
)
from meddl.endodepth.sequence import read_sequence, unposed, visible_inside
from meddl.rendering import DistanceField, Scene, fov_intrinsics
from meddl.rendering.distance_field import node_positions, sample


@pytest.fixture(scope="module")
def parameters(tmp_path_factory):
    """A bent tube of 8 mm radius in a label map."""
    k, j, i = np.indices((40, 24, 24))
    inside = np.hypot(i - 12 - 2 * np.sin(k / 6), j - 12) < 8
    path = tmp_path_factory.mktemp("labels") / "tube.nii.gz"
    write_image(path, Image((5 * inside[2:-2]).astype(np.uint8), compose((1, 1, 1), (3, 4, 5))))
    return RenderParameters(
        scene="labels", labels=str(path), values="5", frames=6, size=(48, 64), points=200, seed=3
    )


@pytest.fixture(scope="module")
def folder(parameters, tmp_path_factory):
    output = tmp_path_factory.mktemp("rendered") / "tube"
    render_sequence(parameters, output)
    return output


def test_the_folder_reads_as_a_sequence(folder):
    sequence = read_sequence(folder)
    assert sequence.size == (48, 64)
    assert sequence.visibility.shape == (6, 200)
    assert visible_inside(sequence) == 1.0
    assert sequence.visibility.sum(0).min() >= 2
    assert sequence.frame(3)[~sequence.mask].max() == 0
    assert sequence.frame(3)[sequence.mask].mean() > 30


def test_points_lie_on_the_surface_and_at_the_depth_of_the_maps(folder, parameters):
    sequence, depths = read_sequence(folder), read_depth_folder(folder / "depth")
    assert (depths.unit, depths.mm_per_unit) == ("mm", 1.0)
    assert depths.names == tuple(f"{n:08d}" for n in range(6))
    # Depths are kept as float32.
    assert np.abs(sample(make_scene(parameters).field, sequence.points)).max() < 1e-3
    for view, pose in enumerate(sequence.world_from_camera):
        points = sequence.points[sequence.visibility[view]]
        pixels, depth = project(apply(inverse(pose), points), sequence.require_intrinsics())
        column, row = pixels.astype(int).T
        # The map holds the depth at the pixel's centre, up to half a pixel beside the point.
        seen = depths.depth(depths.names[view])[row, column]
        assert np.median(np.abs(seen / depth - 1)) < 0.01
        assert np.percentile(np.abs(seen / depth - 1), 90) < 0.05


def test_points_behind_an_obstacle_are_not_visible():
    """A ball of 2 mm, 7 mm in front of the camera, hides a cone of half the angle asin(2 / 7)."""
    spacing, count = 0.5, 81
    x, y, z = node_positions((count,) * 3, spacing, np.full(3, -20.0))
    free = np.minimum(15 - np.sqrt(x**2 + y**2 + z**2), np.sqrt(x**2 + y**2 + (z - 7) ** 2) - 2)
    scene = Scene(DistanceField(free, spacing, np.full(3, -20.0)))
    angles = np.radians([0, 8, 14, 15.5, 19, 30, 44, 50])  # asin(2 / 7) is 16.6 degrees
    points = 15 * np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    size, one = (64, 64), np.zeros(1, np.int64)
    sequence = replace(
        unposed("none", one, np.ones(size, bool), fov_intrinsics(90, size)),
        view_numbers=one,
        world_from_camera=np.eye(4)[None],
        visibility=np.empty((1, 0), bool),
    )
    seen = visible_points(scene, points, sequence)
    assert seen.tolist() == [[False] * 4 + [True] * 3 + [False]]  # the last is beside the picture


def test_the_mesh_is_the_surface_of_the_frames(folder, parameters):
    from scipy.spatial import cKDTree

    sequence, mesh = read_sequence(folder), read_mesh(folder / "surface.ply")
    away, _ = cKDTree(mesh.vertices).query(sequence.points)
    assert away.max() < make_scene(parameters).field.spacing


def test_the_record_renders_the_same_again(folder, tmp_path):
    record = json.loads((folder / "render.json").read_text())
    render_sequence(RenderParameters(**record["parameters"]), tmp_path / "again")
    for name in ("00000004.png", "motion.yaml", "structure.ply", "depth/00000004.tiff"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_cancelled_run_leaves_nothing(parameters, tmp_path):
    token = CancelToken()

    def stop(fraction, message):
        if "2/6" in message:
            token.cancel()

    with pytest.raises(Cancelled):
        render_sequence(parameters, tmp_path / "half", stop, token)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scene", "moon"], "expected one of: sinus, colon, abdomen, labels"),
        (["--scene", "labels"], "a label map and its values"),
        (["--labels", "x.nii.gz", "--values", "3"], "a label map and its values"),
        (["--scene", "labels", "--labels", "no.nii.gz", "--values", "3"], "not found"),
        (["--scene", "labels", "--labels", "no.nii.gz", "--values", "a"], "whole numbers"),
        (["--size", "8,8"], "at least 16"),
        (["--fov", "200"], "at most 150"),
        (["--frames", "0"], "at least 1"),
    ],
)
def test_impossible_options_are_one_line(options, message, tmp_path, capsys):
    assert main(["endodepth", "render", *options, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote(parameters, tmp_path, capsys):
    options = ["--scene", "labels", "--labels", parameters.labels, "--values", "5", "--frames", "2"]
    options += ["--size", "32,32", "--points", "10", "--format", "jpg", "--field", "full"]
    output = str(tmp_path / "tube")
    assert (
        main(["endodepth", "render", *options, "--noise", "off", "--output", output, "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out) == {"output": output, "views": 2, "points": 10}
    assert read_image(f"{output}/00000001.jpg").array.shape == (1, 32, 32, 3)


def test_labels_of_several_axes_are_refused(tmp_path):
    write_image(tmp_path / "flat.nii.gz", Image(np.ones((1, 9, 9), np.uint8)))
    bad = RenderParameters(scene="labels", labels=str(tmp_path / "flat.nii.gz"), values="1")
    with pytest.raises(InputError, match="3-D volume"):
        render_sequence(bad, tmp_path / "out")
