"""Configuration files of training runs: a parameter record as YAML, and a section ``data``.

Errors name the line. :func:`config_lines` prints a record with all defaults and explanations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

from meddl.core.errors import InputError, MedDLError
from meddl.core.parameters import from_dict
from meddl.core.yaml_lines import YamlFile, read_yaml

Record = TypeVar("Record")


def read_config(
    path: str | Path, data_keys: Sequence[str], hint: str
) -> tuple[YamlFile, dict[str, Any], dict[str, Any]]:
    """The file, its parameters and its section ``data``.

    Args:
        data_keys: the entries that the section may have.
        hint: the command that prints an example.

    Raises:
        FileError: no such file, or no YAML.
        InputError: no table, or an unknown entry.
    """
    file = read_yaml(path)
    if not isinstance(file.values, Mapping):
        raise InputError(f"{path}: a table was expected; see: {hint}")
    table = dict(file.values)
    data = table.pop("data", None)
    if not isinstance(data, Mapping):
        raise file.error(("data",), f"a table was expected; see: {hint}")
    for key in data:
        if key not in data_keys:
            known = ", ".join(data_keys)
            raise file.error(("data", str(key)), f"unknown entry; known are: {known}")
    if "data" in table:
        raise file.error(("data",), "occurs twice")
    return file, table, dict(data)


def read_record(
    file: YamlFile,
    table: Mapping[str, Any],
    cls: type[Record],
    hidden: Sequence[str] = (),
    paths: Sequence[str] = (),
) -> Record:
    """The parameters of a configuration.

    Args:
        cls: the dataclass.
        hidden: its fields that no configuration sets.
        paths: fields that may name a file relative to the configuration's folder.

    Raises:
        InputError: an unknown name or a bad value, with the line.
    """
    known = [item.name for item in fields(cls) if item.name not in hidden]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            names = ", ".join([*known, "data"])
            raise file.error((str(key),), f"unknown parameter; known are: {names}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    folder = file.path.resolve().parent
    for key in paths:
        path = values.get(key)
        if isinstance(path, str) and (folder / path).is_file():
            values[key] = str(folder / path)
    try:
        return from_dict(cls, values)
    except MedDLError as error:
        raise _located(file, cls, values, error) from error


def _located(
    file: YamlFile, cls: type[Any], values: Mapping[str, Any], error: MedDLError
) -> MedDLError:
    """The error with the line of the parameter that it is about."""
    blamed = []
    for key in values:
        try:
            from_dict(cls, {k: v for k, v in values.items() if k != key})
        except MedDLError as without:
            if str(without) == str(error):
                continue
        blamed.append(key)
    text = str(error)
    blamed.sort(key=lambda key: text.find(key) if key in text else len(text))
    return file.error((blamed[0],) if blamed else (), error)


def read_share(file: YamlFile, data: Mapping[str, Any], key: str, default: float) -> float:
    """A share from 0 to below 1 of the section ``data``.

    Raises:
        InputError: anything else, with the line.
    """
    value = data.get(key, default)
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    if not good:
        raise file.error(("data", key), f"is {value!r}, a share from 0 to below 1 was expected")
    return float(value)


def read_names(file: YamlFile, data: Mapping[str, Any], key: str) -> list[str] | None:
    """Names from a list, or from a text file with one a line; None for anything else.

    Raises:
        InputError: a file that cannot be read, no name, or one twice.
    """
    value = data.get(key)
    if isinstance(value, str):
        try:
            text = (file.path.resolve().parent / value).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise file.error(("data", key), f"{value} cannot be read as text: {error}") from error
        value = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not isinstance(value, list):
        return None
    names = [str(name) for name in value]
    if not names or len(set(names)) < len(names):
        raise file.error(("data", key), "the list is empty or names one twice")
    return names


def config_lines(
    record: Any,
    headings: Mapping[str, str],
    hidden: Sequence[str] = (),
    column: int = 30,
    key_of: Callable[[Field[Any]], str] = lambda item: item.name,
) -> list[str]:
    """``name: value   # what it is [unit]`` for every parameter.

    Args:
        record: with the values to show.
        headings: first parameter of a section -> its title.
        hidden: fields that are not shown.
        column: where the comments begin.
        key_of: what the file calls a field.
    """
    cls = type(record)
    table = {item.name: item for item in fields(record) if item.name not in hidden}
    own = [name for name in cls.__annotations__ if name in table]
    others = [name for name in table if name not in own]
    titles = dict(headings) | ({others[0]: "The run"} if others else {})
    lines = []
    for name in [*own, *others]:
        if name in titles:
            lines.append(f"\n# {titles[name]}")
        item = table[name]
        shown = f"{key_of(item)}: {yaml_value(getattr(record, name))}"
        unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
        lines.append(f"{shown:<{column}} # {item.metadata['help']}{unit}")
    return lines


def yaml_value(value: Any) -> str:
    """A parameter's value as YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return f"[{', '.join(f'{part:g}' for part in value)}]"
    if isinstance(value, float):
        return f"{value:g}" if "e" not in f"{value:g}" else f"{value:.7f}".rstrip("0")
    return str(value) or '""'
