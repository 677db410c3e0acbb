"""A scene's bundle is the former one or the new one, wherever its writing is killed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from demo.scene import read_scene, write_scene
from library.faults.killing import killed_at_byte, killed_at_each_change
from meddl.core import Image
from meddl.core.errors import FileError
from meddl.core.files import remove_leftovers, visible
from SlicerMedDLLib.markups import markups_from_points
from SlicerMedDLLib.sequences import recording
from SlicerMedDLLib.volumes import volume_from_image

if sys.platform != "linux":
    pytest.skip("only Linux can fork a process that has Qt", allow_module_level=True)

FRAMES = 3


def noise(*shape: int) -> np.ndarray:
    """What cannot be compressed, so that the files have their size."""
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture
def bundle(scene: Any, tmp_path: Path) -> Path:
    """A bundle of one volume; the scene has a second one, points and a video now."""
    path = tmp_path / "all of it.mrb"
    volume_from_image(Image(noise(8, 32, 32)), "former")
    write_scene(path)
    volume_from_image(Image(noise(16, 40, 40)), "new")
    markups_from_points(np.eye(4, 3), name="points")
    with recording("video", 25) as append:
        for frame in noise(FRAMES, 40, 60, 3):
            append(frame)
    return path


def content(path: Path) -> Counter[str]:
    return read_scene(path)[0]


FORMER = Counter(vtkMRMLScalarVolumeNode=1)
NEW = Counter(
    vtkMRMLScalarVolumeNode=2,
    vtkMRMLMarkupsFiducialNode=1,
    vtkMRMLSequenceNode=1,
    vtkMRMLVectorVolumeNode=1,
)


def check_killed_at_bytes(bundle: Path, count: int) -> None:
    """The kernel ends the writing at seeded sizes of a file, of which the bundle is the largest."""
    former = bundle.read_bytes()
    write_scene(bundle.with_name("whole.mrb"))
    size = bundle.with_name("whole.mrb").stat().st_size
    bundle.with_name("whole.mrb").unlink()
    halves = 0
    for limit in np.random.default_rng(1).integers(0, size, count):
        assert killed_at_byte(int(limit), lambda: write_scene(bundle))
        assert visible(bundle.parent) == [bundle] and bundle.read_bytes() == former
        for half in bundle.parent.glob(f".part-*/{bundle.name}"):
            assert half.stat().st_size <= limit
            with pytest.raises(FileError, match=r"no valid scene bundle|is empty"):
                read_scene(half)
            halves += 1
        remove_leftovers(bundle.parent)
    assert halves > count / 4  # the other kills came while its parts were written
    assert content(bundle) == FORMER
    write_scene(bundle)
    assert content(bundle) == NEW and list(bundle.parent.iterdir()) == [bundle]


def test_killed_at_a_few_bytes(bundle: Path) -> None:
    check_killed_at_bytes(bundle, 6)


@pytest.mark.long
def test_killed_at_many_bytes(bundle: Path) -> None:
    check_killed_at_bytes(bundle, 200)


@pytest.mark.parametrize("replaces", [True, False])
def test_killed_at_each_change_of_files(bundle: Path, replaces: bool) -> None:
    """Before the temporary folder is made, before the renaming, before the folder is removed."""
    former = bundle.read_bytes()
    if not replaces:
        bundle.unlink()
    found = []
    for _ in killed_at_each_change(bundle.parent, lambda: write_scene(bundle)):
        found.append(bundle.exists() and bundle.read_bytes() != former)
        assert bundle.exists() or not replaces
        remove_leftovers(bundle.parent)
        if found[-1]:
            assert content(bundle) == NEW
            break
    assert found[-1] and len(found) > 1


def test_a_folder_that_takes_no_file_is_named(scene: Any, tmp_path: Path) -> None:
    volume_from_image(Image(noise(4, 8, 8)), "CT")
    before = slicer.mrmlScene.GetURL()
    with pytest.raises(FileError, match="nowhere"):
        write_scene(tmp_path / "nowhere" / "scene.mrb")
    assert slicer.mrmlScene.GetURL() == before
