"""Fusion against surfaces that are known exactly, and what it says about input that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from meddl.cli.main import main
from meddl.core import Cancelled, CancelToken, FileError, InputError, read_mesh
from meddl.core.depth_maps import depth_writer, read_depth_folder
from meddl.core.pinhole import backproject
from meddl.endodepth.fusion import fuse, point_cloud
from meddl.endodepth.fusion_files import write_point_clouds
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.surface import boundary_loops, fill_holes, large_parts
from meddl.endodepth.tsdf import integrate, make_volume, view_maps
from meddl.endodepth.views import posed_depths

from .torus_sequence import CAMERA, SIZE, colour, distance, torus_sequence


@pytest.fixture(scope="module")
def torus(tmp_path_factory):
    return torus_sequence(tmp_path_factory.mktemp("torus") / "sequence")


@pytest.fixture(scope="module")
def fused(torus):
    sequence, folder = torus
    return fuse(sequence, read_depth_folder(folder), FusionParameters(size=128, scaling="none"))


def scaled_depths(folder, source, factors, unit="relative"):
    """A depth folder whose maps are those of ``source`` times a factor each."""
    depths = read_depth_folder(source)
    with depth_writer(folder, unit=unit, camera=depths.camera) as writer:
        for name, factor in zip(depths.names, factors, strict=True):
            writer.write(name, depths.depth(name) * factor)
    return read_depth_folder(folder)


def test_the_fused_surface_lies_on_the_true_one(fused):
    error = distance(fused.mesh.vertices) / fused.record["voxel"]
    assert abs(error.mean()) < 0.02
    assert np.sqrt((error**2).mean()) < 0.05
    assert np.quantile(np.abs(error), 0.99) < 0.2 and np.abs(error).max() < 1


def test_the_fused_surface_is_one_piece_that_faces_the_camera(fused):
    mesh = trimesh.Trimesh(fused.mesh.vertices, fused.mesh.faces, process=False)
    assert mesh.body_count == 1 and mesh.is_winding_consistent
    assert mesh.area > 0.15 * 4 * np.pi**2 * 20 * 6  # the flight sees a quarter of the torus
    centre = fused.mesh.vertices[:, :2] / np.linalg.norm(
        fused.mesh.vertices[:, :2], axis=1, keepdims=True
    )
    inward = np.column_stack([centre * 20, np.zeros(len(centre))]) - fused.mesh.vertices
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    assert np.median((mesh.vertex_normals * inward).sum(axis=1)) > 0.999


def test_vertices_have_the_colours_of_their_places(fused):
    error = np.abs(fused.mesh.colours.astype(float) - colour(fused.mesh.vertices))
    assert error.mean() < 1 and np.quantile(error, 0.99) <= 2


def test_scaling_by_the_points_undoes_the_scales_of_the_maps(torus, tmp_path):
    sequence, folder = torus
    factors = np.linspace(0.3, 2, 12)
    depths = scaled_depths(tmp_path / "d", folder, factors)
    np.testing.assert_allclose(posed_depths(sequence, depths).scales * factors, 1, rtol=0.01)
    depths = scaled_depths(tmp_path / "d", folder, np.full(12, 0.25))
    scales = posed_depths(sequence, depths, "sequence").scales
    np.testing.assert_allclose(scales, 4, rtol=0.002)
    assert len(set(scales.tolist())) == 1
    assert posed_depths(sequence, depths, "none").scales.tolist() == [1] * 12


def test_the_unit_is_relative_until_a_length_is_known(torus, fused, tmp_path):
    sequence, folder = torus
    small = FusionParameters(size=48, scaling="none")
    assert (fused.unit, fused.mm_per_unit) == ("relative", None)
    plain = fuse(sequence, read_depth_folder(folder), small)
    scaled = fuse(sequence, read_depth_folder(folder), replace(small, mm_per_unit=2.5))
    assert (scaled.unit, scaled.record["mm_per_unit"]) == ("mm", 2.5)
    np.testing.assert_allclose(scaled.mesh.vertices, 2.5 * plain.mesh.vertices)
    depths = scaled_depths(tmp_path / "mm", folder, np.ones(12), unit="mm")
    assert fuse(sequence, depths, FusionParameters(size=48)).unit == "mm"
    with pytest.raises(InputError, match="are in mm; leave it away"):
        fuse(sequence, depths, replace(small, mm_per_unit=2.5))


def test_noise_averages_out_over_the_frames(torus, tmp_path):
    sequence, folder = torus
    clean = read_depth_folder(folder)
    rng = np.random.default_rng(1)
    with depth_writer(tmp_path / "d", camera=CAMERA) as writer:
        for name in clean.names:
            depth = clean.depth(name)
            writer.write(name, depth * (1 + 0.02 * rng.normal(size=depth.shape)))
    noisy = read_depth_folder(tmp_path / "d")
    surface = fuse(sequence, noisy, FusionParameters(size=96, scaling="none"))
    one = next(iter(posed_depths(sequence, noisy, "none")))
    points, _ = point_cloud(one, sequence)
    error, single = (np.sqrt((distance(p) ** 2).mean()) for p in (surface.mesh.vertices, points))
    assert error < 0.5 * single


def test_what_no_frame_sees_makes_no_surface(torus, fused):
    # Behind the wall and beyond the part of the ring that was flown through there is nothing.
    angle = np.arctan2(fused.mesh.vertices[:, 1], fused.mesh.vertices[:, 0])
    assert angle.min() > -0.5 and angle.max() < np.pi
    assert (fused.weight > 0).all()


def test_the_points_of_a_frame_are_those_of_its_map(torus):
    sequence, folder = torus
    posed = posed_depths(sequence, read_depth_folder(folder), "none")
    view = posed.view(3)
    points, colours = point_cloud(view, sequence)
    assert len(points) == (view.depth > 0).sum() > 1500
    np.testing.assert_allclose(distance(points), 0, atol=1e-4)
    assert np.abs(colours.astype(float) - colour(points)).mean() < 1.5


def test_the_plane_of_a_pixel_gives_distance_and_angle():
    normal = np.array([2.0, 1, 4]) / np.sqrt(21)
    rays = backproject(np.ones(SIZE), CAMERA.intrinsics)
    depth = (5 / (rays @ normal)).astype(np.float32)
    maps = view_maps(depth, CAMERA.intrinsics, 1e9)
    np.testing.assert_allclose(maps[..., 0], 1 / depth, rtol=1e-6)
    np.testing.assert_allclose(maps[..., 1], rays @ normal, rtol=1e-3)
    cosine = rays @ normal / np.linalg.norm(rays, axis=-1)
    np.testing.assert_allclose(maps[..., 2], cosine, rtol=1e-3)
    near = view_maps(depth, CAMERA.intrinsics, 3.0)[..., 2]
    np.testing.assert_allclose(near, cosine * np.minimum(1, 3 / depth) ** 2, rtol=2e-3)


def test_the_volume_holds_the_distance_to_a_plane():
    depth = np.full(SIZE, 10.0, np.float32)
    volume = make_volume([-2, -2, 8], [2, 2, 12], 0.25, 1.0)
    integrate(volume, depth, CAMERA.intrinsics, np.eye(4), reference=10)
    z = volume.origin[2] + volume.voxel * np.arange(volume.distance.shape[2])
    expected = np.broadcast_to(np.minimum(10 - z, 1), volume.distance.shape)
    seen = np.broadcast_to(z <= 11, volume.distance.shape)
    np.testing.assert_array_equal(volume.weight > 0, seen)
    np.testing.assert_allclose(volume.distance[seen], expected[seen], atol=2e-5)


def test_a_hole_is_closed_and_a_loose_piece_is_dropped():
    sphere = trimesh.creation.icosphere(subdivisions=3)
    holed = np.asarray(sphere.faces)[~(sphere.faces == 5).any(axis=1)]
    (loop,) = boundary_loops(holed)
    assert len(loop) in (5, 6)
    vertices, faces = fill_holes(np.asarray(sphere.vertices), holed, 2.0)
    closed = trimesh.Trimesh(vertices, faces, process=False)
    assert closed.is_watertight and closed.is_winding_consistent
    assert closed.volume == pytest.approx(sphere.volume, rel=0.01)
    assert len(fill_holes(np.asarray(sphere.vertices), holed, 0.1)[1]) == len(holed)
    loose = np.concatenate([faces, [[700, 701, 702]]])
    assert large_parts(loose, 703, 0.01).tolist() == [True] * len(faces) + [False]


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_the_command_writes_mesh_record_and_point_clouds(torus, tmp_path, capsys, suffix):
    sequence, folder = torus
    output = tmp_path / f"mesh{suffix}"
    words = ["endodepth", "fuse", str(sequence.folder), "--depth", str(folder), "--size", "64"]
    words += ["--output", str(output), "--scaling", "none", "--json"]
    assert main([*words, "--point-clouds", str(tmp_path / "clouds")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert b"SPACE=RAS" in output.read_bytes()[:300]
    mesh = read_mesh(output)
    assert len(mesh.vertices) == report["vertices"] and len(mesh.faces) == report["faces"]
    assert np.median(np.abs(distance(mesh.vertices))) < 0.1 * report["voxel"]
    error = np.abs(mesh.colours.astype(float) - colour(mesh.vertices))
    assert np.median(error) <= 1
    record = json.loads((tmp_path / "mesh.json").read_text())
    assert (record["unit"], record["mm_per_unit"], record["frames"]) == ("relative", None, 12)
    clouds = sorted((tmp_path / "clouds").iterdir())
    assert [path.name for path in clouds] == [f"{n:08d}.ply" for n in sequence.view_numbers]
    cloud = trimesh.load(clouds[0])
    np.testing.assert_allclose(distance(np.asarray(cloud.vertices)), 0, atol=1e-4)
    assert np.abs(cloud.colors[:, :3].astype(float) - colour(cloud.vertices)).mean() < 1.5


def test_cancelled_or_refused_nothing_is_left(torus, tmp_path):
    sequence, folder = torus
    depths, token = read_depth_folder(folder), CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        fuse(sequence, depths, FusionParameters(size=32), cancel=token)
    with pytest.raises(Cancelled):
        write_point_clouds(tmp_path / "clouds", sequence, depths, cancel=token)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match="other files than point clouds"):
        write_point_clouds(tmp_path, sequence, depths)


def test_input_that_makes_no_surface_is_explained(torus, tmp_path):
    sequence, folder = torus
    depths = read_depth_folder(folder)
    with pytest.raises(InputError, match="make no surface"):
        fuse(sequence, depths, FusionParameters(size=32, minimum_weight=1e6))
    unposed = replace(
        sequence,
        view_numbers=np.zeros(0, int),
        world_from_camera=np.zeros((0, 4, 4)),
        points=np.zeros((0, 3)),
        visibility=np.zeros((0, 0), bool),
    )
    with pytest.raises(InputError, match="has no poses; run: meddl endodepth sfm"):
        fuse(unposed, depths)
    pointless = replace(sequence, visibility=np.zeros_like(sequence.visibility))
    with pytest.raises(InputError, match=r"no point of .* falls on a known depth"):
        fuse(pointless, depths)
    with depth_writer(tmp_path / "d", camera=CAMERA) as writer:
        writer.write("00000099", np.ones(SIZE))
    with pytest.raises(InputError, match="none of the 1 maps"):
        fuse(sequence, read_depth_folder(tmp_path / "d"))
    with depth_writer(tmp_path / "d", unit="mm", camera=CAMERA) as writer:
        writer.write("00000010", np.zeros(SIZE))
    with pytest.raises(InputError, match=r"no map in .* has a known depth"):
        fuse(sequence, read_depth_folder(tmp_path / "d"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([[0, 0, 0], [1, 1, 0], 0.1], "holds nothing"),
        ([[0, 0, 0], [1, 1, np.nan], 0.1], "holds nothing"),
        ([[0, 0, 0], [1, 1, 1], -0.1], "the voxel is -0.1"),
        ([[0, 0, 0], [1, 1, 1], 0.1, 0.01], "the truncation 0.01"),
    ],
)
def test_volumes_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        make_volume(*arguments)


def test_a_long_sequence_asks_for_more_than_a_look_from_afar():
    default = FusionParameters()
    assert [default.weight_of(n) for n in (1, 10, 50, 1000)] == [0.02, 0.2, 1, 1]
    assert FusionParameters(minimum_weight=0.0).weight_of(1000) == 0
