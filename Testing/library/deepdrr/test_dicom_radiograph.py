"""Radiographs as DICOM: values through SimpleITK, geometry of our files and of other devices'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    generate_uid,
)

from meddl.core import FileError, GeometryError, Image, InputError, MedDLError
from meddl.core.geometry import compose, rotation
from meddl.deepdrr import (
    Camera,
    CArm,
    DisplayParameters,
    read_dicom_geometry,
    read_radiograph,
    render,
    write_dicom_radiograph,
    write_radiograph,
)
from meddl.deepdrr.carm import carm_angles
from meddl.deepdrr.dicom_geometry import patient_orientation

VIEW = CArm(30, -20, 15, detector_size=(40, 30), pixel_spacing=6)


@pytest.fixture(scope="module")
def ct() -> Image:
    """A body with a rod of bone, in air, not centred on the origin."""
    _, j, i = np.mgrid[-10:10, -16:16, -20:20]
    hu = np.where((i / 16) ** 2 + (j / 12) ** 2 < 1, 40, -1000)
    hu = np.where((i - 4) ** 2 + j**2 < 16, 900, hu).astype(np.float32)
    return Image(hu, compose((4, 5, 8), (-60, -70, -80)))


@pytest.mark.parametrize("quantity", ["intensity", "energy", "neglog", "integral"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_values_come_back_within_half_a_step(ct, tmp_path, quantity, mirrored):
    radiograph = render(ct, VIEW, quantity=quantity)
    path = tmp_path / "out.dcm"
    write_dicom_radiograph(path, radiograph, mirrored=mirrored)
    data = pydicom.dcmread(path)
    xa = quantity in ("intensity", "energy")
    assert data.SOPClassUID == (
        XRayAngiographicImageStorage if xa else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    )
    found = np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    values = radiograph.array[0, :, ::-1] if mirrored else radiograph.array[0]
    step = (values.max() - values.min()) / 65535
    assert np.abs(found - values).max() < 0.51 * step + 1e-6 * np.abs(values).max()
    assert np.unique(data.pixel_array).size > 500
    assert (data.pixel_array.min(), data.pixel_array.max()) == (0, 65535)


def test_a_flat_picture_keeps_its_value(tmp_path):
    radiograph = render(Image(np.full((4, 4, 4), -1000.0)), VIEW)
    write_radiograph(tmp_path / "out.dcm", radiograph)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.dcm")))
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)


def test_nothing_of_a_patient_is_written_and_the_same_picture_is_the_same_file(ct, tmp_path):
    secret = Image(ct.array, ct.ras_from_ijk, {"path": "/secret/person.nii.gz"})
    for name in ("a.dcm", "b.dcm"):
        write_radiograph(tmp_path / name, render(secret, VIEW))
    a, b = ((tmp_path / name).read_bytes() for name in ("a.dcm", "b.dcm"))
    assert a == b
    assert b"secret" not in a
    data = pydicom.dcmread(tmp_path / "a.dcm")
    assert (data.PatientName, data.PatientBirthDate, data.StudyDate) == ("ANONYMOUS", "", "")
    assert data.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert data.KVP == 90
    write_radiograph(tmp_path / "c.dcm", render(secret, replace(VIEW, rotation=16)))
    assert pydicom.dcmread(tmp_path / "c.dcm").SOPInstanceUID != data.SOPInstanceUID


def test_header_has_the_positioner_as_dicom_defines_it(ct, tmp_path):
    write_radiograph(tmp_path / "out.dcm", render(ct, VIEW))
    data = pydicom.dcmread(tmp_path / "out.dcm")
    assert data.PositionerPrimaryAngle == pytest.approx(30)
    assert data.PositionerSecondaryAngle == pytest.approx(-20)
    assert (data.DistanceSourceToDetector, data.DistanceSourceToPatient) == (1020, 530)
    assert list(data.ImagerPixelSpacing) == [6, 6]
    assert (data.Rows, data.Columns) == (30, 40)


def test_tube_voltage_is_that_of_the_spectrum(ct, tmp_path):
    """A computed spectrum's voltage goes before the name of the default one; a file has none."""
    pytest.importorskip("spekpy")
    (tmp_path / "lines.csv").write_text("energy_keV,photon_fraction\n50,1\n")
    for options, expected in (
        ({"spectrum": "60kV"}, 60),
        ({"kvp": 81.5}, 81.5),
        ({"spectrum": str(tmp_path / "lines.csv")}, None),
    ):
        write_radiograph(tmp_path / "out.dcm", render(ct, VIEW, **options))
        found = pydicom.dcmread(tmp_path / "out.dcm").KVP
        assert found == expected


