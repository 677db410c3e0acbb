"""The configuration of a data set, what is drawn for a view, and what a view's files hold."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pydicom
import pytest
import tifffile

from meddl.core import FileError, Image, InputError, read_image, write_image
from meddl.core.files import claimed_folder
from meddl.core.geometry import compose
from meddl.core.yaml_lines import read_yaml
from meddl.deepdrr import Camera, CArm, read_camera, render
from meddl.deepdrr.dataset import (
    ViewTask,
    draw_parameters,
    draw_solids,
    draw_view,
    plan,
    read_dataset,
)
from meddl.deepdrr.dataset_draws import parse_variation
from meddl.deepdrr.dataset_record import (
    check_folder,
    trusted,
    write_config,
    write_landmarks,
    write_manifest,
)
from meddl.deepdrr.dataset_run import choose_ct, disk_bytes, generate
from meddl.deepdrr.dataset_worker import quantise, render_view
from meddl.deepdrr.instruments import INSTRUMENTS
from meddl.deepdrr.prepared import prepare
from meddl.deepdrr.radiograph import RenderParameters, render_prepared
from meddl.deepdrr.solids import Solid

CONFIG = """\
seed: 5
views: 4
cts:
  - path: ct.nii.gz
    labels: labels.nii.gz
    landmarks: points.csv
  - {path: other.nrrd, labels: labels.nii.gz}
masks: {ball: 3, absent: 9}
carm: {detector_size: [48, 40], pixel_spacing: 4}
pose:
  primary_angle: [-90, 90]
  source_detector: [1000, 1100]
render:
  noise: on
  spectrum: {choose: [60kV, 120kV]}
  photons: {from: 1e3, to: 1e6, scale: log}
instruments:
  kinds: [ball, k-wire]
  count: [1, 3]
  length: [30, 40]
  distance: 50
