"""What the library says, in Slicer's language.

``meddl`` knows no Slicer: its messages come in English, with their values in them. Here a message
is found among the library's texts (:mod:`SlicerMedDLLib.librarytexts`), its values are taken out,
the text is translated, and the values are put back, themselves translated where they are words of
the library. What is not found stays as it is. Main thread only, as all that asks the translator.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from slicer import i18n

from meddl.core.errors import one_line
from SlicerMedDLLib import librarytexts

logger = logging.getLogger(__name__)

CONTEXT = i18n.getContext(librarytexts.__file__)
WORD = re.compile(r"[^\W\d_]{3,}")
# How messages are put together: a place and what is there, what is done and how far.
JOINTS = ("{place}: {message}", "{message} {count}/{count2}", "{message}…")
LETTERS = 8  # of a text's start or end, by which it is looked up: 0.1 ms instead of 2
DEPTH = 8  # joints within one another; a text within another counts as three


@dataclass(frozen=True)
class _Text:
    """A text with named fields, and the parts between them: one more than there are fields."""

    text: str
    parts: tuple[str, ...]
    fields: tuple[str, ...]
    letters: int  # of the words of its parts
    longest: str  # of its parts

    def values(self, message: str) -> Iterator[dict[str, str]]:
        """What its fields may be in a message, the first ones as short and as long as they can be;
        nothing if the message is of another text."""
        if self.longest not in message:  # the quickest way to leave most
            return
        first, *middle, last = self.parts if self.fields else (*self.parts, "")
        long_enough = len(message) >= len(first) + len(last)
        if not (long_enough and message.startswith(first) and message.endswith(last)):
            return
        rest = message[len(first) : len(message) - len(last)]
        if not self.fields:
            if not rest:
                yield {}
            return
        for backwards in (False, True):
            cut = _cut(rest, middle, backwards)
            if cut is not None:
                values = dict(zip(self.fields, cut, strict=True))
                if self.letters or _counts(values):
                    yield values

    def depth_of(self, field: str, depth: int) -> int:
        """How deep to look into a field of a message that is looked into so deep."""
        return 0 if field.startswith("place") else max(0, depth - (3 if self.letters else 1))


def _counts(values: dict[str, str]) -> bool:
    """Whether the counts of a joint are such."""
    return all(text.isdecimal() for field, text in values.items() if field.startswith("count"))


def _cut(text: str, between: list[str], backwards: bool) -> list[str] | None:
    """What lies around these parts, found one after the other from the start or from the end."""
    found = []
    for part in reversed(between) if backwards else between:
        if not part:  # two fields side by side: one has all
            found.append("")
            continue
        before, there, after = text.rpartition(part) if backwards else text.partition(part)
        if not there:
            return None
        found.append(after if backwards else before)
        text = before if backwards else after
    return [text, *reversed(found)] if backwards else [*found, text]


@dataclass(frozen=True)
class _Found:
    """A message as a text with values, and how many of all letters are of words of the library."""

    known: int
    text: _Text
    values: dict[str, str]


def _text(text: str) -> _Text:
    parts, fields = [""], []
    for literal, name, _spec, _conversion in Formatter().parse(text):
        parts[-1] += literal
        if name is not None:
            parts.append("")
            fields.append(name)
    letters = sum(map(len, WORD.findall(" ".join(parts))))
    return _Text(text, tuple(parts), tuple(fields), letters, max(parts, key=len))


@lru_cache
def _index() -> dict[tuple[str, str], list[_Text]]:
    """Texts by their first letters, or by their last ones if they begin with a field."""
    index: dict[tuple[str, str], list[_Text]] = {}
    for one in map(_text, (*librarytexts.TEXTS, *JOINTS)):
        start = one.parts[0][:LETTERS]
        end = "" if start else one.parts[-1][-LETTERS:]
        index.setdefault((start, end), []).append(one)
    return index


def _candidates(message: str) -> Iterator[_Text]:
    """Texts with the message's first or last letters, and those that have fields at both ends."""
    most = min(LETTERS, len(message))
    for number in range(most + 1):
        yield from _index().get((message[:number], ""), ())
    for number in range(1, most + 1):
        yield from _index().get(("", message[-number:]), ())


@lru_cache(maxsize=4096)
def _found(message: str, depth: int = DEPTH) -> _Found | None:
    """The text that explains most of a message, its values included.

    Of equals a joint, else the one that does so by itself: the order of values is the translator's.
    """
    best, best_key = None, (0, 0)
    for one in _candidates(message):
        if not (one.letters or depth):
            continue
        for values in one.values(message):
            known = one.letters
            for field, value in values.items() if depth else ():
                part = _found(value, one.depth_of(field, depth))
                known += part.known if part else 0
            key = known, one.letters or len(message)
            if known and key > best_key:
                best, best_key = _Found(known, one, values), key
    return best


def translated(message: str, depth: int = DEPTH) -> str:
    """A message of the library in Slicer's language; any other text as it is.

    A translation whose fields are not those of the text is left aside, with a warning in the log.
    """
    found = _found(message, depth)
    if found is None:
        return message
    text = found.text.text
    there = i18n.translate(CONTEXT, text) if found.text.letters else text
    if sorted(_fields(there)) != sorted(found.text.fields):
        logger.warning("translation of %r has other fields: %r", text, there)
        there = text
    values = found.values.items()
    return there.format(
        **{name: translated(value, found.text.depth_of(name, depth)) for name, value in values}
    )


def _fields(text: str) -> Iterator[str]:
    try:
        yield from (name for _literal, name, *_rest in Formatter().parse(text) if name is not None)
    except ValueError:  # a brace alone
        yield text


def said(error: BaseException) -> str:
    """An error's message on one line, in Slicer's language."""
    return translated(one_line(error))
