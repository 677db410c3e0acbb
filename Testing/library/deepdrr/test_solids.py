"""Bodies in the place of the CT: chords of analytic bodies, displaced tissue, open meshes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import trimesh

from meddl.core import Image, InputError, Mesh, write_mesh
from meddl.core.geometry import apply, compose, inverse, rotation
from meddl.deepdrr import CArm, Solid, ball, k_wire, load_spectrum, mass_attenuation, render
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.instruments import INSTRUMENTS, screw, tube
from meddl.deepdrr.ray_mesh import mesh_integrals
from meddl.deepdrr.solids import closed_mesh, parse_instrument, parse_solid

from .phantoms import dense_integral, random_volume

VIEW = CArm(33, 17, 5, detector_size=(61, 49), pixel_spacing=2.0)
UNIT_BOX = trimesh.creation.box((1, 1, 1))
WATER = Image(np.zeros((30, 30, 30), np.float32), compose((4, 4, 4), (-58, -58, -58)))


def box(size, pose=None) -> Mesh:
    """A box of edge lengths ``size`` about the origin, turned and shifted by ``pose``."""
    vertices = UNIT_BOX.vertices * size
    return Mesh(vertices if pose is None else apply(pose, vertices), UNIT_BOX.faces)


def rays(camera):
    w, h = camera.size
    return camera.source, camera.rays(np.stack(np.meshgrid(range(w), range(h)), -1))


def box_chord(camera, size, pose):
    """Chord lengths (H, W) by the slab method, in the box's own frame."""
    source, directions = rays(camera)
    source = apply(inverse(pose), source)
    directions = directions @ pose[:3, :3]
    with np.errstate(divide="ignore"):
        ends = [(sign * np.asarray(size) / 2 - source) / directions for sign in (-1, 1)]
    near, far = np.minimum(*ends).max(-1), np.maximum(*ends).min(-1)
    return np.maximum(far - np.maximum(near, 0), 0)


@pytest.mark.parametrize("seed", range(5))
def test_chords_of_a_box_are_exact(seed):
    g = np.random.default_rng(seed)
    pose = rotation(g.normal(size=3), g.uniform(-180, 180))
    pose[:3, 3] = g.uniform(-20, 20, 3)
    size = g.uniform(1, 80, 3)
    camera = CArm(*g.uniform(-90, 90, 3), detector_size=(61, 49), pixel_spacing=2.0).camera()
    (found,) = np.moveaxis(mesh_integrals([box(size, pose)], camera)[0], -1, 0)
    expected = box_chord(camera, size, pose)
    assert (expected > 0).sum() > 10
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_rays_through_edges_and_vertices_lose_nothing(caplog):
    """A symmetric view, so that rays run exactly along the faces' diagonals, edges and corners."""
    view = CArm(detector_size=(41, 41), pixel_spacing=1020 / 525)
    camera = view.camera()  # one pixel is 1 mm on the face of the box next to the source
    with caplog.at_level(logging.WARNING):
        (found,) = np.moveaxis(mesh_integrals([box((10, 10, 10))], camera)[0], -1, 0)
    expected = box_chord(camera, (10, 10, 10), np.eye(4))
    inner = expected > 0
    inner[[15, 25], :] = inner[:, [15, 25]] = False  # along its silhouette either answer is right
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)
    assert found[20, 20] == pytest.approx(10)
    assert not found[expected == 0].any()
    assert not caplog.records


def test_chords_of_a_sphere_converge_quadratically():
    camera = CArm(33, 17, detector_size=(61, 49), pixel_spacing=1.5).camera()
    source, directions = rays(camera)
    half = directions @ -source
    expected = 2 * np.sqrt(np.maximum(400 - (source @ source - half**2), 0))
    errors = []
    for level in (3, 4, 5):
        sphere = trimesh.creation.icosphere(level, radius=20)
        found = mesh_integrals([Mesh(sphere.vertices, sphere.faces)], camera)[0][..., 0]
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    assert errors[2] < 1.5e-3
    assert errors[0] / errors[1] > 2.5 < errors[1] / errors[2]


def test_chords_of_a_cylinder():
    """A K-wire's shaft across the view: 2 sqrt(r^2 - y^2) / sin(angle to the axis)."""
    camera = CArm(detector_size=(41, 5), pixel_spacing=0.5).camera()
    wire = k_wire([0, 0, -40], [0, 0, 60], diameter=16.0)
    found = mesh_integrals([wire], camera)[0][2, :, 0]
    source, directions = rays(camera)
    across, along = directions[2, :, :2], directions[2, :, 2]
    x, y = across.T / np.linalg.norm(across, axis=1)
    distance = np.abs(x * source[1] - y * source[0])
    chord = 2 * np.sqrt(np.maximum(64 - distance**2, 0)) / np.sqrt(1 - along**2)
    wide = chord > 4
    assert wide.sum() > 30
    np.testing.assert_allclose(found[wide], chord[wide], atol=0.1)  # a polygon of 48 sides
    assert np.mean(found[wide] / chord[wide]) == pytest.approx(1, abs=0.004)


