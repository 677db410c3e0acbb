"""Views per minute of ``meddl drr dataset`` on 1 and 2 workers, and the efficiency of the second.

The efficiency is given twice. By wall time: the rate of 2 workers over twice that of 1, which wants
a machine with nothing else to do. By CPU time: the seconds of a view in the one worker over those
of everything (workers, scheduler, master) with two, which is what two free cores would give.

    python Testing/peers/drr_dataset.py [--views 60] [--repeat 5]

Two copies of the bundled CT, 512x512 views with noise, random spectra and a mask of the left hip.
Start-up of the workers and the first two views of each (numba's cache, reading the CT) are left
out: the rate is that of the progress after them. Both are measured in turn, the medians count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from reproduction.report import Report, add_output

DATA = Path(__file__).resolve().parents[1] / "data"
CONFIG = """\
seed: 1
views: {views}
cts:
  - {{path: {data}/abdomen_pelvis_ct.nii.gz, labels: {data}/abdomen_pelvis_labels.nii.gz}}
  - {{path: {data}/abdomen_pelvis_ct.nii.gz, labels: {data}/abdomen_pelvis_labels.nii.gz}}
masks: {{hip: 77}}
carm: {{detector_size: [512, 512], pixel_spacing: 0.6}}
render: {{noise: on, spectrum: {{choose: [60kV, 90kV, 120kV]}}}}
"""


def cpu_seconds() -> tuple[float, float]:
    """CPU time so far of this process (master and scheduler), and of its workers."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return time.process_time(), sum(t.user + t.system for t in times)


def measure(config: Path, output: Path, workers: int) -> tuple[float, float, float, float]:
    """Views per minute in the steady state, and with everything; CPU seconds per view, here and in
    the workers."""
    from meddl.deepdrr.dataset import read_dataset
    from meddl.deepdrr.dataset_run import generate

    times: list[float] = []
    used: list[tuple[float, float]] = []

    def note(fraction: float, message: str) -> None:
        if message.startswith("view "):
            times.append(time.perf_counter())
            used.append(cpu_seconds())

    start = time.perf_counter()
    done = generate(read_dataset(config), output, workers=workers, progress=note)
    whole = time.perf_counter() - start
    # From the first views to the last whole round: at the end one worker may have nothing to do.
    first, last = 2 * workers - 1, len(times) - workers
    steady = (last - first) / (times[last] - times[first])
    here, there = (
        (after - before) / (last - first)
        for before, after in zip(used[first], used[last], strict=True)
    )
    return 60 * steady, 60 * done["views"] / whole, here, there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, default=60, help="views of each of the two CTs")
    parser.add_argument("--repeat", type=int, default=5)
    add_output(parser)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    runs: dict[int, list[tuple[float, float, float, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(views=arguments.views, data=DATA))
        for repeat in range(arguments.repeat):
            for workers in runs:
                output = Path(folder) / f"{workers}-{repeat}"
                runs[workers].append(measure(config, output, workers))
                steady, whole, here, there = runs[workers][-1]
                print(
                    f"{workers} workers: {steady:.1f} views/min ({whole:.1f} with start-up), "
                    f"CPU s per view: {there:.3f} in workers, {here:.3f} in the master"
                )
    one, two = ([statistics.median(row) for row in zip(*runs[n], strict=True)] for n in (1, 2))
    steady = ("views per minute, wall time", f"{one[0]:.0f}", f"{two[0]:.0f}")
    whole = ("views per minute with start-up", f"{one[1]:.0f}", f"{two[1]:.0f}", "")
    cost = "what a view costs one worker / what it costs everything with two, CPU time"
    with Report(arguments.output) as report:
        rows = [
            (*steady, f"{two[0] / (2 * one[0]):.2f}"),
            whole,
            (cost, "", "", f"{one[3] / (two[2] + two[3]):.2f}"),
        ]
        report.table("drr_dataset", ("", "1 worker", "2 workers", "efficiency"), rows)
        report.figures = {"views": 2 * arguments.views, "runs": runs}


if __name__ == "__main__":
    main()
