"""Segmentations: MRML segmentation nodes <-> label images with names, colours and terminology."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from meddl.core.errors import FileError, InputError
from meddl.core.files import read_json
from meddl.core.image import Image
from SlicerMedDLLib.labelmaps import Box, grid_of, sampled
from SlicerMedDLLib.nodes import describe, new_node, require_node
from SlicerMedDLLib.volumes import vtk_image

# Translated here: a worker must not (see tasks).
NO_LABEL = _("segment {name!r} has label {label}, 1 or more is expected")
NO_COLOR = _("segment {name!r} has colour {color}; red, green and blue of 0..1 are expected")


@dataclass(frozen=True)
class Segment:
    """One structure of a label image.

    Attributes:
        label: its voxel value, positive.
        name: what it is called.
        color: red, green, blue, each 0..1.
        terminology: Slicer's terminology entry (see :func:`terminology_entry`); "" for none.
        id: the segment's id in its node; "" outside the scene.

    Raises:
        InputError: a label below 1 or a colour that is none.
    """

    label: int
    name: str
    color: tuple[float, float, float]
    terminology: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if self.label < 1:
            raise InputError(NO_LABEL.format(name=self.name, label=self.label))
        if len(self.color) != 3 or not all(0 <= c <= 1 for c in self.color):
            raise InputError(NO_COLOR.format(name=self.name, color=self.color))


def terminology_entry(
    type_code: str,
    type_meaning: str,
    category_code: str = "123037004",
    category_meaning: str = "Anatomical Structure",
    scheme: str = "SCT",
) -> str:
    """Slicer's text form of a DICOM segmented property (category and type, no region or modifier).

    Args:
        type_code, type_meaning: Segmented Property Type (0062,000F), for example
            ``"10200004", "Liver"``.
        category_code, category_meaning: Segmented Property Category (0062,0003).
        scheme: coding scheme designator of both; SNOMED CT by default.
    """
    category = f"{scheme}^{category_code}^{category_meaning}"
    kind = f"{scheme}^{type_code}^{type_meaning}"
    context = "Segmentation category and type - 3D Slicer General Anatomy list"
    return f"{context}~{category}~{kind}~^^~Anatomic codes - DICOM master list~^^~^^"


def read_segments(path: str | Path) -> list[Segment]:
    """Read a table of labels: JSON, label -> ``{"name", "color": [r, g, b], "terminology"}``.

    Raises:
        FileError: missing, no JSON, or an entry that is no segment; the message names it.
    """
    table = read_json(path, _("label table"))
    try:
        return [
            Segment(
                int(label),
                str(entry["name"]),
                tuple(float(c) for c in entry["color"]),  # type: ignore[arg-type]
                str(entry.get("terminology", "")),
            )
            for label, entry in table.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(
            _("{path} is no label table (label -> name, color, terminology): {error!r}").format(
                path=path, error=error
            )
        ) from error


def _generic_segment(label: int) -> Segment:
    hue = (label * 0.618034) % 1.0  # steps of the golden ratio keep neighbouring labels apart
    return Segment(label, f"label {label}", hsv_to_rgb(hue, 0.7, 0.9))


def _binary() -> str:
    return str(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())


def _oriented_image(image: Image) -> Any:
    """Copy of a label image in Slicer's type for binary label maps."""
    oriented = slicer.vtkOrientedImageData()
    oriented.ShallowCopy(vtk_image(image.array))
    oriented.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(image.ras_from_ijk))
    return oriented


