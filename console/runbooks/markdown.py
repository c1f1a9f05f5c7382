"""The Markdown that people write books in: front matter between two lines `---`, then headings with lists below them.

An item is `- text {key: value}`, of which the braces, at the end of the item's first line, are a YAML mapping; what
stands below that line, indented, is its detail. `- [ ] text` is an item with a box. A comment `<!-- -->` says nothing.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from markdown_it import MarkdownIt

from console.domain.errors import Misuse
from console.domain.text import lines_of, printable
from console.located import Table, meant, parsed

if TYPE_CHECKING:
    from markdown_it.token import Token

LONGEST = 200_000
"""Characters of one file."""
NO_PROSE = "expected a list here; what belongs to an item stands below it, indented"
_TEXT, _DETAIL = 500, 8000
_EDGE = "---"
_MARKER = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])(?:\s+|$)")
_BOX = re.compile(r"\[(.?)\](?:\s+|$)")
_KEY = re.compile(r"\{\s*[a-z_]+\s*:")
_LISTS = ("bullet_list_open", "ordered_list_open")


Value = TypeVar("Value")


class Broken(Misuse):
    """All that is wrong with a file: `file:line: ...` each, in the order of their lines. As one line it is the first
    of it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(faults[0])
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list: one line, and what stands below it. `box` is what is in its box, None without one. `says` is
    the mapping at its end, empty without one."""

    line: int
    text: str
    detail: str
    box: str | None
    says: Table


@dataclass(slots=True)
class Section:
    """A heading `## title`, "" for what comes before the first one, with its items. `prose` are its paragraphs, each
    one line with its number."""

    title: str
    line: int
    items: list[Item] = field(default_factory=list)
    prose: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """A whole file: its front matter, and the text below it, which begins at `line`. `faults` is what was found wrong
    with it so far."""

    file: Path
    front: Table
    text: str
    line: int
    faults: list[str] = field(default_factory=list)

    def fail(self, line: int, problem: str) -> NoReturn:
        """Misuse at this line."""
        raise Misuse(f"{self.file}:{line}: {problem}")

    def note(self, line: int, problem: str) -> None:
        """It is wrong, and the rest is looked at as well."""
        self.faults.append(f"{self.file}:{line}: {problem}")

    def tried(self, make: Callable[[], Value], instead: Value) -> Value:
        """What `make` returns; `instead` where that is a Misuse, which is noted."""
        try:
            return make()
        except Misuse as error:
            self.faults.append(str(error))
            return instead

    def value(self, key: str, make: Callable[[], Value], instead: Value) -> Value:
        """As `tried`, of a key that the front matter has to have."""
        if key in self.front:
            return self.tried(make, instead)
        self.note(self.front.line, f"{key} is missing")
        return instead

    def only(self, table: Table, known: Iterable[str], what: str) -> None:
        """Every key that is not known is noted, with a suggestion."""
        names = set(known)
        for key in table:
            if key not in names:
                self.faults.append(
                    f"{table.place(key)}: no such {what}: {printable(key, 60)}; {meant(key, names)}"
                )

    def settle(self) -> None:
        """Raises Broken where anything was noted."""
        if self.faults:
            raise Broken(sorted(dict.fromkeys(self.faults), key=self._line_of))

    def _line_of(self, fault: str) -> int:
        number = fault.removeprefix(f"{self.file}:").partition(":")[0]
        return int(number) if number.isdecimal() else 0

    def sections(self) -> list[Section]:
        """The text as headings and lists; the first one has no title. Anything else in it is noted."""
        lines = ("\n" * (self.line - 1) + self.text).split("\n")
        tokens = MarkdownIt("commonmark").parse("\n".join(lines))
        found = [Section("", self.line)]
        for place, token in enumerate(tokens):
            line = token.map[0] + 1 if token.map else self.line
            if token.type == "list_item_open" and token.level == 1:
                item = self.tried(partial(self._item, token, lines), None)
                found[-1].items += [] if item is None else [item]
            elif token.level == 0 and token.nesting >= 0 and token.type not in _LISTS:
                inside = tokens[place + 1 : place + 2]
                self._block(found, token, inside, line)
        return found

    def _block(self, found: list[Section], token: Token, inside: Sequence[Token], line: int) -> None:
        content = inside[0].content if inside else ""
        if token.type == "heading_open":
            if token.tag != "h2":
                self.note(
                    line, "expected headings of the second level (##); the title is in the front matter"
                )
            title = printable(content, 100)
            if any(section.title.casefold() == title.casefold() for section in found if section.title):
                self.note(line, f"{title} is there twice")
            found.append(Section(title, line))
        elif token.type == "paragraph_open":
            found[-1].prose.append((line, " ".join(content.split())))
        elif not (token.type == "html_block" and token.content.lstrip().startswith("<!--")):
            self.note(line, NO_PROSE)

    def _item(self, token: Token, lines: Sequence[str]) -> Item:
        first, end = token.map or (self.line - 1, self.line)
        line = first + 1
        rest = _MARKER.sub("", lines[first], count=1).strip()
        box = None
        if boxed := _BOX.match(rest):
            box, rest = boxed[1], rest[boxed.end() :]
        text, braces = self._apart(rest, line)
        below = textwrap.dedent("\n".join(each.expandtabs(4) for each in lines[first + 1 : end]))
        if not text:
            self.fail(line, "expected a text")
        if len(text) > _TEXT or len(below) > _DETAIL:
            self.fail(line, f"expected at most {_TEXT} characters, and {_DETAIL} below them")
        says = parsed("\n" * first + braces, self.file) if braces else Table(self.file, line)
        return Item(line, printable(text), lines_of(below), box, says)

    def _apart(self, text: str, line: int) -> tuple[str, str]:
        """The text and the braces at its end, "" for none."""
        begin = len(text)
        if text.endswith("}"):
            depth = 0
            for begin in reversed(range(len(text))):
                depth += {"}": 1, "{": -1}.get(text[begin], 0)
                if not depth:
                    break
            else:
                self.fail(line, "expected a { for each }")
        text, braces = text[:begin].rstrip(), text[begin:]
        if _KEY.search(text):
            self.fail(line, "expected {key: value} at the end of the item's first line, once")
        return text, braces


def page(text: str, file: Path) -> Page:
    """The file's front matter and text. Raises Misuse."""
    if len(text) > LONGEST:
        raise Misuse(f"{file}: expected at most {LONGEST} characters, not {len(text)}")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    edges = [number for number, line in enumerate(lines) if line.rstrip() == _EDGE][:2]
    if not edges or edges[0] != 0:
        raise Misuse(f"{file}:1: expected front matter (title: ...) between two lines {_EDGE}")
    if len(edges) < 2:
        raise Misuse(f"{file}:1: this front matter has no end: expected another line {_EDGE}")
    front = parsed("\n" + "\n".join(lines[1 : edges[1]]), file)
    return Page(file, front, "\n".join(lines[edges[1] + 1 :]), edges[1] + 2)
