"""The table of all comparisons, comparisons.toml, as dataclasses."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meddl.core.errors import FileError, InputError

PEERS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Environment:
    """Packages of a peer, apart from ours.

    Attributes:
        install: arguments of one ``pip install`` each, run in Testing/peers.
        python: versions that the packages exist for, as ``3.11``.
        programs: what must be there to build them.
        on_path: the packages are imported beside ours: a folder on the path, no interpreter.
        build: commands after pip's, ``{folder}`` stands for the environment and ``{packages}`` for
            where pip puts packages.
    """

    install: tuple[str, ...]
    python: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    on_path: bool = False
    build: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """Files that are not in the repository.

    Attributes:
        about: what they are and where they are from.
        files: some of them, by which the folder is recognised.
        make: arguments of ``meddl`` that make the folder, ``--output`` left out; "" if the user
            brings it.
    """

    about: str
    files: tuple[str, ...]
    make: str = ""


@dataclass(frozen=True)
class Comparison:
    """One script with its arguments; its blocks on the page begin with its name.

    Attributes:
        section: heading of Docs/validation.md under which they stand.
        command: script in Testing/peers and arguments, ``--output`` left out; ``{NAME}`` stands for
            the folder of a data set, ``{environments}`` for that of the environments, ``{work}``
            for one to work in, which is kept until the next run from the start.
        minutes: about how long it takes on two cores.
        quick: arguments to add for a short trial; None if there is no short form.
        threads: what ``OMP_NUM_THREADS`` and its like are set to; 0 leaves them alone.
        timed: its figures are times, so that other work on the machine spoils them.
        cuda: a CUDA device is needed.
        environments, data, programs: what it needs, by name.
        after: comparisons whose report folders it reads, ``{NAME}`` in the command.
        pictures: files that it leaves for Docs/validation.
    """

    section: str
    command: str
    minutes: float
    quick: str | None = None
    threads: int = 0
    timed: bool = False
    cuda: bool = False
    environments: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        """The program that is run."""
        return PEERS / shlex.split(self.command)[0]

    def words(self, quick: bool, folders: Mapping[str, Path]) -> list[str]:
        """Script and arguments, with folders in the place of their names.

        Raises:
            InputError: a name in braces that is none of ``folders``.
        """
        words = shlex.split(f"{self.command} {self.quick or ''}" if quick else self.command)
        try:
            return [str(self.script), *(word.format_map(folders) for word in words[1:])]
        except KeyError as error:
            raise InputError(
                f"{self.command}: {error} is no data set of it; name it in its data"
            ) from None


@dataclass(frozen=True)
class Table:
    """All comparisons and what they need, each by its name; programs say how to get them."""

    comparisons: dict[str, Comparison]
    environments: dict[str, Environment]
    data: dict[str, DataSet]
    programs: dict[str, str]


def read_table(path: Path = PEERS / "comparisons.toml") -> Table:
    """The comparisons of a file, in its order.

    Raises:
        FileError: no such file, no TOML.
        InputError: a wrong field, a name that is not explained.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path} is no table of comparisons: {error}") from error
    kinds = {"comparisons": Comparison, "environments": Environment, "data": DataSet}
    made: dict[str, dict[str, Any]] = {}
    for kind, cls in kinds.items():
        made[kind] = {}
        for name, fields in found.get(kind, {}).items():
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
            try:
                made[kind][name] = cls(**values)
            except TypeError as error:
                raise InputError(f"{path}, [{kind}.{name}]: {error}") from None
    table = Table(**made, programs=found.get("programs", {}))
    for name, comparison in table.comparisons.items():
        for kind in ("environments", "data", "programs"):
            if unknown := set(getattr(comparison, kind)) - set(getattr(table, kind)):
                raise InputError(f"{path}, {name}: no {kind} of the name {', '.join(unknown)}")
        if unknown := set(comparison.after) - set(table.comparisons):
            raise InputError(f"{path}, {name}: no comparisons of the name {', '.join(unknown)}")
    return table
