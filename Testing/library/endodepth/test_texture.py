"""Textures against patterns that are known in closed form, and what a reader makes of the files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh

from meddl.cli.main import main
from meddl.core import Cancelled, CancelToken, FileError, InputError, Mesh
from meddl.core.depth_maps import read_depth_folder
from meddl.core.pinhole import pixel_centres
from meddl.core.textured_mesh import Texture, companions, write_textured_mesh
from meddl.endodepth import texture_atlas
from meddl.endodepth.fusion import fuse
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.surface_colour import ColourSums, shown_frame
from meddl.endodepth.texture_atlas import coordinates, make_atlas, places
from meddl.endodepth.texture_colour import TexturePainter
from meddl.endodepth.tsdf import view_maps

from .torus_sequence import colour, torus_sequence

RADIUS = 10.0
FRAME, REDUCED = (256, 320), 4  # height and width of the frames; the maps are a fourth of it
FOCAL = 128.0
INTRINSICS = np.array([[FOCAL, 0, 160], [0, FOCAL, 128], [0, 0, 1]])
MAP_INTRINSICS = np.diag([1 / REDUCED, 1 / REDUCED, 1]) @ INTRINSICS


def pattern(points):
    """RGB (..., 3) of places on the sphere: waves half as long as two edges of the mesh."""
    waves = np.sin(points * (2 * np.pi / 0.7))
    return 128 + 60 * waves[..., [1, 2, 0]] * waves[..., [0, 1, 2]]


def seen_from(pose, intrinsics, size):
    """Where the rays of the pixels meet the sphere, (H, W, 3), and their depths (H, W)."""
    camera_from_pixel = np.linalg.inv(intrinsics)
    rays = pixel_centres(*size) @ camera_from_pixel[:, :2].T + camera_from_pixel[:, 2]
    along, start = rays @ pose[:3, :3].T, pose[:3, 3]
    a, b = (along**2).sum(axis=-1), along @ start
    depth = (-b + np.sqrt(b * b - a * (start @ start - RADIUS**2))) / a
    return start + depth[..., None] * along, depth.astype(np.float32)


def poses():
    """Twelve cameras that look from near the middle to all sides."""
    rng = np.random.default_rng(0)
    for forward in trimesh.creation.icosahedron().vertices:
        right = np.cross(rng.normal(size=3), forward)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = rng.uniform(-1.5, 1.5, 3)
        yield pose


@pytest.fixture(scope="module")
def sphere():
    """A sphere seen from within: vertices (2562, 3), faces (5120, 3)."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    return np.asarray(ball.vertices), np.asarray(ball.faces)[:, ::-1].astype(np.int64)


def on_faces(vertices, faces, seed=1, count=20000):
    """Random places on faces: the faces (n,), weights of their corners (n, 3), places (n, 3)."""
    rng = np.random.default_rng(seed)
    face, weights = rng.integers(len(faces), size=count), rng.dirichlet(np.ones(3), count)
    return face, weights, (weights[..., None] * vertices[faces[face]]).sum(axis=1)


def read_texture(picture, uv):
    """Colours (n, 3) at coordinates (n, 2), as renderers read them: v upwards, bilinear."""
    height, width, _ = picture.shape
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    c, r = np.floor(x).astype(int), np.floor(y).astype(int)
    a, b = (x - c)[:, None], (y - r)[:, None]
    corner = {(i, j): picture[r + i, c + j].astype(float) for i in (0, 1) for j in (0, 1)}
    upper = (1 - a) * corner[0, 0] + a * corner[0, 1]
    return (1 - b) * upper + b * ((1 - a) * corner[1, 0] + a * corner[1, 1])


