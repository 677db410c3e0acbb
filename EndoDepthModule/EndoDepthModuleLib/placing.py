"""Where a reconstruction lies in the patient: one transform ``ras_from_world``, and the unit.

Structure from motion knows its world up to a similarity. Camera path, cameras, clouds and mesh of a
video keep their coordinates of that world and hang under one linear transform, which is the
identity at first. A registration or an entered scale sets it, and all of them are in place at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from EndoDepthModuleLib import video
from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, affine
from SlicerMedDLLib.transforms import matrix_from_transform, transform_from_matrix

PLACE = "MedDL.EndoDepth.rasFromWorld"
SCALE = "MedDL.EndoDepth.MmPerUnit"  # attribute of the browser
RELATIVE, MM = "relative", "mm"


def place_of(browser: Any) -> Any:
    """The transform node ``ras_from_world`` of a video, made on the first call."""
    node = video.part(browser, PLACE)
    if node is None:
        node = transform_from_matrix(
            np.eye(4), _("{name} in the patient").format(name=browser.GetName())
        )
        video.set_part(browser, PLACE, node)
    return node


def put_in_place(browser: Any, node: Any) -> None:
    """Let a node in coordinates of the video's world lie where the video lies."""
    node.SetAndObserveTransformNodeID(place_of(browser).GetID())


def mm_per_unit(browser: Any) -> float | None:
    """How many mm one unit of structure from motion is; None while nothing has told."""
    text = browser.GetAttribute(SCALE)
    return float(text) if text else None


def unit(browser: Any) -> str:
    """The unit in which a video's depths are shown: ``"mm"`` or ``"relative"``."""
    return RELATIVE if mm_per_unit(browser) is None else MM


def similarity_scale(matrix: Matrix) -> float:
    """The scale of a similarity.

    Raises:
        InputError: it shears, mirrors, or scales its axes differently.
    """
    linear = affine(matrix)[:3, :3]
    scale = math.cbrt(np.linalg.det(linear)) if np.linalg.det(linear) > 0 else 0.0
    if scale == 0 or not np.allclose(linear.T @ linear, scale**2 * np.eye(3), atol=1e-6 * scale**2):
        raise InputError(
            _("{matrix} is no similarity (rotation, translation, one scale)").format(
                matrix=matrix.tolist()
            )
        )
    return scale


def set_place(browser: Any, ras_from_world: Matrix) -> float:
    """Put the video's world where a registration found it; returns mm per unit.

    Raises:
        InputError: no similarity.
    """
    scale = similarity_scale(ras_from_world)
    transform_from_matrix(ras_from_world, node=place_of(browser))
    browser.SetAttribute(SCALE, repr(scale))
    return scale


def set_scale(browser: Any, scale: float) -> None:
    """Let one unit be ``scale`` mm, as someone has measured; the world stays where it is turned.

    Raises:
        InputError: no positive number.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(
            _("one unit is {scale} mm, a positive number was expected").format(scale=scale)
        )
    node = place_of(browser)
    matrix = matrix_from_transform(node)
    matrix[:3, :3] *= scale / similarity_scale(matrix)
    transform_from_matrix(matrix, node=node)
    browser.SetAttribute(SCALE, repr(float(scale)))
