"""Files that the rendering parameters of a data set name: a label map of materials, a spectrum.

Their paths are relative to the configuration's folder, and ``{name}`` in them is the name of the
CT's file. The plan and the manifest keep them as they are written there, so that a data set does
not depend on where its configuration lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.core.errors import MedDLError
from meddl.core.files import existing_file
from meddl.core.image_io import file_suffix
from meddl.deepdrr.labels import read_label_names
from meddl.deepdrr.materials import METHODS
from meddl.deepdrr.spectrum import SHIPPED, read_spectrum

if TYPE_CHECKING:
    from meddl.core.yaml_lines import YamlFile
    from meddl.deepdrr.dataset import DatasetParameters
    from meddl.deepdrr.radiograph import RenderParameters

NO_FILES = {"materials": METHODS, "spectrum": tuple(SHIPPED)}  # what these parameters hold besides


def stem(path: str | Path) -> str:
    """The name of a volume file without its suffix, or of a DICOM folder."""
    place = Path(path)
    suffix = file_suffix(place)
    return place.name[: -len(suffix)] if suffix else place.name


def in_folder(config: DatasetParameters, ct: str, parameters: RenderParameters) -> RenderParameters:
    """Parameters as drawn for a CT, their files as paths that any process finds."""
    found: dict[str, Any] = {
        name: str(_place(config, ct, value))
        for name, value in _files({name: (getattr(parameters, name),) for name in NO_FILES})
    }
    return replace(parameters, **found)


def check_files(config: DatasetParameters, file: YamlFile) -> None:
    """Look for all files of all CTs before the work starts.

    Raises:
        InputError: a file that is not there, a label map without its table, or no spectrum; the
            message names the line.
    """
    named = {name: config.render[name].extremes for name in NO_FILES if name in config.render}
    for name, value in _files(named):
        for path in dict.fromkeys(_place(config, ct.path, value) for ct in config.cts):
            try:
                if name == "spectrum":
                    read_spectrum(path)
                else:
                    read_label_names(existing_file(path, "label map"))
            except MedDLError as error:
                raise file.error(("render", name), error) from error


def _files(values: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    for name, choices in values.items():
        for value in choices:
            if value not in NO_FILES[name]:
                yield name, value


def _place(config: DatasetParameters, ct: str, value: str) -> Path:
    return config.folder / value.replace("{name}", stem(ct))
