"""``meddl endodepth predict``: depth maps of a sequence, a video or pictures. Parsing, printing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HELP = """\
Predict a depth map for every frame of a sequence, a video, a folder of pictures or single pictures.

DIR gets a 32-bit float TIFF per frame (0: unknown), units.json and, for a calibrated sequence,
camera.json. The maps of a sequence with structure from motion are in the unit of its poses; all
others have a scale of their own. Depth is in mm only once a registration or --mm-per-unit says how
long that unit is.
"""

EXAMPLES = """\
examples:
  meddl endodepth predict sequence --output sequence/depth
  meddl endodepth predict sequence --output depth --mm-per-unit 12.5 --preview
  meddl endodepth predict video.mp4 --output depth --mask field.png
  meddl endodepth predict 0001.png 0002.png --output depth --weights my_run/best/my.safetensors
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth predict``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.prediction_parameters import PredictionParameters

    parser = actions.add_parser(
        "predict",
        help="depth maps of a sequence, a video or pictures",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="SEQUENCE_DIR|VIDEO|IMAGE", help="what to predict from"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the maps")
    parser.add_argument("--mask", metavar="PICTURE", help="field of view of frames without one")
    add_arguments(parser.add_argument_group("prediction"), PredictionParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.errors import InputError
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.prediction import predict_frames, predict_sequence
    from meddl.endodepth.prediction_parameters import PredictionParameters
    from meddl.endodepth.sequence import read_sequence
    from meddl.endodepth.sequence_files import FRAMES

    parameters = from_arguments(PredictionParameters, args)
    listening = {"progress": args.progress, "cancel": args.cancel}
    first = Path(args.inputs[0])
    if len(args.inputs) == 1 and (first / FRAMES).exists():
        if args.mask is not None:
            raise InputError("--mask: a sequence has its own undistorted_mask.bmp; edit that")
        record = predict_sequence(read_sequence(first), args.output, parameters, **listening)
    else:
        total, frames = named_frames(args.inputs)
        mask = None if args.mask is None else _mask(args.mask)
        record = predict_frames(
            frames, args.output, parameters, mask=mask, total=total, **listening
        )
    if args.json:
        print_json({"output": args.output, **record})
    elif not args.quiet:
        print(args.output)
    return 0


def named_frames(inputs: list[str]) -> tuple[int, Iterator[tuple[str, Any]]]:
    """Number (0: unknown), names and pictures of a video, a folder or single pictures."""
    from meddl.core.image_io import PICTURES
    from meddl.core.pictures import read_rgb
    from meddl.core.video import probe_video, read_frames

    paths = [Path(name) for name in inputs]
    if len(paths) == 1 and paths[0].is_dir():
        paths = sorted(p for p in paths[0].iterdir() if p.suffix.lower() in PICTURES) or paths
    if len(paths) == 1 and paths[0].suffix.lower() not in PICTURES:
        video = read_frames(paths[0])
        return probe_video(paths[0]).frames, (
            (f"{number:08d}", frame) for number, frame in enumerate(video)
        )
    return len(paths), ((path.stem, read_rgb(path)) for path in paths)


def _mask(path: str) -> Any:
    from meddl.core.pictures import read_rgb

    return read_rgb(path).max(-1) >= 128
