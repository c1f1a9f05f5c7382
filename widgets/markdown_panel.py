"""Markdown as rows of cells: headings, paragraphs, lists, boxes, tables, quotes, code. Nothing in it can be clicked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType

from console.domain.text import lines_of
from widgets.cells import EMPTY, Cells, measure, piece, space
from widgets.line_widget import LineWidget
from widgets.look import Look

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MOST = 200_000
"""Characters: a post-mortem of a long incident has some ten thousand."""
_WORD = re.compile(r"\s+|\S+")
_BOX = re.compile(r"\[([ xX])\] ")
_LEAST = 12


@cache
def _parser() -> MarkdownIt:
    # Imported when there is something to render.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown_lines(text: str, width: int, look: Look) -> list[Cells]:
    """`text` rendered in rows of at most `width` cells."""
    writer = _Writer(max(width, _LEAST), look)
    for token in _parser().parse(lines_of(text, _MOST)):
        writer.take(token)
    writer.table_ends()
    while writer.lines and not measure(writer.lines[-1]):
        writer.lines.pop()
    return writer.lines


@dataclass
class _Writer:
    """Writes tokens down one after the other; `margins` is what stands before a line: (first line, the others)."""

    width: int
    look: Look
    lines: list[Cells] = field(default_factory=list)
    margins: list[list[Cells]] = field(default_factory=list)
    heading: int = 0
    tight: int = 0
    numbers: list[int] = field(default_factory=list)
    table: list[list[list[Segment]]] = field(default_factory=list)

    def take(self, token: Token) -> None:
        """The next token."""
        kind = token.type
        if kind == "heading_open":
            self.heading = int(token.tag[1:])
            self.gap()
        elif kind == "heading_close":
            self.heading = 0
        elif kind == "paragraph_open":
            # Items of a list stand close together.
            if not token.hidden and not self.margins:
                self.gap()
        elif kind == "inline":
            self.inline(token)
        elif kind in ("bullet_list_open", "ordered_list_open"):
            if not self.margins:
                self.gap()
            self.numbers.append(int(token.attrGet("start") or 1) if kind == "ordered_list_open" else 0)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self.numbers.pop()
        elif kind == "list_item_open":
            self.item()
        elif kind == "blockquote_open":
            self.gap()
            bar = piece(f"{self.look.glyphs['separator']} ", self.look("grid"))
            self.margins.append([(bar,), (bar,)])
        elif kind in ("list_item_close", "blockquote_close"):
            self.margins.pop()
        elif kind in ("fence", "code_block"):
            self.code(token.content)
        elif kind == "hr":
            self.gap()
            self.put((piece(self.look.glyphs["rule"] * self.room, self.look("grid")),))
        elif kind == "table_close":
            self.table_ends()
        elif kind == "table_open":
            self.gap()
        elif kind == "tr_open":
            self.table.append([])

    @property
    def room(self) -> int:
        return max(self.width - sum(measure(first) for first, _ in self.margins), 1)

    def gap(self) -> None:
        """A blank line, where something stands above."""
        if self.lines and measure(self.lines[-1]):
            self.lines.append(EMPTY)

    def put(self, line: Cells) -> None:
        before = [segment for first, _ in self.margins for segment in first]
        self.lines.append((*before, *line))
        for margin in self.margins:
            margin[0] = margin[1]

    def item(self) -> None:
        number = self.numbers[-1] if self.numbers else 0
        sign = f"{number}. " if number else f"{self.look.glyphs['dot']} "
        if number:
            self.numbers[-1] += 1
        self.margins.append([(piece(sign, self.look("muted")),), space(len(sign))])

    def code(self, text: str) -> None:
        self.gap()
        for line in text.rstrip("\n").split("\n"):
            for part in chop_cells(line, max(self.room - 2, 1)) or [""]:
                self.put((Segment("  "), piece(part, self.look("muted"))))

    def inline(self, token: Token) -> None:
        runs = self.runs(token.children or [])
        if self.table:
            self.table[-1].append(runs)
            return
        box = _BOX.match(runs[0].text) if runs and self.margins else None
        if box is not None:
            done = box[1] != " "
            sign = f"[{self.look.glyphs['done'] if done else ' '}] "
            runs[0] = Segment(runs[0].text[box.end() :], runs[0].style)
            runs.insert(0, piece(sign, self.look("ok" if done else "muted")))
        for line in _wrapped(runs, self.room):
            self.put(line)

    def runs(self, children: Iterable[Token]) -> list[Segment]:
        """Styled runs of text; a line that ends is a newline in one of them."""
        look = self.look
        strong = bool(self.heading)
        role, target = "strong" if self.heading else "text", ""
        found: list[Segment] = []

        def say(text: str, style: Style | None = None) -> None:
            if text:
                found.append(Segment(text, style or look(role, bold=strong)))

        for child in children:
            kind = child.type
            if kind == "text":
                say(child.content)
            elif kind == "code_inline":
                say(child.content, look("accent"))
            elif kind in ("strong_open", "em_open"):
                strong, role = True, "strong"
            elif kind in ("strong_close", "em_close"):
                strong, role = bool(self.heading), "strong" if self.heading else "text"
            elif kind == "softbreak":
                say(" ")
            elif kind == "hardbreak":
                say("\n")
            elif kind == "link_open":
                target = str(child.attrGet("href") or "")
            elif kind == "link_close":
                if target and target not in "".join(run.text for run in found):
                    say(f" ({target})", look("faint"))
                target = ""
            elif kind == "image":
                say(child.content or "picture", look("muted"))
        return found

    def table_ends(self) -> None:
        """Columns as wide as what is in them; where there is no room the widest gives way."""
        rows, self.table = self.table, []
        if not rows:
            return
        count = max(map(len, rows))
        sizes = [max((measure(row[i]) for row in rows if i < len(row)), default=0) for i in range(count)]
        over = sum(sizes) + 2 * (count - 1) - self.room
        while over > 0 and max(sizes) > _LEAST:
            widest = sizes.index(max(sizes))
            less = min(over, sizes[widest] - _LEAST)
            sizes[widest] -= less
            over -= less
        for number, row in enumerate(rows):
            cells_of = [_wrapped(cell, max(size, 1)) for cell, size in zip(row, sizes, strict=False)]
            for i in range(max(map(len, cells_of), default=0)):
                line: list[Segment] = []
                for place, (lines, size) in enumerate(zip(cells_of, sizes, strict=False)):
                    part = lines[i] if i < len(lines) else EMPTY
                    last = place == len(cells_of) - 1
                    line += part if last else [*part, *space(size - measure(part) + 2)]
                self.put(line)
            if not number:
                total = min(sum(sizes) + 2 * (count - 1), self.room)
                self.put((piece(self.look.glyphs["rule"] * total, self.look("grid")),))


def _wrapped(runs: Sequence[Segment], width: int) -> list[Cells]:
    """Runs in lines of at most `width` cells, broken at blanks where there are any."""
    lines: list[list[Segment]] = [[]]
    used = 0
    word: list[Segment] = []

    def end_word() -> None:
        nonlocal used
        size = measure(word)
        if size and used and used + size > width:
            while lines[-1] and not lines[-1][-1].text.strip():
                lines[-1].pop()
            lines.append([])
            used = 0
        for run in word:
            for i, part in enumerate(chop_cells(run.text, width)):
                length = cell_len(part)
                if used and (i or used + length > width):
                    lines.append([])
                    used = 0
                lines[-1].append(piece(part, run.style))
                used += length
        word.clear()

    for run in runs:
        for part in _WORD.findall(run.text):
            if part.strip():
                word.append(Segment(part, run.style))
                continue
            end_word()
            if "\n" in part:
                lines.append([])
                used = 0
            elif used and used < width:
                lines[-1].append(Segment(" ", run.style))
                used += 1
    end_word()
    return list(lines)


class MarkdownPanel(LineWidget, can_focus=True):
    """Text that may be longer than its panel, scrolled with the arrows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "scroll", key_display="↑↓", id="text.down"),
        Binding("up,k", "scroll(-1)", "scroll up", show=False, id="text.up"),
        Binding("pagedown", "page(1)", "page down", show=False, id="text.page-down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="text.page-up"),
        Binding("home", "scroll(-99999)", "top", show=False, id="text.top"),
        Binding("end", "scroll(99999)", "end", show=False, id="text.end"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._text = ""
        self._top = self._overhang = 0
        self._rendered: tuple[object, ...] = ()
        self._lines: Sequence[Cells] = ()

    def show(self, text: str) -> None:
        """Replace the text; another one begins at its top."""
        if text != self._text:
            self._text, self._top = text, 0
            self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What fits is not scrolled, and no hint says that it is."""
        if action in ("scroll", "page"):
            return self._overhang > 0
        return super().check_action(action, parameters)

    def action_scroll(self, step: int) -> None:
        self._top = min(max(self._top + step, 0), self._overhang)
        self.redraw()

    def action_page(self, direction: int) -> None:
        self.action_scroll(direction * max(self.content_size.height - 1, 1))

    def build(self, width: int, height: int) -> Sequence[Cells]:
        of = (self._text, width, self.look)
        if of != self._rendered:
            self._rendered, self._lines = of, markdown_lines(self._text, width, self.look)
        before, self._overhang = self._overhang, max(len(self._lines) - height, 0)
        if (before > 0) is not (self._overhang > 0):
            self.call_later(self.refresh_bindings)
        self._top = min(self._top, self._overhang)
        return self._lines[self._top : self._top + height]
