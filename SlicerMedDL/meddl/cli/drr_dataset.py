"""``meddl drr dataset``: many CTs x many views into a folder. Parsing and printing only."""

from __future__ import annotations

import argparse
from typing import Any

HELP = """\
Render a data set: many views of many CTs, each with a random pose, tube and noise of its own.

The folder gets 16-bit pictures on a fixed linear scale, masks, cameras, landmarks in COCO's format,
and manifest.jsonl with a line per view: file, CT, camera, seed, parameters, SHA256. It depends on
the configuration alone, not on the number of workers. After a kill, --resume goes on where it
stopped: views whose files are as the manifest says are not rendered again.
"""

EXAMPLES = """\
example:
  meddl drr dataset config.yaml --output spine --workers 8
  meddl drr dataset config.yaml --output spine --workers 8 --resume
  meddl drr dataset config.yaml --output /shared/spine --scheduler tcp://head:8786

config.yaml; paths are relative to it, and everything but cts may be left out:
  seed: 1                        # of all that is random
  views: 200                     # of each CT
  format: png                    # or tiff, both 16-bit; or dcm, each with a scale of its own
  range: [-1, 15]                # values stored as 0 and 65535 (png, tiff)
  cts:                           # volumes or DICOM folders
    - extra/ct.nrrd
    - path: ct/*.nii.gz          # {name} below is the file's name without suffix
      labels: labels/{name}.nii.gz
      landmarks: points/{name}.mrk.json
  masks: {left hip: 77, right hip: 78}     # needs labels in every CT
  carm: {detector_size: [512, 512], pixel_spacing: 0.6}     # as the options of drr render
  pose:                          # each from, to: degrees and mm; the rest as shown by default
    primary_angle: [-45, 45]     # positive LAO
    secondary_angle: [-30, 30]   # positive cranial
    rotation: [-10, 10]
    source_detector: [1020, 1020]
    source_isocenter: [530, 530]
    isocenter_jitter: [20, 20, 20]         # mm to either side: right, anterior, superior
    even_directions: off         # on: even over the sphere, not over the angles
  render:                        # as the options of drr render: a value or a choice
    quantity: neglog             # here the default
    spectrum: {choose: [60kV, 90kV, 120kV]}
    noise: on
    photons: {from: 1e4, to: 1e6, scale: log}
    materials: labels/{name}.nii.gz        # each CT's own, with its table; or threshold, …
  instruments:                   # without the section none
    kinds: [k-wire, screw, tube, ball]
    count: [0, 2]                # in a view
    length: [50, 150]            # mm
    distance: 60                 # mm, largest, of the tip from the isocentre

The masks are TIFF files with a page per label and kind of instrument, 1 where the ray of a pixel
meets it. The value of a PNG's or TIFF's pixel is low + stored x (high - low) / 65535 with the
manifest's "scale": [low, high].
"""


def configure(commands: Any) -> None:
    """Add the parser of ``meddl drr dataset``."""
    parser = commands.add_parser(
        "dataset",
        help="render a data set of many views of many CTs (needs Dask)",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG.yaml", help="what the data set consists of")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster, tcp://HOST:PORT, whose workers see CTs and DIR under the same paths",
    )
    parser.add_argument(
        "--workers", metavar="N", help="processes on this machine (default one per core)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the data set in DIR")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the configuration, render, say how much; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.parameters import convert
    from meddl.deepdrr.dataset import read_dataset
    from meddl.deepdrr.dataset_run import generate

    workers = None if args.workers is None else convert(args.workers, int, "--workers")
    done = generate(
        read_dataset(args.config),
        args.output,
        scheduler=args.scheduler,
        workers=workers,
        resume=args.resume,
        progress=args.progress,
        cancel=args.cancel,
    )
    if args.json:
        print_json({"output": args.output, **done})
    return 0
