"""``meddl endodepth fuse``: one surface from the depth maps of a sequence. Parsing and printing."""

from __future__ import annotations

import argparse
import time
from typing import Any

HELP = """\
Fuse the depth maps of a sequence to one coloured surface.

MESH.ply (or .obj, .stl without colours) has a colour for each vertex. With --texture on, MESH.obj
gets a texture instead, which is as sharp as the frames; MESH.mtl and MESH.png lie beside it (_ for
spaces in their names). The mesh is in the frame of the sequence's poses, its numbers
unchanged (SPACE=RAS in the header). Its unit is that of the poses until --mm-per-unit, or maps in
mm, say how long that is; MESH.json beside it says which, and how the mesh was made.
Where no frame has looked there is no surface; --fill-holes closes small ones.
"""

EXAMPLES = """\
examples:
  meddl endodepth fuse bag_1/sequence --depth depth --output surface.ply
  meddl endodepth fuse bag_1/sequence --depth depth --output surface.obj --texture on
  meddl endodepth fuse bag_1/sequence --depth depth --output surface.ply --size 384 \\
      --fill-holes 30 --point-clouds clouds
"""


def add(actions: Any) -> None:
    """Add the parser of ``meddl endodepth fuse``."""
    from meddl.core.parameters import add_arguments
    from meddl.endodepth.fusion_parameters import FusionParameters

    parser = actions.add_parser(
        "fuse",
        help="one coloured surface from depth maps and poses",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sequence", metavar="SEQUENCE_DIR", help="with poses")
    parser.add_argument("--depth", required=True, metavar="DIR", help="folder of depth maps")
    parser.add_argument("--output", required=True, metavar="MESH.ply", help=".ply, .obj or .stl")
    parser.add_argument(
        "--point-clouds", metavar="DIR", help="also write the coloured points of every frame"
    )
    add_arguments(parser.add_argument_group("fusion"), FusionParameters)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, fuse, write; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.depth_maps import read_depth_folder
    from meddl.core.parameters import from_arguments
    from meddl.endodepth.fusion_files import (
        check_output,
        check_point_clouds,
        write_point_clouds,
        write_surface,
    )
    from meddl.endodepth.fusion_parameters import FusionParameters
    from meddl.endodepth.sequence import read_sequence

    start = time.perf_counter()
    parameters = from_arguments(FusionParameters, args)
    output = check_output(args.output, parameters.texture)
    clouds = check_point_clouds(args.point_clouds) if args.point_clouds else None
    sequence = read_sequence(args.sequence)
    depths = read_depth_folder(args.depth)
    from meddl.endodepth.fusion import fuse

    surface = fuse(sequence, depths, parameters, args.progress, args.cancel)
    write_surface(output, surface)
    report = {"output": str(output), **surface.record}
    if clouds is not None:
        write_point_clouds(clouds, sequence, depths, parameters, args.progress, args.cancel)
        report["point_clouds"] = str(clouds)
    report["seconds"] = round(time.perf_counter() - start, 3)
    if args.json:
        print_json(report)
    elif not args.quiet:
        unit = "mm" if surface.unit == "mm" else "relative units"
        print(
            f"{output}: {report['vertices']} vertices, {report['faces']} triangles of "
            f"{report['frames']} frames, in {unit}"
        )
    return 0
