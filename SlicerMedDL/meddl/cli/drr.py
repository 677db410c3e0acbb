"""``meddl drr``: radiographs from CT, projected points, spectra. Parsing and printing only."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from meddl.cli import drr_dataset

RENDER_HELP = """\
Render one radiograph of a CT volume.

Angles are DICOM's: primary positive = LAO, secondary positive = cranial, patient supine. At 0/0 the
source is posterior and the picture's right is the patient's right (as seen from the source).
Floating-point formats carry the values unscaled; PNG is for looking, in a fixed window.
"""

RENDER_EXAMPLES = """\
examples:
  meddl drr render ct.nii.gz --output ap.tiff
  meddl drr render dicom_folder --output lao30.png --primary-angle 30
  meddl drr render ct.nrrd --output paths.nrrd --quantity path --isocenter -10,20,30
  meddl drr render bone.nrrd --output bone.tiff --hu-below 1:-1000 --noise on --photons 5e4

CAMERA.json (world is RAS in mm; x right, y down, looking along +z; pixel centres at integers):
  {"K": [[..3x3..]], "camera_from_world": [[..4x4..]], "size": [W, H]}
  {"P": [[..3x4..]], "size": [W, H]}
"""

POINTS_HELP = """\
Project points into the picture of a camera: label, u (column), v (row) in pixels, depth in mm.

A point at or behind the source gets empty u and v and its depth, which is not positive.
"""


def configure(subparsers: Any) -> None:
    """Add the parser of ``meddl drr`` with its subcommands."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser(
        "drr", help="radiographs from CT", description="Radiographs from CT (DeepDRR)."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _configure_render(
        commands.add_parser(
            "render",
            help="render one radiograph",
            description=RENDER_HELP,
            epilog=RENDER_EXAMPLES,
            formatter_class=formatter,
        )
    )
    points = commands.add_parser(
        "points", help="project points", description=POINTS_HELP, formatter_class=formatter
    )
    points.add_argument("points", metavar="POINTS", help=".mrk.json, .fcsv or .csv (label,r,a,s)")
    points.add_argument("--camera", required=True, metavar="CAMERA.json", help="the camera")
    points.add_argument("--output", required=True, metavar="OUT.csv", help="label,u,v,depth")
    points.set_defaults(run=run_points)
    drr_dataset.configure(commands)
    spectrum = commands.add_parser("spectrum", help="compute a tube spectrum (needs SpekPy)")
    spectrum.add_argument("--kvp", type=float, required=True, metavar="KV", help="tube voltage")
    spectrum.add_argument(
        "--aluminium", type=float, required=True, metavar="MM", help="filtration, mm of aluminium"
    )
    spectrum.add_argument(
        "--anode-angle", type=float, default=12.0, metavar="DEG", help="degrees (default 12)"
    )
    spectrum.add_argument("--output", required=True, metavar="OUT.csv", help="energy, fraction")
    spectrum.set_defaults(run=run_spectrum)


def _configure_render(parser: argparse.ArgumentParser) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr import CArm, RenderParameters

    parser.add_argument("ct", metavar="CT", help="volume file, or a folder with a DICOM series")
    parser.add_argument(
        "--output", required=True, metavar="OUT", help=".tiff, .nrrd, .nii.gz or .png"
    )
    parser.add_argument("--series", metavar="UID", help="which DICOM series of the folder")
    geometry = parser.add_argument_group("C-arm")
    add_arguments(geometry, CArm)
    geometry.add_argument("--camera", metavar="CAMERA.json", help="a camera, in place of the C-arm")
    geometry.add_argument("--save-camera", metavar="FILE", help="write the camera that was used")
    add_arguments(parser.add_argument_group("picture"), RenderParameters)
    parser.add_argument(
        "--window", metavar="LOW,HIGH", help="PNG: values of black and white (intensity: of -log)"
    )
    parser.add_argument(
        "--parameters", metavar="FILE", help="start from the record OUT.json of another run"
    )
    parser.set_defaults(run=run_render)


