"""``meddl deepigeos``: interactive segmentation. Parsing and printing only."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

SEGMENT_HELP = """\
Segment an image by seeds: masks, points or a label map.

Several images are channels of one case on one grid. The output is a label map on the image's grid:
0 background, 1 and above segments; --foreground marks segment 1. Masks and label maps lie on the
image's grid; points are RAS or LPS as their file says. Every seed voxel gets its label, frozen
voxels keep the label that they have in --initial (0 without it).

Segments lie within --roi, a ROI markup of Slicer or bounds in RAS mm (--roi=-90,40,... where the
first is negative); one that is turned against the image is enlarged to its axes.

Without seeds the case is predicted: with --roi, a box about the target, or with --weights of your
own P-Net; of several classes the n-th is segment n. Background alone then corrects what is
predicted.

CASES.csv has a header and a row per case; only the column image is needed:
  image,foreground,background,seeds,initial,frozen,roi,name
Several channels are joined by ; and relative paths are relative to the list. DIR gets NAME.nii.gz
per case and summary.json; a case that fails is reported, the others go on, the exit code is 2.
"""

SEGMENT_EXAMPLES = """\
examples:
  meddl deepigeos segment ct.nii.gz --output liver.nii.gz --foreground in.nrrd --background out.nrrd
  meddl deepigeos segment ct.nii.gz --output liver.nii.gz --foreground clicks.mrk.json
  meddl deepigeos segment ct.nii.gz --output kidney.nii.gz --roi box.mrk.json
  meddl deepigeos segment ct.nii.gz --output kidney.nii.gz --roi 20,85,-60,10,40,150
  meddl deepigeos segment photograph.png --output cell.png --seeds scribbles.png
  meddl deepigeos segment flair.nii.gz t1.nii.gz --output tumour.nii.gz --seeds scribbles.nii.gz
  meddl deepigeos segment ct.nii.gz --output new.nii.gz --initial old.nii.gz --background b.nrrd
  meddl deepigeos segment --list cases.csv --output segmentations --weights my-pnet
"""

EVALUATE_HELP = """\
Measure methods by a simulated user: Dice and surface distance after 1, 3, 5 and 10 interactions.

The first interaction is a stroke in the target and one around it; each further one corrects the
largest error: a stroke along its middle axis (scribbles), or random voxels in every error (random,
the rule of the DeepIGeoS paper). Writes evaluation.json, evaluation.csv and evaluation.png: Dice,
NSD, the area under the curve of Dice, and the seconds of an interaction.

CASES.csv has the columns image, label, value and, if wanted, name; channels are joined by ;.
"""

EVALUATE_EXAMPLES = """\
examples:
  meddl deepigeos evaluate ct.nii.gz labels.nii.gz --label-value 5 --output liver
  meddl deepigeos evaluate t1.nii.gz aseg.nii.gz --label-value 10 --methods auto,crf --seed 1 \\
      --interactions 5 --output thalamus
  meddl deepigeos evaluate --list cases.csv --methods auto,geodesic --output all
