"""Loading must stay cheap: Slicer loads every module at its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = PROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]
LIMIT = 0.3  # seconds
HEAVY = ("torch", "numba", "cv2", "monai", "scipy", "matplotlib", "trimesh", "SimpleITK")
REPORT = f"""
import json
print(json.dumps([time.perf_counter() - start, [n for n in {HEAVY!r} if n in sys.modules]]))
"""


def best_of_three(program: str) -> tuple[float, set[str]]:
    """Shortest time of a program that sets ``start``, and the heavy packages that it imported."""
    # Slicer's build and pip compile what they install; the first of three runs does it here.
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "bytecode"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in FOLDERS),
    }
    seconds, heavy = [], set()
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", "import sys, time\n" + program + REPORT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        time, names = json.loads(done.stdout.splitlines()[-1])
        seconds.append(time)
        heavy |= set(names)
    return min(seconds), heavy


@pytest.mark.parametrize(
    "name",
    [
        "meddl",
        "meddl.core",
        "meddl.deepdrr",
        "meddl.deepigeos",
        "meddl.desmoke",
        "meddl.endodepth",
        "meddl.geodesic",
        "meddl.monodepth",
        "meddl.rendering",
        "meddl.cli.main",
    ],
)
def test_faces_import_fast_and_light(name):
    seconds, heavy = best_of_three(f"start = time.perf_counter(); import {name}")
    assert seconds < LIMIT and heavy == set()


def test_the_slicer_modules_load_fast_and_light():
    files = [str(p) for p in (*ROOT.glob("SlicerMedDL/SlicerMedDL.py"), *ROOT.glob("*Module/*.py"))]
    assert files
    seconds, heavy = best_of_three(
        "import host; host.start(); import numpy, vtk\n"  # Slicer has imported these itself
        # A collection that falls into the time takes 0.12 s over the objects of Slicer's libraries.
        "import gc; gc.freeze()\n"
        f"start = time.perf_counter()\nfor path in {files!r}:\n    host.load_module(path)\n"
        "host.finish_startup()"
    )
    assert seconds < LIMIT and heavy == set()


def test_help_comes_at_once():
    seconds, heavy = best_of_three(
        "start = time.perf_counter()\nfrom meddl.cli.main import main\nmain(['--help'])"
    )
    assert seconds < LIMIT and heavy == set()


def test_the_time_and_the_packages_are_really_seen():
    seconds, heavy = best_of_three("start = time.perf_counter(); import scipy; time.sleep(0.31)")
    assert seconds > LIMIT and "scipy" in heavy
