"""The command that reproduces Docs/validation.md: its table is true of the tree, and a run replaces
what stands between markers and nothing else."""

from __future__ import annotations

import json
import re
import shlex
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.pages import DOCS, ROOT
from meddl.core.errors import InputError, MedDLError
from properties import examples

sys.path.append(str(ROOT / "Testing" / "peers"))

import reproduce
from reproduction import running
from reproduction.blocks import blocks, marked, replaced, spans
from reproduction.comparisons import Comparison, DataSet, Environment, Table, read_table
from reproduction.environments import STAMP, make, obstacle
from reproduction.report import Report

PAGE = (DOCS / "validation.md").read_text()
TABLE = read_table()


def section_at(place: int) -> str:
    return re.findall(r"^## (.+)$", PAGE[:place], re.MULTILINE)[-1]


def test_every_script_that_the_page_names_exists():
    named = set(re.findall(r"Testing/peers/[\w/]+\.(?:py|md)", PAGE))
    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize("name", TABLE.comparisons)
def test_a_comparison_has_its_script_and_its_place_on_the_page(name):
    comparison = TABLE.comparisons[name]
    assert comparison.script.is_file()
    assert re.search(r"add_output\(|--output", comparison.script.read_text())
    own = running.blocks_of(name, PAGE)
    assert own or comparison.pictures
    assert {section_at(spans(PAGE)[each][0]) for each in own} <= {comparison.section}
    for picture in comparison.pictures:
        assert f"](validation/{picture})" in PAGE and (DOCS / "validation" / picture).is_file()
    named = [*comparison.data, *comparison.after, "environments", "work"]
    folders = dict.fromkeys(named, Path("anywhere"))
    for quick in (False, True):
        assert not re.search("[{}]", " ".join(comparison.words(quick, folders)))
    assert comparison.minutes > 0


def test_every_block_of_the_page_has_its_comparison():
    assert {each.partition("/")[0] for each in blocks(PAGE)} <= set(TABLE.comparisons)


@pytest.mark.parametrize("name", TABLE.environments)
def test_the_packages_of_a_peer_are_pinned(name):
    words = shlex.split(" ".join(TABLE.environments[name].install))
    listed = [ROOT / "Testing" / "peers" / word for word in words if word.endswith(".txt")]
    wanted = [word for word in words if "==" in word]
    wanted += [line for path in listed for line in path.read_text().split("\n") if line]
    assert wanted and [one for one in wanted if "==" not in one] == []
    assert any(name in one.environments for one in TABLE.comparisons.values())


PROSE = st.text(st.characters(codec="utf-8", exclude_characters="<"))
NAMES = ("one", "two/part", "two_part")


@examples(30)
@given(st.tuples(PROSE, PROSE, PROSE, PROSE), st.tuples(PROSE, PROSE, PROSE), PROSE)
def test_all_else_on_the_page_stays_to_the_byte(prose, inside, new):
    parts = [marked(name, f"{text}\n") for name, text in zip(NAMES, inside, strict=True)]
    page = prose[0] + "".join(f"\n{p}{text}" for p, text in zip(parts, prose[1:], strict=True))
    assert blocks(page) == {n: f"{text}\n" for n, text in zip(NAMES, inside, strict=True)}
    expected = page.replace(parts[1], marked(NAMES[1], f"{new}\n"), 1)
    assert replaced(page, {NAMES[1]: f"{new}\n"}) == expected


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<!-- a -->\n", "a is not closed"),
        ("x\n<!-- /a -->\n", "line 2: <!-- /a --> is out of place"),
        ("<!-- a -->\n<!-- b -->\n<!-- /b -->\n<!-- /a -->\n", r"out of place.*\(a is open\)"),
        ("<!-- a -->\n<!-- /a -->\n<!-- a -->\n<!-- /a -->\n", "line 3: <!-- a --> is out of"),
        ("no markers\n", "the page has no block a"),
    ],
)
def test_markers_that_do_not_fit_are_refused(page, words):
    with pytest.raises(InputError, match=words):
        replaced(page, {"a": "new\n"})


