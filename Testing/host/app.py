"""`slicer.app`: the application object, its module manager and its settings."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .classes import standin
from .io import qSlicerCoreIOManager
from .properties import computed, stored

SLICER_VERSION = (5, 13, 0)


@standin("slicer")
class qSlicerModuleFactoryManager(QtCore.QObject):
    """Names of the modules that were loaded."""

    def __init__(self, manager: qSlicerModuleManager):
        super().__init__(manager)
        self._manager = manager

    def loadedModuleNames(self) -> tuple[str, ...]:
        return self._manager.modulesNames()

    def isLoaded(self, name: str) -> bool:
        return name in self._manager.modulesNames()


@standin("slicer")
class qSlicerModuleManager(QtCore.QObject):
    """Modules by name."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        self._modules: dict[str, Any] = {}
        self._factory = qSlicerModuleFactoryManager(self)

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def factoryManager(self) -> qSlicerModuleFactoryManager:
        return self._factory

    def _add(self, module: Any) -> None:
        name = module.name
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), module)
        setattr(slicer.moduleNames, name, name)
        self.moduleLoaded.emit(name)


def _constant(value: Any) -> QtCore.Property:
    return computed(type(value), lambda self: value)


@standin("slicer")
class qSlicerApplication(QtCore.QObject):
    """What modules use of the application. No main window; `host.show_views` makes views."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, application_logic: Any, folder: Path):
        super().__init__()
        self._logic = application_logic
        self._folder = folder
        self._testing = False
        self._render_pauses = 0
        self._layout: Any = None
        self._module_manager = qSlicerModuleManager(self)
        self._io_manager = qSlicerCoreIOManager(self)

    applicationName = _constant("Slicer")
    applicationVersion = _constant(".".join(map(str, SLICER_VERSION)) + "-2026-08-21")
    mainApplicationName = _constant("Slicer")
    mainApplicationDisplayName = _constant("3D Slicer")
    majorVersion = mainApplicationMajorVersion = _constant(SLICER_VERSION[0])
    minorVersion = mainApplicationMinorVersion = _constant(SLICER_VERSION[1])
    mainApplicationPatchVersion = _constant(SLICER_VERSION[2])
    revision = _constant("34500")
    releaseType = _constant("Preview")
    repositoryUrl = _constant("https://github.com/Slicer/Slicer")
    documentationBaseUrl = _constant("https://slicer.readthedocs.io/en/latest/")
    documentationLanguage = _constant("en")
    documentationVersion = _constant("latest")
    os = _constant({"darwin": "macosx", "win32": "win"}.get(sys.platform, "linux"))
    arch = _constant(platform.machine())
    platform = _constant(f"{sys.platform}-{platform.machine()}")
    isInstalled = _constant(False)
    slicerHome = _constant(sys.prefix)
    startupWorkingPath = _constant(str(Path.cwd()))
    temporaryPath = stored("temporaryPath", str, tempfile.gettempdir())
    cachePath = computed(str, lambda self: str(self._folder / "cache"))
    defaultScenePath = computed(str, lambda self: str(self._folder / "scenes"))
    extensionsInstallPath = computed(str, lambda self: str(self._folder / "extensions"))
    slicerUserSettingsFilePath = computed(str, lambda self: str(self._folder / "Slicer.ini"))
    renderPaused = computed(bool, lambda self: self._render_pauses > 0)

    def applicationLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def moduleManager(self) -> qSlicerModuleManager:
        return self._module_manager

    def moduleLogic(self, name: str) -> Any:
        return self._logic.GetModuleLogic(name)

    def coreIOManager(self) -> qSlicerCoreIOManager:
        return self._io_manager

    def ioManager(self) -> qSlicerCoreIOManager:
        return self._io_manager

    def layoutManager(self) -> Any:
        return self._layout

    def pythonConsole(self) -> None:
        return None

    def testingEnabled(self) -> bool:
        return self._testing

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings(self.slicerUserSettingsFilePath, QtCore.QSettings.IniFormat)

    userSettings = revisionUserSettings = settings

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def environment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def setEnvironmentVariable(self, name: str, value: str) -> None:
        os.environ[name] = value

    def processEvents(self, *arguments: Any) -> None:
        QtCore.QCoreApplication.processEvents(*arguments)

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return QtWidgets.QApplication.topLevelWidgets()

    def activeModalWidget(self) -> QtWidgets.QWidget | None:
        return QtWidgets.QApplication.activeModalWidget()

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def overrideCursor(self) -> Any:
        return QtWidgets.QApplication.overrideCursor()

    def clipboard(self) -> Any:
        return QtWidgets.QApplication.clipboard()

    def keyboardModifiers(self) -> Any:
        return QtWidgets.QApplication.keyboardModifiers()

    def palette(self) -> Any:
        return QtWidgets.QApplication.palette()

    def style(self) -> Any:
        return QtWidgets.QApplication.style()

    def font(self) -> Any:
        return QtWidgets.QApplication.font()

    def translate(self, context: str, text: str) -> str:
        return QtCore.QCoreApplication.translate(context, text)

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def pauseRender(self) -> int:
        self._render_pauses += 1
        return self._render_pauses

    def resumeRender(self) -> int:
        self._render_pauses = max(0, self._render_pauses - 1)
        return self._render_pauses

    def setRenderPaused(self, paused: bool) -> int:
        return self.pauseRender() if paused else self.resumeRender()
