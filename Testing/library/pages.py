"""The Markdown pages of the repository: their code blocks, their commands, their links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "Docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: the words after the fence, its text, its line, the heading above it."""

    info: tuple[str, ...]
    text: str
    line: int
    section: str


def blocks(text: str, language: str) -> list[Block]:
    """The fenced blocks of a page whose first word is ``language``."""
    found = []
    for match in _FENCE.finditer(text):
        info = tuple(match["info"].split())
        if info[:1] == (language,):
            above = re.findall(r"^## (.+)$", text[: match.start()], re.MULTILINE)
            indent = len(match["indent"])
            body = "\n".join(line[indent:] for line in match["text"].splitlines())
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(info, body, line, above[-1] if above else ""))
    return found


def commands(text: str) -> list[list[str]]:
    """The arguments of every ``meddl`` that a shell script calls, redirections left out.

    ``./meddl``, ``python -m meddl`` and ``torchrun … -m meddl`` count as well.
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for number, word in enumerate(words):
            if word in ("meddl", "./meddl"):
                rest = words[number + 1 :]
                ends = [i for i, one in enumerate(rest) if one in (">", "|", "&&", ";", "&")]
                found.append(rest[: ends[0]] if ends else rest)
                break
    return found


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page that lie in the repository."""
    prose = _FENCE.sub("", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [one for one in targets if not re.match(r"[a-z]+:", one)]


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