SCRIPT = """\
import argparse, pathlib
from reproduction.report import Report, add_output
parser = argparse.ArgumentParser()
parser.add_argument("--value", default="7")
parser.add_argument("--end", type=int, default=0)
add_output(parser)
args = parser.parse_args()
with pathlib.Path(__file__).with_suffix(".runs").open("a") as file:
    file.write("x")
with Report(args.output) as report:
    report.table("{name}/value", ("what", "value"), [("here", args.value)])
    report.picture("{name}.png").write_bytes(args.value.encode())
    if args.end:
        raise SystemExit(f"ended at {{args.end}}")
"""
OLD = "# Page\n\n{}\r\nkept\t \n{}end"


class Bench:
    """A page, two scripts ``good`` and ``other``, and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.page = folder, folder / "page.md"
        self.old = OLD.format(marked("good/value", "old\n"), marked("other/value", "old\n"))
        self.page.write_bytes(self.old.encode())
        self.commands = {}
        for name in ("good", "other"):
            (folder / f"{name}.py").write_text(SCRIPT.format(name=name))
            self.commands[name] = shlex.quote(str(folder / f"{name}.py"))

    def table(self, **fields: object) -> Table:
        plain = {"section": "Page", "minutes": 2.0, "pictures": ("other.png",)}
        return Table(
            {
                "other": Comparison(**{**plain, "command": self.commands["other"], **fields}),
                "good": Comparison("Page", self.commands["good"], 1.0),
            },
            {"impossible": Environment(("x==1",), python=("2.7",))},
            {"heavy": DataSet("from somewhere", ("big.bin",))},
            {"no-such-program": "it cannot be had"},
        )

    def run(self, table: Table, *words: str) -> int:
        places = [f"--{name}={self.folder / name}" for name in ("reports", "environments")]
        return reproduce.main([*places, "--page", str(self.page), *words], table)

    def runs(self, name: str) -> int:
        path = self.folder / f"{name}.runs"
        return len(path.read_text()) if path.exists() else 0

    def expected(self, **values: str) -> bytes:
        texts = {f"{n}/value": f"| what | value |\n|---|---|\n{v}\n" for n, v in values.items()}
        return replaced(self.old, texts).encode()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    peers = str(ROOT / "Testing" / "peers")
    call = running.call
    monkeypatch.setattr(  # the scripts lie elsewhere, but import as those of Testing/peers
        running,
        "call",
        lambda words, env, log: call(
            words, env | {"PYTHONPATH": f"{env['PYTHONPATH']}:{peers}"}, log
        ),
    )
    folder = tmp_path / "a b"
    folder.mkdir()
    return Bench(folder)


def test_a_report_is_whole_or_not_there(tmp_path, capsys):
    with Report(tmp_path / "new") as report:
        report.table("a/b", ("x", "y"), [(1, "z")])
        report.figures = {"scalar": np.float32(1.5), "array": np.arange(3), "flag": np.bool_(True)}
    text = (tmp_path / "new" / "report.md").read_text()
    assert text == marked("a/b", "| x | y |\n|---|---|\n| 1 | z |\n")
    found = json.loads((tmp_path / "new" / "report.json").read_text())
    assert found == {"scalar": 1.5, "array": [0, 1, 2], "flag": True}
    with pytest.raises(ZeroDivisionError), Report(tmp_path / "new") as report:
        report.table("a/b", ("x", "y"), ((1 / n, n) for n in (1, 0)))
    assert not (tmp_path / "new" / "report.md").exists()
    with Report(None) as report:
        report.lines("a/b", "said")
        assert report.picture("a.png") is None
    assert "said" in capsys.readouterr().out


def test_a_run_writes_tables_and_pictures_and_goes_on_where_it_was(bench, capsys):
    assert bench.run(bench.table()) == 0
    assert bench.page.read_bytes() == bench.expected(good="| here | 7 |", other="| here | 7 |")
    assert (bench.folder / "page" / "other.png").read_bytes() == b"7"
    assert not (bench.folder / "page" / "good.png").exists()  # not asked for
    (bench.folder / "reports" / "good" / "run.json").unlink()  # as if killed there
    assert bench.run(bench.table()) == 0
    assert (bench.runs("good"), bench.runs("other")) == (2, 1)
    other = bench.table(command=f"{bench.commands['other']} --value 8")
    assert bench.run(other) == 0  # another command is not done
    assert bench.page.read_bytes() == bench.expected(good="| here | 7 |", other="| here | 8 |")
    script = bench.folder / "other.py"
    script.write_text(script.read_text() + "# newer than its report\n")
    assert bench.run(other) == 0
    assert bench.run(other, "--again", "--only", "good") == 0
    assert (bench.runs("good"), bench.runs("other")) == (3, 3)
    assert "written" in capsys.readouterr().out


def test_a_comparison_that_fails_leaves_its_old_table_and_the_others_run(bench, capsys):
    table = bench.table(command=f"{bench.commands['other']} --end 3")
    assert bench.run(table) == 1
    assert bench.page.read_bytes() == bench.expected(good="| here | 7 |")
    assert re.search(r"failed +other.*ended with 1: ended at 3", capsys.readouterr().out)
    assert not (bench.folder / "reports" / "other" / "report.md").exists()
    assert not (bench.folder / "page" / "other.png").exists()


def test_a_report_without_a_block_of_the_page_fails(bench, capsys):
    bench.old = bench.old.replace("kept", marked("other/more", "old\n") + "kept")
    bench.page.write_bytes(bench.old.encode())
    assert bench.run(bench.table()) == 1
    assert bench.page.read_bytes() == bench.expected(good="| here | 7 |")
    assert "has no block other/more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": ("heavy",)}, "data set heavy: no --data; from somewhere"),
        ({"programs": ("no-such-program",)}, "no program no-such-program: it cannot be had"),
        ({"environments": ("impossible",)}, "its packages exist for Python 2.7, this is 3"),
        ({"cuda": True}, "no CUDA device"),
    ],
)
def test_what_cannot_run_here_is_skipped_with_the_reason(
    bench, capsys, monkeypatch, fields, reason
):
    monkeypatch.setattr(running, "cuda_device", lambda: False)
    assert bench.run(bench.table(**fields)) == 0
    assert bench.page.read_bytes() == bench.expected(good="| here | 7 |")
    assert re.search(f"skipped +other.*{reason}", capsys.readouterr().out)
    assert bench.run(bench.table(**fields), "--list") == 0
    assert f"would be skipped: {reason}" in re.sub(
        "environment impossible: ", "", capsys.readouterr().out
    )


def test_a_data_set_is_made_once_and_has_its_name_when_it_is_whole(bench, monkeypatch):
    call, made = running.call, []

    def meddl(words: list[str], environment: dict[str, str], log: Path) -> None:
        if words[:2] != ["-m", "meddl"]:
            return call(words, environment, log)
        made.append(words[2:-2])
        (Path(words[-1]) / "half").mkdir(parents=True)
        if len(made) == 1:
            raise MedDLError("stopped")
        return None

    monkeypatch.setattr(running, "call", meddl)
    table = bench.table(command=f"{bench.commands['other']} --value {{rooms}}", data=("rooms",))
    table.data["rooms"] = DataSet("rooms", ("half",), "render rooms")
    assert bench.run(table) == 1
    folder = bench.folder / "reports" / "data" / "rooms"
    assert not folder.exists()
    assert bench.run(table) == 0
    assert bench.run(table, "--again") == 0
    assert made == [["render", "rooms"]] * 2
    assert bench.page.read_bytes() == bench.expected(
        good="| here | 7 |", other=f"| here | {folder} |"
    )


def test_a_comparison_reads_the_report_of_an_earlier_one(bench, capsys):
    table = bench.table()
    reading = {"command": f"{bench.commands['other']} --value {{good}}", "after": ("good",)}
    table.comparisons["other"] = bench.table(**reading).comparisons["other"]
    assert bench.run(table, "--only", "other") == 0
    assert "good comes first and has no report" in capsys.readouterr().out
    assert bench.run(table, "--only", "other", "--list") == 0
    assert "would be skipped: good comes first" in capsys.readouterr().out
    ordered = Table(
        dict(reversed(table.comparisons.items())), table.environments, table.data, table.programs
    )
    assert bench.run(ordered, "--list") == 0
    assert "would be skipped" not in capsys.readouterr().out
    assert bench.run(ordered) == 0
    good = bench.folder / "reports" / "good"
    assert bench.page.read_bytes() == bench.expected(
        good="| here | 7 |", other=f"| here | {good} |"
    )
    (good / "run.json").unlink()  # anew, so that what reads it is too
    assert bench.run(ordered) == 0
    assert (bench.runs("good"), bench.runs("other")) == (2, 2)


def test_a_quick_run_leaves_the_page(bench, capsys):
    assert bench.run(bench.table(quick="--value 1"), "--quick") == 0
    assert bench.page.read_bytes() == bench.old.encode()
    report = bench.folder / "reports" / "quick" / "other" / "report.md"
    assert "| here | 1 |" in report.read_text()
    assert bench.run(bench.table(), "--quick", "--again") == 0
    assert "takes 2 minutes and has no short form" in capsys.readouterr().out
    assert (bench.runs("good"), bench.runs("other")) == (2, 1)


def test_wrong_names_are_refused_before_anything_runs(bench, tmp_path):
    with pytest.raises(SystemExit):
        bench.run(bench.table(), "--only", "goood")
    with pytest.raises(SystemExit):
        bench.run(bench.table(), "--data", str(tmp_path / "nowhere"))
    assert bench.runs("good") == 0
    wrong = tmp_path / "wrong.toml"
    for text, words in (
        ("[comparisons.a]\nsection='s'\ncommand='c'\nminutes=1\ndata=['b']", "no data of the name"),
        ("[comparisons.a]\nsection='s'\ncommand='c'\nminutes=1\nafter=['b']", "no comparisons of"),
        ("[comparisons.a]\nsection='s'\ncommand='c'\nminute=1", "unexpected keyword.*minute"),
        ("[comparisons.a", "is no table of comparisons"),
    ):
        wrong.write_text(text)
        with pytest.raises(MedDLError, match=words):
            read_table(wrong)
    with pytest.raises(InputError, match="'chest' is no data set"):
        Comparison("s", "drr_accuracy.py {chest}", 1).words(False, {})


def small_wheel(folder: Path, version: str) -> Path:
    path = folder / f"onepeer-{version}-py3-none-any.whl"
    info = f"onepeer-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("onepeer.py", f"VERSION = {version!r}\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: onepeer\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def test_an_environment_is_made_once_and_anew_when_its_recipe_changes(tmp_path):
    folder = tmp_path / "environments" / "one"
    wheels = [small_wheel(tmp_path, version) for version in ("1.0", "2.0")]
    recipes = [
        Environment((f"--no-deps --no-index {shlex.quote(str(wheel))}",), on_path=True)
        for wheel in wheels
    ]
    make("one", recipes[0], folder)
    assert "1.0" in (folder / "onepeer.py").read_text()
    (folder / "onepeer.py").write_text("touched")
    make("one", recipes[0], folder)
    assert (folder / "onepeer.py").read_text() == "touched"
    make("one", recipes[1], folder)
    assert "2.0" in (folder / "onepeer.py").read_text()
    with pytest.raises(MedDLError, match=r"environment one: ERROR: .*see .*one\.log"):
        make("one", Environment(("--no-index no-such-peer==1",), on_path=True), folder)
    assert (folder / STAMP).read_text() == "{}\n"  # as after a kill: made anew the next time
    (folder / STAMP).unlink()
    with pytest.raises(MedDLError, match="is no environment of this command; move it away"):
        make("one", recipes[1], folder)
    assert "2.7" in obstacle(Environment((), ("2.7",)), {})