def run_render(args: argparse.Namespace) -> int:
    """Read, render, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core import InputError, read_image
    from meddl.core.files import writable_parent
    from meddl.core.parameters import convert, from_arguments, option_of
    from meddl.deepdrr import (
        CArm,
        RenderParameters,
        read_camera,
        render,
        write_camera,
        write_radiograph,
    )
    from meddl.deepdrr.output import output_suffix

    start = time.perf_counter()
    output = Path(args.output)
    suffix = output_suffix(output)
    record = _record(args.parameters)
    parameters = from_arguments(RenderParameters, args, record.get("parameters"))
    carm = from_arguments(CArm, args, record.get("carm"))
    window = args.window and convert(args.window, tuple[float, float], "--window")
    if suffix == ".png" and parameters.quantity == "path":
        raise InputError(
            "a PNG holds one picture, --quantity path gives one per material: use .tiff"
        )
    camera = None
    if args.camera:
        from dataclasses import fields

        clash = [option_of(f) for f in fields(CArm) if hasattr(args, f.name)]
        if clash:
            raise InputError(f"--camera and {clash[0]} exclude each other: the camera has the pose")
        camera = read_camera(args.camera)
    if args.save_camera:
        writable_parent(args.save_camera)
    if output.exists() and Path(args.ct).exists() and output.samefile(args.ct):
        raise InputError(f"--output {output} is the CT itself; choose another name")
    ct = read_image(args.ct, series=args.series)
    loaded = time.perf_counter()
    radiograph = render(ct, camera or carm, parameters, progress=args.progress, cancel=args.cancel)
    rendered = time.perf_counter()
    write_radiograph(output, radiograph, window)
    if args.save_camera:
        write_camera(args.save_camera, camera or carm.camera(ct.center))
    if args.json:
        done = time.perf_counter()
        print_json(
            {
                "output": str(output),
                "quantity": parameters.quantity,
                "unit": radiograph.metadata["unit"],
                "size": list(radiograph.size[:2]),
                "device": "cpu",
                "backend": "numba",
                "seconds": {
                    "read": round(loaded - start, 4),
                    "render": round(rendered - loaded, 4),
                    "write": round(done - rendered, 4),
                    "total": round(done - start, 4),
                },
            }
        )
    return 0


def _record(path: str | None) -> dict[str, Any]:
    """The ``parameters`` and ``carm`` tables of a run's OUT.json; empty without a path."""
    from meddl.core import FileError, read_json

    if path is None:
        return {}
    record = read_json(path, "parameter record")
    if not isinstance(record, dict) or "parameters" not in record:
        raise FileError(f'{path} is no record of a run: it has no "parameters"')
    return record


def run_points(args: argparse.Namespace) -> int:
    """Project the points of a file; returns 0."""
    import csv

    import numpy as np

    from meddl.cli.console import print_json
    from meddl.core.files import atomic_path
    from meddl.core.markups import read_points
    from meddl.deepdrr import read_camera

    camera = read_camera(args.camera)
    points = read_points(args.points)
    pixels, depth = camera.project(points.ras)
    with atomic_path(args.output) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "u", "v", "depth"])
        for label, pixel, distance in zip(points.labels, pixels, depth, strict=True):
            u, v = ("" if np.isnan(n) else f"{n:.6f}" for n in pixel)
            writer.writerow([label, u, v, f"{distance:.6f}"])
    if args.json:
        print_json({"output": args.output, "points": len(depth), "seen": int((depth > 0).sum())})
    return 0


def run_spectrum(args: argparse.Namespace) -> int:
    """Compute a spectrum and write it as CSV; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.files import writable_parent
    from meddl.deepdrr.spectrum import compute_spectrum, write_spectrum

    output = writable_parent(args.output)
    spectrum = compute_spectrum(args.kvp, args.aluminium, args.anode_angle)
    write_spectrum(output, spectrum)
    if args.json:
        print_json({"output": args.output, "mean_energy_keV": round(spectrum.mean_energy, 4)})
    return 0
