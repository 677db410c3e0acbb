"""``meddl desmoke evaluate``: desmoked frames against clear ones. Parsing and printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Judge desmoked frames beside the same frames without smoke, and beside the smoky input (--input).

Folders of pictures are matched by file name, a video by order. REPORT.json holds PSNR, SSIM, UQI,
FSIMc and the correlation of the gradients for output and input and their difference (the gain);
smoke density and contrast, which need no reference; how much of the input's structure is kept; the
change on frames without smoke; and flicker, if the frames are a video (or --flicker on): all per
frame, with mean and median. A table (.csv), a plot (.png) and pictures side by side
(REPORT_pictures) are written beside it.
"""

EXAMPLES = """\
examples:
  meddl desmoke evaluate out clear --input smoky --output report.json
  meddl desmoke evaluate out.mp4 clear.mp4 --input smoky.mp4 --output report.json --pictures 0
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
    parser.add_argument("reference", metavar="REFERENCE_DIR", help="the same without smoke")
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


def _print(result: dict[str, Any]) -> None:
    mean = {name: values["mean"] for name, values in result["summary"].items()}
    roles = [role for role in ("input", "output", "gain") if f"{role}_psnr" in mean]
    print(f"{len(result['frames'])} frames, means:")
    print("            PSNR   SSIM    UQI  FSIMc  edges   smoke density")
    for role in roles:
        row = f"  {role:<7}{mean[f'{role}_psnr']:7.2f}"
        for name in ("ssim", "uqi", "fsimc", "gradient_correlation"):
            row += f"{mean[f'{role}_{name}']:7.3f}"
        smoke = mean.get(f"{role}_smoke_density")
        print(row + (f"{smoke:10.3f}" if smoke is not None else ""))
    if "structure_kept" in mean:
        print(f"  the output keeps {mean['structure_kept']:.3f} of the input's structure")
    if (kept := result["smoke_free"]) is not None:
        print(f"  {kept['frames']} frames without smoke change by {kept['change']:.2%}")
    if (found := result["flicker"]) is not None:
        roles = [role for role in ("input", "output", "reference") if role in found]
        told = ", ".join(f"{role} {found[role]:.3%}" for role in roles)
        print(f"  flicker over {found['pairs']} pairs: {told}")
