"""What a material is made of, and how strongly it attenuates.

The table ``data/materials.json`` holds density (g/cm3), mass fractions and source of each. Wherever
a material is asked for, three forms are understood::

    gold                        a name (or alias) of the table
    blood+iodine:12             a material of the table with 12 mg iodine per ml
    nitinol=NiTi:6.45           a name, a chemical formula and a density in g/cm3
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require

DENSEST = 25.0  # g/cm3; osmium has 22.6


@dataclass(frozen=True)
class Material:
    """A homogeneous material.

    Attributes:
        name: what :func:`find_material` finds it by.
        density: g/cm3, as a solid piece or typical tissue.
        fractions: (element symbol, share of the mass) pairs; the shares sum to 1.
        kind: ``"tissue"``, ``"liquid"``, ``"gas"`` or ``"solid"``. A solid in a CT keeps its own
            density, whatever the HU, which saturate in metal.
    """

    name: str
    density: float
    fractions: tuple[tuple[str, float], ...]
    kind: str = "solid"


@lru_cache(maxsize=1)
def material_table() -> dict[str, Material]:
    """The shipped materials by name and by alias."""
    path = Path(__file__).parent / "data" / "materials.json"
    table = {}
    for name, entry in json.loads(path.read_text(encoding="utf-8")).items():
        material = _material(name, entry["density"], entry["fractions"], entry["kind"])
        table.update(dict.fromkeys((name, *entry.get("aliases", [])), material))
    return table


@lru_cache(maxsize=256)
def find_material(text: str) -> Material:
    """The material of a name, ``NAME+iodine:MG_PER_ML`` or ``NAME=FORMULA:DENSITY``.

    Raises:
        InputError: an unknown name, no chemical formula, or a density out of (0, 25] g/cm3.
    """
    name, equals, rest = text.partition("=")
    if equals:
        return _by_formula(text, name, rest)
    base, plus, amount = text.partition("+iodine:")
    if plus:
        return _with_iodine(text, find_material(base), amount)
    try:
        return material_table()[text]
    except KeyError:
        known = ", ".join(dict.fromkeys(m.name for m in material_table().values()))
        raise InputError(
            f"material {text!r} is unknown; known are {known}, BASE+iodine:MG_PER_ML and "
            "NAME=FORMULA:DENSITY (as in nitinol=NiTi:6.45)"
        ) from None


def split_material(text: str, option: str) -> tuple[str, str]:
    """``FILE:MATERIAL`` as two texts; the colon of a drive letter does not count.

    Raises:
        InputError: no colon; the message names ``option``.
    """
    rest, colon, material = text[2:].partition(":")
    if not colon:
        raise InputError(f"{option} is {text!r}, FILE:MATERIAL was expected, as in wire.stl:iron")
    return text[:2] + rest, material


def mass_attenuation(
    material: str, energies: NDArray[np.float64], kind: str = "total"
) -> NDArray[np.float64]:
    """Mass attenuation coefficient in cm2/g.

    Mixture rule over the elements, from xraydb's tables of Elam, Ravel and Sieber 2002 (within
    0.1 % of NIST's from 20 to 100 keV for water, bone and iron).

    Args:
        material: what :func:`find_material` understands.
        energies: (E,) keV.
        kind: ``"total"``, or one part: ``"photo"``, ``"coh"`` or ``"incoh"``.

    Returns:
        (E,) float64.

    Raises:
        InputError: an unknown material.
    """
    return _mass_attenuation(material, tuple(float(e) for e in energies), kind).copy()


@lru_cache(maxsize=64)
def _mass_attenuation(material: str, energies: tuple[float, ...], kind: str) -> NDArray[np.float64]:
    xraydb = require("xraydb", "attenuation coefficients")
    electronvolts = 1000 * np.array(energies)
    coefficients: NDArray[np.float64] = sum(
        share * xraydb.mu_elam(element, electronvolts, kind=kind)
        for element, share in find_material(material).fractions
    )
    return coefficients


def _material(name: str, density: float, fractions: dict[str, float], kind: str) -> Material:
    total = sum(fractions.values())
    return Material(name, density, tuple((e, f / total) for e, f in fractions.items()), kind)


def _by_formula(text: str, name: str, rest: str) -> Material:
    xraydb = require("xraydb", "materials by formula")
    formula, _, number = rest.partition(":")
    try:
        density = float(number)
        atoms = xraydb.chemparse(formula)
    except ValueError as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise InputError(f"material {text!r}: {reason}; NAME=FORMULA:DENSITY expected") from None
    if not name or not atoms or not 0 < density <= DENSEST:
        raise InputError(
            f"material {text!r}: a name, a chemical formula and a density up to {DENSEST:g} g/cm3 "
            "were expected, as in nitinol=NiTi:6.45"
        )
    return _material(
        text, density, {e: n * xraydb.atomic_mass(e) for e, n in atoms.items()}, "solid"
    )


def _with_iodine(text: str, base: Material, amount: str) -> Material:
    """Volumes add: the iodine takes the place of its own volume of the base material."""
    try:
        iodine = float(amount) / 1000  # g/cm3
    except ValueError:
        iodine = -1.0
    if not 0 <= iodine <= 0.5:
        raise InputError(f"material {text!r}: 0 to 500 mg iodine per ml were expected")
    rest = base.density * (1 - iodine / find_material("iodine").density)
    fractions = {element: rest * share for element, share in base.fractions}
    fractions["I"] = fractions.get("I", 0.0) + iodine
    return _material(text, rest + iodine, fractions, base.kind)
