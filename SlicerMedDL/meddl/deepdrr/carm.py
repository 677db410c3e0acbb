"""C-arm geometry in DICOM's angles.

Angles follow DICOM (0018,1510) and (0018,1511): primary positive is LAO, secondary positive is
cranial, in degrees, patient supine. At 0/0 the source is posterior, the detector anterior, and the
picture's right is the patient's right: pictures are as seen from the source, row 0 at the top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError
from meddl.core.geometry import Matrix, affine
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.camera import Camera, picture_size

RIGID = 1e-4  # largest deviation of R^T R from the identity: 0.05 mm at a metre


@dataclass(frozen=True)
class CArm:
    """Pose and dimensions of a C-arm; defaults as a mobile C-arm (source-detector 1020 mm).

    Raises:
        InputError: a value outside its bounds.
        GeometryError: the isocentre is not between source and detector, or a size is no size.
    """

    primary_angle: float = parameter(
        0.0, "positioner primary angle, positive LAO", "degrees", minimum=-360, maximum=360
    )
    secondary_angle: float = parameter(
        0.0, "positioner secondary angle, positive cranial", "degrees", minimum=-360, maximum=360
    )
    rotation: float = parameter(
        0.0,
        "turn of the detector about the central ray, from x (columns) towards y (rows)",
        "degrees",
        minimum=-360,
        maximum=360,
    )
    source_detector: float = parameter(
        1020.0, "distance from source to detector", "mm", minimum=1, maximum=10000
    )
    source_isocenter: float = parameter(
        530.0, "distance from source to isocentre", "mm", minimum=0.1, maximum=10000
    )
    isocenter: tuple[float, float, float] | None = parameter(
        None, "isocentre in RAS; without it the centre of the CT", "mm", metavar="R,A,S"
    )
    detector_size: tuple[int, int] = parameter(
        (512, 512), "columns and rows of the detector in pixels", metavar="W,H"
    )
    pixel_spacing: float = parameter(
        0.6, "distance of detector pixels", "mm", minimum=1e-4, maximum=1000
    )
    principal_point: tuple[float, float] | None = parameter(
        None,
        "where the central ray meets the detector (column, row from 0); without it the middle",
        "pixels",
        minimum=-100_000,
        maximum=100_000,
        metavar="U,V",
    )

    def __post_init__(self) -> None:
        validate(self)
        picture_size(self.detector_size)
        if self.source_isocenter >= self.source_detector:
            raise GeometryError(
                f"source-isocenter {self.source_isocenter:g} mm is not less than source-detector "
                f"{self.source_detector:g} mm: the patient would lie behind the detector"
            )

    @classmethod
    def from_camera(cls, camera: Camera, source_isocenter: float, pixel_spacing: float) -> CArm:
        """The C-arm whose :meth:`camera` is ``camera``; angles as DICOM has them.

        Args:
            camera: with square pixels and no skew.
            source_isocenter: mm; where on the central ray the isocentre is taken to lie.
            pixel_spacing: mm; the focal length in pixels times it is the source-detector distance.

        Returns:
            With an isocentre, a principal point and the angles of :func:`carm_angles`.

        Raises:
            GeometryError: pixels that are not square, or an isocentre behind the detector.
        """
        K = camera.K
        if abs(K[0, 1]) > 1e-6 * K[0, 0] or abs(K[1, 1] - K[0, 0]) > 1e-6 * K[0, 0]:
            raise GeometryError(
                f"K has focal lengths {K[0, 0]:g}, {K[1, 1]:g} and skew {K[0, 1]:g} pixels: a "
                "C-arm has square pixels; keep the camera"
            )
        primary, secondary, rotation = carm_angles(camera)
        isocenter = camera.source + source_isocenter * camera.camera_from_world[2, :3]
        return cls(
            primary_angle=primary,
            secondary_angle=secondary,
            rotation=rotation,
            source_detector=float(K[0, 0] * pixel_spacing),
            source_isocenter=source_isocenter,
            isocenter=tuple(isocenter.tolist()),
            detector_size=camera.size,
            pixel_spacing=pixel_spacing,
            principal_point=(float(K[0, 2]), float(K[1, 2])),
        )

    def moved(self, world_from_carm: ArrayLike) -> CArm:
        """This C-arm at another pose, the inverse of :meth:`world_from_carm`.

        Args:
            world_from_carm: 4x4 rigid, RAS mm.

        Returns:
            With an isocentre and the angles of :func:`carm_angles`; distances and detector stay.

        Raises:
            GeometryError: a matrix that scales, shears or mirrors.
        """
        pose = affine(world_from_carm, "the pose of the C-arm")
        lengths = np.linalg.norm(pose[:3, :3], axis=0)
        if np.abs(pose[:3, :3].T @ pose[:3, :3] - np.eye(3)).max() > RIGID:
            raise GeometryError(
                "the pose of the C-arm scales its axes by "
                f"{', '.join(f'{length:.4g}' for length in lengths)} or shears them; a rotation "
                "with a translation was expected"
            )
        if np.linalg.det(pose[:3, :3]) < 0:
            raise GeometryError(
                "the pose of the C-arm mirrors it; a rotation with a translation was expected"
            )
        primary, secondary, rotation = _angles(pose[:3, :3].T)
        r, a, s = pose[:3, 3].tolist()
        return replace(
            self,
            primary_angle=primary,
            secondary_angle=secondary,
            rotation=rotation,
            isocenter=(r, a, s),
        )

    def binned(self, factor: int) -> CArm:
        """This C-arm with pixels ``factor`` times as large, each over factor x factor of its own.

        Size is rounded up: the last row and column may reach beyond the detector.
        """
        w, h = self.detector_size
        u, v = self.principal_point or ((w - 1) / 2, (h - 1) / 2)
        return replace(
            self,
            detector_size=(-(-w // factor), -(-h // factor)),
            pixel_spacing=self.pixel_spacing * factor,
            principal_point=((u + 0.5) / factor - 0.5, (v + 0.5) / factor - 0.5),
        )

    def world_from_carm(self, center: ArrayLike = (0.0, 0.0, 0.0)) -> Matrix:
        """4x4 pose, RAS mm, of the C-arm's frame: the axes of :meth:`axes`, at the isocentre.

        Args:
            center: (3,) as in :meth:`camera`.
        """
        pose = np.eye(4)
        pose[:3, :3] = self.axes().T
        pose[:3, 3] = center if self.isocenter is None else self.isocenter
        return pose

    def axes(self) -> NDArray[np.float64]:
        """(3, 3) rows x (columns to the right), y (rows down), z (to the detector), unit, RAS."""
        a, b, r = np.deg2rad([self.primary_angle, self.secondary_angle, self.rotation])
        z = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
        y = np.array([-np.sin(a) * np.sin(b), np.cos(a) * np.sin(b), -np.cos(b)])  # -dz/db
        x = np.cross(y, z)
        return np.array([np.cos(r) * x + np.sin(r) * y, np.cos(r) * y - np.sin(r) * x, z])

    def camera(self, center: ArrayLike = (0.0, 0.0, 0.0)) -> Camera:
        """The camera of this pose.

        Args:
            center: (3,) RAS mm, the isocentre if :attr:`isocenter` is None (the CT's centre).
        """
        isocenter = np.asarray(center if self.isocenter is None else self.isocenter, dtype=float)
        axes = self.axes()
        camera_from_world = np.eye(4)
        camera_from_world[:3, :3] = axes
        camera_from_world[:3, 3] = -axes @ (isocenter - self.source_isocenter * axes[2])
        w, h = self.detector_size
        u, v = self.principal_point or ((w - 1) / 2, (h - 1) / 2)
        focal = self.source_detector / self.pixel_spacing
        K = np.array([[focal, 0, u], [0, focal, v], [0, 0, 1]])
        return Camera(K, camera_from_world, self.detector_size)


def carm_angles(camera: Camera) -> tuple[float, float, float]:
    """Primary, secondary and rotation angle in degrees of any camera, in DICOM's ranges.

    Primary and rotation lie from -180 to 180, secondary from -90 to 90. At a secondary angle of 90
    the other two turn about one axis: primary is then 0.
    """
    return _angles(camera.camera_from_world[:3, :3])


def _angles(axes: NDArray[np.float64]) -> tuple[float, float, float]:
    x, _, z = axes
    vertical = np.hypot(z[0], z[1]) < 1e-9
    primary = 0.0 if vertical else float(np.rad2deg(np.arctan2(-z[0], z[1])))
    secondary = float(np.rad2deg(np.arctan2(z[2], np.hypot(z[0], z[1]))))
    level = CArm(primary, secondary).axes()
    return primary, secondary, float(np.rad2deg(np.arctan2(x @ level[1], x @ level[0])))
