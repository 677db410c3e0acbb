"""The Segment Editor effect DeepIGeoS: strokes, preview, Apply, undo, by the editor's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from widgets.deepigeos_editor import editing


@pytest.fixture
def work(scene: Any) -> Any:
    with editing() as found:
        yield found


def test_a_stroke_is_previewed_and_applied(work: Any) -> None:
    assert work.stroke((14, 18, 10), (18, 18, 10))
    work.wait()
    assert (work.preview() == work.truth).all()
    assert not work.mask().any()
    work.ui.applyButton.click()
    assert (work.mask() == work.truth).all()
