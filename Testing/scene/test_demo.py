"""The demo: one killed run, then one complete run with small pictures, judged by its files."""

from __future__ import annotations

import html.parser
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "Testing" / "data"
FIGURES = [
    *(
        f"deepdrr/{name}.png"
        for name in ("radiographs", "landmark", "materials", "noise", "pelvis", "carm", "slices")
    ),
    *(f"deepigeos/{name}.png" for name in ("rounds", "organs", "dice")),
    *(f"endodepth/{name}.png" for name in ("depths", "surface")),
    *(f"desmoke/{name}.png" for name in ("frames", "synthetic", "levels")),
]
SCENES = {f"{name}/{name}.mrb" for name in ("deepdrr", "deepigeos", "endodepth", "desmoke")}
NUMBERS = {"deepdrr": 7, "deepigeos": 9, "endodepth": 5, "desmoke": 6}


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, ROOT / "Testing" / "demo", "--fast", *arguments]
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the demo ended without {text!r}: {process.communicate()[1]}")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo of a second run: an earlier demo was there, and the first run was killed."""
    folder = tmp_path_factory.mktemp("demo") / "with space"
    folder.mkdir()
    (folder / "report.html").write_text("the previous demo")
    process = start("--output", folder)
    wait_for(process, "radiograph LAO")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    assert (folder / "report.html").read_text() == "the previous demo"
    assert len(list(folder.parent.iterdir())) == 2  # and what the killed run left
    process = start("--output", folder, "--screenshots", folder.parent / "screenshots")
    printed, errors = process.communicate(timeout=480)
    assert process.returncode == 0, errors
    assert printed.splitlines()[-1] == f"The demo is ready: {folder / 'report.html'}"
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "screenshots"}
    return folder


def test_report_shows_every_figure_and_says_what_it_is_not(output: Path) -> None:
    class Links(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.links += [str(value) for name, value in attributes if name in ("src", "href")]

    page = Links()
    text = (output / "report.html").read_text(encoding="utf-8")
    page.feed(text)
    assert {*FIGURES} | SCENES == set(page.links)
    assert all((output / link).is_file() for link in page.links)
    assert "not for clinical use" in text and "CC BY 4.0" in text and "Apache-2.0" in text


@pytest.mark.parametrize(
    "name",
    [
        *FIGURES,
        *(
            f"../screenshots/{name}Module.png"
            for name in ("DeepDRR", "DeepIGeoS", "EndoDepth", "Desmoke")
        ),
    ],
)
def test_figures_are_not_blank(output: Path, name: str) -> None:
    with Picture.open(output / name) as picture:
        grey = np.asarray(picture.convert("L"), dtype=float)
    rows, columns = grey.shape[0] // 2, grey.shape[1] // 3
    blocks = grey[: 2 * rows, : 3 * columns].reshape(2, rows, 3, columns)
    assert np.count_nonzero(blocks.std(axis=(1, 3)) > 8) >= 4


@pytest.mark.parametrize("chapter", NUMBERS)
def test_every_number_is_as_expected(output: Path, chapter: str) -> None:
    numbers = json.loads((output / chapter / "chapter.json").read_text())["numbers"]
    assert len(numbers) == NUMBERS[chapter]
    assert [one["what"] for one in numbers if not one["good"]] == []


def test_scene_holds_named_coloured_segments(output: Path, tmp_path: Path) -> None:
    """Read with SimpleITK and the zip archive, not with the demo's own reader."""
    import SimpleITK as sitk

    with zipfile.ZipFile(output / "deepdrr" / "deepdrr.mrb") as archive:
        names = {Path(name).name for name in archive.namelist()}
        archive.extractall(tmp_path)
    assert {"Abdomen CT.nrrd", "Detector.vtk", "X-ray source.vtk", "C-arm.h5"} <= names
    assert {"Radiograph AP.nrrd", "vertebra L5.mrk.json", "Central ray.mrk.json"} <= names
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(next(tmp_path.glob("*/Data/Abdomen structures.seg.nrrd"))))
    reader.ReadImageInformation()
    header = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    count = sum(key.endswith("_Name") for key in header)
    written = {
        header[f"Segment{n}_Name"]: [float(c) for c in header[f"Segment{n}_Color"].split()]
        for n in range(count)
    }
    table = json.loads((DATA / "abdomen_pelvis_labels.json").read_text())
    assert len(written) == len(table) == 61
    for entry in table.values():
        np.testing.assert_allclose(written[entry["name"]], entry["color"], atol=1e-3)


