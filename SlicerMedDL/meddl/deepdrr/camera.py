"""The pinhole camera of an X-ray source and a flat detector.

World is RAS in mm. The camera looks along +z from the source, x to the right of the picture, y
down. Pixel centres have integer coordinates, (0, 0) is the first pixel. One :func:`Camera.project`
serves the renderer's checks, points, curves and models alike (Hartley & Zisserman 2004, chapter 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import FileError, GeometryError
from meddl.core.files import read_json, write_json
from meddl.core.geometry import Matrix, affine, apply, inverse

Array = NDArray[np.float64]
LARGEST_SIDE = 16384  # pixels; beyond it a size is a typing error, not a detector


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics, pose and picture size.

    Attributes:
        K: 3x3 upper triangular, pixels; K[2, 2] = 1, positive focal lengths, skew allowed.
        camera_from_world: 4x4 rigid, mm.
        size: (W, H) pixels.

    Raises:
        GeometryError: a matrix without these properties; the message names it.
    """

    K: Array
    camera_from_world: Matrix
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", _intrinsics(self.K))
        object.__setattr__(self, "camera_from_world", _rigid(self.camera_from_world))
        object.__setattr__(self, "size", picture_size(self.size))

    @classmethod
    def from_krt(cls, K: ArrayLike, R: ArrayLike, t: ArrayLike, size: Sequence[int]) -> Camera:
        """The camera of intrinsics and extrinsics given separately, P = K [R | t].

        Args:
            K: 3x3, pixels.
            R: 3x3 rotation, camera from world.
            t: (3,), (3, 1) or (1, 3) mm: the world's origin in the camera frame, not the source.
            size: (W, H) pixels.

        Raises:
            GeometryError: wrong shapes, values that are not finite, or R is no rotation.
        """
        camera_from_world = np.eye(4)
        camera_from_world[:3, :3] = _finite(R, (3, 3), "R")
        try:
            row = np.reshape(t, (1, -1))
        except ValueError:
            raise GeometryError("t is no vector of three numbers") from None
        camera_from_world[:3, 3] = _finite(row, (1, 3), "t")[0]
        return cls(np.asarray(K), camera_from_world, picture_size(size))

    @classmethod
    def from_projection(cls, projection: ArrayLike, size: Sequence[int]) -> Camera:
        """Split a 3x4 projection matrix, known up to any non-zero factor, into K, R and t.

        RQ decomposition (Hartley & Zisserman, section 6.2.4) with positive focal lengths; the sign
        of ``P`` is the one that makes the rotation proper.

        Raises:
            GeometryError: wrong shape, not finite, or a camera at infinity (singular left 3x3).
        """
        P = _finite(projection, (3, 4), "P")
        P /= np.abs(P).max() or 1.0
        M = P[:, :3]
        determinant = np.linalg.det(M)
        if abs(determinant) < 1e-14 * float(np.linalg.norm(M)) ** 3 or not M.any():
            raise GeometryError("P has a singular left 3x3 part: its source lies at infinity")
        P, M = P * np.sign(determinant), M * np.sign(determinant)
        K, rotation = _rq(M)
        scale = K[2, 2]
        camera_from_world = np.eye(4)
        camera_from_world[:3, :3] = rotation
        camera_from_world[:3, 3] = np.linalg.solve(K, P[:, 3])
        return cls(K / scale, camera_from_world, picture_size(size))

    @classmethod
    def from_dict(cls, values: Any, source: str = "camera") -> Camera:
        """The camera of a CAMERA.json: ``size`` with ``P``, or ``K`` and ``camera_from_world``, or
        ``K``, ``R`` and ``t``.

        Raises:
            FileError: missing or contradictory entries; the message names ``source``.
            GeometryError: matrices without meaning.
        """
        if not isinstance(values, Mapping):
            raise FileError(
                f'{source} holds no camera: expected {{"K", "camera_from_world", "size"}}'
            )
        if "size" not in values:
            raise FileError(f'{source} has no "size": [W, H] (pixels)')
        if {"K", "R", "t"} <= values.keys():
            return cls.from_krt(values["K"], values["R"], values["t"], values["size"])
        if "P" in values and "K" not in values:
            return cls.from_projection(values["P"], values["size"])
        missing = [name for name in ("K", "camera_from_world") if name not in values]
        if missing:
            raise FileError(
                f'{source} has no "{missing[0]}"; a camera has K, camera_from_world and size, '
                "or P and size"
            )
        return cls(values["K"], values["camera_from_world"], values["size"])

    def to_dict(self) -> dict[str, Any]:
        """What :func:`from_dict` reads, as plain JSON types."""
        return {
            "K": self.K.tolist(),
            "camera_from_world": self.camera_from_world.tolist(),
            "size": list(self.size),
        }

    @property
    def P(self) -> Array:
        """(3, 4) projection matrix K [R | t]; its third row gives the depth in mm."""
        return self.K @ self.camera_from_world[:3]

    @property
    def world_from_camera(self) -> Matrix:
        """4x4 inverse pose."""
        return inverse(self.camera_from_world)

    @property
    def source(self) -> Array:
        """(3,) position of the X-ray source in RAS mm."""
        return self.world_from_camera[:3, 3]

    def project(self, points: ArrayLike) -> tuple[Array, Array]:
        """Project world points.

        Args:
            points: (..., 3) RAS mm.

        Returns:
            (..., 2) pixel coordinates u (column), v (row), NaN at or behind the source; and
            (...) depth along the viewing direction in mm.
        """
        homogeneous = apply(self.camera_from_world, points) @ self.K.T
        depth = homogeneous[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = homogeneous[..., :2] / depth[..., None]
        pixels[depth <= 0] = np.nan
        return pixels, depth

    def rays(self, pixels: ArrayLike) -> Array:
        """Unit direction in RAS of the ray from the source through each pixel.

        Args:
            pixels: (..., 2) u, v.

        Returns:
            (..., 3); a point on the ray is ``source + distance * direction``.
        """
        directions = self._camera_rays(pixels) @ self.world_from_camera[:3, :3].T
        return directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def ray_table(self, target_from_world: Matrix) -> Array:
        """The rays of all pixels in another frame, for kernels.

        Returns:
            (3, 4) columns s, a, b, c: the ray of pixel (u, v) is s + t (u a + v b + c), and t is
            the depth in mm.
        """
        table = np.empty((3, 4))
        table[:, 0] = apply(target_from_world, self.source)
        directions = self.world_from_camera[:3, :3] @ np.linalg.inv(self.K)
        table[:, 1:] = target_from_world[:3, :3] @ directions
        return table

    def unproject(self, pixels: ArrayLike, depth: ArrayLike) -> Array:
        """World points (..., 3) at pixels (..., 2) and depth (...) in mm: inverse of project."""
        rays = self._camera_rays(pixels)
        return apply(self.world_from_camera, rays * np.asarray(depth, dtype=np.float64)[..., None])

    def _camera_rays(self, pixels: ArrayLike) -> Array:
        """(..., 3) camera-frame directions with z = 1."""
        pixels = np.asarray(pixels, dtype=np.float64)
        homogeneous = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)
        return homogeneous @ np.linalg.inv(self.K).T

    def detector_corners(self, distance: float) -> Array:
        """(4, 3) RAS corners of the picture's outer border on the plane at ``distance`` mm.

        Order: top left, top right, bottom right, bottom left.
        """
        w, h = self.size
        border = np.array([[0, 0], [w, 0], [w, h], [0, h]]) - 0.5
        return self.unproject(border, np.full(4, distance))


