"""The module's state in the scene, and the library's records that follow from it."""

from __future__ import annotations

import enum
from typing import Annotated, Union

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    SingleStep,
    WithinRange,
    parameterNodeWrapper,
)

from meddl.deepdrr.carm import CArm
from meddl.deepdrr.radiograph import RenderParameters
from meddl.deepdrr.spectrum import SPECTRA
from SlicerMedDLLib.markups import points_from_markups

Angle = Annotated[float, WithinRange(-180, 180), Decimals(1), SingleStep(1)]
Pixels = Annotated[int, WithinRange(16, 4096)]


class Quantity(enum.Enum):
    """What a pixel holds; the values are those of ``RenderParameters.quantity``."""

    NEGLOG = "neglog"
    INTENSITY = "intensity"
    ENERGY = "energy"
    PATH = "path"
    INTEGRAL = "integral"

    def label(self) -> str:
        """The text in the selector."""
        return {
            Quantity.NEGLOG: _("Attenuation, -log(I/I0)"),
            Quantity.INTENSITY: _("Intensity, I/I0"),
            Quantity.ENERGY: _("Deposited energy, keV per photon"),
            Quantity.PATH: _("Mass per area of each material, g/cm2"),
            Quantity.INTEGRAL: _("Line integral of the voxel values, value x mm"),
        }[self]


@parameterNodeWrapper
class DeepDRRParameterNode:
    """Everything the panel shows; angles in degrees, lengths in mm.

    ``isocenter`` None means the centre of the CT; ``radiograph`` None means a new node.
    """

    ctVolume: slicer.vtkMRMLScalarVolumeNode
    huOffset: Annotated[float, WithinRange(-100000, 100000), Decimals(0)] = 0.0
    huBelow: str = ""

    primaryAngle: Angle = 0.0
    secondaryAngle: Angle = 0.0
    rotation: Angle = 0.0
    sourceDetector: Annotated[float, WithinRange(300, 2000), Decimals(1), SingleStep(10)] = 1020.0
    sourceIsocenter: Annotated[float, WithinRange(100, 1900), Decimals(1), SingleStep(10)] = 530.0
    isocenter: slicer.vtkMRMLMarkupsFiducialNode
    columns: Pixels = 512
    rows: Pixels = 512
    pixelSpacing: Annotated[float, WithinRange(0.01, 20), Decimals(3), SingleStep(0.1)] = 0.6
    showCArm: bool = True
    carmTransform: slicer.vtkMRMLLinearTransformNode

    quantity: Quantity = Quantity.NEGLOG
    spectrum: Annotated[str, Choice(list(SPECTRA))] = "90kV"
    noise: bool = False
    photons: Annotated[float, WithinRange(1, 1e9), Decimals(0), SingleStep(10000)] = 100_000.0
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = 0
    radiologicalView: bool = False
    # Slicer's node selectors know typing.Union, not the type of A | B; None must be named.
    radiograph: Union[  # noqa: UP007
        slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLVectorVolumeNode, None
    ]


def carm_from(parameters: DeepDRRParameterNode) -> CArm:
    """The C-arm of the panel; its isocentre is the first point of the selected list, if any.

    Raises:
        InputError: a point list without a placed point.
        GeometryError: the isocentre is not between source and detector.
    """
    isocenter = None
    if parameters.isocenter is not None:
        _labels, ras = points_from_markups(parameters.isocenter)
        isocenter = (float(ras[0, 0]), float(ras[0, 1]), float(ras[0, 2]))
    return CArm(
        primary_angle=parameters.primaryAngle,
        secondary_angle=parameters.secondaryAngle,
        rotation=parameters.rotation,
        source_detector=parameters.sourceDetector,
        source_isocenter=parameters.sourceIsocenter,
        isocenter=isocenter,
        detector_size=(parameters.columns, parameters.rows),
        pixel_spacing=parameters.pixelSpacing,
    )


def render_parameters_from(parameters: DeepDRRParameterNode) -> RenderParameters:
    """The rendering record of the panel; line integrals take no noise.

    Raises:
        InputError: a text in the place of the HU replacement that is not V:REPLACEMENT.
    """
    quantity = parameters.quantity.value
    return RenderParameters(
        quantity=quantity,
        spectrum=parameters.spectrum,
        noise=parameters.noise and quantity not in ("path", "integral"),
        photons=parameters.photons,
        hu_offset=parameters.huOffset,
        hu_below=parameters.huBelow.strip() or None,
        seed=parameters.seed,
    )
