"""Named blocks of a Markdown page: what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.

The reports of the comparisons and Docs/validation.md mark their tables in the same way, so that a
table goes from one to the other by its name, and all else on the page stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from meddl.core.errors import InputError

_MARKER = re.compile(r"^<!-- (?P<end>/?)(?P<name>[a-z0-9_/]+) -->\n", re.MULTILINE)


def marked(name: str, text: str) -> str:
    """A block with its markers; ``text`` ends with a line feed."""
    return f"<!-- {name} -->\n{text}<!-- /{name} -->\n"


def spans(page: str) -> dict[str, tuple[int, int]]:
    """Name -> where the text of each block begins and ends, in order.

    Raises:
        InputError: a marker without its partner, blocks within blocks, a name used twice.
    """
    found: dict[str, tuple[int, int]] = {}
    opened, start = "", 0
    for marker in _MARKER.finditer(page):
        name = marker["name"]
        if not marker["end"] and not opened and name not in found:
            opened, start = name, marker.end()
        elif marker["end"] and name == opened:
            found[name], opened = (start, marker.start()), ""
        else:
            line = page.count("\n", 0, marker.start()) + 1
            raise InputError(
                f"line {line}: {marker[0].strip()} is out of place; blocks are opened and closed "
                f"once, one after the other" + (f" ({opened} is open)" if opened else "")
            )
    if opened:
        raise InputError(f"the block {opened} is not closed; write <!-- /{opened} --> at its end")
    return found


def blocks(page: str) -> dict[str, str]:
    """Name -> text of each block, in order.

    Raises:
        InputError: as :func:`spans`.
    """
    return {name: page[start:end] for name, (start, end) in spans(page).items()}


def replaced(page: str, texts: Mapping[str, str]) -> str:
    """The page with other texts in some of its blocks, all else the same.

    Raises:
        InputError: as :func:`spans`; a name that the page does not have.
    """
    places = spans(page)
    if unknown := [name for name in texts if name not in places]:
        raise InputError(
            f"the page has no block {', '.join(unknown)}; write <!-- NAME --> and <!-- /NAME --> "
            "where the table is to stand"
        )
    for name, (start, end) in reversed(places.items()):
        if name in texts:
            page = page[:start] + texts[name] + page[end:]
    return page
