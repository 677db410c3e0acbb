"""What ``meddl drr render`` can write beside the radiograph. Parsing only."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meddl.core.image import Image
    from meddl.deepdrr import Camera, CArm, RenderParameters

OPTIONS = ("save_depth", "save_masks", "save_labels")
SUFFIXES = (".tiff", ".tif", ".nrrd", ".nii.gz", ".nii")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group of options."""
    group = parser.add_argument_group("beside the radiograph (of the CT alone, without bodies)")
    group.add_argument(
        "--save-depth",
        metavar="FILE",
        help="write how far the source is from the first bone on each ray [mm], NaN without bone",
    )
    group.add_argument(
        "--bone-level", metavar="HU", help="where bone begins for --save-depth [HU] (default 350)"
    )
    group.add_argument(
        "--labels",
        metavar="LABELS.nii.gz",
        help="label map for the next two; names from LABELS.json, if there (see --materials)",
    )
    group.add_argument(
        "--label-values", metavar="N,N,...", help="which labels of it (default all but 0)"
    )
    group.add_argument(
        "--save-masks", metavar="FILE", help="write a mask per label: 1 where the ray meets it"
    )
    group.add_argument(
        "--save-labels", metavar="FILE", help="write a radiograph per label, all else being air"
    )


def check(args: argparse.Namespace, parameters: RenderParameters) -> None:
    """Refuse options that cannot be followed, before work starts.

    Raises:
        InputError: a format without floating-point pages, a label option without labels, or
            parameters that give a label several pictures.
        FileError: a folder that takes no file.
    """
    from meddl.core import InputError
    from meddl.core.parameters import convert
    from meddl.deepdrr.output import output_suffix

    for name in OPTIONS:
        path = getattr(args, name)
        if path is not None and output_suffix(path) not in SUFFIXES:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {path}: it is written as {', '.join(SUFFIXES)}")
    if args.bone_level is not None:
        args.bone_level = convert(args.bone_level, float, "--bone-level")
    if args.label_values is not None:
        args.label_values = [
            convert(value, int, "--label-values") for value in args.label_values.split(",")
        ]
    if args.labels is None and (args.save_masks or args.save_labels or args.label_values):
        raise InputError("--save-masks, --save-labels and --label-values need --labels")
    if args.save_labels and not parameters.one_picture:
        raise InputError(
            "--save-labels writes one picture per label, these parameters give one per material "
            "or energy bin; choose another --quantity or --detector"
        )


def pictures(
    args: argparse.Namespace,
    ct: Image,
    view: CArm | Camera,
    parameters: RenderParameters,
    progress: Any,
) -> list[tuple[Path, Image]]:
    """The pictures that the options ask for, and the files they go to."""
    from dataclasses import replace

    import numpy as np

    from meddl.core import FileError, Image, read_image
    from meddl.core.progress import subprogress
    from meddl.deepdrr import CArm
    from meddl.deepdrr.hounsfield import correct_values, parse_hu_below
    from meddl.deepdrr.labels import read_label_names
    from meddl.deepdrr.materials import SOFT_TISSUE_UP_TO
    from meddl.deepdrr.shadows import first_hit_depth, label_masks, label_radiographs

    if isinstance(view, CArm):  # about the CT, whatever the grid of the labels
        view = replace(view, isocenter=view.isocenter or tuple(map(float, ct.center)))
    found: list[tuple[Path, Image]] = []
    if args.save_depth:
        values = correct_values(ct, parameters.hu_offset, parse_hu_below(parameters.hu_below))
        level = SOFT_TISSUE_UP_TO if args.bone_level is None else args.bone_level
        part = subprogress(progress, 0.0, 0.2)
        depth = first_hit_depth(values, view, level, progress=part, cancel=args.cancel)
        found.append((Path(args.save_depth), depth))
    if not (args.save_masks or args.save_labels):
        return found
    labels = read_image(args.labels)
    try:
        names = read_label_names(args.labels)
    except FileError:  # the table is not needed here
        names = {}
    if args.save_masks:
        part = subprogress(progress, 0.2, 0.4)
        masks = label_masks(labels, view, args.label_values, progress=part, cancel=args.cancel)
        values = masks.metadata["labels"]
        array = masks.array if len(values) > 1 else masks.array[..., 0]
        about = {**masks.metadata, "pages": [names.get(n, str(n)) for n in values]}
        found.append((Path(args.save_masks), Image(array, masks.ras_from_ijk, about)))
    if args.save_labels:
        progress(0.4, "label by label")
        options = {"progress": subprogress(progress, 0.4, 1.0), "cancel": args.cancel}
        alone = dict(label_radiographs(ct, labels, view, args.label_values, parameters, **options))
        first, *_ = alone.values()
        array = np.stack([one.array for one in alone.values()], axis=-1)
        array = array if len(alone) > 1 else first.array
        pages = [names.get(n, str(n)) for n in alone]
        about = {**first.metadata, "labels": list(alone), "pages": pages}
        found.append((Path(args.save_labels), Image(array, first.ras_from_ijk, about)))
    return found
