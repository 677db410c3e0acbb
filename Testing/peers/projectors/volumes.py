"""The volumes and rays that all projectors of a comparison get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from meddl.core import Image
from meddl.deepdrr import Camera, CArm

AIR = 100.0  # HU + 1000 below which a voxel counts as air, 0: the scanner's noise is not empty


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values on disk.

    Attributes:
        name: what the tables call it.
        values: (K, J, I) float32, HU + 1000, 0 in air.
        spacing: mm of i, j, k.
        path: .npy file of the values.
    """

    name: str
    values: NDArray[np.float32]
    spacing: tuple[float, float, float]
    path: Path

    @property
    def size(self) -> NDArray[np.int64]:
        """(3,) voxels along i, j, k."""
        return np.array(self.values.shape[::-1])


def resample(ct: Image, shape: tuple[int, int, int], folder: Path, name: str = "") -> Volume:
    """The CT on a grid of ``shape`` (K, J, I), linear, about its centre.

    The spacing is the same along the axes that have the most voxels, and such that the CT's longest
    edge just fits; an axis with fewer is cut, as a scan is.
    """
    values = np.maximum(ct.array + np.float32(1000), 0).astype(np.float32)
    values[values < AIR] = 0
    spacing = float(np.max(ct.spacing * ct.size)) / max(shape)
    return _on_grid(values, ct, shape, (spacing,) * 3, folder, name)


def resample_deep(ct: Image, across: int, depth: int, folder: Path) -> Volume:
    """A cube of the CT's longest edge with ``depth`` voxels along j and ``across`` along i, k."""
    values = np.maximum(ct.array + np.float32(1000), 0).astype(np.float32)
    values[values < AIR] = 0
    edge = float(np.max(ct.spacing * ct.size))
    spacing = (edge / across, edge / depth, edge / across)
    return _on_grid(values, ct, (across, depth, across), spacing, folder, "")


def _on_grid(
    values: NDArray[np.float32],
    ct: Image,
    shape: tuple[int, int, int],
    spacing: tuple[float, ...],
    folder: Path,
    name: str,
) -> Volume:
    step = np.array(spacing)[::-1] / ct.spacing[::-1]
    start = (np.array(values.shape) - 1) / 2 - step * (np.array(shape) - 1) / 2
    values = affine_transform(values, step, start, output_shape=shape, order=1)
    return save(name or "x".join(map(str, shape[::-1])), values, spacing, folder)


def save(name: str, values: NDArray[np.float32], spacing: Any, folder: Path) -> Volume:
    """Write the values to ``folder``."""
    path = folder / f"{name.replace(' ', '_')}.npy"
    np.save(path, np.ascontiguousarray(values, np.float32))
    return Volume(name, np.load(path), tuple(map(float, spacing)), path)


def camera(volume: Volume, pose: tuple[float, float, float], pixels: int, field: float) -> Camera:
    """A C-arm about the middle of the volume.

    Args:
        pose: primary and secondary angle and rotation, degrees.
        field: what the detector sees at the isocentre, in longest edges of the volume.
    """
    arm = CArm(*pose)
    width = field * float(np.max(volume.size * volume.spacing))
    pitch = arm.source_detector / arm.source_isocenter * width / pixels
    center = (volume.size - 1) / 2 * volume.spacing
    return CArm(*pose, detector_size=(pixels, pixels), pixel_spacing=pitch).camera(center)


def rays(view: Camera, rows: int = 1) -> dict[str, Any]:
    """The view as the workers take it, with every ``rows``-th row of pixels."""
    width, height = view.size
    K = np.diag([1, 1 / rows, 1]) @ view.K
    view = Camera(K, view.camera_from_world, (width, -(-height // rows)))
    distance = 1020.0  # of the detector; any plane across the rays serves
    per_pixel = distance * view.world_from_camera[:3, :3] @ np.linalg.inv(view.K)
    return {
        "source": view.source.tolist(),
        "first": (view.source + per_pixel[:, 2]).tolist(),
        "per_column": per_pixel[:, 0].tolist(),
        "per_row": per_pixel[:, 1].tolist(),
        "size": list(view.size),
        "camera": view.to_dict(),
    }