"""
RADIUS = 20.0  # mm, of the labelled ball about the origin


@pytest.fixture
def folder(tmp_path):
    """Two small CTs, a label map with a ball, three points, and ``config.yaml``."""
    k, j, i = np.mgrid[-15:16, -20:21, -20:21]
    hu = np.where((i / 18) ** 2 + (j / 14) ** 2 < 1, 40, -1000).astype(np.int16)
    geometry = compose((4, 4, 4), (-80, -80, -60))
    write_image(tmp_path / "ct.nii.gz", Image(hu, geometry))
    write_image(tmp_path / "other.nrrd", Image(hu[:, ::-1], geometry))
    ball = 16 * (i**2 + j**2 + k**2) < RADIUS**2
    write_image(tmp_path / "labels.nii.gz", Image((3 * ball).astype(np.uint8), geometry))
    points = "label,r,a,s\ncenter,0,0,0\naside,0,0,900\nbehind,0,-3000,0\n"
    (tmp_path / "points.csv").write_text(points)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def changed(folder, old: str, new: str):
    """The configuration with a piece of text replaced."""
    assert old in CONFIG
    path = folder / "changed.yaml"
    path.write_text(CONFIG.replace(old, new))
    return path


def test_the_plan_has_every_view_of_every_ct_once(folder):
    tasks = plan(read_dataset(folder / "config.yaml"))
    assert [(t.number, t.ct, t.view) for t in tasks] == [(n, n // 4, n % 4) for n in range(8)]


def test_draws_depend_on_seed_ct_and_view_alone(folder):
    config = read_dataset(folder / "config.yaml")
    more = read_dataset(changed(folder, "views: 4", "views: 40"))
    other = read_dataset(changed(folder, "seed: 5", "seed: 6"))
    center = (1.0, 2.0, 3.0)
    for task in plan(config):
        same = ViewTask(0, task.ct, task.view)
        assert draw_view(config, task, center) == draw_view(more, same, center)
        assert draw_parameters(config, task) == draw_parameters(more, same)
        assert draw_view(config, task, center) != draw_view(other, task, center)
        assert draw_parameters(config, task) != draw_parameters(other, task)
    assert len({draw_parameters(config, task).seed for task in plan(config)}) == 8


def test_draws_fill_their_ranges(folder):
    config = read_dataset(changed(folder, "views: 4", "views: 400"))
    tasks = plan(config)
    views = [draw_view(config, task, (10, 20, 30)) for task in tasks]
    angles = np.array([view.primary_angle for view in views])
    distances = np.array([view.source_detector for view in views])
    shifts = np.array([view.isocenter for view in views]) - (10, 20, 30)
    # 800 uniform draws: the mean is off by 4 standard errors once in 16,000 times.
    for values, low, high in [(angles, -90, 90), (distances, 1000, 1100), (shifts, -20, 20)]:
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        error = (high - low) / np.sqrt(12 * len(values))
        np.testing.assert_allclose(values.mean(axis=0), (low + high) / 2, atol=4 * error)
    assert {view.rotation for view in views} > {views[0].rotation}
    drawn = [draw_parameters(config, task) for task in tasks]
    exponents = np.log10([parameters.photons for parameters in drawn])
    np.testing.assert_allclose(exponents.mean(), 4.5, atol=4 * 3 / np.sqrt(12 * 800))
    share = np.mean([parameters.spectrum == "60kV" for parameters in drawn])
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(800)
    assert {parameters.spectrum for parameters in drawn} == {"60kV", "120kV"}


def test_parameters_that_need_each_other_are_taken_together(folder):
    text = "quantity: counts\n  detector: counting"
    path = changed(folder, "noise: on", text)
    path.write_text(path.read_text() + "range: [0, 1e6]\n")
    config = read_dataset(path)
    assert draw_parameters(config, plan(config)[0]).detector == "counting"


def test_whole_numbers_are_drawn_with_both_ends():
    span = parse_variation({"from": 2, "to": 4}, whole=True)
    assert [span.draw(share) for share in (0, 0.34, 0.999)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("views: 4", "views: 0", 2, "views is 0, at least 1"),
        ("views: 4", "view: 4", 2, "unknown entry"),
        ("seed: 5", "views: 1", 1, "line 2 has it again"),
        ("path: ct.nii.gz", "path: none.nii.gz", 4, "none.nii.gz"),
        ("path: ct.nii.gz", "path: no*.nii.gz", 4, "no file matches"),
        ("landmarks: points.csv", "landmark: points.csv", 6, "unknown entry"),
        ("labels: labels.nii.gz}", "labels: no.nii.gz}", 7, "no.nii.gz"),
        ("ball: 3", "ball: -3", 8, "-3 is no label"),
        ("masks: {ball: 3, absent: 9}", "", 3, "without masks"),
        ("pixel_spacing: 4", "pixel_spacing: 0", 9, "pixel-spacing is 0"),
        ("pixel_spacing: 4", "rotation: 4", 9, "the pose says"),
        ("primary_angle: [-90, 90]", "primary_angle: [90, -90]", 11, "swapped"),
        ("primary_angle: [-90, 90]", "primary_angle: 90", 11, "2 numbers were expected"),
        ("[1000, 1100]", "[500, 1100]", 12, "behind the detector"),
        ("noise: on", "noise: maybe", 14, "on or off"),
        ("noise: on", "quantity: path", 13, "one value per pixel"),
        ("noise: on", "quantity: {choose: [energy, neglog]}", 14, "one quantity"),
        ("noise: on", "quantity: counts\n  detector: bins:20,50,80", 13, "one value per pixel"),
        ("views: 4", "format: dcm\nrange: [0, 1]", 3, "leave range out"),
        ("kinds: [ball, k-wire]", "kinds: [ball, nail]", 18, "a list was expected of"),
        ("count: [1, 3]", "count: [3, 1]", 19, "swapped"),
        ("length: [30, 40]", "length: [1, 40]", 20, "k-wire: "),
        ("noise: on", "noise: on\n  quantity: integral", 13, "no meaning"),
        ("noise: on", "quantity: integral", 14, "no usual range"),
        ("[60kV, 120kV]", "[60kV, 61kV]", 15, "61kV"),
        ("from: 1e3", "from: 1e7", 16, "swapped"),
        ("from: 1e3", "from: 0", 16, "positive"),
        ("from: 1e3, to", "form: 1e3, to", 16, "no choice"),
        ("to: 1e6", "to: 1e13", 16, "at most 1e+12"),
        ("photons:", "seed:", 16, "unknown parameter"),
    ],
)
def test_a_bad_entry_is_refused_with_its_line(folder, old, new, line, says):
    with pytest.raises(InputError, match=f"line {line}:") as caught:
        read_dataset(changed(folder, old, new))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "cts: [", "- 1", "a: &x [*x]\ncts: 3", "\0", "cts: []"])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=r"c\.yaml"):
        read_dataset(tmp_path / "c.yaml")


def test_aliases_are_parsed_once(tmp_path):
    """Ten levels of ten aliases each: 10^10 entries if they were expanded."""
    rows = ["a0: &a0 [1]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)
    ]
    (tmp_path / "bomb.yaml").write_text("\n".join(rows))
    assert read_yaml(tmp_path / "bomb.yaml").lines[("a10",)] == 11


def test_wildcards_name_the_files_that_belong_to_each_ct(folder):
    (folder / "sub").mkdir()
    for name in "ba":
        (folder / f"sub/{name}.nii.gz").write_bytes((folder / "ct.nii.gz").read_bytes())
        (folder / f"{name}.csv").write_text("label,r,a,s\nx,0,0,0\n")
    (folder / "w.yaml").write_text("cts: [{path: sub/*.nii.gz, landmarks: '{name}.csv'}]")
    config = read_dataset(folder / "w.yaml")
    assert [(ct.path, ct.landmarks) for ct in config.cts] == [
        ("sub/a.nii.gz", "a.csv"),
        ("sub/b.nii.gz", "b.csv"),
    ]
    assert [ct.name for ct in config.cts] == ["0000_a", "0001_b"]


def test_a_prepared_ct_renders_as_render_does(folder):
    ct = read_image(folder / "ct.nii.gz")
    view = CArm(primary_angle=30, detector_size=(20, 16), pixel_spacing=10)
    prepared = prepare(ct, RenderParameters(backend="numba"))
    for options in ({"noise": True, "seed": 4}, {"spectrum": "60kV", "photons": 50.0}):
        parameters = RenderParameters(backend="numba", **options)
        np.testing.assert_array_equal(
            render_prepared(prepared, view, parameters).array, render(ct, view, parameters).array
        )


FILES = """\
format: dcm
cts: [ct.nii.gz, other.nrrd]
carm: {detector_size: [24, 20], pixel_spacing: 8}
render:
  materials: "{name}_labels.nii.gz"
  spectrum: lines.csv
