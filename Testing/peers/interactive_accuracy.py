"""Accuracy of interactive methods under one simulated user: tables, a plot.

    python Testing/peers/interactive_accuracy.py --output DIR [--data FOLDER]

Without --data the cases are those of the bundled abdomen CT, and procedural ones. Every method runs
in the same session (same region of interest, same strokes for the same error). The files grow case
by case, and a run that was stopped goes on where it was; report.md has the tables over the cases
that all methods were run on. Grow from seeds needs slicer-core; graph cuts need an environment of
their own (--graph-cut-python, see interactive/environments).
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import time
from pathlib import Path

from interactive.cases import BUNDLED, REAL, procedural_cases, real_cases
from interactive.graph_cut import make_max_flow
from interactive.growcut import GrowCut
from interactive.tables import write
from reproduction.report import Report

from meddl.core.parameters import add_arguments, from_arguments
from meddl.deepigeos.evaluation import REPORTED, Run, Step, simulate
from meddl.deepigeos.evaluation_parameters import EvaluationParameters
from meddl.deepigeos.evaluation_report import summary, write_report

BUNDLED_DATA = Path(__file__).parents[1] / "data"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", required=True, type=Path, help="folder of all files")
    parser.add_argument("--name", default="interactive_accuracy", help="of the blocks in report.md")
    parser.add_argument("--data", type=Path, help="folder with ct/ and mr/")
    parser.add_argument("--only", default="", help="cases whose name has one of these words")
    parser.add_argument("--procedural", type=int, default=4, help="number of procedural cases")
    parser.add_argument("--graph-cut-python", type=Path)
    add_arguments(parser, EvaluationParameters)
    args = parser.parse_args()
    parameters = from_arguments(EvaluationParameters, args)
    if parameters.interactions < REPORTED[-1]:
        parser.error(f"the tables need {REPORTED[-1]} interactions, not {parameters.interactions}")
    methods = {name: name for name in parameters.methods.split(",")}
    peers = {"growcut": GrowCut, "maxflow": make_max_flow(args.graph_cut_python)}
    methods.update({name: peers[name] for name in methods if name in peers})
    args.output.mkdir(parents=True, exist_ok=True)
    log = args.output / "runs.jsonl"
    runs = read_runs(log)
    done = {(run.case, run.method) for run in runs}
    folder, sets = (args.data, REAL) if args.data else (BUNDLED_DATA, BUNDLED)
    words = [word for word in args.only.split(",") if word]
    for case in itertools.chain(
        real_cases(folder, sets), procedural_cases(args.procedural, parameters.seed)
    ):
        if words and not any(word in case.name for word in words):
            continue
        for name, method in methods.items():
            if (case.name, name) in done:
                continue
            start = time.process_time()
            runs.append(simulate(case, method, parameters, name))
            with log.open("a") as file:
                file.write(json.dumps(record(runs[-1])) + "\n")
            row = summary(runs[-1], parameters.interactions)
            print(*row.values(), f"{time.process_time() - start:.0f} s CPU", flush=True)
        write_report(runs, parameters, args.output)
    with Report(args.output) as report:
        write(report, args.name, runs, parameters.interactions)
        shutil.copyfile(args.output / "evaluation.png", args.output / f"{args.name}.png")


def record(run: Run) -> dict:
    return {"case": run.case, "method": run.method, "steps": [vars(step) for step in run.steps]}


def read_runs(path: Path) -> list[Run]:
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [Run(row["case"], row["method"], [Step(**s) for s in row["steps"]]) for row in rows]


if __name__ == "__main__":
    main()
