"""``meddl drr``: radiographs from CT, projected points, spectra. Parsing and printing only."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.cli import (
    drr_benchmark,
    drr_companions,
    drr_dataset,
    drr_materials,
    drr_register,
    drr_scatter,
)

if TYPE_CHECKING:
    from meddl.deepdrr import Camera, CArm

logger = logging.getLogger(__name__)

RENDER_HELP = """\
Render one radiograph of a CT volume.

Angles are DICOM's: primary positive = LAO, secondary positive = cranial, patient supine. At 0/0 the
source is posterior and the picture's right is the patient's right (as seen from the source).
Floating-point formats carry the values unscaled; DICOM carries them in 65536 steps with a rescale;
PNG is for looking, in a fixed window. A material is a name (gold), BASE+iodine:MG_PER_ML or
NAME=FORMULA:DENSITY (nitinol=NiTi:6.45).
"""

RENDER_EXAMPLES = """\
examples:
  meddl drr render ct.nii.gz --output ap.tiff
  meddl drr render dicom_folder --output lao30.png --primary-angle 30
  meddl drr render ct.nii.gz --output lateral.nrrd --preset biplane-lateral --secondary-angle 20
  meddl drr render ct.nii.gz --output same_pose.dcm --geometry angiogram.dcm --quantity neglog
  meddl drr render ct.nrrd --output paths.nrrd --quantity path --isocenter -10,20,30
  meddl drr render ct.nrrd --output wire.png --instrument k-wire:0,0,0:0,-90,20 --mesh cup.stl:iron
  meddl drr render ct.nii.gz --output scatter.tiff --scatter montecarlo --scatter-photons 5e6
  meddl drr render bone.nrrd --output bone.tiff --hu-below 1:-1000 --noise on --photons 5e4
  meddl drr render ct.nii.gz --output o.png --materials labels.nii.gz --kvp 80 --clahe on
  meddl drr render ct.nii.gz --output bins.tiff --quantity counts --detector bins:20,50,80 --mas 2
  meddl drr render ct.nii.gz --output o.tiff --mask screw.nrrd:titanium --csi 500 --mtf50 1.2
  meddl drr render ct.nii.gz --output o.tiff --save-depth depth.tiff --save-masks masks.tiff
      --labels labels.nii.gz --label-values 77,78

CAMERA.json (world is RAS in mm; x right, y down, looking along +z; pixel centres at integers):
  {"K": [[..3x3..]], "camera_from_world": [[..4x4..]], "size": [W, H]}
  {"K": [[..3x3..]], "R": [[..3x3..]], "t": [x, y, z], "size": [W, H]}
  {"P": [[..3x4..]], "size": [W, H]}
"""

POINTS_HELP = """\
Project points into the picture of a camera: label, u (column), v (row) in pixels, depth in mm.

A point at or behind the source gets empty u and v and its depth, which is not positive.
"""

POINTS_EXAMPLES = """\
example:
  meddl drr render ct.nii.gz --output lao30.tiff --primary-angle 30 --save-camera camera.json
  meddl drr points landmarks.mrk.json --camera camera.json --output landmarks_uv.csv

landmarks.csv, in place of .mrk.json (RAS, mm):
  label,r,a,s
  tip,12.5,-30,8
"""

SPECTRUM_HELP = """\
Compute a tube spectrum (--kvp, by SpekPy), or filter a shipped one or a file further (--spectrum).

The file has the columns energy_keV, photon_fraction; --json adds mean energy, half-value layer and
tube output.
"""

SPECTRUM_EXAMPLES = """\
example:
  meddl drr spectrum --kvp 80 --filtration Al:4.0,Cu:0.1 --output 80kV.csv
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
        "points",
        help="project points",
        description=POINTS_HELP,
        epilog=POINTS_EXAMPLES,
        formatter_class=formatter,
    )
    points.add_argument(
        "points", metavar="POINTS", help=".mrk.json, .fcsv or .csv (label,r,a,s; mm)"
    )
    points.add_argument("--camera", required=True, metavar="CAMERA.json", help="the camera")
    points.add_argument("--output", required=True, metavar="OUT.csv", help="label,u,v,depth")
    points.set_defaults(run=run_points)
    drr_dataset.configure(commands)
    _configure_spectrum(
        commands.add_parser(
            "spectrum",
            help="compute a tube spectrum",
            description=SPECTRUM_HELP,
            epilog=SPECTRUM_EXAMPLES,
            formatter_class=formatter,
        )
    )
    drr_register.configure(commands)
    drr_scatter.configure_scatter(commands)
    drr_materials.configure_materials(commands)
    drr_benchmark.configure(commands)


