"""The licence inventory: complete for constraints.txt, and what the packages' metadata say."""

from __future__ import annotations

import importlib.util
import re
from email.message import Message
from types import SimpleNamespace

import pytest

from library.pages import DOCS

PAGE = (DOCS / "licences.md").read_text()
ROWS = re.findall(r"^\| (\S+) \| (\S+) \| ([^|]+) \| ([^|]*) ?\|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def script():
    """``Docs/licences.py`` as a module."""
    spec = importlib.util.spec_from_file_location("licences", DOCS / "licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_pinned_package_has_its_row(script):
    table = [row for row in ROWS if re.match(r"\d", row[1])]
    assert {name: version for name, version, *_ in table} == script.pins()


def test_the_rows_are_what_the_packages_say(script):
    lines, absent = script.rows([])
    assert len(lines) > 90  # the extras augment and cuda are not part of the tests' environment
    assert set(lines) <= set(PAGE.splitlines())
    if not absent:
        assert script.page(lines) == PAGE


def test_no_copyleft_licence_is_left_unnamed():
    copyleft = {n for n, _, licence, _ in ROWS if re.search(r"GPL|MPL|EPL|CC-BY", licence)}
    named = PAGE.partition("## All packages")[0]
    assert {"PySide6_Essentials", "hypothesis"} <= copyleft
    assert {n for n in copyleft if n.partition("_")[0] not in named} == set()
    for part in ("x264", "FFmpeg", "SuiteSparse", "PySide6"):
        assert part in named


def test_licences_are_read_from_any_form_of_metadata(script):
    def read(**fields):
        about = Message()
        about["Name"] = "made-up"
        for name, value in fields.items():
            about[name.replace("_", "-")] = value
        return script.licence(SimpleNamespace(metadata=about))

    assert read(License_Expression="MIT AND Zlib", License="BSD") == "MIT AND Zlib"
    assert read(License="3-Clause BSD License\nmore") == "BSD-3-Clause"
    assert read(License=script.QT) == script.QT
    assert read(Classifier="License :: OSI Approved :: ISC License (ISCL)") == "ISC"
    with pytest.raises(ValueError, match="made-up"):
        read(License="GNU General Public License")
