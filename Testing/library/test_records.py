"""Parameter records of every system: what is within the bounds comes back, all else is refused."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meddl.core import InputError, TrainingParameters
from meddl.core.parameters import from_dict, option_of, to_dict
from meddl.deepdrr import (
    CArm,
    DetectorParameters,
    DisplayParameters,
    MaterialParameters,
    RegistrationParameters,
    RenderParameters,
    ScatterParameters,
    SpectrumParameters,
    ViewRanges,
)
from meddl.desmoke.evaluation_parameters import EvaluationParameters
from meddl.endodepth.frames import FramesParameters
from meddl.endodepth.rendered_sequence import RenderParameters as SequenceParameters
from properties import examples

RECORDS = [
    CArm,
    DetectorParameters,
    DisplayParameters,
    EvaluationParameters,
    FramesParameters,
    MaterialParameters,
    RegistrationParameters,
    RenderParameters,
    ScatterParameters,
    SequenceParameters,
    SpectrumParameters,
    TrainingParameters,
    ViewRanges,
]
BOUNDED = [
    (record, item)
    for record in RECORDS
    for item in fields(record)
    if item.metadata["minimum"] is not None and "tuple" not in item.type
]
CHOSEN = [(r, item) for r in RECORDS for item in fields(r) if item.metadata["choices"]]
NUMBERS = [
    (record, item)
    for record in RECORDS
    for item in fields(record)
    if isinstance(item.default, int | float | tuple) and not isinstance(item.default, bool)
]
few = examples(60, deadline=None)


@few
@given(st.sampled_from(BOUNDED), st.floats(-1, 2))
def test_a_number_is_kept_within_its_bounds_and_refused_beyond(case, share):
    record, item = case
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    value = low + share * ((low + 100 if high is None else high) - low)
    if "int" in item.type:
        value = math.floor(value)
    within = value >= low and (high is None or value <= high)
    try:
        made, refusal = from_dict(record, {item.name: value}), ""
    except InputError as error:
        made, refusal = None, str(error).replace("-", "_")
    if made is not None:
        assert within and getattr(made, item.name) == value
        assert from_dict(record, to_dict(made)) == made
    elif within:  # two fields that exclude each other
        names = [option_of(other).strip("-").replace("-", "_") for other in fields(record)]
        assert item.name in refusal and sum(name in refusal for name in names) > 1
    else:
        bound = f"at least {low:g}" if value < low else f"at most {high:g}"
        assert item.name in refusal and f"{bound} was expected".replace("-", "_") in refusal


@few
@given(st.sampled_from(CHOSEN), st.text(max_size=8))
def test_a_choice_is_one_of_its_choices(case, text):
    record, item = case
    choices = item.metadata["choices"]
    assume(text not in choices)
    with pytest.raises(InputError) as caught:
        from_dict(record, {item.name: text})
    assert option_of(item) in str(caught.value) and str(choices[0]) in str(caught.value)


@few
@given(
    st.sampled_from(NUMBERS),
    st.sampled_from([math.nan, math.inf, -math.inf, "three", True, (1, 2, 3, 4, 5, 6, 7), {}]),
)
def test_what_is_no_number_is_refused_by_name(case, value):
    record, item = case
    with pytest.raises(InputError, match="expected") as caught:
        from_dict(record, {item.name: value})
    assert option_of(item) in str(caught.value)


@few
@given(st.sampled_from(RECORDS), st.text(min_size=1, max_size=12))
def test_an_unknown_name_is_refused(record, name):
    assume(name not in {item.name for item in fields(record)})
    with pytest.raises(InputError, match="unknown parameter"):
        from_dict(record, {name: 1})
