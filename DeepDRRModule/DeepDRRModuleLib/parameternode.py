"""The module's state in the scene. Defaults and bounds are those of the library's records."""

from __future__ import annotations

import enum
from dataclasses import fields
from typing import Annotated, Any, Union

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    FloatRange,
    RangeBounds,
    SingleStep,
    WithinRange,
    parameterNodeWrapper,
)

from meddl.deepdrr.carm import CArm
from meddl.deepdrr.dataset import FORMATS, OutputParameters
from meddl.deepdrr.hounsfield import density_curves
from meddl.deepdrr.materials import METHODS
from meddl.deepdrr.presets import preset_names
from meddl.deepdrr.radiograph import RenderParameters
from meddl.deepdrr.registration_parameters import RegistrationParameters
from meddl.deepdrr.scatter import METHODS as SCATTER_METHODS
from meddl.deepdrr.spectrum import SPECTRA
from meddl.deepdrr.views import ViewRanges

NO_PRESET = "none"
SEGMENTATION = "segmentation"  # beside the library's methods: a node of the scene
COMPUTED = "computed"  # beside the shipped spectra: by kvp

RENDER, CARM, VIEWS, SEARCH, OUTPUT = (
    RenderParameters(),
    CArm(),
    ViewRanges(),
    RegistrationParameters(),
    OutputParameters(),
)


def _choices(record: type, name: str) -> Choice:
    item = next(item for item in fields(record) if item.name == name)
    return Choice(list(item.metadata["choices"]))


def _within(record: type, name: str, low: float | None = None, high: float | None = None) -> Any:
    """The bounds of a record's field; ``low`` and ``high`` where a widget wants narrower ones."""
    item = next(item for item in fields(record) if item.name == name)
    bounds = (
        (item.metadata["minimum"] if low is None else low),
        (item.metadata["maximum"] if high is None else high),
    )
    return WithinRange(*bounds)


Angle = Annotated[float, WithinRange(-180, 180), Decimals(1), SingleStep(1)]
Pixels = Annotated[int, WithinRange(16, 4096)]
Field = Annotated[int, WithinRange(0, 4096)]
Seed = Annotated[int, WithinRange(0, 2**31 - 1)]
Turn = RangeBounds(-180, 180)


class Quantity(enum.Enum):
    """What a pixel holds; the values are those of ``RenderParameters.quantity``."""

    NEGLOG = "neglog"
    INTENSITY = "intensity"
    ENERGY = "energy"
    PATH = "path"
    INTEGRAL = "integral"
    COUNTS = "counts"

    def label(self) -> str:
        """The text in the selector."""
        return {
            Quantity.NEGLOG: _("Attenuation, -log(I/I0)"),
            Quantity.INTENSITY: _("Intensity, I/I0"),
            Quantity.ENERGY: _("Deposited energy, keV per photon"),
            Quantity.PATH: _("Mass per area of each material, g/cm2"),
            Quantity.INTEGRAL: _("Line integral of the voxel values, value x mm"),
            Quantity.COUNTS: _("Counted photons (counting detectors)"),
        }[self]


class Exposure(enum.Enum):
    """How the exposure is given; the values are fields of ``RenderParameters``."""

    PHOTONS = "photons"
    MAS = "mas"
    AIR_KERMA = "air_kerma"

    def label(self) -> str:
        """The text in the selector."""
        return {
            Exposure.PHOTONS: _("photons per pixel"),
            Exposure.MAS: _("tube current x time"),
            Exposure.AIR_KERMA: _("air kerma at the detector"),
        }[self]


