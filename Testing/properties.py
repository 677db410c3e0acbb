"""How many examples a property test draws (Hypothesis)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

LONG = "long"  # the profile that ``--long`` loads; see conftest.py of the root
TIMES = 50
settings.register_profile(LONG)


def examples(count: int, **others: Any) -> settings:
    """Settings of a test of ``count`` examples, the same in each run.

    With ``--long`` (or ``--hypothesis-profile long``) they are 50 times as many, and fresh ones.
    """
    if settings.get_current_profile_name() == LONG:
        return settings(max_examples=TIMES * count, **{**others, "deadline": None})
    return settings(max_examples=count, derandomize=True, **others)
