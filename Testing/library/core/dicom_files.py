"""DICOM files made by pydicom, for tests."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from PIL import Image as pillow
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    generate_uid,
)

from meddl.core.geometry import rotation

SPACING = (0.8, 1.25)  # between rows, between columns
UID = "1.2.3.4"
# Row and column directions of an oblique plane, as columns; the third is their cross product.
OBLIQUE = rotation((1, 2, 3), 20)[:3, :3]


def stored(index, shape=(5, 6)):
    """Stored values of slice ``index``; HU = stored - 1024."""
    return np.random.default_rng(index).integers(0, 4000, shape).astype(np.uint16)


def new_dataset(sop_class, pixels):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = "Secret^Person", "secret-id"
    data.Modality, data.SeriesInstanceUID, data.SeriesDescription = "CT", UID, "Body 3.0"
    data.PatientPosition = "HFS"
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = pixels.tobytes()
    return data


def save(data, path):
    data.save_as(path, enforce_file_format=True)


def write_slice(path, index, height=None, axes=OBLIQUE, shift=(0, 0, 0), **changes):
    """One CT slice at ``height`` mm (default 2.5 x index) along the normal of ``axes``."""
    data = new_dataset(CTImageStorage, stored(index))
    height = 2.5 * index if height is None else height
    position = np.array([-30.0, 12.0, 100.0]) + axes[:, 2] * height + np.array(shift)
    data.ImagePositionPatient = [f"{v:.6f}" for v in position]
    data.ImageOrientationPatient = [f"{v:.8f}" for v in axes[:, :2].T.ravel()]
    data.PixelSpacing = list(map(str, SPACING))
    data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
    data.InstanceNumber = index
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    save(data, path)


def compressed_slice(path, kind):
    """Slice 0, encapsulated: lossless JPEG 2000 or JPEG (8 bits) by Pillow."""
    pixels = stored(0, (32, 48)) if kind == "JPEG2000" else (stored(0, (32, 48)) >> 4)
    buffer = io.BytesIO()
    picture = pillow.fromarray(pixels if kind == "JPEG2000" else pixels.astype(np.uint8))
    picture.save(buffer, kind, **({"no_jp2": True} if kind == "JPEG2000" else {"quality": 95}))
    write_slice(path, 0, Rows=32, Columns=48, PixelData=pixels.tobytes())
    data = pydicom.dcmread(path)
    data.PixelData = encapsulate([buffer.getvalue()])
    data["PixelData"].VR = "OB"
    if kind == "JPEG2000":
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    else:
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit = 7
    save(data, path)
    return pixels


def enhanced(frame_order, intercepts=None):
    """An enhanced CT whose frames come in ``frame_order``, 2 mm apart along z."""
    frames = np.stack([stored(index) for index in frame_order])
    data = new_dataset(EnhancedCTImageStorage, frames)
    data.NumberOfFrames = len(frame_order)
    shared = Dataset()
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(map(str, SPACING)), "2"
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    data.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, index in enumerate(frame_order):
        group, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = ["-10", "-20", str(2.0 * index)]
        values.RescaleSlope, values.RescaleType = "1", "HU"
        values.RescaleIntercept = str(-1024 if intercepts is None else intercepts[number])
        group.PlanePositionSequence = [position]
        group.PixelValueTransformationSequence = [values]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    return data
