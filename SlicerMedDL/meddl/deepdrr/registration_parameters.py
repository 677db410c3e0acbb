"""The record of a 2-D/3-D registration; readable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter
from meddl.deepdrr.hounsfield import parse_hu_below
from meddl.deepdrr.spectrum import SpectrumParameters


@dataclass(frozen=True)
class RegistrationParameters(SpectrumParameters):
    """How a pose is searched; the tube is the radiograph's, as far as it is known.

    Raises:
        InputError: a value outside its bounds or choices, or two spectra at once.
    """

    quantity: str = parameter(
        "neglog", "what the radiograph holds", choices=("neglog", "intensity")
    )
    isocenter: tuple[float, float, float] | None = parameter(
        None, "centre of the motion in RAS; without it the centre of the CT", "mm", metavar="R,A,S"
    )
    search_angle: float = parameter(
        15.0, "standard deviation of the random starts' angles", "degrees", minimum=0, maximum=90
    )
    search_shift: float = parameter(
        25.0, "standard deviation of the random starts' shifts", "mm", minimum=0, maximum=500
    )
    candidates: int = parameter(
        200, "random starts that are ranked in a round", minimum=1, maximum=100_000
    )
    starts: int = parameter(
        12, "best starts of a round that are followed up", minimum=1, maximum=1000
    )
    rounds: int = parameter(
        6, "rounds of random starts, until one is trusted", minimum=1, maximum=1000
    )
    seed: int = parameter(0, "seed of the random starts", minimum=0, maximum=2**63 - 1)
    hu_offset: float = parameter(0.0, "added to every voxel before use", "HU")
    hu_below: str | None = parameter(
        None, "every value below V becomes REPLACEMENT, after the offset", metavar="V:REPLACEMENT"
    )
    device: str = parameter(
        "auto", "where to compute; auto: the CPU, the fastest for it", metavar="auto|cpu|cuda:0|mps"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_hu_below(self.hu_below)