def picture_size(size: Any) -> tuple[int, int]:
    """(W, H) as ints.

    Raises:
        GeometryError: not two whole numbers from 1 to 16384.
    """
    try:
        w, h = (int(n) for n in size)
        if [w, h] != [float(n) for n in size] or not (1 <= w <= LARGEST_SIDE > h >= 1):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise GeometryError(
            f"size is {size!r}, two whole numbers W, H from 1 to {LARGEST_SIDE} were expected"
        ) from None
    return w, h


def read_camera(path: str | Path) -> Camera:
    """Read a CAMERA.json.

    Raises:
        FileError, GeometryError: no such file, no JSON, or no camera; one line with the reason.
    """
    try:
        return Camera.from_dict(read_json(path, "camera file"), str(path))
    except GeometryError as error:
        raise GeometryError(f"{path}: {error}") from error


def write_camera(path: str | Path, camera: Camera) -> None:
    """Write a CAMERA.json, atomically."""
    write_json(path, camera.to_dict())


def _finite(matrix: ArrayLike, shape: tuple[int, int], name: str) -> Array:
    try:
        result = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise GeometryError(f"{name} is no {shape[0]}x{shape[1]} matrix of numbers") from None
    if result.shape != shape:
        raise GeometryError(f"{name} has shape {result.shape}, expected {shape}")
    if not np.isfinite(result).all():
        raise GeometryError(f"{name} contains NaN or infinity")
    return result


def _intrinsics(values: ArrayLike) -> Array:
    matrix = _finite(values, (3, 3), "K")
    if matrix[2, 2] == 0 or np.abs(np.tril(matrix, -1)).max() > 1e-6 * np.abs(matrix).max():
        raise GeometryError(f"K is {matrix.tolist()}, an upper triangular matrix was expected")
    K: Array = np.triu(matrix / matrix[2, 2])
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise GeometryError(
            f"K has focal lengths {K[0, 0]:g} and {K[1, 1]:g} pixels, positive ones were expected "
            "(x to the right, y down, looking along +z); turn the pose instead"
        )
    return K


def _rigid(camera_from_world: ArrayLike) -> Matrix:
    matrix = affine(camera_from_world, "camera_from_world")
    rotation = matrix[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-4 or np.linalg.det(rotation) < 0:
        raise GeometryError(
            "camera_from_world is no rigid transform: its 3x3 part must be a rotation "
            f"(determinant {np.linalg.det(rotation):.4g}, expected 1; no mirror, no scale)"
        )
    return matrix


def _rq(M: Array) -> tuple[Array, Array]:
    """M = K R with K upper triangular of positive diagonal and R a rotation (det M > 0)."""
    flip = np.flipud(np.eye(3))
    q, r = np.linalg.qr((flip @ M).T)
    K, rotation = flip @ r.T @ flip, flip @ q.T
    signs = np.sign(np.diag(K))
    return K * signs, signs[:, None] * rotation
