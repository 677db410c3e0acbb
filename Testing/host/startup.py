"""Putting slicer, qt and ctk together; imported by `host.start()` only."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6 import QtCore

from . import api, qtmodule
from .classes import registry
from .uiloader import UiLoader


class _Strict(ModuleType):
    """A module of stand-ins; what Slicer has and the host has not is named as such."""

    def __getattr__(self, name: str) -> Any:
        if name in api.class_names(self.__name__):
            raise NotImplementedError(f"the host has no stand-in for {self.__name__}.{name}")
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} in Slicer")


def run() -> None:
    """Build the modules and the application object."""
    qtmodule.install(UiLoader)
    qtmodule.application()
    folder = Path(tempfile.mkdtemp(prefix="slicer_host_"))
    QtCore.QCoreApplication.setOrganizationName("NA-MIC")
    QtCore.QCoreApplication.setApplicationName("Slicer")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(
        QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, str(folder / "settings")
    )
    _add_standins()
    _start_slicer(folder)
    _record_unhandled()


def _add_standins() -> None:
    import slicer

    from . import (  # noqa: F401
        ctk_values,
        ctk_widgets,
        layout,
        qmrml_nodes,
        qmrml_scene,
        qmrml_segments,
        qmrml_values,
        scriptedeffects,
        segmenteditor,
    )

    ctk = _Strict("ctk", "ctk's widgets as Slicer's Python sees them.")
    ctk.__dict__.update(registry["ctk"])
    sys.modules["ctk"] = ctk
    slicer.__dict__.update(registry["slicer"])
    scriptedeffects.install()


def _start_slicer(folder: Path) -> None:
    import slicer
    import slicer.util

    from . import app, hierarchy, modules, mrml

    slicer.__dict__.update(registry["slicer"])
    slicer.modules, slicer.moduleNames = ModuleType("slicer.modules"), ModuleType("moduleNames")
    application_logic = mrml.start_scene(folder / "cache")
    slicer.app = app.qSlicerApplication(application_logic, folder)
    modules.add_builtin_modules(mrml.module_logics(application_logic))
    hierarchy.keep_hierarchy(slicer.mrmlScene)
    _add_python_layer(os.environ.get("MEDDL_SLICER_SOURCE"))
    _record_displays(slicer.util)


def _add_python_layer(source: str | None) -> None:
    """slicer.i18n and the like: Slicer's own files where a checkout is named, else substitutes."""
    import slicer

    slicer.modules.sampleDataSources = {}
    if source:
        python = Path(source) / "Base" / "Python" / "slicer"
        if not (python / "ScriptedLoadableModule.py").is_file():
            raise FileNotFoundError(f"MEDDL_SLICER_SOURCE: no {python}/ScriptedLoadableModule.py")
        slicer.__path__.insert(0, str(python))
        sys.path.append(str(Path(source) / "Modules" / "Scripted" / "SampleData"))
        _use_util(python / "util.py")
        return
    from . import i18n, sampledata

    sys.modules["SampleData"] = sampledata
    _alias("i18n", i18n)
    from . import scripted

    _alias("ScriptedLoadableModule", scripted)
    from . import parameternode

    _alias("parameterNodeWrapper", parameternode)
    from . import packaging

    _alias("packaging", packaging)


def _use_util(path: Path) -> None:
    """Take slicer.util from the checkout instead of the one that slicer-core brings."""
    import importlib.util

    import slicer

    spec = importlib.util.spec_from_file_location("slicer.util", path)
    util = importlib.util.module_from_spec(spec)
    sys.modules["slicer.util"] = slicer.util = util
    spec.loader.exec_module(util)


def _record_unhandled() -> None:
    """Record what VTK observers and painting code raise: both print it and go on."""
    from . import record

    original = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        record.add_error("".join(traceback.format_exception(kind, error, trace)))
        if original is not sys.__excepthook__:  # add_error has written it to stderr
            original(kind, error, trace)

    sys.excepthook = hook


def _alias(name: str, module: ModuleType) -> None:
    import slicer

    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)


def _record_displays(util: ModuleType) -> None:
    """Without a main window slicer.util only logs messages; the host keeps them for tests too."""
    import logging

    import slicer

    from . import record

    original = util._messageDisplay

    def display(level: int, text: str, answer: Any, **options: Any) -> Any:
        if options.get("mainWindowNeeded") or slicer.app.testingEnabled():
            kind = {logging.ERROR: "error", logging.WARNING: "warning"}.get(level, "info")
            title = options.get("windowTitle") or ""
            record.add_message(kind, title, text, options.get("detailedText", ""))
        return original(level, text, answer, **options)

    util._messageDisplay = display
