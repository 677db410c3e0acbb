"""What decides a prediction; the command line and the module share it."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.inference import ENGINES
from meddl.core.parameters import parameter

WEIGHTS = "endodepth-light"


@dataclass
class PredictionParameters:
    """How depth maps are predicted."""

    weights: str = parameter("", f"trained weights; by default {WEIGHTS}", metavar="NAME|FILE")
    scale: str = parameter(
        "auto",
        "sfm: in the unit of the sequence's structure from motion; none: as the network gives it, "
        "each frame of its own scale; auto: sfm where there is one",
        choices=("auto", "sfm", "none"),
    )
    mm_per_unit: float | None = parameter(
        None, "length of the sequence's unit, if it is known", unit="mm", minimum=1e-9
    )
    downsampling: float | None = parameter(
        None, "pixels of the frame per pixel of the map; by default as the network needs", minimum=1
    )
    engine: str = parameter(
        "auto",
        "what runs the network; auto: the fastest kind installed",
        choices=("auto", *ENGINES),
    )
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")
    preview: bool = parameter(False, "also write pictures of frame and depth, in DIR/preview")
