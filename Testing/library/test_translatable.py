"""Every text that a module shows goes through Slicer's translator, as a literal, which tools find.

So do the names that it gives to nodes. What ``meddl`` says, which does not know Slicer, is in the
catalogue of ``library_texts.py``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from library.pages import ROOT

MESSAGES = ("Error", "Cancelled")  # of exceptions: what a user reads
SHOWN = {
    "showStatus",
    "showError",
    "log",
    "finishProgress",
    "setText",
    "setToolTip",
    "addItem",
    "setTitle",
}
ARGUMENTS = {
    "progress": 1,
    "part": 1,  # of a progress
    "require_memory": 1,
    "read_json": 1,
    "affine": 1,
    "from_dict": 2,
    "require_frame": 1,
    "upright": 1,
    "frame_from_image": 1,
    "steps": 2,
    "require_node": 2,
    "require": 1,
    "require_installed": 1,
    # and names of nodes
    "new_node": 1,
    "volume_from_image": 1,
    "transform_from_matrix": 1,
    "model_from_mesh": 1,
    "model_from_surface": 2,
    "segmentation_from_masks": 1,
    "segmentation_from_labels": 2,
    "markups_from_points": 2,
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
    if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
        return node.value.elts[1:2]  # a fraction and what is done
    if isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ARGUMENTS and len(node.args) > ARGUMENTS[name]:
            return [node.args[ARGUMENTS[name]]]
        if name in SHOWN or name.endswith(MESSAGES):
            return node.args[:1]
    return []


def translates(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "translate")


def asks_translator(node: ast.AST) -> bool:
    asking = ("said", "translated")
    return translates(node) or (isinstance(node, ast.Call) and ast.unparse(node.func) in asking)


def untranslated(source: str) -> list[str]:
    """What Slicer's tools would miss in a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if translates(node) and not all(isinstance(one, ast.Constant) for one in node.args):
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


Place = tuple[str, str]  # a module of ours, a function or class in it


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Name -> the module, or the module and the name in it, for which it stands."""
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            origin = (node.module or "",) if isinstance(node, ast.ImportFrom) else ()
            found[alias.asname or alias.name] = (*origin, alias.name)
    return found


def is_work(node: ast.AST) -> bool:
    """Whether a worker may call it: it is a function that takes progress and cancel, or an object
    whose call does."""
    if isinstance(node, ast.ClassDef):
        return any(is_work(one) for one in node.body if getattr(one, "name", "") == "__call__")
    if not isinstance(node, ast.FunctionDef):
        return False
    names = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
    return names >= {"progress", "cancel"}


def translated_in_work(sources: Mapping[str, str]) -> list[str]:
    """Translations in functions that work calls, at any depth, and in classes that it names.

    Args:
        sources: module -> its text. Calls of methods of other objects than modules are not followed
            but through the name of their class.
    """
    trees = {module: ast.parse(text) for module, text in sources.items()}
    names = {module: imported(tree) for module, tree in trees.items()}
    known = {
        (module, node.name): node
        for module, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }

    def meant(module: str, node: ast.AST) -> Place:
        if isinstance(node, ast.Name):
            own = (module, node.id)
            return own if own in known else (*names[module].get(node.id, ()), "", "")[:2]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return ".".join(names[module].get(node.value.id, ())), node.attr
        return "", ""

    reached: dict[Place, str] = {}  # and by what
    waiting = [(place, "") for place, node in known.items() if is_work(node)]
    while waiting:
        place, by = waiting.pop()
        if place in known and place not in reached:
            reached[place] = f"{'.'.join(place)} {by}"
            for node in ast.walk(known[place]):
                waiting.append((meant(place[0], node), f"< {reached[place]}"))
    return [
        f"{by}: {ast.unparse(node)}"
        for place, by in reached.items()
        for node in ast.walk(known[place])
        if asks_translator(node)
    ]


def test_no_worker_asks_the_translator():
    sources = {module_of(path): path.read_text(encoding="utf-8") for path in files()}
    work = [text for text in sources.values() if any(map(is_work, ast.parse(text).body))]
    assert len(work) > 9
    assert translated_in_work(sources) == []


@pytest.mark.parametrize(
    ("work", "count"),
    [
        ("helper()", 1),
        ("hidden.helper()", 1),
        ("map(hidden.helper, [])", 1),
        ("calm()", 0),
        ("TEXT", 0),
        ("Helper.other()", 1),
        ("say(error)", 1),
    ],
)
def test_the_rule_of_workers_can_fail(work, count):
    helper = """
TEXT = _("text")
def helper(): return _("text")
def calm(): return TEXT
def say(error): return said(error)
class Helper:
    def other(self): helper()
"""
    start = "import hidden\nfrom hidden import helper, calm, say, Helper, TEXT\n"
    plain = f"{start}def work(progress, cancel): {work}\n"
    called = f"{start}class Work:\n    def __call__(self, progress, *, cancel): {work}\n"
    for text in (plain, called):
        assert len(translated_in_work({"hidden": helper, "work": text})) == count
    assert translated_in_work({"hidden": helper, "work": plain.replace("cancel", "")}) == []


def test_panels_keep_the_names_of_parameters_from_the_translator_and_nothing_else():
    panels = [path for path in ROOT.rglob("*.ui") if ".venv" not in path.parts]
    assert len(panels) > 5
    for path in panels:
        for owner in ElementTree.parse(path).iter("property"):
            for text in owner.iter("string"):
                kept = owner.get("name") == "SlicerParameterName"
                assert (text.get("notr") == "true") == kept, f"{path.name}: {text.text!r}"


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
        ('yield 0.5, "reading"', 1),
        ("yield 0.5, text.format(number=3)", 0),
        ('steps(items, 3, "reading frame", progress)', 1),
        ('label.text = "<b>" + text', 0),
        ('button.objectName = "apply"', 0),
    ],
)
def test_the_rule_can_fail(source, count):
    assert len(untranslated(source)) == count
