"""The field of view as a segmentation over the frames: shown, edited by Slicer's tools, kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from EndoDepthModuleLib import video
from EndoDepthModuleLib.player import player
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.endodepth.sequence import write_sequence
from SlicerMedDLLib.nodes import describe
from SlicerMedDLLib.segmentations import (
    Segment,
    masks_from_segmentation,
    segmentation_from_masks,
)
from SlicerMedDLLib.sequences import RAS_FROM_FRAME

MASK = "MedDL.EndoDepth.fieldOfView"
SEGMENT, COLOR = "field of view", (0.2, 0.8, 0.4)


def show_mask(browser: Any) -> Any:
    """The sequence's mask as a segmentation with one segment, made or set back to the file's.

    Raises:
        MedDLError: the sequence cannot be read.
    """
    mask = player().sequence(browser).mask
    old = video.part(browser, MASK)
    image = Image(mask[np.newaxis].astype(np.uint8), RAS_FROM_FRAME)
    node = segmentation_from_masks(
        [(Segment(1, SEGMENT, COLOR, id=SEGMENT), image)],
        _("{name} field of view").format(name=browser.GetName()),
    )
    node.SetReferenceImageGeometryParameterFromVolumeNode(video.frame_volume(browser))
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility3D(False)
    if old is not None:
        old.GetScene().RemoveNode(old)
    video.set_part(browser, MASK, node)
    return node


def shown_mask(browser: Any) -> NDArray[np.bool_]:
    """The mask (H, W) as it was edited in the scene; all of its segments together.

    Raises:
        InputError: it is not shown, or nothing is left of it.
    """
    node = video.part(browser, MASK)
    if node is None:
        raise InputError(
            _("the field of view of {node} is not shown; show it first").format(
                node=describe(browser)
            )
        )
    height, width = player().sequence(browser).size
    reference = Image(np.zeros((1, height, width), np.uint8), RAS_FROM_FRAME)
    mask = np.zeros((height, width), bool)
    for _segment, one in masks_from_segmentation(node, reference):
        mask |= one[0].astype(bool)
    if not mask.any():
        raise InputError(
            _("{node} is empty; draw where the endoscope sees").format(node=describe(node))
        )
    return mask


def keep_mask(browser: Any) -> None:
    """Write the edited mask into the sequence's folder.

    Raises:
        MedDLError: as :func:`shown_mask`, or the folder takes no file.
    """
    mask = shown_mask(browser)
    write_sequence(replace(player().sequence(browser), mask=mask))
    player().forget()
