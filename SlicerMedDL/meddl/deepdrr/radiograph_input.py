"""Reading a radiograph of any origin as it lies before our camera."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from meddl.core.dicom import decode_frames, read_header
from meddl.core.errors import InputError
from meddl.core.files import existing_file
from meddl.core.image import Image
from meddl.core.image_io import PICTURES, VOLUMES, file_suffix, read_image
from meddl.deepdrr.dicom_geometry import columns_mirrored

logger = logging.getLogger(__name__)

_TAGS = ["BitsAllocated", "Columns", "NumberOfFrames", "Rows", "SamplesPerPixel"]


def read_radiograph(path: str | Path, frame: int = 0, mirrored: bool | None = None) -> Image:
    """Read one radiograph: a picture, a volume file of one slice, or a DICOM file (XA, DX, CR, RF).

    Args:
        path: the file.
        frame: of a DICOM file of several, from 0.
        mirrored: whether its columns run against :meth:`meddl.deepdrr.CArm.axes`; then it is
            flipped left to right. None: as a DICOM file's patient orientation says (a warning if it
            says nothing), and not in other files.

    Returns:
        (1, H, W). DICOM: stored values by their rescale, whatever their photometric interpretation.

    Raises:
        FileError: no such file, or damaged.
        InputError: a frame that is not there, or a DICOM file in colour.
    """
    path = existing_file(path, "radiograph")
    known = file_suffix(path) in (*VOLUMES, *PICTURES)
    header = None if known else read_header(path, _TAGS)
    if header is None:
        if frame:
            raise InputError(f"frame {frame} of {path}: frames are chosen in DICOM files")
        image = read_image(path)
        return image.with_array(image.array[:, :, ::-1]) if mirrored else image
    values = decode_frames(path, (int(header.Rows), int(header.Columns)))
    if values.ndim > 3:
        raise InputError(f"{path} is in colour, a grey radiograph was expected")
    if not 0 <= frame < len(values):
        raise InputError(f"frame {frame} of {path}: it has {len(values)}, counted from 0")
    if mirrored is None:
        mirrored = columns_mirrored(path, frame)
        if mirrored is None:
            logger.warning(
                "%s does not say whether it is mirrored: it is taken as seen from the source", path
            )
    picture = values[frame : frame + 1, :, ::-1] if mirrored else values[frame : frame + 1]
    upright = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Image(np.ascontiguousarray(picture), upright, {"path": str(path)})
