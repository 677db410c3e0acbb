"""What segments and models of the scene are made of, as labels and solids for the renderer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer
import vtk

from DeepDRRModuleLib.carmnodes import PART
from meddl.core.image import Image
from meddl.deepdrr.compositions import find_material, material_table
from meddl.deepdrr.labels import Labels, material_of
from meddl.deepdrr.solids import Solid
from SlicerMedDLLib.models import mesh_from_model
from SlicerMedDLLib.nodes import describe
from SlicerMedDLLib.segmentations import labelmap_from_segmentation
from SlicerMedDLLib.transforms import world_from_node

MATERIAL = "MedDL.Material"  # tag of a segment, attribute of a model; saved with them
BINARY = "Binary labelmap"  # Slicer's name of the representation
BY_VALUE = ("skeleton", "vessel", "threshold")  # classes that HU divide; see meddl.deepdrr.labels


def materials_for_segments() -> tuple[str, ...]:
    """What a segment can be made of, for a selector; formulas and iodine can be typed."""
    return (*BY_VALUE, *materials_for_models())


def materials_for_models() -> tuple[str, ...]:
    """What a body can be made of, for a selector; formulas and iodine can be typed."""
    return tuple(dict.fromkeys(material.name for material in material_table().values()))


def segment_material(segmentation: Any, segment_id: str) -> str:
    """The chosen material of a segment, or what its terminology and name say; else thresholds."""
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    chosen = _tag(segment)
    return chosen or material_of(segment.GetName(), segment.GetTerminology()) or "threshold"


def set_segment_material(segmentation: Any, segment_id: str, material: str) -> None:
    """Choose a segment's material; an empty text leaves it to terminology and name.

    Raises:
        InputError: an unknown material.
    """
    if material and material not in BY_VALUE:
        find_material(material)
    segmentation.GetSegmentation().GetSegment(segment_id).SetTag(MATERIAL, material)
    segmentation.Modified()


def _tag(segment: Any) -> str:
    value = vtk.reference("")
    return str(value.get()) if segment.GetTag(MATERIAL, value) else ""


def labels_from_segmentation(node: Any, reference: Image) -> tuple[Labels, dict[int, str]]:
    """A segmentation on the voxels of a CT, each segment of its material; and the names by label.

    Raises:
        InputError: no segmentation, no segments, segments that overlap, or an unknown material.
    """
    image, segments = labelmap_from_segmentation(node, reference)
    labels = Labels(image, {one.label: segment_material(node, one.id) for one in segments})
    return labels, {one.label: one.name for one in segments}


def surface_models() -> list[Any]:
    """The models of the scene that a user made or loaded."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLModelNode")
        if not node.GetHideFromEditors() and not node.GetAttribute(PART)
    ]


def model_material(node: Any) -> str:
    """The material of a model; empty if it casts no shadow."""
    return node.GetAttribute(MATERIAL) or ""


def set_model_material(node: Any, material: str) -> None:
    """Put a model into the beam, or with an empty text out of it.

    Raises:
        InputError: an unknown material, an open surface, or no surface.
    """
    if material:
        solid_from_model(node, material)
    node.SetAttribute(MATERIAL, material or None)


def solid_from_model(node: Any, material: str) -> Solid:
    """A model as a body of one material, where the views show it.

    Raises:
        InputError: an unknown material, an open surface, or no surface.
    """
    return Solid(mesh_from_model(node), material, name=describe(node))


def solids_of(models: Iterable[Any]) -> list[Solid]:
    """The bodies of those models that have a material; same errors as :func:`solid_from_model`."""
    return [
        solid_from_model(node, material) for node in models if (material := model_material(node))
    ]


def placed(node: Any, data: Any) -> tuple[Any, ...]:
    """Changes with what a node holds and with where it lies, for a cache.

    Raises:
        InputError: a parent transform that is not linear.
    """
    matrix = world_from_node(node)
    if node.IsA("vtkMRMLVolumeNode"):
        own = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(own)
        matrix = matrix @ slicer.util.arrayFromVTKMatrix(own)
    return node.GetID(), data.GetMTime() if data is not None else None, matrix.tobytes()


def state_of(segmentation: Any) -> tuple[Any, ...]:
    """Changes with the segments, their voxels and their materials, for a cache."""
    own = segmentation.GetSegmentation()
    segments = []
    for segment_id in own.GetSegmentIDs():
        voxels = own.GetSegment(segment_id).GetRepresentation(BINARY)
        changed = voxels.GetMTime() if voxels is not None else None
        segments.append((segment_id, segment_material(segmentation, segment_id), changed))
    return *placed(segmentation, own), *segments
