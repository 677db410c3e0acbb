"""The pose of a radiograph in the scene against a CT: what the library's registration takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from DeepDRRModuleLib.radiographs import QUANTITY, camera_of, is_radiograph
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.registration_parameters import RegistrationParameters
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.volumes import image_from_volume


def known_quantity(fixed: Any) -> str | None:
    """What a radiograph of this module holds; None for other volumes."""
    return fixed.GetAttribute(QUANTITY) if fixed is not None and is_radiograph(fixed) else None


def start_camera(fixed: Any, carm: CArm, center: tuple[float, float, float]) -> Camera:
    """Where the search starts: the pose of ``carm`` with the intrinsics of the radiograph.

    A radiograph of this module has intrinsics of its own; another picture has those of ``carm``.

    Raises:
        InputError: no volume, or another size than the detector's.
    """
    require_node(fixed, "vtkMRMLScalarVolumeNode", "radiograph")
    start = carm.camera(center)
    if is_radiograph(fixed):
        own = camera_of(fixed)
        start = replace(start, K=own.K, size=own.size)
    data = fixed.GetImageData()
    size = data.GetDimensions() if data is not None else (0, 0, 0)
    if size != (*start.size, 1):
        raise InputError(
            f"{describe(fixed)} has {'x'.join(map(str, size))} pixels, the detector of the C-arm "
            f"{start.size[0]}x{start.size[1]}; set columns, rows and pixel spacing as they were"
        )
    return start


def fixed_picture(fixed: Any) -> Image:
    """The picture of a radiograph node; its place in the scene does not matter."""
    return image_from_volume(fixed)


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
    require("torch", "registration")
    from meddl.deepdrr.registration import register

    return register(ct, radiograph, start, parameters, progress=progress, cancel=cancel)


def carm_at(found: Camera, carm: CArm) -> CArm:
    """``carm`` moved to the pose of a camera; its distances and its detector stay."""
    pose = found.world_from_camera.copy()
    pose[:3, 3] += carm.source_isocenter * pose[:3, 2]
    return carm.moved(pose)
