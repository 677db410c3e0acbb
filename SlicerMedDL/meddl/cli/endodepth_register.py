"""``meddl endodepth register``: a fused surface onto one from CT. Parsing and printing only."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = """\
Register a fused surface to a surface from CT, of which it shows a part.

The first pose comes from pairs of landmarks (PAIRS.csv: label,x,y,z,r,a,s - the place in the
numbers of the mesh's file, then in the patient, RAS, mm; three or more), or without them from a
search over the whole surface. Trimmed ICP then fits it. A similarity, the default, also finds how
many mm one unit of the mesh is.
REPORT.json holds the transform, mm_per_unit, and the residuals (mean, median, 95 % in mm) of all
vertices; a table (.csv) and a histogram (.png) are written beside it.
"""

EXAMPLES = """\
examples:
  meddl endodepth register surface.ply lumen.vtp --output report.json
  meddl endodepth register surface.ply lumen.stl --landmarks pairs.csv --output report.json \\
      --transform pose.h5 --output-mesh residuals.ply --depth depth
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth register``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.registration_parameters import RegistrationParameters

    parser = actions.add_parser(
        "register",
        help="bring a fused surface to a surface from CT",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("mesh", metavar="MESH.ply", help="of meddl endodepth fuse")
    parser.add_argument("surface", metavar="CT_SURFACE", help=".vtp, .stl, .ply or .obj")
    parser.add_argument("--output", required=True, metavar="REPORT.json")
    parser.add_argument("--landmarks", metavar="PAIRS.csv", help="three or more pairs of places")
    kinds = parser.add_mutually_exclusive_group()
    for kind in ("similarity", "rigid"):
        kinds.add_argument(
            f"--{kind}",
            dest="transform",
            action="store_const",
            const=kind,
            default=argparse.SUPPRESS,
            help="also find the scale (default)" if kind == "similarity" else "keep the size",
        )
    parser.add_argument(
        "--transform", dest="transform_file", metavar="FILE", help=".h5, .tfm, .txt or .json"
    )
    parser.add_argument(
        "--output-mesh", metavar="MESH.ply", help="the mesh in the patient, coloured by residual"
    )
    parser.add_argument(
        "--colour-range",
        type=float,
        default=2.0,
        metavar="MM",
        help="residual that is red in --output-mesh (default 2.0)",
    )
    parser.add_argument(
        "--depth", metavar="DIR", help="record mm_per_unit in the units.json of these depth maps"
    )
    options = parser.add_argument_group("fit")
    add_arguments(options, RegistrationParameters, skip=("transform",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, register, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.depth_maps import set_scale
    from meddl.core.errors import InputError
    from meddl.core.files import report_path
    from meddl.core.mesh import read_mesh, write_mesh
    from meddl.core.parameters import from_arguments
    from meddl.endodepth import registration_files as files
    from meddl.endodepth.fusion_files import check_output, scale_of_maps
    from meddl.endodepth.registration_parameters import RegistrationParameters

    output = report_path(args.output)
    transform = files.check_transform(args.transform_file) if args.transform_file else None
    output_mesh = check_output(args.output_mesh) if args.output_mesh else None
    if not args.colour_range > 0:
        raise InputError(f"--colour-range is {args.colour_range} mm; a positive number is needed")
    parameters = from_arguments(RegistrationParameters, args)
    per_map_unit = scale_of_maps(args.mesh, args.depth) if args.depth else None
    landmarks = None
    if args.landmarks:
        _, places, ras = files.read_pairs(args.landmarks)
        landmarks = (places, ras)
    mesh, surface = read_mesh(args.mesh), read_mesh(args.surface)
    from meddl.endodepth.registration import register

    found = register(mesh, surface, landmarks, parameters, args.progress, args.cancel)
    record = files.write_report(output, found, parameters)
    if transform is not None:
        files.write_transform(transform, found.ras_from_mesh)
    if output_mesh is not None:
        write_mesh(output_mesh, files.registered(mesh, found, args.colour_range))
    if per_map_unit is not None:
        set_scale(Path(args.depth), found.scale * per_map_unit)
    if args.json:
        print_json({"output": str(output), **record})
    elif not args.quiet:
        whole = record["residuals_mm"]
        print(
            f"mean {whole['mean']:.3f} mm, median {whole['median']:.3f} mm, 95 % below "
            f"{whole['percentile_95']:.3f} mm; one unit is {found.scale:.5g} mm; "
            f"{found.overlap:.0%} of the scan overlaps"
        )
    return 0
