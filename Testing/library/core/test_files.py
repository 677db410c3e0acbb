"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from meddl.core import (
    FileError,
    InputError,
    atomic_folder,
    atomic_path,
    read_json,
    sha256,
    write_json,
)
from meddl.core.files import existing_file, parsing, replaceable_folder, writable_parent


def test_the_reason_is_said_once(tmp_path):
    """FileError is a ValueError too, which an outer handler must not wrap again."""
    with pytest.raises(FileError, match=r"^volume not found: "):
        existing_file(tmp_path / "none", "volume")
    with pytest.raises(FileError, match=r"^the folder .* does not exist"):
        writable_parent(tmp_path / "none" / "out.tiff")
    with pytest.raises(FileError, match=r"no file name|not found"):
        existing_file("a\0b")


def test_what_is_no_readable_file_is_refused_and_never_waited_for(tmp_path):
    with pytest.raises(FileError, match="is a folder"):
        existing_file(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(FileError, match="0 bytes"):
        existing_file(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer for ever
    with pytest.raises(FileError):
        existing_file(tmp_path / "pipe")


def test_an_output_appears_whole_with_ordinary_rights(tmp_path):
    path = tmp_path / "x.nii.gz"
    with atomic_path(path) as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.parent == tmp_path
        temporary.write_text("new")
        assert not path.exists()
    mask = os.umask(0)
    os.umask(mask)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), FileError("x")])
def test_a_failure_keeps_the_previous_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_file_error(tmp_path):
    message = "cannot be written: No space left"
    with pytest.raises(FileError, match=message), atomic_path(tmp_path / "x.txt"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "demo"
    for content in ("first", "second"):
        with atomic_folder(path) as temporary:
            (temporary / f"{content}.txt").write_text(content)
        assert [p.name for p in path.iterdir()] == [f"{content}.txt"]
    with pytest.raises(RuntimeError), atomic_folder(path) as temporary:
        raise RuntimeError("half-way")
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]

    real, calls = os.replace, []

    def fail_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr("meddl.core.files.os.replace", fail_second)
    with pytest.raises(FileError), atomic_folder(path) as temporary:
        (temporary / "third.txt").write_text("third")
    assert [p.name for p in path.iterdir()] == ["second.txt"]


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none" / "demo"):
        with pytest.raises(FileError), atomic_folder(path):
            pytest.fail("the work began")


def test_only_a_folder_without_other_files_is_replaced(tmp_path):
    assert replaceable_folder(tmp_path / "new", "clouds", "*.ply") == tmp_path / "new"
    assert replaceable_folder(tmp_path, "clouds", "*.ply") == tmp_path
    (tmp_path / "1.ply").touch()
    assert replaceable_folder(tmp_path, "clouds", "*.ply") == tmp_path
    with pytest.raises(FileError, match="is a file, a folder was expected"):
        replaceable_folder(tmp_path / "1.ply", "clouds", "*.ply")
    (tmp_path / ".notes").touch()  # hidden, and as dear
    with pytest.raises(FileError, match="holds other files than clouds; choose another folder"):
        replaceable_folder(tmp_path, "clouds", "*.ply")


def test_parsing_folds_anything_to_one_line(tmp_path):
    for error in (RecursionError("deep"), ValueError("two\nlines"), KeyError("k"), MemoryError()):
        with pytest.raises(FileError, match="no valid NRRD") as caught, parsing("x", "NRRD"):
            raise error
        assert "\n" not in str(caught.value) and caught.value.__cause__ is error
    with pytest.raises(FileError, match="NRRD, or there is not enough"), parsing("x", "NRRD"):
        raise ImportError("lib.so: failed to map segment from shared object")
    with pytest.raises(InputError, match=r"^as it is$"), parsing("x", "NRRD"):
        raise InputError("as it is")
    with pytest.raises(FileError, match=r"no valid NRRD: bad header$"), parsing("x", "NRRD"):
        raise RuntimeError("Exception at itk.cxx:12:\nITK ERROR: NrrdImageIO(0x1f): bad header")


def test_json_round_trips_and_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.json"
    data = {"a": [1, 2.5, None, True], "ä": "ö"}
    write_json(path, data)
    assert read_json(path) == data
    for content in (b"{", b"\xff\xfe", b"[" * 100000, b'{"n": ' + b"9" * 5000 + b"}"):
        path.write_bytes(content)
        with pytest.raises(FileError, match="camera file") as caught:
            read_json(path, "camera file")
        assert "\n" not in str(caught.value)
    path.write_text("old")
    for bad in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises(InputError):
            write_json(path, bad)
    assert path.read_text() == "old"


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc" * 1000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 1000).hexdigest()
