"""A table for facts that change while you look: own cursor, group rows, one flexible column, cell-exact updates.

For up to some hundred rows that are all known; what is not visible is not drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.cells import EMPTY, Cells, behind, fit, measure, restyle
from widgets.line_widget import LineWidget


@dataclass(frozen=True, slots=True)
class Column:
    """`width` None: takes what the others leave (one column only). Numbers stand at the right, header too."""

    title: str
    width: int | None
    right: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `cells` has one entry per column; with fewer, `tail` runs over the columns that are left.

    A row without a `key` can't be selected.
    """

    key: str | None
    cells: tuple[Cells, ...]
    tail: Cells = EMPTY


@dataclass(frozen=True, slots=True)
class Group:
    """A heading inside the table: `core ─────`, with a fact at its right end if there is one."""

    title: str
    fact: Cells = EMPTY


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text over the whole width, not selectable."""

    content: Cells = EMPTY


Entry = Row | Group | Note


class LiveTable(LineWidget, can_focus=True):
    """`show` replaces the content; the selection stays on its key. Posts Highlighted and Chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor(1)", "select", key_display="↑↓", id="table.down"),
        Binding("up,k", "cursor(-1)", "select", show=False, id="table.up"),
        Binding("enter", "choose", "open", key_display="⏎", id="table.open"),
        Binding("home,g", "cursor(-9999)", "first", show=False, id="table.first"),
        Binding("end,G", "cursor(9999)", "last", show=False, id="table.last"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, id="table.page-up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, id="table.page-down"),
    ]

    class Highlighted(Message):
        """The cursor is on the row of `key` now."""

        def __init__(self, table: "LiveTable", key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> "LiveTable":
            return self.table

    class Chosen(Highlighted):
        """Enter, or a click on the selected row."""

    def __init__(
        self, *, id: str, header: bool = True, empty: str = "nothing here", newest_first: bool = False
    ) -> None:
        """`newest_first`: a cursor on the first row stays there, so that what comes in is seen."""
        super().__init__(id=id, classes="panel")
        self._newest_first = newest_first
        self._columns: Sequence[Column] = ()
        self._entries: Sequence[Entry] = ()
        self._header = header
        self._empty = empty
        self._top = 0
        self.selected: str | None = None

    def show(
        self, columns: Sequence[Column], entries: Sequence[Entry], *, header: bool | None = None
    ) -> None:
        """Replace the content. A selected row that is gone hands the cursor to the one in its place."""
        keys = self._keys()
        place = keys.index(self.selected) if self.selected in keys else 0
        self._columns, self._entries = columns, entries
        if header is not None:
            self._header = header
        now = self._keys()
        at_newest = self._newest_first and place == 0
        if self.selected not in now or (at_newest and self.selected != now[0]):
            self.selected = now[min(place, len(now) - 1)] if now else None
            if self.selected is not None:
                self.post_message(self.Highlighted(self, self.selected))
        self.redraw()

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        if key in self._keys() and key != self.selected:
            self.selected = key
            self.post_message(self.Highlighted(self, key))
            self.redraw()

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything the table holds now."""
        return self._entries

    @property
    def keys(self) -> list[str]:
        """The selectable rows from top to bottom."""
        return self._keys()

    def _keys(self) -> list[str]:
        return [e.key for e in self._entries if isinstance(e, Row) and e.key is not None]

    def action_cursor(self, step: int) -> None:
        keys = self._keys()
        if keys:
            place = keys.index(self.selected) if self.selected in keys else 0
            self.select(keys[min(max(place + step, 0), len(keys) - 1)])

    def action_page(self, direction: int) -> None:
        self.action_cursor(direction * max(self.content_size.height - 2, 1))

    def action_choose(self) -> None:
        if self.selected is not None:
            self.post_message(self.Chosen(self, self.selected))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = self._top + offset.y - (1 if self._header else 0)
        if offset.y >= (1 if self._header else 0) and index < len(self._entries):
            entry = self._entries[index]
            if isinstance(entry, Row) and entry.key is not None:
                if entry.key == self.selected:
                    self.action_choose()
                self.select(entry.key)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_cursor(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_cursor(-1)

    def build(self, width: int, height: int) -> list[Cells]:
        widths = self._widths(width)
        lines: list[Cells] = []
        if self._header:
            titles = tuple((self.text(c.title, "muted"),) if c.title else EMPTY for c in self._columns)
            lines.append(self._columns_of(titles, widths, Segment(" ")))
        room = height - len(lines)
        self._scroll(room)
        lines.extend(self._line(e, widths, width) for e in self._entries[self._top : self._top + room])
        if not self._entries and self._empty:
            lines.append(fit((self.text(f"  {self._empty}", "muted"),), width, self.ellipsis))
        return lines

    def _widths(self, width: int) -> list[int]:
        """Column widths for `width` cells; cell 0 is the cursor, one cell between columns."""
        fixed = sum(c.width for c in self._columns if c.width is not None)
        gaps = max(len(self._columns) - 1, 0)
        rest = max(width - 1 - fixed - gaps, 0)
        return [rest if c.width is None else c.width for c in self._columns]

    def _scroll(self, room: int) -> None:
        """Keep the cursor visible, and its group's title when it is the first row of it."""
        total = len(self._entries)
        if room <= 0 or total <= room or not self.has_focus:
            # Nobody moves about in it: what comes first matters most.
            self._top = 0
            return
        place = next(
            (i for i, e in enumerate(self._entries) if isinstance(e, Row) and e.key == self.selected), 0
        )
        first = place - 1 if place and isinstance(self._entries[place - 1], Group) else place
        if first < self._top:
            self._top = first
        elif place >= self._top + room:
            self._top = place - room + 1
        self._top = min(max(self._top, 0), total - room)

    def _line(self, entry: Entry, widths: Sequence[int], width: int) -> Cells:
        if isinstance(entry, Note):
            return fit((Segment("  "), *entry.content), width, self.ellipsis)
        if isinstance(entry, Group):
            title = self.text(f" {entry.title} ", "muted")
            fact = (Segment(" "), *entry.fact, Segment(" ")) if entry.fact else (Segment(" "),)
            rule = self.look.glyphs["rule"] * max(width - measure((title,)) - measure(fact), 0)
            return fit((title, self.text(rule, "grid"), *fact), width, self.ellipsis)
        chosen = entry.key is not None and entry.key == self.selected
        if not chosen:
            return self._columns_of(entry.cells, widths, Segment(" "), entry.tail)
        if not self.has_focus:
            row = self._columns_of(entry.cells, widths, Segment(" "), entry.tail)
            return row if self.look.palette.ansi else behind(row, self.look("text", on="panel"))
        bar = self.text(self.look.glyphs["cursor"], "accent")
        row = self._columns_of(entry.cells, widths, bar, entry.tail)
        if self.look.palette.ansi:
            # Coloured text on blue is unreadable with 16 colours; glyph and word keep the state.
            return restyle(row, self.look("strong", bold=True, on="raised"))
        return behind(row, self.look("text", on="raised"))

    def _columns_of(
        self, row: Sequence[Cells], widths: Sequence[int], bar: Segment, tail: Cells = EMPTY
    ) -> list[Segment]:
        line: list[Segment] = [bar]
        for i, (column, width) in enumerate(zip(self._columns, widths, strict=True)):
            if i:
                line.append(Segment(" "))
            if i >= len(row):
                line.extend(fit(tail, sum(widths[i:]) + len(widths) - i - 1, self.ellipsis))
                break
            if width:
                line.extend(fit(row[i], width, self.ellipsis, right=column.right))
        return line
