"""Testing/in_slicer/run.py in the headless host: in a bare Slicer tests skip with the reason."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from library.pages import ROOT

PROGRAM = """
    import importlib.abc, sys
    from pathlib import Path

    root, blocked, module = Path(sys.argv[1]), set(sys.argv[2].split(",")), sys.argv[3]

    class Block(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.partition(".")[0] in blocked:
                raise ImportError(f"{name} is blocked")

    sys.meta_path.insert(0, Block())
    sys.path[:0] = [str(root / "Testing"), str(root / "Testing/in_slicer")]
    sys.path[:0] = [str(path.parent) for path in root.glob("*/CMakeLists.txt")]
    import host
    host.start()
    host.set_testing(True)
    for path in sorted((root / module).glob("*.py"), reverse=True):
        host.load_module(path)
    import run
    sys.exit(run.run([module]))
"""


def run(blocked: str, module: str) -> tuple[int, str]:
    """The exit code of ``run.py`` and what it wrote, where some packages cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(ROOT), blocked, module],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_bare_slicer_skips_and_says_what_is_missing():
    code, said = run("torch,numba,xraydb,trimesh,safetensors,cv2,av", "EndoDepthModule")
    assert code == 0, said
    [reason] = [line for line in said.splitlines() if line.startswith("skipped: ")]
    assert "needs numba, safetensors, trimesh, xraydb, not in this Python" in reason
    assert "... ok" not in said and "Error" not in said


def test_without_torch_only_what_needs_it_is_skipped():
    code, said = run("torch", "DeepIGeoSModule")
    assert code == 0, said
    assert "skipped: needs torch, not in this Python (in Slicer: MedDL Home, Install)" in said
    assert said.count("... ok") > 5 and "self-test ... ok" in said
