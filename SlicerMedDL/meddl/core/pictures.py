"""Pictures in and out of files: PNG, JPEG, BMP by Pillow, TIFF by tifffile, 16-bit RGB by ITK.

PGM and PPM, in which depth cameras write, are read too.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, parsing
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.pgm import SUFFIXES as PGM_SUFFIXES
from meddl.core.pgm import read_pgm

# Row 0 at the top and column 0 at the left of a slice view that looks at RAS axially.
RAS_FROM_PICTURE = np.diag([-1.0, -1.0, 1.0, 1.0])
# No format here holds more than this many bytes of pixels per byte of file (deflate's limit;
# JPEG and LZW stay far below), so a larger claim is a lie.
_MAX_EXPANSION = 1032
_EXIF_ORIENTATION = 0x0112  # from 5 on, width and height are exchanged
_PILLOW = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}


def read_picture(path: str | Path) -> Image:
    """Read a picture, or the pages of a TIFF as k.

    Args:
        path: ``.png``, ``.jpg``, ``.jpeg``, ``.bmp``, ``.tif``, ``.tiff``, ``.pgm`` or ``.ppm``.

    Returns:
        (K, H, W[, C]) in the file's data type; C is grey + alpha, RGB or RGBA; palettes and CMYK
        become RGB, one-bit pictures 0 and 255, and the EXIF orientation is applied.
        ``metadata["pages"]`` holds the descriptions of TIFF pages, if there are any.

    Raises:
        FileError: missing, damaged, truncated, or pages of different size or type.
        DeviceError: more pixels than free memory.
    """
    path = existing_file(path, "picture")
    metadata: dict[str, Any] = {"path": str(path)}
    if path.suffix.lower() in (".tif", ".tiff"):
        array, pages = _read_tiff(path)
        metadata["source"] = "TIFF"
        if any(pages):
            metadata["pages"] = pages
    elif path.suffix.lower() in PGM_SUFFIXES:
        array = read_pgm(path)[None]
        metadata["source"] = "PGM"
    else:
        array = _read_pillow(path)[None]
        metadata["source"] = _pillow_kind(path)
    return Image(array, RAS_FROM_PICTURE, metadata)


def read_rgb(path: str | Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) uint8 RGB; grey is repeated, alpha dropped, 16 bits become 8.

    Raises:
        FileError: missing, damaged, truncated, or neither uint8 nor uint16.
    """
    array = read_picture(path).array[0]
    if array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    if array.dtype != np.uint8:
        raise FileError(f"{path} holds {array.dtype}, a frame is uint8 or uint16")
    if array.ndim == 2 or array.shape[2] < 3:
        grey = array if array.ndim == 2 else array[..., 0]
        return np.stack([grey] * 3, axis=-1)
    return np.ascontiguousarray(array[..., :3])


def picture_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a PNG, JPEG or BMP, upright, from its header alone.

    Raises:
        FileError: missing, or no such picture.
    """
    from PIL import Image as pillow

    path = existing_file(path, "picture")
    kind = _pillow_kind(path)
    with parsing(path, f"{kind} picture"), pillow.open(path, formats=[kind]) as file:
        sideways = file.getexif().get(_EXIF_ORIENTATION, 1) > 4
        return (file.height, file.width) if sideways else (file.width, file.height)


def read_label_picture(path: str | Path) -> Image:
    """Read a label map from a picture: the indices of a palette (PASCAL VOC), or grey values.

    Args:
        path: ``.png`` or ``.bmp`` with a palette or grey; other pictures as :func:`read_picture`.

    Returns:
        (1, H, W) whole numbers.

    Raises:
        FileError: missing, damaged or truncated.
        InputError: colours instead of labels.
    """
    from PIL import Image as pillow

    path = existing_file(path, "label picture")
    if path.suffix.lower() in (".png", ".bmp"):
        kind = _pillow_kind(path)
        with parsing(path, f"{kind} picture"), pillow.open(path, formats=[kind]) as file:
            _check_size(path, file.width * file.height)
            if file.mode == "P":
                return Image(np.asarray(file)[None], RAS_FROM_PICTURE, {"path": str(path)})
    image = read_picture(path)
    if image.components != 1:
        raise InputError(
            f"{path} has {image.components} values per pixel; labels are one grey value or palette "
            "index per pixel"
        )
    return image


def _pillow_kind(path: Path) -> str:
    kind = _PILLOW.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path} is no picture ({', '.join(_PILLOW)})")
    return kind


def _check_size(path: Path, needed: int) -> None:
    size = path.stat().st_size
    if needed > _MAX_EXPANSION * size:
        raise FileError(f"{path} claims {needed} bytes of pixels and has {size}: it is damaged")
    require_memory(2 * needed, f"reading {path}")


def _read_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image as pillow
    from PIL import ImageOps

    kind = _pillow_kind(path)
    if kind == "PNG" and _is_deep_colour(path):
        return _read_itk(path, "PNGImageIO")
    with parsing(path, f"{kind} picture"), pillow.open(path, formats=[kind]) as file:
        bands = 2 if file.mode.startswith("I") else len(file.getbands())
        _check_size(path, file.width * file.height * bands)
        picture = ImageOps.exif_transpose(file)
        if picture.mode == "1":
            picture = picture.convert("L")
        elif picture.mode == "P":
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        elif picture.mode not in ("L", "LA", "RGB", "RGBA") and not picture.mode.startswith("I"):
            picture = picture.convert("RGB")
        array = np.asarray(picture)
        return array.astype(np.uint16) if picture.mode.startswith("I") else array


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has 16 bits per colour, which Pillow would cut to 8."""
    with path.open("rb") as file:
        header = file.read(26)
    return len(header) == 26 and header[24] == 16 and bool(header[25] & 2)


