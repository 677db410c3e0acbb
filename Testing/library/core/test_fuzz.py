"""Damaged files of every kind: each is read or refused in one line, never anything else.

Seeded damage of small valid files (``library.faults.damage``). A few run always, ``--long`` adds
hundreds. A reader that crashes or hangs takes the run with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from library.faults.damage import BYTES, fuzz
from meddl.core import (
    Image,
    Mesh,
    Points,
    read_dicom,
    read_frames,
    read_image,
    read_mesh,
    read_points,
    write_frames,
    write_image,
    write_mesh,
    write_points,
)

from .dicom_files import compressed_slice, enhanced, save, write_slice

FCSV = "# CoordinateSystem = LPS\n# columns = id,x,y,z,label\nx,1,2,3,tip\n"


def write_valid(path: Path) -> None:
    """A small valid file of the kind that the suffix names."""
    generator = np.random.default_rng(0)
    suffix = "".join(path.suffixes)
    if suffix in (".nii", ".nii.gz", ".nrrd", ".mha", ".tiff"):
        write_image(path, Image(generator.integers(-99, 999, (3, 8, 9)).astype(np.int16)))
    elif suffix in (".png", ".jpg", ".bmp"):
        write_image(path, Image(generator.integers(0, 255, (1, 8, 9, 3)).astype(np.uint8)))
    elif suffix in (".stl", ".obj", ".ply"):
        write_mesh(path, Mesh(generator.normal(size=(5, 3)), np.array([[0, 1, 2], [2, 3, 4]])))
    elif suffix in (".mrk.json", ".csv"):
        write_points(path, Points(("a", "b"), generator.normal(size=(2, 3))))
    elif suffix == ".fcsv":
        path.write_text(FCSV)
    elif suffix in (".mp4", ".avi"):
        frames = generator.integers(0, 255, (4, 16, 32, 3)).astype(np.uint8)
        write_frames(path, frames, 25)
    elif suffix == ".plain.dcm":
        write_slice(path, 1)
    elif suffix == ".enhanced.dcm":
        save(enhanced([2, 0, 1]), path)
    else:
        compressed_slice(path, {".j2k.dcm": "JPEG2000", ".jpeg.dcm": "JPEG"}[suffix])


def read_video(path: Path) -> None:
    for _ in read_frames(path):
        pass


READERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(
        [".nii", ".nii.gz", ".nrrd", ".mha", ".tiff", ".png", ".jpg", ".bmp"], read_image
    ),
    **dict.fromkeys([".plain.dcm", ".enhanced.dcm", ".j2k.dcm", ".jpeg.dcm"], read_dicom),
    **dict.fromkeys([".stl", ".obj", ".ply"], read_mesh),
    **dict.fromkeys([".mrk.json", ".csv", ".fcsv"], read_points),
    **dict.fromkeys([".mp4", ".avi"], read_video),
}


def damage(folder: Path, suffix: str, count: int) -> None:
    folder.joinpath("case").mkdir()
    path = folder / "case" / f"x{suffix}"
    write_valid(path)
    fuzz(path, READERS[suffix], count)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", READERS)
def test_a_few_damaged_files(tmp_path, suffix):
    damage(tmp_path, suffix, 12)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", READERS)
def test_hundreds_of_damaged_files(tmp_path, suffix):
    damage(tmp_path, suffix, 400)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the peak")
def test_a_reader_that_believes_a_header_is_noticed(tmp_path):
    """One that makes room for the size that a damaged file names."""

    def read(path: Path) -> None:
        assert np.ones(int(path.read_bytes() != b"x" * 99) * 2 * BYTES, np.uint8).size >= 0

    (tmp_path / "x").write_bytes(b"x" * 99)
    with pytest.raises(AssertionError, match=r"\(0, ''\)"):
        fuzz(tmp_path / "x", read, 1)
