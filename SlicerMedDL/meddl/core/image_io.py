"""Images in and out of files: volumes by SimpleITK, pictures, DICOM.

ITK's world is LPS, ours is RAS; the flip happens here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.devices import require_memory
from meddl.core.errors import FileError, GeometryError, InputError
from meddl.core.files import atomic_path, existing_file, parsing, writable_parent
from meddl.core.geometry import RAS_FROM_LPS, Matrix, compose, is_orthogonal
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress

# Suffix -> the one ITK reader that may look at the file; others would guess by content.
VOLUMES = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def file_suffix(path: str | Path) -> str:
    """The suffix of a file in lower case, ``".nii.gz"`` as one."""
    name = Path(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def read_image(
    path: str | Path,
    *,
    series: str | None = None,
    time: int | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Read a volume, a picture or a DICOM series.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``; ``.png``, ``.jpg``,
            ``.bmp``, ``.tiff`` (pages become k); a DICOM folder, or one DICOM file of any name for
            its series in its folder.
        series: the SeriesInstanceUID, if a DICOM folder holds several.
        time: the time point (from 0), if the file holds several.

    Returns:
        The file's data type (DICOM: rescaled; NIfTI with a scale: float). Volumes lie in RAS mm. A
        picture has K = 1, RGB order and ``ras_from_ijk = diag(-1, -1, 1, 1)``, which shows row 0 at
        the top of a slice view. ``metadata`` has ``path`` and ``source``; never patient names.

    Raises:
        FileError: missing, unreadable, truncated or damaged; geometry that is no upright grid.
        InputError: several time points or series and no choice; a choice that is not there.
        DeviceError: more voxels than free memory.
        Cancelled: by the token, between DICOM slices.
    """
    path = Path(path)
    suffix = file_suffix(path)
    if path.is_dir() or _is_dicom(existing_file(path, "image"), suffix):
        from meddl.core.dicom import read_dicom

        if time is not None:
            raise InputError(f"time={time} does not apply to DICOM ({path}); choose a series")
        return read_dicom(path, series, progress=progress, cancel=cancel)
    if series is not None:
        raise InputError(f"series {series!r} applies to DICOM folders, {path} is a file")
    if suffix in VOLUMES:
        return _read_volume(path, suffix, time)
    if suffix in PICTURES:
        from meddl.core.pictures import read_picture

        if time is not None:
            raise InputError(f"time={time} does not apply to the picture {path}")
        return read_picture(path)
    raise FileError(
        f"{path} has the unknown extension {suffix!r}; read are {', '.join([*VOLUMES, *PICTURES])} "
        "and DICOM"
    )


def _is_dicom(path: Path, suffix: str) -> bool:
    if suffix == ".dcm":
        return True
    if suffix in VOLUMES or suffix in PICTURES:
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def write_image(path: str | Path, image: Image) -> None:
    """Write ``image`` by its suffix, atomically.

    ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha`` keep array, data type and geometry (NIfTI to float32
    precision); components become a vector image. Pictures: see
    :func:`meddl.core.pictures.write_picture`.

    Raises:
        InputError: a data type or shape that the format cannot hold.
        GeometryError: sheared axes, which these formats or their readers do not hold.
        FileError: unknown suffix, or a folder that takes no file.
    """
    path = writable_parent(path)
    suffix = file_suffix(path)
    if suffix in PICTURES:
        from meddl.core.pictures import write_picture

        write_picture(path, image)
        return
    if suffix in (".nhdr", ".mhd"):
        whole = ".nrrd" if suffix == ".nhdr" else ".mha"
        raise FileError(f"{path}: detached headers are read, not written; use {whole}")
    if suffix not in VOLUMES:
        raise FileError(
            f"{path} has the unknown extension {suffix!r}; written are .nii, .nii.gz, .nrrd, .mha, "
            f"{', '.join(PICTURES)}"
        )
    _write_volume(path, suffix, image)


def ras_from_itk(spacing: ArrayLike, origin: ArrayLike, direction: ArrayLike) -> Matrix:
    """``ras_from_ijk`` of ITK's LPS geometry; direction as 9 numbers or (3, 3), columns = axes.

    Raises:
        GeometryError: a spacing that is not positive, NaN, or axes that are not perpendicular.
    """
    axes = np.asarray(direction, dtype=np.float64).reshape(3, 3)
    if not (np.isfinite(axes).all() and np.isfinite(origin).all()):
        raise GeometryError("the direction or origin contains NaN or infinity")
    lps_from_ijk = compose(spacing, origin, axes)
    if not is_orthogonal(lps_from_ijk):
        raise GeometryError("the axes are sheared; resample it to an upright grid first")
    return RAS_FROM_LPS @ lps_from_ijk