def test_window_is_in_the_unit_of_the_values(ct, tmp_path):
    write_radiograph(
        tmp_path / "out.dcm", render(ct, VIEW, quantity="neglog"), DisplayParameters((0.5, 2.0))
    )
    data = pydicom.dcmread(tmp_path / "out.dcm")
    assert (data.WindowCenter, data.WindowWidth) == (1.25, 1.5)
    assert data.VOILUTFunction == "LINEAR_EXACT"  # width below 1 is no error then
    with pytest.raises(InputError, match="second value"):
        write_radiograph(tmp_path / "no.dcm", render(ct, VIEW), DisplayParameters((2, 1)))
    assert not (tmp_path / "no.dcm").exists()


@pytest.mark.parametrize(
    ("angles", "mirrored", "expected"),
    [
        ((0, 0), False, ["R", "F"]),
        ((0, 0), True, ["L", "F"]),
        ((90, 0), False, ["A", "F"]),  # detector at the left: the picture's right is anterior
        ((0, 90), False, ["R", "A"]),
        ((30, 0), False, ["RA", "F"]),
    ],
)
def test_patient_orientation_of_rows_and_columns(ct, tmp_path, angles, mirrored, expected):
    radiograph = render(ct, CArm(*angles, detector_size=(8, 8), pixel_spacing=30))
    write_dicom_radiograph(tmp_path / "out.dcm", radiograph, mirrored=mirrored)
    assert list(pydicom.dcmread(tmp_path / "out.dcm").PatientOrientation) == expected


def test_orientation_letters_leave_out_small_components():
    assert patient_orientation([0, 0, -1]) == "F"
    assert patient_orientation([-1, 0.04, 0]) == "L"
    assert patient_orientation([0.3, -0.9, 0.1]) == "PRH"


@pytest.mark.parametrize("mirrored", [False, True])
def test_our_file_gives_the_c_arm_back_exactly(ct, tmp_path, mirrored):
    view = replace(VIEW, principal_point=(12.0, 20.5))
    write_dicom_radiograph(tmp_path / "out.dcm", render(ct, view), mirrored=mirrored)
    found = read_dicom_geometry(tmp_path / "out.dcm")
    np.testing.assert_allclose(found.view.camera().P, view.camera(ct.center).P, atol=1e-9)
    assert (found.mirrored, found.unknown) == (mirrored, ())
    again = render(ct, found.view)
    np.testing.assert_array_equal(again.array, render(ct, view).array)


def test_a_camera_is_recorded_as_it_is(ct, tmp_path):
    K = np.array([[200.0, 1, 20], [0, 180, 15], [0, 0, 1]])
    pose = VIEW.camera(ct.center).camera_from_world
    camera = Camera(K, pose, (40, 30))
    write_radiograph(tmp_path / "out.dcm", render(ct, camera))
    np.testing.assert_array_equal(read_dicom_geometry(tmp_path / "out.dcm").view.P, camera.P)
    data = pydicom.dcmread(tmp_path / "out.dcm")
    assert data.PositionerPrimaryAngle == pytest.approx(30)
    assert "DistanceSourceToDetector" not in data
    with pytest.raises(InputError, match="rotation cannot be changed"):
        read_dicom_geometry(tmp_path / "out.dcm", rotation=3)


