"""No code from data, no shell: rules that the sources are read for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Modules whose readers run what the file says.
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
# Calls of a whole name that run code or a shell, or unpack without looking at the names inside.
FORBIDDEN = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.load_all",
    "pandas.read_pickle",
    "shutil.unpack_archive",
    "tempfile.mktemp",
    "ssl._create_unverified_context",
}
# Tests that copy objects as worker processes do.
MAY_PICKLE = {
    "Testing/library/core/test_image.py",
    "Testing/library/desmoke/test_clear_frames.py",
}


def arguments(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


def safe_loaders(tree: ast.AST) -> set[str]:
    """Names in a file that stand for PyYAML's safe loader or a class made of it."""
    names = {"yaml.SafeLoader", "yaml.CSafeLoader"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} <= names:
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            value = ast.unparse(node.value)
            if value == "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)":
                names |= {ast.unparse(target) for target in node.targets}
    return names


def dangers(source: str, tests: bool = False) -> list[str]:
    """What a file does that could run code from data; ``tests`` may run code of their own."""
    tree = ast.parse(source)
    loaders = safe_loaders(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            if {name.partition(".")[0] for name in names} & PICKLES:
                found.append(f"line {node.lineno}: {', '.join(names)}")
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), arguments(node)
        last = name.rpartition(".")[2]
        if (
            (name in FORBIDDEN and not (tests and name in ("eval", "exec")))
            or given.get("shell", "False") != "False"
            or given.get("allow_pickle", "False") != "False"
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name == "yaml.load" and given.get("Loader") not in loaders)
            or (last == "extractall" and not tests)
        ):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def sources() -> list[Path]:
    rooms = [path.parent for path in ROOT.glob("*/CMakeLists.txt")]
    rooms += [ROOT / "Testing", ROOT / "Docs"]
    found = [path for room in rooms for path in room.rglob("*.py")]
    return [ROOT / "meddl", ROOT / "conftest.py", *sorted(found)]


def test_nothing_runs_code_from_data_or_a_shell():
    found = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        lines = dangers(
            path.read_text(encoding="utf-8"), name.partition("/")[0] in ("Testing", "Docs")
        )
        if lines and name not in MAY_PICKLE:
            found[name] = lines
    assert found == {}
    assert len(sources()) > 300


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import pickle", 1),
        ("from joblib import load", 1),
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("np.load(path, allow_pickle=True)", 1),
        ("np.load(path)", 0),  # False since numpy 1.16.3
        ("yaml.load(text)", 1),
        ("yaml.load(text, Loader=yaml.Loader)", 1),
        ("yaml.load(text, Loader=yaml.SafeLoader)", 0),
        ("class L(yaml.SafeLoader): pass\nyaml.load(text, Loader=L)", 0),
        ("class L(yaml.Loader): pass\nyaml.load(text, Loader=L)", 1),
        ("subprocess.run(words, shell=True)", 1),
        ("subprocess.run(words)", 0),
        ("os.system('ls ' + name)", 1),
        ("archive.extractall(folder)", 1),
        ("model.eval()", 0),
        ("eval(text)", 1),
    ],
)
def test_the_rule_can_fail(source, count):
    assert len(dangers(source)) == count
