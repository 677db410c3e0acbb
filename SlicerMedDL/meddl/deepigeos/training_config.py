"""The configuration file of a training run: parameters, and which files are images and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meddl.core.config_file import config_lines, read_config, read_names, read_record, read_share
from meddl.core.errors import MedDLError
from meddl.core.yaml_lines import YamlFile
from meddl.deepigeos.training_files import CaseFiles, find_cases
from meddl.deepigeos.training_parameters import NetworkTraining, defaults

DATA_KEYS = (
    "images", "labels", "classes", "ignored", "others",
    "training", "validation", "validation_slices",
)  # fmt: skip


@dataclass(frozen=True)
class LabelScheme:
    """What the values of a label map mean.

    Attributes:
        classes: name -> values; the first one is class 1.
        ignored: values of voxels that do not count.
        others: whether every other value is background; otherwise only 0 is.
    """

    classes: Mapping[str, tuple[int, ...]]
    ignored: tuple[int, ...] = ()
    others: bool = False

    @property
    def names(self) -> list[str]:
        """Of all classes, in order."""
        return ["background", *self.classes]


@dataclass(frozen=True)
class TrainingPlan:
    """A run, with all its files found.

    Attributes:
        parameters: see :class:`NetworkTraining`; paths are absolute.
        scheme: of the labels.
        training, validation: the cases.
        validation_slices: share of the upper slices of every case that validate instead; then
            ``validation`` has the same cases as ``training``.
    """

    parameters: NetworkTraining
    scheme: LabelScheme
    training: tuple[CaseFiles, ...]
    validation: tuple[CaseFiles, ...]
    validation_slices: float = 0.0

    @property
    def channels(self) -> int:
        """Image files per case."""
        return len(self.training[0].images)


def read_plan(path: str | Path) -> TrainingPlan:
    """Read and check a configuration, and find its files.

    Args:
        path: a YAML file; :func:`print_config` shows one. Paths in it are relative to its folder.

    Raises:
        FileError: no such file, or no YAML.
        InputError: an unknown key, a bad value (with the line), or files that do not pair up.
    """
    file, table, data = read_config(path, DATA_KEYS, "meddl deepigeos train --print-config pnet")
    parameters = read_record(file, table, NetworkTraining, ("data",), ("pnet", "initial"))
    scheme = _scheme(file, data)
    folder = file.path.resolve().parent
    patterns = data.get("images")
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not (isinstance(patterns, list) and patterns and all(isinstance(p, str) for p in patterns)):
        raise file.error(("data", "images"), "a pattern, or a list of one per channel, expected")
    if not isinstance(data.get("labels"), str):
        raise file.error(("data", "labels"), "a pattern was expected")
    named = {key: _names(file, data, key) for key in ("training", "validation")}
    try:
        wanted = named["training"] and [*named["training"], *(named["validation"] or [])]
        cases = find_cases(folder, patterns, data["labels"], wanted)
    except MedDLError as error:
        raise file.error(("data",), error) from error
    slices = read_share(file, data, "validation_slices", 0.0)
    if slices:
        if "validation" in data:
            raise file.error(("data", "validation"), "give it or validation_slices, not both")
        return TrainingPlan(parameters, scheme, cases, cases, slices)
    training, validation = _split(file, data, cases, named, parameters.seed)
    return TrainingPlan(parameters, scheme, training, validation)


def _scheme(file: YamlFile, data: Mapping[str, Any]) -> LabelScheme:
    table = data.get("classes")
    if not isinstance(table, Mapping) or not table:
        raise file.error(("data", "classes"), "{NAME: VALUE or [VALUES], …} was expected")
    classes, taken = {}, {0: "background"}
    for name, value in table.items():
        where = ("data", "classes", str(name))
        classes[str(name)] = _label_values(file, where, value)
        for number in classes[str(name)]:
            if number in taken:
                raise file.error(where, f"the value {number} belongs to {taken[number]} already")
            taken[number] = str(name)
    if "background" in classes or len(classes) > 254:
        raise file.error(("data", "classes"), "background is implied; at most 254 classes")
    ignored = _label_values(file, ("data", "ignored"), data.get("ignored", []))
    for number in ignored:
        if number in taken:
            raise file.error(("data", "ignored"), f"{number} belongs to {taken[number]} already")
    others = data.get("others", "error")
    if others not in ("error", "background"):
        raise file.error(("data", "others"), f"is {others!r}, error or background was expected")
    return LabelScheme(classes, ignored, others == "background")


def _label_values(file: YamlFile, where: tuple[str, ...], value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    for number in values:
        if isinstance(number, bool) or not isinstance(number, int):
            raise file.error(where, f"{number!r} is no label, a whole number was expected")
    return tuple(values)


def _names(file: YamlFile, data: Mapping[str, Any], key: str) -> list[str] | None:
    names = read_names(file, data, key)
    if names is None and key == "training" and data.get(key) is not None:
        raise file.error(("data", key), "a list of cases, or a text file, was expected")
    return names


def _split(
    file: YamlFile,
    data: Mapping[str, Any],
    cases: Sequence[CaseFiles],
    named: Mapping[str, list[str] | None],
    seed: int,
) -> tuple[tuple[CaseFiles, ...], tuple[CaseFiles, ...]]:
    """Training and validation: as listed, or a share of the cases drawn by the seed."""
    import numpy as np

    by_name = {case.name: case for case in cases}
    names = named["validation"]
    if names is None:
        share = read_share(file, data, "validation", 0.2)
        pool = sorted(named["training"] or by_name)
        count = max(1, round(share * len(pool))) if share else 0
        order = np.random.default_rng(seed).permutation(len(pool))
        names = [pool[index] for index in order[:count]]
    elif both := set(names) & set(named["training"] or []):
        raise file.error(("data", "validation"), f"{min(both)} is a training case too")
    for name in names:
        if name not in by_name:
            raise file.error(("data", "validation"), f"there is no case {name!r}")
    chosen = set(names)
    training = tuple(by_name[name] for name in (named["training"] or by_name) if name not in chosen)
    if not training:
        raise file.error(
            ("data", "validation"),
            f"{len(cases)} case(s) leave none to train on; validation_slices holds out slices of "
            "every case instead",
        )
    return training, tuple(by_name[name] for name in names)


DATA_EXAMPLE = """\
# Paths are relative to this file. {case} is what names a case; a pattern per channel, e.g.
#   images: ["{case}/{case}_flair.nii.gz", "{case}/{case}_t1.nii.gz"]
#   labels: "{case}/{case}_seg.nii.gz"
# or, for pictures, "JPEGImages/{case}.jpg" and "SegmentationClass/{case}.png" (palette or grey).
data:
  images: ["images/{case}.nii.gz"]
  labels: "labels/{case}.nii.gz"
  classes: {target: 1}           # name: value, or [values]; 0 is background
  ignored: []                    # values of voxels that do not count, such as 255 in PASCAL VOC
  others: error                  # or background: what a value means that is not named
  # training: train.txt          # the names of the cases, a list or a text file; default all
  validation: 0.2                # a share of the cases, a list, or a text file
  # validation_slices: 0.25      # instead: this share of every case's upper slices
"""


SECTIONS = {  # by their first parameter
    "model": "What is trained",
    "orientation": "Images",
    "patch_size": "Patches",
    "interactions": "Interactions (rnet)",
    "epochs": "Learning",
}


def print_config(kind: str) -> str:
    """A configuration with all defaults and their explanations.

    Args:
        kind: ``"pnet"``, ``"rnet"`` or ``"end-to-end"``.

    Raises:
        InputError: another kind.
    """
    record = defaults(kind)
    lines = [f"# meddl deepigeos train CONFIG.yaml --output {kind}_run", "", DATA_EXAMPLE]
    lines += config_lines(record, SECTIONS, ("data",))
    return "\n".join(lines) + "\n"