def segmentation_from_labels(
    image: Image, segments: Iterable[Segment] = (), name: str = "Segmentation"
) -> Any:
    """A new segmentation node with one segment for every label that occurs in ``image``.

    Args:
        image: whole numbers (K, J, I), 0 is background.
        segments: names, colours and terminology by label; a label without an entry becomes
            ``"label N"``. Entries whose label does not occur make no segment.
        name: of the node.

    Raises:
        InputError: not whole numbers, negative labels, or two entries for one label.
    """
    if not np.issubdtype(image.array.dtype, np.integer) or image.components != 1:
        raise InputError(
            _(
                "a label image holds one whole number per voxel, got {dtype} with {components} "
                "values per voxel"
            ).format(dtype=image.array.dtype, components=image.components)
        )
    labels = [int(n) for n in np.unique(image.array)]
    if labels[0] < 0:
        raise InputError(
            _("the label image has the value {labels}; labels are 0 or positive").format(
                labels=labels[0]
            )
        )
    table: dict[int, Segment] = {}
    for entry in segments:
        if entry.label in table:
            first = table[entry.label].name
            raise InputError(
                _("{first!r} and {name!r} both have label {label}").format(
                    first=first, name=entry.name, label=entry.label
                )
            )
        table[entry.label] = entry
    oriented = _oriented_image(image)  # shared by all segments: one layer, as Slicer stores it
    node = new_node("vtkMRMLSegmentationNode", name)
    with slicer.util.NodeModify(node):
        for label in labels:
            if label > 0:
                _add_segment(node, oriented, table.get(label) or _generic_segment(label))
    return node


def segmentation_from_masks(
    masks: Iterable[tuple[Segment, Image]], name: str = "Segmentation"
) -> Any:
    """A new segmentation node with one segment per mask; segments may overlap.

    Args:
        masks: segment and its mask, uint8 (K, J, I) of 0 and 1.
        name: of the node.
    """
    node = new_node("vtkMRMLSegmentationNode", name)
    with slicer.util.NodeModify(node):
        for entry, mask in masks:
            _add_segment(node, _oriented_image(mask), replace(entry, label=1))
    return node


def _add_segment(node: Any, oriented: Any, entry: Segment) -> None:
    segment = slicer.vtkSegment()
    segment.SetName(entry.name)
    segment.SetColor(*entry.color)
    segment.SetNameAutoGenerated(False)  # a change of the terminology keeps both
    segment.SetColorAutoGenerated(False)
    segment.SetLabelValue(entry.label)
    if entry.terminology:
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry.terminology)
    segment.AddRepresentation(_binary(), oriented)
    node.GetSegmentation().AddSegment(segment, entry.id)


def _with_binary_labelmaps(node: Any, reference: Image) -> Any:
    """The node's vtkSegmentation, or a converted copy where it has closed surfaces only."""
    segmentation = node.GetSegmentation()
    if segmentation.ContainsRepresentation(_binary()):
        return segmentation
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    copy.SetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(),
        slicer.vtkSegmentationConverter.SerializeImageGeometry(grid_of(reference)),
    )
    if not copy.CreateRepresentation(_binary()):
        raise InputError(
            _("{node} cannot be converted to voxels; show it as label map").format(
                node=describe(node)
            )
        )
    return copy


def _labels(own: list[int]) -> list[int]:
    """The segments' own values if they differ and fit into int16, otherwise 1, 2, …"""
    usable = len(set(own)) == len(own) and min(own) > 0 and max(own) <= np.iinfo(np.int16).max
    return own if usable else list(range(1, len(own) + 1))


@dataclass(frozen=True, eq=False)
class Layer:
    """Segments that share a label map, in the voxels of an image; no nodes, for any thread.

    Attributes:
        box: slices k, j, i of the image; outside it the segments have no voxels.
        values: a copy of the label map in the box.
        segments: value in ``values`` and segment of each.
    """

    box: Box
    values: NDArray[Any]
    segments: list[tuple[int, Segment]]


