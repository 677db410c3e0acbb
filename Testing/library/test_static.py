"""Style and types, as pyproject.toml asks: ruff on the whole tree (no print in the library, sorted
imports, format), mypy on the library and the modules."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    # Without ruff's cache, which does not see that a package has become ours.
    [["ruff", "check", "--no-cache"], ["ruff", "format", "--check", "--no-cache"], ["mypy"]],
    ids=" ".join,
)
def test_is_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_checked_in_the_library_and_in_every_module():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    modules = [
        file.parent for file in ROOT.glob("*/CMakeLists.txt") if file.parent.name != "Testing"
    ]
    code = {path for module in modules for path in module.glob("*.py")}
    code |= {path.parent for module in modules for path in module.glob("*/__init__.py")}
    assert {ROOT / name for name in settings["tool"]["mypy"]["files"]} == code
