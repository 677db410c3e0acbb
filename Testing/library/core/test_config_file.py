"""Configurations of training runs: what is printed can be read, and errors name the line."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from meddl.core import FileError, InputError
from meddl.core.config_file import (
    config_lines,
    read_config,
    read_names,
    read_record,
    read_share,
    yaml_value,
)
from meddl.core.file_patterns import match_files
from meddl.core.parameters import parameter


@dataclass
class Base:
    seed: int = parameter(0, "of the noise", minimum=0)


@dataclass
class Run(Base):
    rate: float = parameter(1e-5, "of learning", unit="1/s", minimum=0)
    size: tuple[int, int] = parameter((3, 4), "rows and columns", minimum=1)
    start: str = parameter("", "a file")
    flip: bool = parameter(True, "mirror")
    hidden: str = parameter("x", "written by the run")


def config(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return read_config(path, ("files", "share"), "meddl x --print-config")


def test_what_is_printed_is_read_back(tmp_path):
    record = Run(seed=7, rate=2e-5, size=(5, 6), start="", flip=False)
    text = "data: {files: a}\n" + "\n".join(config_lines(record, {"rate": "Learning"}, ("hidden",)))
    assert "# Learning" in text and "# The run" in text and "[1/s]" in text and "hidden" not in text
    file, table, data = config(tmp_path, text)
    assert read_record(file, table, Run, ("hidden",)) == record and data == {"files": "a"}
    assert [yaml_value(v) for v in (None, True, (1, 2.5), 1e-7)] == [
        "null",
        "on",
        "[1, 2.5]",
        "0.0000001",
    ]


def test_paths_are_those_beside_the_file(tmp_path):
    (tmp_path / "w.bin").touch()
    file, table, _ = config(tmp_path, "data: {}\nstart: w.bin\n")
    assert read_record(file, table, Run, paths=("start",)).start == str(tmp_path / "w.bin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "a table was expected"),
        ("rate: 1\n", "data: a table was expected"),
        ("data: {filez: 1}\n", "line 1: data.filez: unknown entry; known are: files, share"),
        ("data: {}\nrat: 1\n", "line 2: rat: unknown parameter"),
        ("data: {}\nflip: on\nrate: -1\n", "line 3: rate"),
        ("data: {}\nsize: [0, 2]\n", "line 2: size"),
        ("data: {}\nhidden: y\n", "line 2: hidden: unknown parameter"),
    ],
)
def test_errors_name_the_line(tmp_path, text, message):
    def read():
        file, table, _ = config(tmp_path, text)
        read_record(file, table, Run, ("hidden",))

    with pytest.raises(InputError, match=message):
        read()


def test_shares_and_names(tmp_path):
    (tmp_path / "list.txt").write_text("one\n\ntwo more words\n")
    file, _, data = config(tmp_path, "data: {files: list.txt, share: 1.0}\n")
    assert read_names(file, data, "files") == ["one", "two"]
    with pytest.raises(InputError, match="share from 0 to below 1"):
        read_share(file, data, "share", 0.1)
    assert read_share(file, {}, "share", 0.1) == 0.1
    with pytest.raises(InputError, match="names one twice"):
        read_names(file, {"files": ["a", "a"]}, "files")


def test_patterns_name_files(tmp_path):
    for name in ("a_1.png", "b_1.png", "b_2.png", "c.txt"):
        (tmp_path / name).touch()
    assert {*match_files(tmp_path, "{case}_1.png")} == {"a", "b"}
    assert {*match_files(tmp_path, "{pair}.txt", "pair")} == {"c"}
    with pytest.raises(FileError, match="two files for one case"):
        match_files(tmp_path, "{case}_*.png")
    with pytest.raises(FileError, match="no file matches"):
        match_files(tmp_path, "{case}.jpg")
