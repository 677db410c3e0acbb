"""Parameters of structure from motion."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter

RECORD = "sfm.json"  # in the sequence's folder: how its structure was found


@dataclass(frozen=True)
class SfmParameters:
    """What the command line, the module and the record of a run share.

    Lengths in pixels are of the pictures that features are found in, see ``max_size``.
    """

    max_size: int = parameter(
        960, "frames whose longer side is longer are reduced to it", "pixels", 64, 8192
    )
    contrast: float = parameter(
        0.03,
        "even out the local contrast: half the neighbourhood's side as a part of the picture's "
        "width; 0 takes the grey values as they are",
        minimum=0.0,
        maximum=1.0,
    )
    highlights: bool = parameter(
        True, "find no features in specular highlights (needs opencv-python-headless)"
    )
    features: int = parameter(
        1500,
        "most features per frame, coarse ones first; time grows with the square",
        "",
        100,
        65536,
    )
    peak_threshold: float = parameter(
        0.002, "least contrast of a feature (SIFT); lower finds more", "", 1e-4, 0.1
    )
    matching: str = parameter(
        "auto",
        "exhaustive compares every two frames; sequential each with its neighbours, and every "
        "loop-period-th with all of these, 60 at most; auto is exhaustive up to 40 frames",
        choices=("auto", "exhaustive", "sequential"),
    )
    overlap: int = parameter(12, "neighbours that sequential matching compares", "frames", 1, 1000)
    loop_period: int = parameter(
        5, "sequential matching closes loops between every so many frames; 0: never", "frames", 0
    )
    refine_intrinsics: str = parameter(
        "auto",
        "whether the camera is estimated too; auto: only if the sequence does not know it",
        choices=("auto", "on", "off"),
    )
    field_of_view: float = parameter(
        70.0, "first guess of the horizontal angle where the camera is not known", "degrees", 5, 170
    )
    max_error: float | None = parameter(
        None,
        "largest mean reprojection error of a point; 2 for pictures 960 pixels wide and in "
        "proportion, at least 1, if not given",
        "pixels",
        0.1,
        20,
    )
    min_views: int = parameter(3, "fewest views of a point", "", 2, 100)
    min_registered: float = parameter(
        0.9, "part of the frames below which another attempt with looser bounds is made", "", 0, 1
    )
    threads: int = parameter(0, "threads; 0: all cores", "", 0, 1024)
    seed: int = parameter(0, "seed of everything random", "", 0, 2**31 - 1)
