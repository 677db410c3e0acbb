"""The script ``meddl``: installs once, survives being killed, writes nothing outside its folder.

The installations are real (venv, pip, an editable package) but of a tiny project whose only
dependency is a wheel of nothing called torch, so that no package index is needed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "meddl"
EXIT_CODE = 7
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "meddl"
version = "1"
dependencies = []
scripts = {}
optional-dependencies = { test = ["torch"] }
"""
# Builds the editable wheel by hand; waits as long as a file called "slow" is there.
BACKEND = """\
import pathlib, time, zipfile

def build_editable(folder, settings=None, metadata=None):
    here = pathlib.Path.cwd()
    (here / "building").touch()
    while (here / "slow").exists():
        time.sleep(0.05)
    name = "meddl-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("meddl.pth", str(here / "SlicerMedDL"))
        info = "Metadata-Version: 2.1\\nName: meddl\\nVersion: 1\\nProvides-Extra: test\\n"
        info += "Requires-Dist: torch; extra == 'test'\\n"
        wheel.writestr("meddl-1.dist-info/METADATA", info)
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("meddl-1.dist-info/WHEEL", tags)
        wheel.writestr("meddl-1.dist-info/RECORD", "")
    return name

get_requires_for_build_editable = lambda settings=None: []
build_wheel = build_editable
"""
MAIN = f"""\
import json, os, sys, torch
print(json.dumps([sys.argv[1:], os.environ["NUMBA_CACHE_DIR"], os.environ["XDG_CONFIG_HOME"]]))
sys.exit({EXIT_CODE})
"""


class Project:
    """A small checkout with the real script, and a home folder to watch."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.index = folder / "a b", folder / "home", folder / "index"
        for path in (self.root / "SlicerMedDL/meddl/cli", self.home, self.index / "torch"):
            path.mkdir(parents=True)
        shutil.copy(SCRIPT, self.root)
        (self.root / "pyproject.toml").write_text(PYPROJECT)
        (self.root / "constraints.txt").write_text("torch==0.0.1\n")
        (self.root / "backend.py").write_text(BACKEND)
        package = self.root / "SlicerMedDL/meddl"
        (package / "__init__.py").touch()
        (package / "cli/__init__.py").touch()
        (package / "__main__.py").write_text(MAIN)
        (package / "cli/main.py").write_text("main = lambda arguments: print('help', arguments)")

    def offer(self, package: str = "torch") -> Path:
        """Put a wheel into the package index."""
        (self.index / package).mkdir(exist_ok=True)
        path = self.index / package / f"{package}-0.0.1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", "")
            wheel.writestr(
                f"{package}-0.0.1.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n",
            )
            tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{package}-0.0.1.dist-info/WHEEL", tags)
            wheel.writestr(f"{package}-0.0.1.dist-info/RECORD", "")
        path.with_name("index.html").write_text(f'<a href="{path.name}">{path.name}</a>')
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "XDG_", "PYTHON")) and "CACHE" not in name
        }
        environment |= {
            "HOME": str(self.home),
            "MEDDL_TORCH_INDEX": self.index.as_uri(),
            "PIP_INDEX_URL": self.index.as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return subprocess.Popen(
            [sys.executable, str(self.root / "meddl"), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("meddl_bootstrap", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def test_failure_says_why_then_installs_once_and_passes_everything_on(project):
    (project.index / "torch/index.html").touch()
    code, _, err = project.run("doctor")
    assert code == 2
    assert err.count("\n") == 1 and "no torch==0.0.1" in err and "install.log" in err

    project.offer()
    digest = hashlib.sha256(project.offer("known").read_bytes()).hexdigest()
    hashes = project.root / "hashes.txt"
    hashes.write_text(f"known==0.0.1 --hash=sha256:{digest[::-1]}\n")
    code, _, err = project.run("doctor")
    assert code == 2 and "has another known==0.0.1 than hashes.txt knows" in err
    assert not list(project.root.glob(".venv/lib/*/site-packages/known*"))

    hashes.write_text(f"known==0.0.1 --hash=sha256:{digest}\n")
    python = (project.root / ".venv/bin/python").lstat().st_ino
    code, out, err = project.run("drr", "--isocenter", "-1,2,3", "two words")
    lines = out.splitlines()
    arguments, numba_cache, config = json.loads(lines.pop())
    assert code == EXIT_CODE and err == ""
    assert arguments == ["drr", "--isocenter", "-1,2,3", "two words"]
    assert Path(numba_cache).parent == Path(config).parents[1] == project.root / ".cache"
    assert any(line.startswith("meddl: packages: done") for line in lines)
    assert list(project.root.glob(".venv/lib/*/site-packages/known*"))
    assert (project.root / ".venv/bin/python").lstat().st_ino == python  # went on with it

    code, out, _ = project.run("doctor")
    assert code == EXIT_CODE and out.count("\n") == 1  # only what the program prints

    (project.root / "constraints.txt").write_text("# other versions\ntorch==0.0.1\n")
    code, out, _ = project.run("doctor")
    assert code == EXIT_CODE and "setting up" in out
    assert list(project.home.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_installation_is_made_anew_after_its_pip_has_ended(project):
    project.offer()

    def start_until_it_builds() -> subprocess.Popen[str]:
        (project.root / "slow").touch()
        (project.root / "building").unlink(missing_ok=True)
        process = project.start("doctor")
        deadline = time.monotonic() + 180
        while not (project.root / "building").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        return process

    process = start_until_it_builds()
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.startswith("meddl: cancelled")

    process = start_until_it_builds()  # at once: the pip of the first has ended
    process.kill()
    process.communicate(timeout=60)
    second = project.start("doctor")
    assert "waiting" in second.stdout.readline()
    (project.root / "slow").unlink()
    out, err = second.communicate(timeout=300)
    assert second.returncode == EXIT_CODE, err
    assert "making it anew" in out
    assert project.run("doctor")[1].count("\n") == 1


class LockThatIsInterrupted:
    """A Popen's lock during whose first taking the process is asked to end: a moment of 100 ns."""

    def __init__(self) -> None:
        self.lock, self.signals = threading.Lock(), [signal.SIGTERM]

    def acquire(self, blocking: bool = True) -> bool:
        taken = self.lock.acquire(timeout=10) if blocking else self.lock.acquire(False)
        assert taken or not blocking, "the lock was never given back"
        while self.signals:
            signal.raise_signal(self.signals.pop())
        return taken

    __enter__ = acquire

    def release(self) -> None:
        self.lock.release()

    def __exit__(self, *error: object) -> None:
        self.release()


