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
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml
from reproduction.report import Report, add_output

from meddl.core.files import existing_file, read_json

ROOT = Path(__file__).resolve().parents[2]
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
        "clips_per_frame": smoky, "batch_size": 8, "epochs": epochs, "device": "cpu",
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
    began = time.monotonic()
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
        rows = []
        for name in GUIDES:
            card = read_json(
                existing_file(args.output / name / WEIGHTS, "weights").with_suffix(".json")
            )
            rows.append((TITLES[name], card["training_data"], card["metrics"]))
        report.table("desmoke_unets", ("network", "trained on", "validation"), rows)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