def test_source_inside_a_body_counts_forward_only():
    camera = VIEW.camera()
    pose = np.eye(4)
    pose[:3, 3] = camera.source + np.array([3, 2, 1])
    (found,) = np.moveaxis(mesh_integrals([box((50, 60, 70), pose)], camera)[0], -1, 0)
    np.testing.assert_allclose(found, box_chord(camera, (50, 60, 70), pose), atol=1e-4)
    assert found.min() > 10


def test_a_body_behind_the_source_casts_no_shadow_and_one_across_its_plane_does():
    camera = CArm(detector_size=(41, 41), pixel_spacing=2).camera()
    pose = np.eye(4)
    pose[:3, 3] = camera.source - [0, 40, 0]
    assert not mesh_integrals([box((20, 20, 20), pose)], camera)[0].any()
    pose[:3, 3] = camera.source + np.array([30, 0, 0])  # from beside the source to before it
    size, turned = (57.0, 400.0, 30.0), pose @ rotation((0, 0, 1), 20)
    (found,) = np.moveaxis(mesh_integrals([box(size, turned)], camera)[0], -1, 0)
    expected = box_chord(camera, size, turned)
    assert (expected > 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_overlapping_parts_count_once_and_the_later_body_has_the_place():
    camera = VIEW.camera()
    shift = np.eye(4)
    shift[0, 3] = 10
    first, second = box((30, 30, 30)), box((30, 30, 30), shift)
    both = Mesh(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.faces, second.faces + 8]),
    )
    middle = np.eye(4)
    middle[0, 3] = 5
    union = box_chord(camera, (40, 30, 30), middle)
    np.testing.assert_allclose(mesh_integrals([both], camera)[0][..., 0], union, atol=1e-4)
    lengths = mesh_integrals([first, second], camera)[0]
    expected = box_chord(camera, (30, 30, 30), shift)
    np.testing.assert_allclose(lengths[..., 1], expected, atol=1e-4)
    np.testing.assert_allclose(lengths.sum(-1), union, atol=1e-4)


@pytest.mark.parametrize("lps", [False, True])
def test_displaced_tissue_is_the_line_integral_inside_the_body(lps):
    """Against plain sampling of an oblique volume, inside the box only."""
    ct = random_volume(3, lps=lps)
    camera = CArm(20, -15, detector_size=(5, 4), pixel_spacing=3).camera(ct.center)
    pose = rotation((1, 1, 0), 40)
    pose[:3, 3] = ct.center
    grid = DensityGrid(ct.array, None, (0,), ct.ijk_from_ras)
    _, found = mesh_integrals([box((6, 9, 8), pose)], camera, grid)
    source, directions = rays(camera)
    step = 0.002
    for v, u in np.ndindex(4, 5):
        along = np.arange(0.5 * step, 700, step)
        points = apply(inverse(pose), source + along[:, None] * directions[v, u])
        inside = along[(np.abs(points) < np.array([6, 9, 8]) / 2).all(axis=1)]
        if not len(inside):
            assert found[v, u, 0] == 0
            continue
        begin, end = inside[0] - step / 2, inside[-1] + step / 2
        to_end, to_begin = (
            dense_integral(ct, source, directions[v, u], step)
            - dense_integral(ct, source + t * directions[v, u], directions[v, u], step)
            for t in (end, begin)
        )
        assert found[v, u, 0] == pytest.approx(to_end - to_begin, abs=0.03)


def test_metal_in_water_attenuates_as_beer_lambert_says():
    """An iron ball of known chord takes the place of the water in it."""
    view = CArm(detector_size=(3, 3), pixel_spacing=0.1)
    iron = Solid(ball([0, -2, 0], [0, 2, 0]), "iron")
    spectrum = load_spectrum("90kV")
    path = render(WATER, view, quantity="path", solids=[iron])
    assert path.metadata["pages"] == ["air", "soft tissue", "bone", "iron"]
    _, tissue, _, metal = path.array[0, 1, 1]
    assert metal == pytest.approx(0.4 * 7.874, rel=1e-3)
    assert tissue == pytest.approx(12.0 - 0.4, rel=1e-4)
    depth = tissue * mass_attenuation("soft tissue", spectrum.energies)
    depth += metal * mass_attenuation("iron", spectrum.energies)
    energy = float((spectrum.fractions * spectrum.energies * np.exp(-depth)).sum())
    found = render(WATER, view, quantity="energy", solids=[iron]).array[0, 1, 1]
    assert found == pytest.approx(energy, rel=1e-4)


def test_a_body_of_the_tissue_itself_changes_nothing_and_one_beside_the_ct_adds():
    view = CArm(25, 10, detector_size=(40, 40), pixel_spacing=6)
    plain = render(WATER, view, quantity="path").array
    same = Solid(box((50, 40, 30), rotation((1, 2, 3), 30)), "soft tissue", density=1.0)
    np.testing.assert_allclose(
        render(WATER, view, quantity="path", solids=[same]).array, plain, atol=1e-4
    )
    beside = np.eye(4)
    beside[:3, 3] = 0, -100, 0
    outside = Solid(box((20, 20, 20), beside), "gold")
    found = render(WATER, view, quantity="path", solids=[outside]).array
    np.testing.assert_array_equal(found[..., :3], plain)
    expected = 1.93 * box_chord(view.camera(WATER.center), (20, 20, 20), beside)
    np.testing.assert_allclose(found[0, ..., 3], expected, rtol=1e-5, atol=1e-4)


