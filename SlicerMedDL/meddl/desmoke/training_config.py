"""The configuration file of a training run: parameters, and where the clear frames are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meddl.core.config_file import config_lines, read_config, read_names, read_record, read_share
from meddl.core.errors import MedDLError
from meddl.core.yaml_lines import YamlFile
from meddl.desmoke.frame_sources import (
    RenderedFrames,
    Source,
    find_sources,
    share_of,
)
from meddl.desmoke.pair_frames import find_pairs
from meddl.desmoke.training_parameters import DesmokeTraining

DATA_KEYS = ("clear", "judge", "every", "rendered", "views", "pairs", "validation")
HINT = "meddl desmoke train --print-config"
VALIDATION = 0.1  # share


@dataclass(frozen=True)
class TrainingPlan:
    """A run, with all its files found.

    Attributes:
        parameters: see :class:`DesmokeTraining`.
        training, validation: sources of clear frames; none is in both. Validation may be empty.
        described: one line about the data.
        paired: the sources are :class:`meddl.desmoke.pair_frames.PairFrames`.
    """

    parameters: DesmokeTraining
    training: list[Source]
    validation: list[Source]
    described: str
    paired: bool = False


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
    if "pairs" in data:
        if files or rendered:
            raise file.error(("data", "pairs"), "stands alone, without clear and rendered")
        files = _pairs(file, data, parameters)
    if not files and not rendered:
        raise file.error(("data",), "clear (files), rendered (scenes) or pairs was expected")
    held_out = _held_out(file, data, files, rendered, parameters.seed)
    training = [source for source in [*files, *rendered] if source not in held_out]
    if not training:
        raise file.error(("data", "validation"), "no source is left to train on; add some")
    scenes = sum(source in training for source in rendered)
    described = f"{len(training) - scenes} source(s) of the user, {scenes} rendered abdomen(s), "
    paired = "pairs" in data
    described += (
        "paired" if paired else f"synthetic smoke ({parameters.smoke}, {parameters.density})"
    )
    return TrainingPlan(parameters, training, held_out, described, paired)


def _file_sources(file: YamlFile, data: Mapping[str, Any]) -> list[Source]:
    """The sources of ``clear``; entries may name frames of one procedure, but no file twice."""
    entries = data.get("clear", [])
    entries = [entries] if isinstance(entries, str) else entries
    if not isinstance(entries, list):
        raise file.error(("data", "clear"), f"is {entries!r}, a list of files was expected")
    every = _count(file, data, "every", 1, least=1)
    judge = data.get("judge", False)
    if not isinstance(judge, bool):
        raise file.error(("data", "judge"), f"is {judge!r}, on or off was expected")
    sources: list[Source] = []
    seen: set[Path] = set()
    for n, entry in enumerate(entries):
        where = ("data", "clear", n)
        try:
            found = find_sources(file.path.resolve().parent, str(entry), every, judge)
        except MedDLError as error:
            raise file.error(where, error) from error
        for path in (path for source in found for path in source.paths):
            if path in seen:
                raise file.error(where, f"{path} belongs to another entry too")
            seen.add(path)
        sources += found
    return sources


def _pairs(file: YamlFile, data: Mapping[str, Any], parameters: DesmokeTraining) -> list[Source]:
    if parameters.architecture != "pix2pix":
        raise file.error(
            ("data", "pairs"),
            f"the architecture {parameters.architecture} learns the smoke too, which pairs do not "
            "tell; give clear frames",
        )
    try:
        return [*find_pairs(file.path.resolve().parent / str(data["pairs"]))]
    except MedDLError as error:
        raise file.error(("data", "pairs"), error) from error


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
    - "videos/*.avi"
    # - videos/one.mp4:0-119,300-419    # only these frames, from 0, are clear
    # - "frames/{procedure}/*.png"
  judge: off                   # on: leave out frames that seem to have smoke
  every: 1                     # take every so manyth frame
  # pairs: DIR                 # instead, for pix2pix: a data set of meddl desmoke synthesize
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
