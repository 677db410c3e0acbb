"""Writes the table of licences.md: each pinned package's licence, as its own metadata name it.

    pip install -c constraints.txt -e ".[all,test]" && python Docs/licences.py

Packages that are not installed here may lie unpacked in a folder: ``--also FOLDER``.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "Docs" / "licences.md"

QT = "LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only"
# What metadata without a licence expression say, by its SPDX name. The first pattern that is found
# decides; a wording that none of them knows is an error, so that a person looks.
WORDINGS = (
    (f"^{QT}$", QT),
    (r"MPL-2.0 AND MIT", "MPL-2.0 AND MIT"),
    (r"Mozilla Public License 2.0|MPL-2.0", "MPL-2.0"),
    (r"Apache", "Apache-2.0"),
    (r"BSD-2-Clause", "BSD-2-Clause"),
    (r"BSD[- ]3-Clause|3-Clause BSD", "BSD-3-Clause"),
    (r"BSD", "BSD"),
    (r"Python Software Foundation|PSF-2.0", "PSF-2.0"),
    (r"ISC", "ISC"),
    (r"MIT", "MIT"),
)
# pip compiles it at installation, so it is on no machine without NVIDIA's toolkit.
BY_HAND = {"pycuda": "MIT"}

HEAD = "| package | version | licence | comes with |\n|---|---|---|---|\n"


def normalised(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Name -> version of ``constraints.txt``."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def extras() -> dict[str, list[str]]:
    """Normalised name -> the extras of ``pyproject.toml`` that name it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"every installation": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for extra, requirements in lists.items():
        for requirement in requirements:
            name = normalised(re.match(r"[\w.-]+", requirement).group())  # type: ignore[union-attr]
            found.setdefault(name, []).append(extra)
    return found


def licence(distribution: Distribution) -> str:
    """The SPDX expression of a package.

    Raises:
        ValueError: its metadata say nothing that :data:`WORDINGS` knows.
    """
    about = distribution.metadata
    expression = about.get("License-Expression")
    if expression:
        return expression
    classifiers = [c for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    said = [(about.get("License") or "").strip().partition("\n")[0], *classifiers]
    for text in said:
        for pattern, name in WORDINGS:
            if re.search(pattern, text):
                return name
    raise ValueError(f"{about['Name']}: no known licence in {said}")


def installed(also: list[str]) -> dict[str, Distribution]:
    """Normalised name -> distribution, of this environment and of the folders ``also``."""
    found = {}
    for one in distributions(path=[*also, *sys.path]):
        found.setdefault(normalised(one.metadata["Name"]), one)
    return found


def rows(also: list[str]) -> tuple[list[str], list[str]]:
    """The rows of the table, and the pinned packages that are not here."""
    here, wanted = installed(also), extras()
    lines, absent = [], []
    for name, version in pins().items():
        key = normalised(name)
        if key in here or key in BY_HAND:
            text = BY_HAND.get(key) or licence(here[key])
            lines.append(f"| {name} | {version} | {text} | {', '.join(wanted.get(key, []))} |")
        else:
            absent.append(name)
    return lines, absent


def page(lines: list[str]) -> str:
    """The page with ``lines`` as its table, which ends it."""
    return PAGE.read_text(encoding="utf-8").partition(HEAD)[0] + HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, unless a pinned package is not here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--also", action="append", default=[], metavar="FOLDER")
    lines, absent = rows(parser.parse_args().also)
    if absent:
        sys.exit(f"not installed here: {' '.join(absent)}; see --help")
    PAGE.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
