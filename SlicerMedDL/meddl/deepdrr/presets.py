"""C-arms by name, with the limits of their movement; the figures are in ``data/carm_presets.json``.

A preset is a class of devices, not one product: its ``source`` says where the figures are from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from meddl.core.errors import GeometryError, InputError
from meddl.core.files import read_json
from meddl.core.parameters import from_dict, option_of
from meddl.deepdrr.carm import CArm

ANGLES = ("primary_angle", "secondary_angle")
_OPTIONS = {item.name: (option_of(item), item.metadata["unit"]) for item in fields(CArm)}


@dataclass(frozen=True)
class Preset:
    """One C-arm and how far it moves.

    Attributes:
        name: as in :func:`preset_names`.
        description: what it is, in a few words.
        source: where the figures are from.
        carm: its neutral pose.
        limits: field of :class:`CArm` -> (lowest, highest), degrees or mm.
        field: (width, height) of the detector, mm; the picture fits into it.
    """

    name: str
    description: str
    source: str
    carm: CArm
    limits: Mapping[str, tuple[float, float]]
    field: tuple[float, float]

    def check(self, carm: CArm) -> CArm:
        """Return ``carm`` if the device reaches it; whole turns of an angle do not count.

        Raises:
            GeometryError: names the limit that it exceeds.
        """
        for name, (low, high) in self.limits.items():
            value = getattr(carm, name)
            turns = (-720, -360, 0, 360, 720) if name in ANGLES else (0,)
            if not any(low <= value + turn <= high for turn in turns):
                option, unit = _OPTIONS[name]
                raise GeometryError(
                    f"{option} is {value:g} {unit}, the limits of the preset {self.name} are "
                    f"{low:g} to {high:g} {unit}"
                )
        for pixels, most, side in zip(carm.detector_size, self.field, ("W", "H"), strict=True):
            if pixels * carm.pixel_spacing > most + 1e-6:
                raise GeometryError(
                    f"--detector-size {side} is {pixels} pixels of {carm.pixel_spacing:g} mm, "
                    f"{pixels * carm.pixel_spacing:.1f} mm; the detector of the preset "
                    f"{self.name} has {most:g} mm"
                )
        return carm


@lru_cache(maxsize=1)
def _presets() -> dict[str, Preset]:
    table: dict[str, dict[str, Any]] = read_json(
        Path(__file__).parent / "data" / "carm_presets.json"
    )
    return {
        name: Preset(
            name=name,
            description=entry["description"],
            source=entry["source"],
            carm=from_dict(CArm, entry["carm"], name),
            limits={key: (low, high) for key, (low, high) in entry["limits"].items()},
            field=(entry["field"][0], entry["field"][1]),
        )
        for name, entry in table.items()
    }


def preset_names() -> tuple[str, ...]:
    """The names that :func:`load_preset` knows."""
    return tuple(_presets())


def load_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    try:
        return _presets()[name]
    except KeyError:
        raise InputError(
            f"--preset is {name!r}, expected one of: {', '.join(_presets())}"
        ) from None
