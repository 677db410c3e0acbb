"""Every public function and class is called by a property test (Hypothesis). Read from the sources.

Public is what a room's ``__init__.py`` exports and what the pages import from ``meddl``. A property
test is a function under ``@given``; what it calls through helpers, fixtures and strategies of the
tests counts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from .pages import PAGES, blocks

TESTS = Path(__file__).resolve().parents[1]
LIBRARY = TESTS.parent / "SlicerMedDL" / "meddl"
ROOMS = (
    "core", "deepdrr", "deepigeos", "desmoke", "endodepth", "geodesic", "monodepth", "rendering",
)  # fmt: skip

# What no property is drawn for, and why.
EXEMPT = {
    **dict.fromkeys(
        [
            "core.devices.Device",
            "core.inference.Engine",
            "core.video.VideoInfo",
            "deepdrr.compositions.Material",
            "deepdrr.dicom_geometry.DicomGeometry",
            "deepdrr.layers.Layer",
            "deepdrr.materials.MaterialVolume",
            "deepdrr.presets.Preset",
            "deepdrr.registration.Registration",
            "desmoke.smoke.Smoke",
            "rendering.renderer.Rendered",
        ],
        "made by a function, whose properties hold of it",
    ),
    **dict.fromkeys(
        [
            "desmoke.training.train_desmoker",
            "endodepth.training.train_network",
            "monodepth.training.train_monodepth",
        ],
        "trains for longer than an example may take; its Trainer is drawn",
    ),
    **dict.fromkeys(
        [
            "desmoke.training_config.read_plan",
            "endodepth.training_config.make_plan",
            "monodepth.training_config.read_plan",
        ],
        "reads settings and folders, no arrays; records of settings are drawn",
    ),
}

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Source:
    """One file: what it imports, by local name, and what it defines at file scope."""

    imports: dict[str, str]
    definitions: dict[str, Definition]

    def dotted(self, node: ast.AST) -> str:
        """The full name that an expression stands for; empty for other expressions."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""


@cache
def source_of(path: Path) -> Source:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ".".join(path.relative_to(TESTS).parent.parts) if TESTS in path.parents else ""
    definitions: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
                definitions.update(dict.fromkeys(names, node))
    return Source(dict(imported(tree, package)), definitions)


def imported(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """(local name, full name) of what a file in ``package`` imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((n.asname, n.name) for n in node.names if n.asname)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            yield from ((n.asname or n.name, f"{module}.{n.name}") for n in node.names)


def loads(node: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    """Names and attributes that are used; those of annotations and type checks are not."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            check = isinstance(child, ast.Call) and ast.unparse(child.func) == "isinstance"
            if isinstance(child, ast.AST):
                yield from loads(child.args[0] if check else child)


def reached(path: Path, name: str, seen: set[tuple[Path, str]]) -> Iterator[str]:
    """Full names in ``meddl`` that a definition of a file of the tests uses, through others too."""
    source = source_of(path)
    if (path, name) in seen or name not in source.definitions:
        return
    seen.add((path, name))
    node = source.definitions[name]
    for used in loads(node):
        full = source.dotted(used)
        if full.startswith("meddl."):
            yield full
        elif full:
            module, _, member = full.rpartition(".")
            file = TESTS / f"{module.replace('.', '/')}.py"
            if file.exists():
                yield from reached(file, member, seen)
        elif isinstance(used, ast.Name):
            yield from reached(path, used.id, seen)
    if isinstance(node, ast.FunctionDef):  # fixtures
        for argument in node.args.args:
            yield from reached(path, argument.arg, seen)


def is_property(node: Definition) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(mark, ast.Call) and ast.unparse(mark.func) == "given"
        for mark in node.decorator_list
    )


@cache
def drawn() -> frozenset[str]:
    """Full names that the property tests of the library use, by the module that defines them."""
    names: set[str] = set()
    for path in sorted((TESTS / "library").rglob("test_*.py")):
        seen: set[tuple[Path, str]] = set()
        for name, node in source_of(path).definitions.items():
            if is_property(node):
                names.update(reached(path, name, seen))
    return frozenset(home(name) for name in names)


@cache
def exports(room: str) -> dict[str, str]:
    """Name -> module of what the room's ``__init__.py`` exports."""
    tree = ast.parse((LIBRARY / room / "__init__.py").read_text(encoding="utf-8"))
    tables = [
        ast.literal_eval(node.args[1])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_exports"
    ]
    return {name: module for table in tables for module, names in table.items() for name in names}


def home(full: str) -> str:
    """``room.module.name`` of a full name in ``meddl``, of what belongs to ``name`` too."""
    room, *rest = full.split(".")[1:]
    if rest and (LIBRARY / room).is_dir() and rest[0] in exports(room):
        rest = [exports(room)[rest[0]], rest[0]]
    return ".".join([room, *rest[:2]])


@cache
def public() -> frozenset[str]:
    """``room.module.name`` of every public function and class; no constants, no errors."""
    names = {f"{r}.{module}.{name}" for r in ROOMS for name, module in exports(r).items()}
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8"), "python"):
            full = (name for _, name in imported(ast.parse(block.text), ""))
            names.update(home(name) for name in full if name.startswith("meddl."))
    return frozenset(n for n in names if n.split(".")[0] in ROOMS and is_called(n))


def is_called(name: str) -> bool:
    room, module, *member = name.split(".")
    definitions = source_of(LIBRARY / room / f"{module}.py").definitions
    found = definitions.get("".join(member))
    return module != "errors" and isinstance(found, ast.FunctionDef | ast.ClassDef)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_called_by_a_property_test(room):
    missing = [
        name for name in sorted(public() - drawn() - set(EXEMPT)) if name.split(".")[0] == room
    ]
    assert missing == []


def test_the_exemptions_are_public_and_needed():
    assert set(EXEMPT) <= public()
    assert set(EXEMPT) & drawn() == set()
    assert all(reason.strip() for reason in EXEMPT.values())


def test_what_counts_as_a_call_is_told_from_what_does_not(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text(
        "from hypothesis import given\n"
        "from meddl.core import Image, Mesh, Points, read_mesh, sha256\n"
        "from meddl.core.files import write_json as write\n"
        "import pytest\n"
        "CASES = [sha256]\n"
        "@pytest.fixture\n"
        "def made(): return Mesh.of()\n"
        "def helper(): write(1)\n"
        "@given(1)\n"
        "def test_one(made, x: Points):\n"
        "    assert isinstance(helper(), Image) and CASES\n"
        "def test_two(): read_mesh()\n"
    )
    [name] = [n for n, node in source_of(path).definitions.items() if is_property(node)]
    found = {home(full) for full in reached(path, name, set())}
    assert found == {"core.files.sha256", "core.mesh.Mesh", "core.files.write_json"}
