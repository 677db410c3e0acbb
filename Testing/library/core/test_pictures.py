"""Pictures through files: exact round trips, foreign kinds, and what is refused."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile

from meddl.core import FileError, Image, InputError, read_image, write_image

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64"]
DTYPES += ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiff_keeps_every_type_page_and_name(tmp_path, dtype):
    array = (np.random.default_rng(2).random((3, 5, 6)) * 100).astype(dtype)
    write_image(tmp_path / "x.tiff", Image(array, metadata={"pages": ["air", "Fett ä", "bone"]}))
    back = read_image(tmp_path / "x.tiff")
    assert back.array.dtype == array.dtype
    np.testing.assert_array_equal(back.array, array)
    assert back.metadata["pages"] == ["air", "Fett ä", "bone"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "x.tiff"), array)


def test_pictures_round_trip_and_stand_upright(tmp_path):
    generator = np.random.default_rng(3)
    for name, dtype, shape in [
        ("a.png", np.uint8, (1, 5, 6)),
        ("a.png", np.uint16, (1, 5, 6)),
        ("a.png", np.uint8, (1, 5, 6, 4)),
        ("a.png", np.uint16, (1, 5, 6, 3)),
        ("a.bmp", np.uint8, (1, 5, 6, 3)),
        ("a.tif", np.float32, (1, 5, 6)),
        ("a.tif", np.uint8, (2, 5, 6, 3)),
    ]:
        array = generator.integers(0, np.iinfo("uint8").max, shape).astype(dtype)
        write_image(tmp_path / name, Image(array))
        back = read_image(tmp_path / name)
        assert back.array.dtype == dtype, name
        np.testing.assert_array_equal(back.array, array)
        np.testing.assert_array_equal(back.ras_from_ijk, np.diag([-1, -1, 1, 1]))


def test_jpeg_is_close_and_its_exif_orientation_is_applied(tmp_path):
    from PIL import Image as pillow

    ramp = np.broadcast_to(np.arange(0, 160, 2, dtype=np.uint8)[None, :, None], (48, 80, 3))
    write_image(tmp_path / "x.jpg", Image(np.ascontiguousarray(ramp)[None]))
    np.testing.assert_allclose(read_image(tmp_path / "x.jpg").array[0], ramp, atol=3)
    exif = pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    pillow.fromarray(ramp).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = read_image(tmp_path / "turned.jpg").array[0]
    np.testing.assert_allclose(turned, np.rot90(ramp, -1), atol=3)


def test_foreign_pictures_become_grey_or_rgb(tmp_path):
    from PIL import Image as pillow

    rgb = np.random.default_rng(4).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    palette = pillow.fromarray(rgb).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "palette.png").array[0], np.asarray(palette.convert("RGB"))
    )
    pillow.fromarray(rgb[..., 0] > 99).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "bit.png").array[0], (rgb[..., 0] > 99) * np.uint8(255)
    )
    pillow.fromarray(rgb).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(tmp_path / "lzw.tif").array[0], rgb)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_truncated_pictures_are_refused(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(5).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    write_image(path, Image(noise))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileError):
        read_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path):
    write_image(tmp_path / "x.png", Image(np.zeros((1, 4, 4), np.uint8)))
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[16:24] = struct.pack(">II", 12000, 12000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(FileError, match="claims 144000000 bytes"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "message"),
    [
        ("x.png", (1, 4, 4), np.float32, "uint8 or uint16"),
        ("x.png", (2, 4, 4), np.uint8, "one picture"),
        ("x.png", (1, 4, 4, 5), np.uint8, "components"),
        ("x.jpg", (1, 4, 4), np.uint16, "uint8"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(tmp_path, name, shape, dtype, message):
    with pytest.raises(InputError, match=message):
        write_image(tmp_path / name, Image(np.zeros(shape, dtype)))
    assert not list(tmp_path.iterdir())


def test_pages_of_different_size_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for size in (4, 5):
            file.write(np.zeros((size, 4), np.uint8), metadata=None)
    with pytest.raises(FileError, match=r"pages of \(4, 4\) uint8 and \(5, 4\) uint8"):
        read_image(tmp_path / "x.tif")


def test_planar_tiff_has_its_components_last(tmp_path):
    planes = np.random.default_rng(6).integers(0, 255, (3, 4, 5)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(
        read_image(tmp_path / "x.tif").array[0], np.moveaxis(planes, 0, -1)
    )


def test_page_names_must_match_the_pages(tmp_path):
    with pytest.raises(InputError, match="2 page names for 3 pages"):
        write_image(tmp_path / "x.tif", Image(np.zeros((3, 4, 4)), metadata={"pages": ["a", "b"]}))
