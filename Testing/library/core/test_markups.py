"""Points through files: round trips, frames, units, and rows that are refused by number."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from meddl.core import FileError, InputError
from meddl.core.markups import Points, read_points, write_points
from properties import examples

COORDINATES = st.tuples(*[st.floats(-1e4, 1e4)] * 3)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS.map(str.strip), COORDINATES), min_size=1, max_size=5))
@pytest.mark.parametrize("name", ["x.mrk.json", "x.csv"])
def test_points_round_trip(tmp_path, name, rows):
    points = Points(tuple(label for label, _ in rows), np.array([p for _, p in rows]))
    write_points(tmp_path / name, points)
    back = read_points(tmp_path / name)
    assert back.labels == points.labels
    np.testing.assert_array_equal(back.ras, points.ras)


def markup(**fields):
    return {"markups": [{"type": "Line", "controlPoints": [], **fields}]}


def test_markups_honour_frame_units_and_status(tmp_path):
    points = [
        {"label": "a", "position": [1, 2, 3]},
        {"label": "b", "position": [4, 5, 6], "positionStatus": "defined"},
        {"label": "not placed", "positionStatus": "undefined"},
    ]
    path = tmp_path / "x.mrk.json"
    for fields, expected in [
        ({"coordinateSystem": "RAS"}, [[1, 2, 3], [4, 5, 6]]),
        ({"coordinateSystem": "LPS"}, [[-1, -2, 3], [-4, -5, 6]]),
        ({}, [[-1, -2, 3], [-4, -5, 6]]),
        ({"coordinateUnits": ["um", "UCUM", "micrometer"]}, [[-1e-3, -2e-3, 3e-3]]),
    ]:
        path.write_text(json.dumps(markup(controlPoints=points, **fields)))
        back = read_points(path)
        assert back.labels == ("a", "b") and back.kind == "Line"
        np.testing.assert_allclose(back.ras[: len(expected)], expected)


def test_fcsv_is_ras_unless_it_says_lps(tmp_path):
    rows = "vtkMRMLMarkupsFiducialNode_0,-1.5,2,3,0,0,0,1,1,1,0,tip,,\n"
    path = tmp_path / "x.fcsv"
    for line, expected in [
        ("", [-1.5, 2, 3]),
        ("# CoordinateSystem = 0\n", [-1.5, 2, 3]),
        ("# CoordinateSystem = LPS\n", [1.5, -2, 3]),
    ]:
        path.write_text(f"# Markups fiducial file version = 4.11\n{line}{rows}")
        points = read_points(path)
        assert points.labels == ("tip",)
        np.testing.assert_array_equal(points.ras, [expected])
    path.write_text("# columns = label,x,y,z,sel,vis\nold,7,8,9,1,1\n")
    assert read_points(path).labels == ("old",)
    np.testing.assert_array_equal(read_points(path).ras, [[7, 8, 9]])


def test_csv_columns_may_stand_in_any_order(tmp_path):
    (tmp_path / "x.csv").write_text('s, a,r,label\n3,2,1,"left, upper"\n\n')
    points = read_points(tmp_path / "x.csv")
    assert points.labels == ("left, upper",)
    np.testing.assert_array_equal(points.ras, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "label,r,a,s\na,1,2,3\nb,1,2\n", "line 3"),
        ("x.csv", "label,r,a,s\na,1,2,far\n", r"line 2.*far"),
        ("x.csv", "label,r,a,s\na,1,nan,3\n", r"line 2.*finite"),
        ("x.csv", "label,x,y,z\na,1,2,3\n", "label,r,a,s was expected"),
        ("x.csv", "label,r,a,s\n", "no point"),
        ("x.fcsv", "# CoordinateSystem = IJK\n", "'IJK'"),
        ("x.fcsv", "id,1,2\n", "line 1"),
        ("x.mrk.json", "{}", "markups"),
        ("x.mrk.json", "[1, 2]", "markups"),
        ("x.mrk.json", '{"markups": [', "line 1"),
        ("x.mrk.json", "[" * 5000, "no valid"),
        ("x.mrk.json", json.dumps(markup(coordinateSystem="IJK")), "'IJK'"),
        ("x.mrk.json", json.dumps(markup(coordinateUnits="inch")), "'inch'"),
        ("x.mrk.json", json.dumps(markup(controlPoints=[7])), "control point 1"),
        ("x.mrk.json", json.dumps(markup(controlPoints=[{"label": "a"}])), "control point 1"),
        (
            "x.mrk.json",
            json.dumps(markup(controlPoints=[{"position": [1, 2, 10**400]}])),
            "control point 1",
        ),
        ("x.mrk.json", json.dumps(markup(controlPoints=[{"position": ["1", 2, 3]}])), "position"),
        ("x.mrk.json", json.dumps(markup()), "no point"),
        ("x.txt", "1 2 3", ".mrk.json, .fcsv or .csv"),
    ],
)
def test_bad_point_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=message) as caught:
        read_points(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_text_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes("label,r,a,s\nä,1,2,3\n".encode("latin-1"))
    with pytest.raises(FileError, match="UTF-8"):
        read_points(tmp_path / "x.csv")


def test_points_are_checked_when_made():
    with pytest.raises(InputError, match=r"2 labels for points of shape \(1, 3\)"):
        Points(("a", "b"), np.zeros((1, 3)))
    with pytest.raises(InputError, match="not finite"):
        Points(("a",), np.array([[1, np.inf, 2]]))
    with pytest.raises(InputError, match="'Dot'"):
        Points(("a",), np.zeros((1, 3)), "Dot")
