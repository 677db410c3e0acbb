"""What of models and segmentations a radiograph shows: contours, masks, depths, label by label.

All of it follows the rays and the projection of one :class:`meddl.deepdrr.camera.Camera`, so that
it agrees with the radiograph to the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import GeometryError, InputError
from meddl.core.geometry import Matrix
from meddl.core.image import Image
from meddl.core.mesh import Mesh, join_vertices
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.columns import as_columns
from meddl.deepdrr.hounsfield import correct_values, parse_hu_below
from meddl.deepdrr.materials import SOFT_TISSUE_UP_TO, labels_of
from meddl.deepdrr.prepared import material_grids, projectable
from meddl.deepdrr.radiograph import (
    RenderParameters,
    backend_for,
    picture_geometry,
    render_prepared,
)
from meddl.deepdrr.solids import closed_mesh

MOST_LABELS = 1024


def first_hit_depth(
    ct: Image,
    view: CArm | Camera,
    level: float = SOFT_TISSUE_UP_TO,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Distance from the source to where each ray first meets bone.

    Args:
        ct: scalar volume in HU (of any quantity, with a level in its unit).
        view: C-arm or camera.
        level: HU at which bone begins, in the trilinear volume.

    Returns:
        float32 (1, H, W), mm along the ray; NaN where it meets none.
    """
    from meddl.deepdrr.first_hit import first_hit

    ct = ct.require_volume("CT").require_finite("CT")
    camera = view.camera(ct.center) if isinstance(view, CArm) else view
    volume = np.ascontiguousarray(ct.array, dtype=np.float32)
    depth = first_hit(volume, ct.ijk_from_ras, camera, level, progress, cancel)
    return Image(depth[None], picture_geometry(view), _about("depth", "mm", camera))