def painted(vertices, faces, frames, size=1024):
    """Texture and colours of vertices from frames of ``(pose, RGB)``."""
    painter = TexturePainter(vertices, faces, size, 0.5, RADIUS)
    sums = ColourSums(vertices, 0.5)
    for pose, frame in frames:
        _, depth = seen_from(pose, MAP_INTRINSICS, (FRAME[0] // REDUCED, FRAME[1] // REDUCED))
        maps = view_maps(depth, MAP_INTRINSICS, RADIUS)
        shown = shown_frame(frame, maps, MAP_INTRINSICS, pose, np.zeros(2), REDUCED)
        for one in (painter, sums):
            one.add(shown)
    return painter.texture(sums.mean()), sums.mean()


def picture(pose):
    return pose, np.round(pattern(seen_from(pose, INTRINSICS, FRAME)[0])).astype(np.uint8)


@pytest.fixture(scope="module")
def frames():
    return [picture(pose) for pose in poses()]


@pytest.fixture(scope="module")
def clean(sphere, frames):
    return painted(*sphere, frames)


def test_a_texture_shows_what_colours_of_vertices_cannot(sphere, clean):
    (vertices, faces), (texture, colours) = sphere, clean
    face, weights, points = on_faces(vertices, faces)
    uv = (weights[..., None] * texture.coordinates[texture.faces[face]]).sum(axis=1)
    truth = pattern(RADIUS * points / np.linalg.norm(points, axis=1, keepdims=True))
    blurred = (weights[..., None] * colours[faces[face]]).sum(axis=1)
    error = np.abs(read_texture(texture.picture, uv) - truth).mean()
    assert error < 5 and np.abs(blurred - truth).mean() > 4 * error


def test_every_place_on_a_face_reads_texels_of_its_own_place(sphere):
    vertices, faces = sphere
    atlas = make_atlas(vertices, faces, 512)
    uv, uv_faces = coordinates(atlas, faces)
    index, points = places(atlas, vertices, faces)
    lies = np.full((512 * 512, 3), np.nan)
    lies[index] = points
    face, weights, expected = on_faces(vertices, faces)
    found = read_texture(
        lies.reshape(512, 512, 3), (weights[..., None] * uv[uv_faces[face]]).sum(axis=1)
    )
    # NaN if any of the four texels shows no face; a texel of another chart lies elsewhere.
    assert np.abs(found - expected).max() < 2 / atlas.density
    assert np.abs(found - expected).mean() < 0.05 / atlas.density


def test_a_surface_that_winds_over_itself_is_laid_out_apart(monkeypatch):
    monkeypatch.setattr(texture_atlas, "_BLOCKS", 1)
    turns = np.linspace(0, 4 * np.pi, 120)
    rim = np.stack([np.cos(turns), np.sin(turns), turns / 30], axis=1)
    vertices = np.concatenate([rim * (0.4, 0.4, 1), rim])
    n = np.arange(119)
    faces = np.concatenate(
        [np.stack([n, n + 120, n + 1], 1), np.stack([n + 1, n + 120, n + 121], 1)]
    )
    atlas = make_atlas(vertices, faces, 256)
    corners = atlas.corners[:, [0, 1, 2, 0]]
    shown = np.bincount(atlas.owner[atlas.owner >= 0], minlength=len(faces))
    edges = np.diff(corners, axis=1)
    area = 0.5 * np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    assert (shown > 0.7 * area - 3).all()  # no face hides another one
    assert len(set(atlas.chart.tolist())) > 1


def test_a_highlight_in_one_frame_is_not_painted(sphere, frames):
    vertices, faces = sphere
    pose, frame = frames[0]
    aside = pose.copy()
    aside[:3, 3] += 0.5 * pose[:3, 0] - 0.3 * pose[:3, 2]
    spotted = frame.copy()
    spotted[np.hypot(*(np.indices(FRAME) - np.array([[[128]], [[160]]]))) < 12] = 255
    place = seen_from(pose, INTRINSICS, FRAME)[0][128, 160]
    face, weights, points = on_faces(vertices, faces, count=200000)
    near = np.linalg.norm(points - place, axis=1) < 0.6
    truth = pattern(RADIUS * points / np.linalg.norm(points, axis=1, keepdims=True))[near]
    assert near.sum() > 50
    for other, wrong in (((aside, spotted), 100), (picture(aside), 0)):
        texture, _ = painted(vertices, faces, [(pose, spotted), other])
        uv = (weights[..., None] * texture.coordinates[texture.faces[face]]).sum(axis=1)[near]
        error = np.abs(read_texture(texture.picture, uv) - truth).mean()
        assert wrong * 0.9 < error < wrong + 8


def test_what_no_frame_saw_has_the_colours_of_its_vertices(sphere):
    vertices, faces = sphere
    painter = TexturePainter(vertices, faces, 256, 0.5, RADIUS)
    texture = painter.texture(np.full(vertices.shape, (10, 200, 30), np.uint8))
    assert (texture.picture == (10, 200, 30)).all()


def test_the_command_writes_three_files_that_another_program_reads(tmp_path, capsys):
    sequence, folder = torus_sequence(tmp_path / "sequence")
    output = tmp_path / "my torus.obj"
    words = ["endodepth", "fuse", str(sequence.folder), "--depth", str(folder), "--size", "48"]
    words += ["--output", str(output), "--scaling", "none", "--json"]
    assert main([*words, "--texture", "on", "--texture-size", "512"]) == 0
    report = json.loads(capsys.readouterr().out)
    left = sorted(path.name for path in tmp_path.glob("my*"))
    assert left == ["my torus.json", "my torus.obj", "my_torus.mtl", "my_torus.png"]
    assert str(tmp_path) not in (tmp_path / "my_torus.mtl").read_text()
    parameters = FusionParameters(size=48, scaling="none", texture=True, texture_size=512)
    surface = fuse(sequence, read_depth_folder(folder), parameters)
    loaded = trimesh.load(output, process=False)
    picture = np.asarray(loaded.visual.material.image.convert("RGB"))
    np.testing.assert_array_equal(picture, surface.texture.picture)
    assert len(loaded.faces) == report["faces"] == len(surface.mesh.faces)
    corners = surface.mesh.vertices[surface.mesh.faces]
    np.testing.assert_allclose(loaded.vertices[loaded.faces], corners, rtol=1e-7)
    uv = surface.texture.coordinates[surface.texture.faces]
    np.testing.assert_allclose(loaded.visual.uv[loaded.faces], uv, atol=1e-7)
    face, weights, points = on_faces(np.asarray(loaded.vertices), np.asarray(loaded.faces))
    places_uv = (weights[..., None] * loaded.visual.uv[loaded.faces[face]]).sum(axis=1)
    error = np.abs(read_texture(picture, places_uv) - colour(points))
    assert np.median(error) <= 1 and error.mean() < 2


def test_a_texture_without_a_place_is_refused(tmp_path, capsys, sphere):
    sequence, folder = torus_sequence(tmp_path / "sequence")
    words = ["endodepth", "fuse", str(sequence.folder), "--depth", str(folder), "--texture", "on"]
    before = sorted(tmp_path.iterdir())
    assert main([*words, "--output", str(tmp_path / "mesh.ply")]) == 2
    assert "a texture goes with .obj; write mesh.obj" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"a texture of 32 x 32 pixels has no room for the \d+"):
        make_atlas(*sphere, 32)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        fuse(sequence, read_depth_folder(folder), FusionParameters(texture=True), cancel=token)
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    texture = Texture(np.zeros((4, 4, 3), np.uint8), np.eye(3)[:, :2], np.array([[0, 1, 2]]))
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write_textured_mesh(tmp_path / "a.obj", mesh, texture)
    (tmp_path / "a.png").rmdir()
    with pytest.raises(FileError, match=r"written as \.obj"):
        write_textured_mesh(tmp_path / "a.ply", mesh, texture)
    assert sorted(tmp_path.iterdir()) == before
    assert [path.name for path in companions("a/b  c.obj")] == ["b_c.mtl", "b_c.png"]
