"""The parameters of a fusion, shared by the command line, the module and the record of the run."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter

SCALINGS = ("auto", "frame", "sequence", "none")
TEXTURE_SIZES = tuple(2**n for n in range(8, 15))


@dataclass(frozen=True)
class FusionParameters:
    """What :func:`meddl.endodepth.fusion.fuse` does."""

    voxel: float | None = parameter(
        None, "edge of a voxel in the unit of the poses; by default from the size", minimum=0
    )
    size: int = parameter(
        256, "voxels along the longest edge of the box that the depths fill", minimum=16
    )
    truncation: float = parameter(
        4.0, "how far from a surface distances count", unit="voxels", minimum=1
    )
    minimum_weight: float | None = parameter(
        None,
        "how often a place must be seen: the sum over the frames of the cosine of the angle of "
        "view, less for distant views; by default a fiftieth of the frames, at most 1",
        minimum=0,
    )
    smallest_part: float = parameter(
        0.01, "part of the triangles below which a loose piece is dropped", minimum=0, maximum=1
    )
    fill_holes: float = parameter(
        0.0, "holes up to this perimeter are closed", unit="voxels", minimum=0
    )
    texture: bool = parameter(
        False, "also make a texture, for .obj: sharper than colours of vertices"
    )
    texture_size: int = parameter(
        4096, "width and height of the texture", unit="pixels", choices=TEXTURE_SIZES
    )
    scaling: str = parameter(
        "auto",
        "how the maps are brought to the scale of the poses: by the points of structure from "
        "motion, per frame or once for the sequence; auto: none for maps in mm, else frame",
        choices=SCALINGS,
    )
    mm_per_unit: float | None = parameter(
        None, "length of one unit of the poses, if it is known", unit="mm", minimum=0
    )

    def weight_of(self, frames: int) -> float:
        """The minimum weight for a number of frames.

        With 1 instead of 0.2 the mean error of a surface from 60 predicted maps fell from 5.3 to
        1.9 % of the depth range: what goes is seen once from afar; 0.4 % of what was seen, with it.
        """
        return min(frames / 50, 1.0) if self.minimum_weight is None else self.minimum_weight
