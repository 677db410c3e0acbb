"""The configuration file of a training run: parameters, and where the clear frames are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meddl.core.config_file import config_lines, read_config, read_names, read_record, read_share
from meddl.core.errors import MedDLError
from meddl.core.yaml_lines import Where, YamlFile
from meddl.desmoke.frame_sources import (
    Ranges,
    RenderedFrames,
    Source,
    find_sources,
    share_of,
)
from meddl.desmoke.training_parameters import DesmokeTraining

DATA_KEYS = ("clear", "every", "rendered", "views", "validation")
HINT = "meddl desmoke train --print-config"
VALIDATION = 0.1  # share


@dataclass(frozen=True)
class TrainingPlan:
    """A run, with all its files found.

    Attributes:
        parameters: see :class:`DesmokeTraining`.
        training, validation: sources of clear frames; none is in both. Validation may be empty.
        described: one line about the data.
    """

    parameters: DesmokeTraining
    training: list[Source]
    validation: list[Source]
    described: str


def read_plan(path: str | Path) -> TrainingPlan:
    """Read and check a configuration, and find its files.

    Args:
        path: a YAML file; :func:`print_config` shows one. Paths in it are relative to its folder.

    Raises:
        FileError: no such file, no YAML, or frames that are missing.
        InputError: an unknown key or a bad value, with the line.
    """
    file, table, data = read_config(path, DATA_KEYS, HINT)
    parameters = read_record(file, table, DesmokeTraining, ("data",), ("initial",))
    files = _file_sources(file, data)
    rendered: list[Source] = [
        RenderedFrames(seed, _count(file, data, "views", 16, least=1))
        for seed in range(_count(file, data, "rendered", 0))
    ]
    if not files and not rendered:
        raise file.error(("data",), "clear (files) or rendered (a number of scenes) was expected")
    held_out = _held_out(file, data, files, rendered, parameters.seed)
    training = [source for source in [*files, *rendered] if source not in held_out]
    if not training:
        raise file.error(("data", "validation"), "no source is left to train on")
    scenes = sum(source in training for source in rendered)
    described = f"{len(training) - scenes} source(s) of the user, {scenes} rendered abdomen(s)"
    return TrainingPlan(parameters, training, held_out, described)


def _file_sources(file: YamlFile, data: Mapping[str, Any]) -> list[Source]:
    """The sources of ``clear``; two patterns may name frames of one procedure, no file twice."""
    table = data.get("clear", {})
    if isinstance(table, str):
        table = {table: "all"}
    if not isinstance(table, Mapping):
        raise file.error(("data", "clear"), f"is {table!r}, a table was expected; see: {HINT}")
    every = _count(file, data, "every", 1, least=1)
    sources: list[Source] = []
    seen: set[Path] = set()
    for pattern, value in table.items():
        where: Where = ("data", "clear", str(pattern))
        ranges = _ranges(file, where, value)
        try:
            found = find_sources(file.path.resolve().parent, str(pattern), ranges, every)
        except MedDLError as error:
            raise file.error(where, error) from error
        for source in found:
            for path in source.paths:
                if path in seen:
                    raise file.error(where, f"{path} belongs to another entry too")
                seen.add(path)
        sources += found
    return sources


def _ranges(file: YamlFile, where: Where, value: Any) -> Ranges | None:
    """``all``, or a list of [first, end] with the end not included."""
    if value == "all":
        return None
    good = isinstance(value, list) and value and all(_is_range(part) for part in value)
    if not good:
        raise file.error(where, f"is {value!r}, all or [[FIRST, END], …] was expected")
    return tuple((first, end) for first, end in value)


def _is_range(part: Any) -> bool:
    whole = isinstance(part, list) and [type(number) for number in part] == [int, int]
    return whole and 0 <= part[0] < part[1]


def _count(file: YamlFile, data: Mapping[str, Any], key: str, default: int, least: int = 0) -> int:
    value = data.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise file.error(
            ("data", key), f"is {value!r}, a whole number of at least {least} was expected"
        )
    return value


def _held_out(
    file: YamlFile, data: Mapping[str, Any], files: list[Source], rendered: list[Source], seed: int
) -> list[Source]:
    """The sources named under ``validation``, or a share of the files and of the scenes each."""
    sources = [*files, *rendered]
    names = read_names(file, data, "validation")
    if names is None:
        share = read_share(file, data, "validation", VALIDATION)
        return [part for kind in (files, rendered) for part in share_of(kind, share, seed)]
    known = {source.name for source in sources}
    for name in names:
        if name not in known:
            shown = ", ".join(sorted(known)[:20])
            raise file.error(("data", "validation"), f"there is no {name!r}; there are: {shown}")
    return [source for source in sources if source.name in names]


DATA_EXAMPLE = """\
# Clear frames. Paths are relative to this file and name a video, a picture or a folder of pictures;
# {procedure} in a pattern stands for what names the frames that belong together.
data:
  clear:
    "videos/*.avi": all                       # every frame is free of smoke
    # videos/one.mp4: [[0, 120], [300, 420]]  # only frames 0 to 119 and 300 to 419 are
    # "frames/{procedure}/*.png": all
  every: 1                     # take every so manyth frame
  rendered: 0                  # abdomens that are rendered beside
  views: 16                    # pictures of each
  validation: 0.1              # a share of the procedures and scenes, or a list of their names
"""
SECTIONS = {
    "name": "What is trained",
    "size": "Frames and smoke",
    "motion": "Augmentation, in training only",
    "guide": "Architecture pix2pix",
    "cut_share": "Architecture light",
    "learning_rate": "Learning",
}


def print_config() -> str:
    """A configuration with all defaults and their explanations."""
    lines = ["# meddl desmoke train CONFIG.yaml --output DIR", "", DATA_EXAMPLE]
    return "\n".join(lines + config_lines(DesmokeTraining(), SECTIONS, ("data",))) + "\n"