"""


def configure(subparsers: Any) -> None:
    """Add the parsers of ``meddl deepigeos``."""
    from meddl.cli.deepigeos_generalist import configure_generalist
    from meddl.cli.deepigeos_train import configure_train

    parser = subparsers.add_parser(
        "deepigeos", help="interactive segmentation by scribbles (DeepIGeoS)"
    )
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_segment(commands)
    _configure_evaluate(commands)
    configure_train(commands)
    configure_generalist(commands)


def _configure_segment(commands: Any) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.deepigeos.batch import SegmentParameters

    parser = commands.add_parser(
        "segment",
        help="segment an image by seeds, or a list of cases",
        description=SEGMENT_HELP,
        epilog=SEGMENT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", metavar="IMAGE", nargs="*", help="channels of one case")
    parser.add_argument("--output", required=True, metavar="SEG|DIR", help="label map, or folder")
    parser.add_argument("--list", metavar="CASES.csv", help="segment these cases into a folder")
    marks = parser.add_argument_group("seeds")
    for name, text in (
        ("foreground", "mask or points in the target"),
        ("background", "mask or points beside it"),
        ("seeds", "label map: 0 none, 1 background, 2 and above segments"),
        ("initial", "segmentation to correct: 0 background, 1 and above segments"),
        ("frozen", "mask of voxels that keep their label"),
    ):
        marks.add_argument(f"--{name}", metavar="FILE", help=text)
    marks.add_argument(
        "--roi", metavar="BOX", help="box about the target: .mrk.json, or R0,R1,A0,A1,S0,S1 (mm)"
    )
    add_arguments(parser.add_argument_group("method"), SegmentParameters)
    parser.set_defaults(run=run_segment)


def _configure_evaluate(commands: Any) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.deepigeos.evaluation_parameters import EvaluationParameters

    parser = commands.add_parser(
        "evaluate",
        help="measure methods by a simulated user",
        description=EVALUATE_HELP,
        epilog=EVALUATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="image of one case")
    parser.add_argument("label", metavar="LABEL", nargs="?", help="its label map")
    parser.add_argument("--label-value", metavar="V", help="label of the target (default 1)")
    parser.add_argument("--list", metavar="CASES.csv", help="evaluate these cases")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the report")
    add_arguments(parser, EvaluationParameters)
    parser.set_defaults(run=run_evaluate)


def run_segment(args: argparse.Namespace) -> int:
    """Segment one case or a list; returns 0, or 2 if a case of the list failed."""
    import numpy as np

    from meddl.cli.console import print_json
    from meddl.core import InputError, write_image
    from meddl.core.image_io import PICTURES, file_suffix
    from meddl.core.parameters import from_arguments
    from meddl.deepigeos.batch import SegmentCase, SegmentParameters, check_output, segment_case

    parameters = from_arguments(SegmentParameters, args)
    files = {
        name: getattr(args, name)
        for name in ("foreground", "background", "seeds", "initial", "frozen", "roi")
    }
    if args.list:
        if args.image or any(files.values()):
            raise InputError("--list names the images, their seeds and boxes; give it alone")
        return _run_list(args, parameters)
    if not args.image:
        raise InputError("no image: give IMAGE, or --list CASES.csv (see: meddl deepigeos --help)")
    start, output = time.perf_counter(), check_output(args.output, args.image[0])
    case = SegmentCase(tuple(args.image), **files)
    labels = segment_case(case, parameters, progress=args.progress, cancel=args.cancel)
    write_image(output, labels)
    seconds = round(time.perf_counter() - start, 3)
    found = zip(*np.unique(labels.array, return_counts=True), strict=True)
    voxels = {str(number): int(count) for number, count in found if number}
    if args.json:
        print_json({"output": str(output), "voxels": voxels, "seconds": seconds})
    else:
        picture = file_suffix(args.image[0]) in PICTURES  # without a size in space
        volume = float(abs(labels.spacing.prod())) / 1000
        for segment, count in voxels.items():
            size = f"{count} pixels" if picture else f"{count} voxels, {count * volume:.2f} ml"
            print(f"segment {segment}: {size}")
    return 0


def _run_list(args: argparse.Namespace, parameters: Any) -> int:
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.deepigeos.batch import read_cases, segment_cases

    outcomes = []
    for outcome in segment_cases(
        read_cases(args.list), args.output, parameters, progress=args.progress, cancel=args.cancel
    ):
        outcomes.append(outcome)
        if not args.json:
            print(f"{outcome.name}: {outcome.error or f'{outcome.voxels} voxels'}")
    failed = sum(outcome.error is not None for outcome in outcomes)
    if args.json:
        print_json({"output": args.output, "cases": [vars(outcome) for outcome in outcomes]})
    else:
        print(f"{len(outcomes) - failed} of {len(outcomes)} cases segmented")
    return InputError.exit_code if failed else 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Simulate the user, write the report, print its table; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core import InputError
    from meddl.core.parameters import convert, from_arguments
    from meddl.core.run_record import new_folder
    from meddl.deepigeos.evaluation import check_methods, evaluate
    from meddl.deepigeos.evaluation_cases import case_of_files, read_evaluation_cases
    from meddl.deepigeos.evaluation_parameters import EvaluationParameters
    from meddl.deepigeos.evaluation_report import write_report

    parameters = from_arguments(EvaluationParameters, args)
    methods = check_methods(parameters.methods)
    if args.list:
        if args.image or args.label_value:
            raise InputError("--list names images, labels and values; give it alone")
        cases = read_evaluation_cases(args.list)
    elif args.label is None:
        raise InputError("give IMAGE and LABEL, or --list CASES.csv")
    else:
        value = 1 if args.label_value is None else convert(args.label_value, int, "--label-value")
        cases = [case_of_files([args.image], args.label, value)]
    with new_folder(Path(args.output)) as folder:  # before what may take hours
        runs = evaluate(cases, methods, parameters, progress=args.progress, cancel=args.cancel)
        report = write_report(runs, parameters, folder)
    if args.json:
        print_json({"output": args.output, **report})
    else:
        _print_table(report["table"] + (report["means"] if len(cases) > 1 else []))
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
