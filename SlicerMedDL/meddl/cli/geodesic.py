"""``meddl geodesic``: the geodesic distance of an image from seeds. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Compute the geodesic distance of every voxel from the nearest seed.

SEEDS is a mask on the image's grid (not 0 where seeds are), or points (.mrk.json, .fcsv, .csv),
each for its nearest voxel. A path leads from voxel to neighbour; L is a step's length in mm, dI the
difference of the voxel values, over several components |dI| the root of the sum of squares:

  product      L |dI|                                          (GeodisTK's fast marching)
  geodistk     L / ((1 - lambda) + lambda / (|dI| + 1e-5))     (GeodisTK's raster scan)
  fastgeodis   (1 - lambda) L + lambda sum|dI|                 (FastGeodis)

With lambda 0 the last two give the Euclidean distance. Output is float32.
"""

EXAMPLES = """\
examples:
  meddl geodesic brain.nii.gz scribble.nii.gz --output distance.nii.gz
  meddl geodesic brain.nii.gz points.mrk.json --output d.nrrd --cost fastgeodis --lambda 0.8
"""


def configure(subparsers: Any) -> None:
    """Add the parser of ``meddl geodesic``."""
    from meddl.geodesic import BACKENDS, COSTS

    parser = subparsers.add_parser(
        "geodesic",
        help="geodesic distance",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", metavar="IMAGE", help="volume or picture, one or more components")
    parser.add_argument("seeds", metavar="SEEDS", help="mask, or points in RAS")
    parser.add_argument("--output", required=True, metavar="DIST", help=".nii.gz, .nrrd, .mha")
    parser.add_argument("--cost", choices=COSTS, default="product", help="of a step (product)")
    parser.add_argument(
        "--lambda",
        dest="lambda_",
        type=float,
        default=1.0,
        metavar="L",
        help="weight of the image, 0 to 1 (1.0); product has none",
    )
    parser.add_argument("--cap", type=float, metavar="D", help="larger distances become this")
    parser.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="so many raster sweeps: faster, and too long (without: exact)",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="auto is numba")
    parser.add_argument("--device", default="auto", help="of torch and pycuda: cpu, cuda, cuda:N")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, compute, write; returns 0."""
    import time

    from meddl.cli.console import print_json
    from meddl.core import read_image, write_image
    from meddl.geodesic.files import check_output, distance_image, read_seeds

    check_output(args.output)
    image = read_image(args.image, progress=args.progress, cancel=args.cancel)
    seeds = read_seeds(args.seeds, image)
    start = time.perf_counter()
    result = distance_image(
        image,
        seeds,
        cost=args.cost,
        lambda_=args.lambda_,
        cap=args.cap,
        iterations=args.iterations,
        backend=args.backend,
        device=args.device,
        progress=args.progress,
        cancel=args.cancel,
    )
    seconds = time.perf_counter() - start
    write_image(args.output, result)
    largest = float(result.array.max())
    if args.json:
        record = {"output": str(args.output), "seeds": int((seeds != 0).sum())}
        print_json({**record, "largest": largest, "seconds": seconds})
    else:
        print(f"{args.output}: distances up to {largest:g} ({seconds:.2f} s)")
    return 0
