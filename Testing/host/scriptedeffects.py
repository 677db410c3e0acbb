"""Scripted segment editor effects, their factory, and the Python modules that they import."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtGui

from . import record
from .classes import standin
from .segmenteffects import qSlicerSegmentEditorAbstractEffect


@standin("slicer")
class qSlicerSegmentEditorScriptedEffect(qSlicerSegmentEditorAbstractEffect):
    """An effect whose methods are those of a Python object, `self()`."""

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        self._self: Any = None
        self._source = ""

    def setPythonSource(self, path: str) -> bool:
        """Make the Python object: the module is named as the folder, the class as the file."""
        path = str(path)
        if not path.endswith(".py"):
            return False
        module_name, class_name = Path(path).parent.name, Path(path).stem
        if not class_name.endswith("Effect"):
            class_name += "Effect"
        cls = getattr(sys.modules.get(module_name), class_name, None)
        if cls is None:
            spec = importlib.util.spec_from_file_location(module_name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            spec.loader.exec_module(module)
            cls = getattr(module, class_name, None)
        if cls is None:
            raise RuntimeError(f"class {class_name} was not found in {path}")
        self._self = cls(self)
        self._source = path
        setattr(slicer, module_name, self._self)
        return True

    def pythonSource(self) -> str:
        return self._source

    def self(self) -> Any:
        return self._self

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a Python method if there is one; what it raises goes to the console."""
        method = getattr(self._self, name, None)
        if method is None:
            return None
        with record.catching(method):
            return method(*arguments)
        return None

    def activate(self) -> None:
        super().activate()
        self._call("activate")

    def deactivate(self) -> None:
        super().deactivate()
        self._call("deactivate")

    def updateGUIFromMRML(self) -> None:
        if self._active:
            self._call("updateGUIFromMRML")

    def updateMRMLFromGUI(self) -> None:
        self._call("updateMRMLFromGUI")

    def cleanup(self) -> None:
        self._call("cleanup")

    def createCursor(self, view: Any) -> QtGui.QCursor:
        if not hasattr(self._self, "createCursor"):
            return QtGui.QCursor()
        cursor = self._call("createCursor", view)
        if not isinstance(cursor, QtGui.QCursor):
            raise TypeError(f"createCursor of {self.name} returned {cursor!r}, no QCursor")
        return cursor

    def helpText(self) -> str:
        text = self._call("helpText") if hasattr(self._self, "helpText") else ""
        if not isinstance(text, str):
            raise TypeError(f"helpText of {self.name} returned {text!r}, no str")
        return text

    def _clone(self) -> qSlicerSegmentEditorAbstractEffect:
        made = self._call("clone")
        if not isinstance(made, qSlicerSegmentEditorAbstractEffect):
            raise TypeError(f"clone of {self.name} returned {made!r}, no effect")
        return made

    def _icon(self) -> QtGui.QIcon:
        icon = self._call("icon") if hasattr(self._self, "icon") else QtGui.QIcon()
        if not isinstance(icon, QtGui.QIcon):
            raise TypeError(f"icon of {self.name} returned {icon!r}, no QIcon")
        return icon

    def _interaction(self, interactor: Any, event: int, view: Any) -> bool:
        if not hasattr(self._self, "processInteractionEvents"):
            return False
        handled = self._call("processInteractionEvents", interactor, event, view)
        if not isinstance(handled, bool):
            record.add_error(
                f"{self.name}: processInteractionEvents returned {handled!r}; Slicer wants a bool"
            )
            return False
        return handled


@standin("slicer")
class qSlicerSegmentEditorEffectFactory(QtCore.QObject):
    """The effects that every segment editor gets a copy of."""

    effectRegistered = QtCore.Signal(str)
    _instance: Any = None

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        self._effects: list[Any] = []

    @classmethod
    def instance(cls) -> qSlicerSegmentEditorEffectFactory:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def registeredEffects(self) -> list[Any]:
        return list(self._effects)

    def registerEffect(self, effect: Any) -> bool:
        if not isinstance(effect, qSlicerSegmentEditorAbstractEffect) or not effect.name:
            raise TypeError(f"an effect with a name is expected, got {effect!r}")
        if any(effect.name == other.name for other in self._effects):
            return False
        self._effects.append(effect)
        self.effectRegistered.emit(effect.name)
        return True


class AbstractScriptedSegmentEditorEffect:
    """Substitute of the Python base class in Slicer's package SegmentEditorEffects."""

    def __init__(self, scriptedEffect: Any):
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        """Add the effect to the factory."""
        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)

    def cleanup(self) -> None:
        """The subclass disconnects what it has connected."""

    def xyToRas(self, xy: Sequence[int], viewWidget: Any) -> list[float]:
        """RAS position (mm) of a pixel of a slice view."""
        vector = self.scriptedEffect.xyToRas(QtCore.QPoint(xy[0], xy[1]), viewWidget)
        return [vector.x(), vector.y(), vector.z()]


def install() -> None:
    """Make the modules importable that effects import."""
    python = ModuleType("SegmentEditorEffects", "Python base classes of effects.")
    python.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect
    classes = ModuleType("qSlicerSegmentationsEditorEffectsPythonQt", "C++ classes of effects.")
    for cls in (qSlicerSegmentEditorAbstractEffect, qSlicerSegmentEditorScriptedEffect):
        setattr(classes, cls.__name__, cls)
    for module in (python, classes):
        sys.modules[module.__name__] = module
