"""Which loss is best, and how far ahead of the mean depth: networks trained alike on rooms.

    meddl monodepth render-rooms --output ROOMS --pairs 1200 --seed 1
    meddl monodepth render-rooms --output HELD_OUT --pairs 200 --seed 2
    python Testing/peers/monodepth_rooms.py ROOMS HELD_OUT
    python Testing/peers/monodepth_rooms.py HELD_OUT --weights monodepth-rooms --real FOLDER

Each row is a network of its own, trained from the same seed for the same number of steps and judged
on the held-out rooms (Eigen crop, predictions clipped to 10 m). ``--weights NAME`` judges trained
weights and trains nothing; FOLDER has real pairs: `nyu_like` (folders `color` and `depth`, in mm),
`living_room` (the same, 5000 to the metre) and `tum_desk` (`1.png`, `1_depth.png`; 5000 as well).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reproduction.report import Report, add_output

from meddl.monodepth.evaluation import FIGURES, evaluate_pairs
from meddl.monodepth.pairs import Chosen, FilePairs, find_pairs
from meddl.monodepth.prediction import load_predictor
from meddl.monodepth.training import train_monodepth
from meddl.monodepth.training_config import TrainingPlan
from meddl.monodepth.training_parameters import MonodepthTraining

LOSSES = {  # name -> weights of (1 - SSIM) / 2 and of the squared error in 1/m^2
    "MSE alone": (0.0, 1.0),
    "SSIM alone": (1.0, 0.0),
    "SSIM + MSE": (1.0, 1.0),
    "5 SSIM + MSE": (5.0, 1.0),
}

TITLES = ("AbsRel", "SqRel", "RMSE", "RMSE log", "log10", "d < 1.25", "d < 1.25²", "d < 1.25³")
REAL = (  # name, folder, pictures, depths, steps of depth in a metre
    ("NYU-like", "nyu_like", "color/{pair}.png", "depth/{pair}.pgm", 1000),
    ("ICL-NUIM", "living_room", "color/{pair}.png", "depth/{pair}.png", 5000),
    ("TUM", "tum_desk", "{pair}.png", "{pair}_depth.png", 5000),
)


def rooms(folder: str | Path) -> FilePairs:
    return FilePairs(find_pairs(Path(folder), "color/{pair}.png", "depth/{pair}.png"), 1000)


def real_sets(folder: Path) -> Iterator[tuple[str, FilePairs]]:
    """The real pairs that are there."""
    for name, place, colour, depth, scale in REAL:
        if (folder / place).is_dir():
            pairs = FilePairs(find_pairs(folder / place, colour, depth), scale)
            yield f"{name}, {len(pairs.names)}", pairs


def row(*names: str, figures: dict[str, float]) -> list[str]:
    return [*names, *(f"{figures[key]:.3f}" for key in FIGURES)]


def judge(weights: str, judged: FilePairs) -> tuple[Any, Any]:
    """Figures of the network and of its training's mean depth: ``metric`` and ``median_scaled``."""
    predictor = load_predictor(weights, "cpu")
    baseline = predictor.card.arguments["use"]["mean_depth"]
    mean = evaluate_pairs(predictor.metres, judged, baseline)["mean"]
    return tuple({k: mean[k][which] for k in mean} for which in ("network", "mean_depth"))


def trained(weights: str, sets: Iterable[tuple[str, FilePairs]]) -> Iterator[list[str]]:
    """Four rows for each set: weights and mean depth in metres, and scaled by the median."""
    for name, pairs in sets:
        network, mean = judge(weights, pairs)
        yield row(name, f"`{Path(weights).stem}`", figures=network["metric"])
        yield row("", "mean depth", figures=mean["metric"])
        yield row("", f"`{Path(weights).stem}`, scaled", figures=network["median_scaled"])
        yield row("", "mean depth, scaled", figures=mean["median_scaled"])


def ablation(args: argparse.Namespace, judged: FilePairs) -> Iterator[list[str]]:
    """Two rows for each loss, and two of the mean depth."""
    baseline: Any = None
    with tempfile.TemporaryDirectory() as scratch:
        for name, (ssim_weight, mse_weight) in LOSSES.items():
            source = rooms(args.rooms)
            count = min(args.pairs, len(source))
            parameters = MonodepthTraining(
                size=tuple(args.size),
                ssim_weight=ssim_weight,
                mse_weight=mse_weight,
                epochs=args.epochs,
                learning_rate=2e-3,
                schedule="cosine",
                device="cpu",
            )
            plan = TrainingPlan(parameters, Chosen(source, range(count)), None, "rendered rooms")
            folder = Path(scratch) / name.replace(" ", "_")
            (Path(scratch) / "cache").mkdir(exist_ok=True)  # one for all: the pairs are the same
            folder.mkdir()
            (folder / "cache").symlink_to(Path(scratch) / "cache")
            wall, start = time.monotonic(), time.process_time()
            train_monodepth(folder, plan)
            wall, cpu = time.monotonic() - wall, time.process_time() - start
            print(f"{name}: {cpu:.0f} s CPU, {wall:.0f} s wall", file=sys.stderr, flush=True)
            network, baseline = judge(str(folder / "best" / "monodepth.safetensors"), judged)
            yield row(name, figures=network["metric"])
            yield row(f"{name}, scaled by the median", figures=network["median_scaled"])
    yield row("mean depth map of the training pairs", figures=baseline["metric"])
    yield row("the same, scaled by the median", figures=baseline["median_scaled"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", help="folder of rendered rooms to train on")
    parser.add_argument("held_out", nargs="?", help="folder of rooms to judge on; default ROOMS")
    parser.add_argument("--weights", help="judge these and train nothing")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="judge on its sets too")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=(48, 64))
    add_output(parser)
    args = parser.parse_args()
    judged = rooms(args.held_out or args.rooms)
    with Report(args.output) as report:
        if args.weights:
            sets = [(f"{len(judged.names)} rooms", judged)]
            sets += real_sets(args.real) if args.real else ()
            rows = trained(args.weights, sets)
            report.table("monodepth_sets", ("set", "depth", *TITLES), rows)
        else:
            report.table("monodepth_losses", ("loss", *TITLES), ablation(args, judged))


if __name__ == "__main__":
    main()
