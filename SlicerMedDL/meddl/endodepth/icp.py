"""Trimmed iterative closest points with a free scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meddl.core.geometry import apply
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken
from meddl.endodepth.alignment import plane_steps, scale_of
from meddl.endodepth.closest_points import Surface

# Chetverikov et al., equation 9: how much more a pair weighs than a small residual.
_PREFERENCE = 2.0
_LEAST_OVERLAP = 0.4
# Distances below this part of the spacing of the surface's points say nothing; without this floor a
# scan without noise was trimmed to the least overlap.
_FLOOR = 0.2
# Pairs whose normals differ by more than this cosine are walls of different sides.
_COSINE = 0.4
# A step that moves no point by more than this part of the surface's size ends the search.
_STILL = 1e-6


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where iterative closest points ended.

    Attributes:
        target_from_source: (4, 4).
        score: root mean square distance to the planes of the partners of the pairs that count,
            over the scale: in the unit of the source.
        overlap: 0..1, the part of the source points that count.
        iterations: how many it took.
        converged: whether it ended by itself.
    """

    target_from_source: Floats
    score: float
    overlap: float
    iterations: int
    converged: bool


def trimmed_icp(
    points: Floats,
    normals: Floats,
    surface: Surface,
    target_from_source: Floats,
    scaled: bool = True,
    overlap: float | None = None,
    iterations: int = 100,
    cancel: CancelToken | None = None,
) -> Alignment:
    """Fit points to a surface by trimmed point-to-plane ICP.

    Chetverikov, Stepanov and Krsek, Image and Vision Computing 23(3), 2005, with the distance to
    planes (Chen and Medioni, 1992) and, if ``scaled``, the scale as a further unknown. The nearest
    pairs count, as many as make (mean square distance) / overlap^3 least, or as many as are asked
    for. Normals may all point to the other side; pairs against the majority do not count.

    Args:
        points, normals: (N, 3) of the source.
        surface: the target.
        target_from_source: (4, 4) to start from.
        scaled: whether the scale is free.
        overlap: part of the points that has a partner, 0..1; None: by itself.
        iterations: at most.
    """
    present = target_from_source
    score, share, done = np.inf, 1.0, False
    count = 0
    while not done and count < iterations:
        count += 1
        if cancel is not None:
            cancel.check()
        moved = apply(present, points)
        scale = float(scale_of(present))
        distance, index = surface.tree.query(moved)
        target, target_normals = surface.points[index], surface.normals[index]
        cosine = ((normals @ present[:3, :3].T / scale) * target_normals).sum(axis=1)
        agree = cosine * np.sign(cosine.sum() or 1.0) > _COSINE
        plane = np.abs(((moved - target) * target_normals).sum(axis=1))
        # Beside a spread point the distance is the one to its plane; far from it, to the point.
        reach = np.where(agree, np.maximum(plane, distance - 2 * surface.spacing), np.inf)
        limit, share = _trim(reach, overlap, _FLOOR * surface.spacing)
        weights = (reach <= limit).astype(np.float64)
        score = float(np.sqrt((weights * plane**2).sum() / max(weights.sum(), 1)) / scale)
        step = plane_steps(moved[None], target[None], target_normals[None], weights[None], scaled)[
            0
        ]
        present = step @ present
        done = bool(np.abs(apply(step, moved) - moved).max() < _STILL * surface.size)
    return Alignment(present, score, share, count, done)


def _trim(reach: Floats, overlap: float | None, floor: float) -> tuple[float, float]:
    """The largest distance that counts, and the part of all points that it keeps."""
    ordered = np.sort(reach)
    count = len(ordered)
    if overlap is not None:
        kept = max(int(overlap * count), 1)
    else:
        numbers = np.arange(1, count + 1)
        finite = np.where(np.isfinite(ordered), ordered, 0.0)
        mean_square = np.cumsum(finite**2) / numbers
        objective = np.where(
            (numbers >= _LEAST_OVERLAP * count) & np.isfinite(ordered),
            (mean_square + floor**2) / (numbers / count) ** (1 + _PREFERENCE),
            np.inf,
        )
        kept = int(np.argmin(objective)) + 1 if np.isfinite(objective).any() else count
    return float(ordered[kept - 1]), kept / count
