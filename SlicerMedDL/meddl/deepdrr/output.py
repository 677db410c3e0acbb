"""Writing a radiograph: floating-point values unscaled, PNG for looking."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meddl.core.errors import FileError
from meddl.core.files import atomic_path, writable_parent, write_json
from meddl.core.image import Image
from meddl.core.image_io import write_image
from meddl.deepdrr.dicom_output import write_dicom_radiograph
from meddl.deepdrr.display import DisplayParameters, display_picture

SUFFIXES = (".tiff", ".tif", ".nrrd", ".nii.gz", ".nii", ".png", ".dcm")


def output_suffix(path: str | Path) -> str:
    """The suffix of an output file, ``.nii.gz`` as one.

    Raises:
        FileError: none of :data:`SUFFIXES`, or a folder that takes no file.
    """
    name = writable_parent(path).name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return suffix
    raise FileError(f"{path}: a radiograph is written as {', '.join(SUFFIXES)}")


def write_radiograph(
    path: str | Path, radiograph: Image, display: DisplayParameters | None = None
) -> None:
    """Write a radiograph by its suffix, atomically.

    ``.tiff``: float32 (H, W), one page per material or energy bin, names in ImageDescription.
    ``.nrrd``, ``.nii.gz``: float32, x = column, y = row, z size 1, pages as components, and the
    camera beside it in ``OUT.json``. ``.png``: 8-bit grey (:mod:`meddl.deepdrr.display`).
    ``.dcm``: 16 bits with rescale (:mod:`meddl.deepdrr.dicom_output`).

    Raises:
        FileError: unknown suffix or a folder that takes no file.
        InputError: a PNG or DICOM file of several pages.
    """
    path = Path(path)
    suffix = output_suffix(path)
    look = display or DisplayParameters()
    if suffix == ".png":
        grey = display_picture(radiograph, look.window, look.invert, look.clahe)
        write_image(path, Image(grey[None], radiograph.ras_from_ijk))
    elif suffix == ".dcm":
        write_dicom_radiograph(path, radiograph, look.window)
    elif suffix in (".tiff", ".tif") and radiograph.components > 1:
        pages = np.moveaxis(radiograph.array[0], -1, 0)
        write_image(path, Image(pages, radiograph.ras_from_ijk, radiograph.metadata))
    elif suffix in (".tiff", ".tif"):
        write_image(path, radiograph)
    else:
        record = {k: v for k, v in radiograph.metadata.items() if k not in ("camera", "pages")}
        beside = path.with_name(path.name[: -len(suffix)] + ".json")
        with atomic_path(beside) as temporary:  # renamed only once the picture is there
            write_json(temporary, {**radiograph.metadata["camera"], **record})
            write_image(path, radiograph)
