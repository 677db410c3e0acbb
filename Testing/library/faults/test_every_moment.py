"""What replaces files and folders, killed before each single change that it makes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

if os.name == "nt":
    pytest.skip("Windows cannot fork", allow_module_level=True)

from demo.workspace import workspace
from library.faults.killing import killed_at_each_change
from meddl.core.errors import FileError
from meddl.core.files import (
    allocate,
    atomic_folder,
    atomic_path,
    claimed_folder,
    remove_leftovers,
    visible,
)

FILES = {"scene.mrb": "a" * 5000, "report.html": "done"}


def write_all(folder: Path, version: str) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(version + text)


def version_of(folder: Path) -> str:
    """``old`` or ``new``, if every file is there and whole."""
    found = {path.name: path.read_text() for path in folder.iterdir()}
    for version in ("old", "new"):
        if found == {name: version + text for name, text in FILES.items()}:
            return version
    pytest.fail(f"half-written: {sorted(found)}")


def replace_file(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("new" + "a" * 5000)


def test_a_file_is_old_or_new(tmp_path):
    path, seen = tmp_path / "x.txt", set()
    path.write_text("old")
    for number in killed_at_each_change(tmp_path, lambda: replace_file(path)):
        assert path.read_text() in ("old", "new" + "a" * 5000), number
        assert visible(tmp_path) == [path]
        seen.add(path.read_text()[:3])
    assert seen == {"old", "new"}
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", [atomic_folder, lambda path: workspace(path, keep=False)])
def test_a_folder_is_old_or_new_at_the_latest_for_the_next_writer(tmp_path, writer):
    """The demo writes its scenes into such a folder."""

    def replace() -> None:
        with writer(tmp_path / "demo") as folder:
            write_all(folder, "new")

    def look() -> str:
        """What the next writer finds."""
        with contextlib.suppress(FileError), writer(tmp_path / "demo"):
            found.append(version_of(tmp_path / "demo"))
            raise FileError("only looked")
        return found[-1]

    found: list[str] = []
    (tmp_path / "demo").mkdir()
    write_all(tmp_path / "demo", "old")
    for _ in killed_at_each_change(tmp_path, replace):
        if look() == "new":
            break
    assert found[-1] == "new" and len(found) > 4 and set(found) == {"old", "new"}
    assert [path.name for path in visible(tmp_path)] == ["demo"]


def test_a_claim_ends_with_its_process(tmp_path):
    child = os.fork()
    if child == 0:
        with claimed_folder(tmp_path):
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with (
        claimed_folder(tmp_path),
        pytest.raises(FileError, match="another run is at work"),
        claimed_folder(tmp_path),
    ):
        pytest.fail("two runs in one folder")
    with claimed_folder(tmp_path):
        pass


def test_a_file_gets_its_space_and_keeps_its_content(tmp_path):
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.write(b"head")
        file.truncate(2**20)
    before = path.stat().st_blocks
    allocate(path)
    assert path.stat().st_size == 2**20 and path.read_bytes()[:5] == b"head\0"
    if hasattr(os, "posix_fallocate"):
        assert path.stat().st_blocks * 512 >= 2**20 > before * 512
