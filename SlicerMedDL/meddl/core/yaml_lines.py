"""YAML files whose errors name a line: the values, and where each of them was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meddl.core.errors import FileError, InputError, one_line
from meddl.core.files import existing_file

Where = tuple[str | int, ...]  # keys and list positions, from the top of the file


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file.

    Attributes:
        path: of the file.
        values: plain Python values (safe loader).
        lines: line number, from 1, of every key and list item.
    """

    path: Path
    values: Any
    lines: dict[Where, int]

    def error(self, where: Where, message: object) -> InputError:
        """An error about the entry at ``where``, with its line or that of what encloses it."""
        place = where
        while place and place not in self.lines:
            place = place[:-1]
        name = ".".join(map(str, where))
        return InputError(
            f"{self.path}, line {self.lines.get(place, 1)}: {name}{': ' if name else ''}{message}"
        )


def read_yaml(path: str | Path) -> YamlFile:
    """Parse a YAML file of one document.

    Raises:
        FileError: missing, not UTF-8, or no YAML; the message names the line.
        InputError: a key that occurs twice in one table.
    """
    import yaml

    path = existing_file(path, "YAML file")
    lines: dict[Where, int] = {}
    seen: set[int] = set()

    def visit(node: Any, where: Where) -> None:
        if id(node) in seen:  # an alias: its anchor has been visited
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                lines[(*where, index)] = item.start_mark.line + 1
                visit(item, (*where, index))
        elif isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                place = (*where, str(key.value))
                if place in lines:
                    raise file.error(place, f"line {key.start_mark.line + 1} has it again")
                lines[place] = key.start_mark.line + 1
                visit(item, place)

    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        file = YamlFile(path, None, lines)
        visit(root, ())
        values = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise FileError(f"{path} is no valid YAML: {one_line(error)}") from error
    return YamlFile(path, values, lines)
