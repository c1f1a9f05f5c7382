"""Where in a YAML file something stands, to the column: a wrong entry is shown with its line and carets beneath it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import yaml

from console.domain.errors import Misuse
from console.rules.parser import Slip, pointed

Way = tuple[str | int, ...]
"""The way to an entry: keys and positions."""
_LONGEST = 2000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Source:
    """The text of a file that has been read as YAML already."""

    def __init__(self, file: Path) -> None:
        self.file = file
        text = file.read_text(encoding="utf-8")
        self._lines = text.splitlines()
        self._keys: dict[Way, yaml.Node] = {}
        self._values: dict[Way, yaml.Node] = {}
        root = yaml.compose(text, Loader=_LOADER)
        for way, key, value in _walk((), root):
            self._keys.setdefault(way, key)
            self._values.setdefault(way, value)

    def fail(self, way: Way, problem: str, *, key: bool = False) -> NoReturn:
        """Misuse at the value (or the key) of an entry, or where the nearest thing around it begins."""
        nodes = self._keys if key else self._values
        while way and way not in nodes:
            way = way[:-1]
        node = nodes.get(way)
        if node is None:
            raise Misuse(f"{self.file}:1:1: {problem}")
        start, end = node.start_mark, node.end_mark
        last = end.column if end.line == start.line else start.column + 1
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            last = start.column + 1
        raise self._misuse(problem, start.line, start.column, last)

    def slip(self, way: Way, slip: Slip) -> NoReturn:
        """Misuse for what is wrong inside the text of an entry."""
        node = self._values.get(way)
        if not isinstance(node, yaml.ScalarNode):
            self.fail(way, slip.problem)
        places = self._places(node)
        if slip.start >= len(slip.text):
            line, column = places[-1] if places else (node.start_mark.line, node.start_mark.column)
            raise self._misuse(slip.problem, line, column + bool(places), column + bool(places) + 1)
        line, column = places[slip.start]
        end_line, end_column = places[min(slip.end, len(places)) - 1]
        last = end_column + 1 if end_line == line else len(self._line(line))
        raise self._misuse(slip.problem, line, column, last)

    def _places(self, node: yaml.ScalarNode) -> list[tuple[int, int]]:
        """Line and column of every character of a scalar's value. What quotes, escapes and folding add in the file is
        stepped over; a character that is written as an escape has the place of the one before it."""
        line, column = node.start_mark.line, node.start_mark.column
        here = [
            (number, at, char)
            for number in range(line, min(node.end_mark.line + 1, len(self._lines)))
            for at, char in enumerate(self._lines[number])
            if (number, at) >= (line, column) and (number, at) < (node.end_mark.line, node.end_mark.column)
        ]
        # The quote, or the sign of a block, is not part of the value.
        position = 1 if node.style in ("'", '"') else 0
        if node.style in ("|", ">"):
            position = next((i for i, (number, _, _) in enumerate(here) if number > line), len(here))
        places: list[tuple[int, int]] = []
        for char in node.value[:_LONGEST]:
            wanted = " \t" if char.isspace() else char
            found = next((i for i in range(position, len(here)) if here[i][2] in wanted), None)
            if found is None or (char.isspace() and found != position):
                at = here[min(position, len(here) - 1)] if here else (line, column, "")
                places.append(at[:2])
                continue
            places.append(here[found][:2])
            position = found + 1
        return places

    def _line(self, line: int) -> str:
        return self._lines[line] if line < len(self._lines) else ""

    def _misuse(self, problem: str, line: int, column: int, last: int) -> Misuse:
        place = f"{self.file}:{line + 1}:{column + 1}"
        shown = self._line(line).replace("\t", " ")
        return Misuse(pointed(f"{place}: {problem}", shown, column, last))


def _walk(way: Way, node: yaml.Node) -> Iterator[tuple[Way, yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        pairs = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(i, value, value) for i, value in enumerate(node.value)]
    else:
        return
    for name, key, value in pairs:
        yield (*way, name), key, value
        yield from _walk((*way, name), value)