def label_masks(
    labels: Image,
    view: CArm | Camera,
    values: Sequence[int] | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Which labels the ray of each pixel meets.

    The surface of a label is where its trilinear membership is one half.

    Args:
        labels: scalar volume of whole numbers; 0 is the background.
        view: C-arm or camera; a C-arm without isocentre turns about the centre of the labels.
        values: the labels wanted; without them all.

    Returns:
        uint8 (1, H, W, C), one component of 0 and 1 per label; ``metadata["labels"]`` are the
        values in that order.

    Raises:
        InputError: no whole numbers, no label, or one that is not there.
        Cancelled: between blocks of rows.
    """
    from meddl.deepdrr.first_hit import first_hit

    labels = labels.require_volume("label volume")
    values = _label_values(labels, values)
    camera = view.camera(labels.center) if isinstance(view, CArm) else view
    width, height = camera.size
    masks = np.zeros((1, height, width, len(values)), np.uint8)
    for number, value in enumerate(values):
        part = subprogress(progress, number / len(values), (number + 1) / len(values))
        member, ijk_from_ras = crop_label(labels, value)
        depth = first_hit(member, ijk_from_ras, camera, 0.5, part, cancel)
        masks[0, ..., number] = ~np.isnan(depth)
    return Image(masks, picture_geometry(view), _about("mask", "", camera) | {"labels": values})


def label_radiographs(
    ct: Image,
    labels: Image,
    view: CArm | Camera,
    values: Sequence[int] | None = None,
    parameters: RenderParameters | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Iterator[tuple[int, Image]]:
    """A radiograph of each label alone, all else empty.

    Every voxel keeps the material and density that it has in the whole CT: with
    ``quantity="path"`` the pictures of all labels, 0 included, add up to the whole one's, within
    the projector's error.

    Args:
        ct: scalar volume in HU.
        labels: whole numbers on the grid of the CT.
        view, parameters, options: as in :func:`meddl.deepdrr.render`.
        values: the labels wanted; without them all but 0.

    Yields:
        label value and radiograph.

    Raises:
        GeometryError: the labels lie on another grid.
        InputError: as :func:`label_masks` and :func:`meddl.deepdrr.render`.
    """
    ct = ct.require_volume("CT").require_finite("CT")
    labels = labels.require_volume("label volume")
    aligned = np.allclose(ct.ras_from_ijk, labels.ras_from_ijk, atol=1e-3)
    if ct.size != labels.size or not aligned:
        raise GeometryError(
            f"the labels ({'x'.join(map(str, labels.size))}) lie on another grid than the CT "
            f"({'x'.join(map(str, ct.size))}); resample them to it, by nearest neighbour"
        )
    wanted = _label_values(labels, values)
    parameters = replace(parameters or RenderParameters(), **options)
    structures = labels_of(parameters)
    backend = backend_for(ct, [view], parameters, structures)
    corrected = correct_values(ct, parameters.hu_offset, parse_hu_below(parameters.hu_below))

    def pictures() -> Iterator[tuple[int, Image]]:
        report = subprogress(progress, 0.0, 0.2)
        names, (grid,) = material_grids(
            corrected, parameters, structures, progress=report, cancel=cancel
        )
        for number, value in enumerate(wanted):
            inside = np.where(labels.array == value, grid.density, np.float32(0))
            alone = replace(grid, density=as_columns(inside))
            prepared = projectable(corrected, names, [alone], parameters.coarsen, backend)
            start, stop = (0.2 + 0.8 * n / len(wanted) for n in (number, number + 1))
            part = subprogress(progress, start, stop)
            yield value, render_prepared(prepared, view, parameters, progress=part, cancel=cancel)

    return pictures()


def silhouette(mesh: Mesh, camera: Camera) -> NDArray[np.bool_]:
    """(H, W) whether the ray of each pixel runs inside the closed mesh.

    Raises:
        InputError: an open mesh.
    """
    from meddl.deepdrr.ray_mesh import mesh_integrals

    inside: NDArray[np.bool_] = mesh_integrals([closed_mesh(mesh)], camera)[0][..., 0] > 0
    return inside


def contour_lines(mesh: Mesh, camera: Camera) -> NDArray[np.float64]:
    """The occluding contour of a mesh in the picture.

    These are the edges between a triangle that faces the source and one that does not, and those
    of a single triangle (the rim of an open surface). Inner folds are among them.

    Returns:
        (E, 2, 2) u, v of both ends in pixels. An edge that reaches behind the source is left out.

    Raises:
        InputError: no triangle has three different corners.
    """
    mesh = join_vertices(mesh)  # a triangle without area faces nowhere
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = np.einsum("ij,ij->i", normals, camera.source - corners[:, 0]) > 0
    sides = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], -1).reshape(-1, 2)
    edges, index, uses = np.unique(
        np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    facing = np.bincount(index.reshape(-1), np.repeat(towards, 3), len(edges))
    chosen = ((facing > 0) & (facing < uses)) | (uses == 1)
    pixels, _ = camera.project(mesh.vertices[edges[chosen]])
    return pixels[np.isfinite(pixels).all(axis=(1, 2))]


def _label_values(labels: Image, values: Sequence[int] | None) -> list[int]:
    found = np.unique(labels.array)
    if not (np.isfinite(found).all() and (found == np.round(found)).all()):
        raise InputError("the label volume has values that are no whole numbers")
    there = [int(n) for n in found]
    wanted = [n for n in there if n != 0] if values is None else list(values)
    missing = [n for n in wanted if n not in there]
    if missing:
        raise InputError(f"label {missing[0]} is not in the label volume; it has {_short(there)}")
    if not 0 < len(wanted) <= MOST_LABELS:
        raise InputError(
            f"the label volume has {len(wanted)} labels, 1 to {MOST_LABELS} were expected"
        )
    return wanted


def _short(values: list[int]) -> str:
    return ", ".join(map(str, values[:20])) + (", …" if len(values) > 20 else "")


def crop_label(labels: Image, value: int) -> tuple[NDArray[np.float32], Matrix]:
    """Membership of one label that is there, in its bounding box with a margin of a voxel.

    Returns:
        (K, J, I) float32, 0 and 1, and ``ijk_from_ras`` of the box.
    """
    found = labels.array == value
    slices, shift = [], np.eye(4)
    for axis in range(3):
        others = tuple(n for n in range(3) if n != axis)
        (indices,) = np.nonzero(found.any(axis=others))
        start, stop = max(int(indices[0]) - 1, 0), int(indices[-1]) + 2
        slices.append(slice(start, stop))
        shift[2 - axis, 3] = -start
    return found[tuple(slices)].astype(np.float32), shift @ labels.ijk_from_ras


def _about(quantity: str, unit: str, camera: Camera) -> dict[str, Any]:
    return {"quantity": quantity, "unit": unit, "camera": camera.to_dict()}
