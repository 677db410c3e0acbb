"""The plan of a data set of radiographs: what a configuration file asks for, view by view.

Reading a configuration checks all of it, so that nothing is refused once the work has started; the
plan follows from the configuration alone. What is random in a view follows from the seed sequence
(seed; CT, view): it does not depend on who renders the view, or when.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import islice, product
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.errors import FileError, InputError, MedDLError
from meddl.core.files import existing_file
from meddl.core.image_io import PICTURES, VOLUMES, file_suffix
from meddl.core.markups import read_points
from meddl.core.parameters import convert, from_dict, parameter, to_dict, validate
from meddl.core.yaml_lines import Where, YamlFile, read_yaml
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.dataset_draws import (
    Choice,
    Instrument,
    InstrumentRanges,
    Span,
    draw_instruments,
    parse_variation,
)
from meddl.deepdrr.dataset_files import check_files, stem
from meddl.deepdrr.instruments import INSTRUMENTS
from meddl.deepdrr.radiograph import RenderParameters
from meddl.deepdrr.views import ViewRanges, sample_views

Record = TypeVar("Record")
FORMATS = ("png", "tiff", "dcm")
# Values of the stored 0 and 65535: every transmission and the noise above 1; a step of a negative
# logarithm is 0.00024, of an energy 0.0015 keV.
RANGES = {"intensity": (0.0, 1.25), "neglog": (-1.0, 15.0), "energy": (0.0, 100.0)}
MOST_COMBINATIONS = 4096  # of random parameters, checked before the work starts
ENTRIES = ("path", "series", "labels", "landmarks")
SECTIONS = ("cts", "carm", "pose", "render", "masks", "instruments")


@dataclass(frozen=True)
class OutputParameters:
    """How many views, and how they are written.

    Raises:
        InputError: a value outside its bounds or choices, or an empty range.
    """

    seed: int = parameter(0, "seed of all that is random", minimum=0, maximum=2**63 - 1)
    views: int = parameter(10, "views of each CT", minimum=1, maximum=10_000_000)
    format: str = parameter("png", "16-bit pictures", choices=FORMATS)
    range: tuple[float, float] | None = parameter(
        None, "values stored as 0 and 65535, without it fixed by the quantity; not for dcm"
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.range is not None and not self.range[0] < self.range[1]:
            raise InputError(
                f"--range is {self.range[0]:g},{self.range[1]:g}; the second must be the larger"
            )


@dataclass(frozen=True)
class CtSource:
    """One CT of the set; paths as in the configuration, relative to its folder.

    Attributes:
        path: volume file, or folder of a DICOM series.
        name: of its folder in the data set.
        series: which series of the folder.
        labels: label map for the masks.
        landmarks: point file.
    """

    path: str
    name: str
    series: str | None = None
    labels: str | None = None
    landmarks: str | None = None


@dataclass(frozen=True)
class DatasetParameters:
    """A data set.

    Attributes:
        output: how many views, and how they are written.
        cts: the volumes.
        carm: detector, and the isocentre if it is not each CT's centre.
        pose: how the C-arm moves.
        render: field of RenderParameters -> what it varies over.
        masks: name -> label of each mask.
        kinds: of instruments; none without the section.
        instruments: how many and where.
        folder: that the paths are relative to.
    """

    output: OutputParameters
    cts: tuple[CtSource, ...]
    carm: CArm
    pose: ViewRanges
    render: Mapping[str, Choice | Span]
    masks: Mapping[str, int]
    kinds: tuple[str, ...]
    instruments: InstrumentRanges
    folder: Path

    @property
    def quantity(self) -> str:
        """What the pictures hold, the same in all."""
        return str(self.render["quantity"].extremes[0])

    @property
    def scale(self) -> tuple[float, float] | None:
        """Values of the stored 0 and 65535; None in DICOM, where each header has its own."""
        if self.output.format == "dcm":
            return None
        return self.output.range or RANGES[self.quantity]

    def to_dict(self) -> dict[str, Any]:
        """All that decides the pictures, as plain JSON types."""
        return {
            **to_dict(self.output),
            "range": self.scale and list(self.scale),
            "cts": [asdict(ct) for ct in self.cts],
            "carm": to_dict(self.carm),
            "pose": to_dict(self.pose),
            "render": {
                name: list(entry.values) if isinstance(entry, Choice) else asdict(entry)
                for name, entry in sorted(self.render.items())
            },
            "masks": dict(self.masks),
            "instruments": {"kinds": list(self.kinds), **to_dict(self.instruments)},
        }


@dataclass(frozen=True)
class ViewTask:
    """One view to render.

    Attributes:
        number: in the whole set, from 0.
        ct: position in :attr:`DatasetParameters.cts`.
        view: among the views of that CT, from 0.
    """

    number: int
    ct: int
    view: int


def plan(config: DatasetParameters) -> list[ViewTask]:
    """All views, CT by CT."""
    count = config.output.views
    return [
        ViewTask(ct * count + view, ct, view)
        for ct in range(len(config.cts))
        for view in range(count)
    ]


def draw_parameters(config: DatasetParameters, task: ViewTask) -> RenderParameters:
    """The parameters of one view, with the seed of its noise; files as the configuration has them
    (:func:`meddl.deepdrr.dataset_files.in_folder`)."""
    _, values, noise, _ = _seeds(config, task)
    names = sorted(config.render)
    shares = np.random.default_rng(values).random(len(names))
    drawn = {n: config.render[n].draw(float(u)) for n, u in zip(names, shares, strict=True)}
    seed = int(noise.generate_state(1, np.uint64)[0] >> 1)
    return from_dict(RenderParameters, {**drawn, "seed": seed})


def draw_view(config: DatasetParameters, task: ViewTask, center: ArrayLike) -> CArm:
    """The pose of one view of a CT with this centre, (3,) RAS mm."""
    generator = np.random.default_rng(_seeds(config, task)[0])
    return sample_views(1, generator, config.pose, config.carm, center)[0]


def draw_solids(config: DatasetParameters, task: ViewTask, carm: CArm) -> list[Instrument]:
    """The instruments of one view."""
    if not config.kinds or carm.isocenter is None:
        return []
    generator = np.random.default_rng(_seeds(config, task)[3])
    return draw_instruments(generator, config.kinds, config.instruments, carm.isocenter)


def _seeds(config: DatasetParameters, task: ViewTask) -> list[np.random.SeedSequence]:
    """Independent seeds of pose, parameters, noise and instruments."""
    return np.random.SeedSequence(config.output.seed, spawn_key=(task.ct, task.view)).spawn(4)


def read_dataset(path: str | Path) -> DatasetParameters:
    """Read and check a configuration file.

    Raises:
        FileError: no such file, no YAML, or a CT, label map or point file that is not there.
        InputError: an unknown or bad entry; the message names its line.
    """
    file = read_yaml(path)
    if not isinstance(file.values, Mapping):
        raise file.error((), "a table with cts, views, pose, render … was expected")
    top = dict(file.values)
    sections = {name: top.pop(name, None) for name in SECTIONS}
    names = [item.name for item in fields(OutputParameters)]
    for name in top:
        if name not in names:
            known = ", ".join([*SECTIONS, *names])
            raise file.error((str(name),), f"unknown entry; known are: {known}")
    kinds, instruments = _instruments(file, sections["instruments"])
    config = DatasetParameters(
        output=_record(OutputParameters, top, file, ()),
        cts=_cts(file, sections["cts"]),
        carm=_record(CArm, sections["carm"], file, ("carm",)),
        pose=_record(ViewRanges, sections["pose"], file, ("pose",)),
        render=_render(file, sections["render"]),
        masks=_masks(file, sections["masks"]),
        kinds=kinds,
        instruments=instruments,
        folder=file.path.resolve().parent,
    )
    moved = [i.name for i in fields(ViewRanges) if i.name in (sections["carm"] or {})]
    if moved:
        raise file.error(("carm", moved[0]), "the pose says from where to where it varies")
    for ct in config.cts:
        if bool(ct.labels) != bool(config.masks):
            has, lacks = ("labels", "masks") if ct.labels else ("masks", "labels")
            raise file.error(("cts",), f"{ct.path} with {has} and without {lacks}; give both")
    names = list(config.render)
    extremes = product(*(config.render[name].extremes for name in names))
    for values in islice(extremes, MOST_COMBINATIONS):
        drawn = dict(zip(names, values, strict=True))
        if not _record(RenderParameters, drawn, file, ("render",)).one_picture:
            raise file.error(("render",), "one value per pixel was expected, not materials or bins")
    check_files(config, file)
    if config.output.format == "dcm":
        if config.output.range is not None:
            raise file.error(("range",), "a DICOM file has its own scale; leave range out")
    elif config.output.range is None and config.quantity not in RANGES:
        where = ("render", "quantity")
        raise file.error(where, f"{config.quantity} has no usual range; add range: [LOW, HIGH]")
    return config


def _record(cls: type[Record], values: Any, file: YamlFile, where: Where) -> Record:
    """A record of a section; an error names the line of the entry that it is about."""
    table = {} if values is None else values
    source = str(where[-1]) if where else "the configuration"
    try:
        return from_dict(cls, table, source)
    except MedDLError as error:
        for name in table if isinstance(table, Mapping) else ():
            try:
                from_dict(cls, {name: table[name]}, source)
            except MedDLError as alone:
                if str(alone) == str(error):
                    raise file.error((*where, str(name)), error) from error
        raise file.error(where, error) from error


def _render(file: YamlFile, values: Any) -> dict[str, Choice | Span]:
    table = {} if values is None else values
    if not isinstance(table, Mapping):
        raise file.error(("render",), f"is {table!r}, a table was expected")
    hints = get_type_hints(RenderParameters)
    known = [name for name in hints if name != "seed"]
    # The logarithm has the same precision in thick and thin parts; 16 bits of an intensity do not.
    result: dict[str, Choice | Span] = {"quantity": Choice(("neglog",))}
    for name, value in table.items():
        where = ("render", str(name))
        if name not in known:
            raise file.error(where, f"unknown parameter; known are: {', '.join(known)}")
        try:
            variation = parse_variation(value, whole=hints[name] is int)
            if isinstance(variation, Choice):  # as typed as they will be used
                kind = hints[name]
                variation = Choice(tuple(convert(v, kind, str(name)) for v in variation.values))
        except MedDLError as error:
            raise file.error(where, error) from error
        result[str(name)] = variation
    quantity = result["quantity"]
    if isinstance(quantity, Choice) and len(quantity.values) > 1:
        raise file.error(("render", "quantity"), "one quantity for all views was expected")
    return result


def _masks(file: YamlFile, values: Any) -> dict[str, int]:
    """Name -> label, from a table or a list of labels."""
    if isinstance(values, list):
        values = {str(value): value for value in values}
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not values:
        raise file.error(("masks",), "{NAME: LABEL, …} or [LABEL, …] was expected")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise file.error(("masks", str(name)), f"{value!r} is no label, a whole number from 1")
    return {str(name): value for name, value in values.items()}


def _instruments(file: YamlFile, values: Any) -> tuple[tuple[str, ...], InstrumentRanges]:
    """Kinds and ranges; every kind can be made in the shortest and the longest length."""
    if values is None:
        return (), InstrumentRanges()
    table = dict(values) if isinstance(values, Mapping) else {}
    kinds = table.pop("kinds", list(INSTRUMENTS))
    if not isinstance(kinds, list) or not kinds or any(kind not in INSTRUMENTS for kind in kinds):
        known = ", ".join(INSTRUMENTS)
        raise file.error(("instruments", "kinds"), f"is {kinds!r}, a list was expected of: {known}")
    ranges = _record(InstrumentRanges, table, file, ("instruments",))
    for kind in kinds:
        for length in ranges.length:
            try:
                INSTRUMENTS[kind][0]((0, 0, 0), (0, 0, length))
            except MedDLError as error:
                raise file.error(("instruments", "length"), f"{kind}: {error}") from error
    return tuple(kinds), ranges


def _cts(file: YamlFile, entries: Any) -> tuple[CtSource, ...]:
    """The CTs, wildcards expanded; all files are looked for."""
    if not isinstance(entries, list) or not entries:
        raise file.error(("cts",), "a list of volume files or DICOM folders was expected")
    folder = file.path.resolve().parent
    result: list[CtSource] = []
    for index, entry in enumerate(entries):
        where = ("cts", index)
        table = {"path": entry} if isinstance(entry, str) else entry
        if not isinstance(table, Mapping) or "path" not in table:
            raise file.error(where, f"{entry!r} is no CT: a path, or {{path: …, labels: …}}")
        for name, value in table.items():
            if name not in ENTRIES:
                known = ", ".join(ENTRIES)
                raise file.error((*where, str(name)), f"unknown entry; known are: {known}")
            if not isinstance(value, str) or not value:
                raise file.error((*where, name), f"is {value!r}, text was expected")
        try:
            for path in _expand(folder, table["path"]):
                result.append(_ct(folder, path, table, len(result)))
        except MedDLError as error:
            raise FileError(str(file.error(where, error))) from error
    return tuple(result)


def _expand(folder: Path, path: str) -> list[str]:
    if not glob.has_magic(path) or (folder / path).exists():
        return [path]
    found = sorted(glob.glob(path, root_dir=folder))
    if not found:
        raise FileError(f"no file matches {path} (folder {folder})")
    return found


def _ct(folder: Path, path: str, table: Mapping[str, str], index: int) -> CtSource:
    place = folder / path
    if not place.is_dir():
        existing_file(place, "CT")
        if file_suffix(place) not in VOLUMES and file_suffix(place) in PICTURES:
            raise FileError(f"{path} is a picture, a volume was expected")
    others = {
        name: table[name].replace("{name}", stem(place)) for name in ENTRIES[1:] if table.get(name)
    }
    if "labels" in others:
        existing_file(folder / others["labels"], "label map")
    if "landmarks" in others:
        labels = read_points(folder / others["landmarks"]).labels
        if len(set(labels)) < len(labels) or "" in labels:
            raise FileError(f"{others['landmarks']}: every landmark needs a name of its own")
    return CtSource(path, f"{index:04d}_{re.sub(r'[^A-Za-z0-9._-]', '_', stem(place))}", **others)
