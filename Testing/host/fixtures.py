"""What the tests beside the modules' files need from pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import host


def loaded(*files: Path) -> Any:
    """Load modules now, for the imports of their tests, and make the fixture of these tests.

    It loads them anew, as other tests of the process may have unloaded them since, and unloads them
    at the end: the selectors of their panels would follow the scene through all later tests.
    """

    def load() -> list[Any]:
        return [host.load_module(file) for file in files]

    @pytest.fixture(autouse=True, scope="module")
    def modules() -> Iterator[None]:
        again = load()
        yield
        for module in again:
            module.cleanup()

    load()
    return modules