def test_interrupt_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    process = start("--output", tmp_path / "demo")
    wait_for(process, "radiograph AP")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "meddl demo: cancelled")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_demo_is_refused(tmp_path: Path) -> None:
    from demo.workspace import workspace
    from meddl.core.errors import FileError

    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="holds no demo"), workspace(tmp_path, keep=False):
        pytest.fail("the folder was accepted")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_demo_in_progress_is_not_disturbed(tmp_path: Path) -> None:
    from demo.workspace import workspace
    from meddl.core.errors import FileError

    with workspace(tmp_path / "demo", keep=False) as folder:
        with (
            pytest.raises(FileError, match=f"process {os.getpid()}"),
            workspace(tmp_path / "demo", keep=False),
        ):
            pytest.fail("a second run was allowed")
        (folder / "report.html").write_text("done")
    assert (tmp_path / "demo" / "report.html").read_text() == "done"


def test_a_run_killed_between_the_two_renames_is_undone(tmp_path: Path) -> None:
    from demo.workspace import workspace

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".demo.part-{ended.pid}" / "old"
    left.mkdir(parents=True)
    (left / "report.html").write_text("the previous demo")
    with workspace(tmp_path / "demo", keep=False) as folder:
        assert (tmp_path / "demo" / "report.html").read_text() == "the previous demo"
        (folder / "report.html").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert (tmp_path / "demo" / "report.html").read_text() == "new"


def test_one_chapter_keeps_the_others(tmp_path: Path) -> None:
    from demo.workspace import workspace

    for keep, expected in ((True, {"other", "report.html"}), (False, {"report.html"})):
        demo = tmp_path / f"demo{keep}"
        (demo / "other").mkdir(parents=True)
        (demo / "report.html").write_text("")
        with workspace(demo, keep) as folder:
            (folder / "report.html").write_text("new")
        assert {path.name for path in demo.iterdir()} == expected


def test_missing_data_is_one_line(tmp_path: Path) -> None:
    process = start("--output", tmp_path / "demo", "--data", tmp_path / "nowhere")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "abdomen_pelvis_ct.nii.gz" in errors
    assert list(tmp_path.iterdir()) == []


def test_views_show_points_where_they_say(scene: object) -> None:
    """A small sphere is drawn at the pixel that View.locate gives, in slices and in 3-D."""
    import slicer
    import vtk

    from demo.views import offscreen_problem, slice_view, three_d_view

    if offscreen_problem():
        pytest.skip(str(offscreen_problem()))
    voxels = np.zeros((30, 40, 50), np.int16)
    voxels[21, 12, 33] = 1000
    matrix = np.array([[-2, 0, 0, 40], [0, -2, 0, 30], [0, 0, 3, -20], [0, 0, 0, 1.0]])
    volume = slicer.util.addVolumeFromArray(voxels, ijkToRAS=matrix)
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 1000)
    point = (matrix @ [33, 12, 21, 1])[:3]
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(*point)
    sphere.SetRadius(3)
    sphere.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode")  # type: ignore[attr-defined]
    model.SetAndObservePolyData(sphere.GetOutput())
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(1, 0, 0)
    views = [
        slice_view(volume, name, (301, 240), point) for name in ("Axial", "Coronal", "Sagittal")
    ]
    views.append(
        three_d_view(scene, (400, 300), np.add(point, (40, -180, 60)), np.add(point, (10, 0, -12)))
    )
    for number, view in enumerate(views):
        marked = view.picture.max(axis=2).astype(float)
        if number == 3:
            marked = np.where(view.picture[..., 0] > 2.0 * view.picture[..., 1] + 20, 1.0, 0.0)
        rows, columns = np.nonzero(marked)
        centre = np.average(np.column_stack([columns, rows]), axis=0, weights=marked[rows, columns])
        assert np.linalg.norm(centre - view.locate(point)[0]) < 1.0


def test_letters_follow_the_patient() -> None:
    from demo.figures import direction_letters

    assert direction_letters((0.9, -0.4, 0.1)) == ("R", "L")
    assert direction_letters((0.3, -0.9, 0.1)) == ("P", "A")
    assert direction_letters((0, 0, -1)) == ("I", "S")


def test_missing_opengl_is_said_in_one_line(
    no_host_errors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo import views

    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"  # what VTK does without EGL
    monkeypatch.setattr(views, "TRIAL", crash)
    problem = views.offscreen_problem()
    assert problem is not None and "libegl1" in problem and "\n" not in problem
