"""PGM and PPM, which depth cameras write: values as they are in the file."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import FileError
from meddl.core.pgm import read_pgm
from meddl.core.pictures import read_picture


@pytest.mark.parametrize(
    ("header", "dtype", "shape"),
    [
        (b"P5 4 3 65535\n", ">u2", (3, 4)),
        (b"P5\n# a camera, 1 mm\n4 3\n10000\n", ">u2", (3, 4)),
        (b"P5\n4\t3\n255 ", np.uint8, (3, 4)),
        (b"P6\n4 3\n255\n", np.uint8, (3, 4, 3)),
        (b"P6 4 3 4095\n", ">u2", (3, 4, 3)),
    ],
)
def test_values_are_those_of_the_file(tmp_path, header, dtype, shape):
    values = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    values.flat[0] = 9  # a tab in a picture is no part of its header
    (tmp_path / "x.pgm").write_bytes(header + values.tobytes())
    found = read_pgm(tmp_path / "x.pgm")
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(read_picture(tmp_path / "x.pgm").array[0], values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"P2 2 2 255\n1 2 3 4", "no binary PGM"),
        (b"\x89PNG\r\n", "no binary PGM"),
        (b"P5 2 2 65535\n1234567", "7 bytes of pixels, 8 were expected"),
        (b"P5 0 2 255\n", "claims 0x2"),
        (b"P5 2 2 70000\n" + b"0" * 8, "damaged"),
        (b"P5 99999999 99999999 255\n0", "truncated"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "x.pgm").write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_pgm(tmp_path / "x.pgm")