@pytest.mark.skipif(os.name == "nt", reason="Windows takes no lock to wait")
def test_an_interrupted_wait_ends_with_its_child(script, tmp_path, monkeypatch):
    children = []

    def start(*arguments, **options):
        children.append(subprocess.Popen(*arguments, **options))
        children[0]._waitpid_lock = LockThatIsInterrupted()
        return children[0]

    def interrupt(number, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "LOG", tmp_path / "log")
    monkeypatch.setattr(
        script, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start})
    )
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            script.execute([sys.executable, "-c", "import time; time.sleep(100)"], "sleep", 0)
        assert signal.getsignal(signal.SIGTERM) is interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    assert children[0].returncode == -signal.SIGTERM


def test_help_comes_before_any_installation(project):
    for arguments in ([], ["help"], ["--help"], ["--version"]):
        code, out, _ = project.run(*arguments)
        assert code == 0 and out == f"help {arguments}\n"
    assert not (project.root / ".venv").exists()


def test_an_old_python_can_read_the_script():
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def fake_python(folder: Path, name: str, version: str, code: int) -> None:
    """A program that answers the probe like a Python, with venv if ``code`` is 0."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{version}|/somewhere/{name}'\nexit {code}\n")
    path.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")
def test_the_python_is_one_of_the_supported_ones_with_venv(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    fake_python(tmp_path, "this", "3 9", 0)
    monkeypatch.setattr(script.sys, "executable", str(tmp_path / "this"))
    for name in ("python3.13", "python3.12", "python3.11"):
        fake_python(tmp_path, name, "2 7", 0)  # shadow what the machine has
    with pytest.raises(script.Failure, match=r"needs Python 3\.11, 3\.12 or 3\.13"):
        script.find_python()
    fake_python(tmp_path, "python3.13", "3 13", 1)
    with pytest.raises(script.Failure, match=r"apt install python3\.13-venv"):
        script.find_python()
    fake_python(tmp_path, "python3.11", "3 11", 0)
    assert script.find_python() == "/somewhere/python3.11"


def test_the_hashes_are_those_of_the_pinned_versions():
    """Of what the extra ``test`` brings, but for PyTorch."""
    pinned, hashed = (
        dict(re.findall(r"^([\w.-]+)==([\w.]+)", (SCRIPT.parent / name).read_text(), re.MULTILINE))
        for name in ("constraints.txt", "hashes.txt")
    )
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    # Windows alone needs colorama, which is not pinned.
    assert {name for name in hashed if hashed[name] != pinned.get(name)} <= {"colorama"}
    assert "torch" not in hashed and len(hashed) > 90


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for vtk==9.6.2", "no vtk==9.6.2 for this Python"),
        ("WARNING: Retrying after NameResolutionError('x')\nERROR: No matching", "not answer"),
        ("Collecting a\nERROR: Something else\n", "Something else"),
        ("", "without a word"),
    ],
)
def test_the_cause_of_a_failure_is_one_line(script, said, cause):
    assert cause in script.cause_in(said) and "\n" not in script.cause_in(said)


def test_an_index_that_does_not_answer_costs_seconds(script):
    import socket

    with socket.socket() as listener:  # accepts connections and never answers
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        start = time.monotonic()
        assert not script.answers(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert time.monotonic() - start < script.INDEX_SECONDS + 1
