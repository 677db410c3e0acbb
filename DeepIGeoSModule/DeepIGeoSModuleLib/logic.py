"""The logic of DeepIGeoSModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from DeepIGeoSModuleLib.methods import session_options
from DeepIGeoSModuleLib.parameternode import DeepIGeoSParameterNode
from DeepIGeoSModuleLib.writing import segment_masks
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.metrics import dice, surface_dice, surface_distances
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.roi import box_of_corners
from SlicerMedDLLib.markups import corners_of_roi, points_from_markups
from SlicerMedDLLib.nodes import require_node
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from SlicerMedDLLib.volumes import image_from_volume

# Translated here: a worker must not (see tasks).
COMPARING = _("comparing {name}")
SEGMENTING = _("segmenting {name} ({number} of {count})")

COLORS = ((0.2, 0.6, 1.0), (1.0, 0.6, 0.2), (0.4, 0.8, 0.4), (0.8, 0.4, 0.8), (0.9, 0.8, 0.3))
TOLERANCE = 2.0  # mm, of the normalised surface distance
Mask = NDArray[np.bool_]


class Score(NamedTuple):
    """How well a segment agrees with the one of a reference.

    Attributes:
        name: of the segment.
        dice: 0..1.
        nsd: normalised surface distance at 2 mm, 0..1.
        hd95: 95th percentile of the surface distance, mm.
        volume, reference_volume: ml.
    """

    name: str
    dice: float
    nsd: float
    hd95: float
    volume: float
    reference_volume: float


class DeepIGeoSLogic(ScriptedLoadableModuleLogic):
    """Segmentation by scribbles and clicks, comparison, and many volumes one after the other."""

    def getParameterNode(self) -> DeepIGeoSParameterNode:
        """The state of the panel, kept in the scene."""
        # The decorator of the class gives it this constructor.
        return DeepIGeoSParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def editorNode(self) -> Any:
        """The node of the embedded Segment Editor, made on the first call."""
        parameters = self.getParameterNode()
        if parameters.editor is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetName("DeepIGeoS editor")
            parameters.editor = slicer.mrmlScene.AddNode(node)
        return parameters.editor

    def segment(
        self,
        volume: Any,
        foreground: Any = None,
        background: Any = None,
        *,
        roi: Any = None,
        name: str = "Segment",
        method: str = "auto",
        device: str = "auto",
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Segment a volume from marks, from a box about the target, or both, and wait for it.

        Args:
            volume: scalar volume; linear parent transforms are honoured.
            foreground: what belongs to the segment: point markups, (N, 3) RAS positions in mm, or a
                (K, J, I) mask.
            background: what does not, in the same forms.
            roi: markups box (ROI node) about the target, whose first mask the marks correct.
            name: of the segment.
            method: as the panel lists it.

        Returns:
            A new ``vtkMRMLSegmentationNode`` with one segment, empty if nothing was found.

        Raises:
            MedDLError: bad input or cancelled; the scene is as before.
        """
        image = image_from_volume(require_node(volume, "vtkMRMLScalarVolumeNode", _("volume")))
        session = InteractiveSession(image, device=device, **session_options(method))
        if roi is not None:
            box = box_of_corners(corners_of_roi(roi), image)
            session.predict(roi=box, progress=progress, cancel=cancel)
        if roi is None or foreground is not None or background is not None:
            session.add(_marks(foreground), _marks(background), progress=progress, cancel=cancel)
        (cancel or CancelToken()).check()
        return self.result(image, session.labels(), volume, [name])

    def result(
        self, image: Image, labels: NDArray[np.uint8], volume: Any, names: Sequence[str]
    ) -> Any:
        """Put labels (K, J, I) of a volume into a new segmentation node, 1 under the first name."""
        segments = [
            Segment(number, name, COLORS[(number - 1) % len(COLORS)])
            for number, name in enumerate(names, start=1)
        ]
        node = segmentation_from_labels(
            Image(labels, image.ras_from_ijk),
            segments,
            _("{name} segmentation").format(name=volume.GetName()),
        )
        for segment in segments:
            if not (labels == segment.label).any():
                node.GetSegmentation().AddEmptySegment("", segment.name, segment.color)
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        return node

    def compare(self, segmentation: Any, reference: Any, volume: Any) -> list[Score]:
        """Compare segments with those of a reference and wait for it.

        Segments of the same name are compared; if no name occurs in both, in their order.

        Raises:
            InputError: a node is missing, or has no segments.
        """
        return scores(*self.comparison(segmentation, reference, volume))

    def comparison(
        self, segmentation: Any, reference: Any, volume: Any
    ) -> tuple[list[tuple[str, Mask, Mask]], tuple[float, float, float]]:
        """Copies for :func:`scores`: name, mask and reference mask, and the spacing in mm (kji)."""
        image = image_from_volume(require_node(volume, "vtkMRMLScalarVolumeNode", _("volume")))
        named = []
        for node, what in (
            (segmentation, _("segmentation")),
            (reference, _("reference segmentation")),
        ):
            require_node(node, "vtkMRMLSegmentationNode", what)
            own = node.GetSegmentation()
            if own.GetNumberOfSegments() == 0:
                raise InputError(
                    _("the {what} {name!r} has no segments; choose another").format(
                        what=what, name=node.GetName()
                    )
                )
            masks = segment_masks(node, image)
            named.append([(own.GetSegment(key).GetName(), mask) for key, mask in masks.items()])
        mine, theirs = named
        known = dict(theirs)
        pairs = [(name, mask, known[name]) for name, mask in mine if name in known]
        if not pairs:
            pairs = [(a[0], a[1], b[1]) for a, b in zip(mine, theirs, strict=False)]
        k, j, i = (float(step) for step in image.spacing[::-1])
        return pairs, (k, j, i)


def scores(
    pairs: Sequence[tuple[str, Mask, Mask]],
    spacing: tuple[float, float, float],
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[Score]:
    """Compare masks with their references; ``spacing`` in mm along k, j, i.

    Raises:
        Cancelled: between two segments.
    """
    millilitres = float(np.prod(spacing)) / 1000
    found = []
    for number, (name, mask, reference) in enumerate(pairs):
        (cancel or CancelToken()).check()
        progress(number / len(pairs), COMPARING.format(name=name))
        found.append(
            Score(
                name,
                dice(mask, reference),
                surface_dice(mask, reference, spacing, TOLERANCE),
                surface_distances(mask, reference, spacing).hd95,
                float(mask.sum()) * millilitres,
                float(reference.sum()) * millilitres,
            )
        )
    return found


def predict_all(
    images: Sequence[Image],
    method: str,
    device: str = "auto",
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[NDArray[np.uint8]]:
    """Segment images without marks, one after the other.

    Returns:
        Labels (K, J, I), 0 background, n the n-th class of the method's weights.

    Raises:
        MedDLError: the method cannot, or an image is unfit; the message names it.
        Cancelled: by the token.
    """
    found = []
    for number, image in enumerate(images):
        name = image.metadata.get("name", str(number + 1))
        part = subprogress(progress, number / len(images), (number + 1) / len(images))
        part(0.0, SEGMENTING.format(name=name, number=number + 1, count=len(images)))
        try:
            session = InteractiveSession(image, device=device, **session_options(method))
            for segment in session.predictable or [1]:
                session.predict(segment, progress=part, cancel=cancel)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        (cancel or CancelToken()).check()
        found.append(session.labels())
    return found


def _marks(marks: Any) -> Any:
    if hasattr(marks, "IsA"):
        _labels, positions = points_from_markups(marks)
        return positions
    return marks
