"""The module `qt`: PySide6's classes under PythonQt's rules, dialogs that never block."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

from . import api, pythonqt, record
from .classes import raw


class _Namespace(ModuleType):
    """`qt.Qt`: the enum values of Slicer's Qt, unscoped."""

    def __getattr__(self, name: str) -> Any:
        listed = api.interface("qt.Qt")
        if listed is None or name not in listed.methods or not hasattr(QtCore.Qt, name):
            raise AttributeError(f"qt.Qt has no {name!r} in Slicer with Qt 5 and Qt 6")
        return getattr(QtCore.Qt, name)


def _classes() -> dict[str, type]:
    """Every Qt class by name. dir and getattr make PySide6 load them, which it does lazily."""
    found = {}
    for module in (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools):
        for name in dir(module):
            item = getattr(module, name) if name.startswith("Q") else None
            if isinstance(item, type) and item.__module__.startswith("PySide6"):
                found[name] = item
    return found


def install(loader: type) -> ModuleType:
    """Create the module `qt` with `loader` as QUiLoader and register it. Call it once."""
    if QtCore.Qt.Checked != 2:
        raise RuntimeError("PySide6 was imported before host.start(); its enums are not integers")
    classes = _classes()
    pythonqt.patch([*classes.values(), loader])
    module = ModuleType("qt", "Qt as Slicer's Python sees it.")
    module.__dict__.update(classes)
    module.Qt = _Namespace("qt.Qt")
    module.QUiLoader = loader
    _tame_dialogs()
    QtCore.QTimer.singleShot = staticmethod(_single_shot)
    sys.modules["qt"] = module
    return module


def _single_shot(milliseconds: int, *target: Any) -> None:
    """`qt.QTimer.singleShot(ms, function)`; what the function raises is recorded."""
    # PySide6's own singleShot connects through the patched class, with a signature of its own.
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    timer.connect("timeout()", target[-1])
    timer.connect("timeout()", timer.deleteLater)
    timer.start(milliseconds)


_KINDS = {
    QtWidgets.QMessageBox.Icon.Information: "info",
    QtWidgets.QMessageBox.Icon.Warning: "warning",
    QtWidgets.QMessageBox.Icon.Critical: "error",
    QtWidgets.QMessageBox.Icon.Question: "question",
    QtWidgets.QMessageBox.Icon.NoIcon: "info",
}
_DECLINING = ("Cancel", "No", "Close", "Abort", "Discard", "Ignore", "NoToAll")


def declining_button(buttons: Any) -> Any:
    """What a message box returns when nobody answers: its only button, or the one that declines."""
    button = QtWidgets.QMessageBox.StandardButton
    present = [item for item in button if item and item & buttons == item]
    if len(present) == 1:
        return present[0]
    names = (name for name in _DECLINING if button[name] & buttons)
    return button[next(names, "Cancel")]


def _run_message_box(box: QtWidgets.QMessageBox) -> int:
    text = "\n".join(part for part in (box.text, box.informativeText) if part)
    record.add_message(_KINDS[raw(box, "icon")()], box.windowTitle, text, box.detailedText)
    return int(record.next_answer(declining_button(box.standardButtons), box))


def _run_dialog(dialog: QtWidgets.QDialog) -> int:
    """Modal dialogs return at once: with the queued answer, otherwise as rejected."""
    if isinstance(dialog, QtWidgets.QMessageBox):
        return _run_message_box(dialog)
    record.add_message("dialog", dialog.windowTitle, "")
    result = int(record.next_answer(QtWidgets.QDialog.DialogCode.Rejected, dialog))
    dialog.done(result)
    return result


def _message(kind: str) -> Callable:
    def show(parent: Any, title: str, text: str, buttons: Any = None, *_: Any) -> Any:
        standard = QtWidgets.QMessageBox.StandardButton
        if buttons is None:
            buttons = standard.Yes | standard.No if kind == "question" else standard.Ok
        record.add_message(kind, title, text)
        return record.next_answer(declining_button(buttons))

    return staticmethod(show)


def _ask(kind: str, cancelled: Any) -> Callable:
    def ask(parent: Any = None, caption: str = "", *arguments: Any, **_: Any) -> Any:
        record.add_message(kind, caption, " ".join(str(item) for item in arguments))
        return record.next_answer(cancelled)

    return staticmethod(ask)


def _tame_dialogs() -> None:
    """Replace everything that would wait for a user by a recorded message and a queued answer.

    PythonQt returns the plain value from QFileDialog and QInputDialog, not a tuple with a filter.
    """
    QtWidgets.QDialog.exec = QtWidgets.QDialog.exec_ = _run_dialog
    box = QtWidgets.QMessageBox
    box.exec = box.exec_ = _run_dialog
    for name, kind in {
        "information": "info",
        "warning": "warning",
        "critical": "error",
        "question": "question",
    }.items():
        setattr(box, name, _message(kind))
    files = QtWidgets.QFileDialog
    files.getOpenFileName = files.getSaveFileName = _ask("file", "")
    files.getOpenFileNames = _ask("file", ())
    files.getExistingDirectory = _ask("directory", "")
    dialog = QtWidgets.QInputDialog
    for name, cancelled in {"getText": "", "getItem": "", "getInt": 0, "getDouble": 0.0}.items():
        setattr(dialog, name, _ask("input", cancelled))
    for cls in (files, dialog, QtWidgets.QColorDialog, QtWidgets.QProgressDialog):
        cls.exec = cls.exec_ = _run_dialog


def application() -> QtWidgets.QApplication:
    """The one QApplication, made on the first call. Fusion paints the same on every machine."""
    existing = QtWidgets.QApplication.instance()
    if existing is not None:
        return existing
    app = QtWidgets.QApplication(["Slicer"])
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    QtGui.QIcon.setFallbackSearchPaths([])
    return app