@contextmanager
def _quiet_itk() -> Iterator[None]:
    """ITK's warnings go straight to stderr, where a command line has one line for the user."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _read_volume(path: Path, suffix: str, time: int | None) -> Image:
    import SimpleITK as sitk

    from meddl.core import volume_headers as headers

    payload = nifti = None
    if suffix in (".nii", ".nii.gz"):
        nifti = headers.check_nifti(path)
    elif suffix in (".nrrd", ".nhdr"):
        payload = headers.nrrd_payload(path)
    else:
        payload = headers.metaimage_payload(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(VOLUMES[suffix])
    reader.SetFileName(str(path))
    with _quiet_itk(), parsing(path, f"{suffix} file"):
        reader.ReadImageInformation()
        sizes = reader.GetSize()
        kind = reader.GetPixelID()
        if kind in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64, sitk.sitkUnknown):
            raise FileError(f"{path} holds complex or unknown values, real numbers were expected")
        voxels = math.prod(sizes) * reader.GetNumberOfComponents()
        sample = sitk.Image([1, 1], kind, reader.GetNumberOfComponents())
        expected = voxels * sitk.GetArrayViewFromImage(sample).itemsize
        if payload is not None:
            headers.check_payload(payload, expected)
        flat = len(sizes) == 2
        sform = nifti.sform if nifti is not None and flat else None
        geometry = sform if sform is not None else _geometry(path, reader)
        expected //= _choose_time(path, reader, time)
        require_memory(2 * expected, f"reading {path}")  # ITK's buffer and its copy
        array = sitk.GetArrayFromImage(reader.Execute())
        array = array[None] if flat else array
        if nifti is not None:
            nifti.restore_non_finite(array, time or 0)
    metadata = {"path": str(path), "source": VOLUMES[suffix][:-7]}
    return Image(array, geometry, metadata)


def _geometry(path: Path, reader: Any) -> Matrix:
    """``ras_from_ijk`` from a reader's information; a 2-D image lies in the plane z = 0."""
    count = reader.GetDimension()
    if count not in (2, 3, 4):
        raise FileError(f"{path} has {count} dimensions, 2 to 4 were expected")
    used = min(count, 3)
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    spacing[:used] = reader.GetSpacing()[:used]
    origin[:used] = reader.GetOrigin()[:used]
    direction[:used, :used] = np.reshape(reader.GetDirection(), (count, count))[:used, :used]
    try:
        return ras_from_itk(spacing, origin, direction)
    except GeometryError as error:
        raise FileError(f"{path} cannot be used: {error}") from error


def _choose_time(path: Path, reader: Any, time: int | None) -> int:
    """Set the reader to one time point of a 4-D file; return how many the file has."""
    sizes = reader.GetSize()
    count = sizes[3] if len(sizes) == 4 else 1
    if time is None and count > 1:
        raise InputError(
            f"{path} holds {count} time points, one volume was expected; extract the one that you "
            f"mean (in Python: read_image(path, time=0..{count - 1}))"
        )
    if not 0 <= (time or 0) < count:
        raise InputError(f"time point {time} of {path}: it has {count}, counted from 0")
    if len(sizes) == 4:
        reader.SetExtractIndex([0, 0, 0, time or 0])
        reader.SetExtractSize([*sizes[:3], 0])
    return count


def _write_volume(path: Path, suffix: str, image: Image) -> None:
    import SimpleITK as sitk

    array = image.array
    if array.dtype.itemsize > 8:
        raise InputError(f"{path}: {array.dtype} is wider than files hold; convert it to float64")
    if not is_orthogonal(image.ras_from_ijk):
        raise GeometryError(f"{path}: the image has sheared axes; resample it to an upright grid")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    with parsing(path, "output"):
        volume = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
        lps_from_ijk = RAS_FROM_LPS @ image.ras_from_ijk
        volume.SetSpacing(image.spacing.tolist())
        volume.SetOrigin(lps_from_ijk[:3, 3].tolist())
        volume.SetDirection((lps_from_ijk[:3, :3] / image.spacing).ravel().tolist())
    with atomic_path(path) as temporary, parsing(path, "output"), _quiet_itk():
        sitk.WriteImage(
            volume, str(temporary), useCompression=suffix != ".nii", imageIO=VOLUMES[suffix]
        )
