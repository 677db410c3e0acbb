"""The tree obeys 3D Slicer's Extensions Index, and each rule finds what breaks it."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import struct
import subprocess
import tomllib
from pathlib import Path

import pytest

from library import extension_index as index
from library.test_architecture import scope_imports

ROOT = Path(__file__).resolve().parents[2]
CMAKE = (ROOT / "CMakeLists.txt").read_text()
ENTRY = (ROOT / "MedDL.json").read_text()
MODULES = re.findall(r"^add_subdirectory\((\w+)\)$", CMAKE, re.MULTILINE)
README = (ROOT / "README.md").read_text()
DATA = ROOT / "Testing" / "data"


def files_of(folder: Path) -> list[str]:
    """Files of the tree under ``folder`` that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if (folder / line).is_file()]


def test_description():
    assert index.check_entry("MedDL", ENTRY) == []


def test_root_cmake():
    assert index.check_cmake(CMAKE, ENTRY, "MedDL") == []
    systems = ("DeepDRR", "DeepIGeoS", "EndoDepth", "Desmoke")
    assert ["SlicerMedDL", *(f"{system}Module" for system in systems)] == MODULES
    assert {p.parent.name for p in ROOT.glob("*Module/CMakeLists.txt")} < set(MODULES)


def test_icons_and_licence():
    assert index.check_icons(ROOT, CMAKE, MODULES) == []
    assert "Apache License" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("module", MODULES)
def test_module(module):
    folder = ROOT / module
    cmake = (folder / "CMakeLists.txt").read_text()
    assert index.check_file_list(folder, cmake, files_of(folder)) == []
    assert index.check_module_file((folder / f"{module}.py").read_text(), module) == []
    # Slicer loads every file.
    assert sorted(p.stem for p in folder.glob("*.py")) == sorted(index.scripts(cmake))


@pytest.mark.parametrize("module", MODULES)
def test_tests_run_inside_slicer(module):
    folder = ROOT / module / "Testing" / "Python"
    scripts = re.findall(
        r"^slicer_add_python_unittest\(SCRIPT (\w+\.py)\)$",
        (folder / "CMakeLists.txt").read_text(),
        re.MULTILINE,
    )
    assert sorted(scripts) == sorted(p.name for p in folder.glob("*.py") if p.stem != "conftest")


def test_readme_and_size():
    names = ["DeepDRR", "DeepIGeoS", "EndoDepth", "Desmoke", "MedDL Home"]
    assert index.check_readme(README, names) == []
    assert index.clone_size(ROOT) < index.LARGEST_CLONE


def test_sample_data_are_what_their_table_says():
    text = (DATA / "README.md").read_text()
    sums = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", text, re.MULTILINE))
    sums = {name: value for value, name in sums.items()}
    files = {p.name: p for p in DATA.iterdir() if p.is_file() and p.name != "README.md"}
    assert sums == {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items()}
    assert all(f"| {name} |" in text for name in files)
    assert sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file()) < 12e6


def test_names_of_the_structures_fit_the_anatomy():
    import numpy as np
    import SimpleITK as sitk

    image = sitk.ReadImage(str(DATA / "abdomen_pelvis_labels.nii.gz"))
    ct = sitk.GetArrayFromImage(sitk.ReadImage(str(DATA / "abdomen_pelvis_ct.nii.gz")))
    labels = sitk.GetArrayFromImage(image)
    table = json.loads((DATA / "abdomen_pelvis_labels.json").read_text())
    number = {entry["name"]: int(label) for label, entry in table.items()}
    assert sorted(number.values()) == np.unique(labels)[1:].tolist()
    assert len(number) == len(table)

    def center(name):
        index = np.argwhere(labels == number[name]).mean(axis=0)[::-1]
        x, y, z = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
        return np.array([-x, -y, z])  # LPS -> RAS

    middle = center("vertebra L3")[0]
    for name in number:
        if name.startswith(("left", "right")) or "left lung" in name or "right lung" in name:
            assert (center(name)[0] < middle) == ("left" in name), name
    assert center("liver")[0] > middle > center("spleen")[0]
    levels = ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    heights = [center(f"vertebra {level}")[2] for level in levels]
    assert heights == sorted(heights, reverse=True)
    assert center("costal cartilage")[1] > center("liver")[1] > center("spinal cord")[1]
    means = {name: ct[labels == n].mean() for name, n in number.items()}
    assert means["lower lobe of left lung"] < -500 < 0 < means["liver"] < 100 < means["vertebra L3"]


def test_extras_are_those_of_the_library():
    from meddl.core.optional import BASE, EXTRAS

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {BASE: project["dependencies"], **project["optional-dependencies"]}
    names = {
        extra: {re.split(r"[\[<>=~!; ]", item)[0] for item in items} - {"meddl"}
        for extra, items in extras.items()
    }
    expected: dict[str, set[str]] = {}
    for package, extra in EXTRAS.values():
        expected.setdefault(extra, set()).add(package)
    assert {n: v for n, v in names.items() if n not in ("all", "test")} == expected


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in pins}
    assert len(pinned) == len(pins)
    for items in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in map(Requirement, items):
            if requirement.name != "meddl":
                version = pinned[canonicalize_name(requirement.name)]
                assert requirement.specifier.contains(version), requirement


