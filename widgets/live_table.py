"""A table for facts that change while you look: own cursor, group rows, one flexible column, cell-exact updates.

What is not visible is not drawn; with thousands of rows it is not even built (see Deferred).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.cells import EMPTY, Cells, behind, cells, fit, measure, restyle
from widgets.line_widget import LineWidget


@dataclass(frozen=True, slots=True)
class Column:
    """`width` None: takes what the others leave (one column only). Numbers stand at the right, header too. A `title` of
    cells is drawn as it is."""

    title: str | Cells
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
class Deferred:
    """A row that is built each time it is drawn, and not before: `build` knows the time and what has changed."""

    key: str
    build: Callable[[], Row]


@dataclass(frozen=True, slots=True)
class Group:
    """A heading inside the table: `core ─────`, with a fact at its right end if there is one.

    With a `key` it can be selected and chosen, as a row can.
    """

    title: str
    fact: Cells = EMPTY
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text over the whole width, not selectable. Below the row of key `of` it belongs to that: it is lit and
    kept in sight with it."""

    content: Cells = EMPTY
    of: str | None = None


Entry = Row | Deferred | Group | Note


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
        self,
        *,
        id: str,
        header: bool = True,
        empty: str = "nothing here",
        newest_first: bool = False,
        follow: bool = False,
        opens: bool = True,
        frame: bool = True,
    ) -> None:
        """`newest_first`: a cursor on the first row stays there, so that what comes in is seen. `follow`: the
        cursor is kept in sight without the focus too. `opens`: its screen has more to say about a row. Without a
        `frame` it is part of a panel."""
        super().__init__(id=id, classes="panel" if frame else "inner")
        self._opens = opens
        self._newest_first = newest_first
        self._follow = follow
        self._columns: Sequence[Column] = ()
        self._entries: Sequence[Entry] = ()
        self._keys: list[str] = []
        self._places: dict[str, int] = {}
        self._header = header
        self._empty = empty
        self._top = 0
        self.on_cursor: Callable[[], None] | None = None
        """Called when the cursor is on another row, before that is drawn, so that what follows it comes in the same
        frame; Highlighted arrives a frame later."""
        self.selected: str | None = None
        self.handed_on: str | None = None
        """The row that was selected until it went away, and nobody has moved the cursor since: a key that acts may
        be meant for it."""

    def show(
        self,
        columns: Sequence[Column],
        entries: Sequence[Entry],
        *,
        header: bool | None = None,
        empty: str | None = None,
    ) -> None:
        """Replace the content. A selected row that is gone hands the cursor to the one in its place."""
        place = self.place or 0
        self._columns, self._entries = columns, entries
        if header is not None:
            self._header = header
        if empty is not None:
            self._empty = empty
        now = [e.key for e in entries if not isinstance(e, Note) and e.key is not None]
        if now != self._keys:
            if min(len(now), 2) != min(len(self._keys), 2):
                self.call_later(self.refresh_bindings)
            self._keys = now
            self._places = {key: i for i, key in enumerate(now)}
        at_newest = self._newest_first and place == 0
        if self.selected is not None and self.selected not in self._places:
            self.handed_on = self.selected
        if self.selected not in self._places or (at_newest and self.selected != now[0]):
            self.selected = now[min(place, len(now) - 1)] if now else None
            if self.selected == self.handed_on:
                self.handed_on = None
            if self.selected is not None:
                self._moved(self.selected)
        self.redraw()

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        self.handed_on = None
        if key in self._places and key != self.selected:
            self.selected = key
            self._moved(key)
            self.redraw()

    def _moved(self, key: str) -> None:
        if self.on_cursor is not None:
            self.on_cursor()
        self.post_message(self.Highlighted(self, key))

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything the table holds now."""
        return self._entries

    @property
    def keys(self) -> list[str]:
        """What can be selected, from top to bottom."""
        return list(self._keys)

    @property
    def place(self) -> int | None:
        """Where among them the cursor is, from 0."""
        return self._places.get(self.selected) if self.selected is not None else None

    @property
    def place_words(self) -> str:
        """`3 of 12`; "" where nothing can be selected."""
        return f"{(self.place or 0) + 1} of {len(self._keys):,}" if self._keys else ""

    def action_cursor(self, step: int) -> None:
        if self._keys:
            self.select(self._keys[min(max((self.place or 0) + step, 0), len(self._keys) - 1)])

    def action_page(self, direction: int) -> None:
        self.action_cursor(direction * max(self.content_size.height - 2, 1))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No hint says that a key opens a row where there is none, or selects where there is no choice."""
        match action:
            case "choose":
                return self._opens and bool(self._keys)
            case "cursor":
                return len(self._keys) > 1
            case _:
                return True

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
            key = entry.of if isinstance(entry, Note) else entry.key
            if key is not None:
                if key == self.selected:
                    self.action_choose()
                self.select(key)

    def watch_has_focus(self, _has_focus: bool) -> None:
        # Not on_blur: that comes before has_focus has changed.
        super().watch_has_focus(_has_focus)
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_cursor(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_cursor(-1)

    def build(self, width: int, height: int) -> list[Cells]:
        widths = self._widths(width)
        lines: list[Cells] = []
        if self._header:
            titles = tuple(
                cells(c.title, self.look("muted")) if isinstance(c.title, str) else c.title
                for c in self._columns
            )
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
        if room <= 0 or total <= room or not (self.has_focus or self._follow):
            # Nobody moves about in it: what comes first matters most.
            self._top = 0
            return
        place = self._index_of_selected()
        first = place - 1 if place and isinstance(self._entries[place - 1], Group) else place
        if first < self._top:
            self._top = first
        elif (last := self._last_line_of(place)) >= self._top + room:
            self._top = min(last - room + 1, first)
        self._top = min(max(self._top, 0), total - room)

    def _index_of_selected(self) -> int:
        """Where the cursor is among all entries: not before its place among those that can be selected."""
        if self.selected is None:
            return 0
        for i in range(self.place or 0, len(self._entries)):
            entry = self._entries[i]
            if not isinstance(entry, Note) and entry.key == self.selected:
                return i
        return 0

    def _last_line_of(self, place: int) -> int:
        """Where the notes of the row at `place` end."""
        while place + 1 < len(self._entries):
            below = self._entries[place + 1]
            if not isinstance(below, Note) or below.of is None:
                break
            place += 1
        return place

    def _line(self, entry: Entry, widths: Sequence[int], width: int) -> Cells:
        key = entry.of if isinstance(entry, Note) else entry.key
        chosen = key is not None and key == self.selected
        bar = self.bar(key, chosen=chosen and self.has_focus)
        row = self._content(entry, bar, widths, width)
        if not chosen:
            return row
        if not self.has_focus:
            return row if self.look.palette.ansi else behind(row, self.look("text", on="panel"))
        if self.look.palette.ansi:
            # Coloured text on blue is unreadable with 16 colours; glyph and word keep the state.
            return restyle(row, self.look("strong", bold=True, on="raised"))
        return behind(row, self.look("text", on="raised"))

    def _content(self, entry: Entry, bar: Segment, widths: Sequence[int], width: int) -> Cells:
        if isinstance(entry, Note):
            return fit((bar, Segment(" "), *entry.content), width, self.ellipsis)
        if isinstance(entry, Group):
            return self._heading(entry, bar, width)
        row = entry.build() if isinstance(entry, Deferred) else entry
        return self._columns_of(row.cells, widths, bar, row.tail)

    def bar(self, key: str | None, *, chosen: bool) -> Segment:
        """The cell before a row."""
        return self.text(self.look.glyphs["cursor"], "accent") if chosen else Segment(" ")

    def _heading(self, entry: Group, bar: Segment, width: int) -> list[Segment]:
        title = self.text(f"{entry.title} ", "muted")
        fact = (Segment(" "), *entry.fact, Segment(" ")) if entry.fact else (Segment(" "),)
        rule = self.look.glyphs["rule"] * max(width - measure((bar, title)) - measure(fact), 0)
        return fit((bar, title, self.text(rule, "grid"), *fact), width, self.ellipsis)

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
