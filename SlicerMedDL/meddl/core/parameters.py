"""The parameter record: one dataclass per system, the same for widget, command line and files.

A field is made with :func:`parameter`, which keeps its help text, unit, bounds and choices beside
the default. From the record follow the command-line options (:func:`add_arguments`,
:func:`from_arguments`), the JSON or YAML file (:func:`read_parameters`, :func:`write_parameters`)
and the checks (:func:`validate`), so that a run is reproducible from what it recorded.

Field types: int, float, str, bool, ``tuple[float, ...]`` and ``tuple[int, ...]`` of fixed length,
and any of them ``| None``.
"""

from __future__ import annotations

import argparse
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, read_json, write_json

Record = TypeVar("Record")


def parameter(
    default: Any,
    help: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] | None = None,
    option: str | None = None,
    metavar: str | None = None,
) -> Any:
    """A dataclass field with what people and programs need to know about it.

    Args:
        default: the default value.
        help: one sentence.
        unit: for example ``"mm"``, ``"degrees"``.
        minimum, maximum: inclusive bounds of a number (of each element of a tuple).
        choices: the admissible values.
        option: the command-line option; by default the field's name with dashes.
        metavar: how the value is shown in the help.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": None if choices is None else tuple(choices),
        "option": option,
        "metavar": metavar,
    }
    return field(default=default, metadata=metadata)


def _split_optional(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = [a for a in get_args(hint) if a is not type(None)]
        return inner[0], len(inner) < len(get_args(hint))
    return hint, False


def _number(value: Any, kind: type, name: str) -> Any:
    try:
        if isinstance(value, bool):
            raise ValueError
        number = kind(value)
        if (isinstance(value, float) and number != value) or not -math.inf < number < math.inf:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        wanted = "a whole number" if kind is int else "a finite number"
        raise InputError(f"{name} is {value!r}, {wanted} was expected") from None
    return number


def convert(value: Any, hint: Any, name: str) -> Any:
    """``value`` (from text, JSON or a program) as the type ``hint``.

    Raises:
        InputError: names the parameter, the value got and the type expected.
    """
    kind, optional = _split_optional(hint)
    if value is None:
        if optional:
            return None
        raise InputError(f"{name} has no value, {getattr(kind, '__name__', kind)} was expected")
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        length = len(get_args(kind))
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, Sequence) or len(parts) != length:
            raise InputError(
                f"{name} is {value!r}, {length} numbers were expected, as in "
                f"{','.join(str(n + 1) for n in range(length))}"
            )
        return tuple(_number(part, element, name) for part in parts)
    if kind is bool:
        table = {"on": True, "off": False, "true": True, "false": False, True: True, False: False}
        key = value.lower() if isinstance(value, str) else value
        if not isinstance(key, (str, bool)) or key not in table:
            raise InputError(f"{name} is {value!r}, on or off was expected")
        return table[key]
    if kind in (int, float):
        return _number(value, kind, name)
    if kind is str:
        if not isinstance(value, str):
            raise InputError(f"{name} is {value!r}, text was expected")
        return value
    raise TypeError(f"field {name}: unsupported parameter type {hint!r}")


def option_of(item: Any) -> str:
    """The command-line option of a dataclass field, for example ``"--photons"``."""
    return item.metadata.get("option") or "--" + item.name.replace("_", "-")


@lru_cache(maxsize=64)  # 2 ms each time: too much for records that are made per frame
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def validate(record: Record) -> Record:
    """Return ``record`` with every field converted and checked against its bounds and choices.

    Raises:
        InputError: names the option, the value and the bound.
    """
    hints = _hints(type(record))  # type: ignore[arg-type]
    for item in fields(record):  # type: ignore[arg-type]
        name = option_of(item)
        value, choices = getattr(record, item.name), item.metadata.get("choices")
        try:
            value = convert(value, hints[item.name], name)
        except InputError as error:
            if choices is None:
                raise
            raise InputError(f"{error}, one of: {_listed(choices)}") from None
        _check_bounds(value, item.metadata, name)
        object.__setattr__(record, item.name, value)
    return record


def _listed(choices: Sequence[Any]) -> str:
    return ", ".join(map(str, choices))


def _check_bounds(value: Any, metadata: Mapping[str, Any], name: str) -> None:
    if value is None:
        return
    unit = f" {metadata['unit']}" if metadata.get("unit") else ""
    choices = metadata.get("choices")
    if choices is not None and value not in choices:
        raise InputError(f"{name} is {value!r}, expected one of: {_listed(choices)}")
    low, high = metadata.get("minimum"), metadata.get("maximum")
    for number in value if isinstance(value, tuple) else (value,):
        if low is not None and number < low:
            raise InputError(f"{name} is {number:g}{unit}, at least {low:g} was expected")
        if high is not None and number > high:
            raise InputError(f"{name} is {number:g}{unit}, at most {high:g} was expected")


def from_dict(cls: type[Record], values: Any, source: str = "parameters") -> Record:
    """Build and validate a record from a mapping; unknown names are refused.

    Raises:
        InputError: no mapping, an unknown name, or a bad value.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{source} holds {type(values).__name__}, a table was expected")
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        raise InputError(
            f"{source} has the unknown parameter {unknown[0]!r}; known are: {', '.join(known)}"
        )
    return validate(cls(**values))


