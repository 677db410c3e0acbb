"""VTK's XML polygons against what VTK itself wrote, in every encoding that it has."""

from __future__ import annotations

import re

import numpy as np
import pytest

from meddl.core import FileError, Mesh, read_mesh
from meddl.core.vtp import read_vtp

vtk = pytest.importorskip("vtkmodules.vtkIOXML")


@pytest.fixture(scope="module")
def polygons():
    """Triangles and quadrilaterals, by VTK, and its own triangles of them."""
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter
    from vtkmodules.vtkFiltersSources import vtkCylinderSource

    source = vtkCylinderSource()
    source.SetCenter(10, 20, 30)
    source.SetResolution(7)  # quadrilaterals on the side, heptagons at the ends
    source.Update()
    triangles = vtkTriangleFilter()
    triangles.SetInputConnection(source.GetOutputPort())
    triangles.Update()
    return source.GetOutput(), triangles.GetOutput()


def arrays(polydata):
    from vtkmodules.util.numpy_support import vtk_to_numpy

    points = vtk_to_numpy(polydata.GetPoints().GetData()).astype(float)
    return points, vtk_to_numpy(polydata.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def write(path, polydata, **options):
    writer = vtk.vtkXMLPolyDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(polydata)
    for name, value in options.items():
        getattr(writer, f"Set{name}")(*(value if isinstance(value, tuple) else (value,)))
    assert writer.Write() == 1
    return path


def volume(points, faces):
    corners = points[faces]
    return np.einsum("ni,ni", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6


@pytest.mark.parametrize("mode", ["Ascii", "Binary", "Appended", "raw"])
@pytest.mark.parametrize("compressor", [0, 1])  # none, zlib
@pytest.mark.parametrize("header", [32, 64])
@pytest.mark.parametrize("order", [0, 1])  # big, little endian
def test_every_encoding_of_vtk_is_read(tmp_path, polygons, mode, compressor, header, order):
    options = {"CompressorType": compressor, "HeaderType": header, "ByteOrder": order}
    options["DataMode"] = {"Ascii": 0, "Binary": 1}.get(mode, 2)
    options["EncodeAppendedData"] = 0 if mode == "raw" else 1
    source, triangles = polygons
    points, faces = arrays(triangles)
    path = write(tmp_path / "t.vtp", triangles, BlockSize=128, **options)
    found = read_vtp(path)
    np.testing.assert_allclose(found[0], points, rtol=1e-6)
    np.testing.assert_array_equal(found[1], faces)
    found = read_vtp(write(tmp_path / "p.vtp", source, BlockSize=128, **options))
    assert len(found[1]) == len(faces)
    assert volume(*found[:2]) == pytest.approx(volume(points, faces), rel=1e-5)


def test_strips_become_triangles(tmp_path, polygons):
    from vtkmodules.vtkFiltersCore import vtkStripper

    stripper = vtkStripper()
    stripper.SetInputData(polygons[1])
    stripper.Update()
    assert stripper.GetOutput().GetNumberOfStrips() > 0
    points, faces, _ = read_vtp(write(tmp_path / "s.vtp", stripper.GetOutput()))
    expected = arrays(polygons[1])
    assert len(faces) == len(expected[1])
    assert volume(points, faces) == pytest.approx(volume(*expected), rel=1e-5)


def test_files_of_slicer_say_their_space_and_others_are_lps(tmp_path, polygons):
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    flip = np.array([-1, -1, 1])
    points, faces = arrays(polygons[1])
    plain = read_mesh(write(tmp_path / "a.vtp", polygons[1]))
    assert isinstance(plain, Mesh)
    np.testing.assert_allclose(plain.vertices, points * flip, rtol=1e-6)
    for space, signs in (("LPS", flip), ("RAS", np.ones(3))):
        named = vtkPolyData()
        named.ShallowCopy(polygons[1])
        text = vtkStringArray()
        text.SetName("SPACE")
        text.InsertNextValue(space)
        named.GetFieldData().AddArray(text)
        for mode in (0, 1, 2):
            mesh = read_mesh(write(tmp_path / "a.vtp", named, DataMode=mode))
            np.testing.assert_allclose(mesh.vertices, points * signs, rtol=1e-6)
            np.testing.assert_array_equal(mesh.faces, faces)


def test_damaged_files_are_named(tmp_path, polygons):
    path = write(tmp_path / "a.vtp", polygons[1])
    whole = path.read_bytes()
    for end in (10, 200, 900, len(whole) // 2, len(whole) - 300):
        path.write_bytes(whole[:end])
        with pytest.raises(FileError, match=re.escape(str(path))):
            read_mesh(path)
    raw = write(path, polygons[1], EncodeAppendedData=0) and path.read_bytes()
    path.write_bytes(raw[: raw.index(b"_", raw.index(b"<AppendedData")) + 60])
    with pytest.raises(FileError, match=r"truncated|no valid"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"PolyData", b"ImageData", "holds ImageData, PolyData was expected"),
        (b"vtkZLibDataCompressor", b"vtkLZ4DataCompressor", "compressed by vtkLZ4DataCompressor"),
        (b"<VTKFile", b"<!DOCTYPE a><VTKFile", "declares XML entities"),
        (b'type="Float32"', b'type="Float16"', "no valid VTK"),
        (b'Name="offsets"', b'Name="offset"', "holds no triangle"),
        (b"<Points>", b"<Point>", "no valid VTK"),
    ],
)
def test_other_contents_are_refused(tmp_path, polygons, before, after, message):
    path = write(tmp_path / "a.vtp", polygons[1])
    path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(FileError, match=message):
        read_mesh(path)
