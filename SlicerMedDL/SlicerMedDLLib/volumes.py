"""Volumes: MRML scalar, vector and label-map volumes <-> :class:`meddl.core.Image`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from meddl.core.errors import InputError
from meddl.core.image import Image
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.transforms import node_from_world, world_from_node

SCALAR = "vtkMRMLScalarVolumeNode"
VECTOR = "vtkMRMLVectorVolumeNode"
LABELS = "vtkMRMLLabelMapVolumeNode"
_READABLE = (SCALAR, VECTOR, LABELS, "vtkMRMLStreamingVolumeNode")


def deferred_view(node: Any) -> Callable[[], Image]:
    """A function that makes :func:`view_of_volume`'s image, in any thread.

    The node is looked at now, in 0.05 ms; making the image takes 0.3 ms, which adds up in a video.

    Raises:
        InputError: as :func:`view_of_volume`.
    """
    require_node(node, "vtkMRMLVolumeNode", _("volume"))
    if node.GetClassName() not in _READABLE:
        raise InputError(
            _("{node} was given, a scalar or colour volume was expected").format(
                node=describe(node)
            )
        )
    data = node.GetImageData()
    scalars = data.GetPointData().GetScalars() if data is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise InputError(
            _("{node} holds no voxels; load or create its image first").format(node=describe(node))
        )
    shape, name = data.GetDimensions()[::-1], node.GetName()
    local_from_ijk = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(local_from_ijk)
    world_from_local = world_from_node(node)

    def make() -> Image:
        components = scalars.GetNumberOfComponents()
        view = vtk_to_numpy(scalars).reshape(shape if components == 1 else (*shape, components))
        ras_from_ijk = world_from_local @ slicer.util.arrayFromVTKMatrix(local_from_ijk)
        return Image(view, ras_from_ijk, {"name": name})

    return make


def view_of_volume(node: Any) -> Image:
    """A volume node as an image that shares its memory: its voxels are the node's.

    Linear parent transforms are folded into ``ras_from_ijk``, so that the image lies where the
    views show it. ``metadata["name"]`` is the node's name.

    Args:
        node: scalar, label-map or vector volume; vectors (RGB) become (K, J, I, C).

    Raises:
        InputError: no node, no voxels, a tensor or diffusion volume, or a non-linear parent.
    """
    return deferred_view(node)()


def image_from_volume(node: Any) -> Image:
    """A copy of :func:`view_of_volume`, which later changes of the node do not reach.

    Raises:
        InputError: as there.
    """
    image = view_of_volume(node)
    return image.with_array(image.array.copy())


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """``array`` in a type that Slicer renders; 64-bit integers become 32-bit if they fit."""
    if array.dtype in (np.int64, np.uint64):
        low, high = int(array.min()), int(array.max())
        for dtype in (np.int32, np.uint32):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return array.astype(dtype)
        raise InputError(
            _(
                "the image has integers from {low} to {high}, Slicer shows 32 bits at most; "
                "convert it to floating point"
            ).format(low=low, high=high)
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def vtk_image(array: NDArray[Any]) -> vtk.vtkImageData:
    """A copy of ``array`` (K, J, I[, C]) as vtkImageData, unit spacing (the node has the geometry).

    Raises:
        InputError: integers that do not fit into 32 bits.
    """
    array = np.ascontiguousarray(_storable(array))
    data = vtk.vtkImageData()
    data.SetDimensions(*array.shape[2::-1])
    flat = array.reshape(-1) if array.ndim == 3 else array.reshape(-1, array.shape[3])
    scalars = numpy_to_vtk(flat, deep=True)
    scalars.SetName("ImageScalars")
    data.GetPointData().SetScalars(scalars)
    return data


def volume_from_image(
    image: Image, name: str = "", node: Any = None, class_name: str | None = None
) -> Any:
    """Put ``image`` into a volume node; everything is checked before the node changes.

    Args:
        image: one component -> scalar volume, several -> vector volume.
        name: of a new node; by default the image's ``metadata["name"]``.
        node: an existing volume to replace. Its parent transform stays and is allowed for, so
            that the image still lies at its ``ras_from_ijk`` in the world.
        class_name: of a new node; :data:`LABELS` for a label map.

    Returns:
        The node, with display nodes.

    Raises:
        InputError: components or dtype do not fit the class, or ``node`` has a non-linear parent.
    """
    if image.components == 1 and image.array.ndim == 4:
        image = image.with_array(image.array[..., 0])
    if node is not None:
        class_name = require_node(node, "vtkMRMLVolumeNode", _("volume")).GetClassName()
    elif class_name is None:
        class_name = SCALAR if image.components == 1 else VECTOR
    if (image.components > 1) != (class_name == VECTOR):
        raise InputError(
            _(
                "the image has {components} values per voxel, which does not fit the class "
                "{class_name}; select another output"
            ).format(components=image.components, class_name=class_name)
        )
    if class_name == LABELS and not np.issubdtype(image.array.dtype, np.integer):
        raise InputError(
            _("a label map holds whole numbers, the image has {dtype}").format(
                dtype=image.array.dtype
            )
        )
    data = vtk_image(image.array)
    local_from_world = np.eye(4) if node is None else node_from_world(node)
    local_from_ijk = slicer.util.vtkMatrixFromArray(local_from_world @ image.ras_from_ijk)
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetName(
            slicer.mrmlScene.GenerateUniqueName(name or image.metadata.get("name", "Volume"))
        )
    with slicer.util.NodeModify(node):
        node.SetIJKToRASMatrix(local_from_ijk)
        node.SetAndObserveImageData(data)
    if node.GetScene() is None:
        # The node enters the scene complete, so that nobody sees it without voxels.
        node = slicer.mrmlScene.AddNode(node)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node
