"""A simulated user at work: how good a method gets with how many interactions, and how fast.

Every method runs in an :class:`InteractiveSession`, as for a person. The first interaction is a
stroke in the target and one around it in the background; each further one corrects the largest
error. Dice and the normalised surface distance are taken after each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.metrics import dice, surface_dice
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos.evaluation_cases import Case
from meddl.deepigeos.evaluation_parameters import EvaluationParameters
from meddl.deepigeos.interactions import random_seeds, scribbles
from meddl.deepigeos.methods import METHODS, TAKE_WEIGHTS, Maker
from meddl.deepigeos.session import InteractiveSession

REPORTED = (1, 3, 5, 10)  # interactions after which a table gives Dice and NSD


@dataclass(frozen=True)
class Step:
    """The state after one interaction.

    Attributes:
        interaction: from 1; 0 is a prediction without seeds.
        dice, nsd: 0..1 against the truth.
        seconds, cpu_seconds: from the marks to the mask, wall time and time of all threads.
        seeds: voxels marked in this interaction.
    """

    interaction: int
    dice: float
    nsd: float
    seconds: float
    cpu_seconds: float
    seeds: int


@dataclass(frozen=True)
class Run:
    """One method on one case."""

    case: str
    method: str
    steps: list[Step] = field(default_factory=list)

    def at(self, interaction: int) -> Step:
        """The state after that interaction, or after the last one where there was no error left."""
        return max(
            (step for step in self.steps if step.interaction <= interaction),
            key=lambda step: step.interaction,
        )

    def area(self, interactions: int) -> float:
        """Area under Dice over interactions 1 to ``interactions`` (trapezoids), scaled to 0..1."""
        values = [self.at(n).dice for n in range(1, interactions + 1)]
        return float(np.trapezoid(values) / (len(values) - 1)) if len(values) > 1 else values[0]


def simulate(
    case: Case,
    method: str | Maker,
    parameters: EvaluationParameters | None = None,
    name: str | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Run:
    """Let the simulated user segment one case.

    A method that predicts without seeds starts with that. The published rule corrects a
    segmentation, so that where there is none yet the first interaction is the strokes of
    :func:`meddl.deepigeos.interactions.scribbles` under either rule.

    Args:
        case: image and truth.
        method: a name of :data:`meddl.deepigeos.methods.METHODS`, ``"auto"``, or a maker.
        name: of the method in the result.

    Raises:
        Cancelled: by the token.
    """
    parameters = parameters or EvaluationParameters()
    if name is None:
        name = method if isinstance(method, str) else getattr(method, "__name__", "method")
    session = _session(case, method, parameters)
    run = Run(case.name, name)
    spacing = [float(step) for step in case.image.spacing[::-1]]

    def measured(number: int, action: Any, seeds: int) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        mask = action()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if session.interrupted and cancel is not None:
            cancel.check()
        overlap = dice(mask, case.truth)
        surface = surface_dice(mask, case.truth, spacing, parameters.tolerance)
        run.steps.append(Step(number, overlap, surface, wall, cpu, seeds))

    if session.can_predict:
        measured(0, lambda: session.predict(cancel=cancel), 0)
    for number in range(1, parameters.interactions + 1):
        if cancel is not None:
            cancel.check()
        # Seeded by number alone, so that equal errors get equal strokes whatever the method.
        rng = np.random.default_rng([parameters.seed, number])
        inside, outside = _next_marks(session.mask(), case.truth, spacing, parameters.rule, rng)
        seeds = int(inside.sum() + outside.sum())
        if not seeds:
            break
        measured(number, lambda i=inside, o=outside: session.add(i, o, cancel=cancel), seeds)
        progress(number / parameters.interactions, f"{case.name}, {name}: interaction {number}")
    return run


def _session(
    case: Case, method: str | Maker, parameters: EvaluationParameters
) -> InteractiveSession:
    weights = parameters.weights if method in TAKE_WEIGHTS else None
    return InteractiveSession(case.image, weights=weights, device=parameters.device, method=method)


def _next_marks(
    mask: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    spacing: Sequence[float],
    rule: str,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if rule == "random" and mask.any():
        return random_seeds(mask, truth, rng)
    return scribbles(mask, truth, spacing, rng)


def check_methods(names: str) -> dict[str, str | Maker]:
    """Method names joined by commas, as :func:`evaluate` takes them.

    Raises:
        InputError: an unknown name, or one twice.
    """
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in ("auto", *METHODS):
            raise InputError(f"there is no method {name!r}; there are: auto, {', '.join(METHODS)}")
        if chosen.count(name) > 1:
            raise InputError(f"method {name!r} is named twice in {names!r}")
    return {name: name for name in chosen}


def evaluate(
    cases: Sequence[Case],
    methods: Mapping[str, str | Maker],
    parameters: EvaluationParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[Run]:
    """All methods on all cases, the methods one after the other on each case.

    Args:
        methods: name in tables -> name or maker. The weights of the parameters are for the methods
            that take some.

    Raises:
        MedDLError: what a method lacks, a package or weights for such images, before any works.
        Cancelled: by the token.
    """
    parameters = parameters or EvaluationParameters()
    for case in cases:
        for method in methods.values():
            _ = _session(case, method, parameters).can_predict  # makes it
    pairs = [(case, *item) for case in cases for item in methods.items()]
    runs = []
    for count, (case, name, method) in enumerate(pairs):
        part = subprogress(progress, count / len(pairs), (count + 1) / len(pairs))
        runs.append(simulate(case, method, parameters, name, part, cancel))
    return runs
