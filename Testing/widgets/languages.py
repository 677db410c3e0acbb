"""Languages of the tests' own, and what is the same in every language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QCoreApplication, QTranslator

NAMES = {  # of spectra, curves and formats
    *("60kV", "90kV", "120kV", "png", "tiff", "dcm"),
    *("schneider2000", "dosxyznrc"),
}


def mark(text: str) -> str:
    """A translation that is known when seen."""
    return f"<{text}>"


class Language(QTranslator):
    """Translates by a function, which gives None for what it has no words for.

    Args:
        context: the only one that it translates; without it all.
    """

    def __init__(self, function: Callable[[str], str | None], context: str = "") -> None:
        super().__init__()
        self._function, self._context = function, context

    def isEmpty(self) -> bool:
        return False

    def translate(self, context: str, text: str, *_others: object) -> str | None:
        return self._function(text) if self._context in ("", context) else None


@contextmanager
def spoken(function: Callable[[str], str | None] = mark, context: str = "") -> Iterator[None]:
    """The application speaks a :class:`Language` meanwhile."""
    language = Language(function, context)
    assert QCoreApplication.installTranslator(language)
    try:
        yield
    finally:
        QCoreApplication.removeTranslator(language)
