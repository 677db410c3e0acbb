"""Radiographs in the scene: volume nodes that know their camera, quantity and parameters."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import slicer
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.parameters import from_dict
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.display import WINDOWS, display_picture
from meddl.deepdrr.radiograph import RenderParameters, picture_geometry
from SlicerMedDLLib.display import set_window, show_picture
from SlicerMedDLLib.nodes import describe
from SlicerMedDLLib.volumes import SCALAR, VECTOR, image_from_volume, volume_from_image

# Names of the node attributes; all but the first two hold JSON.
QUANTITY, UNIT = "MedDL.Quantity", "MedDL.Unit"
CAMERA, CARM, PARAMETERS = "MedDL.Camera", "MedDL.CArm", "MedDL.Parameters"
# Roles of node references: the volume that was rendered, and the segmentation of its materials.
CT, SEGMENTATION = "MedDL.CT", "MedDL.Segmentation"


def several_values(parameters: RenderParameters) -> bool:
    """Whether a pixel has more than one value, which only a vector volume holds."""
    return not parameters.one_picture


def require_output(node: Any, volume: Any, parameters: RenderParameters) -> None:
    """Refuse an output node that cannot take the radiograph; None (a new node) always can.

    Raises:
        InputError: the CT itself, or a node of another class than the values of a pixel need.
    """
    if node is None:
        return
    if node is volume:
        raise InputError(
            _("the output is the CT {name!r} itself; select another volume").format(
                name=node.GetName()
            )
        )
    expected = VECTOR if several_values(parameters) else SCALAR
    if node.GetClassName() != expected:
        raise InputError(
            _(
                "{node} cannot hold the quantity {quantity}, a {expected} was expected; "
                "select or create another output volume"
            ).format(node=describe(node), quantity=parameters.quantity, expected=expected)
        )


def radiograph_to_node(
    radiograph: Image, volume: Any, node: Any = None, segmentation: Any = None
) -> Any:
    """Put a radiograph of ``volume`` into a new node or into ``node``, upright in a slice view.

    The window is fixed per quantity, so that radiographs can be compared. It is set when the
    node's quantity changes; a user who adjusted it keeps it.

    Returns:
        ``vtkMRMLScalarVolumeNode``, for the quantity ``path`` a ``vtkMRMLVectorVolumeNode``.
    """
    node = volume_from_image(radiograph, _("{name} radiograph").format(name=volume.GetName()), node)
    record = radiograph.metadata
    if node.GetAttribute(QUANTITY) != record["quantity"]:
        _set_window(node, record["quantity"], radiograph)
    node.SetAttribute(QUANTITY, record["quantity"])
    node.SetAttribute(UNIT, record["unit"])
    for attribute, key in ((CAMERA, "camera"), (CARM, "carm"), (PARAMETERS, "parameters")):
        node.SetAttribute(attribute, json.dumps(record[key]) if key in record else None)
    node.SetNodeReferenceID(CT, volume.GetID())
    node.SetNodeReferenceID(SEGMENTATION, segmentation.GetID() if segmentation else None)
    return node


def over_the_pixels_of(radiograph: Image, carm: CArm, factor: int) -> Image:
    """A radiograph of ``carm.binned(factor)`` where the one of ``carm`` would lie."""
    fine_from_coarse = np.diag([factor, factor, 1.0, 1.0])
    fine_from_coarse[:2, 3] = (factor - 1) / 2
    ras_from_ijk = picture_geometry(carm) @ fine_from_coarse
    return Image(radiograph.array, ras_from_ijk, radiograph.metadata)


def _set_window(node: Any, quantity: str, radiograph: Image) -> None:
    """Bone is white: intensity and energy, which bone lowers, use the inverted grey table.

    The window of intensity is that of its negative logarithm, seen through the exponential.
    """
    low, high = WINDOWS.get(quantity, (0.0, 1.0))
    if quantity == "intensity":
        low, high = math.exp(-high), math.exp(-low)
    elif quantity not in WINDOWS:
        low, high = float(radiograph.array.min()), float(radiograph.array.max())
    set_window(node, low, max(high, low + 1e-6))
    inverted = quantity in ("intensity", "energy")
    node.GetDisplayNode().SetAndObserveColorNodeID(
        "vtkMRMLColorTableNodeInvertedGrey" if inverted else "vtkMRMLColorTableNodeGrey"
    )


def is_radiograph(node: Any) -> bool:
    """Whether this module made the volume."""
    return bool(node.GetAttribute(CAMERA))


def ct_of(node: Any) -> Any:
    """The volume that was rendered; None if it is no longer in the scene."""
    return node.GetNodeReference(CT)


def camera_of(node: Any) -> Camera:
    """The camera that took the radiograph in ``node``.

    Raises:
        InputError: no node, or a volume that this module did not make.
    """
    text = node.GetAttribute(CAMERA) if node is not None else None
    if not text:
        what = describe(node) if node is not None else _("no volume")
        raise InputError(
            _("{what} was given, a radiograph made by this module was expected").format(what=what)
        )
    return Camera.from_dict(_json(node, CAMERA), describe(node))


def record_of(node: Any) -> tuple[CArm, RenderParameters]:
    """The C-arm and the parameters that a radiograph was made with.

    Raises:
        InputError: no radiograph of this module, one that a camera took, or a damaged record.
    """
    camera_of(node)
    if not node.GetAttribute(CARM):
        raise InputError(
            _("{node} was taken by a camera, not by a C-arm with angles").format(
                node=describe(node)
            )
        )
    carm, parameters = _json(node, CARM), _json(node, PARAMETERS)
    whose = describe(node)
    return (
        from_dict(CArm, carm, _("the C-arm of {node}").format(node=whose)),
        from_dict(RenderParameters, parameters, _("the parameters of {node}").format(node=whose)),
    )


def _json(node: Any, attribute: str) -> Any:
    try:
        return json.loads(node.GetAttribute(attribute) or "")
    except json.JSONDecodeError as error:
        raise InputError(
            _("{node} has a damaged record {attribute}: {error}; render it again").format(
                node=describe(node), attribute=attribute, error=error
            )
        ) from error


def radiograph_from_node(node: Any) -> Image:
    """The radiograph with its record, as :func:`meddl.deepdrr.render` returned it.

    Raises:
        InputError: no radiograph of this module, or one that was cropped or resampled since.
    """
    camera = camera_of(node)
    image = image_from_volume(node)
    if image.size != (*camera.size, 1):
        raise InputError(
            _(
                "{node} has {size} pixels, its camera {columns}x{rows}; it was cropped or "
                "resampled, render it again"
            ).format(
                node=describe(node),
                size="x".join(map(str, image.size)),
                columns=camera.size[0],
                rows=camera.size[1],
            )
        )
    metadata = {
        "quantity": node.GetAttribute(QUANTITY),
        "unit": node.GetAttribute(UNIT),
        "camera": camera.to_dict(),
    }
    for attribute, key in ((CARM, "carm"), (PARAMETERS, "parameters")):
        if node.GetAttribute(attribute):
            metadata[key] = _json(node, attribute)
    return Image(image.array, image.ras_from_ijk, {**image.metadata, **metadata})


def detector_picture(node: Any, carm: CArm, center: ArrayLike) -> NDArray[np.uint8] | None:
    """(H, W) grey picture of a radiograph for the detector plane of a C-arm.

    None if it was taken from another pose or holds several values per pixel.

    Args:
        center: (3,) RAS mm, the isocentre if ``carm`` names none.
    """
    taken = camera_of(node)
    factor = max(1, round(carm.detector_size[0] / taken.size[0]))
    camera = carm.binned(factor).camera(center)
    if taken.size != camera.size or not np.allclose(taken.P, camera.P, rtol=1e-9, atol=1e-6):
        return None
    return grey_picture(node)


def grey_picture(node: Any) -> NDArray[np.uint8] | None:
    """(H, W) grey picture of a radiograph; None if it holds several values per pixel."""
    radiograph = radiograph_from_node(node)
    return display_picture(radiograph) if radiograph.components == 1 else None


def points_on_radiograph(
    ras: ArrayLike, node: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where world points lie in the picture plane of a radiograph node.

    Args:
        ras: (N, 3) RAS mm.

    Returns:
        (N, 3) positions in RAS mm on the picture as the slice views show it (NaN behind the
        source), and (N,) depth from the source in mm.
    """
    pixels, depth = camera_of(node).project(ras)
    picture = radiograph_from_node(node)
    ijk = np.concatenate([pixels, np.zeros((len(pixels), 1))], axis=1)
    return apply(picture.ras_from_ijk, ijk), depth


def show(node: Any, flipped: bool = False) -> None:
    """Show a radiograph whole in the Red slice view.

    Args:
        flipped: mirror the view left to right (radiological view); the voxels stay.
    """
    show_picture(node, "Red")
    view = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    if view is not None:
        # The picture's columns run along -R, and so does the view's x axis unless it is flipped.
        view.GetSliceToRAS().SetElement(0, 0, 1.0 if flipped else -1.0)
        view.UpdateMatrices()
