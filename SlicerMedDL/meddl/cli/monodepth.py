"""``meddl monodepth``: depth from one picture. Argument parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

from meddl.cli.training import add_configured_training

TRAIN = """\
Train a network that estimates depth from one picture, on colour and depth pairs.

CONFIG.yaml says where the pairs are; --print-config prints one with every parameter, its default
and its unit. The weights come to DIR/best with their card, the curves to DIR/curves.png and
TensorBoard (tensorboard --logdir DIR). A run that was stopped continues with --resume. Several GPUs
or processes: torchrun --nproc-per-node=N -m meddl monodepth train CONFIG.yaml --output DIR
"""
TRAIN_EXAMPLES = """\
examples:
  meddl monodepth render-rooms --output rooms --pairs 2000
  meddl monodepth train --print-config > rooms/config.yaml      (edit it: patterns, scale)
  meddl monodepth train rooms/config.yaml --output run
  meddl monodepth train rooms/config.yaml --output run --resume
"""
PREDICT = """\
Estimate depth from pictures, a folder of pictures or a video.

DIR gets one 32-bit float TIFF per picture, in mm along the camera's z, 0 where unknown, and
units.json; with --focal also camera.json. Distances are right only for lenses like those of the
training data.
"""
EVALUATE = """\
Judge weights on colour and depth pairs: AbsRel, SqRel, RMSE, RMSE log, log10, delta < 1.25^n.

CONFIG.yaml is a training configuration; judged are NYU's official test pairs, the pairs that it
lists under validation, or all. Beside the network stands the mean depth of its training data.
Figures are means over the pairs, in metres, once as predicted and once after scaling every
prediction by median(truth) / median(prediction).
"""
ROOMS = """\
Render furnished rooms with exact depth: DIR/color/NNNNNN.png and DIR/depth/NNNNNN.png (16 bit, mm).

The same seed makes the same rooms. A folder that was left half done goes on where it stopped.
"""


def configure(subparsers: Any) -> None:
    """Add ``meddl monodepth`` and its commands."""
    parser = subparsers.add_parser(
        "monodepth",
        help="depth from one picture",
        description="Depth from one picture, by a small network that colour and depth pairs teach.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    texts = ("train on colour and depth pairs", TRAIN, TRAIN_EXAMPLES)
    add_configured_training(commands, "monodepth", texts, "train_monodepth")
    _add_predict(commands)
    _add_evaluate(commands)
    _add_rooms(commands)


def _command(commands: Any, name: str, line: str, text: str, run: Any, examples: str = "") -> Any:
    parser = commands.add_parser(
        name,
        help=line,
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_predict(commands: Any) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.monodepth.prediction import PredictionParameters

    parser = _command(commands, "predict", "depth of pictures or a video", PREDICT, _predict)
    parser.add_argument("inputs", nargs="+", metavar="IMAGES|FOLDER|VIDEO")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the depth maps")
    add_arguments(parser.add_argument_group("prediction"), PredictionParameters)


def _predict(args: argparse.Namespace) -> int:
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.monodepth.prediction import PredictionParameters, predict

    parameters = from_arguments(PredictionParameters, args)
    names = predict(args.inputs, args.output, parameters, args.progress, args.cancel)
    if args.json:
        print_json({"output": args.output, "unit": "mm", "frames": len(names)})
    elif not args.quiet:
        print(f"{args.output}: {len(names)} depth map(s) in mm")
    return 0


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, "evaluate", "judge weights on pairs", EVALUATE, _evaluate)
    parser.add_argument("config", metavar="CONFIG.yaml", help="where the pairs are")
    parser.add_argument("--weights", required=True, metavar="NAME|FILE")
    parser.add_argument("--output", metavar="REPORT.json", help="all figures, pair by pair")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--crop",
        choices=("eigen", "none"),
        default="eigen",
        help="which part of the picture counts (default eigen)",
    )


def _evaluate(args: argparse.Namespace) -> int:
    from meddl.cli.console import print_json
    from meddl.core.files import writable_parent
    from meddl.monodepth.evaluation import FIGURES, evaluate_pairs, write_report
    from meddl.monodepth.prediction import load_predictor
    from meddl.monodepth.training_config import read_pairs

    if args.output:
        writable_parent(args.output)
    pairs = read_pairs(args.config)
    predictor = load_predictor(args.weights, args.device)
    baseline = predictor.card.arguments["use"]["mean_depth"]
    crop = args.crop == "eigen"
    report = evaluate_pairs(predictor.metres, pairs, baseline, crop, args.progress, args.cancel)
    if args.output:
        write_report(args.output, report, predictor.card.name, crop)
    if args.json:
        print_json({"pairs": len(report["pairs"]), "unit": "m", **report["mean"]})
    elif not args.quiet:
        print(f"{len(report['pairs'])} pair(s), depths in m")
        print(f"{'':<28}" + "".join(f"{name:>10}" for name in FIGURES))
        for kind, rows in report["mean"].items():
            for who, values in rows.items():
                label = f"{who} ({kind})".replace("_", " ")
                print(f"{label:<28}" + "".join(f"{values[name]:10.3f}" for name in FIGURES))
    return 0


def _add_rooms(commands: Any) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.monodepth.rendered_pairs import RoomPairs

    parser = _command(commands, "render-rooms", "make training pairs", ROOMS, _rooms)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the pairs")
    add_arguments(parser.add_argument_group("rooms"), RoomPairs)


def _rooms(args: argparse.Namespace) -> int:
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.monodepth.rendered_pairs import RoomPairs, render_pairs

    parameters = from_arguments(RoomPairs, args)
    folder = render_pairs(args.output, parameters, args.progress, args.cancel)
    if args.json:
        print_json({"output": str(folder), "pairs": parameters.pairs})
    elif not args.quiet:
        print(f"{folder}: {parameters.pairs} pairs of rooms")
    return 0
