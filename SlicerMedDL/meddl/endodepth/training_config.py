"""The configuration of a training run: where its parameters come from, and which data it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from meddl.core.config_file import config_lines
from meddl.core.errors import FileError, InputError, MedDLError
from meddl.core.parameters import from_dict, option_of
from meddl.core.yaml_lines import read_yaml
from meddl.endodepth.training_parameters import PRESETS, DepthTraining, preset

PATHS = ("training_data_root", "sequence", "load_trained_model", "training_result_root")
LISTS = ("training_patient_id", "validation_patient_id", "testing_patient_id")


@dataclass(frozen=True)
class TrainingPlan:
    """A run with its sequences found.

    Attributes:
        parameters: of the run.
        training, validation, testing: folders of sequences; without validation, held-out points
            of the training sequences validate.
    """

    parameters: DepthTraining
    training: tuple[Path, ...]
    validation: tuple[Path, ...] = ()
    testing: tuple[Path, ...] = ()


def key_of(item: Field[Any]) -> str:
    """The key of a parameter in a configuration file."""
    return option_of(item)[2:].replace("-", "_")


def read_config(path: str | Path) -> dict[str, Any]:
    """Field -> value of a configuration file; paths are made absolute.

    Args:
        path: a YAML file; :func:`print_config` shows one. Paths in it are relative to its folder.

    Raises:
        FileError: no such file, or no YAML.
        InputError: an unknown key or a bad value, with its line.
    """
    file = read_yaml(path)
    table = {} if file.values is None else file.values
    if not isinstance(table, Mapping):
        raise InputError(f"{path}: a table was expected; see: meddl endodepth train --print-config")
    field_of = {key_of(item): item.name for item in fields(DepthTraining)}
    folder = file.path.resolve().parent
    result: dict[str, Any] = {}
    for key, value in table.items():
        if key not in field_of:
            raise file.error((str(key),), f"unknown key; known are: {', '.join(field_of)}")
        if isinstance(value, list):
            value = ",".join(map(str, value)) if key in LISTS else tuple(value)
        if key in LISTS and isinstance(value, int):
            value = str(value)
        if key in PATHS and isinstance(value, str) and value and (folder / value).exists():
            value = str(folder / value)
        result[field_of[key]] = value
    try:
        from_dict(DepthTraining, result)
    except MedDLError as error:
        guilty = [key for key in table if re.search(rf"\b{re.escape(key)}\b", str(error))]
        raise file.error((guilty[0],) if guilty else (), error) from error
    return result


def make_plan(values: Mapping[str, Any], base: str = "published") -> TrainingPlan:
    """Parameters from a preset and the values laid over it, and the sequences they name.

    Args:
        values: field -> value; see :class:`DepthTraining`.
        base: a preset, see :data:`meddl.endodepth.training_parameters.PRESETS`.

    Raises:
        InputError: bad values, no data, or a bag that is named and is not there.
        FileError: a folder that is missing.
    """
    preset(base)
    parameters = from_dict(DepthTraining, {**PRESETS[base], **values})
    for name in ("sequence", "training_data_root"):  # as absolute paths in the run's record
        if getattr(parameters, name):
            setattr(parameters, name, str(Path(getattr(parameters, name)).absolute()))
    if parameters.keep_statistics and not parameters.load_trained_model:
        raise InputError(
            "--keep_statistics (of the preset finetune) needs weights; name them with --weights"
        )
    if bool(parameters.sequence) == bool(parameters.training_data_root):
        raise InputError(
            "either --sequence or --training_data_root says what to train on; "
            f"{'both are' if parameters.sequence else 'neither is'} given"
        )
    if parameters.sequence:
        return TrainingPlan(parameters, (_folder(parameters.sequence),))
    bags = _bags(parameters)
    named = {kind: _numbers(parameters, f"{kind}_patient_id", bags) for kind in PHASES}
    for one, other in (PHASES[:2], PHASES[1:], PHASES[::2]):
        if both := set(named[one]) & set(named[other]):
            raise InputError(f"bag {min(both)} is in {one}_patient_id and in {other}_patient_id")
    taken = {*named["validation"], *named["testing"]}
    training = named["training"] or [number for number in bags if number not in taken]
    if not training:
        raise InputError("no bag is left to train on; name fewer for validation and testing")
    phases = [training, named["validation"], named["testing"]]
    return TrainingPlan(
        parameters, *(tuple(path for number in phase for path in bags[number]) for phase in phases)
    )


PHASES = ("training", "validation", "testing")


def _folder(path: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise FileError(f"there is no folder {path}")
    return folder


def _bags(parameters: DepthTraining) -> dict[int, list[Path]]:
    """Number -> folders of sequences."""
    root = _folder(parameters.training_data_root)
    low, high = parameters.id_range or (0, 2**31)
    bags = {}
    for path in sorted(root.glob("bag_*")):
        match = re.fullmatch(r"bag_(\d+)", path.name)
        if match and path.is_dir() and low <= int(match[1]) <= high:
            inside = sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] != ".")
            if inside:
                bags[int(match[1])] = inside
    if not bags:
        raise FileError(
            f"{root} has no bag_N folder with sequences"
            + (f", N from {low} to {high}" if parameters.id_range else "")
        )
    return bags


def _numbers(parameters: DepthTraining, name: str, bags: Mapping[int, Any]) -> list[int]:
    text = getattr(parameters, name)
    numbers = []
    for word in re.split(r"[\s,]+", text.strip()) if text.strip() else []:
        if not word.isdecimal() or int(word) not in bags:
            there = ", ".join(map(str, sorted(bags)))
            raise InputError(f"--{name} names bag {word!r}; there is: {there}")
        numbers.append(int(word))
    return numbers


def print_config(name: str = "published") -> str:
    """A configuration with all keys, the values of a preset and what they mean.

    Raises:
        InputError: no such preset.
    """
    record = preset(name)
    lines = ["# meddl endodepth train CONFIG.yaml --output DIR", f"# preset: {name}"]
    lines += config_lines(record, SECTIONS, column=34, key_of=key_of)
    return "\n".join(lines) + "\n"


SECTIONS = {  # by their first parameter
    "training_data_root": "Data; paths are relative to this file",
    "architecture": "Network",
    "epochs": "Learning",
}
