"""The parameter record: one dataclass through text, files and the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from meddl.core import FileError, InputError, parameter, read_parameters, write_parameters
from meddl.core.parameters import add_arguments, from_arguments, from_dict, to_dict, validate
from properties import examples


@dataclass(frozen=True)
class Example:
    angle: float = parameter(0.0, "An angle.", "degrees", -180, 180)
    photons: int = parameter(1000, "How many.", minimum=1)
    noise: bool = parameter(False, "Whether.")
    kind: str = parameter("a", "Which.", choices=("a", "b"))
    center: tuple[float, float, float] | None = parameter(None, "Where.", "mm", metavar="R,A,S")
    size: tuple[int, int] = parameter((4, 3), "How large.", minimum=1, option="--detector-size")


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Example,
        angle=st.floats(-180, 180),
        photons=st.integers(1, 2**63),
        noise=st.booleans(),
        kind=st.sampled_from("ab"),
        center=st.none() | st.tuples(*[st.floats(-1e6, 1e6)] * 3),
        size=st.tuples(*[st.integers(1, 10**6)] * 2),
    )
)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_records_round_trip_through_files(tmp_path, suffix, record):
    write_parameters(record, tmp_path / f"x.{suffix}")
    assert read_parameters(Example, tmp_path / f"x.{suffix}") == record


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser, Example)
    return parser.parse_args(arguments)


def test_options_are_laid_over_a_file():
    base = to_dict(Example(angle=30.0, noise=True))
    namespace = parse("--photons", "5", "--center=-1,2.5,3", "--detector-size", "8,9")
    record = from_arguments(Example, namespace, base)
    assert record == Example(30.0, 5, True, "a", (-1.0, 2.5, 3.0), (8, 9))
    assert from_arguments(Example, parse()) == Example()


def test_the_help_names_unit_default_and_choices():
    parser = argparse.ArgumentParser()
    add_arguments(parser, Example, skip=("noise",))
    text = parser.format_help()
    for part in (
        "--angle DEGREES",
        "[degrees]",
        "(default 0.0)",
        "a|b",
        "R,A,S",
        "--detector-size",
    ):
        assert part in text
    assert "--noise" not in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"angle": "steep"}, r"--angle is 'steep'.*finite number"),
        ({"angle": float("nan")}, "finite number"),
        ({"angle": 181}, "at most 180"),
        ({"angle": True}, "finite number"),
        ({"angle": None}, "no value"),
        ({"photons": 2.5}, "whole number"),
        ({"photons": "1e400"}, "whole number"),
        ({"photons": float("inf")}, "whole number"),
        ({"photons": 0}, "at least 1"),
        ({"noise": "maybe"}, "on or off"),
        ({"noise": [1]}, "on or off"),
        ({"kind": "c"}, "one of: a, b"),
        ({"kind": 3}, "text was expected"),
        ({"center": "1,2"}, r"3 numbers.*1,2,3"),
        ({"center": {"r": 1}}, "3 numbers"),
        ({"size": [0, 5]}, "--detector-size is 0"),
        ({"colour": 1}, "unknown parameter 'colour'"),
        ([1], "a table"),
    ],
)
def test_bad_values_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message):
        from_dict(Example, values)


def test_whole_numbers_beyond_double_precision_are_kept():
    assert validate(Example(photons=2**53 + 1)).photons == 2**53 + 1
    assert from_dict(Example, {"photons": str(2**60 + 1)}).photons == 2**60 + 1
    assert from_dict(Example, {"photons": 7.0}).photons == 7


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", "{"),
        ("x.yaml", "a: [1"),
        ("x.yaml", "a: !!python/object/apply:os.getcwd []"),
        ("x.yaml", "- 1"),
        ("x.toml", "a = 1"),
        ("missing.json", None),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as caught:
        read_parameters(Example, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_record_is_written_as_json_or_yaml_only(tmp_path):
    with pytest.raises(FileError, match=r"\.json, \.yaml"):
        write_parameters(Example(), tmp_path / "x.ini")
    assert not list(tmp_path.iterdir())
