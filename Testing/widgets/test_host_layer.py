"""Slicer's Python layer in the host: same names and signatures, same behaviour."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.packaging
from slicer.i18n import getContext, tr, translate

import host
from host import api

SOURCE = os.environ.get("MEDDL_SLICER_SOURCE")
LAYERS = ["slicer.packaging", "slicer.i18n", "slicer.ScriptedLoadableModule", "SampleData"]


def parameters(text_or_callable):
    """Names and defaults of a signature, without annotations."""
    if callable(text_or_callable):
        signature = inspect.signature(text_or_callable)
    else:
        text = text_or_callable.partition(" -> ")[0]
        signature = inspect.signature(eval(f"lambda {text[1:-1]}: None", {"typing": None}))
    return [(item.name, str(item.default)) for item in signature.parameters.values()]


def without_annotations(text):
    """The signature as text with its annotations cut out."""
    inner, depth, out, skip = text.partition(" -> ")[0][1:-1], 0, "", False
    for character in inner:
        depth += (character in "[(" and 1) or ((character in "])" and -1) or 0)
        if depth == 0 and character == ":":
            skip = True
        if depth == 0 and character in ",=":
            skip = False
        out += "" if skip else character
    return f"({out})"


@pytest.mark.skipif(bool(SOURCE), reason="Slicer's own files are in use, not the substitutes")
@pytest.mark.parametrize("name", LAYERS)
def test_substitutes_have_slicers_names_and_signatures(name):
    module, recorded = importlib.import_module(name), api.python_interface(name)
    own = [
        item for item in vars(module).values() if getattr(item, "__module__", "") == module.__name__
    ]
    checked = 0
    for item in own:
        if item.__name__.startswith("_"):
            continue
        assert item.__name__ in recorded, f"{name}.{item.__name__} is not in Slicer"
        facts = recorded[item.__name__]
        methods = {item.__name__: facts} if isinstance(facts, str) else facts
        for method_name, text in methods.items():
            target = item if isinstance(facts, str) else vars(item).get(method_name)
            target = getattr(target, "__func__", target)
            if callable(target):
                assert parameters(target) == parameters(without_annotations(text)), method_name
                checked += 1
        if inspect.isclass(item):
            public = {key for key in vars(item) if not key.startswith("_")}
            fields = set(getattr(item, "__dataclass_fields__", {}))
            assert public - fields <= set(facts), f"{name}.{item.__name__}"
    assert checked


@pytest.mark.skipif(bool(SOURCE), reason="Slicer's own files are in use, not the substitutes")
def test_parameter_node_layer_has_nothing_of_its_own():
    module = importlib.import_module("slicer.parameterNodeWrapper")
    recorded = set(api.python_interface("slicer.parameterNodeWrapper"))
    assert set(module.__all__) - recorded == {"SlicerParameterNamePropertyName"}  # a constant


def test_application_attributes_are_slicers():
    assert slicer.app.applicationName == "Slicer"
    assert (slicer.app.majorVersion, slicer.app.minorVersion) == (5, 13)
    assert slicer.app.mrmlScene() is slicer.mrmlScene
    assert slicer.app.layoutManager() is None
    assert slicer.util.mainWindow() is None
    with pytest.raises(AttributeError, match="mainWindow"):
        slicer.app.mainWindow()
    assert slicer.modules.volumes.logic().IsA("vtkSlicerVolumesLogic")
    assert "Segmentations" in slicer.util.moduleNames()


def test_messages_are_recorded():
    host.clear()
    slicer.util.errorDisplay("broken", windowTitle="MedDL", detailedText="line 3")
    slicer.util.warningDisplay("careful")
    slicer.util.infoDisplay("done")
    assert [(m.kind, m.text) for m in host.messages()] == [
        ("error", "broken"),
        ("warning", "careful"),
        ("info", "done"),
    ]
    assert host.messages("error")[0].title == "MedDL"
    assert host.messages("error")[0].detail == "line 3"
    host.clear()


def test_try_with_error_display_shows_and_raises_again():
    host.clear()
    with pytest.raises(ValueError, match="bad"), slicer.util.tryWithErrorDisplay("Failed."):
        raise ValueError("bad")
    assert [message.text for message in host.messages()] == ["Failed.\n\nbad"]
    host.clear()


def test_console_process_is_a_real_process():
    command = [sys.executable, "-c", "import os; print(os.environ['MEDDL_PROBE'])"]
    lines, codes = [], []
    slicer.util.launchConsoleProcess(
        command,
        updateEnvironment={"MEDDL_PROBE": "a b"},
        blocking=False,
        logCallback=lines.append,
        completedCallback=codes.append,
    )
    import time

    deadline = time.monotonic() + 20
    while not codes and time.monotonic() < deadline:
        slicer.app.processEvents()
        time.sleep(0.01)
    assert (lines, codes) == (["a b"], [0])


def test_translation_passes_texts_through(tmp_path):
    assert tr("Apply {name}").format(name="now") == "Apply now"
    assert translate("context", "Cancel") == "Cancel"
    assert getContext(__file__) in ("test_host_layer", "widgets.test_host_layer")


def test_pip_check():
    assert slicer.packaging.pip_check("numpy>=1.20")
    assert slicer.packaging.pip_check(["numpy", "scipy>=1"])
    assert not slicer.packaging.pip_check("numpy>=99")
    assert not slicer.packaging.pip_check("meddl-no-such-package")
    assert slicer.packaging.pip_check("meddl-no-such-package; sys_platform == 'plan9'")


def test_load_requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# comment\n--no-cache\nnumpy>=1.20\n\nscipy\n", encoding="utf-8")
    names = [requirement.name for requirement in slicer.packaging.load_requirements(path)]
    assert names == ["numpy", "scipy"]


def test_pip_ensure_asks_and_respects_no():
    host.clear()
    slicer.packaging.pip_ensure("numpy", requester="MedDL")
    assert host.messages() == []
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("meddl-no-such-package", requester="MedDL")
    (question,) = host.messages()
    assert question.kind == "question" and "MedDL" in question.title
    assert "meddl-no-such-package" in question.detail
    host.set_testing(True)
    try:
        assert slicer.packaging.pip_ensure("meddl-no-such-package") is None
    finally:
        host.set_testing(False)
        host.clear()


@pytest.fixture
def sample(tmp_path, scene):
    import SampleData

    volume = slicer.util.addVolumeFromArray(np.ones((2, 2, 2), np.int16), name="source")
    path = tmp_path / "sample ct.nrrd"
    slicer.util.saveNode(volume, str(path))
    before = dict(slicer.modules.sampleDataSources)

    def register(checksum, name):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="Host",
            sampleName=name,
            uris=path.as_uri(),
            fileNames=f"{name}.nrrd",
            nodeNames=f"{name} CT",
            checksums=checksum,
            loadFileTypes="VolumeFile",
        )

    yield register, "SHA256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    slicer.modules.sampleDataSources.clear()
    slicer.modules.sampleDataSources.update(before)


def test_sample_data_is_registered_and_loaded(sample):
    import SampleData

    register, checksum = sample
    register(checksum, "good")
    register(checksum, "good")
    logic = SampleData.SampleDataLogic()
    assert len(slicer.modules.sampleDataSources["Host"]) == 1
    assert logic.categoryForSource(logic.sourceForSampleName("good")) == "Host"
    node = SampleData.downloadSample("good")
    assert node.GetName() == "good CT"
    assert slicer.util.arrayFromVolume(node).sum() == 8


def test_sample_data_with_wrong_checksum_is_refused(sample):
    import SampleData

    register, _ = sample
    register("SHA256:" + "0" * 64, "bad")
    logic = SampleData.SampleDataLogic()
    assert logic.downloadSamples("bad") == []
    source = logic.sourceForSampleName("bad")
    path = logic.downloadFileIntoCache(source.uris[0], "bad.nrrd", source.checksums[0])
    assert not Path(path).exists()
    with pytest.raises(ValueError, match="Failed to download"):
        logic.downloadFileIntoCache("file:///no/such/file.nrrd", "absent.nrrd")
