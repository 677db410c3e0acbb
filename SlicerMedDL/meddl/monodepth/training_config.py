"""The configuration file of a training run: parameters, and where the pairs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.config_file import config_lines, read_config, read_names, read_record, read_share
from meddl.core.errors import MedDLError
from meddl.core.yaml_lines import YamlFile
from meddl.monodepth.nyu import NyuPairs, read_split
from meddl.monodepth.pairs import (
    Chosen,
    FilePairs,
    PairFiles,
    Pairs,
    find_pairs,
    read_index,
    read_time_stamped,
)
from meddl.monodepth.training_parameters import MonodepthTraining

DATA_KEYS = (
    "colour", "depth", "depth_scale", "index", "largest_gap", "nyu", "splits",
    "training", "validation",
)  # fmt: skip
HINT = "meddl monodepth train --print-config"


@dataclass(frozen=True)
class TrainingPlan:
    """A run, with all its files found.

    Attributes:
        parameters: see :class:`MonodepthTraining`.
        training, validation: the pairs; validation may be None.
        described: one line about the data.
    """

    parameters: MonodepthTraining
    training: Pairs
    validation: Pairs | None
    described: str


def read_plan(path: str | Path) -> TrainingPlan:
    """Read and check a configuration, and find its files.

    Args:
        path: a YAML file; :func:`print_config` shows one. Paths in it are relative to its folder.

    Raises:
        FileError: no such file, no YAML, or pictures that are missing.
        InputError: an unknown key, a bad value (with the line), or files that do not pair up.
        DependencyError: h5py is needed and not installed.
    """
    file, table, data = read_config(path, DATA_KEYS, HINT)
    parameters = read_record(file, table, MonodepthTraining, ("data",), ("initial",))
    pairs, held_out = _pairs(file, data)
    training, validation = _split(file, data, pairs, parameters.seed)
    if held_out is not None:
        described = f"NYU Depth v2, official split: {len(training.names)} of its training pairs"
    else:
        described = f"{len(training.names)} pair(s) of the user"
    return TrainingPlan(parameters, training, validation, described)


def read_pairs(path: str | Path) -> Pairs:
    """The pairs that a configuration judges on: NYU's official test pairs, else ``validation``
    where it is a list, else all.

    Raises:
        FileError, InputError, DependencyError: see :func:`read_plan`.
    """
    file, _, data = read_config(path, DATA_KEYS, HINT)
    pairs, held_out = _pairs(file, data)
    if held_out is not None:
        return held_out
    names = read_names(file, data, "validation")
    return pairs if names is None else _named(file, pairs, "validation", names)


def _pairs(file: YamlFile, data: Mapping[str, Any]) -> tuple[Pairs, Pairs | None]:
    """All pairs that may be trained on, and those of an official test split."""
    folder = file.path.resolve().parent
    given = [key for key in ("nyu", "index", "colour") if data.get(key)]
    if len(given) != 1:
        raise file.error(
            ("data",), "one of colour (with depth), index, or nyu (with splits) was expected"
        )
    for key in ("colour", "depth", "index", "nyu", "splits"):
        if key in data and not isinstance(data[key], str):
            raise file.error(("data", key), f"is {data[key]!r}, a path or pattern was expected")
    partner = {"nyu": "splits", "colour": "depth"}.get(given[0])
    if partner and partner not in data:
        raise file.error(("data", given[0]), f"{partner} is missing, which belongs to it")
    try:
        if given[0] == "nyu":
            training, test = read_split(folder / data["splits"])
            path = folder / data["nyu"]
            return NyuPairs(path, training.tolist()), NyuPairs(path, test.tolist())
        scale = _positive(file, data, "depth_scale", 1000.0)
        return FilePairs(_files(file, data, folder), scale), None
    except MedDLError as error:
        raise file.error(("data", given[0]), error) from error


def _files(file: YamlFile, data: Mapping[str, Any], folder: Path) -> list[PairFiles]:
    if data.get("index"):
        return read_index(folder / data["index"])
    colour, depth = data["colour"], data["depth"]
    if colour.endswith(".txt"):
        gap = _positive(file, data, "largest_gap", 0.02)
        return read_time_stamped(folder / colour, folder / depth, gap)
    return find_pairs(folder, colour, depth)


def _positive(file: YamlFile, data: Mapping[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not (good and 0 < value < float("inf")):
        raise file.error(("data", key), f"is {value!r}, a positive number was expected")
    return float(value)


def _named(file: YamlFile, pairs: Pairs, key: str, names: list[str]) -> Chosen:
    positions = {name: n for n, name in enumerate(pairs.names)}
    for name in names:
        if name not in positions:
            raise file.error(("data", key), f"there is no pair {name!r}")
    return Chosen(pairs, [positions[name] for name in names])


def _split(
    file: YamlFile, data: Mapping[str, Any], pairs: Pairs, seed: int
) -> tuple[Pairs, Pairs | None]:
    """Training and validation: as listed, or a share of the pairs drawn by the seed."""
    listed = {key: read_names(file, data, key) for key in ("training", "validation")}
    pool: Pairs = pairs
    if listed["training"] is not None:
        pool = _named(file, pairs, "training", listed["training"])
    if listed["validation"] is not None:
        chosen = set(listed["validation"])
        if both := chosen & set(listed["training"] or []):
            raise file.error(("data", "validation"), f"{min(both)} is a training pair too")
        validation: Pairs | None = _named(file, pairs, "validation", listed["validation"])
        rest = [n for n, name in enumerate(pool.names) if name not in chosen]
    else:
        share = read_share(file, data, "validation", 0.1)
        count = max(1, round(share * len(pool.names))) if share else 0
        order = np.random.default_rng(seed).permutation(len(pool.names)).tolist()
        validation = Chosen(pool, sorted(order[:count])) if count else None
        rest = sorted(order[count:])
    if not rest:
        raise file.error(("data", "validation"), "no pair is left to train on")
    return Chosen(pool, rest), validation


DATA_EXAMPLE = """\
# Paths are relative to this file. {pair} is what names a pair. Instead of colour and depth:
#   index: pairs.txt             # COLOUR DEPTH a line, or TIME COLOUR TIME DEPTH
#   colour: rgb.txt              # with depth: depth.txt: TIME FILE a line (TUM), paired by time
#   nyu: nyu_depth_v2_labeled.mat     # with splits: splits.mat, the official split
data:
  colour: "color/{pair}.png"
  depth: "depth/{pair}.png"      # 16-bit PNG or PGM, or float TIFF; 0 is unknown
  depth_scale: 1000              # of its numbers are a metre: 1000 for mm, 5000 for TUM's
  # largest_gap: 0.02            # seconds between the two pictures of a pair
  # training: train.txt          # names of pairs, a list or a text file; default all
  validation: 0.1                # a share of the pairs, a list, or a text file
"""
SECTIONS = {
    "name": "What is trained",
    "size": "Pictures",
    "ssim_weight": "Loss and learning",
}


def print_config() -> str:
    """A configuration with all defaults and their explanations."""
    lines = ["# meddl monodepth train CONFIG.yaml --output DIR", "", DATA_EXAMPLE]
    return "\n".join(lines + config_lines(MonodepthTraining(), SECTIONS, ("data",))) + "\n"
