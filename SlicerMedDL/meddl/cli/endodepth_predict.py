"""``meddl endodepth predict``: depth maps of a sequence, a video or pictures. Parsing, printing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meddl.core.frame_source import FrameSource

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
  meddl endodepth predict sequence --output depth --mm-per-unit 12.5 --preview on
  meddl endodepth predict video.mp4 --output depth --mask field.png
  meddl endodepth predict video.mp4 --output depth --model monodepth
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
    parser.add_argument(
        "--mask",
        default="auto",
        metavar="auto|none|PICTURE",
        help="field of view of frames that are no sequence; auto finds it (default auto)",
    )
    parser.add_argument(
        "--model",
        default="depth",
        choices=("depth", "monodepth"),
        help="monodepth: a network of meddl monodepth, which gives mm (default depth)",
    )
    add_arguments(parser.add_argument_group("prediction"), PredictionParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.prediction_parameters import PredictionParameters

    parameters = from_arguments(PredictionParameters, args)
    predict = _by_monodepth if args.model == "monodepth" else _by_endodepth
    record = predict(args, parameters)
    if args.json:
        print_json({"output": args.output, **record})
    elif not args.quiet:
        print(args.output)
    return 0


def _sequence_of(inputs: list[str]) -> Any:
    """The sequence that the inputs are, or None."""
    from meddl.endodepth.sequence import read_sequence
    from meddl.endodepth.sequence_files import FRAMES

    is_sequence = len(inputs) == 1 and (Path(inputs[0]) / FRAMES).exists()
    return read_sequence(inputs[0]) if is_sequence else None


def _by_endodepth(args: argparse.Namespace, parameters: Any) -> dict[str, Any]:
    from meddl.core.errors import InputError
    from meddl.endodepth.prediction import predict_frames, predict_sequence

    listening = {"progress": args.progress, "cancel": args.cancel}
    sequence = _sequence_of(args.inputs)
    if sequence is not None:
        if args.mask != "auto":
            raise InputError(f"--mask: a sequence has a mask of its own in {sequence.folder}")
        return predict_sequence(sequence, args.output, parameters, **listening)
    source, names = named_frames([Path(name) for name in args.inputs])
    with source:
        frames = ((name, source.frame(number)) for number, name in enumerate(names))
        mask = field_of_view(source, args.mask)
        return predict_frames(
            frames, args.output, parameters, mask=mask, total=len(names), **listening
        )


def _by_monodepth(args: argparse.Namespace, parameters: Any) -> dict[str, Any]:
    from meddl.core.errors import InputError
    from meddl.monodepth.prediction import PredictionParameters, predict

    if parameters.scale == "sfm" or parameters.mm_per_unit is not None or args.mask != "auto":
        raise InputError("--scale sfm, --mm-per-unit and --mask are not for --model monodepth")
    sequence = _sequence_of(args.inputs)
    inputs = args.inputs if sequence is None else [str(path) for path in sequence.frame_files]
    own = PredictionParameters(
        weights=parameters.weights,
        device=parameters.device,
        engine=parameters.engine,
        pictures=parameters.preview,
    )
    names = predict(inputs, args.output, own, args.progress, args.cancel)
    return {"frames": len(names), "weights": parameters.weights}


def named_frames(paths: list[Path]) -> tuple[FrameSource, list[str]]:
    """The frames of a video, a folder or single pictures, and their names."""
    from meddl.core.frame_source import open_frames, source_of_files
    from meddl.core.image_io import PICTURES
    from meddl.core.video import picture_files

    if len(paths) == 1 and paths[0].is_dir():
        paths = picture_files(paths[0])
    elif len(paths) == 1 and paths[0].suffix.lower() not in PICTURES:
        video = open_frames(paths[0])
        return video, [f"{number:08d}" for number in range(len(video))]
    return source_of_files(paths), [path.stem for path in paths]


def field_of_view(source: FrameSource, mask: str) -> NDArray[np.bool_] | None:
    """The field of view by --mask; None: everything."""
    from meddl.endodepth.mask import SAMPLES, find_field, read_mask

    if mask == "none":
        return None
    if mask != "auto":
        return read_mask(mask, source.size)
    step = max(1, len(source) // SAMPLES)
    return find_field([source.frame(number) for number in range(0, len(source), step)]).mask