def to_dict(record: Any) -> dict[str, Any]:
    """The record as plain JSON types."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(record).items()}


def read_parameters(cls: type[Record], path: str | Path) -> Record:
    """Read a record from ``.json``, ``.yaml`` or ``.yml`` (safe loader).

    Raises:
        FileError: missing, unreadable or malformed file.
        InputError: unknown names or bad values.
    """
    path = Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        import yaml

        existing_file(path, "parameter file")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise FileError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    elif path.suffix.lower() == ".json":
        values = read_json(path, "parameter file")
    else:
        raise FileError(f"{path}: a parameter file ends in .json, .yaml or .yml")
    return from_dict(cls, {} if values is None else values, str(path))


def write_parameters(record: Any, path: str | Path) -> None:
    """Write a record as ``.json``, ``.yaml`` or ``.yml``, atomically.

    Raises:
        FileError: another suffix, or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        write_json(path, to_dict(record))
    elif path.suffix.lower() in (".yaml", ".yml"):
        import yaml

        with atomic_path(path) as temporary:
            temporary.write_text(yaml.safe_dump(to_dict(record), sort_keys=False), encoding="utf-8")
    else:
        raise FileError(f"{path}: a parameter file ends in .json, .yaml or .yml")


def add_arguments(
    parser: argparse._ActionsContainer, cls: type[Any], skip: Sequence[str] = ()
) -> None:
    """Add one option per field of ``cls`` (except ``skip``) to an argparse parser or group.

    Absent options stay absent from the namespace, so that :func:`from_arguments` can lay them over
    a parameter file.
    """
    hints = get_type_hints(cls)
    for item in fields(cls):
        if item.name in skip:
            continue
        kind, _ = _split_optional(hints[item.name])
        default = item.default if item.default is not MISSING else None
        metavar: str | None = item.metadata.get("metavar")
        shown: Any
        if kind is bool:
            shown, metavar = ("on" if default else "off"), metavar or "on|off"
        elif item.metadata.get("choices"):
            shown, metavar = default, metavar or "|".join(map(str, item.metadata["choices"]))
        else:
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
            metavar = metavar or (item.metadata.get("unit") or item.name).upper()
        text = item.metadata.get("help", "")
        if item.metadata.get("unit"):
            text += f" [{item.metadata['unit']}]"
        if shown not in (None, ""):
            text += f" (default {shown})"
        parser.add_argument(
            option_of(item),
            dest=item.name,
            metavar=metavar,
            default=argparse.SUPPRESS,
            help=text.replace("%", "%%"),
        )


def from_arguments(
    cls: type[Record], namespace: argparse.Namespace, base: Mapping[str, Any] | None = None
) -> Record:
    """Build and validate a record from parsed options laid over ``base`` (of a parameter file).

    Raises:
        InputError: a bad value; the message names the option.
    """
    names = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    given = {name: getattr(namespace, name) for name in names if hasattr(namespace, name)}
    return from_dict(cls, {**(base or {}), **given})
