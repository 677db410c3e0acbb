"""The library's records from the module's state, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib.parameternode import (
    COMPUTED,
    NO_PRESET,
    SEGMENTATION,
    DeepDRRParameterNode,
    Exposure,
    Quantity,
)
from meddl.core.errors import InputError
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.materials import METHODS
from meddl.deepdrr.presets import load_preset
from meddl.deepdrr.radiograph import RenderParameters
from meddl.deepdrr.registration_parameters import RegistrationParameters
from meddl.deepdrr.spectrum import SPECTRA
from SlicerMedDLLib.markups import points_from_markups

WITHOUT_READING = ("path", "integral")  # no detector reads them: no noise, no scatter


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


def reachable_carm_from(parameters: DeepDRRParameterNode) -> CArm:
    """:func:`carm_from`, within the limits of the chosen preset.

    Raises:
        GeometryError: also a pose that the device does not reach; the message names the limit.
    """
    carm = carm_from(parameters)
    return carm if parameters.preset == NO_PRESET else load_preset(parameters.preset).check(carm)


def show_carm_in(parameters: DeepDRRParameterNode, carm: CArm) -> None:
    """Let the panel show a C-arm; its isocentre is the caller's business."""
    with slicer.util.NodeModify(parameters):
        parameters.primaryAngle = _half_turns(carm.primary_angle)
        parameters.secondaryAngle = _half_turns(carm.secondary_angle)
        parameters.rotation = _half_turns(carm.rotation)
        parameters.sourceDetector = carm.source_detector
        parameters.sourceIsocenter = carm.source_isocenter
        parameters.columns, parameters.rows = carm.detector_size
        parameters.pixelSpacing = carm.pixel_spacing


def _half_turns(angle: float) -> float:
    """The same angle from -180 to 180 degrees."""
    return angle if -180 <= angle <= 180 else (angle + 180) % 360 - 180


def values_from(parameters: DeepDRRParameterNode) -> RenderParameters:
    """The correction of the CT's values alone; the rest has its defaults.

    Raises:
        InputError: a text in the place of the HU replacement that is not V:REPLACEMENT.
    """
    return RenderParameters(
        hu_offset=parameters.huOffset, hu_below=parameters.huBelow.strip() or None
    )


@lru_cache(maxsize=16)  # checking a record takes 2 ms, and each step of a slider asks twice
def _render_parameters(**values: Any) -> RenderParameters:
    return RenderParameters(**values)


def render_parameters_from(parameters: DeepDRRParameterNode) -> RenderParameters:
    """The rendering record of the panel; what no detector reads takes no noise and no scatter.

    With the materials of a segmentation the record says ``threshold``, which decides beside the
    segments; the segmentation goes to the renderer as labels.

    Raises:
        InputError: values that exclude each other, or a text that is not understood.
    """
    quantity = parameters.quantity.value
    read = quantity not in WITHOUT_READING
    exposure = parameters.exposure
    open_field = (parameters.openColumns, parameters.openRows)
    return _render_parameters(
        quantity=quantity,
        materials="threshold" if parameters.materials == SEGMENTATION else parameters.materials,
        density_curve=parameters.densityCurve,
        remove_table=parameters.removeTable,
        **_tube(parameters),
        detector=(
            f"bins:{parameters.binEdges.strip()}"
            if parameters.detector == "bins"
            else parameters.detector
        ),
        csi=parameters.csi,
        grid_primary=parameters.gridPrimary,
        grid_scatter=parameters.gridScatter,
        mtf50=parameters.mtf50 or None,
        heel=parameters.heel,
        collimation=open_field if all(open_field) else None,
        scatter=parameters.scatter if read else "none",
        scatter_photons=parameters.scatterPhotons,
        noise=parameters.noise and read,
        photons=parameters.photons,
        mas=parameters.mas if exposure is Exposure.MAS else None,
        air_kerma=parameters.airKerma if exposure is Exposure.AIR_KERMA else None,
        electronic_noise=parameters.electronicNoise,
        hu_offset=parameters.huOffset,
        hu_below=parameters.huBelow.strip() or None,
        seed=parameters.seed,
    )


def show_render_parameters_in(parameters: DeepDRRParameterNode, record: RenderParameters) -> None:
    """Let the panel show a rendering record; ``record.materials`` only if it is a method.

    Raises:
        InputError: a spectrum of a file, which the panel has no place for; nothing has changed.
    """
    if record.kvp is None and record.spectrum not in SPECTRA:
        raise InputError(
            _(
                "the radiograph was made with the spectrum {spectrum}, the panel has {spectra} "
                "or a tube voltage; use the Python console or meddl drr render"
            ).format(spectrum=record.spectrum, spectra=", ".join(SPECTRA))
        )
    kind, _colon, edges = record.detector.partition(":")
    columns, rows = record.collimation or (0, 0)
    values: dict[str, Any] = {
        "quantity": Quantity(record.quantity),
        "densityCurve": record.density_curve,
        "removeTable": record.remove_table,
        "spectrum": record.spectrum if record.kvp is None else COMPUTED,
        "filtration": record.filtration or "",
        "anodeAngle": record.anode_angle,
        "detector": kind,
        "csi": record.csi,
        "gridPrimary": record.grid_primary,
        "gridScatter": record.grid_scatter,
        "mtf50": record.mtf50 or 0.0,
        "heel": record.heel,
        "openColumns": columns,
        "openRows": rows,
        "scatter": record.scatter,
        "scatterPhotons": record.scatter_photons,
        "noise": record.noise,
        "photons": record.photons,
        "electronicNoise": record.electronic_noise,
        "huOffset": record.hu_offset,
        "huBelow": record.hu_below or "",
        "seed": record.seed,
        "exposure": Exposure.PHOTONS,
    }
    if record.kvp is not None:
        values["kvp"] = record.kvp
    if edges:
        values["binEdges"] = edges
    if record.mas is not None:
        values |= {"exposure": Exposure.MAS, "mas": record.mas}
    if record.air_kerma is not None:
        values |= {"exposure": Exposure.AIR_KERMA, "airKerma": record.air_kerma}
    if record.materials in METHODS:
        values["materials"] = record.materials
    with slicer.util.NodeModify(parameters):
        for name, value in values.items():
            setattr(parameters, name, value)


def _tube(parameters: DeepDRRParameterNode) -> dict[str, Any]:
    """The panel's values of SpectrumParameters."""
    computed = parameters.spectrum == COMPUTED
    return {
        "spectrum": SPECTRA[0] if computed else parameters.spectrum,
        "kvp": parameters.kvp if computed else None,
        "filtration": parameters.filtration.strip() or None,
        "anode_angle": parameters.anodeAngle if computed else RenderParameters.anode_angle,
    }


def registration_parameters_from(parameters: DeepDRRParameterNode) -> RegistrationParameters:
    """The record of the panel's registration, with its tube and the CT's corrections of values."""
    return RegistrationParameters(
        **_tube(parameters),
        quantity=parameters.fixedQuantity,
        search_angle=parameters.searchAngle,
        search_shift=parameters.searchShift,
        hu_offset=parameters.huOffset,
        hu_below=parameters.huBelow.strip() or None,
    )
