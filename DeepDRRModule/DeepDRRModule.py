"""Radiographs (DRR) from a CT volume in the scene, with a C-arm that is shown in 3-D."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import slicer
from DeepDRRModuleLib import carmnodes, radiographs
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.hounsfield import Finding, correct_values, inspect_values, parse_hu_below
from meddl.deepdrr.radiograph import RenderParameters, render
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleLogic
from SlicerMedDLLib.nodes import describe, new_node, require_node
from SlicerMedDLLib.transforms import world_from_node
from SlicerMedDLLib.volumes import image_from_volume

logger = logging.getLogger(__name__)


class DeepDRRModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Radiographs from CT (DeepDRR)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = _(
            "Makes radiographs (DRR) of a CT with a polychromatic X-ray model and shows the C-arm "
            "that takes them. Research software, not for clinical use."
        )
        parent.acknowledgementText = _(
            "After M. Unberath et al., DeepDRR: A Catalyst for Machine Learning in "
            "Fluoroscopy-guided Procedures, MICCAI 2018."
        )


class DeepDRRModuleLogic(ScriptedLoadableModuleLogic):
    """Radiographs and C-arms from nodes. In Slicer's Python console::

        logic = slicer.util.getModuleLogic("DeepDRRModule")
        radiograph = logic.render(getNode("CT"), CArm(primary_angle=30))
        carm = logic.showGeometry(getNode("CT"), CArm(primary_angle=30), radiograph)

    (``from meddl.deepdrr import CArm`` first.)
    """

    def render(
        self,
        volume: Any,
        view: CArm | Camera | None = None,
        parameters: RenderParameters | None = None,
        output: Any = None,
        *,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> Any:
        """Render one radiograph of a CT and wait for it.

        Args:
            volume: CT, scalar volume node in HU; linear parent transforms are honoured.
            view: C-arm pose (by default all angles 0) or camera.
            parameters: the record; ``options`` replace single fields, as in ``noise=True``.
            output: volume node to overwrite; None makes a new one.

        Returns:
            ``vtkMRMLScalarVolumeNode`` (``vtkMRMLVectorVolumeNode`` for the quantity ``path``),
            upright in a slice view, in a fixed window, with camera and parameters as attributes.

        Raises:
            MedDLError: bad input or cancelled; the scene is as before.
        """
        parameters = dataclasses.replace(parameters or RenderParameters(), **options)
        ct = self.prepare(volume, parameters, output)
        radiograph = render(ct, view or CArm(), parameters, progress=progress, cancel=cancel)
        return self.finish(radiograph, volume.GetName(), output)

    def prepare(self, volume: Any, parameters: RenderParameters, output: Any = None) -> Image:
        """Copy the CT for :func:`meddl.deepdrr.render` in a worker, after checking the nodes.

        Raises:
            InputError: no scalar volume, or an output node that cannot take the picture.
        """
        require_node(volume, "vtkMRMLScalarVolumeNode", "CT volume")
        radiographs.require_output(output, volume, parameters.quantity)
        return image_from_volume(volume)

    def finish(self, radiograph: Image, ctName: str, output: Any = None) -> Any:
        """Put a rendered radiograph into ``output`` or into a new volume node."""
        return radiographs.radiograph_to_node(radiograph, f"{ctName} radiograph", output)

    def showGeometry(
        self, volume: Any, carm: CArm, radiograph: Any = None, transform: Any = None
    ) -> carmnodes.CArmNodes:
        """Show source, detector, beam, central ray and isocentre of a C-arm in 3-D.

        Args:
            volume: the CT; its centre is the isocentre if ``carm`` names none.
            radiograph: volume node whose picture is put on the detector plane, if it was taken
                from this very pose.
            transform: the linear transform of an earlier call, to move that C-arm; None makes
                new nodes.

        Returns:
            The nodes; ``transform`` holds ``world_from_carm``, the others lie under it.

        Raises:
            InputError: no volume, no voxels, or a transform that is not linear.
        """
        center = self.center(volume)
        picture = None
        if radiograph is not None:
            picture = radiographs.detector_picture(radiograph, carm.camera(center))
        return carmnodes.show_carm(carm, center, transform, picture)

    def center(self, volume: Any) -> tuple[float, float, float]:
        """The middle of a volume in RAS mm, parent transforms included; copies no voxels."""
        require_node(volume, "vtkMRMLVolumeNode", "CT volume")
        world_from_node(volume)  # refuses what is not linear
        if volume.GetImageData() is None:
            raise InputError(f"{describe(volume)} holds no voxels; load or create its image first")
        bounds = [0.0] * 6
        volume.GetRASBounds(bounds)
        r, a, s = ((low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return r, a, s

    def inspect(self, ct: Image, parameters: RenderParameters) -> list[Finding]:
        """What is wrong with the values of a CT after its correction; [] if nothing.

        Args:
            ct: as from :meth:`prepare`.
            parameters: ``hu_offset`` and ``hu_below`` are the correction.
        """
        ct = ct.require_volume("CT").require_finite("CT")
        below = parse_hu_below(parameters.hu_below)
        return inspect_values(correct_values(ct, parameters.hu_offset, below))

    def projectMarkups(self, markups: Any, radiograph: Any) -> Any:
        """Mark where the control points of a markups node appear on a radiograph.

        Returns:
            A new ``vtkMRMLMarkupsFiducialNode`` with the same labels, on the radiograph as the
            slice views show it. Points behind the source are left out.

        Raises:
            InputError: no markups, no radiograph of this module, or no point before the source.
        """
        require_node(markups, "vtkMRMLMarkupsNode", "point list")
        ras = slicer.util.arrayFromMarkupsControlPoints(markups, world=True)
        positions, depth = radiographs.points_on_radiograph(ras, radiograph)
        seen = [n for n, distance in enumerate(depth) if distance > 0]
        if not seen:
            raise InputError(f"{describe(markups)} has no point in front of the X-ray source")
        node = new_node("vtkMRMLMarkupsFiducialNode", f"{markups.GetName()} on radiograph")
        slicer.util.updateMarkupsControlPointsFromArray(node, positions[seen], world=True)
        for index, n in enumerate(seen):
            node.SetNthControlPointLabel(index, markups.GetNthControlPointLabel(n))
        return node
