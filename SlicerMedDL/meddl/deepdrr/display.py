"""Pictures for looking: fixed windows, so that frames of one kind can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.parameters import parameter, validate

# Grey 0 and 255 of each quantity. A negative logarithm of 2 is 10 cm of soft tissue; 8 lets one
# photon in 3000 through (an adult's lumbar spine from the side: 6 to 8 at 90 kV).
WINDOWS = {"neglog": (2.0, 8.0), "intensity": (2.0, 8.0), "energy": (0.0, 60.0)}


CLAHE_TILES, CLAHE_CLIP = (8, 8), 2.0  # tiles over the picture; limit of a bin, of the mean one


@dataclass(frozen=True)
class DisplayParameters:
    """How values become grey: only for looking, never part of the physics.

    Raises:
        InputError: an empty window.
    """

    window: tuple[float, float] | None = parameter(
        None, "PNG: values of black and white (intensity: of -log)", metavar="LOW,HIGH"
    )
    invert: bool = parameter(False, "PNG: bone black")
    clahe: bool = parameter(False, "PNG: equalise the local contrast (needs OpenCV)")

    def __post_init__(self) -> None:
        validate(self)
        if self.window is not None and not self.window[1] > self.window[0]:
            low, high = self.window
            raise InputError(f"window {low:g},{high:g}: the second value must be the larger one")


def display_picture(
    radiograph: Image,
    window: tuple[float, float] | None = None,
    invert: bool = False,
    clahe: bool = False,
) -> NDArray[np.uint8]:
    """Grey picture (H, W) uint8 of a radiograph with one component.

    Intensity is shown through its negative logarithm (bone white); the window is in those values.

    Args:
        radiograph: what :func:`meddl.deepdrr.render` returned.
        window: values of black and white; by default fixed per quantity, and for line integrals the
            picture's own range.
        invert: swap black and white.
        clahe: contrast-limited adaptive histogram equalisation (Zuiderveld 1994) by OpenCV, of the
            windowed picture; frames can then no longer be compared.

    Raises:
        InputError: several components, or an empty window.
        DependencyError: ``clahe`` without OpenCV.
    """
    window = DisplayParameters(window).window
    if radiograph.components != 1:
        raise InputError(
            f"a grey picture shows one quantity, the radiograph has {radiograph.components} "
            "components; save it as .tiff or .nrrd"
        )
    values = radiograph.array.reshape(radiograph.array.shape[1:3]).astype(np.float64)
    quantity = radiograph.metadata.get("quantity", "")
    if quantity == "intensity":
        values = -np.log(np.maximum(values, 1e-12))
    low, high = window or WINDOWS.get(quantity) or (values.min(), values.max() or 1.0)
    if not high > low:
        high = low + 1.0
    grey = np.clip((values - low) / (high - low), 0, 1)
    if clahe:
        cv2 = require("cv2", "equalising the local contrast")
        # 8 bits over the picture's own range: OpenCV's 16-bit histograms are too sparse to clip.
        stretched = (grey - grey.min()) / (np.ptp(grey) or 1.0)
        levels = np.rint(255 * stretched).astype(np.uint8)
        grey = cv2.createCLAHE(CLAHE_CLIP, CLAHE_TILES).apply(levels) / 255
    return np.rint(255 * (1 - grey if invert else grey)).astype(np.uint8)
