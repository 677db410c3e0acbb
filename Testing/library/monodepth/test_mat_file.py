"""MATLAB's files against scipy's writer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from meddl.core.errors import FileError
from meddl.monodepth.mat_file import read_vectors


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_of_every_type_are_read(tmp_path, compressed):
    rng = np.random.default_rng(0)
    table = {
        f"of_{kind}": (100 * rng.random((rows, 3))).astype(kind)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
        for rows in (1, 5)
    }
    path = tmp_path / "x.mat"
    savemat(path, {**table, "a_word": "text", "x": 7}, do_compression=compressed)
    found = read_vectors(path)
    assert set(found) == {*table, "x"} and found["x"] == [7]
    for name, values in table.items():
        np.testing.assert_array_equal(found[name], values.ravel("F"), name)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.mat"
    for content in (b"x", b"\x89HDF\r\n\x1a\n" + bytes(500), bytes(124) + b"\0\1XX"):
        path.write_bytes(content)
        with pytest.raises(FileError, match="no valid MATLAB file: it has no header of level 5"):
            read_vectors(path)
    savemat(path, {"x": np.arange(9)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FileError, match="beyond the end"):
        read_vectors(path)
