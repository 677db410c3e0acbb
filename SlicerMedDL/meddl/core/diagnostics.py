"""What is installed here, which devices there are, what is missing: for ``meddl doctor`` and for
"Copy diagnostics" in 3D Slicer. Nothing in it identifies a person except folder names.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from meddl import __version__
from meddl.core.devices import list_devices, megabytes
from meddl.core.errors import DependencyError
from meddl.core.optional import BASE, EXTRAS
from meddl.core.weights import bundled_folder, list_weights, user_folder

# Shared libraries that pictures without a window need (Qt, VTK), and Debian's packages of them.
RENDERING_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
}
VARIABLES = ("MEDDL_*", "NUMBA_CACHE_DIR", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONPATH")
# Below this many free bytes an installation or a training run is likely to fail.
LITTLE_SPACE = 4e9


def _repository() -> Path | None:
    folder = Path(__file__).resolve().parents[3]
    return folder if (folder / "pyproject.toml").is_file() else None


def _pinned() -> dict[str, str]:
    """Normalised pip name -> version in constraints.txt; empty outside a checkout."""
    repository = _repository()
    if repository is None or not (repository / "constraints.txt").is_file():
        return {}
    text = (repository / "constraints.txt").read_text(encoding="utf-8")
    pairs = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", text, re.MULTILINE)
    return {_normal(name): version for name, version in pairs}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> list[dict[str, str | None]]:
    pinned = _pinned()
    return [
        {
            "name": package,
            "extra": extra,
            "installed": _version(package),
            "tested": pinned.get(_normal(package)),
        }
        for package, extra in EXTRAS.values()
    ]


def _opencv() -> list[str]:
    names = {_normal(d.name) for d in metadata.distributions() if d.name}
    return sorted(name for name in names if re.fullmatch(r"opencv-(contrib-)?python.*", name))


def missing_libraries() -> dict[str, str]:
    """Shared libraries that pictures without a window lack here -> Debian's package of each."""
    if sys.platform != "linux":
        return {}
    missing = {}
    for library, package in RENDERING_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing[library] = package
    return missing


def _is_variable(name: str) -> bool:
    return name in VARIABLES or name.startswith("MEDDL_")


def collect() -> dict[str, Any]:
    """Everything that :func:`as_text` shows, as plain JSON types; bytes and versions as they are.

    ``"missing"`` lists what cannot be done here, each with its remedy; it may be empty.
    """
    repository = _repository()
    try:
        folder, devices, cards = user_folder(), list_devices(), list_weights()
    except DependencyError:  # a Slicer without the base packages; "missing" names them
        folder, devices, cards = bundled_folder(), [], []
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    record: dict[str, Any] = {
        "meddl": __version__,
        "folder": str(repository or Path(__file__).resolve().parents[2]),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        # Slicer sets this variable for itself and for the processes that it starts.
        "slicer": os.environ.get("SLICER_HOME"),
        "packages": _packages(),
        "opencv": _opencv(),
        "devices": [
            {
                "name": device.name,
                "description": device.description,
                "total_bytes": device.total_bytes,
                "free_bytes": device.free_bytes,
            }
            for device in devices
        ],
        "weights": {
            "folder": str(folder),
            "files": [
                {"name": card.name, "task": card.task, "bytes": card.size_bytes} for card in cards
            ],
        },
        "rendering": {"missing_libraries": missing_libraries()},
        "disk_free_bytes": shutil.disk_usage(existing).free,
        "environment": {n: v for n, v in sorted(os.environ.items()) if _is_variable(n)},
    }
    record["missing"] = _missing(record)
    return record


def _missing(record: dict[str, Any]) -> list[str]:
    how = "MedDL Home, Install" if record["slicer"] else "pip install "
    lines = []
    extras = dict.fromkeys(extra for _, extra in EXTRAS.values())
    if not any(device["name"].startswith("cuda") for device in record["devices"]):
        extras.pop("cuda")  # it is built with NVIDIA's compiler and of no use here
    for extra in extras:
        absent = [
            p["name"] for p in record["packages"] if p["extra"] == extra and not p["installed"]
        ]
        if absent:
            remedy = how + " ".join(absent) if how.startswith("pip") else how
            what = "needed everywhere" if extra == BASE else f"extra {extra!r}"
            lines.append(f"{', '.join(absent)} ({what}); {remedy}")
    if len(record["opencv"]) > 1:
        lines.append(
            f"one OpenCV, there are {' and '.join(record['opencv'])}, which overwrite each other; "
            "uninstall both, then install opencv-python-headless"
        )
    libraries = record["rendering"]["missing_libraries"]
    if libraries:
        lines.append(
            f"{', '.join(libraries)} for pictures without a window; on Debian and Ubuntu: apt "
            f"install {' '.join(libraries.values())}"
        )
    if record["disk_free_bytes"] < LITTLE_SPACE:
        lines.append(f"disk space: {megabytes(record['disk_free_bytes'])} free; make room")
    return lines


def as_text(record: dict[str, Any]) -> str:
    """The record of :func:`collect` for people: a page of text that ends in a newline."""
    lines = [
        f"MedDL     {record['meddl']} in {record['folder']}",
        f"Python    {record['python']} ({record['executable']})",
        f"system    {record['platform']}",
        f"3D Slicer {record['slicer'] or 'no, plain Python'}",
        f"disk      {megabytes(record['disk_free_bytes'])} free",
        "",
        "devices",
    ]
    for device in record["devices"]:
        memory = f"{megabytes(device['free_bytes'])} of {megabytes(device['total_bytes'])} free"
        lines.append(f"  {device['name']:<8} {device['description']}, {memory}")
    lines += ["", "packages (installed; tested version where it differs)"]
    for package in record["packages"]:
        installed, tested = package["installed"], package["tested"]
        # A local version label (2.13.0+cpu) names the build, not the version.
        same = installed is None or tested is None or installed.partition("+")[0] == tested
        note = "" if same else f"  tested: {tested}"
        lines.append(f"  {package['extra']:<9}{package['name']:<24}{installed or '-'}{note}")
    lines += ["", f"weights ({record['weights']['folder']})"]
    for entry in record["weights"]["files"]:
        lines.append(f"  {entry['name']}, {megabytes(entry['bytes'])}: {entry['task']}")
    if not record["weights"]["files"]:
        lines.append("  none")
    if record["environment"]:
        lines += ["", "environment"]
        lines += [f"  {name}={value}" for name, value in record["environment"].items()]
    lines += ["", "missing"]
    lines += [f"  {line}" for line in record["missing"]] or ["  nothing"]
    return "\n".join(lines) + "\n"
