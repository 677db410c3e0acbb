"""Seeded damage to small valid files, and what a reader may do with it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from meddl.core import MedDLError

HEADER_BYTES = 800
SECONDS = 20.0  # for one file of a few kilobytes, on a busy machine
BYTES = 256 << 20  # that reading it may add to the memory in use: a header's word is not enough
# What a text file may hold instead of a word or number of its own.
HOSTILE = (
    b"nan",
    b"-inf",
    b"1e999",
    b"-1",
    b"0",
    b"9" * 30,
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"\xff\xfe",
    b"\x00",
    b"../../../etc/passwd",
    b"&a [*a, *a]",
    b"!!python/object/apply:os.abort []",
)


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """A cut, one to five changed bytes, most of them near the ends, or a hostile word in a text."""
    text = b"\0" not in content[:HEADER_BYTES]
    kind = generator.integers(0, 5 if text else 4)
    if kind == 0:
        return content[: generator.integers(1, len(content))]
    if kind == 4:
        words = list(re.finditer(rb"[-+.\w]+", content))
        start, end = words[generator.integers(len(words))].span()
        return content[:start] + HOSTILE[generator.integers(len(HOSTILE))] + content[end:]
    changed = bytearray(content)
    low, high = 0, len(changed)
    if kind == 1:
        high = min(high, HEADER_BYTES)
    elif kind == 2:
        low = max(0, high - HEADER_BYTES)
    for position in generator.integers(low, high, generator.integers(1, 6)):
        changed[position] = generator.choice([generator.integers(0, 256), 0, 127, 128, 255])
    return bytes(changed)


def resident_peak(reset: bool = False) -> int:
    """The most memory that this process has had since the last reset (bytes); Linux counts it."""
    if sys.platform != "linux":
        return 0
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    [line] = [s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s]
    return 1024 * int(line.split()[1])


def fuzz(path: Path, read: Callable[[Path], object], count: int) -> None:
    """Damage ``path`` in ``count`` ways: each is read, or refused in one line, within seconds and
    without much memory."""
    read(path)
    content = path.read_bytes()
    for seed in range(count):
        path.write_bytes(mutate(content, np.random.default_rng([seed, len(path.suffix)])))
        start, before, message = time.perf_counter(), resident_peak(reset=True), ""
        try:
            read(path)
        except MedDLError as error:
            message = str(error)
        except Exception as error:
            raise AssertionError(f"damage {seed} of {path.name} gave {error!r}") from error
        assert "\n" not in message and len(message) < 2500, (seed, message)
        assert time.perf_counter() - start < SECONDS, seed
        assert resident_peak() - before < BYTES, (seed, message)
    path.write_bytes(content)
