"""Headless Slicer host: slicer, qt and ctk in plain Python, for tests.

Real MRML (slicer-core) and real Qt (PySide6, offscreen) under PythonQt's rules, strict against the
interface recorded from a running Slicer (`host/api`). A test says::

    import host

    host.start()
    panel = host.load_module("DeepDRRModule/DeepDRRModule.py")
    panel.widget.ui.applyButton.click()
    host.grab(panel, "panel.png")
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from .record import Message, answer, clear, errors, messages

__all__ = [
    "Message",
    "answer",
    "clear",
    "clear_scene",
    "click_plot",
    "drag",
    "errors",
    "finish_startup",
    "grab",
    "hide_views",
    "load_module",
    "messages",
    "press_key",
    "set_testing",
    "show_views",
    "start",
    "turn_wheel",
]


def _keep_singletons_alive() -> None:
    """Give None, True and False references to spare on Python before 3.12.

    PySide6 6.12 counts on immortal singletons also on Python 3.11, where they are not: each call
    that returns None drops a reference of None (measured: 1000 calls, 1000 references), and the
    interpreter aborts once they are used up.
    """
    if sys.version_info < (3, 12):
        for singleton in (None, True, False):
            ctypes.c_ssize_t.from_address(id(singleton)).value += 1 << 40


def start() -> None:
    """Make slicer, qt and ctk importable in this process. Idempotent."""
    if "qt" in sys.modules:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["PYSIDE6_OPTION_PYTHON_ENUM"] = "0x0b"  # integers, unscoped, as PythonQt has them
    _keep_singletons_alive()
    from . import startup

    startup.run()


def load_module(path: str | Path) -> Any:
    """Load a scripted module's file; returns its module, widget, logic and panel."""
    start()
    from . import modules

    return modules.load_module(path)


def finish_startup() -> None:
    """Run the handlers of `startupCompleted()`, after all modules are loaded."""
    from . import modules

    modules.finish_startup()


def grab(panel: Any, path: str | Path, width: int = 480) -> Path:
    """Write a picture of a panel (or any widget) to PNG, `width` pixels wide, as high as needed."""
    from . import modules

    return modules.grab(panel, path, width)


def clear_scene() -> None:
    """Close the scene."""
    from . import mrml

    mrml.clear_scene()


def set_testing(enabled: bool) -> None:
    """What `slicer.app.testingEnabled()` says; False at first, so that dialogs are recorded."""
    import slicer

    slicer.app._testing = enabled


def show_views() -> Any:
    """Give the application Slicer's three slice views; returns the layout manager."""
    from . import layout

    start()
    return layout.show_views()


def hide_views() -> None:
    """Take the slice views away again."""
    from . import layout

    layout.hide_views()


def click_plot(widget: Any, value: float, **options: Any) -> None:
    """Click in a plot widget at a value of its x axis."""
    from . import plots

    plots.click_plot(widget, value, **options)


def drag(view: Any, positions: Any, button: str = "left", **modifiers: bool) -> bool:
    """Drag the mouse in a slice widget through (x, y) pixels; says if something took the event."""
    from . import layout

    return layout.drag(view, positions, button, **modifiers)


def press_key(view: Any, key: str, **modifiers: bool) -> None:
    """Press a key, by VTK's name, over a slice widget."""
    from . import layout

    layout.press_key(view, key, **modifiers)


def turn_wheel(view: Any, steps: int, **modifiers: bool) -> None:
    """Turn the mouse wheel over a slice widget."""
    from . import layout

    layout.turn_wheel(view, steps, **modifiers)
