"""Writing a radiograph as DICOM, its values recoverable and its geometry in the header.

Intensity and energy become X-Ray Angiographic images (linear to the beam's intensity), to which we
add a rescale. A negative logarithm or a line integral is no X-ray intensity: it becomes a
Multi-frame Grayscale Word Secondary Capture image, whose rescale may be any (PS3.3 A.8.4.4), to
which we add the positioner. Both are standard extended SOP classes. Nothing of a patient is
written.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import atomic_path
from meddl.core.image import Image
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import carm_angles
from meddl.deepdrr.dicom_geometry import (
    RECORD_CREATOR,
    RECORD_ELEMENT,
    RECORD_GROUP,
    patient_orientation,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

LEVELS = 65535  # of the 16-bit stored values
XA_QUANTITIES = ("intensity", "energy")


def write_dicom_radiograph(
    path: str | Path,
    radiograph: Image,
    window: tuple[float, float] | None = None,
    mirrored: bool = False,
) -> None:
    """Write a radiograph of one component as ``.dcm``, atomically.

    Stored are 16-bit values; value = slope x stored + intercept, within slope / 2 of the original,
    where slope is the picture's range / 65535. The same radiograph gives the same file.

    Args:
        path: the file.
        radiograph: what :func:`meddl.deepdrr.render` returned.
        window: values of black and white; by default the picture's range. In the quantity's unit.
        mirrored: flip left to right, as radiographs are read, facing the patient. Patient
            Orientation says how the rows and columns run in either case.

    Raises:
        InputError: several components, or values that are not finite.
        FileError: the folder takes no file.
    """
    if radiograph.components != 1:
        raise InputError(
            f"{path}: a DICOM radiograph holds one quantity, this one has {radiograph.components} "
            "components; write .tiff or .nrrd"
        )
    values = radiograph.require_finite("radiograph").array.reshape(radiograph.array.shape[1:3])
    data = _header(radiograph, mirrored)
    _put_pixels(data, values[:, ::-1] if mirrored else values, window)
    _put_identity(data)
    with atomic_path(path) as temporary:
        data.save_as(temporary, enforce_file_format=True)


def _header(radiograph: Image, mirrored: bool) -> Dataset:
    """Everything but pixels and identity."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        XRayAngiographicImageStorage,
    )

    metadata = radiograph.metadata
    quantity, unit = metadata.get("quantity", ""), metadata.get("unit", "")
    angiographic = quantity in XA_QUANTITIES
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["DERIVED", "SECONDARY", "SINGLE PLANE"]
    for name in (
        "AccessionNumber",
        "Laterality",
        "PatientBirthDate",
        "PatientSex",
        "ReferringPhysicianName",
        "StudyDate",
        "StudyID",
        "StudyTime",
    ):
        setattr(data, name, "")
    data.PatientName, data.PatientID = "ANONYMOUS", "ANONYMOUS"
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "never had an identity"
    data.Manufacturer = "MedDL"
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.SeriesDescription = "Digitally reconstructed radiograph"
    data.DerivationDescription = f"computed from CT: {quantity}, {unit}"
    data.ImageComments = "Computed from CT, no exposure. Value = slope x stored + intercept."
    data.BurnedInAnnotation, data.LossyImageCompression = "NO", "00"
    if angiographic:
        data.SOPClassUID, data.Modality = XRayAngiographicImageStorage, "XA"
        data.PixelIntensityRelationship, data.RadiationSetting = "LIN", "GR"
        for name in ("XRayTubeCurrent", "ExposureTime", "Exposure"):
            setattr(data, name, None)
    else:
        data.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        data.Modality, data.ConversionType, data.NumberOfFrames = "OT", "WSD", 1
        data.PresentationLUTShape = "IDENTITY"
    data.KVP = _kilovolts(metadata.get("parameters", {}))
    _put_geometry(data, metadata, mirrored)
    return data


def _put_geometry(data: Dataset, metadata: Any, mirrored: bool) -> None:
    from pydicom.valuerep import DSfloat

    camera = Camera.from_dict(metadata["camera"])
    primary, secondary, _ = carm_angles(camera)
    data.PositionerPrimaryAngle = DSfloat(primary, auto_format=True)
    data.PositionerSecondaryAngle = DSfloat(secondary, auto_format=True)
    if "carm" in metadata:  # a camera alone has no mm on its detector
        carm = metadata["carm"]
        data.DistanceSourceToDetector = DSfloat(carm["source_detector"], auto_format=True)
        data.DistanceSourceToPatient = DSfloat(carm["source_isocenter"], auto_format=True)
        data.ImagerPixelSpacing = [DSfloat(carm["pixel_spacing"], auto_format=True)] * 2
    x, y, _ = camera.camera_from_world[:3, :3]
    data.PatientOrientation = [patient_orientation(-x if mirrored else x), patient_orientation(y)]
    record = {**metadata, "mirrored": mirrored}
    if "parameters" in record:
        record["parameters"] = _without_folders(record["parameters"])
    block = data.private_block(RECORD_GROUP, RECORD_CREATOR, create=True)
    block.add_new(RECORD_ELEMENT, "UT", json.dumps(record, allow_nan=False))


def _without_folders(parameters: dict[str, Any]) -> dict[str, Any]:
    """Label map and spectrum file by their names: folders may be called after a patient."""
    files = {name: parameters[name] for name in ("materials", "spectrum") if name in parameters}
    return {**parameters, **{name: re.split(r"[/\\]", path)[-1] for name, path in files.items()}}


def _kilovolts(parameters: Any) -> float | None:
    """The tube voltage as given, or that of a shipped spectrum's name, as ``90kV``."""
    if parameters.get("kvp") is not None:
        return float(parameters["kvp"])
    match = re.fullmatch(r"(\d+(?:\.\d+)?)kV", str(parameters.get("spectrum", "")))
    return float(match[1]) if match else None


def _put_pixels(
    data: Dataset, values: NDArray[np.floating], window: tuple[float, float] | None
) -> None:
    """Pixels, rescale and window. The rescale is rounded to DICOM's 16 characters first."""
    from pydicom.valuerep import DSfloat

    low, high = float(values.min()), float(values.max())
    step = (high - low) / LEVELS
    # Up by 1e-9, so that rounding the slope never lifts the largest value over the last level.
    slope = DSfloat(step * (1 + 1e-9) if step > 0 else 1.0, auto_format=True)
    intercept = DSfloat(low, auto_format=True)
    # The text is what a reader gets.
    stored = np.rint((values.astype(np.float64) - float(str(intercept))) / float(str(slope)))
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = np.clip(stored, 0, LEVELS).astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = slope, intercept, "US"
    black, white = window or (low, high if high > low else low + 1)
    if not white > black:
        raise InputError(f"window {black:g},{white:g}: the second value must be the larger one")
    data.VOILUTFunction = "LINEAR_EXACT"  # the plain LINEAR has no window narrower than 1
    data.WindowCenter = DSfloat((black + white) / 2, auto_format=True)
    data.WindowWidth = DSfloat(white - black, auto_format=True)


def _put_identity(data: Dataset) -> None:
    """UIDs made from the content: equal radiographs have equal files, others never collide."""
    from pydicom.uid import generate_uid

    text = data.to_json(bulk_data_threshold=64, bulk_data_element_handler=lambda _: "")
    digest = hashlib.sha256(text.encode() + data.PixelData).hexdigest()
    data.StudyInstanceUID = generate_uid(entropy_srcs=[digest, "study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[digest, "series"])
    data.SOPInstanceUID = generate_uid(entropy_srcs=[digest, "instance"])
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
