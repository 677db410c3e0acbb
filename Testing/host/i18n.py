"""Substitute of `slicer.i18n`: texts pass through the application's translator."""

from __future__ import annotations

import inspect
from pathlib import Path

import slicer


def translate(context: str, text: str) -> str:
    """Text of a context in the application's language."""
    return slicer.app.translate(context, text)


def getContext(sourceFile: str) -> str:
    """Translation context of a file: its stem, after the package's name where it is in one."""
    path = Path(sourceFile)
    if (path.parent / "__init__.py").is_file():
        return f"{path.parent.name}.{path.stem}"
    return path.stem


def tr(text: str) -> str:
    """Translate in the context of the calling file. Literal strings only: tools collect them."""
    if not isinstance(text, str):
        raise TypeError(f"tr() needs a str, got {text!r}")
    caller = inspect.currentframe().f_back
    return translate(getContext(inspect.getfile(caller)), text)
