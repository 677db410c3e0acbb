"""Materials of segmented structures: what a label's name or terminology says it is made of.

The rule is data, ``data/label_materials.json``: the first line that holds a word of the name wins
(whole words, any case, plural allowed; vessels come before the organs that they are named after).
Two of its entries are split by HU in :mod:`meddl.deepdrr.materials`: ``skeleton`` into trabecular
and cortical bone, ``vessel`` into blood and blood with iodine. ``threshold`` decides by HU alone.

The label map of a file has a table beside it, ``LABELS.json`` for ``LABELS.nii.gz``::

    {"1": "spleen",
     "2": {"name": "L4", "terminology": "…~SCT^11994002^L4 vertebra~…"},
     "3": {"name": "wire", "material": "nitinol=NiTi:6.45"}}
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.errors import FileError, InputError
from meddl.core.files import read_json
from meddl.core.image import Image
from meddl.deepdrr.compositions import find_material

logger = logging.getLogger(__name__)

LARGEST_LABEL = 65535


@dataclass(frozen=True, eq=False)
class Labels:
    """A label map and what each label is made of.

    Attributes:
        image: integer volume, any geometry; voxels beside it and label 0 follow the thresholds.
        materials: label value -> material, ``"skeleton"``, ``"vessel"`` or ``"threshold"``.

    Raises:
        InputError: no whole numbers from 0 to 65535, or an unknown material.
    """

    image: Image
    materials: Mapping[int, str]

    def __post_init__(self) -> None:
        image = self.image.require_volume("label map").require_finite("label map")
        array = image.array
        whole = np.issubdtype(array.dtype, np.integer) or (array == np.rint(array)).all()
        if array.min() < 0 or array.max() > LARGEST_LABEL or not whole:
            raise InputError(
                f"the label map has values from {array.min():g} to {array.max():g}, whole numbers "
                f"from 0 to {LARGEST_LABEL} were expected"
            )
        object.__setattr__(self, "image", image.with_array(array.astype(np.uint16, copy=False)))
        for material in self.materials.values():
            if material not in ("skeleton", "vessel", "threshold"):
                find_material(material)


def material_of(name: str, terminology: str = "") -> str | None:
    """What a structure is made of.

    Args:
        name: the label's or segment's name; ``_`` counts as a space.
        terminology: a segment's terminology entry as 3D Slicer writes it
            (``context~category~type~modifier~…``, each ``scheme^code^meaning``); its type is
            looked at first, the name if that says nothing.

    Returns:
        A material's name, ``"skeleton"``, ``"vessel"`` or ``"threshold"``; None without a rule.
    """
    fields = terminology.split("~")
    kind = fields[2].split("^")[-1] if len(fields) > 2 else ""
    for text in (kind, name):
        words = text.replace("_", " ").lower()
        for material, pattern in _rules():
            if pattern.search(words):
                return material
    return None


def label_materials(names: Mapping[int, tuple[str, str]]) -> dict[int, str]:
    """Label value -> material, of (name, terminology) pairs.

    Labels that no rule knows are decided by the thresholds; one warning names them.
    """
    found = {value: material_of(*pair) for value, pair in names.items()}
    unknown = [names[value][0] or str(value) for value, material in found.items() if not material]
    if unknown:
        logger.warning("no rule for the labels %s: thresholds decide", ", ".join(unknown))
    return {value: material or "threshold" for value, material in found.items()}


def read_labels(path: str | Path) -> Labels:
    """A label map with the table beside it.

    Raises:
        FileError: no such files, no label map, or no table.
        InputError: an unknown material.
    """
    from meddl.core.image_io import read_image

    path = Path(path)
    names: dict[int, tuple[str, str]] = {}
    given: dict[int, str] = {}
    for value, name, terminology, material in _read_table(path):
        if material is not None:
            given[value] = material
        else:
            names[value] = (name, terminology)
    image = read_image(path)
    try:
        return Labels(image, {**label_materials(names), **given})
    except InputError as error:
        raise FileError(f"{path}: {error}") from error


def read_label_names(path: str | Path) -> dict[int, str]:
    """Label value -> name, of the table beside a label map.

    Raises:
        FileError: no such table.
    """
    return {value: name for value, name, *_ in _read_table(Path(path))}


def _read_table(path: Path) -> list[tuple[int, str, str, str | None]]:
    table_path = path.with_name(re.sub(r"(\.nii\.gz|\.[^.]+)$", ".json", path.name, flags=re.I))
    table = read_json(table_path, "label table")
    if not isinstance(table, dict):
        raise FileError(f'{table_path} is no label table: expected {{"1": "spleen", …}}')
    return [_entry(key, entry, table_path) for key, entry in table.items()]


def _entry(key: str, entry: Any, path: Path) -> tuple[int, str, str, str | None]:
    """Label value, name, terminology and material of one line of a label table."""
    entry = {"name": entry} if isinstance(entry, str) else entry
    texts = entry if isinstance(entry, dict) else {}
    name, terminology = texts.get("name"), texts.get("terminology", "")
    material = texts.get("material")
    if (
        not (key.isdigit() and int(key) <= LARGEST_LABEL)
        or not isinstance(name, str)
        or not isinstance(terminology, str)
        or not isinstance(material, str | None)
    ):
        raise FileError(
            f'{path}: the entry {key!r} is no label; expected "NUMBER": "NAME" or '
            '"NUMBER": {"name": …, "terminology": …, "material": …}'
        )
    return int(key), name, terminology, material


@lru_cache(maxsize=1)
def _rules() -> list[tuple[str, re.Pattern[str]]]:
    path = Path(__file__).parent / "data" / "label_materials.json"
    rules = json.loads(path.read_text(encoding="utf-8"))
    return [
        (
            rule["material"],
            re.compile(rf"\b(?:{'|'.join(map(re.escape, rule['words']))})(?:s|e|es)?\b"),
        )
        for rule in rules
    ]
