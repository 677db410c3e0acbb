"""Docs/python.md: every block runs, in order, in the headless host and on the bundled data."""

from __future__ import annotations

import shutil
from itertools import islice

import pytest

from library.pages import DOCS, ROOT, blocks

PAGE = (DOCS / "python.md").read_text()
MODULES = ("SlicerMedDL", "DeepDRRModule", "DeepIGeoSModule", "EndoDepthModule", "DesmokeModule")
DATA = ROOT / "Testing" / "data"
BLOCKS = blocks(PAGE, "python")


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """The names of Slicer's console, in a folder that looks like the checkout."""
    import host
    from meddl.core import Image, read_frames
    from meddl.core.pictures import write_picture

    host.start()
    modules = [host.load_module(ROOT / name / f"{name}.py") for name in MODULES]
    import slicer

    host.clear_scene()
    folder = tmp_path_factory.mktemp("console")
    (folder / "Testing").symlink_to(ROOT / "Testing")
    (folder / "smoky").mkdir()
    for number, frame in enumerate(islice(read_frames(DATA / "input_12.avi"), 2)):
        write_picture(folder / f"smoky/{number}.png", Image(frame[None]))
    names = {"slicer": slicer, "getNode": slicer.util.getNode}
    yield folder, names
    host.clear_scene()
    for module in modules:
        module.cleanup()
    shutil.rmtree(folder)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.section}, {block.line}")
def test_a_block_runs(block, console, monkeypatch, no_host_errors):
    folder, names = console
    monkeypatch.chdir(folder)
    exec(compile("\n" * (block.line - 1) + block.text, DOCS / "python.md", "exec"), names)


def test_what_the_blocks_made_is_what_the_page_says(console):
    import numpy as np

    from meddl.core import read_image

    folder, names = console
    if "smoky" not in names:
        pytest.skip("needs the blocks above, in one process")
    center, isocenter = np.array(names["ct"].center), np.array(names["moved"].isocenter)
    assert np.linalg.norm(isocenter - center) == pytest.approx(20, abs=1e-3)
    u_v = np.array([names["u"], names["v"]])
    np.testing.assert_allclose(u_v, 31.5, atol=1e-3)  # the centre of the CT, in the middle
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    np.testing.assert_array_equal(read_image(folder / "ct_copy.nrrd").array, ct.array)
    assert read_image(folder / "clicked.nii.gz").array.any()
    assert names["score"].name == "urinary bladder" and names["score"].dice > 0.8


def test_every_module_has_its_recipes():
    sections = {block.section for block in BLOCKS}
    assert {"MedDL Home", *MODULES[1:]} < sections


def test_the_number_of_the_tutorial_is_the_radiographs():
    from meddl.core import read_image
    from meddl.deepdrr import CArm, render

    # The pixels in the middle of any even number of pixels see the same.
    view = CArm(primary_angle=30, detector_size=(2, 2), pixel_spacing=CArm().pixel_spacing)
    middle = render(read_image(DATA / "abdomen_pelvis_ct.nii.gz"), view).array[0, 1, 1]
    assert f"{middle:.4f} at column and row 256" in (ROOT / "README.md").read_text()
