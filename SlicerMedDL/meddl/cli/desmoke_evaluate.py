"""``meddl desmoke evaluate``: desmoked frames against clear or smoky ones. Parsing, printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Judge desmoked frames beside the same frames without smoke, beside the smoky input (--input), or
both. Real smoke has no REFERENCE_DIR: leave it out.

Folders of pictures are matched by file name, a video by order. REPORT.json holds PSNR, SSIM, UQI,
FSIMc and the correlation of the gradients, which need the reference; smoke density, contrast and
flicker (of a video, or with --flicker on), which need none; all of them for output and input and
their difference (the gain); how much of the input's structure is kept; and the change on frames
without smoke: per frame, with mean and median. A table (.csv), a plot (.png) and pictures side by
side (REPORT_pictures) are written beside it.
"""

EXAMPLES = """\
examples:
  meddl desmoke evaluate out clear --input smoky --output report.json
  meddl desmoke evaluate out.mp4 clear.mp4 --input smoky.mp4 --output report.json --pictures 0
  meddl desmoke evaluate out.mp4 --input operation.mp4 --output report.json
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl desmoke evaluate``."""
    from meddl.core.parameters import add_arguments
    from meddl.desmoke.evaluation_parameters import EvaluationParameters

    parser = actions.add_parser(
        "evaluate",
        help="judge desmoked frames beside clear ones",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("frames", metavar="OUTPUT_DIR", help="desmoked frames, or a video")
    parser.add_argument(
        "reference", nargs="?", metavar="REFERENCE_DIR", help="the same without smoke, if it exists"
    )
    parser.add_argument("--input", metavar="SMOKY_DIR", help="the same before desmoking")
    parser.add_argument("--output", required=True, metavar="REPORT.json")
    add_arguments(parser.add_argument_group("evaluation"), EvaluationParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge and write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.files import report_path
    from meddl.core.parameters import from_arguments
    from meddl.desmoke.evaluation_parameters import EvaluationParameters
    from meddl.desmoke.evaluation_sets import open_sets

    output = report_path(args.output)
    parameters = from_arguments(EvaluationParameters, args)
    with open_sets(args.frames, args.reference, args.input, args.cancel) as sets:
        from meddl.desmoke.evaluation import evaluate
        from meddl.desmoke.evaluation_files import write_report

        result = evaluate(sets, parameters, args.progress, args.cancel)
        write_report(output, result, sets)
    if args.json:
        print_json({"output": str(output), **result})
    elif not args.quiet:
        _print(result)
    return 0


COLUMNS = {
    "psnr": ("PSNR", 2),
    "ssim": ("SSIM", 3),
    "uqi": ("UQI", 3),
    "fsimc": ("FSIMc", 3),
    "gradient_correlation": ("edges", 3),
    "smoke_density": ("smoke density", 3),
    "contrast": ("contrast", 3),
}  # figure -> its title and digits


def _print(result: dict[str, Any]) -> None:
    mean = {name: values["mean"] for name, values in result["summary"].items()}
    shown = {name: column for name, column in COLUMNS.items() if f"output_{name}" in mean}
    print(f"{len(result['frames'])} frames, means:")
    print(" " * 8 + "".join(f"{title:>{len(title) + 3}}" for title, _ in shown.values()))
    for role in ("input", "output", "gain"):
        if f"{role}_smoke_density" in mean:
            row = "".join(
                f"{mean[f'{role}_{name}']:{len(title) + 3}.{digits}f}"
                for name, (title, digits) in shown.items()
            )
            print(f"  {role:<6}{row}")
    if "structure_kept" in mean:
        print(f"  the output keeps {mean['structure_kept']:.3f} of the input's structure")
    if (kept := result["smoke_free"]) is not None:
        print(f"  {kept['frames']} frames without smoke change by {kept['change']:.2%}")
    if (found := result["flicker"]) is not None:
        roles = [role for role in ("input", "output", "reference") if role in found]
        told = ", ".join(f"{role} {found[role]:.3%}" for role in roles)
        print(f"  flicker over {found['pairs']} pairs: {told}")
