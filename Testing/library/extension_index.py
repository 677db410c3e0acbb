"""What 3D Slicer's Extensions Index asks of an extension, as functions that return what is wrong.

Each takes text or a folder and returns a list of findings, so that broken variants can be tried.
"""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
# Property -> (type, allowed values or None).
PROPERTIES = {
    "$schema": (str, (SCHEMA,)),
    "category": (
        str,
        (
            "Filtering",
            "Image Synthesis",
            "Rendering",
            "Segmentation",
            "Simulation",
            "Training",
            "Utilities",
        ),
    ),
    "scm_url": (str, None),
    "scm_revision": (str, None),
    "scm_type": (str, ("git", "local")),
    "build_dependencies": (list, None),
    "build_subdirectory": (str, None),
    "dicom_support_rule": (str, None),
    "enabled": (bool, None),
    "tier": (int, (1, 3, 5)),
}
REQUIRED = ("$schema", "category", "scm_url")
LARGEST_CLONE = 100e6
SLICER_HAS = {"slicer", "qt", "ctk", "vtk", "SimpleITK", "numpy", "scipy"}


def check_entry(name: str, text: str) -> list[str]:
    """The description ``NAME.json``: schema, names, layout."""
    found = []
    if name.startswith("Slicer"):
        found.append(f"the extension's name {name} starts with Slicer")
    if "\r" in text:
        found.append("lines end in CR LF")
    try:
        entry = json.loads(text)
    except json.JSONDecodeError as error:
        return [*found, f"no JSON: {error}"]
    found += [f"{key} is missing" for key in REQUIRED if key not in entry]
    for key, value in entry.items():
        kind, values = PROPERTIES.get(key, (None, None))
        if kind is None:
            found.append(f"{key} is no property of the schema")
        elif type(value) is not kind:
            found.append(f"{key} is {type(value).__name__}, not {kind.__name__}")
        elif values and value not in values:
            found.append(f"{key} is {value!r}")
    for item in entry.get("build_dependencies", []):
        if not isinstance(item, str):
            found.append(f"the dependency {item!r} is no text")
    if json.dumps(entry, indent=2, ensure_ascii=False) != text.strip():
        found.append("not laid out with two spaces and one array item per line")
    repository = re.sub(r"(\.git)?/?$", "", entry.get("scm_url", "")).rpartition("/")[2]
    if "slicer" not in repository.lower():
        found.append(f"the repository's name {repository!r} does not say Slicer")
    if not entry.get("scm_url", "").startswith("https://"):
        found.append(f"scm_url {entry.get('scm_url')!r} is no https address")
    return found


def cmake_variable(text: str, name: str) -> str | None:
    """The literal value of ``set(NAME "value")``, one quoted string, as the index reads it."""
    match = re.search(rf'^set\({name} "([^"\n]*)"\)$', text, re.MULTILINE)
    return match[1] if match else None


def check_cmake(text: str, entry: str, name: str) -> list[str]:
    """The root CMakeLists.txt: order, literal variables, agreement with the description."""
    steps = (
        "cmake_minimum_required(VERSION 3.28.0...3.28.0 FATAL_ERROR)",
        f"project({name})",
        "set(EXTENSION_HOMEPAGE ",
        "find_package(Slicer REQUIRED)",
        "include(${Slicer_USE_FILE})",
        "add_subdirectory(",
        "## NEXT_MODULE",
        "include(${Slicer_EXTENSION_GENERATE_CONFIG})",
        "include(${Slicer_EXTENSION_CPACK})",
    )
    places = [text.find(step) for step in steps]
    found = [f"lacks {step}" for step, place in zip(steps, places, strict=True) if place < 0] or (
        [] if places == sorted(places) else ["the steps are out of order"]
    )
    for variable in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"):
        value = cmake_variable(text, f"EXTENSION_{variable}")
        if not value:
            found.append(f"EXTENSION_{variable} is no quoted string on a line of its own")
        elif variable.endswith(("URL", "URLS")):
            for url in value.split():
                if not re.fullmatch(r"https://\S+\.png", url):
                    found.append(f"EXTENSION_{variable} has {url!r}, no https address of a PNG")
    for variable in ("README_FILE", "LICENSE_FILE"):
        if not cmake_variable(text, f"EXTENSION_{variable}"):
            found.append(f"EXTENSION_{variable} is not set: Slicer's own would be packaged")
    depends = (cmake_variable(text, "EXTENSION_DEPENDS") or "").split()
    wanted = json.loads(entry).get("build_dependencies", [])
    if depends != wanted:
        found.append(f"EXTENSION_DEPENDS is {depends}, build_dependencies {wanted}")
    return found


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file; (0, 0) if it is none."""
    data = path.read_bytes()[:24] if path.is_file() else b""
    return struct.unpack(">II", data[16:24]) if data[:8] == b"\x89PNG\r\n\x1a\n" else (0, 0)


def check_icons(root: Path, cmake: str, modules: Sequence[str]) -> list[str]:
    """Icons of the extension and of its modules: 128 x 128, in the tree, under 20 kB."""
    prefix = r"https://raw\.githubusercontent\.com/SlicerMedDL/SlicerMedDL/main/"
    url = cmake_variable(cmake, "EXTENSION_ICONURL") or ""
    paths = [re.sub(prefix, "", url)]
    paths += [f"{module}/Resources/Icons/{module}.png" for module in modules]
    found = [
        f"{path} is {png_size(root / path)}"
        for path in paths
        if png_size(root / path) != (128, 128)
    ]
    found += [
        f"{path} is larger than 20 kB"
        for path in paths
        if (root / path).is_file() and (root / path).stat().st_size > 20_000
    ]
    return found


def packaged(folder: Path, cmake: str) -> set[str]:
    """The files of a module's folder that its CMakeLists.txt lists, by name or by GLOB_RECURSE."""
    name = re.search(r"^set\(MODULE_NAME (\w+)\)$", cmake, re.MULTILINE)
    module = name[1] if name else ""
    text = cmake.replace("${MODULE_NAME}", module)
    files = {f"{script}.py" for script in scripts(cmake)}
    everything = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    for block in re.findall(r"file\(GLOB_RECURSE(.*?)\n  \)", text, re.DOTALL):
        for pattern in block.split()[4:]:  # after the variable, RELATIVE, folder, CONFIGURE_DEPENDS
            top, _, kind = pattern.partition("/")
            files |= {
                f
                for f in everything
                if f.startswith(top + "/") and fnmatch.fnmatch(f, f"{top}/{kind}")
            }
    return files


