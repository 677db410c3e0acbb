"""Files that are either whole or not there.

Everything is written under a temporary name in the target's own folder and renamed at the end
(``os.replace`` is atomic within one file system), so that a crash, a full disk or a cancel never
leaves a half-written result and never destroys the previous one.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from meddl.core.errors import FileError, InputError, MedDLError, one_line, out_of_memory

PART = ".part-"  # begins every temporary name


def existing_file(path: str | Path, what: str = "file") -> Path:
    """``path`` as a Path if it is a non-empty readable file.

    Raises:
        FileError: missing, a folder, empty or unreadable.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FileError(f"{path} is a folder, a {what} was expected")
        if not path.exists():
            raise FileError(f"{what} not found: {path} (folder {Path.cwd()})")
        if path.stat().st_size == 0:
            raise FileError(f"{path} is empty (0 bytes), a {what} was expected")
        with path.open("rb"):
            return path
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the name
        raise FileError(f"{str(path)!r} is no file name: {error}") from error


@contextmanager
def parsing(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises on the content of ``path`` into one line.

    Libraries raise anything from ``struct.error`` to ``RecursionError`` on damaged files. ITK's
    source positions and addresses are cut off.

    Raises:
        FileError: instead of any other exception than a :class:`MedDLError`.
    """
    try:
        yield
    except MedDLError:
        raise
    except Exception as error:
        reason = re.sub(r"^.*ERROR: *(\w+\(0x\w+\): *)?", "", one_line(error))
        reason = reason if len(reason) < 200 else "…" + reason[-200:]
        or_else = ", or there is not enough memory" if out_of_memory(error) else ""
        raise FileError(f"{path} is no valid {what}{or_else}: {reason}") from error


def writable_parent(path: str | Path) -> Path:
    """``path`` as a Path, after checking that its folder exists and takes files.

    Raises:
        FileError: the folder is missing or read-only, or ``path`` is a folder.
    """
    path = Path(path)
    folder = path.parent
    try:
        if not folder.is_dir():
            raise FileError(f"the folder {folder} for {path.name} does not exist; make it")
        if path.is_dir():
            raise FileError(f"the output {path} is a folder, a file name was expected")
    except FileError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"{str(path)!r} cannot be written: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"the folder {folder} is not writable; choose another output")
    return path


def replaceable_folder(folder: str | Path, what: str, *patterns: str) -> Path:
    """``folder`` as a Path, if it can be made, or replaced because it holds nothing else.

    Args:
        what: it holds, for the message.
        patterns: of the names of its files, such as ``"*.ply"``.

    Raises:
        FileError: a file, a folder with other files, or one whose parent takes none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if writable_parent(folder).exists():
            raise FileError(f"the output {folder} is a file, a folder was expected")
        return folder
    # Hidden ones too: they would be lost as well.
    if any(not any(path.match(p) for p in patterns) for path in folder.iterdir()):
        raise FileError(f"{folder} holds other files than {what}; choose another folder")
    return folder


def report_path(path: str | Path) -> Path:
    """``path`` as a Path, if a report, which is JSON, can be written there.

    Raises:
        FileError: not ``.json``, or a folder that takes no file.
    """
    path = writable_parent(path)
    if path.suffix.lower() != ".json":
        raise FileError(f"{path}: the report is written as .json")
    return path


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """The entries of a folder that match ``pattern`` and are not hidden, sorted.

    Leftovers of killed writers are hidden, and so are the files that macOS puts beside others.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left in ``folder`` and below; nobody may be writing there."""
    for path in list(folder.rglob(f"{PART}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def allocate(path: Path) -> None:
    """Give a file that has its size but not yet its content the space on the disk.

    To be called before such a file is written through a memory map: on a full disk that would end
    the process by a signal (SIGBUS), while this is an ordinary error. Linux only; elsewhere it does
    nothing.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


@contextmanager
def claimed_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of an existing folder.

    The lock is the operating system's, on the folder itself, and ends with the process and those
    that it forked. Windows has none, nor have some network drives.

    Raises:
        FileError: another run is at work there.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(f"another run is at work in {folder}; wait for it") from error
        except OSError:  # a network drive without locks of folders
            pass
        yield
    finally:
        os.close(handle)


def _umask() -> int:
    # The only way to read it is to set it; temporary files are private, results are not.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` (same suffixes); rename it there if all went well.

    Raises:
        FileError: the folder is missing or not writable, the disk is full.
    """
    path = writable_parent(path)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    try:
        handle, name = tempfile.mkstemp(prefix=PART, suffix=suffix, dir=path.parent)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if os.path.exists(name):
            os.unlink(name)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; rename it there if all went well.

    An existing ``path`` is replaced as a whole, only after the new folder is complete. A kill
    between the two renames of that is undone by the next writer of ``path``.

    Raises:
        FileError: the parent folder is missing or not writable.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise FileError(f"the output {path} is a file, a folder was expected")
    if not path.parent.is_dir():
        raise FileError(f"the folder {path.parent} for {path.name} does not exist; make it")
    _undo_half_replacement(path)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=PART, dir=path.parent))
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".old-{path.name}-", dir=path.parent))
            os.replace(path, old / path.name)
            try:
                os.replace(temporary, path)
            except OSError:
                os.rename(old / path.name, path)
                old.rmdir()
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _undo_half_replacement(path: Path) -> None:
    for old in path.parent.glob(f".old-{glob.escape(path.name)}-*"):
        with suppress(OSError):  # ``path`` exists: the kill came after both renames
            os.rename(old / path.name, path)
        shutil.rmtree(old, ignore_errors=True)


def read_json(path: str | Path, what: str = "JSON file") -> Any:
    """Parse a JSON file.

    Raises:
        FileError: missing, not UTF-8, or no JSON; the message names line and column.
    """
    path = existing_file(path, what)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no {what}: not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:  # ValueError: a number of over 4300 digits too
        raise FileError(f"{path} is no valid {what}: {error}") from error


def write_json(path: str | Path, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically.

    Raises:
        InputError: values that JSON does not hold (NaN, infinity, other types).
        FileError: a folder that takes no file.
    """
    try:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be written as JSON: {error}") from error
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with existing_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
