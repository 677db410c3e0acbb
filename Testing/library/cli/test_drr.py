"""``meddl drr`` as other people's scripts use it: files in, files out, exit codes, error lines."""

from __future__ import annotations

import csv
import json
import re

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from meddl.cli.main import main
from meddl.core import Image, read_image, write_image, write_mesh
from meddl.core.geometry import compose, rotation
from meddl.deepdrr import Camera, CArm, ball, read_camera, render

from .output import error_line

SMALL = ["--detector-size", "40,30", "--pixel-spacing", "6"]


@pytest.mark.parametrize(
    "words",
    ["render", "points", "dataset", "register", "scatter train", "materials train", "benchmark"],
)
def test_help_has_units_and_a_worked_example(words, capsys):
    assert main(["drr", *words.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\bmm\b|\[ms\]|minutes|\(s, wall time", text)
    assert f"\n  meddl drr {words} " in text[text.index("\nexample") :]


def test_tiff_holds_the_unscaled_float32_values(ct, tmp_path, capsys):
    out = tmp_path / "out.tiff"
    assert main(["drr", "render", ct, "--output", str(out), "--primary-angle", "30", *SMALL]) == 0
    values = tifffile.imread(out)
    view = CArm(primary_angle=30, detector_size=(40, 30), pixel_spacing=6)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, render(read_image(ct), view).array[0])


def test_scatter_brightens_the_picture_and_is_recorded(ct, tmp_path):
    out = tmp_path / "out.nrrd"
    options = ["--output", str(out), "--scatter", "kernel", *SMALL]
    assert main(["drr", "render", ct, *options]) == 0
    primary = render(read_image(ct), CArm(detector_size=(40, 30), pixel_spacing=6)).array
    assert (read_image(out).array > primary).all()
    assert json.loads((tmp_path / "out.json").read_text())["parameters"]["scatter"] == "kernel"


def test_scatter_network_is_trained_by_command(tmp_path, capsys):
    run = ["drr", "scatter", "train", "--model", "network", "--output", str(tmp_path / "run")]
    small = ["--examples", "8", "--photons", "1000", "--epochs", "1", "--width", "4"]
    assert main([*run, *small, "--device", "cpu", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (tmp_path / "run/run/best/scatter-network.safetensors").is_file()
    assert result["validation/loss"] > 0
    assert main([*run, "--examples", "1"]) == 2
    assert "--examples" in error_line(capsys)


def test_path_has_one_named_page_per_material(ct, tmp_path):
    out = tmp_path / "out.tiff"
    assert main(["drr", "render", ct, "--output", str(out), "--quantity", "path", *SMALL]) == 0
    with tifffile.TiffFile(out) as file:
        names = [page.description for page in file.pages]
        pages = np.stack([page.asarray() for page in file.pages])
    assert [name in text for name, text in zip(["air", "soft tissue", "bone"], names, strict=True)]
    view = CArm(detector_size=(40, 30), pixel_spacing=6)
    expected = render(read_image(ct), view, quantity="path").array[0]
    np.testing.assert_array_equal(pages, np.moveaxis(expected, -1, 0))
    assert pages[2].max() > pages[2].min() == 0


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_volume_formats_have_the_camera_beside_them(ct, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    arguments = ["--quantity", "path", "--secondary-angle=-20", *SMALL]
    assert main(["drr", "render", ct, "--output", str(out), *arguments]) == 0
    if suffix == ".nrrd":
        picture = sitk.ReadImage(str(out))
        assert (*picture.GetSize(), picture.GetNumberOfComponentsPerPixel()) == (40, 30, 1, 3)
    else:  # SimpleITK drops the last axis of one slice; the file has it: x, y, z, time, component
        assert nibabel.load(out).shape == (40, 30, 1, 1, 3)
    camera = read_camera(tmp_path / "out.json")
    view = CArm(secondary_angle=-20, detector_size=(40, 30), pixel_spacing=6)
    np.testing.assert_allclose(camera.P, view.camera(read_image(ct).center).P)
    again = tmp_path / "again.nrrd"
    record = ["--parameters", str(tmp_path / "out.json")]
    assert main(["drr", "render", ct, "--output", str(again), *record]) == 0
    assert read_image(again).array.dtype == np.float32
    np.testing.assert_array_equal(read_image(again).array, read_image(out).array)


def test_png_is_a_grey_picture_for_looking(ct, tmp_path):
    out = tmp_path / "out.png"
    assert main(["drr", "render", ct, "--output", str(out), *SMALL]) == 0
    picture = read_image(out)
    assert picture.array.dtype == np.uint8
    assert picture.array.shape[:3] == (1, 30, 40)
    assert picture.array.max() > picture.array.min()


@pytest.mark.parametrize("form", [["--isocenter", "-10,20,30"], ["--isocenter=-10,20,30"]])
def test_negative_lists_with_and_without_equals(ct, tmp_path, form):
    camera = tmp_path / "camera.json"
    arguments = [*form, "--save-camera", str(camera), *SMALL]
    assert main(["drr", "render", ct, "--output", str(tmp_path / "o.tiff"), *arguments]) == 0
    source = read_camera(camera).source
    np.testing.assert_allclose(source, [-10, 20 - 530, 30], atol=1e-9)


@pytest.mark.parametrize("factor", [1.0, -0.25])
def test_a_camera_file_replaces_the_c_arm(ct, tmp_path, factor):
    view = CArm(primary_angle=40, rotation=10, detector_size=(40, 30), pixel_spacing=6)
    camera = view.camera(read_image(ct).center)
    projection = {"P": (factor * camera.P).tolist(), "size": [40, 30]}
    (tmp_path / "c.json").write_text(json.dumps(projection))
    out = tmp_path / "out.tiff"
    assert (
        main(["drr", "render", ct, "--output", str(out), "--camera", str(tmp_path / "c.json")]) == 0
    )
    expected = render(read_image(ct), camera).array[0]
    np.testing.assert_allclose(tifffile.imread(out), expected, atol=1e-4)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_json_line_reports_timings_device_backend(ct, tmp_path, capsys, backend):
    out = str(tmp_path / "o.tiff")
    options = ["--backend", backend, "--device", "cpu", "--json", *SMALL]
    assert main(["drr", "render", ct, "--output", out, *options]) == 0
    (line,) = capsys.readouterr().out.strip().splitlines()
    report = json.loads(line)
    assert (report["device"], report["backend"]) == ("cpu", backend)
    assert 0 < report["seconds"]["render"] <= report["seconds"]["total"]


def test_noise_repeats_with_its_seed(ct, tmp_path):
    pictures = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        out = tmp_path / f"{name}.tiff"
        noise = ["--noise", "on", "--photons", "1000", "--seed", seed]
        assert main(["drr", "render", ct, "--output", str(out), *noise, *SMALL]) == 0
        pictures.append(tifffile.imread(out))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()


def write_nrrd(path, array, ras_from_ijk, space):
    """A NRRD written by hand, in the named space, as Slicer (LPS) or older tools (RAS) do."""
    sign = np.array([-1, -1, 1]) if space == "left-posterior-superior" else np.ones(3)
    axes = " ".join(
        "({})".format(",".join(map(repr, map(float, sign * a)))) for a in ras_from_ijk[:3, :3].T
    )
    origin = ",".join(map(repr, map(float, sign * ras_from_ijk[:3, 3])))
    k, j, i = array.shape
    header = (
        f"NRRD0004\ntype: float\ndimension: 3\nspace: {space}\nsizes: {i} {j} {k}\n"
        f"space directions: {axes}\nkinds: domain domain domain\nendian: little\n"
        f"encoding: raw\nspace origin: ({origin})\n\n"
    )
    path.write_bytes(header.encode() + array.astype("<f4").tobytes())


@pytest.mark.parametrize("kind", ["RAS.nrrd", "LPS.nrrd", "x.nii.gz", "x.mha"])
def test_projected_fiducial_lands_on_its_shadow(tmp_path, kind):
    """File -> radiograph and markup -> pixel agree within 0.5 pixel, five random poses a format."""
    for seed in range(5):
        g = np.random.default_rng([seed, len(kind)])
        values = np.zeros((30, 40, 50), np.float32)
        ijk = g.integers(6, 24, 3)
        values[ijk[2], ijk[1], ijk[0]] = 1000
        geometry = rotation(g.normal(size=3), g.uniform(-50, 50))
        geometry = geometry @ compose((1.1, 0.8, 2.1), g.uniform(-40, 40, 3))
        path = tmp_path / kind
        if kind.endswith(".nrrd"):
            space = {"RAS": "right-anterior-superior", "LPS": "left-posterior-superior"}[kind[:3]]
            write_nrrd(path, values, geometry, space)
        else:
            write_image(path, Image(values, geometry))
        r, a, s = geometry[:3, :3] @ ijk + geometry[:3, 3]
        (tmp_path / "p.csv").write_text(f"label,r,a,s\npin,{r},{a},{s}\n")
        angles = [
            "--primary-angle",
            f"{g.uniform(-90, 90)}",
            "--secondary-angle",
            f"{g.uniform(-40, 40)}",
        ]
        turn = ["--rotation", f"{g.uniform(-180, 180)}", "--detector-size", "200,150"]
        camera = ["--pixel-spacing", "1.5", "--save-camera", str(tmp_path / "c.json")]
        out = str(tmp_path / "o.tiff")
        command = ["drr", "render", str(path), "--output", out, "--quantity", "integral"]
        assert main([*command, *angles, *turn, *camera]) == 0
        points = ["--camera", str(tmp_path / "c.json"), "--output", str(tmp_path / "uv.csv")]
        assert main(["drr", "points", str(tmp_path / "p.csv"), *points]) == 0
        with (tmp_path / "uv.csv").open() as file:
            (row,) = csv.DictReader(file)
        shadow = tifffile.imread(out).astype(float)
        centroid = [(shadow * n).sum() / shadow.sum() for n in np.meshgrid(range(200), range(150))]
        assert row["label"] == "pin"
        assert np.hypot(centroid[0] - float(row["u"]), centroid[1] - float(row["v"])) < 0.5


def test_points_honour_the_coordinate_system_and_the_side_of_the_source(tmp_path):
    camera = Camera(np.diag([100.0, 100.0, 1.0]), np.eye(4), (10, 10))
    from meddl.deepdrr import write_camera

    write_camera(tmp_path / "c.json", camera)
    lps = {
        "markups": [
            {
                "type": "Fiducial",
                "coordinateSystem": "LPS",
                "controlPoints": [
                    {"label": "front", "position": [-1.0, -2.0, 50.0], "positionStatus": "defined"},
                    {"label": "behind", "position": [0.0, 0.0, -7.0], "positionStatus": "defined"},
                ],
            }
        ]
    }
    (tmp_path / "p.mrk.json").write_text(json.dumps(lps))
    arguments = ["--camera", str(tmp_path / "c.json"), "--output", str(tmp_path / "uv.csv")]
    assert main(["drr", "points", str(tmp_path / "p.mrk.json"), *arguments]) == 0
    with (tmp_path / "uv.csv").open() as file:
        front, behind = csv.DictReader(file)
    assert [float(front[n]) for n in ("u", "v", "depth")] == pytest.approx([2.0, 4.0, 50.0])
    assert (behind["u"], behind["v"], float(behind["depth"])) == ("", "", -7.0)


def make_bad(kind, tmp_path):
    """A path that is no usable CT."""
    path = tmp_path / "bad.nii.gz"
    volume = np.zeros((6, 6, 6), np.float32)
    if kind == "missing":
        return path
    if kind == "picture":
        path = tmp_path / "bad.png"
        write_image(path, Image(np.zeros((1, 9, 9), np.uint8)))
    elif kind == "4-D":
        frames = [sitk.GetImageFromArray(volume)] * 3
        sitk.WriteImage(sitk.JoinSeries(frames), str(path))
    elif kind == "NaN":
        volume[1, 2, 3] = np.nan
        write_image(path, Image(volume))
    elif kind == "zero spacing":
        path = tmp_path / "bad.nrrd"
        write_nrrd(path, volume, np.diag([1.0, 0.0, 1.0, 1.0]), "left-posterior-superior")
    elif kind == "empty folder":
        path = tmp_path / "empty"
        path.mkdir()
    elif kind == "truncated":
        noise = np.random.default_rng(0).normal(size=(20, 20, 20))
        write_image(path, Image(noise))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "unknown extension":
        path = tmp_path / "bad.xyz"
        path.write_bytes(b"anything")
    elif kind == "empty":
        path.touch()
    return path


BAD = ["missing", "picture", "4-D", "NaN", "zero spacing", "empty folder", "truncated"]


@pytest.mark.parametrize("kind", [*BAD, "unknown extension", "empty"])
def test_bad_input_gives_one_line_and_exit_code_2(kind, tmp_path, capsys):
    path = make_bad(kind, tmp_path)
    capsys.readouterr()
    out = tmp_path / "out.tiff"
    assert main(["drr", "render", str(path), "--output", str(out), *SMALL]) == 2
    assert len(error_line(capsys)) > 20
    assert not out.exists()
    assert not list(tmp_path.glob(".part*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--output", "no_such_folder/out.tiff"],
        ["--output", "out.jpg"],
        ["--output", "out.tiff", "--primary-angle", "steep"],
        ["--output", "out.tiff", "--photons", "-3"],
        ["--output", "out.tiff", "--quantity", "depth"],
        ["--output", "out.tiff", "--isocenter", "1,2"],
        ["--output", "out.tiff", "--camera", "missing.json"],
        ["--output", "out.tiff", "--source-isocenter", "2000"],
        ["--output", "out.tiff", "--hu-below", "1"],
        ["--output", "out.tiff", "--parameters", "missing.json"],
        ["--output", "out.png", "--quantity", "path"],
        ["--output", "out.tiff", "--no-such-option", "1"],
        [],
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(ct, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["drr", "render", ct, *arguments]) == 2
    error_line(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_camera_and_angles_exclude_each_other(ct, tmp_path, capsys):
    arguments = ["--output", str(tmp_path / "o.tiff"), "--camera", "c.json", "--rotation", "3"]
    assert main(["drr", "render", ct, *arguments]) == 2
    assert "--rotation" in error_line(capsys)


def test_the_ct_is_never_overwritten(ct, capsys):
    assert main(["drr", "render", ct, "--output", ct]) == 2
    assert "is the CT itself" in error_line(capsys)
    assert read_image(ct).size == (40, 32, 20)


def test_labels_and_masks_give_the_materials(ct, tmp_path):
    body = read_image(ct)
    labels = np.where(body.array > 500, 1, 0).astype(np.uint8)
    write_image(tmp_path / "labels.nii.gz", body.with_array(labels))
    (tmp_path / "labels.json").write_text('{"1": "L4 vertebra"}')
    mask = np.zeros_like(labels)
    mask[8:12, 14:18, 30:33] = 1
    write_image(tmp_path / "screw.nrrd", body.with_array(mask))
    out = tmp_path / "out.tiff"
    arguments = ["--materials", str(tmp_path / "labels.nii.gz"), "--quantity", "path", *SMALL]
    mask = ["--mask", f"{tmp_path / 'screw.nrrd'}:nitinol=NiTi:6.45"]
    assert main(["drr", "render", ct, "--output", str(out), *arguments, *mask]) == 0
    with tifffile.TiffFile(out) as file:
        names = [page.description for page in file.pages]
        pages = np.stack([page.asarray() for page in file.pages])
    expected = ["air", "soft tissue", "bone", "trabecular bone", "nitinol=NiTi:6.45"]
    assert [name in text for name, text in zip(expected, names, strict=True)]
    assert pages[2].max() > 0 == pages[3].max()  # 900 HU in a vertebra is cortical
    assert pages[4].max() > 10


def test_tube_and_detector_are_options(ct, tmp_path):
    pytest.importorskip("spekpy")
    out = tmp_path / "out.tiff"
    tube = ["--kvp", "70", "--filtration", "Al:2.5,Cu:0.1", "--csi", "500", "--mtf50", "0.05"]
    detector = ["--detector", "bins:20,40", "--noise", "on", "--air-kerma", "2.5"]
    render_it = ["drr", "render", ct, "--output", str(out), "--quantity", "counts"]
    assert main([*render_it, *tube, *detector, *SMALL]) == 0
    with tifffile.TiffFile(out) as file:
        assert ["20-40 keV" in file.pages[0].description, len(file.pages)] == [True, 2]
        assert file.pages[1].asarray().max() > 1e5


def test_spectrum_command_reports_the_beam(tmp_path, capsys):
    pytest.importorskip("spekpy")
    out = tmp_path / "s.csv"
    arguments = ["--kvp", "90", "--filtration", "Al:4.0", "--output", str(out), "--json"]
    assert main(["drr", "spectrum", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["half_value_layer_mm_Al"] == pytest.approx(3.99, rel=0.01)
    again = tmp_path / "out.tiff"
    assert main(["drr", "spectrum", "--spectrum", str(out), "--output", str(again)]) == 0
    assert again.read_text().splitlines()[0] == "energy_keV,photon_fraction"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "o.png", "--detector", "bins:20,50"], "one picture"),
        (["--output", "o.tiff", "--mask", "screw.nrrd"], "--mask"),
        (["--output", "o.tiff", "--mask", "screw.nrrd:wood"], "'wood'"),
        (["--output", "o.tiff", "--materials", "no.nii.gz"], "no.json"),
        (["--output", "o.tiff", "--spectrum", "no.csv"], "no.csv"),
        (["--output", "o.tiff", "--filtration", "Al"], "--filtration"),
        (["--output", "o.tiff", "--detector", "film"], "--detector"),
    ],
)
def test_bad_materials_tubes_and_detectors(ct, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["drr", "render", ct, *arguments]) == 2
    assert words in error_line(capsys)
    assert not (tmp_path / "o.tiff").exists()


def test_a_preset_is_the_start_of_the_pose_and_its_limits_hold(ct, tmp_path, capsys):
    camera = tmp_path / "c.json"
    command = ["drr", "render", ct, "--output", str(tmp_path / "o.tiff"), "--preset", "mobile"]
    command += ["--save-camera", str(camera), "--detector-size", "30,20"]
    assert main([*command, "--primary-angle=-100"]) == 0
    expected = CArm(primary_angle=-100, detector_size=(30, 20), pixel_spacing=0.194)
    np.testing.assert_allclose(read_camera(camera).P, expected.camera(read_image(ct).center).P)
    (tmp_path / "o.tiff").unlink()
    assert main([*command, "--primary-angle", "60"]) == 2
    assert "--primary-angle is 60 degrees, the limits of the preset mobile" in error_line(capsys)
    assert not (tmp_path / "o.tiff").exists()
    assert main([*command, "--preset", "unknown"]) == 2
    assert "biplane-frontal" in error_line(capsys)


def test_dicom_output_is_the_start_of_the_same_pose(ct, tmp_path, capsys):
    first, again = str(tmp_path / "a.dcm"), str(tmp_path / "b.tiff")
    pose = ["--primary-angle", "35", "--rotation=-10", "--isocenter", "3,4,5", *SMALL]
    assert main(["drr", "render", ct, "--output", first, "--quantity", "neglog", *pose]) == 0
    command = ["drr", "render", ct, "--output", again, "--quantity", "neglog", "--geometry", first]
    assert main(command) == 0
    values = np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(first)))
    np.testing.assert_allclose(tifffile.imread(again), values, atol=np.ptp(values) / 65535)
    assert main([*command, "--preset", "mobile"]) == 2
    assert "exclude each other" in error_line(capsys)


def test_meshes_and_instruments_come_into_the_picture(ct, tmp_path, capsys):
    write_mesh(tmp_path / "ball.stl", ball([-30, 0, 0], [30, 0, 0]))
    out, isocenter = tmp_path / "out.tiff", ["--isocenter", "0,0,0"]
    command = ["drr", "render", ct, "--output", str(out), "--quantity", "path", *SMALL, *isocenter]
    bodies = ["--mesh", f"{tmp_path}/ball.stl:titanium", "--instrument", "k-wire:0,0,0:50,0,80"]
    assert main([*command, *bodies]) == 0
    with tifffile.TiffFile(out) as file:
        names = [page.description for page in file.pages]
        pages = np.stack([page.asarray() for page in file.pages])
    assert names == ["air", "soft tissue", "bone", "titanium", "iron"]
    assert pages[3].max() == pytest.approx(6 * 4.506, rel=0.02)
    assert 0.05 * 7.874 < pages[4].max() < 1.5 * 0.16 * 7.874
    out.unlink()
    assert main([*command, "--mesh", f"{tmp_path}/ball.stl:wood"]) == 2
    assert "'wood'" in error_line(capsys)
    assert not out.exists()
