"""Every text that a module shows goes through Slicer's translator, as a literal, which tools find.

Not translated are names of nodes, which are data of the scene, and what ``meddl`` says, which does
not know Slicer.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from library.pages import ROOT

MESSAGES = ("Error",)  # of exceptions: what a user reads
SHOWN = {
    "showStatus",
    "showError",
    "finishProgress",
    "setText",
    "setToolTip",
    "addItem",
    "setTitle",
}
ARGUMENTS = {
    "progress": 1,
    "steps": 2,
    "require_node": 2,
    "require": 1,
    "require_installed": 1,
}  # which argument is shown
PROPERTIES = {"text", "toolTip", "title", "placeholderText", "windowTitle", "helpText", "suffix"}
TAGS = re.compile("<[^>]*>")
WORDS = re.compile(r"[^\W\d_]{2,}")  # letters of any script; units and symbols are none


def files() -> list[Path]:
    rooms = [path.parent for path in ROOT.glob("*/CMakeLists.txt")]
    found = [path for room in rooms for path in room.rglob("*.py")]
    apart = {"Testing", "meddl"}
    return [path for path in found if not apart & set(path.relative_to(ROOT).parts)]


def literal(node: ast.AST) -> str:
    """The words of a text that no translator sees; empty if there are none."""
    if isinstance(node, ast.Constant):
        text = TAGS.sub("", node.value) if isinstance(node.value, str) else ""
        return text if WORDS.search(text) else ""
    if isinstance(node, ast.JoinedStr):
        return next(filter(None, map(literal, node.values)), "")
    if isinstance(node, ast.BinOp):
        return literal(node.left) or literal(node.right)
    if isinstance(node, ast.IfExp):
        return literal(node.body) or literal(node.orelse)
    return ""


def shown(node: ast.AST) -> list[ast.expr]:
    """What a statement or call shows to a user."""
    if isinstance(node, ast.Assign):
        attributes = [t.attr for t in node.targets if isinstance(t, ast.Attribute)]
        return [node.value] if PROPERTIES & set(attributes) else []
    if isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ARGUMENTS and len(node.args) > ARGUMENTS[name]:
            return [node.args[ARGUMENTS[name]]]
        if name in SHOWN or name.endswith(MESSAGES):
            return node.args[:1]
    return []


def untranslated(source: str) -> list[str]:
    """What Slicer's tools would miss in a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        translated = isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "translate")
        if translated and not all(isinstance(one, ast.Constant) for one in node.args):
            found.append(f"line {node.lineno}: no literal: {ast.unparse(node)}")
        for one in shown(node):
            if literal(one):
                found.append(f"line {node.lineno}: {literal(one)!r}")
    return found


def test_every_text_that_is_shown_can_be_translated():
    found = {
        path.relative_to(ROOT).as_posix(): untranslated(path.read_text(encoding="utf-8"))
        for path in files()
    }
    assert len(found) > 90
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_panel_keeps_a_text_from_the_translator():
    panels = [path for path in ROOT.rglob("*.ui") if ".venv" not in path.parts]
    texts = [path.read_text(encoding="utf-8") for path in panels]
    assert len(texts) > 5 and not any("notr=" in text for text in texts)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('raise InputError("no frames")', 1),
        ('raise InputError(f"{name} has no frames")', 1),
        ('raise InputError(_("no frames"))', 0),
        ('raise InputError(_("{name}: none").format(name=name))', 0),
        ('raise InputError(f"{name}: {error}")', 0),  # no words of its own
        ('raise InputError(_(f"{name}: none"))', 1),
        ('self.showStatus("Running" if busy else "")', 1),
        ('button.text = "Apply"', 1),
        ('label.text = f"{size} mm"', 1),
        ('label.text = _("{size} mm").format(size=size)', 0),
        ('progress(0.5, "reading")', 1),
        ('steps(items, 3, "reading frame", progress)', 1),
        ('label.text = "<b>" + text', 0),
        ('button.objectName = "apply"', 0),
    ],
)
def test_the_rule_can_fail(source, count):
    assert len(untranslated(source)) == count
