"""YAML that remembers its lines, so that a wrong entry is reported as file:line and what is expected."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from console.domain.errors import Misuse
from console.domain.text import printable

_MAX_DEPTH = 20
# libyaml, where PyYAML was built with it, is ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SEXAGESIMAL = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class Table(dict[str, Any]):
    """A YAML mapping with the file and line that it, and each of its keys, is from."""

    def __init__(self, file: Path, line: int) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.lines: dict[str, int] = {}
        self.files: dict[str, Path] = {}

    def place(self, key: str | None = None) -> str:
        """`FILE:LINE` of a key, or of the mapping itself."""
        name = key or ""
        return f"{self.files.get(name, self.file)}:{self.lines.get(name, self.line)}"

    def fail(self, key: str | None, expected: str) -> NoReturn:
        """Misuse at the line of `key`: `metrics.yaml:12: window: expected ..., not ...`."""
        came = f", not {printable(repr(_plain(self[key])), 60)}" if key is not None and key in self else ""
        raise Misuse(f"{self.place(key)}: {f'{key}: ' if key else ''}expected {expected}{came}")

    def only(self, known: Iterable[str], what: str) -> None:
        """Misuse for the first key that is not known, with a suggestion."""
        names = set(known)
        for key in self:
            if key not in names:
                raise Misuse(f"{self.place(key)}: no such {what}: {printable(key, 60)}; {meant(key, names)}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; Misuse when it is missing (and there is no default) or something else."""
        value = self.get(key, default)
        if not isinstance(value, str) or (not value.strip() and default is None):
            self.fail(key, "a text")
        return value

    def number(self, key: str) -> float | None:
        """A finite number, or None when the key is absent or null."""
        value = self.get(key)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or abs(value) > 1e18
            or value != value
        ):
            self.fail(key, "a number")
        return float(value)

    def choice(self, key: str, known: Iterable[str], default: str | None = None) -> str:
        """One of the known words."""
        words = list(known)
        value = self.get(key, default)
        if value not in words:
            self.fail(key, f"one of {', '.join(words)}")
        return str(value)

    def table(self, key: str) -> Table:
        """A mapping."""
        value = self.get(key)
        if not isinstance(value, Table):
            self.fail(key, "a mapping")
        return value

    def labels(self, key: str) -> dict[str, str]:
        """A mapping of texts (numbers are taken as their text); empty when absent."""
        if key not in self:
            return {}
        found = self.table(key)
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                found.fail(name, "a text")
        return {name: str(value) for name, value in found.items()}


def meant(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, else all that is known."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names) or 'none'}"


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Table) else value


def stamp(*files: Path | None) -> tuple[object, ...]:
    """Another one as soon as one of these files is another one. To be taken before they are read: what is written
    meanwhile is seen then."""
    return tuple(None if file is None else _stamp(file) for file in files)


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(file: Path) -> Table:
    """The file's mapping. Misuse when it can't be read, is no YAML, or is no mapping of text keys."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{file}: cannot be read: {printable(error)}") from None
    return parsed(text, file)


def parsed(text: str, file: Path) -> Table:
    """The mapping that `text` of the file is: where it is a part of it, with a line break for each line before it.
    Raises Misuse as `read` does."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        # A character that YAML forbids has a position instead of a mark.
        mark, at = getattr(error, "problem_mark", None), getattr(error, "position", None)
        number = mark.line if mark else text.count("\n", 0, at) if isinstance(at, int) else None
        line = "" if number is None else f":{number + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise Misuse(f"{file}{line}: not YAML: {printable(problem, 200)}") from None
    except RecursionError:
        raise Misuse(f"{file}: not YAML: nested too deep") from None
    if root is None:
        return Table(file, 1)
    value = _value(root, file, 0)
    if not isinstance(value, Table):
        raise Misuse(f"{file}:1: expected a mapping")
    return value


def _value(node: yaml.Node, file: Path, depth: int) -> Any:
    line = node.start_mark.line + 1
    if depth > _MAX_DEPTH:
        raise Misuse(f"{file}:{line}: nested too deep")
    if isinstance(node, yaml.MappingNode):
        table = Table(file, line)
        for key_node, value_node in node.value:
            key = _value(key_node, file, depth + 1)
            key_line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise Misuse(f"{file}:{key_line}: expected a text as key, not {printable(repr(key), 60)}")
            if key in table:
                raise Misuse(f"{file}:{key_line}: {printable(key, 60)} is there twice")
            table[key] = _value(value_node, file, depth + 1)
            table.lines[key] = key_line
        return table
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, file, depth + 1) for item in node.value]
    if ":" in node.value and node.tag in _SEXAGESIMAL:
        # A time of day such as 10:30, which is a number to base 60 in YAML 1.1 alone.
        return node.value
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise Misuse(
            f"{file}:{line}: not usable: {printable(getattr(error, 'problem', error), 120)}"
        ) from None


def merged(below: Table, above: Table) -> Table:
    """`above`'s keys over `below`'s, each with the file and line it is from."""
    both = Table(above.file, above.line)
    for table in (below, above):
        for key, value in table.items():
            both[key] = value
            both.lines[key] = table.lines[key]
            both.files[key] = table.files.get(key, table.file)
    return both


def layered(below: Table, above: Table, *, whole: Collection[str] = ()) -> Table:
    """`above` over `below`, mapping by mapping: what it does not name stays. A key in `whole` is replaced as it is."""
    both = merged(below, above)
    for key, value in above.items():
        under = below.get(key)
        if key not in whole and isinstance(under, Table) and isinstance(value, Table):
            both[key] = layered(under, value, whole=whole)
    return both
