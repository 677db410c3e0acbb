"""The parameters of an evaluation of depth maps, shared by command line, module and report."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter


@dataclass(frozen=True)
class EvaluationParameters:
    """What :func:`meddl.endodepth.evaluation.evaluate` does."""

    scaling: str = parameter(
        "frame",
        "how depth is brought to the scale of the truth: by the median ratio of each frame, by one "
        "for the sequence, or not at all",
        choices=("frame", "sequence", "none"),
    )
    gap: int = parameter(1, "views from a frame to the one it is compared with", minimum=1)
    hidden: float = parameter(
        0.2,
        "a point that lies by more than this part of the depth behind what the other frame sees "
        "counts as hidden",
        minimum=0.001,
    )
