"""Collects what ``meddl`` says to a user, for those who translate the modules.

    python Testing/library_texts.py        writes SlicerMedDL/SlicerMedDLLib/librarytexts.py

The library does not know Slicer and writes its messages with their values in them. From its source
this finds their texts, with a named field in the place of each value: those of errors, progress and
log, and whatever flows into them through variables, parameters, and functions that return text.
"""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "SlicerMedDL" / "meddl"
CATALOGUE = ROOT / "SlicerMedDL" / "SlicerMedDLLib" / "librarytexts.py"
WORDS = re.compile(r"[^\W\d_]{3,}")
FIELD = re.compile(r"(?<!{){(\w*)}(?!})")
CONVERSION = re.compile(r"%(?:%|[-+#0]*\d*(?:\.\d+)?[a-z])")  # of a log's message
LOG = {"debug", "info", "warning", "error", "exception"}
# What the value of a call is named after.
CALLED = {"join": "list", "len": "count"}
OF_THEIR_OBJECT = {"lower", "upper", "strip", "get", "replace", "max", "min", "item", "tolist"}
OF_THEIR_ARGUMENT = {"max", "min", "abs", "int", "float", "str", "repr", "sorted", "tuple", "round"}
MOST = 16  # variants of one text, from alternatives within it
HEAD = '''"""What the library says, for translators; written by ``Testing/library_texts.py``."""

from __future__ import annotations


def _(text: str) -> str:
    """Marks a text for the tools that collect them; it is translated when it is shown."""
    return text


# fmt: off
TEXTS: tuple[str, ...] = (
'''

Scope = ast.FunctionDef | ast.Module


def name_of(node: ast.expr) -> str:
    """The last part of a function's or variable's name; empty for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


@dataclass
class Library:
    """All files of the library, and what was found in them."""

    trees: list[ast.Module]
    texts: set[str] = field(default_factory=set)
    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, list[tuple[ast.Call, Scope]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    assigned: dict[tuple[int, str], list[ast.expr]] = field(
        default_factory=lambda: defaultdict(list)
    )
    outer: dict[int, Scope] = field(default_factory=dict)  # of a scope, by its id
    seen: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for tree in self.trees:
            self._read(tree, tree)

    def _read(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, ast.FunctionDef):
                self.functions[child.name].append(child)
                self.outer[id(child)] = scope
                inner = child
            elif isinstance(child, ast.Call):
                self.calls[name_of(child.func)].append((child, scope))
            elif isinstance(child, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                for name in map(name_of, targets):
                    if name and child.value is not None:
                        self.assigned[id(scope), name].append(child.value)
            self._read(child, inner)

    def values(self, name: str, scope: Scope | None) -> Iterator[tuple[ast.expr, Scope]]:
        """What a name may stand for: what is assigned to it, or given for it by callers."""
        while scope is not None:
            found = self.assigned.get((id(scope), name), [])
            yield from ((value, scope) for value in found)
            if isinstance(scope, ast.FunctionDef):
                given = list(self.arguments(scope, name))
                yield from given
                found = [*found, *(value for value, _scope in given)]
            if found:
                return
            scope = self.outer.get(id(scope))

    def arguments(self, function: ast.FunctionDef, name: str) -> Iterator[tuple[ast.expr, Scope]]:
        """What the calls of a function's name give for a parameter, and its default."""
        plain = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        named = [one.arg for one in function.args.kwonlyargs]
        if name not in (*plain, *named):
            return
        bound = plain[1:] if plain[:1] in (["self"], ["cls"]) else plain
        defaults = dict(zip(reversed(plain), reversed(function.args.defaults), strict=False))
        defaults |= {k: v for k, v in zip(named, function.args.kw_defaults, strict=True) if v}
        if name in defaults:
            yield defaults[name], self.outer[id(function)]
        for call, scope in self.calls[function.name]:
            place = bound.index(name) if name in bound else len(call.args)
            if place < len(call.args):
                yield call.args[place], scope
            yield from ((one.value, scope) for one in call.keywords if one.arg == name)

    def follow(self, node: ast.expr, scope: Scope) -> None:
        """Texts that an expression may have for a value."""
        if isinstance(node, ast.Name):
            if (id(scope), node.id) not in self.seen:
                self.seen.add((id(scope), node.id))
                for value, where in self.values(node.id, scope):
                    self.follow(value, where)
        elif isinstance(node, ast.Call):
            self._follow_call(node, scope)
        elif isinstance(node, ast.IfExp | ast.BoolOp):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            for part in parts:
                self.follow(part, scope)
        elif isinstance(node, ast.Subscript | ast.Dict | ast.Tuple | ast.List):
            self._follow_members(node, scope)
        elif isinstance(node, ast.JoinedStr) or is_sum(node) or is_text(node):
            self.texts.update(self.whole(node, scope))

    def _follow_call(self, node: ast.Call, scope: Scope) -> None:
        name = name_of(node.func)
        if name == "join" and node.args:
            one = node.args[0]
            inner = one.elt if isinstance(one, ast.GeneratorExp | ast.ListComp) else one
            self.follow(inner, scope)
        elif name == "format" and isinstance(node.func, ast.Attribute):
            self.follow(node.func.value, scope)
        for function in self.functions.get(name, ()):
            if (id(function), "") not in self.seen:
                self.seen.add((id(function), ""))
                for each in ast.walk(function):
                    if isinstance(each, ast.Return) and each.value is not None:
                        self.follow(each.value, function)

    def _follow_members(self, node: ast.expr, scope: Scope) -> None:
        if isinstance(node, ast.Subscript):
            self.follow(node.value, scope)
        else:
            members = node.values if isinstance(node, ast.Dict) else node.elts  # type: ignore
            for member in members:
                if is_text(member):
                    self.follow(member, scope)

    def whole(self, node: ast.expr, scope: Scope) -> list[str]:
        """The variants of a text, each with named fields."""
        if is_text(node):
            return [_escaped(node.value)]  # type: ignore[attr-defined]
        if isinstance(node, ast.IfExp):
            both = (*self.whole(node.body, scope), *self.whole(node.orelse, scope))
            return list(dict.fromkeys(both))
        if is_sum(node):
            return _joined([self.whole(part, scope) for part in (node.left, node.right)])
        if isinstance(node, ast.JoinedStr):
            return _joined([self.whole(part, scope) for part in node.values])
        inner = node.value if isinstance(node, ast.FormattedValue) else node
        short = isinstance(inner, ast.IfExp) and is_text(inner.body) and is_text(inner.orelse)
        if isinstance(node, ast.FormattedValue) and short:  # words of a sentence: whole sentences
            return self.whole(inner, scope)
        self.follow(inner, scope)
        return [_field(_field_name(inner))]

    def add_log(self, call: ast.Call, scope: Scope) -> None:
        """A message whose values follow it."""
        if not call.args or not is_text(call.args[0]):
            return
        names = itertools.chain(map(_field_name, call.args[1:]), itertools.repeat("value"))
        for value in call.args[1:]:
            self.follow(value, scope)
        text = CONVERSION.sub(
            lambda found: "%" if found[0] == "%%" else _field(next(names)),
            _escaped(call.args[0].value),  # type: ignore[attr-defined]
        )
        self.texts.add(_numbered(text))

    def collect(self) -> None:
        """Begin at errors, progress, log and what commands print."""
        for name, sites in list(self.calls.items()):
            for call, scope in sites:
                if name.endswith("Error") or name in ("Cancelled", "print"):
                    for value in call.args[:1]:
                        self.follow(value, scope)
                elif name in LOG and name_of(getattr(call.func, "value", call)) == "logger":
                    self.add_log(call, scope)
                elif len(call.args) == 2 and self.is_progress(name, scope):
                    self.follow(call.args[1], scope)

    def is_progress(self, name: str, scope: Scope | None) -> bool:
        """Whether a name is a callback of progress."""
        while scope is not None:
            if isinstance(scope, ast.FunctionDef):
                arguments = (*scope.args.args, *scope.args.kwonlyargs)
                kinds = [one.annotation for one in arguments if one.arg == name]
                if any(kind is not None and "Progress" in ast.unparse(kind) for kind in kinds):
                    return True
            values = self.assigned.get((id(scope), name), ())
            if any(isinstance(v, ast.Call) and name_of(v.func) == "subprogress" for v in values):
                return True
            scope = self.outer.get(id(scope))
        return False


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _field(name: str) -> str:
    return "{" + name + "}"


