"""The installer: what is missing, what the user is told, what pip is allowed to do."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import qt
import slicer.packaging

import host
from meddl.core import Cancelled, DependencyError
from meddl.core.optional import BASE, EXTRAS, is_installed
from SlicerMedDLLib import install

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def absent(monkeypatch):
    """A set of import names that pretend to be absent."""
    names: set[str] = set()
    monkeypatch.setattr(install, "is_installed", lambda n: n not in names and is_installed(n))
    return names


@pytest.fixture
def pip(monkeypatch, absent):
    """Collects calls of pip_ensure, which then 'installs' everything."""
    calls = []

    def pip_ensure(requirements, constraints, requester, prompt_install):
        calls.append((requirements, Path(constraints).read_text(encoding="utf-8").split()))
        absent.clear()

    monkeypatch.setattr(slicer.packaging, "pip_ensure", pip_ensure)
    return calls


def feature(name: str) -> install.Feature:
    return next(one for one in install.features() if one.name == name)


def test_features_are_extras_of_the_library():
    extras = PROJECT["project"]["optional-dependencies"]
    for one in install.features():
        assert one.packages, one.name
        if one.name != BASE:
            assert one.name in extras
            wants_torch = "meddl[torch]" in extras[one.name]
            assert one.needs_torch == wants_torch, one.name
    assert extras["torch"] == [f"torch{install.TORCH_VERSION}"]


def test_slicers_own_packages_are_never_asked_for():
    packages = {p for one in install.features() for p in one.packages.values()}
    assert not packages & set(install.SLICERS_OWN)
    assert "numpy" in {package for package, extra in EXTRAS.values() if extra == BASE}


def test_missing_names_what_does_not_import(absent):
    assert install.missing(feature("spectra")) == []
    absent |= {"spekpy", "cv2"}
    assert install.missing(feature("spectra")) == ["spekpy"]
    assert install.missing(feature("video")) == ["opencv-python-headless"]


def test_the_user_is_told_what_and_how_much(absent):
    absent |= {"torch", "openvino"}
    text = install.explain(feature("openvino"))
    assert "PyTorch: about 200 MB" in text
    assert "openvino: about 57 MB" in text


def test_install_asks_and_pins_slicers_own(scene, absent, pip):
    absent |= {"spekpy"}
    host.answer(qt.QMessageBox.Ok)
    install.install(feature("spectra"))
    ((requirements, constraints),) = pip
    assert requirements == ["spekpy"]
    assert f"numpy=={metadata.version('numpy')}" in constraints
    assert f"SimpleITK=={metadata.version('SimpleITK')}" in constraints
    (question,) = host.messages("question")
    assert "spekpy: about 157 MB" in question.text


def test_declining_installs_nothing(scene, absent, pip):
    absent |= {"spekpy"}
    host.answer(qt.QMessageBox.Cancel)
    with pytest.raises(Cancelled):
        install.install(feature("spectra"))
    assert pip == []


def test_nothing_is_asked_when_nothing_is_missing(scene, pip):
    install.install(feature("spectra"))
    assert pip == []
    assert host.messages() == []


def test_torch_needs_its_extension(scene, absent, monkeypatch):
    absent |= {"torch"}
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    host.answer(qt.QMessageBox.Ok)
    with pytest.raises(DependencyError, match="Extensions Manager"):
        install.install(feature("torch"))


def test_torch_comes_from_its_extension_and_before_what_builds_on_it(
    scene, absent, pip, monkeypatch
):
    absent |= {"torch", "monai"}
    order = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation, torchVersionRequirement):
            order.append((askConfirmation, torchVersionRequirement, len(pip)))
            absent.discard("torch")
            return object()

    module = ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    host.answer(qt.QMessageBox.Ok)
    install.install(feature("train"))
    assert order == [(False, ">=2.4", 0)]
    assert [requirements for requirements, _ in pip] == [["monai"]]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (subprocess.CalledProcessError(1, "pip"), "exit code 1.*internet"),
        (RuntimeError("another pip is running"), "another pip is running"),
    ],
)
def test_failures_are_one_clear_line(scene, absent, monkeypatch, error, message):
    def pip_ensure(*args, **kwargs):
        raise error

    monkeypatch.setattr(slicer.packaging, "pip_ensure", pip_ensure)
    absent |= {"spekpy"}
    host.answer(qt.QMessageBox.Ok)
    with pytest.raises(DependencyError, match=message):
        install.install(feature("spectra"))


def test_success_without_result_is_no_success(scene, absent, monkeypatch):
    monkeypatch.setattr(slicer.packaging, "pip_ensure", lambda *args, **kwargs: None)
    absent |= {"spekpy"}
    host.answer(qt.QMessageBox.Ok)
    with pytest.raises(DependencyError, match="spekpy did not install"):
        install.install(feature("spectra"))
