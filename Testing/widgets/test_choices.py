"""Choices of the panels in the language of the application; the scene keeps their values."""

from __future__ import annotations

from pathlib import Path

import pytest
import qt

import host
from widgets.languages import NAMES, mark, spoken

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["DeepDRR", "DeepIGeoS", "Desmoke", "EndoDepth"])
def module(request, scene):
    name = f"{request.param}Module"
    with spoken():
        loaded = host.load_module(REPOSITORY / name / f"{name}.py")
        loaded.enter()
        yield loaded
        loaded.cleanup()


def test_choices_are_translated_and_the_scene_keeps_their_values(module):
    widget = module.widget
    selectors = {
        name: box
        for box in vars(widget.ui).values()
        if type(box) is qt.QComboBox and (name := box.property("SlicerParameterName"))
    }
    assert selectors
    for _ in range(2):  # entered again, too
        for name, box in selectors.items():
            for place in reversed(range(box.count)):
                text = box.itemText(place)
                box.currentIndex = place
                value = getattr(widget.parameterNode, name)
                if isinstance(value, str):
                    assert text == (value if value in NAMES else mark(value))
                else:
                    assert text == value.label()
        module.exit()
        module.enter()
