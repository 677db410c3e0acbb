"""What a command said."""

from __future__ import annotations


def error_line(capsys) -> str:
    """The single line on stderr."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]
