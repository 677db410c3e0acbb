"""``meddl drr register``: the pose of a radiograph against a CT. Parsing and printing only."""

from __future__ import annotations

import argparse
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

HELP = """\
Find the pose of a radiograph with respect to a CT (2-D/3-D registration).

Starts from the camera START.json, whose intrinsics (pixels) and size stay. Writes a camera and
score: the gradient correlation of radiograph and rendered CT (-1..1; 1 is perfect, noise lowers
it), and converged: the search ended by itself, and the score at 16 pixels a side (coarse_score,
where noise averages out) is at least 0.93.
A DICOM radiograph counts by its stored values after their rescale: --quantity intensity where the
open beam has the highest ones, neglog where bone has.
The pose moves about the isocentre (mm, RAS): rotation in degrees, shift in mm.
"""

EXAMPLES = """\
example:
  meddl drr render ct.nii.gz --output xray.tiff --quantity neglog --detector-size 256,256 \\
      --pixel-spacing 1.2 --primary-angle 25
  meddl drr render ct.nii.gz --output guess.tiff --detector-size 256,256 --pixel-spacing 1.2 \\
      --primary-angle 15 --save-camera start.json
  meddl drr register ct.nii.gz xray.tiff --camera start.json --quantity neglog --output found.json
  meddl drr render ct.nii.gz --output guess.tiff --geometry xray.dcm --save-camera start.json
  meddl drr register ct.nii.gz xray.dcm --camera start.json --quantity intensity --output found.json
"""


def configure(commands: Any) -> None:
    """Add the parser of ``register`` to those of ``meddl drr``."""
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr.registration_parameters import RegistrationParameters
    from meddl.deepdrr.spectrum import SpectrumParameters

    parser = commands.add_parser(
        "register",
        help="find the pose of a radiograph",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ct", metavar="CT", help="volume file, or a folder with a DICOM series")
    parser.add_argument(
        "radiograph",
        metavar="RADIOGRAPH",
        help="one grey picture (.tiff best) or DICOM file (XA, DX, CR, RF)",
    )
    parser.add_argument("--frame", metavar="N", default="0", help="of a DICOM file, from 0")
    parser.add_argument(
        "--mirrored",
        metavar="on|off",
        help="whether the columns run against the camera's; without it as the DICOM header says",
    )
    parser.add_argument(
        "--camera", required=True, metavar="START.json", help="intrinsics and a first guess"
    )
    parser.add_argument(
        "--output", required=True, metavar="FOUND.json", help="camera, score, converged"
    )
    parser.add_argument("--series", metavar="UID", help="which DICOM series of the CT's folder")
    tube = tuple(item.name for item in fields(SpectrumParameters))
    add_arguments(parser.add_argument_group("search"), RegistrationParameters, skip=tube)
    add_arguments(parser.add_argument_group("the radiograph's X-ray tube"), SpectrumParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, register, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core import InputError, read_image
    from meddl.core.files import writable_parent, write_json
    from meddl.core.optional import require
    from meddl.core.parameters import convert, from_arguments
    from meddl.deepdrr import RegistrationParameters, read_camera, read_radiograph

    start = time.perf_counter()
    output = writable_parent(args.output)
    parameters = from_arguments(RegistrationParameters, args)
    camera = read_camera(args.camera)
    for given in (args.ct, args.radiograph, args.camera):
        if output.exists() and Path(given).exists() and output.samefile(given):
            raise InputError(f"--output {output} is an input; choose another name")
    frame = convert(args.frame, int, "--frame")
    mirrored = convert(args.mirrored, bool | None, "--mirrored")
    require("torch", "registration")
    from meddl.deepdrr import register

    radiograph = read_radiograph(args.radiograph, frame, mirrored)
    ct = read_image(args.ct, series=args.series)
    loaded = time.perf_counter()
    found = register(ct, radiograph, camera, parameters, progress=args.progress, cancel=args.cancel)
    write_json(output, found.to_dict())
    report = {
        "output": str(output),
        "score": round(found.score, 6),
        "coarse_score": round(found.coarse_score, 6),
        "converged": found.converged,
        "motion": [round(float(n), 6) for n in found.motion],
        "device": found.device,
        "seconds": {
            "read": round(loaded - start, 4),
            "register": round(time.perf_counter() - loaded, 4),
        },
    }
    if args.json:
        print_json(report)
    else:
        turn, shift = report["motion"][:3], report["motion"][3:]
        print(f"score {found.score:.4f}, {'converged' if found.converged else 'NOT converged'}")
        print(f"turned by {turn} degrees, moved by {shift} mm (x right, y down, z depth)")
    return 0
