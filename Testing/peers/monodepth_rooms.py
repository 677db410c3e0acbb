"""Which loss is best, and how far ahead of the mean depth: networks trained alike on rooms.

    meddl monodepth render-rooms --output ROOMS --pairs 1200 --seed 1
    meddl monodepth render-rooms --output HELD_OUT --pairs 200 --seed 2
    python Testing/peers/monodepth_rooms.py ROOMS HELD_OUT --output ablation.md

Each row is a network of its own, trained from the same seed for the same number of steps and judged
on the held-out rooms (Eigen crop, predictions clipped to 10 m). ``--weights NAME`` adds rows of
trained weights and trains nothing; other data are judged with ``--config CONFIG.yaml`` in place of
HELD_OUT.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from meddl.monodepth.evaluation import FIGURES, evaluate_pairs
from meddl.monodepth.pairs import Chosen, FilePairs, find_pairs
from meddl.monodepth.prediction import load_predictor
from meddl.monodepth.training import train_monodepth
from meddl.monodepth.training_config import TrainingPlan, read_pairs
from meddl.monodepth.training_parameters import MonodepthTraining

LOSSES = {  # name -> weights of (1 - SSIM) / 2 and of the squared error in 1/m^2
    "MSE alone": (0.0, 1.0),
    "SSIM alone": (1.0, 0.0),
    "SSIM + MSE": (1.0, 1.0),
    "5 SSIM + MSE": (5.0, 1.0),
}


def rooms(folder: str) -> FilePairs:
    return FilePairs(find_pairs(Path(folder), "color/{pair}.png", "depth/{pair}.png"), 1000)


def row(name: str, figures: dict[str, float]) -> str:
    return f"| {name} | " + " | ".join(f"{figures[key]:.3f}" for key in FIGURES) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="?", help="folder of rendered rooms to train on")
    parser.add_argument("held_out", nargs="?", help="folder of rooms to judge on; default ROOMS")
    parser.add_argument("--config", help="judge on the pairs of this configuration instead")
    parser.add_argument("--weights", action="append", help="judge these and train nothing")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=(48, 64))
    parser.add_argument("--output", help="write the table here too")
    args = parser.parse_args()

    judged = read_pairs(args.config) if args.config else rooms(args.held_out or args.rooms)
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    def judge(name: str, weights: str) -> dict[str, dict[str, float]]:
        predictor = load_predictor(weights, "cpu")
        baseline = predictor.card.arguments["use"]["mean_depth"]
        mean = evaluate_pairs(predictor.metres, judged, baseline)["mean"]
        say(row(f"{name}", mean["metric"]["network"]))
        say(row(f"{name}, scaled by the median", mean["median_scaled"]["network"]))
        return {kind: mean[kind]["mean_depth"] for kind in mean}

    say(f"| {len(judged.names)} pairs | " + " | ".join(FIGURES) + " |")
    say("|---" * (1 + len(FIGURES)) + "|")
    baseline: dict[str, dict[str, float]] = {}
    for weights in args.weights or []:
        baseline = judge(Path(weights).stem, weights)
    with tempfile.TemporaryDirectory() as scratch:
        for name, (ssim_weight, mse_weight) in {} if args.weights else LOSSES.items():
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
            baseline = judge(name, str(folder / "best" / "monodepth.safetensors"))
    say(row("mean depth map of the training pairs", baseline["metric"]))
    say(row("the same, scaled by the median", baseline["median_scaled"]))
    if args.output:
        Path(args.output).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
