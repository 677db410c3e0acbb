"""Our projector beside RTK, plastimatch, ITK and DiffDRR: time and accuracy on the same rays.

    OMP_NUM_THREADS=1 python Testing/peers/drr_speed.py --output DIR
    python Testing/peers/drr_speed.py --quick                               small, to try it
    python Testing/peers/drr_speed.py --only projectors,first --repeats 9   parts of it

The peers live in environments of their own, see projectors/environments/README.md; those that are
not installed are left out and named. Each projector is a process that is started, warmed up and
given the volume beforehand; they take turns picture by picture.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from projectors.measure import (
    POSES,
    Setting,
    around,
    compare,
    first_picture,
    materials,
    memory,
    scaling,
)
from projectors.peers import PEERS, Peer, available
from projectors.report import plot, write
from projectors.volumes import resample, save
from reproduction.report import Report, add_output

from meddl.core import read_image

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("projectors", "around", "first", "materials", "memory", "scaling")
FULL_OFFSET = 100.0  # added to every voxel so that none is empty
LARGE_PEERS = {"numba": 1, "rtk": 1, "exact-plm": 1, "siddon": 128, "trilinear": 128}  # rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, default=ROOT / ".cache" / "peers")
    parser.add_argument("--ct", default=str(ROOT / "Testing/data/abdomen_pelvis_ct.nii.gz"))
    add_output(parser)
    parser.add_argument("--repeats", type=int, default=5, help="pictures of each projector")
    parser.add_argument("--field", type=float, default=1.15, help="width seen, in longest edges")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma-separated")
    parser.add_argument("--peers", default=",".join(PEERS), help="projectors, comma-separated")
    parser.add_argument("--quick", action="store_true", help="small volumes, to try the script")
    args = parser.parse_args()
    unknown = set(args.only.split(",")) - set(PARTS)
    strange = set(args.peers.split(",")) - set(PEERS)
    if strange or "numba" not in args.peers.split(","):
        parser.error(f"--peers {args.peers}: numba and some of {', '.join(PEERS)}")
    if unknown:
        parser.error(f"--only {','.join(unknown)}: the parts are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(args.environments, Path(folder), args.repeats, args.field)
        peers = available(args.peers.split(","), setting.environments)
        results = run(setting, peers, args.ct, args.only.split(","), args.quick)
    with Report(args.output) as report:
        write(report, results)
        if "scaling" in results and (path := report.picture("drr_scaling.png")):
            plot(results["scaling"], path)


def run(
    setting: Setting, peers: dict[str, Peer], ct_path: str, parts: list[str], quick: bool
) -> dict[str, Any]:
    """The chosen measurements by name."""
    ct = read_image(ct_path)
    cube = 96 if quick else 256
    pixels = 128 if quick else 512
    small = resample(ct, (64, 64, 64), setting.folder, "small")
    middle = resample(ct, (cube,) * 3, setting.folder)
    large = resample(ct, (100, 128, 128) if quick else (400, 512, 512), setting.folder)
    full = save(f"{cube}³ full", middle.values + FULL_OFFSET, middle.spacing, setting.folder)
    results: dict[str, Any] = {
        "processor": platform.processor() or platform.platform(),
        "field": setting.field,
        "projectors": [],
    }
    if "projectors" in parts:
        few = {n: replace(peers[n], rows=rows) for n, rows in LARGE_PEERS.items() if n in peers}
        plain = {name: peer for name, peer in few.items() if peer.rows == 1}
        two = ("AP", "33/22/17")
        results["projectors"] += compare(setting, peers, middle, small, tuple(POSES), pixels)
        results["projectors"] += compare(setting, plain, full, small, two, pixels)
        results["projectors"] += compare(setting, few, large, small, two, 2 * pixels)
    for name, work in (("around", around), ("first", first_picture)):
        if name in parts and "rtk" in peers:
            results[name] = {middle.name: work(setting, middle, small, pixels)}
    if "first" in results:
        results["first"][large.name] = first_picture(setting, large, small, 2 * pixels)
    if "materials" in parts:
        results["materials"] = materials(setting, middle, small, pixels)
    if "memory" in parts:
        results["memory"] = {
            volume.name: memory(setting, volume, side)
            for volume, side in ((middle, pixels), (large, 2 * pixels))
        }
    if "scaling" in parts:
        results["scaling"] = scaling(setting, ct, quick)
    return results


if __name__ == "__main__":
    main()
