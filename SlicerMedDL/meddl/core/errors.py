"""Errors that a user reads.

Every foreseeable failure raises a :class:`MedDLError` whose message is one line: the value that was
met, what was expected, and what to do. The command line prints that line and leaves with the
class's ``exit_code``; the Slicer modules show it once. Anything else is a defect of ours.
"""

from __future__ import annotations

import re

_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate|cannot allocate|failed to allocate|bad_alloc"
    r"|insufficient memory|unable to allocate|failed to map segment|could not create a primitive",
    re.IGNORECASE,
)


class MedDLError(Exception):
    """Base class; ``exit_code`` is what the command line returns."""

    exit_code = 2


class InputError(MedDLError, ValueError):
    """An argument, array or parameter that cannot be used."""


class FileError(InputError):
    """A file or folder that is missing, unreadable, truncated or of the wrong kind."""


class GeometryError(InputError):
    """A transform, spacing or camera that has no meaning (singular, not finite, wrong shape)."""


class DependencyError(MedDLError, ImportError):
    """A package that the task needs is not installed."""


class DeviceError(MedDLError, RuntimeError):
    """The compute device is absent or has too little memory."""


class Cancelled(MedDLError):
    """The user cancelled; nothing was left half-written."""

    exit_code = 130


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the computer or the device did not suffice.

    Torch, OpenCV and ITK have no common type for it: they say so in their own words. The loader's
    "failed to map segment" may stand behind another error (llvmlite's), oneDNN's "could not create
    a primitive" is all that torch says of a convolution without memory for its workspace.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or _OUT_OF_MEMORY.search(str(cause)):
            return True
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return False


def one_line(error: BaseException) -> str:
    """The error's message folded to one line (library messages may span several)."""
    return " ".join(str(error).split()) or type(error).__name__
