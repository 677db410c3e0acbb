"""One command server and one folder of input, with a difficult name, for all tests of faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from library.faults.commands import CommandServer, write_input

# What a shell, a pattern or a careless parser would trip over.
DIFFICULT = "a b;touch x 'q' $(id) & é #1 %s {case}"


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    if os.name == "nt":
        pytest.skip("Windows cannot fork")
    with CommandServer() as server:
        yield server


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / DIFFICULT
    folder.mkdir()
    return write_input(folder)
