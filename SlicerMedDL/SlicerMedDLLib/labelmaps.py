"""Label maps of segmentations on the voxels of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from meddl.core.image import Image
from SlicerMedDLLib.transforms import world_from_node

Box = tuple[slice, slice, slice]
_NOWHERE: Box = (slice(0, 0), slice(0, 0), slice(0, 0))


def grid_of(image: Image) -> Any:
    """The geometry of an image in Slicer's type, without voxels."""
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(*image.array.shape[2::-1])
    grid.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(image.ras_from_ijk))
    return grid


def sampled(labelmap: Any, node: Any, reference: Image) -> tuple[Box, NDArray[Any]]:
    """A label map of a segmentation on the voxels of an image, nearest neighbour.

    Where its voxels are voxels of the image they are copied, otherwise Slicer samples them: in
    160x400x400 voxels 0 to 10 ms by the size of the label map, or 80 ms.

    Args:
        labelmap: ``vtkOrientedImageData``, or None for an empty one.
        node: its segmentation; parent transforms, linear or not, are honoured.
        reference: gives the geometry (K, J, I).

    Returns:
        The box k, j, i of the image outside which all is 0, and a copy of the values there.
    """
    if labelmap is None or labelmap.GetNumberOfPoints() == 0:
        return _NOWHERE, np.zeros((0, 0, 0), np.uint8)
    shift = _shift(labelmap, node, reference)
    if shift is None:
        return _resampled(labelmap, node, reference)
    values = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    low = np.array(labelmap.GetExtent()[::2]) + shift
    size, whole = labelmap.GetDimensions(), reference.array.shape[2::-1]
    parts = [
        (int(a), max(0, -int(a)), min(n, m - int(a)))
        for a, n, m in zip(low, size, whole, strict=True)
    ]
    if any(stop <= start for _a, start, stop in parts):
        return _NOWHERE, np.zeros((0, 0, 0), values.dtype)
    k, j, i = (slice(a + start, a + stop) for a, start, stop in parts[::-1])
    inside = tuple(slice(start, stop) for _a, start, stop in parts[::-1])
    return (k, j, i), values.reshape(size[::-1])[inside].copy()


def _shift(labelmap: Any, node: Any, reference: Image) -> NDArray[np.int64] | None:
    """What to add to an index i, j, k of a label map for that of the image; None off its grid.

    Over the whole image a voxel may be off by a hundredth.
    """
    parent = node.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        return None
    local_from_ijk = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(local_from_ijk)
    ras_from_ijk = world_from_node(node) @ slicer.util.arrayFromVTKMatrix(local_from_ijk)
    offset = (reference.ijk_from_ras @ ras_from_ijk - np.eye(4))[:3]
    shift = np.rint(offset[:, 3])
    offset[:, 3] -= shift
    reach = [*(reference.array.shape[2::-1] + np.abs(shift)), 1]
    return shift.astype(np.int64) if (np.abs(offset) @ reach < 0.01).all() else None


def _resampled(labelmap: Any, node: Any, reference: Image) -> tuple[Box, NDArray[Any]]:
    to_world = None
    if node.GetParentTransformNode() is not None:
        to_world = vtk.vtkGeneralTransform()
        node.GetParentTransformNode().GetTransformToWorld(to_world)
    found = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, grid_of(reference), found, False, False, to_world
    )
    shape = reference.array.shape[:3]
    k, j, i = (slice(0, n) for n in shape)
    return (k, j, i), vtk_to_numpy(found.GetPointData().GetScalars()).reshape(shape).copy()
