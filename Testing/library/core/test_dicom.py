"""DICOM series made by pydicom: the grid that comes out, and every folder that is refused."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    generate_uid,
)

from meddl.core import (
    Cancelled,
    CancelToken,
    FileError,
    InputError,
    list_series,
    read_dicom,
    read_image,
)
from meddl.core.geometry import apply, rotation

from .dicom_files import (
    OBLIQUE,
    SPACING,
    UID,
    compressed_slice,
    enhanced,
    save,
    stored,
    write_slice,
)


@pytest.fixture
def folder(tmp_path):
    """Six slices whose file names and numbers run against their positions, and other files."""
    for index in range(6):
        write_slice(tmp_path / f"{9 - index}", index, InstanceNumber=50 - index)
    (tmp_path / "DICOMDIR.txt").write_text("no DICOM" * 40)
    (tmp_path / "empty").touch()
    return tmp_path


def test_a_series_is_ordered_by_position_and_placed_in_ras(folder):
    image = read_dicom(folder)
    assert image.size == (6, 5, 6)
    np.testing.assert_array_equal(
        image.array, np.stack([stored(k).astype(int) - 1024 for k in range(6)])
    )
    ijk = np.array([[0, 0, 0], [5, 0, 0], [0, 4, 0], [3, 2, 5]])
    lps = [-30.0, 12.0, 100.0] + (ijk * [SPACING[1], SPACING[0], 2.5]) @ OBLIQUE.T
    np.testing.assert_allclose(apply(image.ras_from_ijk, ijk), lps * [-1, -1, 1], atol=1e-5)


def test_metadata_tell_the_series_and_no_person(folder):
    metadata = read_dicom(folder).metadata
    assert (metadata["Modality"], metadata["PatientPosition"]) == ("CT", "HFS")
    assert (metadata["SeriesInstanceUID"], metadata["SeriesDescription"]) == (UID, "Body 3.0")
    assert (metadata["RescaleSlope"], metadata["RescaleIntercept"]) == (1.0, -1024.0)
    assert "ecret" not in str(dict(metadata))


def test_a_missing_rescale_is_noted(tmp_path):
    for index in range(3):
        write_slice(tmp_path / f"{index}", index, RescaleSlope=None, RescaleIntercept=None)
    image = read_dicom(tmp_path)
    assert image.metadata["RescaleSlope"] is None
    np.testing.assert_array_equal(image.array[2], stored(2))


def test_slopes_that_change_from_slice_to_slice_keep_their_values(tmp_path):
    for index in range(3):
        slope = 1 + 0.125 * index
        write_slice(tmp_path / f"{index}", index, RescaleSlope=str(slope), RescaleIntercept="0")
    array = read_dicom(tmp_path).array
    for index in range(3):
        np.testing.assert_allclose(array[index], stored(index) * (1 + 0.125 * index))


def test_positions_rounded_to_a_tenth_still_form_a_grid(tmp_path):
    for index in range(9):
        write_slice(tmp_path / f"{index}", index, height=round(0.625 * index, 1), axes=np.eye(3))
    assert read_dicom(tmp_path).spacing[2] == pytest.approx(0.625)


def test_read_image_takes_a_folder_and_a_file_of_any_name(folder):
    for path in (folder, folder / "9"):
        assert read_image(path).size == (6, 5, 6)
    shutil.copy(folder / "9", folder / "slice.dcm")
    with pytest.raises(FileError, match="two planes at"):
        read_image(folder / "slice.dcm")
    with pytest.raises(InputError, match="time=1"):
        read_image(folder, time=1)


def test_several_series_want_a_choice(folder):
    for index in range(2):
        write_slice(folder / f"b{index}", index + 7, SeriesInstanceUID="1.2.9", Modality="MR")
    first, second = list_series(folder)
    assert (first.uid, len(first.files), first.size) == (UID, 6, (6, 5, 6))
    assert first.spacing == pytest.approx((1.25, 0.8, 2.5))
    assert first.orientation == read_dicom(folder, UID).orientation
    assert (second.uid, second.modality, second.size) == ("1.2.9", "MR", (6, 5, 2))
    with pytest.raises(InputError, match=r"2 series.*--series.*1\.2\.3\.4.*1\.2\.9"):
        read_dicom(folder)
    assert read_dicom(folder, "1.2.9").size == (6, 5, 2)
    assert read_dicom(folder / "b1").size == (6, 5, 2)
    with pytest.raises(InputError, match=r"no series '1\.5'"):
        read_dicom(folder, "1.5")
    with pytest.raises(InputError, match="belongs to the series"):
        read_dicom(folder / "b1", UID)


def test_missing_slices_are_named_by_position(folder):
    start = float(np.array([-30.0, 12.0, 100.0]) @ OBLIQUE[:, 2])
    for name in ("7", "6"):  # indices 2 and 3
        (folder / name).unlink()
    with pytest.raises(FileError, match="lacks 2 of 6 slices") as caught:
        read_dicom(folder)
    for index in (2, 3):
        assert f"{start + 2.5 * index:.2f}" in str(caught.value)
    (series,) = list_series(folder)
    assert series.spacing is None and "lacks 2" in series.problem


def refuse(folder, message):
    with pytest.raises(FileError, match=message) as caught:
        read_dicom(folder)
    assert "\n" not in str(caught.value)


def test_two_files_at_one_position_are_refused(folder):
    write_slice(folder / "again", 3)
    refuse(folder, "two planes at")


def test_irregular_spacing_is_refused(folder):
    write_slice(folder / "between", 9, height=16.1)
    refuse(folder, r"2\.500 to 3\.600 mm apart")


def test_gantry_tilt_is_refused_with_its_angle(tmp_path):
    for index in range(5):  # planes that advance along z but lean by 12 degrees
        lean = rotation((1, 0, 0), 12)[:3, :3]
        shift = np.array([0, 0, 2.5 * index])
        write_slice(tmp_path / f"{index}", index, height=0.0, axes=lean, shift=shift)
    refuse(tmp_path, r"gantry tilt of 12\.0 degrees")


def test_mixed_orientations_sizes_and_spacings_are_refused(folder, tmp_path_factory):
    upright = np.eye(3)
    write_slice(folder / "other", 8, axes=upright)
    refuse(folder, "mixes planes of orientation")
    (folder / "other").unlink()
    write_slice(folder / "other", 8, PixelSpacing=["2", "2"])
    refuse(folder, "mixes planes of spacing")
    small = stored(8, (4, 4))
    write_slice(folder / "other", 8, Rows=4, Columns=4, PixelData=small.tobytes())
    refuse(folder, "mixes planes of")


def test_localizers_within_a_series_are_left_out(folder, caplog):
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_slice(folder / "scout", 8, axes=np.eye(3), ImageType=kind)
    with caplog.at_level(logging.WARNING):
        assert read_dicom(folder).size == (6, 5, 6)
    assert "1 localizer" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PixelSpacing": None}, "no PixelSpacing"),
        ({"PixelSpacing": ["0", "1"]}, "not positive"),
        ({"ImagePositionPatient": None}, "no position"),
        ({"ImageOrientationPatient": None}, "no position or orientation"),
        ({"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]}, "perpendicular"),
        ({"ImagePositionPatient": ["1", "2"]}, "3 finite numbers"),
        ({"Rows": 500, "Columns": 500}, "truncated"),
        ({"Rows": 0}, "at least 1"),
    ],
)
def test_headers_without_a_usable_geometry_are_refused(tmp_path, changes, message):
    write_slice(tmp_path / "a", 1, **changes)
    refuse(tmp_path, message)


def test_folders_without_images_are_refused(tmp_path):
    refuse(tmp_path / "missing", "not found|does not exist")
    refuse(tmp_path, "no DICOM image")
    (tmp_path / "CT0001").mkdir()
    refuse(tmp_path, "choose a folder inside it: CT0001")
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID
    report.SeriesDescription = "a report" * 8
    save(report, tmp_path / "report")
    refuse(tmp_path, "no DICOM image")


def test_a_damaged_slice_is_refused_by_name(folder):
    content = (folder / "4").read_bytes()  # the last slice, which no gap would betray
    for length in (150, 200, 600, len(content) - 20):
        (folder / "4").write_bytes(content[:length])
        refuse(folder, r"/4 (is|claims)")


@pytest.mark.parametrize(
    ("kind", "marker", "offset", "tolerance"),
    [("JPEG2000", b"\xff\x4f\xff\x51", 8, 0), ("JPEG", b"\xff\xc0", 5, 12)],
)
def test_compressed_slices_are_decoded_unless_their_size_is_another(
    tmp_path, kind, marker, offset, tolerance
):
    path = tmp_path / "a.dcm"
    pixels = compressed_slice(path, kind)
    array = read_dicom(path).array[0].astype(int) + 1024
    np.testing.assert_allclose(array, pixels, atol=tolerance)
    content = bytearray(path.read_bytes())
    content[content.index(marker) + offset] = 0x7F
    path.write_bytes(content)
    refuse(path, r"the compressed picture is \(|tiles")


def test_a_deflated_file_is_refused(folder):
    data = pydicom.dcmread(folder / "7")
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    save(data, folder / "7")
    refuse(folder, "deflated")


def test_cancel_stops_between_slices(folder):
    token, seen = CancelToken(), []

    def progress(fraction, message):
        seen.append(fraction)
        if len(seen) == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        read_dicom(folder, progress=progress, cancel=token)
    assert seen == pytest.approx([1 / 6, 2 / 6])


def test_an_enhanced_multi_frame_ct_is_ordered_by_its_frames_positions(tmp_path):
    save(enhanced([2, 0, 3, 1]), tmp_path / "enhanced.dcm")
    image = read_image(tmp_path / "enhanced.dcm")
    np.testing.assert_array_equal(
        image.array, np.stack([stored(k).astype(int) - 1024 for k in range(4)])
    )
    np.testing.assert_allclose(image.spacing, [1.25, 0.8, 2])
    np.testing.assert_allclose(image.origin, [10, 20, 0])
    assert image.metadata["RescaleIntercept"] == -1024


def test_a_multi_frame_file_without_positions_or_one_rescale_is_refused(tmp_path):
    save(enhanced([0, 1], intercepts=[0, 5]), tmp_path / "x.dcm")
    refuse(tmp_path, "rescales its frames differently")
    cine = enhanced([0, 1])
    del cine.PerFrameFunctionalGroupsSequence, cine.SharedFunctionalGroupsSequence
    cine.ImagePositionPatient = ["0", "0", "0"]
    cine.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    cine.PixelSpacing = ["1", "1"]
    save(cine, tmp_path / "x.dcm")
    refuse(tmp_path, "no position")
