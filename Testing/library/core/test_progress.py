"""Progress and cancel."""

from __future__ import annotations

import pytest

from meddl.core import Cancelled, CancelToken, no_progress, steps, subprogress


def test_steps_report_after_each_item():
    seen = []
    items = list(steps("abc", 3, "view", lambda f, m: seen.append((f, m))))
    assert items == ["a", "b", "c"]
    assert seen == [(pytest.approx(n / 3), f"view {n}/3") for n in (1, 2, 3)]
    assert list(steps(range(3), 0, "unknown total")) == [0, 1, 2]


def test_steps_take_items_one_by_one_and_stop_before_the_next():
    token, taken = CancelToken(), []

    def source():
        for n in range(10):
            taken.append(n)
            yield n

    def work():
        for n in steps(source(), 10, "frame", no_progress, token):
            if n == 2:
                token.cancel()

    with pytest.raises(Cancelled):
        work()
    assert taken == [0, 1, 2, 3]
    assert token.cancelled


def test_a_fresh_token_lets_work_go_on():
    token = CancelToken()
    token.check()
    assert not token.cancelled
    assert Cancelled.exit_code == 130


def test_a_part_reports_its_share():
    seen = []
    inner = subprogress(subprogress(lambda f, m: seen.append(f), 0.5, 1.0), 0.0, 0.5)
    for fraction in (0.0, 0.5, 1.0):
        inner(fraction, "")
    assert seen == pytest.approx([0.5, 0.625, 0.75])