"""


def test_files_of_the_rendering_lie_beside_the_configuration(folder, tmp_path_factory, monkeypatch):
    """Each CT has a label map of its own; no path of the machine gets into the data set."""
    for name, structure in (("ct", "screw"), ("other", "femur")):
        (folder / f"{name}_labels.json").write_text(json.dumps({"3": structure}))
        shutil.copy(folder / "labels.nii.gz", folder / f"{name}_labels.nii.gz")
    (folder / "lines.csv").write_text("energy_keV,photon_fraction\n50,1\n")
    (folder / "files.yaml").write_text(FILES)
    config = read_dataset(folder / "files.yaml")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for task in plan(config)[::10]:
        line = render_view(config, task, str(folder / "out"))
        assert str(folder) not in json.dumps(line)
        picture = folder / "out" / line["file"]
        assert str(folder).encode() not in picture.read_bytes()
        data = pydicom.dcmread(picture)
        found = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        for name in ("materials", "spectrum"):
            path = line["parameters"][name].format(name=config.cts[task.ct].path.split(".")[0])
            line["parameters"][name] = str(folder / path)
        expected = rendered(folder, line).array[0]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))
        line["parameters"]["materials"] = "threshold"
        assert np.abs(rendered(folder, line).array[0] - expected).max() > 1e-2 * np.ptp(expected)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('"{name}_labels.nii.gz"', '"{name}_map.nii.gz"', 5, "ct_map.nii.gz"),
        ('"{name}_labels.nii.gz"', "{choose: [water, no.nrrd]}", 5, "no.nrrd"),
        ('"{name}_labels.nii.gz"', "labels.nii.gz", 5, "labels.json"),
        ("lines.csv", "none.csv", 6, "none.csv"),
        ("lines.csv", "{choose: [60kV, points.csv]}", 6, "is no spectrum"),
    ],
)
def test_files_of_the_rendering_are_looked_for_first(folder, old, new, line, says):
    text = FILES.replace(old, new)
    text = text if "lines" in new else text.replace("lines.csv", "60kV")
    text = text if "labels" in old else text.replace('"{name}_labels.nii.gz"', "water")
    (folder / "files.yaml").write_text(text)
    with pytest.raises(InputError, match=f"line {line}:") as caught:
        read_dataset(folder / "files.yaml")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_quantised_values_are_restored_to_half_a_step():
    values = np.random.default_rng(0).uniform(-1, 15, 1000)
    stored, clipped = quantise(values, (-1.0, 15.0))
    assert stored.dtype == np.uint16 and clipped == 0
    assert np.abs(-1 + stored * (16 / 65535) - values).max() <= 8.0001 / 65535
    stored, clipped = quantise(np.array([-1.1, -1.0, 15.0, 16.0]), (-1.0, 15.0))
    assert stored.tolist() == [0, 0, 65535, 65535] and clipped == 2


def rendered(folder, line) -> Image:
    """What render() makes of a line of the manifest."""
    solids = [
        Solid(INSTRUMENTS[entry["kind"]][0](entry["tip"], entry["end"]), "iron")
        for entry in line["instruments"]
    ]
    camera = Camera.from_dict(line["camera"])
    ct = read_image(folder / line["ct"]["file"])
    return render(ct, camera, solids=solids, **line["parameters"])


def test_a_dicom_view_holds_its_values_by_its_own_scale(folder):
    config = read_dataset(changed(folder, "seed: 5", "format: dcm"))
    line = render_view(config, plan(config)[0], str(folder / "out"))
    expected = rendered(folder, line).array[0]
    data = pydicom.dcmread(folder / "out" / line["file"])
    found = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    assert line["scale"] is None and line["file"].endswith(".dcm")
    step = (expected.max() - expected.min()) / 65535
    np.testing.assert_allclose(found, expected, atol=0.51 * step)


def test_instruments_lie_where_they_may_and_have_masks(folder):
    config = read_dataset(changed(folder, "views: 4", "views: 150"))
    counts, kinds, lengths, distances = [], set(), [], []
    for task in plan(config):
        carm = draw_view(config, task, (1, 2, 3))
        instruments = draw_solids(config, task, carm)
        counts.append(len(instruments))
        for one in instruments:
            kinds.add(one.kind)
            lengths.append(np.linalg.norm(np.subtract(one.end, one.tip)))
            distances.append(np.linalg.norm(np.subtract(one.tip, carm.isocenter)))
    assert set(counts) == {1, 2, 3} and kinds == {"ball", "k-wire"}
    assert 30 <= min(lengths) < 31 and 39 < max(lengths) <= 40
    # Even in a ball of 50 mm: the mean distance is 3/4 of the radius, its variance 3/80 of R^2.
    error = 50 * np.sqrt(3 / 80 / len(distances))
    assert max(distances) <= 50 and abs(np.mean(distances) - 37.5) < 4 * error
    line = render_view(config, plan(config)[0], str(folder / "out"))
    with tifffile.TiffFile(folder / "out" / line["mask"]["file"]) as file:
        pages = {page.description: page.asarray() for page in file.pages}
    assert list(pages) == ["ball", "absent", "instrument ball", "instrument k-wire"]
    camera = Camera.from_dict(line["camera"])
    for entry in line["instruments"]:
        (u, v), _ = camera.project(np.add(entry["tip"], entry["end"]) / 2)
        if 0 <= u < 47 and 0 <= v < 39:
            assert pages[f"instrument {entry['kind']}"][round(v), round(u)] == 1


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_view_holds_what_its_line_says(folder, suffix):
    config = read_dataset(changed(folder, "seed: 5", f"format: {suffix}"))
    output = folder / "out"
    line = render_view(config, plan(config)[2], str(output))
    assert json.loads(json.dumps(line)) == line
    camera = read_camera(output / line["camera_file"]["file"])
    assert camera.to_dict() == line["camera"]
    recorded = json.loads((output / line["camera_file"]["file"]).read_text())
    np.testing.assert_array_equal(recorded["P"], camera.P)
    # The picture is that of render() with what the line says.
    stored = read_image(output / line["file"]).array[0]
    low, high = line["scale"]
    expected = rendered(folder, line).array[0]
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(
        low + stored * ((high - low) / 65535), expected, atol=0.5001 * (high - low) / 65535
    )
    view = CArm(**{k: tuple(v) if isinstance(v, list) else v for k, v in line["carm"].items()})
    np.testing.assert_allclose(view.camera().P, camera.P)
    for landmark, point in zip(line["landmarks"], [(0, 0, 0), (0, 0, 900)], strict=False):
        pixel, depth = camera.project(point)
        np.testing.assert_allclose(landmark["pixel"], pixel)
        assert landmark["depth"] == pytest.approx(float(depth))
    assert line["landmarks"][2]["pixel"] is None and line["landmarks"][2]["depth"] < 0
    assert not (output / ".work").exists() or not any((output / ".work").iterdir())


def test_a_mask_is_the_shadow_of_its_label(folder):
    """Rays that pass the centre of the ball closer than its radius, to a voxel either way."""
    config = read_dataset(folder / "config.yaml")
    line = render_view(config, plan(config)[0], str(folder / "out"))
    with tifffile.TiffFile(folder / "out" / line["mask"]["file"]) as file:
        ball, absent = (page.asarray() for page in file.pages[:2])
    camera = read_camera(folder / "out" / line["camera_file"]["file"])
    v, u = np.mgrid[:40, :48]
    rays = camera.rays(np.stack([u, v], axis=-1))
    passed = np.linalg.norm(np.cross(rays, camera.source), axis=-1)  # distance from the origin
    assert ball.dtype == np.uint8 and set(np.unique(ball)) == {0, 1} and not absent.any()
    assert ball[passed < RADIUS - 4].all() and not ball[passed > RADIUS + 4].any()
    assert (passed < RADIUS - 4).sum() > 30


def test_landmarks_are_coco_keypoints(folder):
    config = read_dataset(folder / "config.yaml")
    tasks = plan(config)
    lines = {n: render_view(config, tasks[n], str(folder / "out")) for n in (0, 4)}
    write_landmarks(folder / "out", config, lines)
    record = json.loads((folder / "out" / "landmarks.json").read_text())
    (category,) = record["categories"]
    assert category["keypoints"] == ["center", "aside", "behind"]
    first, second = record["annotations"]
    assert [image["file_name"] for image in record["images"]] == [lines[n]["file"] for n in (0, 4)]
    assert (first["image_id"], second["image_id"]) == (0, 4)
    keypoints = np.reshape(first["keypoints"], (3, 3))
    assert keypoints[:, 2].tolist() == [2, 1, 0] and first["num_keypoints"] == 2
    camera = read_camera(folder / "out" / lines[0]["camera_file"]["file"])
    np.testing.assert_allclose(keypoints[0, :2], camera.project((0, 0, 0))[0])
    assert first["bbox"] == [*keypoints[0, :2], 0, 0]
    assert second["keypoints"] == [0.0] * 9  # the other CT has no landmarks


def test_a_line_is_trusted_while_its_files_are_as_it_says(folder):
    config = read_dataset(folder / "config.yaml")
    output = folder / "out"
    write_config(output, config)
    lines = {task.number: render_view(config, task, str(output)) for task in plan(config)[:4]}
    write_manifest(output, lines)
    assert trusted(output, 8) == lines
    (output / lines[0]["file"]).write_bytes(b"damaged")
    (output / lines[1]["mask"]["file"]).unlink()
    with (output / "manifest.jsonl").open("ab") as file:
        file.write(b'{"view": 7, "file": "no"}\n{"view": 3\n[]\n{"file": "cut sho')
    assert trusted(output, 8) == {n: lines[n] for n in (2, 3)}


def test_folders_that_cannot_be_used_are_refused_before_any_work(folder, monkeypatch):
    config = read_dataset(folder / "config.yaml")
    with pytest.raises(FileError, match="not empty and holds no data set"):
        generate(config, folder)
    with pytest.raises(FileError, match="a file"):
        generate(config, folder / "ct.nii.gz")
    for place in (folder / "ct.nii.gz" / "out", "/proc/out"):
        with pytest.raises(FileError, match="cannot be made"):
            generate(config, place)
    output = folder / "out"
    write_config(output, config)
    with pytest.raises(FileError, match="--resume"):
        generate(config, output)
    other = read_dataset(changed(folder, "[-90, 90]", "[-80, 90]"))
    with pytest.raises(InputError, match=r"begun with pose .*-90.* not .*-80"):
        check_folder(output, other, resume=True)
    with claimed_folder(output), pytest.raises(FileError, match="another run"):
        generate(config, output, resume=True)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 1000}))
    with pytest.raises(FileError, match="8 views need about"):
        generate(config, output, resume=True)
    assert not list((output / "views").iterdir())
    with pytest.raises(InputError, match="--workers"):
        generate(config, output, resume=True, workers=0)
    with pytest.raises(InputError, match="--scheduler"):
        generate(config, output, resume=True, workers=1, scheduler="tcp://127.0.0.1:1")


def test_the_estimate_of_disk_use_is_enough(folder):
    config = read_dataset(folder / "config.yaml")
    output = folder / "out"
    for task in plan(config)[:2]:
        render_view(config, task, str(output))
    used = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    assert used < disk_bytes(config, 2)


def test_a_worker_keeps_to_its_ct_and_then_takes_one_that_nobody_holds():
    pending = {0: [1], 1: [1, 2], 2: [1, 2, 3], 3: [1]}
    assert choose_ct(pending, {"a": 0}, "a") == 0
    assert choose_ct(pending, {"b": 2}, "a") == 1
    assert choose_ct({2: [1], 3: [1, 2]}, {"a": 0, "b": 2, "c": 3}, "a") == 3
