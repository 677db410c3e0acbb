"""Meshes through files: round trips, frames, polygons, and damaged files."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from meddl.core import FileError, InputError, Mesh, read_mesh, write_mesh

TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [10.5, 0, 0], [0, 20.25, 0], [0, 0, -30.125]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)
ASCII_PLY = """ply
format ascii 1.0
comment SPACE={space}
element vertex 4
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
0 0 0
1 0 0
1 2 0
0 2 0
4 0 1 2 3
"""
ASCII_STL = """solid x {header}
facet normal 0 0 1
outer loop
vertex 1 2 3
vertex 4 2 3
vertex 1 5 3
endloop
endfacet
endsolid
"""


def triangles(mesh):
    """(M, 3, 3) corners, each triangle turned to begin with its smallest corner, sorted."""
    corners = mesh.vertices[mesh.faces].tolist()
    turned = [t[t.index(min(t)) :] + t[: t.index(min(t))] for t in corners]
    return np.array(sorted(turned))


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_meshes_round_trip_and_are_stored_in_lps(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_mesh(path, TETRAHEDRON)
    back = read_mesh(path)
    assert len(back.vertices) == 4
    np.testing.assert_array_equal(triangles(back), triangles(TETRAHEDRON))
    content = path.read_bytes()
    assert b"SPACE=LPS" in content[:200]
    if suffix == ".stl":  # the layout: 80 bytes, count, then normal and three corners as float32
        (count,) = struct.unpack_from("<I", content, 80)
        first = np.frombuffer(content, "<f4", 9, 84 + 12).reshape(3, 3)
        assert count == 4
        expected = TETRAHEDRON.vertices[TETRAHEDRON.faces[0]] * [-1, -1, 1]
        np.testing.assert_array_equal(first, expected)
    if suffix == ".obj":
        assert "v -10.5" in path.read_text()


@pytest.mark.parametrize(("header", "sign"), [("SPACE=RAS", 1), ("SPACE=LPS", -1), ("", -1)])
def test_the_header_says_the_frame(tmp_path, header, sign):
    (tmp_path / "x.stl").write_text(ASCII_STL.format(header=header))
    (tmp_path / "x.obj").write_text(f"# {header}\nv 1 2 3\nv 4 2 3\nv 1 5 3\nf 1 2 3\n")
    expected = np.array([[1, 2, 3], [4, 2, 3], [1, 5, 3]]) * [sign, sign, 1]
    for name in ("x.stl", "x.obj"):
        mesh = read_mesh(tmp_path / name)
        np.testing.assert_array_equal(mesh.vertices[mesh.faces[0]], expected)


def test_polygons_become_triangles_of_the_same_area(tmp_path):
    (tmp_path / "x.ply").write_text(ASCII_PLY.format(space="RAS"))
    mesh = read_mesh(tmp_path / "x.ply")
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(2.0)


def test_a_material_library_is_not_followed(tmp_path, monkeypatch):
    content = "mtllib secret.mtl\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "x.obj").write_text(content)
    (tmp_path / "case" / "secret.mtl").write_text("newmtl x\nmap_Kd http://127.0.0.1:9/x.png\n")
    opened = []
    real = open

    def spy(file, *args, **kwargs):
        opened.append(str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr("builtins.open", spy)
    monkeypatch.setattr("io.open", spy)  # what pathlib calls
    assert len(read_mesh(tmp_path / "case" / "x.obj").faces) == 1
    assert any("x.obj" in name for name in opened)
    assert not any("secret.mtl" in name for name in opened)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.stl", b"nonsense"),
        ("x.stl", bytes(80) + struct.pack("<I", 4_000_000_000) + bytes(50)),
        ("x.stl", ASCII_STL.format(header="").replace("4 2 3", "nan 2 3").encode()),
        ("x.ply", ASCII_PLY.format(space="LPS").replace("4 0 1 2 3", "3 0 1 9").encode()),
        ("x.ply", ASCII_PLY.format(space="LPS").replace("vertex 4", "vertex 400000000").encode()),
        ("x.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\n"),
        ("x.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99\n"),
        ("x.obj", b"v 0 0 0\n"),
        ("x.obj", b"# nothing\n"),
        ("x.vtp", b"<VTKFile/>"),
        ("x.xyz", b"1 2 3"),
        ("x.ply", b""),
    ],
)
def test_bad_meshes_are_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_mesh(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_vtk_models_are_sent_to_slicer(tmp_path):
    (tmp_path / "x.vtk").write_text("# vtk DataFile Version 3.0\n")
    with pytest.raises(FileError, match="Slicer"):
        read_mesh(tmp_path / "x.vtk")
    with pytest.raises(FileError, match="Slicer"):
        write_mesh(tmp_path / "y.vtp", TETRAHEDRON)


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (np.zeros((3, 2)), [[0, 1, 2]]),
        (np.zeros((3, 3)), [[0, 1, 3]]),
        (np.zeros((3, 3)), [[0, 1, -1]]),
        (np.zeros((3, 3)), [[0.0, 1.0, 2.0]]),
        (np.full((3, 3), np.nan), [[0, 1, 2]]),
        (np.zeros((3, 3)), np.zeros((0, 3), int)),
    ],
)
def test_meshes_are_checked_when_made(vertices, faces):
    with pytest.raises(InputError):
        Mesh(vertices, np.array(faces))
