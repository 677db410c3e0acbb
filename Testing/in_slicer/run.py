"""Runs the tests of all modules inside 3D Slicer, without internet and without installing anything.

    Slicer --testing --no-splash --ignore-slicerrc --disable-settings \
        --additional-module-paths SlicerMedDL DeepDRRModule DeepIGeoSModule EndoDepthModule \
        DesmokeModule --python-script Testing/in_slicer/run.py [MODULE ...]

Each module's ``Testing/Python`` files run as in ctest, and its own Test class, which Slicer's
developer panel starts. What lacks a package is skipped with the reason. Slicer ends with 0 if
nothing failed and something ran, otherwise with 1.
"""

from __future__ import annotations

import importlib.util
import sys
import unittest
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("SlicerMedDL", "DeepDRRModule", "DeepIGeoSModule", "EndoDepthModule", "DesmokeModule")


def load(path: Path) -> ModuleType:
    """A test file as a module, under a name that no module of Slicer has."""
    spec = importlib.util.spec_from_file_location(f"meddl_tests_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # unittest looks for setUpModule there
    spec.loader.exec_module(module)
    return module


def self_test(name: str) -> unittest.TestCase:
    """The module's own Test class as a test."""

    def run() -> None:
        from SlicerMedDLLib.testing import skip_without

        skip_without()
        getattr(importlib.import_module(name), f"{name}Test")().runTest()

    return unittest.FunctionTestCase(run, description=f"{name}: self-test")


def suite_of(name: str) -> unittest.TestSuite:
    """All tests of a module."""
    paths = sorted((ROOT / name / "Testing" / "Python").glob("*Test.py"))
    suites = [unittest.defaultTestLoader.loadTestsFromModule(load(path)) for path in paths]
    return unittest.TestSuite([*suites, self_test(name)])


def run(names: Sequence[str] = MODULES, stream: Any = None) -> int:
    """Run the tests of some modules; 0 if nothing failed and something ran, otherwise 1."""
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        print(f"no module {', '.join(unknown)}; there is: {', '.join(MODULES)}", file=sys.stderr)
        return 1
    suite = unittest.TestSuite(map(suite_of, names))
    result = unittest.TextTestRunner(stream or sys.stdout, verbosity=2).run(suite)
    reasons = sorted({reason for _, reason in result.skipped})
    for reason in reasons:
        print(f"skipped: {reason}", file=stream or sys.stdout)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    import slicer

    slicer.util.exit(run(sys.argv[1:] or MODULES))
