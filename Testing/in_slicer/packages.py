"""Installs what MedDL needs into a Slicer, without replacing what Slicer brings:

    python Testing/in_slicer/packages.py PATH/TO/Slicer

For test machines. Users press *Install* in MedDL Home, which asks Slicer's PyTorch extension for
the PyTorch that fits their graphics card; this takes the build for the CPU.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
EXTRAS = ("torch", "train", "evaluate", "video")
OWN = ("numpy", "pydicom", "scipy", "SimpleITK", "vtk")
VERSIONS = f"""
from importlib.metadata import PackageNotFoundError, version
for name in {OWN!r}:
    try:
        print(f"{{name}}=={{version(name)}}")
    except PackageNotFoundError:
        pass
"""


def python_of(slicer: Path) -> Path:
    """The path of the Python that comes with a Slicer.

    Raises:
        FileNotFoundError: there is none beside the program.
    """
    folder = slicer.parent if slicer.parent.name != "MacOS" else slicer.parent.parent
    for name in ("bin/PythonSlicer", "bin/PythonSlicer.exe"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{slicer} has no bin/PythonSlicer beside it")


def requirements(extras: Iterable[str] = EXTRAS) -> list[str]:
    """What ``pyproject.toml`` asks for in every installation and in some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][one] for one in extras)]
    return [one for items in lists for one in items if not one.startswith("meddl")]


def main(slicer: Path) -> None:
    """Install into one Slicer; pip's failure ends the script."""
    python = python_of(slicer)
    pins = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.txt"
        own.write_text(pins.stdout, encoding="utf-8")
        pip = [python, "-m", "pip", "install", "--no-input", "-c", own]
        if sys.platform != "darwin":  # there the usual wheel is the CPU's
            torch = [one for one in requirements() if one.startswith("torch>")]
            subprocess.run([*pip, "--index-url", CPU_INDEX, *torch], check=True)
        subprocess.run([*pip, *requirements()], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