def test_open_and_inconsistent_meshes_are_refused_with_the_remedy():
    mesh = box((10, 10, 10))
    with pytest.raises(InputError, match=r"3 edges with one side only.*Surface Toolbox"):
        closed_mesh(Mesh(mesh.vertices, mesh.faces[1:]))
    turned = mesh.faces.copy()
    turned[0] = turned[0, ::-1]
    with pytest.raises(InputError, match="face inwards"):
        closed_mesh(Mesh(mesh.vertices, turned))
    split = Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(36).reshape(12, 3))
    with pytest.raises(InputError, match=r"flat\.stl has no triangle with three different corners"):
        closed_mesh(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), "flat.stl")
    assert closed_mesh(split).vertices.shape == (8, 3)  # corners that no triangles share are joined
    inside_out = mesh_integrals([Mesh(mesh.vertices, mesh.faces[:, ::-1])], VIEW.camera())[0]
    np.testing.assert_allclose(inside_out, mesh_integrals([mesh], VIEW.camera())[0], atol=1e-6)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_instruments_are_closed_and_lie_between_their_ends(name):
    tip, end = np.array([10.0, -20, 5]), np.array([40.0, 10, 60])
    make, material = INSTRUMENTS[name]
    mesh = Solid(make(tip, end), material).mesh
    axis = (end - tip) / np.linalg.norm(end - tip)
    along = (mesh.vertices - tip) @ axis
    assert (along.min(), along.max()) == pytest.approx((0, np.linalg.norm(end - tip)), abs=1e-9)
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert surface.is_watertight and surface.is_winding_consistent and surface.volume > 0


def test_instruments_have_the_volume_of_their_measures():
    polygon = 48 * np.sin(np.pi / 48) * np.cos(np.pi / 48) / np.pi  # area, of the circle's

    def volume(mesh):
        return trimesh.Trimesh(mesh.vertices, mesh.faces).volume / polygon

    cone = 0.8 / np.tan(np.deg2rad(15))
    wire = np.pi * 0.64 * (100 - cone + cone / 3)
    assert volume(k_wire([0, 0, 0], [0, 100, 0])) == pytest.approx(wire)
    assert volume(tube([0, 0, 0], [50, 0, 0], 6, 4)) == pytest.approx(np.pi * 5 * 50)
    assert volume(ball([0, 0, 0], [0, 0, 10])) == pytest.approx(np.pi * 1000 / 6, rel=0.01)
    # Triangular thread: mean of r^2 over the pitch is (R^2 + R r + r^2) / 3.
    shaft = np.pi * (2.25**2 + 2.25 * 1.5 + 1.5**2) / 3 * (200 - 4.6)
    head = np.pi * 16 * 4.6
    assert volume(screw([0, 0, 0], [0, 0, 200])) == pytest.approx(shaft + head, rel=0.015)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k-wire:0,0,0:0,0,0", "0 mm, a positive length"),
        ("k-wire:0,0,0:0,0,1", "length of the shaft"),
        ("screw:0,0,0:0,5,0", "length of the shaft"),
        ("nail:0,0,0:0,5,0", "k-wire, screw"),
        ("ball:0,0:0,5,0", "3 numbers"),
        ("ball:0,0,0", "NAME:R,A,S:R,A,S"),
    ],
)
def test_bad_instruments_are_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_instrument(text)


def test_meshes_of_files(tmp_path):
    write_mesh(tmp_path / "a.stl", box((4, 5, 6)))
    assert parse_solid(f"{tmp_path}/a.stl:titanium").density == 4.506
    solid = parse_solid(f"{tmp_path}/a.stl:bone:1.4")
    assert (solid.density, solid.name, len(solid.mesh.vertices)) == (1.4, "a.stl", 8)
    nitinol = parse_solid(f"{tmp_path}/a.stl:nitinol=NiTi:6.45")
    assert (nitinol.density, nitinol.material) == (6.45, "nitinol=NiTi:6.45")
    lighter = parse_solid(f"{tmp_path}/a.stl:nitinol=NiTi:6.45:6.0")
    assert (lighter.density, lighter.material) == (6.0, "nitinol=NiTi:6.45")
    for text, message in (
        ("a.stl", "FILE:MATERIAL"),
        (f"{tmp_path}/a.stl:wood", "'wood' is unknown; known are"),
        (f"{tmp_path}/a.stl:iron:-1", "density of a.stl"),
        ("missing.stl:iron", "not found"),
    ):
        with pytest.raises(InputError, match=message):
            parse_solid(text)


def test_line_integrals_of_values_cannot_hold_a_body():
    with pytest.raises(InputError, match="no voxel values"):
        render(WATER, VIEW, quantity="integral", solids=[Solid(box((4, 4, 4)), "iron")])