def _read_itk(path: Path, reader_name: str) -> NDArray[Any]:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    with parsing(path, "picture"):
        reader.ReadImageInformation()
        _check_size(path, int(np.prod(reader.GetSize(), dtype=object)))
        return sitk.GetArrayFromImage(reader.Execute())


def _read_tiff(path: Path) -> tuple[NDArray[Any], list[str]]:
    tifffile = require("tifffile", "reading TIFF files")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters it raises as well
    with parsing(path, "TIFF picture"), tifffile.TiffFile(path) as file:
        first = file.pages[0]
        if first.photometric in (tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.MINISWHITE):
            raise FileError(f"{path} is {first.photometric.name.lower()}; save it as grey or RGB")
        for page in file.pages:
            if page.axes not in ("YX", "YXS", "SYX"):
                raise FileError(f"{path} has TIFF axes {page.axes[:9]}, rows x columns expected")
            if (page.shape, page.dtype) != (first.shape, first.dtype):
                one, other = (f"{p.shape} {p.dtype}"[:40] for p in (first, page))
                raise FileError(
                    f"{path} has pages of {one} and {other}; split it into one file each"
                )
        names = [page.description for page in file.pages]
        _check_size(path, sum(page.nbytes for page in file.pages))
        if first.compression in (tifffile.COMPRESSION.LZW, tifffile.COMPRESSION.JPEG):
            array = _read_itk(path, "TIFFImageIO")  # tifffile would want another package
            return (array if len(names) > 1 else array[None]), names
        array = np.stack([page.asarray() for page in file.pages])
        return (np.moveaxis(array, 1, -1) if first.axes == "SYX" else array), names


def write_picture(path: str | Path, image: Image) -> None:
    """Write a picture by its suffix, atomically; the geometry is not kept.

    ``.tiff``: any data type, uncompressed, one page per k, ``metadata["pages"]`` (a name per page)
    into ImageDescription. ``.png``: uint8 or uint16, K = 1, grey, RGB or RGBA. ``.jpg`` (lossy,
    quality 95) and ``.bmp``: uint8, K = 1, grey or RGB.

    Raises:
        InputError: a data type, number of pages or of components that the format does not hold.
        FileError: the folder takes no file.
    """
    path = Path(path)
    array = image.array
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        _write_tiff(path, array, image.metadata.get("pages"))
        return
    dtypes, counts = (
        ((np.uint8, np.uint16), (1, 3, 4)) if suffix == ".png" else ((np.uint8,), (1, 3))
    )
    if array.dtype not in dtypes:
        wanted = " or ".join(np.dtype(kind).name for kind in dtypes)
        raise InputError(f"{path} holds {wanted}, got {array.dtype}; scale it or write .tiff")
    if len(array) != 1 or image.components not in counts:
        raise InputError(
            f"{path} holds one picture of {' or '.join(map(str, counts))} components, got "
            f"{len(array)} of {image.components}; write .tiff or .nrrd"
        )
    with atomic_path(path) as temporary, parsing(path, "output"):
        if suffix == ".png":
            import SimpleITK as sitk

            picture = sitk.GetImageFromArray(
                np.ascontiguousarray(array[0]), isVector=array.ndim == 4
            )
            sitk.WriteImage(picture, str(temporary), imageIO="PNGImageIO")
        else:
            from PIL import Image as pillow

            options = {"quality": 95, "subsampling": 0} if _PILLOW[suffix] == "JPEG" else {}
            pillow.fromarray(array[0]).save(temporary, _PILLOW[suffix], **options)


def _write_tiff(path: Path, array: NDArray[Any], names: list[str] | None) -> None:
    tifffile = require("tifffile", "writing TIFF files")
    if names is not None and len(names) != len(array):
        raise InputError(f"{path}: {len(names)} page names for {len(array)} pages")
    colour = array.ndim == 4 and array.shape[3] in (3, 4) and array.dtype.kind == "u"
    with atomic_path(path) as temporary, parsing(path, "output"):
        big = array.nbytes > 0xF0000000  # offsets of a plain TIFF have 32 bits
        with tifffile.TiffWriter(temporary, bigtiff=big) as file:
            for page, name in zip(array, names or [""] * len(array), strict=True):
                file.write(
                    page,
                    photometric="rgb" if colour else "minisblack",
                    planarconfig="contig" if array.ndim == 4 else None,
                    description=name.encode() or None,
                    metadata=None,
                )