def layers_of_segmentation(
    node: Any, reference: Image, segment_ids: Sequence[str] | None = None
) -> Iterator[Layer]:
    """The segments in their order as layers on the voxels of ``reference``.

    Read by :func:`labelmaps.sampled`; neighbours in this order that share a layer are read once:
    61 structures without overlap cost one copy.

    Raises:
        InputError: no segmentation, no segments, or an unknown id.
    """
    own = require_node(node, "vtkMRMLSegmentationNode", _("segmentation")).GetSegmentation()
    known = list(own.GetSegmentIDs())
    if not known:
        raise InputError(
            _("{node} has no segments; draw or import one first").format(node=describe(node))
        )
    unknown = [one for one in segment_ids or () if one not in known]
    if unknown:
        raise InputError(
            _("{node} has no segment {segment!r}; there is: {known}").format(
                node=describe(node), segment=unknown[0], known=known
            )
        )
    ids = known if segment_ids is None else list(segment_ids)
    labels = _labels([own.GetSegment(one).GetLabelValue() for one in ids])
    segmentation = _with_binary_labelmaps(node, reference)
    found = []
    for segment_id, label in zip(ids, labels, strict=True):
        one = segmentation.GetSegment(segment_id)
        entry = Segment(label, one.GetName(), one.GetColor(), one.GetTerminology(), segment_id)
        found.append((one.GetRepresentation(_binary()), one.GetLabelValue(), entry))
    for _image, group in groupby(found, key=lambda item: id(item[0])):
        members = list(group)
        box, values = sampled(members[0][0], node, reference)
        yield Layer(box, values, [(value, entry) for _image, value, entry in members])


def painted(
    layers: Iterable[Layer], values: Mapping[str, int], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Segments as one array, later ones over earlier ones.

    Args:
        layers: from :func:`layers_of_segmentation`.
        values: segment id -> its value in the array, 1..255.
        shape: K, J, I of the reference of the layers.

    Returns:
        (K, J, I) uint8, 0 where no segment is.
    """
    found = np.zeros(shape, np.uint8)
    for layer in layers:
        for value, segment in layer.segments:
            np.copyto(found[layer.box], values[segment.id], where=layer.values == value)
    return found


def masks_from_segmentation(
    node: Any, reference: Image, segment_ids: Sequence[str] | None = None
) -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
    """Each segment as its own mask on the voxels of ``reference``; overlaps are no problem.

    Sampling is nearest-neighbour; parent transforms, linear or not, are honoured.

    Args:
        node: segmentation node.
        reference: gives the geometry (K, J, I).
        segment_ids: which segments, in this order; all by default.

    Yields:
        The segment and its mask, uint8 (K, J, I) of 0 and 1.

    Raises:
        InputError: no segmentation, no segments, or an unknown id.
    """
    for layer in layers_of_segmentation(node, reference, segment_ids):
        for value, entry in layer.segments:
            mask = np.zeros(reference.array.shape[:3], np.uint8)
            mask[layer.box] = layer.values == value
            yield entry, mask


def labelmap_from_segmentation(
    node: Any, reference: Image, segment_ids: Sequence[str] | None = None
) -> tuple[Image, list[Segment]]:
    """All segments as one label image on the voxels of ``reference``.

    The segments' own label values are kept where they differ from each other, otherwise they are
    numbered from 1 in their order (two layers of a segmentation may use the same value).

    Returns:
        The label image, int16 (K, J, I), and its segments.

    Raises:
        InputError: as :func:`masks_from_segmentation`, and if two segments overlap.
    """
    labels = np.zeros(reference.array.shape[:3], np.int16)
    entries: dict[int, Segment] = {}
    for layer in layers_of_segmentation(node, reference, segment_ids):
        label_of_value = np.zeros(int(layer.values.max(initial=0)) + 1, np.int16)
        for value, entry in layer.segments:
            entries[entry.label] = entry
            label_of_value[value : value + 1] = entry.label  # a segment may have no voxels here
        part, before = label_of_value[layer.values], labels[layer.box]
        overlap = (before > 0) & (part > 0)
        if overlap.any():
            names = [entries[int(some[overlap][0])].name for some in (before, part)]
            raise InputError(
                _(
                    "the segments {first!r} and {second!r} overlap in {voxels} voxels; "
                    "a label image holds one value per voxel, select segments that do not "
                    "overlap"
                ).format(first=names[0], second=names[1], voxels=np.count_nonzero(overlap))
            )
        before += part
    return Image(labels, reference.ras_from_ijk, {"name": node.GetName()}), list(entries.values())
