"""Images through files: exact round trips, headers written by hand, and what is refused."""

from __future__ import annotations

import gzip
import struct
import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from meddl.core import FileError, GeometryError, Image, InputError, read_image, write_image
from meddl.core.errors import DeviceError
from meddl.core.geometry import apply, compose, rotation
from properties import examples

VOLUMES = [".nii", ".nii.gz", ".nrrd", ".mha"]
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64"]
DTYPES += ["float32", "float64"]


def oblique(spacing=(0.7, 1.3, 2.5), left_handed=False):
    matrix = rotation((1, 2, 3), 40) @ compose(spacing, (-10, 20, 30))
    if left_handed:
        matrix[:3, 0] *= -1
    return matrix


def nifti(array, sform=None, pixdim=(1, 1, 1), dim=None, code=4, offset=352.0):
    """A NIfTI-1 file by hand from the layout in nifti1.h; ``array`` is (K, J, I) int16."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *(dim or (3, *array.shape[::-1], 1, 1, 1, 1)))
    struct.pack_into("<hh", header, 70, code, 16)
    struct.pack_into("<8f", header, 76, 1, *pixdim, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, offset, 1, 0)
    if sform is not None:
        struct.pack_into("<hh", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *np.asarray(sform)[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + array.astype("<i2").tobytes()


def nrrd(array, fields="", sizes=None, data=None):
    """A raw NRRD by hand; ``fields`` are extra header lines."""
    sizes = sizes or " ".join(map(str, array.shape[::-1]))
    head = f"NRRD0004\ntype: short\ndimension: {len(sizes.split())}\nsizes: {sizes}\n{fields}"
    head += "endian: little\n" + ("" if "encoding" in fields else "encoding: raw\n") + "\n"
    return head.encode() + (array.astype("<i2").tobytes() if data is None else data)


def metaimage(array, data=None, compressed=False, **changes):
    """A MetaImage by hand; keyword arguments replace header fields."""
    fields: dict[str, object] = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(compressed),
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "1 1 1",
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": "MET_SHORT",
        "ElementDataFile": "LOCAL",
    }
    if compressed:
        fields = {"CompressedDataSize": len(data)} | fields
    fields |= changes
    head = "".join(f"{key} = {value}\n" for key, value in fields.items())
    return head.encode() + (array.astype("<i2").tobytes() if data is None else data)


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)


@pytest.mark.parametrize("suffix", VOLUMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_volumes_round_trip_exactly(tmp_path, suffix, dtype):
    generator = np.random.default_rng(1)
    for shape in [(4, 5, 6), (1, 5, 6), (4, 5, 6, 3), (1, 5, 6, 2)]:
        array = (generator.random(shape) * 100).astype(dtype)
        array.flat[0] = np.iinfo(dtype).max if array.dtype.kind in "iu" else np.pi
        for left_handed in (False, True):
            image = Image(array, oblique(left_handed=left_handed))
            write_image(tmp_path / f"x{suffix}", image)
            back = read_image(tmp_path / f"x{suffix}")
            assert back.array.dtype == array.dtype
            np.testing.assert_array_equal(back.array, array)
            np.testing.assert_allclose(back.ras_from_ijk, image.ras_from_ijk, atol=1e-5)


@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    angle=st.floats(-180, 180),
    spacing=st.tuples(*[st.floats(0.05, 20)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    suffix=st.sampled_from(VOLUMES),
)
def test_any_pose_round_trips(tmp_path, axis, angle, spacing, origin, suffix):
    image = Image(np.zeros((2, 3, 4), np.uint8), rotation(axis, angle) @ compose(spacing, origin))
    write_image(tmp_path / f"pose{suffix}", image)
    back = read_image(tmp_path / f"pose{suffix}")
    corners = np.array([[0, 0, 0], [3, 2, 1]])
    np.testing.assert_allclose(
        apply(back.ras_from_ijk, corners), apply(image.ras_from_ijk, corners), atol=2e-4
    )


def test_a_nifti_by_hand_lies_where_its_sform_says(tmp_path, voxels):
    sform = oblique()
    (tmp_path / "a.nii").write_bytes(nifti(voxels, sform, pixdim=(0.7, 1.3, 2.5)))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    for name in ("a.nii", "b.nii.gz"):
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.array, voxels)
        np.testing.assert_allclose(image.ras_from_ijk, sform, atol=1e-5)


def test_nrrd_and_metaimage_by_hand_are_converted_to_ras(tmp_path, voxels):
    space = "space: {}\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (1,2,3)\n"
    expected = np.diag([2.0, 3.0, 4.0, 1.0])
    expected[:3, 3] = 1, 2, 3
    for name, sign in (("right-anterior-superior", 1), ("left-posterior-superior", -1)):
        (tmp_path / "x.nrrd").write_bytes(nrrd(voxels, space.format(name)))
        image = read_image(tmp_path / "x.nrrd")
        np.testing.assert_allclose(image.ras_from_ijk, np.diag([sign, sign, 1, 1]) @ expected)
        np.testing.assert_array_equal(image.array, voxels)
    (tmp_path / "x.mha").write_bytes(
        metaimage(voxels, zlib.compress(voxels.tobytes()), compressed=True)
    )
    image = read_image(tmp_path / "x.mha")
    np.testing.assert_array_equal(image.array, voxels)
    np.testing.assert_allclose(image.origin, [-1, -2, 3])


def test_a_two_dimensional_volume_file_has_one_slice(tmp_path):
    flat = sitk.GetImageFromArray(np.arange(12, dtype=np.float32).reshape(3, 4))
    flat.SetSpacing([2.0, 3.0])
    sitk.WriteImage(flat, str(tmp_path / "x.mha"))
    image = read_image(tmp_path / "x.mha")
    assert image.size == (4, 3, 1)
    np.testing.assert_allclose(image.ras_from_ijk, np.diag([-2, -3, 1, 1]))
    with pytest.raises(InputError, match=r"4x3x1.*2-D picture"):
        image.require_volume("CT")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_time_series_wants_a_choice(tmp_path, voxels, suffix):
    path = tmp_path / f"series{suffix}"
    frames = [sitk.GetImageFromArray(voxels + n) for n in range(3)]
    for frame in frames:
        frame.SetOrigin([5, 6, 7])
    sitk.WriteImage(sitk.JoinSeries(frames), str(path))
    with pytest.raises(InputError, match="3 time points"):
        read_image(path)
    image = read_image(path, time=2)
    np.testing.assert_array_equal(image.array, voxels + 2)
    np.testing.assert_allclose(image.origin, [-5, -6, 7])
    with pytest.raises(InputError, match="time point 3"):
        read_image(path, time=3)


def test_detached_data_are_read_beside_their_header(tmp_path, voxels):
    (tmp_path / "x.raw").write_bytes(voxels.tobytes())
    (tmp_path / "x.nhdr").write_bytes(nrrd(voxels, "data file: x.raw\n", data=b""))
    (tmp_path / "x.mhd").write_bytes(metaimage(voxels, b"", ElementDataFile="x.raw"))
    for name in ("x.nhdr", "x.mhd"):
        np.testing.assert_array_equal(read_image(tmp_path / name).array, voxels)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "sub/../../secret.raw", "link"])
@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd", ".mhd", ".mha"])
def test_detached_data_outside_the_folder_are_refused(tmp_path, voxels, name, suffix):
    (tmp_path / "secret.raw").write_bytes(voxels.tobytes())
    folder = tmp_path / "case"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "secret.raw")
    path = folder / f"x{suffix}"
    path.write_bytes(
        metaimage(voxels, b"", ElementDataFile=name)
        if suffix in (".mhd", ".mha")
        else nrrd(voxels, f"data file: {name}\n", data=b"")
    )
    with pytest.raises(FileError, match="outside its folder"):
        read_image(path)


def bad_volumes(voxels):
    """Name of the fault -> (file name, content, what the message says)."""
    good, zipped = nifti(voxels), gzip.compress(nifti(voxels))
    flipped = bytearray(zlib.compress(voxels.tobytes()))
    flipped[len(flipped) // 2] ^= 0xFF
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    lps = "space: left-posterior-superior\nspace directions: {}\n"
    return {
        "truncated nii": ("x.nii", good[:500], "truncated"),
        "truncated gz": ("x.nii.gz", zipped[: len(zipped) // 2], "truncated"),
        "damaged gz": ("x.nii.gz", zipped[:-8] + bytes(4) + zipped[-4:], "damaged"),
        "header only": ("x.nii", good[:100], "no single-file NIfTI"),
        "text as nii": ("x.nii", b"hello", "no single-file NIfTI"),
        "gz named nii": ("x.nii", zipped, "name it x.nii.gz|name it .*x.nii.gz"),
        "huge nii": ("x.nii", nifti(voxels, dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)), "claims"),
        "huge gz": (
            "x.nii.gz",
            gzip.compress(nifti(voxels, dim=(3, 32767, 32767, 32767, 1, 1, 1, 1))),
            "claims",
        ),
        "negative size": ("x.nii", nifti(voxels, dim=(3, -7, 6, 5, 1, 1, 1, 1)), "positive sizes"),
        "no dimension": ("x.nii", nifti(voxels, dim=(0, 7, 6, 5, 1, 1, 1, 1)), "0 dimensions"),
        "complex": ("x.nii", nifti(voxels, code=32), "data type 32"),
        "zero spacing": ("x.nii", nifti(voxels, pixdim=(0, 1, 1)), "spacing"),
        "NaN spacing": ("x.nii", nifti(voxels, pixdim=(1, np.nan, 1)), "spacing"),
        "negative spacing": ("x.nii", nifti(voxels, pixdim=(1, -2, 1)), "spacing"),
        "NaN sform": ("x.nii", nifti(voxels, np.full((4, 4), np.nan)), "NaN"),
        "zero sform": ("x.nii", nifti(voxels, np.zeros((4, 4))), "zero spacing"),
        "sheared sform": ("x.nii", nifti(voxels, sheared), "sheared"),
        "bad offset": ("x.nii", nifti(voxels, offset=np.nan), "at byte nan"),
        "truncated nrrd": ("x.nrrd", nrrd(voxels)[:-50], "truncated"),
        "huge nrrd": ("x.nrrd", nrrd(voxels, sizes="99999 99999 9999"), "claims"),
        "zero nrrd": ("x.nrrd", nrrd(voxels, lps.format("(0,0,0) (0,1,0) (0,0,1)")), "cannot be"),
        "sheared nrrd": ("x.nrrd", nrrd(voxels, lps.format("(1,.5,0) (0,1,0) (0,0,1)")), "sheared"),
        "bzip2 nrrd": ("x.nrrd", nrrd(voxels, "encoding: bzip2\n"), "raw or gzip"),
        "damaged nrrd": ("x.nrrd", nrrd(voxels, "encoding: gzip\n", data=b"abc" * 99), "no valid"),
        "two data files": ("x.nrrd", nrrd(voxels, "data file: LIST\n"), "several data files"),
        "field twice": ("x.nrrd", nrrd(voxels, "encoding: raw\nencoding: raw\n"), "twice"),
        "hidden field": (
            "x.nrrd",
            nrrd(voxels, "content: a\rdata file: /etc/passwd\n"),
            "carriage",
        ),
        "no nrrd": ("x.nrrd", b"PNRD0004\n\n", "no NRRD"),
        "truncated mha": ("x.mha", metaimage(voxels)[:-50], "truncated"),
        "damaged mha": ("x.mha", metaimage(voxels, bytes(flipped), compressed=True), "damaged"),
        "wrong size": (
            "x.mha",
            metaimage(voxels, bytes(flipped), compressed=True, CompressedDataSize="9"),
            "says CompressedDataSize 9",
        ),
        "cut zlib": ("x.mha", metaimage(voxels, bytes(flipped[:60]), compressed=True), "truncated"),
        "zero mha": ("x.mha", metaimage(voxels, ElementSpacing="0 1 1"), "spacing"),
        "negative mha": ("x.mha", metaimage(voxels, ElementSpacing="-1 1 1"), "spacing"),
        "singular mha": ("x.mha", metaimage(voxels, TransformMatrix="0 " * 9), "zero spacing"),
        "negative size mha": ("x.mha", metaimage(voxels, DimSize="-7 6 5"), "claims"),
        "no mha": ("x.mha", b"ObjectType = Image\n", "no MetaImage"),
    }


BAD = bad_volumes(np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7)).astype(np.int16))


@pytest.mark.parametrize("fault", BAD)
def test_bad_volumes_are_refused_in_one_line(tmp_path, fault):
    name, content, message = BAD[fault]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.nii", "not found"),
        ("x.xyz", "unknown extension '.xyz'"),
        ("empty.nrrd", "0 bytes"),
    ],
)
def test_bad_names_are_refused(tmp_path, name, message):
    (tmp_path / "x.xyz").write_bytes(b"anything")
    (tmp_path / "empty.nrrd").touch()
    with pytest.raises(FileError, match=message):
        read_image(tmp_path / name)


def test_options_that_do_not_apply_are_refused(tmp_path, voxels):
    write_image(tmp_path / "x.nii", Image(voxels))
    with pytest.raises(InputError, match="DICOM folders"):
        read_image(tmp_path / "x.nii", series="1.2.3")


def test_more_voxels_than_memory_are_refused_before_allocation(tmp_path, voxels, monkeypatch):
    write_image(tmp_path / "x.nii", Image(voxels))
    from meddl.core import devices

    full = devices.Device("cpu", "test", 100, 100)
    monkeypatch.setattr(devices, "_cpu", lambda: full)
    with pytest.raises(DeviceError, match="free"):
        read_image(tmp_path / "x.nii")


@pytest.mark.parametrize("suffix", [".nii.gz", ".xyz", ".mhd", ".png", ".jpg"])
def test_what_a_format_cannot_hold_is_refused_and_leaves_no_file(tmp_path, suffix):
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    with pytest.raises((InputError, GeometryError)):
        write_image(tmp_path / f"x{suffix}", Image(np.zeros((2, 3, 4)), sheared))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_previous_file(tmp_path, voxels):
    path = tmp_path / "x.nii"
    write_image(path, Image(voxels))
    with pytest.raises(InputError, match="float64"):
        write_image(path, Image(np.zeros((2, 2, 2), np.longdouble)))
    np.testing.assert_array_equal(read_image(path).array, voxels)
    assert [p.name for p in tmp_path.iterdir()] == ["x.nii"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 3), (1, 5, 6)])
def test_nan_and_infinity_survive(tmp_path, suffix, shape):
    """ITK's NIfTI reader turns them to 0, and a CT with holes would pass for whole."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    values[0, 1, 2] = np.nan
    values[-1, 4, 5] = -np.inf
    write_image(tmp_path / f"x{suffix}", Image(values))
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}").array, values)


def test_nan_of_one_time_point_stays_there(tmp_path):
    values = np.zeros((3, 4, 5, 6), np.float32)  # time, k, j, i
    values[1, 2, 3, 4] = np.nan
    nibabel.save(nibabel.Nifti1Image(values.T, np.eye(4)), tmp_path / "x.nii.gz")
    for time in range(3):
        np.testing.assert_array_equal(
            read_image(tmp_path / "x.nii.gz", time=time).array, values[time]
        )
