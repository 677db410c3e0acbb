"""``meddl endodepth evaluate``: depth maps against points or true maps. Parsing and printing."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Score depth maps against the points of structure from motion, or against true maps (--truth DIR).

REPORT.json holds the parameters, the errors of every frame and of all together (AbsRel, RMSE,
delta < 1.25, 1.25^2, 1.25^3), those of two predictions that know nothing (one depth per frame, and
the inverse square root of the brightness), and how well neighbouring frames agree. A table (.csv)
and a plot (.png) are written beside it. --scaling says how the maps are brought to the scale of the
truth before; the report repeats it.
"""

EXAMPLES = """\
examples:
  meddl endodepth evaluate bag_1/sequence --depth depth --output report.json
  meddl endodepth evaluate rendered --depth depth --truth rendered/depth --scaling sequence \\
      --output report.json
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth evaluate``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.evaluation_parameters import EvaluationParameters

    parser = actions.add_parser(
        "evaluate",
        help="score depth maps against points or true maps",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sequence", metavar="SEQUENCE_DIR", help="with poses")
    parser.add_argument("--depth", required=True, metavar="DIR", help="folder of depth maps")
    parser.add_argument("--output", required=True, metavar="REPORT.json")
    parser.add_argument("--truth", metavar="DIR", help="folder of true depth maps")
    add_arguments(parser.add_argument_group("evaluation"), EvaluationParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, score, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.depth_maps import read_depth_folder
    from meddl.core.files import report_path
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.evaluation_files import write_report
    from meddl.endodepth.evaluation_parameters import EvaluationParameters
    from meddl.endodepth.sequence import read_sequence

    output = report_path(args.output)
    parameters = from_arguments(EvaluationParameters, args)
    sequence = read_sequence(args.sequence)
    depths = read_depth_folder(args.depth)
    truth = read_depth_folder(args.truth) if args.truth else None
    from meddl.endodepth.evaluation import evaluate

    result = evaluate(sequence, depths, truth, parameters, args.progress, args.cancel)
    write_report(output, result)
    if args.json:
        print_json({"output": str(output), **result})
    elif not args.quiet:
        print(f"against {result['truth']}, scaling {parameters.scaling}:")
        print("                 AbsRel    RMSE  delta1  delta2  delta3")
        for name, row in {"depth": result["pooled"], **result["baselines"]}.items():
            print(
                f"  {name:<14}{row['abs_rel']:7.4f} {row['rmse']:7.4g}"
                + "".join(f"{row[f'delta{n}']:8.4f}" for n in (1, 2, 3))
            )
        if (agreement := result["consistency"]) is not None:
            print(f"  frames agree to {agreement['median']:.2%} (median), ", end="")
            print(f"{agreement['percentile_95']:.2%} (95 %)")
    return 0