def _configure_spectrum(parser: argparse.ArgumentParser) -> None:
    from meddl.core.parameters import add_arguments
    from meddl.deepdrr import SpectrumParameters

    add_arguments(parser, SpectrumParameters)
    parser.add_argument("--output", required=True, metavar="OUT.csv", help="energy, fraction")
    parser.set_defaults(run=run_spectrum)


def _configure_render(parser: argparse.ArgumentParser) -> None:
    from dataclasses import fields

    from meddl.core.parameters import add_arguments
    from meddl.deepdrr import (
        CArm,
        DetectorParameters,
        DisplayParameters,
        MaterialParameters,
        RenderParameters,
        ScatterParameters,
        SpectrumParameters,
        preset_names,
    )
    from meddl.deepdrr.instruments import INSTRUMENTS

    parser.add_argument("ct", metavar="CT", help="volume file, or a folder with a DICOM series")
    parser.add_argument(
        "--output", required=True, metavar="OUT", help=".tiff, .nrrd, .nii.gz, .dcm or .png"
    )
    parser.add_argument("--series", metavar="UID", help="which DICOM series of the folder")
    geometry = parser.add_argument_group("C-arm")
    geometry.add_argument(
        "--preset",
        metavar="|".join(preset_names()),
        help="start from this C-arm and keep to its limits; the options below change it",
    )
    geometry.add_argument(
        "--geometry",
        metavar="FILE.dcm",
        help="start from the geometry of a DICOM radiograph (XA, DX, or a .dcm of this command)",
    )
    add_arguments(geometry, CArm)
    geometry.add_argument("--camera", metavar="CAMERA.json", help="a camera, in place of the C-arm")
    geometry.add_argument("--save-camera", metavar="FILE", help="write the camera that was used")
    add_arguments(parser.add_argument_group("materials"), MaterialParameters)
    bodies = parser.add_argument_group("bodies in the place of the CT (a later one displaces)")
    bodies.add_argument(
        "--mesh",
        metavar="FILE:MATERIAL[:DENSITY]",
        action="append",
        default=[],
        help="closed surface (.stl, .obj, .ply) of a material [g/cm3]",
    )
    bodies.add_argument(
        "--instrument",
        metavar="NAME:R,A,S:R,A,S",
        action="append",
        default=[],
        help=f"tip and end of {', '.join(INSTRUMENTS)} [mm]",
    )
    bodies.add_argument(
        "--mask",
        metavar="FILE:MATERIAL",
        action="append",
        default=[],
        help="volume whose voxels other than 0 are of a material; meshes displace it",
    )
    add_arguments(parser.add_argument_group("X-ray tube"), SpectrumParameters)
    add_arguments(parser.add_argument_group("detector"), DetectorParameters)
    add_arguments(parser.add_argument_group("scatter"), ScatterParameters)
    parts = (MaterialParameters, SpectrumParameters, DetectorParameters, ScatterParameters)
    inherited = [f.name for part in parts for f in fields(part)]
    picture = parser.add_argument_group("picture")
    add_arguments(picture, RenderParameters, skip=inherited)
    add_arguments(picture, DisplayParameters)
    drr_companions.configure(parser)
    parser.add_argument(
        "--parameters", metavar="FILE", help="start from the record OUT.json of another run"
    )
    parser.set_defaults(run=run_render)


