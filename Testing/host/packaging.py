"""Substitute of `slicer.packaging`: checks requirements, installs with pip of this interpreter."""

from __future__ import annotations

import importlib.metadata
import logging
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import slicer
from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = [
    "canonicalize_name",
    "default_environment",
    "isPipInstallInProgress",
    "load_pyproject_dependencies",
    "load_requirements",
    "pip_check",
    "pip_ensure",
    "pip_install",
    "pip_uninstall",
]

_logger = logging.getLogger(__name__)
_running: list[subprocess.Popen] = []

Requirements = str | Requirement | list[str | Requirement]


def _parse(reqs: Requirements) -> list[Requirement]:
    """Requirements of a text, an object or a list. Raises TypeError or InvalidRequirement."""
    if isinstance(reqs, Requirement):
        return [reqs]
    if isinstance(reqs, str):
        try:
            return [Requirement(reqs)]
        except InvalidRequirement:
            return [Requirement(part) for part in reqs.split()]
    if isinstance(reqs, list):
        return [item if isinstance(item, Requirement) else Requirement(item) for item in reqs]
    raise TypeError(f"requirements must be str, Requirement or list, got {type(reqs).__name__}")


def load_requirements(path: str | Path) -> list[Requirement]:
    """Requirements of a requirements file without comment lines, empty lines and pip's options.

    Raises InvalidRequirement for a comment behind a requirement, as Slicer does.
    """
    lines = (line.strip() for line in Path(path).read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def load_pyproject_dependencies(path: str | Path) -> list[Requirement]:
    """Dependencies of a pyproject.toml. Raises KeyError without a [project] table."""
    data = tomllib.loads(Path(path).read_text("utf-8"))
    return [Requirement(item) for item in data["project"].get("dependencies", [])]


def pip_check(req: Requirements, _seen: set[tuple[str, frozenset[str]]] | None = None) -> bool:
    """Whether all requirements are installed, those of their extras included."""
    seen = set() if _seen is None else _seen
    return all(_satisfied(item, seen) for item in _parse(req))


def _satisfied(req: Requirement, seen: set[tuple[str, frozenset[str]]]) -> bool:
    if req.marker is not None and not req.marker.evaluate(default_environment()):
        return True
    key = (canonicalize_name(req.name), frozenset(req.extras))
    if key in seen:
        return True
    seen.add(key)
    try:
        version = importlib.metadata.version(req.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if version not in req.specifier:
        return False
    needed = [Requirement(item) for item in importlib.metadata.requires(req.name) or []]
    for item in needed:
        environments = [{**default_environment(), "extra": extra} for extra in req.extras]
        if item.marker is not None and any(item.marker.evaluate(env) for env in environments):
            item.marker = None
            if not _satisfied(item, seen):
                return False
    return True


def isPipInstallInProgress() -> bool:
    """Whether a non-blocking installation runs."""
    return any(process.poll() is None for process in _running)


def pip_ensure(
    requirements: Requirements,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Install what is missing, after asking. Raises RuntimeError when the user declines."""
    missing = [str(item) for item in _parse(requirements) if not pip_check(item)]
    if not missing:
        return None
    if skip_in_testing and slicer.app.testingEnabled():
        _logger.info("testing mode: not installing %s", ", ".join(missing))
        return None
    if prompt_install:
        title = " - ".join(filter(None, [requester, "Install Python Packages"]))
        text = f"{len(missing)} Python package(s) will be installed. Continue?"
        if not slicer.util.confirmOkCancelDisplay(text, title, detailedText="\n".join(missing)):
            raise RuntimeError("User declined package installation")
    return pip_install(
        missing, constraints, skip_packages=skip_packages, show_progress=show_progress
    )


def _arguments(requirements: str | list[str], constraints: str | Path | None) -> list[str]:
    names = requirements.split() if isinstance(requirements, str) else list(requirements)
    return [*names, *(["-c", str(constraints)] if constraints else [])]


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    no_deps_requirements: str | list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> list[str] | None:
    """Run pip. Raises subprocess.CalledProcessError when it fails.

    With `skip_packages` every package is installed with --no-deps; the skipped ones are returned.
    """
    if skip_packages is not None and (no_deps_requirements is not None or not blocking):
        raise ValueError("skip_packages excludes no_deps_requirements and blocking=False")
    steps = []
    if no_deps_requirements is not None:
        steps.append(["install", "--no-deps", *_arguments(no_deps_requirements, constraints)])
    names = _arguments(requirements, None)
    skipped = {canonicalize_name(item) for item in skip_packages or []}
    wanted = [name for name in names if _name(name) not in skipped]
    no_deps = ["--no-deps"] if skip_packages is not None else []
    steps.append(["install", *no_deps, *_arguments(wanted, constraints)])
    for step in steps[:-1] if not blocking else steps:
        _pip(step)
    if not blocking:
        _running.append(_start(steps[-1], logCallback, completedCallback))
    return None if skip_packages is None else [name for name in names if name not in wanted]


def _name(requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:  # an option of pip
        return requirement


def pip_uninstall(
    requirements: str | list[str],
    blocking: bool = True,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> None:
    """Run pip uninstall. Raises subprocess.CalledProcessError when it fails."""
    step = ["uninstall", "--yes", *_arguments(requirements, None)]
    if blocking:
        _pip(step)
    else:
        _running.append(_start(step, logCallback, completedCallback))


def _pip(arguments: list[str]) -> None:
    process = slicer.util.launchConsoleProcess([sys.executable, "-m", "pip", *arguments])
    slicer.util.logProcessOutput(process)


def _start(
    arguments: list[str],
    log: Callable[[str], None] | None,
    completed: Callable[[int], None] | None,
) -> subprocess.Popen:
    return slicer.util.launchConsoleProcess(
        [sys.executable, "-m", "pip", *arguments],
        blocking=False,
        logCallback=log,
        completedCallback=completed,
    )
