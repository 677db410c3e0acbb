"""The logic of DeepDRRModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from DeepDRRModuleLib import carmnodes, materials, projections, radiographs, registration
from DeepDRRModuleLib.ctcheck import CTCheck, check_ct
from DeepDRRModuleLib.parameternode import DeepDRRParameterNode
from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.radiograph import RenderParameters, render
from meddl.deepdrr.registration_parameters import RegistrationParameters
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.transforms import world_from_node
from SlicerMedDLLib.volumes import SCALAR, view_of_volume


class RadiographLogic(ScriptedLoadableModuleLogic):
    """Radiographs, C-arms, projections and registration from nodes."""

    def getParameterNode(self) -> DeepDRRParameterNode:
        """The state of the panel, kept in the scene."""
        # The decorator of the class gives it this constructor.
        return DeepDRRParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def firstCT(self) -> Any:
        """The first scalar volume of the scene that is no radiograph; None without one."""
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            if node.GetClassName() == SCALAR and not radiographs.is_radiograph(node):
                return node
        return None

    # Radiographs

    def render(
        self,
        volume: Any,
        view: CArm | Camera | None = None,
        parameters: RenderParameters | None = None,
        output: Any = None,
        *,
        segmentation: Any = None,
        models: Sequence[Any] = (),
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
            segmentation: each segment is of the material that its terminology or name says, or
                that was chosen in the panel; voxels outside follow the thresholds.
            models: closed surfaces in the beam, of the materials chosen in the panel.

        Returns:
            ``vtkMRMLScalarVolumeNode`` (``vtkMRMLVectorVolumeNode`` with several values per pixel),
            upright in a slice view, in a fixed window, with camera and parameters as attributes.

        Raises:
            MedDLError: bad input or cancelled; the scene is as before.
        """
        parameters = dataclasses.replace(parameters or RenderParameters(), **options)
        ct = self.prepare(volume, parameters, output)
        radiograph = render(
            ct,
            view or CArm(),
            parameters,
            labels=self.labels(segmentation, ct),
            solids=materials.solids_of(models),
            progress=progress,
            cancel=cancel,
        )
        return self.finish(radiograph, volume, output, segmentation)

    def check(self, volume: Any, parameters: RenderParameters, output: Any = None) -> None:
        """Refuse nodes that cannot be rendered from or into; quick, for a button's tooltip.

        Raises:
            InputError: no scalar volume, no voxels, a non-linear transform, or an output node that
                cannot take the picture.
        """
        require_node(volume, "vtkMRMLScalarVolumeNode", _("CT volume"))
        self.center(volume)
        radiographs.require_output(output, volume, parameters)

    def prepare(self, volume: Any, parameters: RenderParameters, output: Any = None) -> Image:
        """The CT for :func:`meddl.deepdrr.render` in a worker, after :meth:`check`.

        It shares the node's memory: a copy of 150 MB holds the window up for 0.25 s.
        """
        self.check(volume, parameters, output)
        return view_of_volume(volume)

    def labels(self, segmentation: Any, ct: Image) -> Labels | None:
        """The materials of a segmentation for :func:`meddl.deepdrr.render`; None without one."""
        if segmentation is None:
            return None
        labels, _names = materials.labels_from_segmentation(segmentation, ct)
        return labels

    def finish(
        self, radiograph: Image, volume: Any, output: Any = None, segmentation: Any = None
    ) -> Any:
        """Put a rendered radiograph of ``volume`` into ``output`` or into a new volume node."""
        return radiographs.radiograph_to_node(radiograph, volume, output, segmentation)

    def show(self, radiograph: Any, radiologicalView: bool = False) -> None:
        """Show a radiograph in the Red slice view, on request mirrored left to right."""
        radiographs.show(radiograph, radiologicalView)

    def acquisition(self, radiograph: Any) -> tuple[CArm, RenderParameters]:
        """The C-arm and the parameters that a radiograph was made with, also after reloading.

        Raises:
            InputError: no radiograph of this module, or one that a camera took.
        """
        return radiographs.record_of(radiograph)

    def exportDicom(self, radiograph: Any, path: str | Path) -> None:
        """Write a radiograph with the geometry of its C-arm as one DICOM file.

        Raises:
            InputError: no radiograph of this module, or several values per pixel.
            FileError: the folder takes no file.
        """
        from meddl.deepdrr.dicom_output import write_dicom_radiograph

        write_dicom_radiograph(path, radiographs.radiograph_from_node(radiograph))

    # C-arm

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
            picture = radiographs.detector_picture(radiograph, carm, center)
        return carmnodes.show_carm(carm, center, transform, picture)

    def carmAt(self, transform: Any, carm: CArm) -> CArm:
        """``carm`` at the pose of a linear transform: angles, rotation and isocentre.

        Raises:
            InputError: no linear transform.
            GeometryError: it scales, shears or mirrors.
        """
        return carmnodes.carm_of(transform, carm)

    def center(self, volume: Any) -> tuple[float, float, float]:
        """The middle of a volume in RAS mm, parent transforms included; copies no voxels."""
        require_node(volume, "vtkMRMLVolumeNode", _("CT volume"))
        world_from_node(volume)  # refuses what is not linear
        if volume.GetImageData() is None:
            raise InputError(
                _("{node} holds no voxels; load or create its image first").format(
                    node=describe(volume)
                )
            )
        bounds = [0.0] * 6
        volume.GetRASBounds(bounds)
        r, a, s = ((low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return r, a, s

    def checkCT(self, volume: Any, parameters: RenderParameters) -> CTCheck:
        """Look at values and orientation of a CT; see :func:`DeepDRRModuleLib.ctcheck.check_ct`."""
        return check_ct(view_of_volume(volume), parameters)

    # Projections

    def projectMarkups(self, markups: Any, radiograph: Any) -> Any:
        """Draw points, a line or a curve where a radiograph shows them.

        Returns:
            A new markups node with the same labels, on the radiograph as the slice views show it;
            a line or curve stays one. What lies behind the source is left out.

        Raises:
            InputError: no markups, no radiograph of this module, or no point before the source.
        """
        return projections.project_markups(markups, radiograph)

    def projectSegmentation(self, segmentation: Any, radiograph: Any, volume: Any = None) -> Any:
        """Make the shadows of the visible segments on a radiograph, and wait for them.

        Args:
            volume: the CT whose voxels are used if the radiograph's own is not in the scene.

        Returns:
            A new segmentation in the geometry of the radiograph, names and colours alike.

        Raises:
            InputError: no segmentation, no radiograph, or no visible segment in the CT.
        """
        camera = radiographs.camera_of(radiograph)
        reference = view_of_volume(projections.reference_of(radiograph, volume))
        bodies = projections.bodies_of(segmentation, reference)
        masks = projections.shadows(bodies, camera)
        return projections.shadows_to_node(bodies, masks, radiograph, segmentation.GetName())

    def projectModel(self, model: Any, radiograph: Any) -> Any:
        """Draw the outline of a surface model on a radiograph; returns a new model of lines.

        Raises:
            InputError: no surface, no radiograph, or no outline before the source.
        """
        return projections.project_model(model, radiograph)

    # Registration

    def register(
        self,
        volume: Any,
        fixed: Any,
        carm: CArm,
        parameters: RegistrationParameters | None = None,
        *,
        mirrored: bool = False,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> tuple[CArm, Any]:
        """Find the pose of a radiograph against a CT, and wait for it.

        Args:
            fixed: radiograph, a scalar volume of one slice.
            carm: where to start, with the detector that took the radiograph.
            mirrored: turn a picture of another device left to right first.

        Returns:
            The C-arm at the found pose, and the :class:`meddl.deepdrr.Registration`.

        Raises:
            MedDLError: bad input, PyTorch is missing, or cancelled.
        """
        start = registration.start_camera(fixed, carm, self.center(volume))
        picture = registration.fixed_picture(fixed, mirrored)
        parameters = parameters or RegistrationParameters(
            quantity=registration.known_quantity(fixed) or RegistrationParameters().quantity
        )
        found = registration.find_pose(
            view_of_volume(volume), picture, start, parameters, progress=progress, cancel=cancel
        )
        return registration.carm_at(found.camera, carm), found
