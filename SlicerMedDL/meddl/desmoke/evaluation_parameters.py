"""The parameters of an evaluation, shared by command line, module and report."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter


@dataclass(frozen=True)
class EvaluationParameters:
    """What :func:`meddl.desmoke.evaluation.evaluate` does."""

    flicker: str = parameter(
        "auto",
        "judge flicker; the frames must then be in order. auto: of videos, not of folders",
        choices=("auto", "on", "off"),
    )
    pictures: int = parameter(
        12, "side-by-side pictures of frames spread over the set", minimum=0, maximum=1000
    )
