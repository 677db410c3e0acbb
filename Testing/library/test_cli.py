"""What all commands share: finding the command, one line for every error, signals, progress."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from meddl.cli import console, main
from meddl.core import diagnostics
from meddl.core.errors import DeviceError, FileError

ROOT = Path(__file__).resolve().parents[2]

# A command made up for these tests: it does what its argument says.
PRETEND = """
import logging, sys, time, types
from meddl.cli import main

def run(args):
    if args.task == "wait":
        print("ready", flush=True)
        while True:
            args.cancel.check()
            time.sleep(0.01)
    if args.task == "deaf":
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
            if args.cancel.cancelled:
                print("heard", flush=True)
    if args.task == "pour":
        for _ in range(10**6):
            print("much")
    if args.task == "progress":
        for i in range(5):
            args.progress(i / 4, f"step {i} [of 4]")
            time.sleep(0.05)
    return 0

def configure(subparsers):
    parser = subparsers.add_parser("pretend")
    parser.add_argument("task")
    parser.add_argument("--values")
    parser.set_defaults(run=run)

sys.modules["meddl.cli.pretend"] = types.SimpleNamespace(configure=configure)
main.COMMANDS["pretend"] = "pretends"
"""


def start(code: str, *arguments: str, **options) -> subprocess.Popen[str]:
    """A Python process that runs ``code`` and then ``meddl`` with ``arguments``."""
    program = f"import sys\n{code}\nfrom meddl.cli.main import main\nsys.exit(main())"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "SlicerMedDL")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-c", program, *arguments], env=environment, **pipes)


@pytest.fixture
def pretend(monkeypatch):
    """Install a command ``pretend`` whose run is the given function."""

    def install(run):
        def configure(subparsers):
            parser = subparsers.add_parser("pretend")
            parser.add_argument("--values")
            parser.set_defaults(run=run)

        module = types.SimpleNamespace(configure=configure)
        monkeypatch.setitem(sys.modules, "meddl.cli.pretend", module)
        monkeypatch.setitem(main.COMMANDS, "pretend", "pretends")

    return install


def test_every_file_is_a_command_with_help(capsys):
    shared = {"__init__", "main", "console", "checkout", "parts", "training"}
    files = {path.stem for path in (ROOT / "SlicerMedDL/meddl/cli").glob("*.py")} - shared
    files = {name for name in files if name.partition("_")[0] not in files - {name}}  # drr_register
    assert files == set(main.COMMANDS)
    assert main.main([]) == main.main(["help"]) == main.main(["--help"]) == 0
    assert capsys.readouterr().out == main.HELP * 3
    for name in files:
        assert f"  {name} " in main.HELP
        assert main.main([name, "--help"]) == main.main(["help", name]) == 0
        assert capsys.readouterr().out.count(f"usage: meddl {name}") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["nothing"],
            "there is no command 'nothing'; there are: drr, deepigeos, desmoke, endodepth",
        ),
        (["--verbose"], "there is no command '--verbose'"),
        (["doctor", "--colour"], "unrecognized arguments: --colour"),
        (["doctor", "--js"], "unrecognized arguments: --js"),  # no abbreviations
        (["drr"], "COMMAND"),
        (["drr", "render"], "required: CT, --output"),
    ],
)
def test_wrong_arguments_give_one_line_and_exit_code_2(arguments, expected, capsys):
    assert main.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("meddl: error: ")
    assert expected in err


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("--a -10,20,30", "--a=-10,20,30"),
        ("--a=-10,20,30", "--a=-10,20,30"),
        ("--a -500:-1000", "--a=-500:-1000"),
        ("--a -1e-3 --b", "--a=-1e-3 --b"),
        ("--a -.5", "--a=-.5"),
        ("--a -inf", "--a=-inf"),
        ("--a --b", "--a --b"),
        ("--a -x", "--a -x"),
        ("-k -1", "-k -1"),
        ("file -1", "file -1"),
    ],
)
def test_negative_values_are_no_options(given, joined):
    assert main.join_negative_values(given.split()) == joined.split()


def test_negative_values_reach_the_command(pretend):
    seen = []
    pretend(lambda args: seen.append(args.values) or 0)
    assert main.main(["pretend", "--values", "-1,2"]) == main.main(["pretend", "--values=-3"]) == 0
    assert seen == ["-1,2", "-3"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FileError("a\nb"), 2, "meddl: error: a b"),
        (DeviceError("no device"), 2, "meddl: error: no device"),
        (MemoryError(), 2, "meddl: error: not enough memory"),
        (RuntimeError("could not create a primitive"), 2, "meddl: error: not enough memory"),
        (KeyboardInterrupt(), 130, "meddl: cancelled"),
        (RuntimeError("odd"), 1, "meddl: error: unexpected RuntimeError: odd; please report"),
    ],
)
def test_errors_end_in_one_line(pretend, capsys, error, code, line):
    def run(args: argparse.Namespace) -> int:
        raise error

    pretend(run)
    assert main.main(["pretend"]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(line)
    assert main.main(["pretend", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(number):
    process = start(PRETEND, "pretend", "wait")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "meddl: cancelled\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_a_second_signal_ends_work_that_does_not_listen():
    process = start(PRETEND, "pretend", "deaf")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "meddl: cancelled\n")


def test_signal_handlers_are_put_back(pretend):
    before = signal.getsignal(signal.SIGINT)
    seen = []
    pretend(lambda args: seen.append(signal.getsignal(signal.SIGINT)) or 0)
    main.main(["pretend"])
    assert signal.getsignal(signal.SIGINT) is before is not seen[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows reports closed pipes otherwise")
def test_a_reader_that_goes_away_is_no_error():
    process = start(PRETEND, "pretend", "pour")
    assert process.stdout.readline() == "much\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait(20)) == ("", 0)
    process.stderr.close()


def test_progress_is_lines_where_there_is_no_terminal(pretend, capsys, monkeypatch):
    monkeypatch.setattr(console, "LINE_INTERVAL", 0.0)

    def run(args: argparse.Namespace) -> int:
        args.progress(0.25, "first")
        args.progress(1.0, "last")
        return 0

    pretend(run)
    assert main.main(["pretend"]) == 0
    assert capsys.readouterr().err == " 25 %  first\n100 %  last\n"
    for option in ("--json", "--quiet"):
        assert main.main(["pretend", option]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_progress_is_a_bar_on_a_terminal():
    import pty

    reader, writer = pty.openpty()
    process = start(PRETEND, "pretend", "progress", stderr=writer, stdout=subprocess.DEVNULL)
    os.close(writer)
    shown = b""
    try:
        while data := os.read(reader, 4096):
            shown += data
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(reader)
    assert process.wait(20) == 0
    assert b"100%" in shown and b"step 4 [of 4]" in shown
    assert shown.endswith(b"\x1b[2K")  # and gone: the line is erased


def test_warnings_are_lines_of_meddl(pretend, capsys):
    def run(args: argparse.Namespace) -> int:
        logging.getLogger("meddl.core.x").warning("odd values")
        return 0

    pretend(run)
    assert main.main(["pretend"]) == 0
    assert capsys.readouterr().err == "meddl: warning: odd values\n"
    assert main.main(["pretend", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert logging.getLogger("meddl").handlers == []


def test_json_has_no_nan(capsys):
    console.print_json({"a": [1, "é"]})
    assert capsys.readouterr().out == '{"a": [1, "é"]}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.print_json({"a": float("nan")})


def test_test_passes_its_arguments_on_to_pytest():
    here = "Testing/library/test_cli.py"
    process = start("", "test", here, "--collect-only", "-k", "json_has_no_nan", cwd="/")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "test_json_has_no_nan" in out
    assert "1/" in out.splitlines()[-1] and "collected" in out.splitlines()[-1]
    process = start("", "test", here, "-k", "there_is_no_such_test")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 5 and "deselected" in out.splitlines()[-1]


def test_commands_of_a_checkout_say_so(monkeypatch):
    from meddl.cli.checkout import checkout

    assert checkout("Testing/library") == ROOT
    with pytest.raises(FileError, match="needs a checkout: git clone https://"):
        checkout("Testing/nowhere")


def test_doctor_says_what_is_here(capsys):
    from importlib.metadata import version

    assert main.main(["doctor", "--json"]) == 0
    out = capsys.readouterr().out
    record = json.loads(out)
    assert out.count("\n") == 1
    packages = {package["name"]: package for package in record["packages"]}
    assert packages["numpy"]["installed"] == version("numpy")
    assert f"numpy=={packages['numpy']['tested']}" in (ROOT / "constraints.txt").read_text()
    assert record["devices"][-1]["name"] == "cpu"
    assert 0 < record["devices"][-1]["free_bytes"] <= record["devices"][-1]["total_bytes"]
    assert main.main(["doctor"]) == 0
    assert version("numpy") in capsys.readouterr().out


def test_doctor_says_what_is_missing(monkeypatch, capsys):
    def installed(package):
        return {"numba": None, "monai": None, "torch": "9.9+cpu"}.get(package, "1.0")

    monkeypatch.setattr(diagnostics, "_version", installed)
    monkeypatch.setattr(diagnostics, "_opencv", lambda: ["opencv-python", "opencv-python-headless"])
    libraries = {"libNotHere.so.1": "libnothere1"}
    monkeypatch.setattr(diagnostics.sys, "platform", "linux")
    monkeypatch.setattr(diagnostics, "RENDERING_LIBRARIES", libraries)
    assert main.main(["doctor"]) == 0
    text = capsys.readouterr().out
    missing = text[text.index("\nmissing\n") :]
    assert "numba (needed everywhere); pip install numba" in missing
    assert "monai (extra 'train'); pip install monai" in missing
    assert "opencv-python and opencv-python-headless, which overwrite each other" in missing
    assert "apt install libnothere1" in missing
    assert "9.9+cpu  tested: 2." in text
    monkeypatch.setenv("SLICER_HOME", "/opt/Slicer")
    assert "MedDL Home, Install" in "".join(diagnostics.collect()["missing"])