def _field_name(node: ast.expr) -> str:
    """What a value is called in a text."""
    if isinstance(node, ast.Subscript):
        return _field_name(node.value)
    if isinstance(node, ast.Call):
        name = name_of(node.func)
        if name in CALLED:
            return CALLED[name]
        if name in OF_THEIR_OBJECT and isinstance(node.func, ast.Attribute):
            return _field_name(node.func.value)
        if name in OF_THEIR_ARGUMENT and node.args:
            return _field_name(node.args[0])
        return name.strip("_") or "value"
    return name_of(node).strip("_").lower() or "value"


def _joined(parts: Iterable[list[str]]) -> list[str]:
    """All combinations of variants, up to a number."""
    variants = itertools.islice(itertools.product(*parts), MOST)
    return [_numbered("".join(variant)) for variant in variants]


def _numbered(text: str) -> str:
    """Fields of one name get numbers."""
    count: dict[str, int] = defaultdict(int)

    def field_of(found: re.Match[str]) -> str:
        name = found[1].rstrip("0123456789") or "value"
        count[name] += 1
        return _field(name if count[name] == 1 else f"{name}{count[name]}")

    return FIELD.sub(field_of, text)


def library_texts(sources: Iterable[str]) -> list[str]:
    """Texts of these files, each on one line, in order."""
    library = Library([ast.parse(source) for source in sources])
    library.collect()
    return sorted(filter(_is_read, {" ".join(text.split()) for text in library.texts}))


def _is_read(text: str) -> bool:
    """Whether a user reads it as words; not so names of files, options and the command itself."""
    rest = FIELD.sub("", text).replace("meddl", "")
    return bool(WORDS.search(rest) if " " in text else re.fullmatch(r"[a-z]{3,}", text))


def entry(text: str) -> str:
    """A line or more of the catalogue. Slicer's tool wants one kind of quote around a text."""
    quote = "'" if '"' in text else '"'

    def quoted(part: str) -> str:
        return quote + part.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote

    line = f"    _({quoted(text)}),\n"
    if len(line) <= 101:
        return line
    parts = textwrap.wrap(
        text, 82, drop_whitespace=False, break_long_words=False, break_on_hyphens=False
    )
    lines = "".join(f"        {quoted(part)}\n" for part in parts)
    return f"    _(\n{lines}    ),\n"


def catalogue() -> str:
    """The file that is written."""
    sources = [path.read_text(encoding="utf-8") for path in sorted(LIBRARY.rglob("*.py"))]
    return HEAD + "".join(map(entry, library_texts(sources))) + ")\n# fmt: on\n"


if __name__ == "__main__":
    CATALOGUE.write_text(catalogue(), encoding="utf-8", newline="\n")
