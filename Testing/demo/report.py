"""The report: one HTML page with relative links to the figures beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from meddl import __version__
from meddl.core.files import atomic_path

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #20262e; background: #fff;
       max-width: 68rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; margin-bottom: .2rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #d6dbe1; }
.notice { color: #7a4b00; background: #fff6e5; padding: .5rem .8rem; border-radius: 4px; }
figure { margin: 1.8rem 0; } figure img { width: 100%; border-radius: 3px; }
figcaption { color: #55606c; font-size: .92rem; margin-top: .35rem; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #e4e8ec; }
th { background: #f5f7f9; } .yes { color: #1b7f3b; } .no { color: #b3261e; font-weight: 600; }
pre { background: #f5f7f9; padding: .8rem 1rem; overflow-x: auto; border-radius: 4px; }
footer { margin: 3rem 0 1rem; color: #55606c; font-size: .9rem; }
"""


@dataclass(frozen=True)
class Picture:
    """A figure: file name beside the chapter's scene, and what it shows."""

    file: str
    caption: str


@dataclass(frozen=True)
class Number:
    """One measured value beside the expected one.

    Attributes:
        what: what was measured.
        measured, expected: as text, with units.
        good: whether the measured value is as expected.
    """

    what: str
    measured: str
    expected: str
    good: bool


@dataclass(frozen=True)
class Chapter:
    """What one chapter of the demo hands to the report.

    Attributes:
        title: heading.
        text: one paragraph.
        scene: file name of the scene.
        pictures: figures in order.
        numbers: rows of the table.
        commands: heading to lines that repeat the work (console, command line).
        data: attribution and licence of the data used.
        missing: what could not be made on this machine, one line each.
    """

    title: str
    text: str
    scene: str
    pictures: Sequence[Picture]
    numbers: Sequence[Number]
    commands: dict[str, str]
    data: Sequence[str]
    missing: Sequence[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; :meth:`from_dict` reads them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Chapter:
        """The chapter that :meth:`to_dict` wrote."""
        pictures = [Picture(**one) for one in values["pictures"]]
        numbers = [Number(**one) for one in values["numbers"]]
        return cls(**{**values, "pictures": pictures, "numbers": numbers})


def write_report(path: Path, chapters: dict[str, Chapter]) -> None:
    """Write the page, atomically.

    Args:
        chapters: name of each chapter's folder beside ``path`` to its contents, in order.
    """
    body = "\n".join(_chapter(folder, chapter) for folder, chapter in chapters.items())
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SlicerMedDL demo</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body>
<h1>SlicerMedDL demo</h1>
<p class="notice">Research software, not for clinical use.</p>
{body}
<footer>Made by <code>./meddl demo</code>, version {html.escape(__version__)}.</footer>
</body></html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _chapter(folder: str, chapter: Chapter) -> str:
    text = html.escape
    figures = "\n".join(
        f'<figure><img src="{text(folder)}/{text(one.file)}" alt="{text(one.caption)}">'
        f"<figcaption>{text(one.caption)}</figcaption></figure>"
        for one in chapter.pictures
    )
    rows = "\n".join(
        f"<tr><td>{text(one.what)}</td><td>{text(one.measured)}</td><td>{text(one.expected)}</td>"
        f'<td class="{"yes" if one.good else "no"}">{"yes" if one.good else "no"}</td></tr>'
        for one in chapter.numbers
    )
    commands = "\n".join(
        f"<h3>{text(where)}</h3>\n<pre>{text(lines)}</pre>"
        for where, lines in chapter.commands.items()
    )
    missing = "".join(f'<p class="notice">{text(line)}</p>' for line in chapter.missing)
    data = "".join(f"<li>{text(line)}</li>" for line in chapter.data)
    return f"""<h2>{text(chapter.title)}</h2>
<p>{text(chapter.text)}</p>
<p>Scene for desktop Slicer:
<a href="{text(folder)}/{text(chapter.scene)}">{text(chapter.scene)}</a></p>
{missing}
{figures}
<h3>Numbers</h3>
<table><tr><th>What</th><th>Measured</th><th>Expected</th><th>As expected</th></tr>
{rows}</table>
{commands}
<h3>Data</h3>
<ul>{data}</ul>"""