def scripts(cmake: str) -> list[str]:
    """The modules that a CMakeLists.txt builds."""
    name = re.search(r"^set\(MODULE_NAME (\w+)\)$", cmake, re.MULTILINE)
    text = cmake.replace("${MODULE_NAME}", name[1] if name else "")
    return re.findall(r"^  SCRIPTS (\w+)\.py", text, re.MULTILINE)


def check_file_list(folder: Path, cmake: str, tracked: Iterable[str]) -> list[str]:
    """Whether what a module needs and nothing else is packaged.

    Args:
        folder: of the module.
        cmake: its CMakeLists.txt.
        tracked: the committed files of the folder, relative to it.
    """
    listed = packaged(folder, cmake)
    needed = {
        path
        for path in tracked
        if not path.startswith("Testing/") and Path(path).name != "CMakeLists.txt"
    }
    return [f"{path} is not packaged" for path in sorted(needed - listed)] + [
        f"{path} is packaged but not committed" for path in sorted(listed - needed)
    ]


def check_module_file(source: str, name: str) -> list[str]:
    """A module's file: its four classes, only definitions and light imports at file scope."""
    tree = ast.parse(source)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    found = [
        f"lacks the class {name}{part}"
        for part in ("", "Widget", "Logic", "Test")
        if f"{name}{part}" not in classes
    ]
    harmless = (
        ast.Import,
        ast.ImportFrom,
        ast.ClassDef,
        ast.FunctionDef,
        ast.Assign,
        ast.AnnAssign,
        ast.If,
    )
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not text and not isinstance(node, harmless):
            found.append(f"line {node.lineno}: code at file scope: {ast.unparse(node)[:40]}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            for package in {(n or "").partition(".")[0] for n in names}:
                ours = package in ("meddl", "SlicerMedDLLib", name, f"{name}Lib")
                if (
                    package not in sys.stdlib_module_names
                    and package not in SLICER_HAS
                    and not ours
                ):
                    found.append(f"line {node.lineno}: imports {package} at file scope")
    return found


def check_readme(text: str, modules: Sequence[str]) -> list[str]:
    """What the index's reviewers look for in the README."""
    wanted = {
        "a screenshot": r"!\[[^\]]*\]\(Docs/Screenshots/\S+\.png\)",
        "the notice about clinical use": r"not for clinical use",
        "a tutorial": r"(?im)^#+ .*tutorial",
        "where the sample data are": r"(?i)sample data",
        "a citation": r"(?im)^#+ .*(citation|cite)",
        "./meddl demo": r"\./meddl demo",
        "./meddl test": r"\./meddl test",
        "the lines for Windows": r"py meddl demo[\s\S]*py meddl test",
        "how to delete what was installed": r"(?i)uninstall|delete",
    }
    found = [f"lacks {what}" for what, pattern in wanted.items() if not re.search(pattern, text)]
    return found + [f"does not mention {module}" for module in modules if module not in text]


def clone_size(root: Path) -> int:
    """Bytes of the history as a clone would transfer them."""
    output = subprocess.run(
        ["git", "rev-list", "--objects", "--all", "--disk-usage"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(output)
