"""What happened that a test has to see: slots that raised, messages and dialogs shown."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Message(NamedTuple):
    """One message, question or dialog that Slicer would have shown.

    kind: "info", "warning", "error", "question", "dialog", "file", "directory", "input", "status".
    """

    kind: str
    title: str
    text: str
    detail: str = ""


_errors: list[str] = []
_messages: list[Message] = []
_answers: deque[Any] = deque()
_NO_ANSWER = object()


def errors() -> list[str]:
    """Tracebacks of slots, observers and timers that raised since the last `clear`."""
    return list(_errors)


def messages(kind: str | None = None) -> list[Message]:
    """Messages shown since the last `clear`, of one kind or of all kinds."""
    return [message for message in _messages if kind in (None, message.kind)]


def answer(*values: Any) -> None:
    """Queue answers for the next dialogs: a button, a path, a text, or a function of the dialog.

    An unanswered question is declined, an unanswered file dialog is cancelled.
    """
    _answers.extend(values)


def clear() -> None:
    """Forget errors, messages and unused answers."""
    _errors.clear()
    _messages.clear()
    _answers.clear()


def add_error(text: str) -> None:
    """Record an error and write it to stderr, as Slicer's console would show it."""
    _errors.append(text)
    print(text, file=sys.stderr)


def add_message(kind: str, title: str, text: str, detail: str = "") -> None:
    """Record a message."""
    _messages.append(Message(kind, str(title or "").strip(), str(text or ""), str(detail or "")))


def next_answer(default: Any, dialog: Any = None) -> Any:
    """The next queued answer, or the default. A function is called with the dialog."""
    value = _answers.popleft() if _answers else _NO_ANSWER
    if value is _NO_ANSWER:
        return default
    if callable(value):
        value = value(dialog)
        return default if value is None else value
    return value


@contextmanager
def catching(origin: Callable) -> Iterator[None]:
    """PythonQt's rule for slots: an exception goes to the console and execution goes on."""
    try:
        yield
    except Exception:
        name = getattr(origin, "__qualname__", repr(origin))
        add_error(f"slot {name} raised:\n{traceback.format_exc()}")


def on_main_thread() -> bool:
    """Whether the caller runs on the thread that owns widgets and scene."""
    return threading.current_thread() is threading.main_thread()
