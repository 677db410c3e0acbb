"""The geometry of DICOM radiographs: from the header of an XA, DX or our own file to a C-arm.

DICOM's XA positioner (PS3.3 C.8.7.5) knows two angles with respect to the patient, the distances
from the source, and the pixels; not where the isocentre lies in the patient, not the turn of the
picture. What the file does not say is taken as stated in :attr:`DicomGeometry.unknown`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.dicom import read_header
from meddl.core.dicom_codestream import reading_dicom
from meddl.core.errors import FileError, InputError
from meddl.core.files import existing_file
from meddl.core.parameters import from_dict
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Our record, as JSON in one private element of this creator's block.
RECORD_GROUP, RECORD_CREATOR, RECORD_ELEMENT = 0x0099, "MEDDL RADIOGRAPH", 0x01
_TAGS: list[Any] = [
    "BitsAllocated",
    "Columns",
    "DetectorPrimaryAngle",
    "DetectorSecondaryAngle",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "EstimatedRadiographicMagnificationFactor",
    "ImagerPixelSpacing",
    "NumberOfFrames",
    "PatientOrientation",
    "PositionerPrimaryAngle",
    "PositionerPrimaryAngleIncrement",
    "PositionerSecondaryAngle",
    "PositionerSecondaryAngleIncrement",
    "Rows",
    "SamplesPerPixel",
    "ViewPosition",
    RECORD_GROUP << 16 | 0x10,
    RECORD_GROUP << 16 | 0x1000 | RECORD_ELEMENT,
]
# (0018,5101) View Position as angles, where a file has no positioner angles: the beam's direction,
# or the side that lies at the detector.
VIEW_POSITIONS = {
    "PA": (0.0, 0.0),
    "AP": (180.0, 0.0),
    "LL": (90.0, 0.0),
    "RL": (-90.0, 0.0),
    "LAO": (45.0, 0.0),
    "RAO": (-45.0, 0.0),
}


@dataclass(frozen=True)
class DicomGeometry:
    """What a header says about the geometry of its picture.

    Attributes:
        view: the C-arm, or the camera if one of our files was rendered by a camera.
        mirrored: whether the columns run against :meth:`CArm.axes`; flip the picture left to right
            before comparing it with a radiograph of ``view``. None if the file does not say.
        unknown: one sentence for each thing that the file does not say and what was taken.
    """

    view: CArm | Camera
    mirrored: bool | None
    unknown: tuple[str, ...] = ()


def read_dicom_geometry(path: str | Path, frame: int = 0, **known: Any) -> DicomGeometry:
    """Read the geometry of a radiograph.

    Args:
        path: XA, DX, CR or RF file, or one written by :func:`meddl.deepdrr.write_radiograph`.
        frame: of a multi-frame file, from 0; its angle increments are added.
        known: fields of :class:`CArm` that are known better than the file knows them.

    Raises:
        FileError: no DICOM image, damaged, or without the distances and the pixel spacing.
        InputError: a frame that is not there, or a value out of bounds.
    """
    path = existing_file(Path(path), "DICOM file")
    header = read_header(path, _TAGS)
    if header is None:
        raise FileError(f"{path} is no DICOM image")
    with reading_dicom(path):
        record = header.private_block(RECORD_GROUP, RECORD_CREATOR) if _ours(header) else None
        if record is not None:
            return _recorded(json.loads(record[RECORD_ELEMENT].value), known)
        return _positioner(path, header, frame, known)


def columns_mirrored(path: str | Path, frame: int = 0) -> bool | None:
    """:attr:`DicomGeometry.mirrored` of a file, which may lack distances and pixel spacing.

    Raises:
        FileError, InputError: as :func:`read_dicom_geometry`.
    """
    path = Path(path)
    header = read_header(existing_file(path, "DICOM file"), _TAGS)
    if header is None:
        raise FileError(f"{path} is no DICOM image")
    with reading_dicom(path):
        if _ours(header):
            record = header.private_block(RECORD_GROUP, RECORD_CREATOR)[RECORD_ELEMENT].value
            return bool(json.loads(record)["mirrored"])
        angles = _angles(path, header, frame) or _view_position(header)
        return _is_mirrored(_letters(header), CArm(*angles))


def _ours(header: Dataset) -> bool:
    return header.get((RECORD_GROUP, 0x10)) is not None and RECORD_CREATOR in str(
        header[RECORD_GROUP, 0x10].value
    )


def _recorded(record: dict[str, Any], known: dict[str, Any]) -> DicomGeometry:
    camera = Camera.from_dict(record["camera"])
    if record.get("carm") is None:
        if known:
            raise InputError(
                f"the file has a camera, no C-arm: {next(iter(known))} cannot be changed"
            )
        return DicomGeometry(camera, bool(record["mirrored"]))
    values = record["carm"]
    z = camera.camera_from_world[2, :3]
    isocenter = camera.source + values["source_isocenter"] * z
    carm = from_dict(CArm, {**values, "isocenter": isocenter.tolist(), **known})
    return DicomGeometry(carm, bool(record["mirrored"]))


def _positioner(path: Path, header: Dataset, frame: int, known: dict[str, Any]) -> DicomGeometry:
    values: dict[str, Any] = {"detector_size": (int(header.Columns), int(header.Rows))}
    unknown = []
    if known.get("isocenter") is None:
        unknown.append(
            "the file does not say where the isocentre lies in the patient (the table is not "
            "known): the centre of the CT is taken; give --isocenter"
        )
    if "rotation" not in known:
        unknown.append("the file does not say how the detector is turned: 0 degrees are taken")
    angles = _angles(path, header, frame)
    if angles is None:
        angles = _view_position(header)
        if not {"primary_angle", "secondary_angle"} <= known.keys():
            unknown.append(
                "the file has no positioner angles: its view position "
                f"{header.get('ViewPosition') or '(none)'} is taken for "
                f"primary {angles[0]:g}, secondary {angles[1]:g} degrees"
            )
    values["primary_angle"], values["secondary_angle"] = angles
    for name in ("DetectorPrimaryAngle", "DetectorSecondaryAngle"):
        if abs(_number(header, name) or 0.0) > 0.1:
            unknown.append(
                f"the beam is {_number(header, name):g} degrees oblique to the detector ({name}): "
                "a perpendicular one is taken"
            )
    values["source_detector"] = _number(header, "DistanceSourceToDetector")
    values["source_isocenter"] = _number(header, "DistanceSourceToPatient")
    magnification = _number(header, "EstimatedRadiographicMagnificationFactor")
    if not values["source_isocenter"] and magnification and values["source_detector"]:
        values["source_isocenter"] = values["source_detector"] / magnification
    spacing = [float(n) for n in header.get("ImagerPixelSpacing") or ()]
    if "pixel_spacing" not in known and spacing and abs(spacing[0] / spacing[-1] - 1) > 1e-4:
        raise FileError(f"{path} has pixels of {spacing} mm: a C-arm has square ones")
    values["pixel_spacing"] = spacing[0] if spacing else None
    values |= known
    for name, tag in (
        ("source_detector", "Distance Source to Detector (0018,1110)"),
        ("source_isocenter", "Distance Source to Patient (0018,1111)"),
        ("pixel_spacing", "Imager Pixel Spacing (0018,1164)"),
    ):
        if not values[name]:
            option = "--" + name.replace("_", "-")
            raise FileError(f"{path} has no {tag}; give it with {option} MM")
    carm = from_dict(CArm, values, str(path))
    letters = _letters(header)
    mirrored = _is_mirrored(letters, carm)
    if mirrored is None:
        said = "\\".join(letters) or "none"
        unknown.append(
            f"the file's patient orientation ({said}) does not tell whether its columns run as "
            "ours; pictures of angiography are as a rule seen from the detector, mirrored to ours"
        )
    return DicomGeometry(carm, mirrored, tuple(unknown))


def _angles(path: Path, header: Dataset, frame: int) -> tuple[float, float] | None:
    frames = int(header.get("NumberOfFrames") or 1)
    if not 0 <= frame < frames:
        raise InputError(f"frame {frame} of {path}: it has {frames}, counted from 0")
    angles = []
    for name in ("PositionerPrimaryAngle", "PositionerSecondaryAngle"):
        angle = _number(header, name)
        if angle is None:
            return None
        increments = header.get(name + "Increment")
        # DICOM counts the increments from the first frame's angle (C.8.7.5.1.3).
        if increments is not None and frames > 1:
            angle += float(np.ravel(increments)[frame])
        angles.append(angle)
    return angles[0], angles[1]


def _view_position(header: Dataset) -> tuple[float, float]:
    return VIEW_POSITIONS.get(str(header.get("ViewPosition") or ""), (0.0, 0.0))


def _letters(header: Dataset) -> list[str]:
    return [str(n) for n in header.get("PatientOrientation") or ()]


def _number(header: Dataset, name: str) -> float | None:
    value = header.get(name)
    return None if value in (None, "") else float(value)


def patient_orientation(axis: ArrayLike) -> str:
    """DICOM's letters of a direction in RAS, the largest component first, as ``"RA"`` or ``"F"``.

    Components below 5 % of the length (3 degrees) are left out.
    """
    direction: NDArray[np.float64] = np.asarray(axis, dtype=np.float64)
    direction = direction / np.linalg.norm(direction)
    order = sorted(range(3), key=lambda n: -abs(direction[n]))
    letters = ("RL", "AP", "HF")
    return "".join(letters[n][int(direction[n] < 0)] for n in order if abs(direction[n]) > 0.05)


def _is_mirrored(letters: list[str], carm: CArm) -> bool | None:
    if len(letters) != 2 or not all(letters):
        return None
    x, y, _ = carm.axes()
    if patient_orientation(y)[0] != letters[1][0]:
        return None
    if patient_orientation(x)[0] == letters[0][0]:
        return False
    return True if patient_orientation(-x)[0] == letters[0][0] else None
