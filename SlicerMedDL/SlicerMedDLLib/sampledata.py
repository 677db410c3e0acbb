"""The real data that come with MedDL, in Slicer's Sample Data module and in MedDL Home.

In a checkout the files are read from ``Testing/data``; an installed extension downloads them from
the repository into Slicer's cache. Either way their SHA-256 is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from meddl.core.errors import FileError, MedDLError
from meddl.core.files import sha256
from SlicerMedDLLib.translation import said

CATEGORY = "MedDL"
FOLDER = Path(__file__).resolve().parents[2] / "Testing" / "data"
URL = "https://raw.githubusercontent.com/SlicerMedDL/SlicerMedDL/main/Testing/data/"


@dataclass(frozen=True)
class Sample:
    """One data set.

    Attributes:
        name: short, for scripts and node names.
        title: what a person reads.
        files: file name -> SHA-256 of its bytes.
        load: makes nodes of the files (in the order of ``files``) and a node name.
    """

    name: str
    title: str
    files: dict[str, str]
    load: Callable[[list[Path], str], list[Any]]


def _load_volume(paths: list[Path], name: str) -> list[Any]:
    from meddl.core.image_io import read_image
    from SlicerMedDLLib.volumes import volume_from_image

    return [volume_from_image(read_image(paths[0]), name)]


def _load_volume_with_labels(paths: list[Path], name: str) -> list[Any]:
    from meddl.core.image_io import read_image
    from SlicerMedDLLib.segmentations import read_segments, segmentation_from_labels

    labels, table = read_image(paths[1]), read_segments(paths[2])
    (volume,) = _load_volume(paths[:1], name)
    segmentation = segmentation_from_labels(labels, table, _("{name} structures").format(name=name))
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return [volume, segmentation]


def _load_video(paths: list[Path], name: str) -> list[Any]:
    from meddl.core.video import probe_video, read_frames
    from SlicerMedDLLib.sequences import recording

    with recording(name, probe_video(paths[0]).rate) as append:
        for frame in read_frames(paths[0]):
            sequence = append(frame)
    return [sequence]


def samples() -> list[Sample]:
    """All data sets (a function, because the titles are translated)."""
    return [
        Sample(
            "AbdomenPelvisCT",
            _("CT of abdomen and pelvis with 61 structures"),
            {
                "abdomen_pelvis_ct.nii.gz": (
                    "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1"
                ),
                "abdomen_pelvis_labels.nii.gz": (
                    "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7"
                ),
                "abdomen_pelvis_labels.json": (
                    "cafd59b1e1019d349f77f4a5dd10a254fe3b92c82a980f59f30f9d8a2df2d22b"
                ),
            },
            _load_volume_with_labels,
        ),
        Sample(
            "PelvisBoneCT",
            _("CT of pelvis and spine, bone only"),
            {
                "ct244_bone.nrrd": (
                    "6177c6257169dba044f34f62caecaca4a91db4c521725e8bf3fd90f9db1ce360"
                )
            },
            _load_volume,
        ),
        Sample(
            "StrokeFLAIR",
            _("FLAIR MR of a brain with a chronic stroke"),
            {"FLAIR.nii.gz": "a50cf2bbc22875644fa7f49b3a7d58f0287427a6e37faed9d420ce3495346666"},
            _load_volume,
        ),
        Sample(
            "LaparoscopyVideo",
            _("Laparoscopic video with smoke, 50 frames"),
            {"input_12.avi": "e21933636e0870393f29ef7e96e0c95048882a3316378b80a0ffd08538ed7021"},
            _load_video,
        ),
    ]


def fetch(sample: Sample) -> list[Path]:
    """Paths of the files of ``sample``, downloaded if they did not come with this copy.

    Raises:
        FileError: no connection, or a file that is not the one it should be.
    """
    return [_fetch_file(name, digest) for name, digest in sample.files.items()]


def _fetch_file(name: str, digest: str) -> Path:
    path = FOLDER / name
    if not path.is_file():
        import SampleData

        try:
            path = Path(
                SampleData.SampleDataLogic().downloadFileIntoCache(
                    URL + name, name, f"SHA256:{digest}"
                )
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise FileError(
                _(
                    "{name} cannot be downloaded from {address} ({error}); check the connection"
                ).format(name=name, address=URL, error=said(error))
            ) from error
    if not path.is_file() or sha256(path) != digest:
        raise FileError(
            _("{name} is damaged or not the file expected; delete {path} and load again").format(
                name=name, path=path
            )
        )
    return path


def load_sample(name: str) -> list[Any]:
    """Load one data set into the scene and show it; returns its nodes.

    Raises:
        FileError: an unknown name, no connection, a damaged file.
        DependencyError: a video without a package that reads it.
    """
    from SlicerMedDLLib.display import show_volume

    sample = next((one for one in samples() if one.name == name), None)
    if sample is None:
        raise FileError(
            _("no sample {name!r}; there is: {value}").format(
                name=name, value=", ".join(s.name for s in samples())
            )
        )
    nodes = sample.load(fetch(sample), sample.name)
    if nodes[0].IsA("vtkMRMLVolumeNode"):
        show_volume(nodes[0])
    return nodes


def _load_or_show_error(name: str) -> list[Any]:
    from SlicerMedDLLib.tasks import show_error

    try:
        return load_sample(name)
    except MedDLError as error:
        show_error(said(error))
        return []


def register() -> None:
    """Add the data sets to Slicer's Sample Data module; for ``startupCompleted()``."""
    import SampleData

    logic = SampleData.SampleDataLogic
    logic.registerCustomSampleDataCategory(CATEGORY, title=CATEGORY)
    for sample in samples():
        names = list(sample.files)
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.name,
            uris=[(FOLDER / n).as_uri() if (FOLDER / n).is_file() else URL + n for n in names],
            fileNames=names,
            nodeNames=[sample.name, *[None] * (len(names) - 1)],
            loadFiles=[True, *[False] * (len(names) - 1)],
            checksums=[f"SHA256:{digest}" for digest in sample.files.values()],
            customDownloader=lambda source: _load_or_show_error(source.sampleName),
        )
