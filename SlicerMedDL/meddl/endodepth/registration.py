"""Where a fused surface lies in a patient: its pose and scale on a surface from CT.

The first pose comes from pairs of landmarks or from a search over the whole surface, the final one
from trimmed ICP. The scale that a similarity finds is what turns the unit of structure from motion
into mm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.mesh import Mesh
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.endodepth.alignment import scale_of, umeyama
from meddl.endodepth.closest_points import Surface, closest, make_surface
from meddl.endodepth.global_search import find_poses
from meddl.endodepth.icp import Alignment, trimmed_icp
from meddl.endodepth.registration_parameters import RegistrationParameters

logger = logging.getLogger(__name__)

_SURFACE_POINTS = 60000
_MOST_POINTS = 1_000_000
_CANDIDATES = 8  # poses of the search that are followed to their end
# A second pose that fits nearly as well as the best makes it doubtful.
_DOUBT = 1.15
# A registration whose scan is that much smaller than the surface fits anywhere.
_TINY = 0.05


@dataclass(frozen=True, eq=False)
class Registration:
    """What :func:`register` found.

    Attributes:
        ras_from_mesh: (4, 4), from the frame of the mesh to the patient's.
        scale: of ``ras_from_mesh``: how many mm one unit of the mesh is.
        residuals: (N,) mm, the distance of every vertex of the mesh to the surface.
        overlap: 0..1, the part of the scan that ICP counted.
        initial: ``"landmarks"`` or ``"search"``.
        landmark_errors: (L,) mm between paired landmarks at the final pose; empty without.
        ambiguity: score of the best pose over that of the best other one, 0..1; 0 if the search
            left no other. Near 1 the pose is doubtful.
        converged: whether ICP ended by itself.
    """

    ras_from_mesh: Floats
    scale: float
    residuals: Floats
    overlap: float
    initial: str
    landmark_errors: Floats
    ambiguity: float
    converged: bool

    @property
    def inliers(self) -> NDArray[np.bool_]:
        """(N,) the nearest part ``overlap`` of the vertices."""
        return np.asarray(self.residuals <= np.quantile(self.residuals, self.overlap))


def register(
    mesh: Mesh,
    surface: Mesh,
    landmarks: tuple[Floats, Floats] | None = None,
    parameters: RegistrationParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Registration:
    """Find the pose of ``mesh``, which shows a part of ``surface``.

    Args:
        mesh: the scan, in any unit.
        surface: of the patient, RAS, mm. Its normals may point to either side.
        landmarks: paired places (L, 3) on the mesh and (L, 3) on the surface, L of at least 3;
            None: search.
        parameters: how.

    Raises:
        InputError: meshes without area, landmarks that determine no pose, or no fit.
        Cancelled: by the token.
    """
    parameters = parameters or RegistrationParameters()
    rng = np.random.default_rng(parameters.seed)
    target = make_surface(surface, _SURFACE_POINTS, rng)
    scan = make_surface(mesh, parameters.points, rng)
    order = rng.permutation(parameters.points)
    points, normals = scan.points[order], scan.normals[order]
    scaled = parameters.transform == "similarity"
    if landmarks is not None:
        starts = umeyama(*landmarks, scaled=scaled)[np.newaxis]
    else:
        limits = _scales(scan, target, parameters)
        search = subprogress(progress, 0, 0.7)
        starts = find_poses(
            points, normals, target, limits, rng, parameters.starts, search, cancel
        )[:_CANDIDATES]
    fits = []
    for number, start in enumerate(starts):
        progress(0.7 + 0.25 * number / len(starts), f"fitting pose {number + 1}/{len(starts)}")
        steps = parameters.iterations
        overlap = parameters.overlap
        fits.append(trimmed_icp(points, normals, target, start, scaled, overlap, steps, cancel))
    best, ambiguity = _choose(fits, points, target)
    scale = float(scale_of(best.target_from_source))
    if scale * scan.size < _TINY * target.size:
        raise InputError(
            f"the scan was fitted at {scale * scan.size / target.size:.1%} of the surface's size, "
            "where it fits anywhere: it does not show this surface, or the landmarks are wrong"
        )
    if ambiguity > 1 / _DOUBT:
        logger.warning(
            "another pose fits nearly as well (%.0f %%); check it, or give landmarks",
            100 * ambiguity,
        )
    progress(0.95, "measuring residuals")
    # Three points a triangle: the nearest triangle is then among the candidates.
    dense = min(max(3 * len(surface.faces), _SURFACE_POINTS), _MOST_POINTS)
    exact = make_surface(surface, dense, rng)
    _, residuals = closest(exact, apply(best.target_from_source, mesh.vertices))
    errors = np.zeros(0)
    if landmarks is not None:
        errors = np.linalg.norm(apply(best.target_from_source, landmarks[0]) - landmarks[1], axis=1)
    progress(1.0, "registered")
    return Registration(
        best.target_from_source,
        scale,
        residuals,
        best.overlap,
        "search" if landmarks is None else "landmarks",
        errors,
        ambiguity,
        best.converged,
    )


def _scales(
    scan: Surface, target: Surface, parameters: RegistrationParameters
) -> tuple[float, float]:
    if parameters.transform == "rigid":
        return 1.0, 1.0
    largest = target.size / scan.size
    return parameters.smallest_scale * largest, largest


def _choose(fits: list[Alignment], points: Floats, target: Surface) -> tuple[Alignment, float]:
    """The best fit, and its score over that of the best one that lies elsewhere."""

    def badness(fit: Alignment) -> float:
        return fit.score / fit.overlap**1.5  # the root of what the trimming makes least

    ordered = sorted(fits, key=badness)
    best = ordered[0]
    if not np.isfinite(badness(best)):
        raise InputError("no pose brings the scan to the surface; give landmarks")
    place = apply(best.target_from_source, points)
    for other in ordered[1:]:
        apart = np.linalg.norm(apply(other.target_from_source, points) - place, axis=1).mean()
        if apart > 0.02 * target.size:
            return best, badness(best) / badness(other)
    return best, 0.0