@parameterNodeWrapper
class DeepDRRParameterNode:
    """Everything the panel shows; angles in degrees, lengths in mm.

    ``isocenter`` None means the centre of the CT; ``radiograph`` None means a new node. 0 stands
    for None in ``mtf50`` and the open field.
    """

    ctVolume: slicer.vtkMRMLScalarVolumeNode
    huOffset: Annotated[float, WithinRange(-100000, 100000), Decimals(0)] = RENDER.hu_offset
    huBelow: str = ""

    preset: Annotated[str, Choice([NO_PRESET, *preset_names()])] = NO_PRESET
    primaryAngle: Angle = CARM.primary_angle
    secondaryAngle: Angle = CARM.secondary_angle
    rotation: Angle = CARM.rotation
    sourceDetector: Annotated[
        float, _within(CArm, "source_detector", 300, 2000), Decimals(1), SingleStep(10)
    ] = CARM.source_detector
    sourceIsocenter: Annotated[
        float, _within(CArm, "source_isocenter", 100, 1900), Decimals(1), SingleStep(10)
    ] = CARM.source_isocenter
    isocenter: slicer.vtkMRMLMarkupsFiducialNode
    columns: Pixels = CARM.detector_size[0]
    rows: Pixels = CARM.detector_size[1]
    pixelSpacing: Annotated[
        float, _within(CArm, "pixel_spacing", 0.01, 20), Decimals(3), SingleStep(0.1)
    ] = CARM.pixel_spacing
    showCArm: bool = True
    carmTransform: slicer.vtkMRMLLinearTransformNode

    materials: Annotated[str, Choice([*METHODS, SEGMENTATION])] = RENDER.materials
    segmentation: slicer.vtkMRMLSegmentationNode
    densityCurve: Annotated[str, Choice(list(density_curves()))] = RENDER.density_curve
    removeTable: bool = RENDER.remove_table

    spectrum: Annotated[str, Choice([*SPECTRA, COMPUTED])] = RENDER.spectrum
    kvp: Annotated[float, _within(RenderParameters, "kvp"), Decimals(0)] = 80.0
    filtration: str = ""
    anodeAngle: Annotated[float, _within(RenderParameters, "anode_angle"), Decimals(1)] = (
        RENDER.anode_angle
    )
    detector: Annotated[str, Choice(["energy", "counting", "bins"])] = RENDER.detector
    binEdges: str = "20,50,80"
    csi: Annotated[float, _within(RenderParameters, "csi"), Decimals(0), SingleStep(50)] = (
        RENDER.csi
    )
    gridPrimary: Annotated[
        float, _within(RenderParameters, "grid_primary"), Decimals(2), SingleStep(0.05)
    ] = RENDER.grid_primary
    gridScatter: Annotated[
        float, _within(RenderParameters, "grid_scatter"), Decimals(2), SingleStep(0.05)
    ] = RENDER.grid_scatter
    mtf50: Annotated[
        float, _within(RenderParameters, "mtf50", 0, 20), Decimals(2), SingleStep(0.1)
    ] = 0.0
    heel: Annotated[str, _choices(RenderParameters, "heel")] = RENDER.heel
    openColumns: Field = 0
    openRows: Field = 0
    scatter: Annotated[str, Choice(list(SCATTER_METHODS))] = RENDER.scatter
    scatterPhotons: Annotated[
        int, _within(RenderParameters, "scatter_photons", high=2**31 - 1), SingleStep(100_000)
    ] = RENDER.scatter_photons
    noise: bool = RENDER.noise
    exposure: Exposure = Exposure.PHOTONS
    photons: Annotated[
        float, _within(RenderParameters, "photons", high=1e9), Decimals(0), SingleStep(10000)
    ] = RENDER.photons
    mas: Annotated[float, _within(RenderParameters, "mas", 0.01, 1e4), Decimals(2)] = 1.0
    airKerma: Annotated[
        float, _within(RenderParameters, "air_kerma", 0.001, 1e5), Decimals(3), SingleStep(0.1)
    ] = 1.0
    electronicNoise: Annotated[
        float, _within(RenderParameters, "electronic_noise", high=1e6), Decimals(1)
    ] = RENDER.electronic_noise
    seed: Seed = RENDER.seed

    quantity: Quantity = Quantity.NEGLOG
    livePreview: bool = True
    radiologicalView: bool = False
    # Slicer's node selectors know typing.Union, not the type of A | B; None must be named.
    radiograph: Union[  # noqa: UP007
        slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLVectorVolumeNode, None
    ]

    markups: slicer.vtkMRMLMarkupsNode
    shadowed: slicer.vtkMRMLSegmentationNode
    outlined: slicer.vtkMRMLModelNode

    fixed: slicer.vtkMRMLScalarVolumeNode
    fixedQuantity: Annotated[str, _choices(RegistrationParameters, "quantity")] = SEARCH.quantity
    fixedMirrored: bool = False
    searchAngle: Annotated[
        float, _within(RegistrationParameters, "search_angle"), Decimals(1), SingleStep(1)
    ] = SEARCH.search_angle
    searchShift: Annotated[
        float, _within(RegistrationParameters, "search_shift"), Decimals(1), SingleStep(5)
    ] = SEARCH.search_shift

    views: Annotated[int, _within(OutputParameters, "views")] = OUTPUT.views
    format: Annotated[str, Choice(list(FORMATS))] = OUTPUT.format
    workers: Annotated[int, WithinRange(0, 256)] = 0
    primaryRange: Annotated[
        FloatRange, Turn, Decimals(0), Default(FloatRange(*VIEWS.primary_angle))
    ]
    secondaryRange: Annotated[
        FloatRange, Turn, Decimals(0), Default(FloatRange(*VIEWS.secondary_angle))
    ]
    rotationRange: Annotated[FloatRange, Turn, Decimals(0), Default(FloatRange(*VIEWS.rotation))]
    jitter: Annotated[float, WithinRange(0, 500), Decimals(1)] = max(VIEWS.isocenter_jitter)
    datasetSeed: Seed = OUTPUT.seed


def choice_texts() -> dict[str, str]:
    """What the selectors show of the choices that are words."""
    return {
        "none": _("none"),
        "mobile": _("mobile"),
        "biplane-frontal": _("biplane-frontal"),
        "biplane-lateral": _("biplane-lateral"),
        "chest-stand": _("chest-stand"),
        "threshold": _("threshold"),
        "network": _("network"),
        "water": _("water"),
        "segmentation": _("segmentation"),
        "water-bone": _("water-bone"),
        "computed": _("computed"),
        "energy": _("energy"),
        "counting": _("counting"),
        "bins": _("bins"),
        "left": _("left"),
        "right": _("right"),
        "top": _("top"),
        "bottom": _("bottom"),
        "kernel": _("kernel"),
        "montecarlo": _("montecarlo"),
        "neglog": _("neglog"),
        "intensity": _("intensity"),
    }
