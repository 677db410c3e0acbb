"""Small jobs of the command line, one per kind of output, with their input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from library.deepigeos.labelled_cases import PICTURES, pictures
from library.endodepth.plane_sequence import plane_sequence
from meddl.core import Image, write_frames, write_image
from meddl.core.geometry import compose

# What the commands import by themselves; imported once, before the forks.
IMPORTS = (
    "meddl.cli.main",
    "meddl.cli.desmoke",
    "meddl.desmoke.synthesis",
    "meddl.desmoke.desmoker",
    "meddl.desmoke.files",
    "meddl.desmoke.prepare",
    "meddl.core.video_pyav",
    "SimpleITK",
    "scipy.ndimage",
)
TRAINING_IMPORTS = (
    "torch.utils.tensorboard",
    "lightning_fabric",
    "matplotlib.pyplot",
    "meddl.core.training_loop",
)
MONAI = ("monai.transforms", "monai.inferers", "monai.losses", "meddl.deepigeos.training")
ENDO = ("meddl.cli.endodepth", "meddl.endodepth.training")
RENDERING = ("meddl.cli.drr", "meddl.deepdrr.radiograph", "meddl.deepdrr.projector")


def imports_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """The modules that a command is going to import."""
    training = TRAINING_IMPORTS if "--epochs" in arguments or arguments[1] == "train" else ()
    system = {"deepigeos": MONAI, "drr": RENDERING, "endodepth": ENDO}.get(arguments[0], ())
    return (*IMPORTS, *training, *system)


TRAINING = {"epochs": 2, "batch_size": 2, "device": "cpu", "checkpoint_steps": 1}
CONFIGS = {
    "labelled": yaml.safe_load(PICTURES) | {"width": 4, "patches_per_case": 2},
    "pairs": {
        "data": {"colour": "p{pair}.png", "depth": "p{pair}_depth.png", "validation": ["0"]},
        "size": [32, 40],
    },
    "frames": {
        "data": {"clear": ["p*.png"], "validation": ["p0"]},
        "architecture": "pix2pix",
        "size": [32, 32],
        "layers": 3,
        "filters": 4,
        "clip_length": 2,
    },
}
ENDODEPTH = {
    "sequence": "sequence",
    "architecture": "light",
    "adjacent_range": [1, 4],
    "input_downsampling": 1.0,
    "inlier_percentage": 1.0,
    "visibility_overlap": 0,
    "batch_size": 2,
    "num_iter": 2,
    "number_epoch": 2,
    "device": "cpu",
    "checkpoint_steps": 1,
}
DATASET = {
    "seed": 7,
    "views": 3,
    "cts": ["ct.nii.gz"],
    "carm": {"detector_size": [40, 30], "pixel_spacing": 6.0},
}
# Name -> arguments; IN is the folder of write_input, OUT the output.
JOBS = {
    "deepigeos train": "deepigeos train IN/labelled/config.yaml --output OUT",
    "monodepth train": "monodepth train IN/pairs/config.yaml --output OUT",
    "desmoke train": "desmoke train IN/frames/config.yaml --output OUT",
    "endodepth train": "endodepth train IN/plane/config.yaml --output OUT",
    "drr dataset": "drr dataset IN/config.yaml --output OUT --workers 1",
    "desmoke synthesize": "desmoke synthesize IN/frames --output OUT --transmission on",
    "desmoke prepare": "desmoke prepare IN/videos --output OUT --step 2 --workers 1"
    " --sharpness 0 --colourfulness 0 --brightness 0,255",
    "desmoke video": "desmoke video IN/videos/a.avi --output OUT/clear.avi --method classical"
    " --smoke-level OUT/smoke.csv",
    "desmoke video mp4": "desmoke video IN/videos/a.avi --output OUT/clear.mp4 --method classical",
    "drr render": "drr render IN/ct.nii.gz --output OUT/ap.tiff --detector-size 40,30"
    " --pixel-spacing 6",
    "desmoke image": "desmoke image IN/frames --output OUT --method classical",
}
SMALL = "--device cpu --checkpoint-steps 1 --epochs"
# What is killed, too. Their output, not their memory or disk, differs from that of the others.
KILLED = {
    "endodepth frames": "endodepth frames IN/videos/a.avi --output OUT/frames --overwrite",
    "endodepth render": "endodepth render --output OUT/sinus --frames 2 --size 24,32 --points 20",
    "monodepth render-rooms": "monodepth render-rooms --output OUT/rooms --pairs 2 --size 24,32",
    "drr materials train": "drr materials train --output OUT --patches 4 --side 16 --width 4"
    f" --batch-size 2 {SMALL} 2",
    "drr scatter train": "drr scatter train --model network --output OUT --examples 8"
    f" --photons 1000 --width 4 --batch-size 2 {SMALL} 2",
    "deepigeos generalist": f"deepigeos generalist --output OUT --images 8 --together 2 {SMALL} 1",
    "endodepth train-rendered": "endodepth train-rendered --output OUT --architecture light"
    f" --scenes 3 --views 2 --batch-size 2 {SMALL} 2",
}
TRAININGS = [
    *(job for job in (*JOBS, *KILLED) if job.endswith("train")),
    "deepigeos generalist",
    "endodepth train-rendered",
]


class CommandServer:
    """See ``command_server.py``; one process, used by one thread."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("command_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: object, folder: Path, **faults: Any) -> dict[str, Any]:
        """Run ``meddl ARGUMENTS``; changes in ``folder`` count. See ``command_server.serve``."""
        words = [*map(str, arguments)]
        request = {
            "arguments": words,
            "imports": imports_of(words),
            "folder": str(folder),
            **faults,
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, "the command server has ended"
        return json.loads(line)

    def __enter__(self) -> CommandServer:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def write_input(folder: Path) -> Path:
    """All that the jobs read, below ``folder``."""
    pictures(folder / "labelled", 3)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :40] / 40
    for name in ("frames", "pairs", "videos"):
        (folder / name).mkdir()
    frames = []
    for n in range(4):
        grey = 0.5 + 0.4 * np.sin(7 * x + 5 * y * (n + 1))
        rgb = 255 * np.stack([grey, grey * 0.6, grey * 0.5], -1) + rng.normal(0, 4, (32, 40, 3))
        frames.append(np.clip(rgb, 0, 255).astype(np.uint8))
        write_image(folder / f"frames/p{n}.png", Image(frames[-1][None]))
        write_image(folder / f"pairs/p{n}.png", Image(frames[-1][None]))
        depth = (2000 + 1000 * grey).astype(np.uint16)
        write_image(folder / f"pairs/p{n}_depth.png", Image(depth[None]))
    hu = np.full((10, 12, 14), -1000, np.int16)
    hu[2:8, 3:9, 4:10] = 40
    write_image(folder / "ct.nii.gz", Image(hu, compose((5, 5, 5))))
    for name in ("a", "b"):
        write_frames(folder / f"videos/{name}.avi", frames * 2, 25)
    (folder / "plane").mkdir()
    plane_sequence(folder / "plane/sequence")
    (folder / "plane/config.yaml").write_text(yaml.safe_dump(ENDODEPTH))
    (folder / "config.yaml").write_text(yaml.safe_dump(DATASET))
    for name, values in CONFIGS.items():
        (folder / name / "config.yaml").write_text(yaml.safe_dump({**values, **TRAINING}))
    return folder


def arguments(job: str, source: Path, output: Path) -> list[str]:
    """The command of a job."""
    places = {"IN": str(source), "OUT": str(output)}
    words = {**JOBS, **KILLED}[job].split()
    return [
        places.get(head, head) + slash + rest
        for head, slash, rest in (word.partition("/") for word in words)
    ] + ["--quiet"]