def brought_by(extra: str) -> set[str]:
    """Normalised names of the distributions that ``pip install .[extra]`` brings, all the way."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    queue = [Requirement(f"meddl[{extra}]"), *map(Requirement, project["dependencies"])]
    found: set[str] = set()
    while queue:
        requirement = queue.pop()
        if requirement.name == "meddl":
            for name in requirement.extras:
                queue += map(Requirement, project["optional-dependencies"][name])
        elif canonicalize_name(requirement.name) not in found:
            found.add(canonicalize_name(requirement.name))
            for text in requires(requirement.name) or []:
                needed = Requirement(text)
                extras = requirement.extras or {""}
                if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                    queue.append(needed)
    return found


def test_tests_and_demo_import_only_what_is_installed_for_them():
    from importlib.metadata import packages_distributions

    from packaging.utils import canonicalize_name

    distributions = packages_distributions()
    brought = brought_by("test")
    assert {"pytest", "vtk", "numpy"} < brought and "torchio" not in brought
    absent = set()
    for path in [*(ROOT / "Testing").rglob("*.py"), *ROOT.glob("*/Testing/Python/*.py")]:
        for _, name in scope_imports(ast.parse(path.read_text()), inside_functions=True):
            owners = distributions.get(name.partition(".")[0], ["meddl"])
            if not {canonicalize_name(owner) for owner in owners} & (brought | {"meddl"}):
                absent.add(f"{path.relative_to(ROOT)}: {name}")
    assert absent == set()


# --- The rules can fail ---


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        ("SlicerMedDL", "", "", "starts with Slicer"),
        ("MedDL", '"tier": 1', '"tier": 2', "tier is 2"),
        ("MedDL", '"tier": 1', '"tier": "1"', "tier is str, not int"),
        ("MedDL", '"tier": 1', '"colour": 1', "colour is no property"),
        ("MedDL", "Image Synthesis", "Endoscopy", "category is 'Endoscopy'"),
        ("MedDL", '  "category": "Image Synthesis",\n', "", "category is missing"),
        ("MedDL", "v1.0.2", "v1.0.1", r"\$schema is"),
        ("MedDL", "\n", "\r\n", "CR LF"),
        ("MedDL", "}", "", "no JSON"),
        ("MedDL", '[\n    "PyTorch"\n  ]', '["PyTorch"]', "one array item per line"),
        ("MedDL", "/SlicerMedDL.git", "/MedDL.git", "does not say Slicer"),
        ("MedDL", "https://github.com", "git@github.com:x", "no https address"),
    ],
)
def test_the_rule_about_the_description_can_fail(name, old, new, finding):
    assert re.search(finding, "\n".join(index.check_entry(name, ENTRY.replace(old, new))))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("project(MedDL)", "project(Med)", r"lacks project\(MedDL\)"),
        ("## NEXT_MODULE\n", "", "NEXT_MODULE"),
        ('MedDL.png")', 'MedDL.png"\n)', "ICONURL is no quoted string"),
        ("MedDL.png", "MedDL.svg", "no https address of a PNG"),
        ('set(EXTENSION_DEPENDS "PyTorch")', "", r"EXTENSION_DEPENDS is \[\]"),
        ("EXTENSION_LICENSE_FILE", "LICENSE_FILE", "LICENSE_FILE is not set"),
        ("include(${Slicer_EXTENSION_CPACK})\n", "", "CPACK"),
        ("find_package(Slicer REQUIRED)\ninclude(${Slicer_USE_FILE})",
         "include(${Slicer_USE_FILE})\nfind_package(Slicer REQUIRED)", "out of order"),
    ],
)  # fmt: skip
def test_the_rule_about_cmake_can_fail(old, new, finding):
    assert old in CMAKE
    findings = index.check_cmake(CMAKE.replace(old, new), ENTRY, "MedDL")
    assert re.search(finding, "\n".join(findings))


def test_the_rule_about_icons_can_fail(tmp_path):
    icon = tmp_path / "A" / "Resources" / "Icons" / "A.png"
    icon.parent.mkdir(parents=True)
    cmake = 'set(EXTENSION_ICONURL "A/Resources/Icons/A.png")\n'
    assert len(index.check_icons(tmp_path, cmake, [])) == 1
    header = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
    icon.write_bytes(header + struct.pack(">II", 64, 128))
    assert "(64, 128)" in index.check_icons(tmp_path, cmake, ["A"])[0]
    icon.write_bytes(header + struct.pack(">II", 128, 128) + b"\0" * 20_000)
    assert "20 kB" in index.check_icons(tmp_path, cmake, [])[0]


def test_the_rule_about_file_lists_can_fail():
    folder = ROOT / "SlicerMedDL"
    cmake, files = (folder / "CMakeLists.txt").read_text(), files_of(folder)
    lost = index.check_file_list(folder, cmake.replace("  meddl/*.csv\n", ""), files)
    assert lost and all(line.endswith(".csv is not packaged") for line in lost)
    secret = index.check_file_list(folder, cmake, [f for f in files if f != "meddl/__init__.py"])
    assert secret == ["meddl/__init__.py is packaged but not committed"]


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("class X: pass", "lacks the class XWidget"),
        ("print(1)", "code at file scope"),
        ("slicer.util.pip_install('torch')", "code at file scope"),
        ("import torch", "imports torch"),
        ("from monai.networks import nets", "imports monai"),
    ],
)
def test_the_rule_about_module_files_can_fail(source, finding):
    whole = '"""Text."""\nimport slicer\n' + "".join(
        f"class X{part}: pass\n" for part in ("", "Widget", "Logic", "Test")
    )
    assert index.check_module_file(whole, "X") == []
    whole = source if source.startswith("class") else whole + source
    assert finding in "\n".join(index.check_module_file(whole, "X"))


def test_the_rule_about_the_readme_can_fail():
    findings = index.check_readme("# MedDL\nsample data", ["DeepDRR"])
    assert "lacks a screenshot" in findings and "does not mention DeepDRR" in findings
    assert "lacks where the sample data are" not in findings
