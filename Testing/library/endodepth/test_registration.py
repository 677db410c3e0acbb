"""Registration against transforms that are known: closed form, ICP, search, files, command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from meddl.cli.main import main
from meddl.core import FileError, InputError, Mesh, read_mesh, write_mesh
from meddl.core.depth_maps import depth_writer, read_depth_folder
from meddl.core.geometry import apply, inverse
from meddl.endodepth.alignment import plane_steps, rotations, scale_of, umeyama
from meddl.endodepth.closest_points import closest, closest_on_triangles, make_surface
from meddl.endodepth.icp import trimmed_icp
from meddl.endodepth.registration import register
from meddl.endodepth.registration_files import read_pairs, write_transform
from meddl.endodepth.registration_parameters import RegistrationParameters

QUICK = RegistrationParameters(points=1500, starts=12000, smallest_scale=0.3)


@pytest.fixture(scope="module")
def lumen():
    """A bent tube of changing width with bumps, mm."""
    from skimage.measure import marching_cubes

    step = 1.25
    grid = np.stack(np.meshgrid(*[np.arange(-30, 30, step)] * 3, indexing="ij"), axis=-1)
    t = np.linspace(0, 1, 200)
    path = np.stack([22 * np.sin(3 * t) - 10, 18 * np.cos(4 * t), 45 * t - 22], axis=-1)
    distance, nearest = cKDTree(path).query(grid)
    bumps = sum(
        np.sin(grid @ np.array(wave) + phase)
        for wave, phase in (((0.5, 0.1, 0.3), 0), ((-0.2, 0.6, 0.3), 1), ((0.3, -0.4, 0.5), 2))
    )
    field = distance - 5 - 1.5 * np.sin(12 * t)[nearest] + 0.5 * bumps
    vertices, faces, _, _ = marching_cubes(field, 0)
    return Mesh(vertices * step - 30, faces.astype(int))


def similarity(seed, scale):
    matrix = np.eye(4)
    matrix[:3, :3] = scale * Rotation.random(random_state=seed).as_matrix()
    matrix[:3, 3] = np.random.default_rng(seed).uniform(-40, 40, 3)
    return matrix


def part_of(mesh, ras_from_part, noise=0.1, radius=14.0, seed=0):
    """The part of a mesh within a radius of one of its triangles, noisy, in a frame of its own."""
    rng = np.random.default_rng(seed)
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    near = np.linalg.norm(centres - rng.choice(centres), axis=1) < radius
    used, faces = np.unique(mesh.faces[near], return_inverse=True)
    places = mesh.vertices[used] + rng.normal(0, noise, (len(used), 3))
    return Mesh(apply(inverse(ras_from_part), places), faces.reshape(-1, 3)), mesh.vertices[used]


def test_pairs_determine_a_similarity_exactly_and_least_squares_otherwise():
    rng = np.random.default_rng(1)
    source = rng.normal(size=(5, 3))
    truth = similarity(4, 2.5)
    np.testing.assert_allclose(umeyama(source, apply(truth, source)), truth, atol=1e-12)
    rigid = umeyama(source, apply(truth, source), scaled=False)
    assert scale_of(rigid) == pytest.approx(1)
    mirrored = umeyama(source, source * [1, 1, -1])
    assert np.linalg.det(mirrored[:3, :3]) > 0
    target = apply(truth, source) + rng.normal(0, 0.2, (5, 3))
    best = umeyama(source, target)
    least = ((apply(best, source) - target) ** 2).sum()
    for _ in range(50):
        near = np.eye(4)
        near[:3, :3] = (1 + rng.normal(0, 0.01)) * rotations(rng.normal(0, 0.01, 3))
        near[:3, 3] = rng.normal(0, 0.02, 3)
        assert ((apply(near @ best, source) - target) ** 2).sum() > least


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((2, 3)), "2 pairs of points; at least 3"),
        (np.outer(np.arange(4.0), [1, 2, 3]), "lie on one line"),
        (np.full((3, 3), np.nan), "finite"),
        (np.zeros((3, 2)), "paired points"),
    ],
)
def test_pairs_that_determine_nothing_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        umeyama(source, np.random.default_rng(0).normal(size=(len(source), source.shape[1])))


def test_rotations_are_those_of_scipy():
    vectors = np.random.default_rng(0).normal(size=(20, 3)) * np.linspace(0, 2, 20)[:, None]
    np.testing.assert_allclose(
        rotations(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12
    )


def test_one_step_undoes_a_small_motion():
    rng = np.random.default_rng(2)
    target, normals = rng.normal(size=(2, 300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    moved = np.eye(4)
    moved[:3, :3] = 1.01 * rotations(np.array([0.01, -0.02, 0.005]))
    moved[:3, 3] = [0.02, 0.01, -0.03]
    step = plane_steps(
        apply(moved, target)[None], target[None], normals[None], np.ones((1, 300)), True
    )
    np.testing.assert_allclose(step[0] @ moved, np.eye(4), atol=2e-3)


def test_closest_points_on_triangles_are_the_nearest_of_many():
    rng = np.random.default_rng(3)
    corners, points = rng.normal(size=(60, 3, 3)), 2 * rng.normal(size=(60, 3))
    found = closest_on_triangles(points, corners)
    a, b = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 80))
    weights = np.stack([1 - a, a * (1 - b), a * b], axis=-1).reshape(-1, 3)
    brute = np.linalg.norm(weights @ corners - points[:, None], axis=2).min(axis=1)
    distance = np.linalg.norm(found - points, axis=1)
    assert (distance <= brute + 1e-12).all() and np.abs(distance - brute).max() < 0.05


def test_distances_to_a_sphere_are_exact():
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=10)
    mesh = Mesh(np.asarray(ball.vertices), np.asarray(ball.faces))
    surface = make_surface(mesh, 20000, np.random.default_rng(0))
    directions = np.random.default_rng(1).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.linspace(5, 20, 200)
    _, distance = closest(surface, directions * radii[:, None])
    # The flat triangles lie up to 0.012 inside the sphere.
    np.testing.assert_allclose(distance, np.abs(radii - 10), atol=0.015)


def test_icp_finds_scale_and_pose_and_trims_what_is_not_there(lumen):
    truth = similarity(1, 3.0)
    part, places = part_of(lumen, truth)
    # A third more triangles of the same size that lie anywhere.
    rng = np.random.default_rng(5)
    third = len(part.faces) // 3
    centre = places.mean(axis=0)
    stray = centre + rng.normal(0, 8, (third, 1, 3)) + rng.normal(0, 0.7, (third, 3, 3))
    stray = apply(inverse(truth), stray.reshape(-1, 3))
    dirty = Mesh(
        np.concatenate([part.vertices, stray]),
        np.concatenate([part.faces, np.arange(3 * third).reshape(-1, 3) + len(part.vertices)]),
    )
    scan = make_surface(dirty, 2000, rng)
    target = make_surface(lumen, 20000, rng)
    nudge = np.eye(4)
    nudge[:3, :3] = 1.1 * rotations(np.array([0.08, -0.06, 0.05]))
    nudge[:3, 3] = centre - nudge[:3, :3] @ centre + [0.8, -0.5, 0.4]
    found = trimmed_icp(scan.points, scan.normals, target, nudge @ truth)
    error = np.linalg.norm(apply(found.target_from_source, part.vertices) - places, axis=1)
    assert error.mean() < 0.35
    assert scale_of(found.target_from_source) == pytest.approx(3.0, rel=0.02)
    assert found.overlap < 0.85


@pytest.mark.parametrize("seed", [1, 2])
def test_a_part_finds_its_place_without_landmarks(lumen, seed):
    truth = similarity(seed, 2.5)
    part, places = part_of(lumen, truth, seed=seed)
    found = register(part, lumen, parameters=QUICK)
    error = np.linalg.norm(apply(found.ras_from_mesh, part.vertices) - places, axis=1)
    assert found.initial == "search" and error.mean() < 0.4
    assert found.scale == pytest.approx(2.5, rel=0.02)
    assert found.residuals.shape == (len(part.vertices),)
    assert np.median(found.residuals) < 0.15


def test_landmarks_start_the_fit_and_their_errors_are_told(lumen):
    truth = similarity(3, 0.4)
    part, places = part_of(lumen, truth, seed=3)
    chosen = [0, len(places) // 3, 2 * len(places) // 3, len(places) - 1]
    rough = places[chosen] + np.random.default_rng(0).normal(0, 1.0, (4, 3))
    found = register(part, lumen, (part.vertices[chosen], rough), QUICK)
    error = np.linalg.norm(apply(found.ras_from_mesh, part.vertices) - places, axis=1)
    assert error.mean() < 0.4 and found.initial == "landmarks"
    np.testing.assert_allclose(
        found.landmark_errors, np.linalg.norm(rough - places[chosen], axis=1), atol=0.5
    )
    rigid = register(
        Mesh(apply(np.diag([0.4, 0.4, 0.4, 1]), part.vertices), part.faces),
        lumen,
        (0.4 * part.vertices[chosen], rough),
        replace(QUICK, transform="rigid"),
    )
    assert rigid.scale == pytest.approx(1, abs=1e-12)
    assert np.median(rigid.residuals) < 0.15


def test_the_normals_may_point_to_either_side(lumen):
    truth = similarity(1, 2.5)
    part, places = part_of(lumen, truth, seed=1)
    turned = Mesh(part.vertices, part.faces[:, ::-1])
    chosen = [0, len(places) // 3, 2 * len(places) // 3, len(places) - 1]
    found = register(turned, lumen, (part.vertices[chosen], places[chosen]), QUICK)
    error = np.linalg.norm(apply(found.ras_from_mesh, part.vertices) - places, axis=1)
    assert error.mean() < 0.3


def test_the_command_writes_all_it_is_asked_for(lumen, tmp_path, capsys):
    truth = similarity(3, 2.5)
    part, places = part_of(lumen, truth, seed=3)
    write_mesh(tmp_path / "part.ply", part, space="RAS")
    write_mesh(tmp_path / "lumen.stl", lumen)
    record = {"scales": [0.5, 0.51], "mm_per_unit": None}
    (tmp_path / "part.json").write_text(json.dumps(record))
    with depth_writer(tmp_path / "depth") as writer:
        writer.write("a", np.ones((4, 4)))
    rows = ["label,x,y,z,r,a,s"]
    for number in (0, len(places) // 3, 2 * len(places) // 3, len(places) - 1):
        pair = [*part.vertices[number], *places[number]]
        rows.append(",".join([f"point {number}", *map(repr, map(float, pair))]))
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    words = ["endodepth", "register", "part.ply", "lumen.stl", "--output", "report.json"]
    words += ["--landmarks", "pairs.csv", "--transform", "pose.tfm", "--output-mesh", "out.ply"]
    words += ["--depth", "depth", "--points", "1500", "--json"]
    words = [str(tmp_path / word) if "." in word or word == "depth" else word for word in words]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["mm_per_unit"] == pytest.approx(2.5, rel=0.01)
    assert report["residuals_mm"]["median"] < 0.15 < report["residuals_mm"]["largest"]
    assert read_depth_folder(tmp_path / "depth").mm_per_unit == pytest.approx(
        report["mm_per_unit"] * 0.505
    )
    out = read_mesh(tmp_path / "out.ply")
    error = np.linalg.norm(out.vertices - places, axis=1)
    assert error.mean() < 0.4 and out.colours is not None
    assert (out.colours[:, 2] == 0).all() and np.ptp(out.colours[:, 0].astype(int)) > 20
    lines = (tmp_path / "report.csv").read_text().splitlines()
    assert len(lines) == 102
    median = float(lines[51].split(",")[1])
    assert median == pytest.approx(report["residuals_mm"]["median"], rel=1e-4)
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".tfm", ".h5", ".txt"])
def test_slicer_reads_the_transform_as_to_parent(tmp_path, suffix):
    core = pytest.importorskip("slicer_core.MRMLCore")
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    truth = similarity(6, 1.7)
    write_transform(tmp_path / f"x{suffix}", truth)
    scene, node = core.vtkMRMLScene(), core.vtkMRMLTransformNode()
    storage = core.vtkMRMLTransformStorageNode()
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / f"x{suffix}"))
    assert storage.ReadData(node) == 1
    matrix = vtkMatrix4x4()
    assert node.GetMatrixTransformToParent(matrix)
    found = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    np.testing.assert_allclose(found, truth, atol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n", "line 1 is 'x,y'"),
        ("label,x,y,z,r,a,s\na,1,2,3,4,5,6\n", "1 pairs of landmarks; at least 3"),
        ("label,x,y,z,r,a,s\na,1,2,3,4,5\n", "line 2 .* six finite numbers"),
        ("label,x,y,z,r,a,s\na,1,2,nan,4,5,6\n", "line 2 .* six finite numbers"),
        ("\xff\xfe", "no valid file of landmark pairs|line 1"),
    ],
)
def test_landmark_files_are_checked(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileError, match=message):
        read_pairs(path)


def test_landmarks_that_cannot_be_are_refused(lumen):
    part, places = part_of(lumen, similarity(1, 2.5), seed=1)
    line = np.outer(np.arange(3.0), [1, 1, 1])
    with pytest.raises(InputError, match="one line"):
        register(part, lumen, (line, places[:3]), QUICK)
    flat = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="no area"):
        register(flat, lumen, parameters=QUICK)
    shrunk = places[:4].mean(0) + 0.001 * (places[[0, 30, 60, 90]] - places[:4].mean(0))
    with pytest.raises(InputError, match="where it fits anywhere"):
        register(
            part,
            lumen,
            (part.vertices[[0, 30, 60, 90]], shrunk),
            replace(QUICK, iterations=1),
        )


def test_maps_without_a_common_scale_get_no_length(lumen, tmp_path, capsys):
    part, _ = part_of(lumen, similarity(1, 2.5), seed=1)
    write_mesh(tmp_path / "part.ply", part, space="RAS")
    (tmp_path / "part.json").write_text(json.dumps({"scales": [1, 2], "mm_per_unit": None}))
    with depth_writer(tmp_path / "depth") as writer:
        writer.write("a", np.ones((4, 4)))
    words = ["endodepth", "register", str(tmp_path / "part.ply"), str(tmp_path / "part.ply")]
    words += ["--output", str(tmp_path / "r.json"), "--depth", str(tmp_path / "depth")]
    assert main(words) == 2
    assert "fuse with --scaling sequence" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()
