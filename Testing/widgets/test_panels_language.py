"""No word of ours in a panel escapes the translator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QComboBox, QTabWidget, QTreeWidget, QWidget

import host
from widgets.deepigeos_editor import METHOD, editing
from widgets.languages import NAMES, spoken

REPOSITORY = Path(__file__).parents[2]
PROPERTIES = (
    "text",
    "toolTip",
    "title",
    "placeholderText",
    "suffix",
    "prefix",
    "html",
    "whatsThis",
)
WORDS = re.compile(r"[^\W\d_]{3,}")
SAME = NAMES | {"desmoke-light", "endodepth-light", "monodepth-rooms", METHOD}
MODULES = ["SlicerMedDL", "DeepDRRModule", "DeepIGeoSModule", "DesmokeModule", "EndoDepthModule"]


@pytest.fixture
def marked(scene):
    with spoken():
        yield


def is_slicers(widget: QObject, panel: QObject) -> bool:
    """Whether a part of a panel is in a widget of MRML, which brings its words along."""
    while widget is not panel:
        name = type(widget).__name__
        if name.startswith("qMRML") and name != "qMRMLWidget":  # which is around our own
            return True
        widget = QObject.parent(widget)
    return False


def shown(panel: QWidget) -> Iterator[tuple[str, str]]:
    """Names of our widgets and the texts that they show."""
    for widget in [panel, *QObject.findChildren(panel, QWidget)]:
        if is_slicers(widget, panel):
            continue
        name = f"{type(widget).__name__} {QObject.objectName(widget)}"
        texts = [QObject.property(widget, each) for each in PROPERTIES]
        if isinstance(widget, QComboBox):
            texts += [QComboBox.itemText(widget, n) for n in range(QComboBox.count(widget))]
        if isinstance(widget, QTabWidget):
            texts += [QTabWidget.tabText(widget, n) for n in range(QTabWidget.count(widget))]
        if isinstance(widget, QTreeWidget):
            header = QTreeWidget.headerItem(widget)
            texts += [header.text(n) for n in range(header.columnCount())]
        yield from ((name, text) for text in texts if isinstance(text, str) and text)


def missed(panel: QWidget, least: int) -> list[tuple[str, str]]:
    """Texts with words that no translator was asked for."""
    found = list(shown(panel))
    assert len(found) > least
    escaped = [one for one in found if WORDS.search(one[1]) and "<" not in one[1]]
    return [(who, text) for who, text in escaped if text not in SAME]


@pytest.mark.parametrize("name", MODULES)
def test_all_words_of_a_panel_are_translated(name, marked):
    module = host.load_module(REPOSITORY / name / f"{name}.py")
    module.enter()
    found = missed(module.widget.parent, 30)
    module.cleanup()
    assert found == []


def test_all_words_of_the_effect_are_translated(marked):
    with editing() as work:
        assert missed(work.ui.methodSelector.parent(), 30) == []