def run_render(args: argparse.Namespace) -> int:
    """Read, render, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core import InputError, read_image
    from meddl.core.files import writable_parent
    from meddl.core.parameters import from_arguments
    from meddl.core.progress import subprogress
    from meddl.deepdrr import (
        CArm,
        DisplayParameters,
        RenderParameters,
        render,
        write_camera,
        write_radiograph,
    )
    from meddl.deepdrr.layers import parse_mask
    from meddl.deepdrr.output import output_suffix
    from meddl.deepdrr.solids import parse_instrument, parse_solid

    start = time.perf_counter()
    output = Path(args.output)
    suffix = output_suffix(output)
    record = _record(args.parameters)
    parameters = from_arguments(RenderParameters, args, record.get("parameters"))
    view = _view(args, record.get("carm") or {})
    display = from_arguments(DisplayParameters, args)
    if suffix in (".png", ".dcm") and not parameters.one_picture:
        raise InputError(
            f"a {suffix} holds one picture, these parameters give one per material or energy bin: "
            "use .tiff"
        )
    drr_companions.check(args, parameters)
    if args.save_camera:
        writable_parent(args.save_camera)
    if output.exists() and Path(args.ct).exists() and output.samefile(args.ct):
        raise InputError(f"--output {output} is the CT itself; choose another name")
    solids = [parse_solid(text) for text in args.mesh]
    solids += [parse_instrument(text) for text in args.instrument]
    ct = read_image(args.ct, series=args.series)
    over = [parse_mask(text) for text in reversed(args.mask)]
    loaded = time.perf_counter()
    beside = drr_companions.pictures(
        args, ct, view, parameters, subprogress(args.progress, 0.0, 0.5)
    )
    radiograph = render(
        ct,
        view,
        parameters,
        over=over,
        solids=solids,
        progress=subprogress(args.progress, 0.5 if beside else 0.0, 1.0),
        cancel=args.cancel,
    )
    rendered = time.perf_counter()
    write_radiograph(output, radiograph, display)
    for path, picture in beside:
        write_radiograph(path, picture)
    if args.save_camera:
        write_camera(args.save_camera, view.camera(ct.center) if isinstance(view, CArm) else view)
    if args.json:
        done = time.perf_counter()
        print_json(
            {
                "output": str(output),
                "quantity": parameters.quantity,
                "unit": radiograph.metadata["unit"],
                "size": list(radiograph.size[:2]),
                "beside": [str(path) for path, _ in beside],
                "device": radiograph.metadata["device"],
                "backend": radiograph.metadata["backend"],
                "scatter_error": radiograph.metadata.get("scatter_error"),
                "seconds": {
                    "read": round(loaded - start, 4),
                    "render": round(rendered - loaded, 4),
                    "write": round(done - rendered, 4),
                    "total": round(done - start, 4),
                },
            }
        )
    return 0


def _view(args: argparse.Namespace, recorded: dict[str, Any]) -> CArm | Camera:
    """The pose: a camera file, or a C-arm from record, DICOM header or preset, then the options."""
    from dataclasses import asdict, fields

    from meddl.core import InputError
    from meddl.core.parameters import from_arguments, option_of
    from meddl.deepdrr import CArm, load_preset, read_camera, read_dicom_geometry

    given = {f.name: getattr(args, f.name) for f in fields(CArm) if hasattr(args, f.name)}
    starts = [name for name in ("camera", "geometry", "preset") if getattr(args, name)]
    if len(starts) > 1:
        raise InputError(f"--{starts[0]} and --{starts[1]} exclude each other: both give the pose")
    if args.camera:
        clash = [option_of(f) for f in fields(CArm) if f.name in given]
        if clash:
            raise InputError(f"--camera and {clash[0]} exclude each other: the camera has the pose")
        return read_camera(args.camera)
    if args.geometry:
        found = read_dicom_geometry(args.geometry, **given)
        for sentence in found.unknown:
            logger.warning("%s: %s", args.geometry, sentence)
        return found.view
    if args.preset:
        preset = load_preset(args.preset)
        neutral = {name: value for name, value in asdict(preset.carm).items() if value is not None}
        return preset.check(from_arguments(CArm, args, {**recorded, **neutral}))
    return from_arguments(CArm, args, recorded)


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
    from meddl.core.parameters import from_arguments
    from meddl.deepdrr import SpectrumParameters, half_value_layer, tube_spectrum
    from meddl.deepdrr.spectrum import write_spectrum

    output = writable_parent(args.output)
    spectrum = tube_spectrum(from_arguments(SpectrumParameters, args))
    write_spectrum(output, spectrum)
    if args.json:
        print_json(
            {
                "output": args.output,
                "mean_energy_keV": round(spectrum.mean_energy, 4),
                "half_value_layer_mm_Al": round(half_value_layer(spectrum), 4),
                "photons_per_mm2_mAs_at_1m": spectrum.output and round(spectrum.output, 1),
            }
        )
    return 0
