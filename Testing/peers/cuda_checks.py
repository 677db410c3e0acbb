"""What a CUDA device does with every part that can use one, beside the CPU.

    python Testing/peers/cuda_checks.py [--output DIR] [--parts projectors,inference] [--seconds 60]

Every part runs in a process of its own with a limit of time, so that one that fails or hangs costs
the others nothing; its rows count up to there. cuda_checks.md and .json in DIR have all rows and
grow part by part, report.md has the tables of Docs/validation.md. ``--small --device cpu`` tries
the parts where there is no GPU (PyCUDA's rows then say why they are absent).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SlicerMedDL"), str(TESTING / "peers")]

from reproduction.report import Report, add_output  # noqa: E402

# The subject is a file of cuda_parts.
PARTS = {
    "registration": "poses",
    "training_steps": "training",
    "inference": "networks",
    "automatic": "networks",
    "session": "networks",
    "video": "video",
    "choosing": "devices",
    "loop": "training",
    "full_device": "devices",
    "projectors": "radiographs",
    "pictures": "radiographs",
    "peers": "radiographs",
    "batches": "radiographs",
    "distances": "geodesics",
    "returned_memory": "geodesics",
    "histories": "photons",
}


def run_part(name: str, device: str, small: bool) -> None:
    """Print the rows of one part, a JSON line each, as they come."""
    from importlib import import_module

    measuring = import_module("cuda_parts.measuring")
    part = getattr(import_module(f"cuda_parts.{PARTS[name]}"), name)
    for row in part(measuring.Setting(device, small)):
        print(json.dumps(row), flush=True)


def rows_of(command: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """A part's rows, and what ended it before its time; empty if nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds)
        out, said, ended = done.stdout, done.stderr, ""
        if done.returncode != 0:
            ended = f"ended with {done.returncode}: {_last_line(said)}"
    except subprocess.TimeoutExpired as error:
        out, ended = error.stdout or b"", f"stopped after {seconds:.0f} s"
    lines = out.decode(errors="replace").splitlines()
    return [
        json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")
    ], ended


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows as Markdown, with the columns that any of them has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in rows:
        cells = (str(row.get(column, "")).replace("|", "/") for column in columns)
        yield f"| {' | '.join(cells)} |"


def radiograph_rows(parts: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Of the parts on projectors: what is rendered, backend, errors, time, memory."""
    for part in ("projectors", "pictures"):
        for row in parts.get(part, {}).get("rows", ()):
            if "ms" not in row or row.get("quantity") == "neglog":
                continue
            work = f"polychromatic {row['quantity']}" if "quantity" in row else "path, "
            work += f"{row['work']}, {row['pose']}" if "work" in row else ""
            where = f"{row['backend']}, {row['device']}"
            yield work, where, row["L2"], row["largest"], row["ms"], row.get("taken MB", "")


def network_rows(parts: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Of the part on inference: network, input, time, rate, error."""
    for row in parts.get("inference", {}).get("rows", ()):
        if "ms" in row:
            yield row["network"], row["input"], row["ms"], row["per s"], row["L2"]


def video_rows(parts: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Of the part on video: frame, method, time, rate, error."""
    for row in parts.get("video", {}).get("rows", ()):
        if "ms" in row:
            yield row["frame"], row["method"], row["ms"], row["per s"], row["levels off"]


def peer_rows(parts: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """What others render, and ours in between; those whose volume lies a voxel off apart."""
    for row in parts.get("projectors", {}).get("rows", ()):
        if row.get("pose") == "general" and row["backend"] in ("torch", "pycuda") and "ms" in row:
            yield row["work"], f"`{row['backend']}`", row["L2"], row["largest"], row["ms"]
    for row in parts.get("peers", {}).get("rows", ()):
        if "ms" in row:
            name = row["renderer"]
            name += f", step {row['step mm']:.2g} mm" if "step mm" in row else ""
            name += ", as it samples" if row.get("moved") == 0 else ""
            yield row["work"], name, row["L2"], row["largest"], row["ms"]


def distance_rows(parts: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row per image, cost and number of sweeps; seconds by each backend."""
    seconds: dict[tuple[str, ...], dict[str, float]] = {}
    for row in parts.get("distances", {}).get("rows", ()):
        if "s" in row:
            key = row["voxels"], row["cost"], row["sweeps"]
            seconds.setdefault(key, {})[row["backend"]] = row["s"]
    for key, found in seconds.items():
        yield *key, *(found.get(name, "") for name in ("numba", "pycuda", "torch"))


def machine() -> dict[str, str]:
    """Names and versions."""
    import platform

    import torch

    found = {"python": platform.python_version(), "torch": torch.__version__}
    found["cores"] = str(os.cpu_count())
    if torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name()
        found["memory"] = f"{torch.cuda.mem_get_info()[1] / 1e9:.1f} GB"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="names of parts, in order")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="sizes of a few seconds")
    parser.add_argument("--seconds", type=float, default=60, help="limit of each part")
    add_output(parser)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        run_part(args.part, args.device, args.small)
        return
    names = args.parts.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    record: dict[str, Any] = {"machine": machine(), "parts": {}}
    text = ["; ".join(f"{key} {value}" for key, value in record["machine"].items())]
    print(text[0], flush=True)
    for name in names:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--part", name, "--device", args.device]
        rows, ended = rows_of([*command, *["--small"] * args.small], args.seconds)
        seconds = round(time.perf_counter() - start, 1)
        record["parts"][name] = {"rows": rows, "seconds": seconds, "ended": ended}
        lines = ["", f"## {name} ({seconds} s)", "", *table(rows)] if rows else ["", f"## {name}"]
        text += [*lines, *([f"\n{ended}"] if ended else [])]
        print("\n".join([*lines, ended]), flush=True)
        if args.output:
            args.output.mkdir(parents=True, exist_ok=True)
            (args.output / "cuda_checks.md").write_text("\n".join(text) + "\n")
            (args.output / "cuda_checks.json").write_text(json.dumps(record, indent=1) + "\n")
    with Report(args.output) as report:
        head = ("work", "backend", "L2", "largest", "ms", "device memory taken, MB")
        report.table("cuda_checks/radiographs", head, radiograph_rows(record["parts"]))
        head = ("network", "input", "ms", "per s", "L2")
        report.table("cuda_checks/networks", head, network_rows(record["parts"]))
        head = ("frame", "method", "ms", "per s", "levels off the CPU's, at most")
        report.table("cuda_checks/video", head, video_rows(record["parts"]))
        head = ("work", "renderer", "L2", "largest", "ms")
        report.table("cuda_checks/peers", head, peer_rows(record["parts"]))
        head = ("voxels", "cost", "sweeps", "numba, s", "PyCUDA, s", "torch, s")
        report.table("cuda_checks/distances", head, distance_rows(record["parts"]))


if __name__ == "__main__":
    main()
