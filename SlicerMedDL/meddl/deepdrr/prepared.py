"""A CT made ready for a projector: corrected, decomposed into materials, coarsened, uploaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.backends import Backend, Project, choose_backend
from meddl.deepdrr.coarsen import coarsen_grid
from meddl.deepdrr.columns import as_columns
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.detector import DetectorParameters
from meddl.deepdrr.hounsfield import correct_values, inspect_values, parse_hu_below
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.layers import Layer, density_grids, stack_layers
from meddl.deepdrr.materials import decompose
from meddl.deepdrr.scatter import ScatterParameters
from meddl.deepdrr.spectrum import SpectrumParameters

if TYPE_CHECKING:
    from meddl.deepdrr.radiograph import RenderParameters

logger = logging.getLogger(__name__)

# Fields of RenderParameters that may change from view to view of one PreparedCT.
READING_FIELDS = frozenset(
    item.name
    for part in (SpectrumParameters, DetectorParameters, ScatterParameters)
    for item in fields(part)
)


@dataclass(frozen=True, eq=False)
class PreparedCT:
    """A CT as the projector takes it, for views of which each has its own tube and noise.

    Attributes:
        ct: scalar volume in corrected HU.
        names: M materials; none for the quantity ``integral``.
        grids: densities in g/cm3 on one grid per volume, or the voxel values; the CT's last.
        backend: of the projector.
        projectors: one for each grid.
    """

    ct: Image
    names: tuple[str, ...]
    grids: Sequence[DensityGrid]
    backend: Backend
    projectors: Sequence[Project]


def prepare(
    ct: Image,
    parameters: RenderParameters,
    labels: Labels | None = None,
    over: Sequence[Layer] = (),
    backend: Backend | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PreparedCT:
    """Correct the values and decompose them into materials.

    Args:
        ct: scalar volume in HU without NaN.
        parameters: all fields but :data:`READING_FIELDS` decide.
        labels, over: see :func:`meddl.deepdrr.render`.
        backend: by default the one that suits ``parameters`` and a picture of 512 x 512.
    """
    if backend is None:
        shape = (*ct.array.shape, 1)
        backend = choose_backend(parameters.backend, parameters.device, shape, 512 * 512, 0)
    ct = correct_values(ct, parameters.hu_offset, parse_hu_below(parameters.hu_below))
    names, grids = material_grids(ct, parameters, labels, over, progress, cancel)
    return projectable(ct, names, grids, parameters.coarsen, backend)


def material_grids(
    ct: Image,
    parameters: RenderParameters,
    labels: Labels | None = None,
    over: Sequence[Layer] = (),
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[tuple[str, ...], list[DensityGrid]]:
    """The materials of a CT of corrected values, see :class:`PreparedCT`; logs doubtful values."""
    if parameters.quantity == "integral":
        raw = as_columns(ct.array, "float32")
        return (), [DensityGrid(raw, None, (0,), ct.ijk_from_ras)]
    for warning in inspect_values(ct):
        logger.warning("CT %s: %s", ct.metadata.get("path", ""), warning)
    materials = decompose(
        ct, parameters, labels, device=parameters.device, progress=progress, cancel=cancel
    )
    return density_grids(stack_layers([*over, Layer(materials, ct.ras_from_ijk)]))


def projectable(
    ct: Image,
    names: tuple[str, ...],
    grids: Sequence[DensityGrid],
    coarsen: int,
    backend: Backend,
) -> PreparedCT:
    """Materials for a projector, averaged over ``coarsen`` voxels along each axis."""
    coarse = [part for grid in grids for part in coarsen_grid(grid, coarsen)]
    return PreparedCT(ct, names, coarse, backend, [backend.prepare(grid) for grid in coarse])
