"""What Slicer's and Qt's tools find of our texts, for those who translate them."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import PySide6
import pytest

from host.i18n import getContext
from library.pages import ROOT
from library.test_translatable import files

# Slicer's update_translations.py makes translate() of _() by these, one after the other, for Qt's
# lupdate, which reads Python since 6.3.
LITERALS = (r"([^_])_\((\s*?\".+?\"\s*?)\)", r"([^_])_\((\s*?'.+?'\s*?)\)")
Texts = dict[str, set[str]]  # by context


def patched(source: str, context: str) -> str:
    """A file as Slicer's script gives it to lupdate."""
    for literal in LITERALS:
        source = re.sub(literal, rf'\1translate("{context}", \2)', source, flags=re.DOTALL)
    return source


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Texts:
    """What lupdate collects from the files of the modules and from their panels."""
    folder = tmp_path_factory.mktemp("sources")
    panels = [path for path in ROOT.glob("*/**/*.ui") if ".venv" not in path.parts]
    for path in (*files(), *panels):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            text = patched(text, getContext(str(path)))
        copy.write_text(text, encoding="utf-8")
    listed = folder / "files.txt"
    names = [str(one.relative_to(folder)) for one in folder.rglob("*.*") if one != listed]
    listed.write_text("\n".join(names))
    lupdate = Path(PySide6.__file__).parent / "lupdate"
    command = [lupdate, f"@{listed}", "-ts", folder / "texts.ts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    contexts = ElementTree.parse(folder / "texts.ts").iter("context")
    return {
        str(one.findtext("name")): {str(m.findtext("source")) for m in one.iter("message")}
        for one in contexts
    }


def test_the_tools_find_every_literal(found):
    wanted: Texts = {}
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_":
                texts = wanted.setdefault(getContext(str(path)), set())
                texts.add(ast.literal_eval(node.args[0]))
    assert sum(map(len, wanted.values())) > 1700
    missed = {context: texts - found.get(context, set()) for context, texts in wanted.items()}
    assert {context: texts for context, texts in missed.items() if texts} == {}


def test_the_tools_find_the_words_of_the_panels(found):
    for panel in ROOT.glob("*/Resources/UI/*.ui"):
        for owner in ElementTree.parse(panel).iter("property"):
            for text in owner.iter("string"):
                if text.text and text.text.strip() and text.get("notr") != "true":
                    assert any(text.text in texts for texts in found.values()), text.text
