"""Train the published U-Net with and without the dark channel, for desmoke_accuracy.py --unets.

    python Testing/peers/desmoke_unets.py CLIPS KODAK --output DIR [--epochs 10]

On the clear frames of the light network, as far as they are at hand: the clips of
Docs/examples/desmoke-weights-1.yaml, the photographs 01 to 08 of Kodak's and the rendered abdomens.
Settings are the published ones but for the batch (8, where the published run took 1), the number
format and the length, which is what a CPU allows: about 0.4 s per picture on one core. Both train
side by side, on one thread each; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from reproduction.report import Report, add_output

from meddl.core.files import existing_file

ROOT = Path(__file__).resolve().parents[2]
BATCH = 8
GUIDES = {"with": "refined", "without": "none"}  # folder -> what the fourth channel is
WEIGHTS = "best/desmoke-unet.safetensors"
TITLES = {"with": "U-Net with the dark channel", "without": "U-Net without it"}


def configuration(
    clips: Path, photos: Path, guide: str, epochs: int, smoky: int
) -> dict[str, object]:
    """Of one run, for ``meddl desmoke train``."""
    shared = yaml.safe_load((ROOT / "Docs/examples/desmoke-weights-1.yaml").read_text("utf-8"))
    data = shared["data"]
    named = [each for each in data["clear"] if each.startswith("input_")]
    data["clear"] = [
        *(f"{clips.resolve()}/{each}" for each in named),
        f"{photos.resolve()}/0[1-8].png",
    ]
    return {
        "data": data, "name": "desmoke-unet", "architecture": "pix2pix", "size": [256, 256],
        "clip_length": 1, "clear_share": 0, "guide": guide, "precision": "bf16-mixed",
        "clips_per_frame": smoky, "batch_size": BATCH, "epochs": epochs, "device": "cpu",
    }  # fmt: skip


def start(folder: Path, words: dict[str, object]) -> subprocess.Popen[bytes]:
    """The training in a process of its own; what it says goes to ``log.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder.with_name(f"{folder.name}.yaml")
    config.write_text(yaml.safe_dump(words, sort_keys=False), "utf-8")
    command = [sys.executable, "-m", "meddl", "desmoke", "train", config, "--output", folder]
    if any(folder.iterdir()):
        command.append("--resume")
    with folder.with_name(f"{folder.name}.log").open("w") as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def main() -> None:
    """Train both, and say for how long and how well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="folder with input_2.avi and so on")
    parser.add_argument("photos", type=Path, help="folder with 01.png to 08.png")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--smoky-per-frame", type=int, default=5, help="in an epoch")
    add_output(parser)
    args = parser.parse_args()
    if args.output is None:
        parser.error("--output is missing")
    runs = {
        name: start(
            args.output / name,
            configuration(args.clips, args.photos, guide, args.epochs, args.smoky_per_frame),
        )
        for name, guide in GUIDES.items()
    }
    codes = {name: run.wait() for name, run in runs.items()}
    if any(codes.values()):
        sys.exit(f"a training ended with {codes}; see its log in {args.output}")
    with Report(args.output) as report:
        head = ("network", "pictures seen", "minutes", "epoch", "PSNR, dB", "gain", "change")
        report.table("desmoke_unets", head, (row(args.output / name) for name in GUIDES))


def row(folder: Path) -> list[str]:
    """Length of a run, and the validation figures of its best epoch, whose weights are kept."""
    existing_file(folder / WEIGHTS, "weights")
    lines = (folder / "history.jsonl").read_text("utf-8").splitlines()
    history = [json.loads(line) for line in lines]
    best = max(history, key=lambda epoch: epoch["validation/psnr"])
    minutes = sum(epoch["seconds"] for epoch in history) / 60
    change = f"{100 * best['validation/change']:.1f} %"
    figures = (f"{best[f'validation/{name}']:.2f}" for name in ("psnr", "psnr_gain"))
    seen = str(history[-1]["step"] * BATCH)
    return [TITLES[folder.name], seen, f"{minutes:.0f}", str(best["epoch"]), *figures, change]


if __name__ == "__main__":
    main()
