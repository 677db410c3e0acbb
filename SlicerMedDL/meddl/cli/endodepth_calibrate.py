"""``meddl endodepth calibrate``: a lens from pictures of a board. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Find intrinsics and lens distortion from pictures of a flat chessboard.

Take 10 to 20 pictures of the whole board, tilted differently and reaching the rim of the field, at
the focus and zoom of the video. The file is OpenCV's (YAML or JSON); frames are undistorted with it
by: meddl endodepth frames VIDEO --calibration FILE.
"""

EXAMPLES = """\
examples:
  meddl endodepth calibrate board/ --board 9x6 --square 3.0 --output camera.yaml
  meddl endodepth calibrate a.png b.png c.png --board 7x5 --model fisheye --output camera.json
"""


def add(actions: Any) -> None:
    """Add ``meddl endodepth calibrate``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.calibration import CalibrationParameters

    parser = actions.add_parser(
        "calibrate",
        help="find a lens from pictures of a chessboard",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", metavar="IMAGES", nargs="+", help="pictures, or folders of them")
    parser.add_argument("--output", required=True, metavar="FILE", help="camera.yaml or .json")
    add_arguments(parser, CalibrationParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Calibrate, write the file, print the errors; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.files import writable_parent
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.calibration import CalibrationParameters, calibrate
    from meddl.endodepth.lens import check_suffix, write_lens

    parameters = from_arguments(CalibrationParameters, args)
    output = check_suffix(writable_parent(args.output))
    result = calibrate(args.images, parameters, progress=args.progress, cancel=args.cancel)
    lens = result.lens
    write_lens(output, lens)
    (fx, _, cx), (_, fy, cy), _ = lens.intrinsics.tolist()
    if args.json:
        print_json(
            {
                "output": str(output),
                "model": lens.model,
                "size": list(lens.size[::-1]),
                "intrinsics": [fx, fy, cx, cy],
                "distortion": lens.distortion.tolist(),
                "reprojection_error": lens.error,
                "errors": result.errors,
                "missed": list(result.missed),
            }
        )
        return 0
    print(f"{output}: {lens.model}, {lens.size[1]}x{lens.size[0]} pixels")
    print(f"fx {fx:.2f}, fy {fy:.2f}, cx {cx:.2f}, cy {cy:.2f} (pixel centres at half-integers)")
    print(f"distortion {', '.join(f'{value:.4g}' for value in lens.distortion)}")
    print(f"reprojection error {lens.error:.3f} pixels in {len(result.errors)} pictures:")
    for name, error in result.errors.items():
        print(f"  {name}: {error:.3f}")
    if result.missed:
        print(f"no board in: {', '.join(result.missed)}")
    return 0
