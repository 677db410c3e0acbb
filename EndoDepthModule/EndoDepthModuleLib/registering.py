"""The fused surface and a CT surface: pairs of landmarks, the pose, distances in colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from EndoDepthModuleLib import clouds, depths, placing, surfaces, video
from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, apply
from meddl.core.mesh import Mesh
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken, Progress, no_progress
from SlicerMedDLLib.markups import markups_from_points, points_from_markups
from SlicerMedDLLib.models import mesh_from_model
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.transforms import world_from_node

if TYPE_CHECKING:
    from meddl.endodepth.registration import Registration
    from meddl.endodepth.registration_parameters import RegistrationParameters

REGISTERED = "MedDL.EndoDepth.Registration"  # attribute of the browser: how good it is
DISTANCE = "Distance to CT (mm)"
FEWEST_PAIRS = 3
DOUBTFUL = 0.8  # ambiguity from which another pose fits nearly as well


@dataclass(frozen=True, eq=False)
class Job:
    """What a registration takes.

    Attributes:
        mesh: the fused surface, in units of structure from motion times ``scale``.
        surface: of the patient, RAS, mm.
        landmarks: on both, or None.
        parameters: how.
        scale: 1, or mm per unit where it is kept.
    """

    mesh: Mesh
    surface: Mesh
    landmarks: tuple[Floats, Floats] | None
    parameters: RegistrationParameters
    scale: float


def prepare(
    browser: Any, surface: Any, mesh_points: Any, surface_points: Any, keep_scale: bool
) -> Job:
    """Copy out of the scene what a registration takes.

    Args:
        browser: of the video, with a fused surface.
        surface: model of the patient.
        mesh_points, surface_points: landmarks, both or neither.
        keep_scale: the length of a unit is known and stays.

    Raises:
        InputError: something is missing, or landmarks that are no pairs.
    """
    from meddl.endodepth.registration_parameters import RegistrationParameters

    scale = placing.mm_per_unit(browser) if keep_scale else 1.0
    if scale is None:
        raise InputError(_("the scale to be kept is not known; enter it, or let it be found"))
    landmarks = landmark_pairs(browser, mesh_points, surface_points)
    if landmarks is not None:
        landmarks = landmarks[0] * scale, landmarks[1]
    parameters = RegistrationParameters(transform="rigid" if keep_scale else "similarity")
    mesh = mesh_in_units(browser, scale)
    return Job(mesh, mesh_from_model(surface), landmarks, parameters, scale)


def find_place(
    job: Job, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Registration:
    """:func:`meddl.endodepth.registration.register` of a job."""
    # Imported by the worker: it brings a compiler, which would stop the window for a second.
    from meddl.endodepth.registration import register

    return register(job.mesh, job.surface, job.landmarks, job.parameters, progress, cancel)


def summary(found: Registration) -> str:
    """How good a registration is, in a line or two."""
    median, high = np.percentile(found.residuals, [50, 95])
    text = _(
        "Distance to the CT surface: mean {mean:.2f}, median {median:.2f}, 95 % {high:.2f} mm; "
        "{overlap:.0%} of the mesh lies on it."
    ).format(mean=found.residuals.mean(), median=median, high=high, overlap=found.overlap)
    if not found.converged:
        text += " " + _("NOT converged: do not rely on it.")
    if found.ambiguity > DOUBTFUL:
        text += " " + _("Another pose fits nearly as well: give landmarks.")
    return text


def mesh_in_units(browser: Any, scale: float = 1.0) -> Mesh:
    """The fused surface in the world of structure from motion, times ``scale``.

    Raises:
        InputError: there is none.
    """
    node = video.part(browser, clouds.MESH)
    if node is None:
        raise InputError(
            _("{node} has no surface; press Fuse to a surface first").format(node=describe(browser))
        )
    mesh = mesh_from_model(node)
    local_from_world = np.linalg.inv(world_from_node(node))
    return Mesh(apply(local_from_world, mesh.vertices) * scale, mesh.faces)


def landmark_pairs(
    browser: Any, mesh_points: Any, surface_points: Any
) -> tuple[Floats, Floats] | None:
    """Landmarks (L, 3) on the mesh, in units, and on the surface, RAS; None if none are chosen.

    Raises:
        InputError: only one list, another number of points, or fewer than three.
    """
    if mesh_points is None and surface_points is None:
        return None
    on_mesh = points_from_markups(mesh_points)[1]
    on_surface = points_from_markups(surface_points)[1]
    if len(on_mesh) != len(on_surface) or len(on_mesh) < FEWEST_PAIRS:
        raise InputError(
            _(
                "{node} has {count} points, {other} {others}; {fewest} or more "
                "pairs in the same order were expected"
            ).format(
                node=describe(mesh_points),
                count=len(on_mesh),
                other=describe(surface_points),
                others=len(on_surface),
                fewest=FEWEST_PAIRS,
            )
        )
    mesh = require_node(video.part(browser, clouds.MESH), "vtkMRMLModelNode", _("fused surface"))
    return apply(np.linalg.inv(world_from_node(mesh)), on_mesh), on_surface


def keep_on_mesh(browser: Any, mesh_points: Any) -> None:
    """Let landmarks that were placed on the mesh move with it."""
    place = placing.place_of(browser)
    if mesh_points is None or mesh_points.GetTransformNodeID() == place.GetID():
        return
    labels, world = points_from_markups(mesh_points)
    placing.put_in_place(browser, mesh_points)
    markups_from_points(world, labels, node=mesh_points)


def show_registration(
    browser: Any, found: Registration, scale: float, mesh_points: Any = None
) -> None:
    """Put everything of a video where a registration of its surface says, and colour distances.

    Args:
        browser: of the video.
        found: of :func:`mesh_in_units` with the same ``scale``.
        mesh_points: landmarks that move with the mesh.
    """
    keep_on_mesh(browser, mesh_points)
    ras_from_world: Matrix = found.ras_from_mesh @ np.diag([scale, scale, scale, 1.0])
    placing.set_place(browser, ras_from_world)
    browser.SetAttribute(REGISTERED, summary(found))
    depths.rescale(browser)
    node = video.part(browser, clouds.MESH)
    high = float(np.percentile(found.residuals, 95))
    surfaces.paint(node, DISTANCE, found.residuals, (0.0, max(high, 1e-3)))
