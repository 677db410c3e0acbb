"""What a live session computes in the worker: arrays in, labels out, no nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from DeepIGeoSModuleLib.methods import session_options
from meddl.core.errors import Cancelled, InputError
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepigeos import InteractiveSession
from SlicerMedDLLib.labelmaps import Box


class Start(NamedTuple):
    """That a label is predicted without seeds: the note's id, the label, in which box (k, j, i).

    What was applied is in ``initial`` when a session is made anew.
    """

    id: str
    label: int
    box: Any
    applied: bool


@dataclass(frozen=True, eq=False)
class Request:
    """What a call works on: no nodes.

    Attributes:
        key: changes with what a session is made of.
        image: shares the memory of its volume; another key comes when that changes.
        seeds: (K, J, I) uint8, 1 background, 2 and above label + 1.
        locked: gives a mask (K, J, I), true where nothing may change.
        initial: gives labels (K, J, I) to start from, or None.
        starts: what is predicted, in this order, before the seeds count.
        last: box and mask (k, j, i) of the last stroke, or None.
    """

    key: tuple[Any, ...]
    image: Image
    method: str
    device: str
    seeds: NDArray[np.uint8]
    locked: Callable[[], NDArray[np.bool_]]
    initial: Callable[[], NDArray[np.uint8] | None]
    numbers: dict[str, int]
    starts: Sequence[Start] = ()
    last: tuple[Box, NDArray[np.bool_]] | None = None


@dataclass(eq=False)
class State:
    """What the worker keeps between calls; ``started``: ids of what was predicted."""

    key: tuple[Any, ...]
    session: InteractiveSession
    started: set[str]


@dataclass(eq=False)
class Result:
    """Labels (K, J, I), the box in which each was computed, and whether the last stroke was lost.

    Lost is a stroke that lies where nothing may change.
    """

    state: State
    labels: NDArray[np.uint8]
    regions: dict[int, Any] = field(default_factory=dict)
    lost: bool = False


def compute(
    state: State | None,
    request: Request,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """Bring a session to what a request says.

    Raises:
        MedDLError: as :class:`meddl.deepigeos.InteractiveSession`.
        Cancelled: by the token; the session is as before.
    """
    known = {start.id for start in request.starts}
    if state is None or state.key != request.key or not state.started <= known:
        session = InteractiveSession(
            request.image,
            device=request.device,
            initial=request.initial(),
            **session_options(request.method),
        )
        state = State(request.key, session, {one.id for one in request.starts if one.applied})
    session = state.session
    session.frozen = locked = request.locked()
    for start in request.starts:
        if start.id not in state.started:
            session.predict(start.label, progress=progress, cancel=cancel, roi=start.box)
            _check(session)
            state.started.add(start.id)
    session.set_seeds(np.where(locked, 0, request.seeds), progress=progress, cancel=cancel)
    _check(session)
    regions = {number: session.region(number) for number in request.numbers.values()}
    lost = request.last is not None and bool(locked[request.last[0]][request.last[1]].all())
    return Result(state, session.labels().copy(), regions, lost)


def _check(session: InteractiveSession) -> None:
    if session.interrupted:
        raise Cancelled


def stacked(images: list[Image]) -> Image:
    """Channels of one grid as one image."""
    first = images[0]
    if len(images) == 1:
        return first
    for other in images[1:]:
        same = other.array.shape[:3] == first.array.shape[:3]
        if not same or not np.allclose(other.ras_from_ijk, first.ras_from_ijk, atol=1e-3):
            raise InputError(
                _(
                    "the channel {name!r} has {shape} voxels (i, j, k) on another grid than "
                    "{first!r} with {first_shape}; resample it to that volume"
                ).format(
                    name=other.metadata.get("name"),
                    shape=other.array.shape[2::-1],
                    first=first.metadata.get("name"),
                    first_shape=first.array.shape[2::-1],
                )
            )
    parts = [one.array.reshape(*one.array.shape[:3], -1) for one in images]
    return Image(np.concatenate(parts, axis=3), first.ras_from_ijk, dict(first.metadata))
