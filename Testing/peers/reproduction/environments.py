"""Environments of the peers: made once by venv and pip, kept, made anew when a recipe changes."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from meddl.core.errors import MedDLError
from meddl.core.files import read_json, write_json
from reproduction.comparisons import PEERS, Environment

STAMP = "recipe.json"  # empty until the environment is whole


def obstacle(environment: Environment, programs: Mapping[str, str]) -> str:
    """What keeps the environment from being made; "" if nothing is known."""
    version = ".".join(platform.python_version_tuple()[:2])
    if environment.python and version not in environment.python:
        return f"its packages exist for Python {', '.join(environment.python)}, this is {version}"
    return lacking(environment.programs, programs)


def lacking(names: tuple[str, ...], programs: Mapping[str, str]) -> str:
    """Which programs are not there, and how to get them; "" if all are."""
    missing = [name for name in names if not shutil.which(name)]
    return "; ".join(f"no program {name}: {programs[name]}" for name in missing)


def recipe(environment: Environment) -> dict[str, object]:
    """All that decides what is installed: pip's arguments, the files they name, the Python."""
    words = [word for line in environment.install for word in shlex.split(line)]
    files = [PEERS / word for word in words if word.endswith(".txt")]
    return {
        "install": [*environment.install, *environment.build],
        "files": {file.name: file.read_text(encoding="utf-8") for file in files},
        "python": platform.python_version(),
    }


def make(name: str, environment: Environment, folder: Path) -> None:
    """Make ``folder`` unless it is there and whole; pip's words go to ``NAME.log`` beside it.

    Raises:
        MedDLError: ``folder`` is something else; venv, pip or a build failed, whose last line the
            message has.
    """
    wanted = recipe(environment)
    stamp = folder / STAMP
    if stamp.exists() and read_json(stamp) == wanted:
        return
    if folder.exists():
        if not stamp.exists():
            raise MedDLError(f"{folder} is no environment of this command; move it away")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_json(stamp, {})
    log = folder.with_name(f"{name}.log")
    python, target = str(folder / "bin" / "python"), []
    commands = [[sys.executable, "-m", "venv", str(folder)]]
    if environment.on_path:
        python, target, commands = sys.executable, ["--target", str(folder)], []
    for line in environment.install:
        commands.append([python, "-m", "pip", "install", *target, *shlex.split(line)])
    version = ".".join(platform.python_version_tuple()[:2])
    places = {"folder": folder, "packages": folder / "lib" / f"python{version}" / "site-packages"}
    for line in environment.build:
        commands.append([word.format_map(places) for word in shlex.split(line)])
    with log.open("w", encoding="utf-8") as file:
        for command in commands:
            done = subprocess.run(command, cwd=PEERS, stdout=file, stderr=file, check=False)
            if done.returncode:
                raise MedDLError(f"environment {name}: {last_line(log)} (see {log})")
    write_json(stamp, wanted)


def last_line(log: Path) -> str:
    """What a program said last, shortened."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message"