def write_foreign(path, pixels=None, **changes):
    """A small XA file as an angiography system writes it; None removes an attribute."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = XRayAngiographicImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Rows, data.Columns, data.SamplesPerPixel = 6, 8, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PositionerPrimaryAngle, data.PositionerSecondaryAngle = "-25.5", "18.25"
    data.DistanceSourceToDetector, data.DistanceSourceToPatient = "1050", "765"
    data.ImagerPixelSpacing = ["0.184", "0.184"]
    data.PatientOrientation = ["L", "F"]
    for name, value in changes.items():
        setattr(data, name, value)
        if value is None:
            delattr(data, name)
    frames = int(data.get("NumberOfFrames", 1))
    data.PixelData = bytes(2 * 6 * 8 * frames) if pixels is None else pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_angiogram_of_another_device(tmp_path):
    found = read_dicom_geometry(write_foreign(tmp_path / "xa.dcm"))
    assert found.view == CArm(-25.5, 18.25, 0, 1050, 765, None, (8, 6), 0.184)
    assert found.mirrored is True
    assert "isocentre" in found.unknown[0] and "turned" in found.unknown[1]
    assert len(found.unknown) == 2
    known = read_dicom_geometry(tmp_path / "xa.dcm", isocenter=(1, 2, 3), rotation=5.0)
    assert known.view.isocenter == (1, 2, 3) and known.unknown == ()


def test_frames_of_a_rotation_run(tmp_path):
    increments = {"PositionerPrimaryAngleIncrement": [0, 1.5, 3.0]}
    path = write_foreign(tmp_path / "xa.dcm", NumberOfFrames=3, **increments)
    assert read_dicom_geometry(path).view.primary_angle == -25.5
    assert read_dicom_geometry(path, frame=2).view.primary_angle == -22.5
    with pytest.raises(InputError, match="frame 3"):
        read_dicom_geometry(path, frame=3)


@pytest.mark.parametrize(
    ("position", "angles"), [("PA", (0, 0)), ("AP", (180, 0)), ("LL", (90, 0)), ("", (0, 0))]
)
def test_a_film_without_angles_goes_by_its_view_position(tmp_path, position, angles):
    path = write_foreign(
        tmp_path / "dx.dcm",
        SOPClassUID=DigitalXRayImageStorageForPresentation,
        PositionerPrimaryAngle=None,
        ViewPosition=position,
    )
    found = read_dicom_geometry(path)
    assert (found.view.primary_angle, found.view.secondary_angle) == angles
    assert any("no positioner angles" in text for text in found.unknown)


@pytest.mark.parametrize("mirrored", [False, True])
def test_our_file_is_read_as_it_was_rendered(ct, tmp_path, mirrored):
    radiograph = render(ct, VIEW, quantity="neglog")
    write_dicom_radiograph(tmp_path / "out.dcm", radiograph, mirrored=mirrored)
    found = read_radiograph(tmp_path / "out.dcm").array
    np.testing.assert_allclose(found, radiograph.array, atol=1e-4)
    write_radiograph(tmp_path / "out.tiff", radiograph)
    turned = read_radiograph(tmp_path / "out.tiff", mirrored=mirrored).array
    expected = radiograph.array[:, :, ::-1] if mirrored else radiograph.array
    np.testing.assert_array_equal(turned, expected)


def test_a_frame_of_an_angiogram_is_turned_to_our_camera(tmp_path, caplog):
    """Its columns run to the left, ours to the right; whoever knows better is believed."""
    stored = np.random.default_rng(0).integers(0, 4096, (3, 6, 8)).astype(np.uint16)
    path = write_foreign(tmp_path / "IM0001", stored, NumberOfFrames=3, ImagerPixelSpacing=None)
    np.testing.assert_array_equal(read_radiograph(path, 1).array, stored[1:2, :, ::-1])
    np.testing.assert_array_equal(read_radiograph(path, 2, mirrored=False).array, stored[2:3])
    assert not caplog.records
    write_foreign(path, stored, NumberOfFrames=3, PatientOrientation=None)
    np.testing.assert_array_equal(read_radiograph(path).array, stored[:1])
    assert "does not say whether it is mirrored" in caplog.text
    with pytest.raises(InputError, match="frame 3"):
        read_radiograph(path, 3)


def test_what_is_no_grey_radiograph_is_refused(tmp_path):
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    depth = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    path = write_foreign(tmp_path / "xa.dcm", np.zeros((6, 8, 3), np.uint8), **colour, **depth)
    with pytest.raises(InputError, match="in colour"):
        read_radiograph(path)
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:300])
    for name in ("cut.dcm", "missing.dcm"):
        with pytest.raises(FileError):
            read_radiograph(tmp_path / name)
    write_radiograph(tmp_path / "a.tiff", render(Image(np.zeros((4, 4, 4))), VIEW))
    with pytest.raises(InputError, match="DICOM"):
        read_radiograph(tmp_path / "a.tiff", 1)


def test_magnification_gives_the_missing_distance(tmp_path):
    path = write_foreign(
        tmp_path / "xa.dcm",
        DistanceSourceToPatient=None,
        EstimatedRadiographicMagnificationFactor="1.4",
    )
    assert read_dicom_geometry(path).view.source_isocenter == pytest.approx(750)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DistanceSourceToDetector": None}, r"0018,1110.*--source-detector"),
        ({"DistanceSourceToPatient": None}, r"0018,1111.*--source-isocenter"),
        ({"ImagerPixelSpacing": None}, r"0018,1164.*--pixel-spacing"),
        ({"ImagerPixelSpacing": ["0.2", "0.3"]}, "square"),
        ({"DistanceSourceToPatient": "2000"}, "behind the detector"),
        ({"PositionerPrimaryAngle": "900"}, "at most 360"),
    ],
)
def test_a_header_without_geometry_is_refused(tmp_path, changes, message):
    path = write_foreign(tmp_path / "xa.dcm", **changes)
    with pytest.raises(InputError, match=message):
        read_dicom_geometry(path)


def test_damaged_files_are_refused(tmp_path):
    path = write_foreign(tmp_path / "xa.dcm")
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:300])
    (tmp_path / "text.dcm").write_text("no DICOM")
    for name in ("cut.dcm", "text.dcm", "missing.dcm"):
        with pytest.raises(FileError):
            read_dicom_geometry(tmp_path / name)


@pytest.mark.parametrize("record", ["{", "[]", '{"mirrored": false}', '{"camera": {"size": [1]}}'])
def test_a_damaged_record_is_refused(ct, tmp_path, record):
    write_radiograph(tmp_path / "out.dcm", render(ct, VIEW))
    data = pydicom.dcmread(tmp_path / "out.dcm")
    data[0x0099, 0x1001].value = record
    data.save_as(tmp_path / "out.dcm")
    with pytest.raises(FileError):
        read_dicom_geometry(tmp_path / "out.dcm")


def test_random_damage_never_gets_past_an_error_of_ours(ct, tmp_path):
    write_foreign(tmp_path / "xa.dcm")
    write_radiograph(tmp_path / "ours.dcm", render(ct, VIEW))
    generator = np.random.default_rng(0)
    refused = 0
    for name in ("xa.dcm", "ours.dcm"):
        content = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(60):
            damaged = content.copy()
            places = generator.integers(132, min(len(content), 3000), 6)
            damaged[np.minimum(places, len(content) - 1)] = generator.integers(0, 256, 6)
            (tmp_path / "bad.dcm").write_bytes(damaged.tobytes())
            try:
                read_dicom_geometry(tmp_path / "bad.dcm")
            except MedDLError:  # anything else fails the test
                refused += 1
    assert refused > 30


@pytest.mark.parametrize("seed", range(6))
def test_any_pose_is_a_c_arm_pose(seed):
    g = np.random.default_rng(seed)
    arm = CArm(
        *g.uniform(-360, 360, 3),
        1000.0,
        400.0,
        (1, 2, 3),
        (40, 30),
        0.5,
        tuple(g.uniform(0, 30, 2)),
    )
    found = CArm.from_camera(arm.camera(), 400.0, 0.5)
    np.testing.assert_allclose(found.camera().P, arm.camera().P, atol=1e-8)
    assert abs(found.secondary_angle) <= 90 and abs(found.primary_angle) <= 180


def test_straight_from_the_head_is_a_pose_too():
    camera = CArm(70, 90, 20).camera()
    assert carm_angles(camera)[:2] == pytest.approx((0, 90))
    np.testing.assert_allclose(
        CArm(*carm_angles(camera)).axes(), CArm(70, 90, 20).axes(), atol=1e-9
    )


def test_a_camera_with_oblong_pixels_is_no_c_arm():
    camera = Camera(np.diag([100.0, 120, 1]), rotation((1, 0, 0), 20), (4, 4))
    with pytest.raises(GeometryError, match="square pixels"):
        CArm.from_camera(camera, 500, 1)


def test_several_components_are_refused(ct, tmp_path):
    with pytest.raises(InputError, match="3 components"):
        write_radiograph(tmp_path / "out.dcm", render(ct, VIEW, quantity="path"))
    assert not list(tmp_path.iterdir())
