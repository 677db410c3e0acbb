"""Loading scripted modules as Slicer does: module, panel, logic; enter, exit, cleanup."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import shiboken6
import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from . import record
from .classes import standin
from .properties import computed, stored
from .qmrml_nodes import qMRMLWidget


class _Module(QtCore.QObject):
    """A module by name with a path and a logic."""

    def __init__(self, name: str, path: str = "", logic: Any = None):
        super().__init__()
        self._module_name, self._path, self._module_logic = name, path, logic

    name = computed(str, lambda self: self._module_name)
    path = computed(str, lambda self: self._path)

    def logic(self) -> Any:
        return self._module_logic

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene


class _DescribedModule(_Module):
    """A module with the properties that its Python class fills in."""

    title = stored("title", str, "")
    categories = stored("categories", "QStringList", [])
    dependencies = stored("dependencies", "QStringList", [])
    contributors = stored("contributors", "QStringList", [])
    helpText = stored("helpText", str, "")
    acknowledgementText = stored("acknowledgementText", str, "")
    hidden = stored("hidden", bool, False)
    index = stored("index", int, -1)
    associatedNodeTypes = stored("associatedNodeTypes", "QStringList", [])


@standin("slicer")
class qSlicerLoadableModule(_Module):
    """A C++ module: its logic is real, its panel does not exist."""

    def widgetRepresentation(self) -> None:
        return None


@standin("slicer")
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The Qt side of a scripted module's panel."""

    isEntered = computed(bool, lambda self: self._entered)
    moduleName = computed(str, lambda self: self._module.name)

    def __init__(self, module: Any, python: ModuleType):
        super().__init__()
        self._entered = False
        self._module = module
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self._make(python)

    def _make(self, python: ModuleType) -> None:
        name = self._module.name
        self._self = getattr(python, f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._self)
        self._self.setup()

    def self(self) -> Any:
        return self._self

    def module(self) -> Any:
        return self._module

    def enter(self) -> None:
        self._entered = True
        if hasattr(self._self, "enter"):
            self._self.enter()

    def exit(self) -> None:
        self._entered = False
        if hasattr(self._self, "exit"):
            self._self.exit()

    def reload(self) -> None:
        """Make the panel anew from the module's file, which was loaded again."""
        self._make(sys.modules[self._module.name])


@standin("slicer")
class qSlicerScriptedLoadableModule(_DescribedModule):
    """The Qt side of a scripted module."""

    def __init__(self, name: str, path: str, python: ModuleType):
        super().__init__(name, path)
        self._python = python
        self._icon = QtGui.QIcon()
        self._panel: qSlicerScriptedLoadableModuleWidget | None = None
        self._has_panel = hasattr(python, f"{name}Widget")

    def _set_icon(self, icon: QtGui.QIcon) -> None:
        self._icon = icon

    icon = computed(QtGui.QIcon, lambda self: self._icon, _set_icon)

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        """The panel, made when it is first asked for; None for a module without a panel."""
        if self._panel is None and self._has_panel:
            self._panel = qSlicerScriptedLoadableModuleWidget(self, self._python)
        return self._panel

    def _unload(self) -> None:
        # Its connections keep a panel alive: its selectors would follow the scene for ever.
        panel, self._panel, self._has_panel = self._panel, None, False
        if panel is not None:
            shiboken6.delete(panel)


class LoadedModule:
    """A scripted module in the host."""

    def __init__(self, qt_module: qSlicerScriptedLoadableModule, instance: Any):
        self.qt_module = qt_module
        self.module = instance

    @property
    def panel(self) -> Any:
        """The panel's outer widget."""
        return self.qt_module.widgetRepresentation()

    @property
    def widget(self) -> Any:
        """The Python object of class `<Module>Widget`."""
        return self.panel.self()

    @property
    def logic(self) -> Any:
        """The logic that the widget holds."""
        return self.widget.logic

    def enter(self) -> None:
        """The user opens the module."""
        self.panel.enter()

    def exit(self) -> None:
        """The user opens another module."""
        self.panel.exit()

    def cleanup(self) -> None:
        """Slicer unloads the module or ends; the panel is destroyed and made no more."""
        manager = slicer.app.moduleManager()
        manager.moduleAboutToBeUnloaded.emit(self.qt_module.name)
        self.qt_module._unload()


def add_builtin_modules(logics: dict[str, Any]) -> None:
    """Register Slicer's C++ modules by their logics."""
    for name, logic in logics.items():
        slicer.app.moduleManager()._add(qSlicerLoadableModule(name, "", logic))


def load_module(path: str | Path) -> LoadedModule:
    """Load a scripted module's file as Slicer does at start-up; the panel is made on demand.

    Loading a name again replaces the module, as a restart of Slicer would.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no module file {path}")
    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    python = importlib.util.module_from_spec(spec)
    sys.modules[name] = python
    spec.loader.exec_module(python)
    qt_module = qSlicerScriptedLoadableModule(name, str(path), python)
    slicer.app.moduleManager()._add(qt_module)
    instance = getattr(python, name)(qt_module)
    setattr(slicer.modules, f"{name}Instance", instance)
    if not qt_module.title:
        record.add_error(f"module {name} has no title")
    return LoadedModule(qt_module, instance)


def finish_startup() -> None:
    """What Slicer does once all modules are loaded: handlers of startupCompleted run."""
    slicer.app.startupCompleted.emit()


def _quiet(kind: Any, context: Any, text: str) -> None:
    """Pass Qt's messages on, but for what the offscreen platform says about every window."""
    if "does not support" not in text:
        print(text, file=sys.stderr)


def grab(panel: Any, path: str | Path, width: int = 480) -> Path:
    """Write a picture of a panel to PNG; `panel` is a LoadedModule or a widget.

    The panel is as wide as Slicer's module panel (px) and as high as its contents need.
    """
    widget = panel.panel if isinstance(panel, LoadedModule) else panel
    previous = QtCore.qInstallMessageHandler(_quiet)
    widget.setAttribute(QtCore.Qt.WA_DontShowOnScreen, True)
    widget.show()  # spin boxes write their text when they are shown
    QtCore.QCoreApplication.processEvents()
    width = max(width, widget.minimumSizeHint.width())
    height = widget.sizeHint.height()
    if widget.hasHeightForWidth():
        height = widget.heightForWidth(width)
    widget.resize(width, max(height, widget.minimumSizeHint.height()))
    QtCore.QCoreApplication.processEvents()
    picture = widget.grab()
    widget.hide()
    QtCore.qInstallMessageHandler(previous)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not picture.save(str(path)):
        raise OSError(f"cannot write {path}")
    return path
