"""The parameter node wrapper of the host, and of Slicer where its sources are named."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import ctk
import pytest
import qt
import slicer
from slicer import vtkMRMLModelNode, vtkMRMLNode, vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import (
    Choice,
    Default,
    FloatRange,
    Maximum,
    Minimum,
    RangeBounds,
    WithinRange,
    isParameterPack,
    parameterNodeWrapper,
    parameterPack,
)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@parameterPack
class Point:
    x: float = 1.0
    y: Annotated[float, WithinRange(0, 10)] = 2.0


@parameterPack
class Line:
    start: Point
    width: int = 1


@parameterNodeWrapper
class Parameters:
    number: int = 3
    ratio: Annotated[float, WithinRange(0, 1)] = 0.5
    low: Annotated[int, Minimum(2)] = 2
    high: Annotated[int, Maximum(5)] = 5
    label: Annotated[str, Choice(["a", "b"])] = "a"
    flag: bool = True
    colour: Colour
    path: Path
    fresh: Annotated[list[int], Default(generator=lambda: [1, 2])]
    table: dict[str, float]
    pair: tuple[int, str] = (1, "one")
    maybe: int | None
    either: bool | int | str
    node: vtkMRMLNode
    volume_or_model: vtkMRMLScalarVolumeNode | vtkMRMLModelNode | None
    line: Line
    range: Annotated[FloatRange, RangeBounds(0, 9)]


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


@pytest.fixture
def parameters(node):
    return Parameters(node)


def test_defaults(parameters):
    assert (parameters.number, parameters.ratio, parameters.flag) == (3, 0.5, True)
    assert parameters.colour is Colour.RED
    assert parameters.path == Path()
    assert parameters.fresh == [1, 2]
    assert parameters.maybe is None
    assert parameters.node is None
    assert (parameters.line.start.y, parameters.line.width) == (2.0, 1)


def test_values_live_in_the_node(parameters, node):
    parameters.number = 8
    parameters.flag = False
    parameters.colour = Colour.BLUE
    parameters.fresh = [5]
    parameters.pair = (4, "x")
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert stored["number"] == "8"
    assert stored["flag"] == "False"
    assert stored["colour"] == "BLUE"
    assert (stored["fresh.len"], stored["fresh.0"]) == ("1", "5")
    assert "fresh.1" not in stored
    assert (stored["pair.0"], stored["pair.1"]) == ("4", "x")
    again = Parameters(node)
    assert (again.number, again.colour, again.pair) == (8, Colour.BLUE, (4, "x"))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("number", "8", TypeError),
        ("number", None, (TypeError, ValueError)),
        ("ratio", 1.5, ValueError),
        ("low", 1, ValueError),
        ("high", 6, ValueError),
        ("label", "c", ValueError),
        ("flag", "yes", TypeError),
        ("colour", "RED", TypeError),
        ("maybe", "text", TypeError),
    ],
)
def test_wrong_values_are_refused_and_nothing_changes(parameters, name, value, error):
    before = getattr(parameters, name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_containers_write_through(parameters, node):
    parameters.fresh.append(3)
    parameters.fresh[0] = 9
    parameters.table["a"] = 0.5
    assert Parameters(node).fresh == [9, 2, 3]
    assert dict(Parameters(node).table) == {"a": 0.5}
    del parameters.fresh[0]
    parameters.table.clear()
    assert Parameters(node).fresh == [2, 3]
    assert len(Parameters(node).table) == 0


def test_packs_write_through(parameters, node):
    parameters.line.start.x = 7.5
    parameters.line.width = 3
    assert (Parameters(node).line.start.x, Parameters(node).line.width) == (7.5, 3)
    with pytest.raises(ValueError, match="10"):
        parameters.line.start.y = 11
    assert parameters.line.start.y == 2.0
    assert parameters.getValue("line.start.x") == 7.5
    parameters.setValue("line.start.x", 1.25)
    assert parameters.line.start.x == 1.25
    assert isParameterPack(parameters.line)
    assert Point(3.0, y=4.0) == Point(x=3.0, y=4.0)


def test_union_keeps_the_type(parameters, node):
    for value in (True, 1, "1"):
        parameters.either = value
        assert Parameters(node).either is value or Parameters(node).either == value
        assert type(Parameters(node).either) is type(value)


def test_nodes_are_references(parameters, node, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.node = volume
    parameters.volume_or_model = volume
    assert node.GetNodeReference("node") is volume
    with pytest.raises((TypeError, ValueError)):
        parameters.volume_or_model = scene.AddNewNodeByClass("vtkMRMLTextNode")
    scene.RemoveNode(volume)
    assert parameters.node is None


def test_range(parameters, node):
    parameters.range.maximum = 4
    assert Parameters(node).range.maximum == 4
    with pytest.raises(ValueError, match="<="):
        parameters.range.setRange(5, 1)


def test_one_event_for_one_change(parameters):
    events = []
    tag = parameters.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    parameters.fresh = [1, 2, 3, 4]
    assert len(events) == 1
    parameters.RemoveObserver(tag)


def test_unknown_parameter_in_the_gui_raises(parameters):
    panel, edit = qt.QWidget(), None
    edit = qt.QLineEdit(panel)
    edit.setProperty("SlicerParameterName", "nubmer")
    with pytest.raises(ValueError, match="nubmer"):
        parameters.connectGui(panel)
    assert edit.text == ""


def test_widget_that_cannot_show_the_type_raises(parameters):
    with pytest.raises(RuntimeError, match="QLineEdit"):
        parameters.connectParametersToGui({"number": qt.QLineEdit()})
    with pytest.raises(RuntimeError, match="ctkSliderWidget"):
        parameters.connectParametersToGui({"number": ctk.ctkSliderWidget()})


def test_disconnected_gui_is_left_alone(parameters):
    spin = qt.QSpinBox()
    tag = parameters.connectParametersToGui({"number": spin})
    parameters.number = 6
    assert spin.value == 6
    parameters.disconnectGui(tag)
    parameters.number = 4
    spin.value = 9
    assert (spin.value, parameters.number) == (9, 4)


def test_reserved_and_unsupported_declarations_raise():
    with pytest.raises(ValueError, match="connectGui"):

        @parameterNodeWrapper
        class Reserved:
            connectGui: int = 0

    with pytest.raises(Exception, match=r"Unsupported|member|object"):

        @parameterNodeWrapper
        class Unsupported:
            thing: slicer.vtkSegmentation
