"""The table of coverage: rooms of files, sums of lines."""

from __future__ import annotations

from pathlib import Path

from coverage_rooms import MODULES, ROOT, room_of, rooms, table


def entry(run: int, lines: int) -> dict[str, dict[str, int]]:
    return {"summary": {"covered_lines": run, "num_statements": lines}}


def test_lines_are_summed_by_room():
    found = rooms(
        {
            "SlicerMedDL/meddl/core/files.py": entry(9, 10),
            "SlicerMedDL/meddl/core/image.py": entry(0, 20),
            "SlicerMedDL/meddl/__init__.py": entry(1, 1),
            "SlicerMedDL/SlicerMedDLLib/tasks.py": entry(3, 4),
            "DesmokeModule/DesmokeModuleLib/panel/live.py": entry(0, 0),
        }
    )
    assert found == {
        "DesmokeModule": (0, 0),
        "SlicerMedDLLib": (3, 4),
        "meddl": (1, 1),
        "meddl.core": (9, 30),
    }
    assert table(found).splitlines()[-2:] == [
        "| meddl.core | 30 | 30% |",
        "| together | 35 | 37% |",
    ]


def test_every_room_of_the_design_is_there():
    places = [*(ROOT / "SlicerMedDL").rglob("*.py"), *(ROOT / MODULES[0]).rglob("*.py")]
    found = {room_of(path.relative_to(ROOT)) for path in places}
    names = [path.name for path in Path(ROOT / "SlicerMedDL/meddl").iterdir() if path.is_dir()]
    systems = {"core", "geodesic", "deepigeos", "deepdrr", "endodepth", "desmoke", "rendering"}
    assert systems <= {name for name in names if f"meddl.{name}" in found}
    assert {"SlicerMedDL", "SlicerMedDLLib", "DeepDRRModule"} <= found
