"""Every comparison of Docs/validation.md in one command; writes its tables and pictures there.

    python Testing/peers/reproduce.py --list
    python Testing/peers/reproduce.py --data DIR
    python Testing/peers/reproduce.py --only drr_accuracy,rendering
    python Testing/peers/reproduce.py --quick           short forms, nothing written to the page

Run by a Python that has this project with its extras all and test. comparisons.toml is the table:
script, arguments, packages of the peers, data. Each peer gets an environment of its own, made once
and kept. The scripts run one after the other; what stands on the page between <!-- NAME --> and
<!-- /NAME --> is replaced by what they report. Reports of an earlier run that are younger than
their scripts are kept, so that a run that was stopped goes on (--again runs all). What cannot run
here is skipped with the reason and leaves its old table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reproduction.comparisons import Table, read_table
from reproduction.running import ROOT, Outcome, Place, missing, reproduce

from meddl.core.errors import MedDLError
from meddl.core.files import claimed_folder

CACHE = ROOT / ".cache" / "peers"


def parse(words: list[str] | None, table: Table) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME,...", help="comparisons or beginnings of names")
    parser.add_argument("--list", action="store_true", help="say what there is and what it lacks")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with one per data set")
    parser.add_argument("--environments", type=Path, metavar="DIR", default=CACHE)
    parser.add_argument("--reports", type=Path, metavar="DIR", default=CACHE / "reports")
    parser.add_argument("--page", type=Path, default=ROOT / "Docs" / "validation.md")
    parser.add_argument("--quick", action="store_true", help="short forms; the page stays")
    parser.add_argument("--again", action="store_true", help="run too what has a report")
    args = parser.parse_args(words)
    args.names = list(table.comparisons)
    if args.only:
        wanted = args.only.split(",")
        for each in wanted:
            if not any(name.startswith(each) for name in args.names):
                parser.error(f"--only {each}: the comparisons are {', '.join(args.names)}")
        args.names = [name for name in args.names if name.startswith(tuple(wanted))]
    if args.data and not args.data.is_dir():
        parser.error(f"--data {args.data} is no folder; see --list for what it has to hold")
    return args


def listing(names: list[str], table: Table, place: Place) -> str:
    """What there is: name, section, minutes, what it needs and what is missing of it."""
    lines = []
    for number, name in enumerate(names):
        one = table.comparisons[name]
        needs = [*one.environments, *one.programs, *one.data, *one.after, *["CUDA"] * one.cuda]
        lines.append(f"{name}: {one.section}; {one.minutes:g} min; {one.command}")
        if needs:
            lines.append(f"    needs {', '.join(needs)}")
        if reason := missing(one, table, place, names[:number]):
            lines.append(f"    would be skipped: {reason}")
    return "\n".join(lines)


def line(outcome: Outcome) -> str:
    """One outcome as a line."""
    reason = f"  {outcome.reason}" if outcome.reason else ""
    return f"{outcome.state:8}{outcome.name:28}{outcome.seconds:7.0f} s{reason}"


def main(words: list[str] | None = None, table: Table | None = None) -> int:
    """Run what was asked for; 1 if anything failed, 130 if it was stopped."""
    table = table or read_table()
    args = parse(words, table)
    place = Place(
        args.environments.resolve(), args.reports.resolve(), args.page.resolve(), args.data,
        args.quick, args.again,
    )  # fmt: skip
    if args.list:
        print(listing(args.names, table, place))
        return 0
    place.reports.mkdir(parents=True, exist_ok=True)
    outcomes, stopped = [], False
    try:
        with claimed_folder(place.reports):
            for name in args.names:
                print(f"{name}: {table.comparisons[name].command}", flush=True)
                outcomes.append(reproduce(name, table, place))
    except KeyboardInterrupt:
        stopped = True
    print("\n".join(["", *map(line, outcomes)]))
    left = len(args.names) - len(outcomes)
    if stopped:
        print(f"stopped; {left} not run. The same command goes on.")
        return 130
    return int(any(outcome.state == "failed" for outcome in outcomes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MedDLError as error:
        sys.exit(f"reproduce.py: {error}")
