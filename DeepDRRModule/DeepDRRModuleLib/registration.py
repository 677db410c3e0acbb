"""The pose of a radiograph in the scene against a CT: what the library's registration takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from DeepDRRModuleLib.radiographs import QUANTITY, camera_of, is_radiograph, show
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.radiograph import render
from meddl.deepdrr.registration_parameters import RegistrationParameters
from SlicerMedDLLib.display import set_window
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.volumes import image_from_volume, volume_from_image

# Translated here: a worker must not (see tasks).
REGISTRATION = _("registration")

COMPARISON = "MedDL.Comparison"  # role of the node reference from a radiograph
SQUARES = 8  # along the longer side


def known_quantity(fixed: Any) -> str | None:
    """What a radiograph of this module holds; None for other volumes."""
    return fixed.GetAttribute(QUANTITY) if fixed is not None and is_radiograph(fixed) else None


def start_camera(fixed: Any, carm: CArm, center: tuple[float, float, float]) -> Camera:
    """Where the search starts: the pose of ``carm`` with the intrinsics of the radiograph.

    A radiograph of this module has intrinsics of its own; another picture has those of ``carm``.

    Raises:
        InputError: no volume, or another size than the detector's.
    """
    require_node(fixed, "vtkMRMLScalarVolumeNode", _("radiograph"))
    start = carm.camera(center)
    if is_radiograph(fixed):
        own = camera_of(fixed)
        start = replace(start, K=own.K, size=own.size)
    data = fixed.GetImageData()
    size = data.GetDimensions() if data is not None else (0, 0, 0)
    if size != (*start.size, 1):
        raise InputError(
            _(
                "{node} has {size} pixels, the detector of the C-arm {columns}x{rows}; set "
                "columns, rows and pixel spacing as they were"
            ).format(
                node=describe(fixed),
                size="x".join(map(str, size)),
                columns=start.size[0],
                rows=start.size[1],
            )
        )
    return start


def fixed_picture(fixed: Any, mirrored: bool = False) -> Image:
    """The picture of a radiograph node; its place in the scene does not matter.

    Args:
        mirrored: turn it left to right, if it is none of this module.
    """
    picture = image_from_volume(fixed)
    if not mirrored or is_radiograph(fixed):
        return picture
    return picture.with_array(np.ascontiguousarray(picture.array[:, :, ::-1]))


def find_pose(
    ct: Image,
    radiograph: Image,
    start: Camera,
    parameters: RegistrationParameters,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Any:
    """:func:`meddl.deepdrr.register`, imported where it runs: PyTorch takes seconds to load.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    require("torch", REGISTRATION)
    from meddl.deepdrr.registration import register

    return register(ct, radiograph, start, parameters, progress=progress, cancel=cancel)


def find_and_compare(
    ct: Image,
    radiograph: Image,
    start: Camera,
    parameters: RegistrationParameters,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[Any, Image]:
    """:func:`find_pose`, and the radiograph and the CT's there as a :func:`checkerboard`."""
    part = subprogress(progress, 0.0, 0.95)
    found = find_pose(ct, radiograph, start, parameters, progress=part, cancel=cancel)
    part = subprogress(progress, 0.95, 1.0)
    rendered = render(ct, found.camera, quantity=parameters.quantity, progress=part, cancel=cancel)
    return found, checkerboard(radiograph, rendered)


def checkerboard(fixed: Image, rendered: Image) -> Image:
    """Squares of two radiographs in turn; where the pose is right, outlines run on across them.

    Args:
        fixed, rendered: (1, H, W) of one size; the first square is of ``fixed``.

    Returns:
        float32 (1, H, W) where ``fixed`` lies; each picture's 1st and 99th percentile are 0 and 1.
    """
    levels = []
    for image in (fixed, rendered):
        values = image.array.astype(np.float32)
        low, high = np.percentile(values, (1, 99))
        levels.append(np.clip((values - low) / max(high - low, 1e-6), 0, 1).astype(np.float32))
    side = max(fixed.array.shape[1:]) / SQUARES
    row, column = np.indices(fixed.array.shape[1:])
    odd = (row // side + column // side) % 2 == 1
    return Image(np.where(odd, levels[1], levels[0]), fixed.ras_from_ijk)


def comparison_to_node(picture: Image, fixed: Any) -> Any:
    """Put a checkerboard into the scene and show it; a radiograph has one, which is reused."""
    node = fixed.GetNodeReference(COMPARISON)
    node = volume_from_image(picture, _("{name} beside the CT").format(name=fixed.GetName()), node)
    set_window(node, 0.0, 1.0)
    fixed.SetNodeReferenceID(COMPARISON, node.GetID())
    show(node)
    return node


def carm_at(found: Camera, carm: CArm) -> CArm:
    """``carm`` moved to the pose of a camera; its distances and its detector stay."""
    pose = found.world_from_camera.copy()
    pose[:3, 3] += carm.source_isocenter * pose[:3, 2]
    return carm.moved(pose)
