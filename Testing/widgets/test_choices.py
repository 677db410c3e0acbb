"""Choices of the panels in the language of the application; the scene keeps their values."""

from __future__ import annotations

from pathlib import Path

import pytest
import qt
from PySide6.QtCore import QCoreApplication, QTranslator

import host

REPOSITORY = Path(__file__).parents[2]
NAMES = {  # the same in every language
    *("60kV", "90kV", "120kV", "png", "tiff", "dcm"),
    *("schneider2000", "dosxyznrc"),
}


class Marker(QTranslator):
    """A language that is known when seen."""

    def isEmpty(self) -> bool:
        return False

    def translate(self, context: str, text: str, *_others: object) -> str:
        return f"<{text}>"


@pytest.fixture(params=["DeepDRR", "DeepIGeoS", "Desmoke", "EndoDepth"])
def module(request, scene):
    language = Marker()
    assert QCoreApplication.installTranslator(language)
    name = f"{request.param}Module"
    loaded = host.load_module(REPOSITORY / name / f"{name}.py")
    loaded.enter()
    yield loaded
    loaded.cleanup()
    QCoreApplication.removeTranslator(language)


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
                    assert text == (value if value in NAMES else f"<{value}>")
                else:
                    assert text == value.label()
        module.exit()
        module.enter()
