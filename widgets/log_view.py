"""Log lines, or groups of equal ones: it follows the newest or stands still, and draws what is visible only.

The lines themselves are somebody else's; whatever happens to their list, the cursor stays on its line and in its row.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from console.domain import format as fmt
from console.domain.log import LogLine
from console.domain.log_lines import LineGroup
from widgets.cells import Cells, behind, cells, fit, restyle
from widgets.line_widget import LineWidget
from widgets.states import State

Item = LogLine | LineGroup

LEVELS = {
    "error": State("crit", "critlo", "crit", "error"),
    "warning": State("warn", "warnlo", "warn", "warning"),
    "info": State("info", "grid", "info", "info", calm=True),
    "debug": State("muted", "grid", "dot", "debug", calm=True),
}
_WIDE = 100
_COUNT, _TIME, _WORD, _SOURCE, _ORIGIN, _ORIGIN_COMPACT = 9, 8, 7, 9, 16, 13
_WHEEL = 3


def state_of(level: str) -> State:
    """How a level is drawn; one that nobody knows is drawn as information."""
    return LEVELS.get(level, LEVELS["info"])


class LogView(LineWidget, can_focus=True):
    """`show` replaces what is there. Posts Chosen (enter, a click on the selected row) and Moved."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor(1)", "select", key_display="↑↓", id="log.down"),
        Binding("up,k", "cursor(-1)", "select", show=False, id="log.up"),
        Binding("enter", "choose", "open", key_display="⏎", id="log.open"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, id="log.page-up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, id="log.page-down"),
        Binding("home", "first", "oldest", show=False, id="log.first"),
        Binding("end", "follow", "newest", show=False, id="log.last"),
    ]

    class Chosen(Message):
        """The line or group that is to be opened."""

        def __init__(self, item: Item) -> None:
            super().__init__()
            self.item = item

    class Moved(Message):
        """The cursor was moved, or following began or ended."""

    def __init__(self, *, id: str, empty: str = "no line yet") -> None:
        super().__init__(id=id, classes="panel")
        self.following = True
        self._items: Sequence[Item] = ()
        self._cursor = 0
        self._top = 0
        # The line, and the group, that the cursor was on last.
        self._anchors: dict[bool, Item | None] = {}
        self._empty = empty
        self._with_source = True

    def show(self, items: Sequence[Item], *, empty: str, with_source: bool = True) -> None:
        """Lines with growing ids, or groups. `with_source`: each row says which log it is from."""
        self._items, self._empty, self._with_source = items, empty, with_source
        self._settle()
        self.redraw()

    @property
    def selected(self) -> Item | None:
        """What the cursor is on."""
        return self._items[self._cursor] if self._items else None

    @property
    def below(self) -> int:
        """How many lines come after the last visible one."""
        return max(len(self._items) - self._top - self._room, 0)

    def follow(self, on: bool) -> None:
        """Go to the newest line and stay there; or stand still."""
        self.following = on
        self._settle()
        self.redraw()
        self.post_message(self.Moved())

    def action_follow(self) -> None:
        self.follow(True)

    def action_first(self) -> None:
        self.action_cursor(-len(self._items))

    def action_cursor(self, step: int) -> None:
        """Move the cursor; whoever moves it wants to read, so following ends."""
        self.following = False
        self._go(self._cursor + step)
        self.redraw()
        self.post_message(self.Moved())

    def action_page(self, direction: int) -> None:
        self.action_cursor(direction * max(self._room - 1, 1))

    def action_choose(self) -> None:
        if self.selected is not None:
            self.post_message(self.Chosen(self.selected))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self._top + offset.y >= len(self._items):
            return
        step = self._top + offset.y - self._cursor
        if step:
            self.action_cursor(step)
        else:
            self.action_choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_cursor(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_cursor(-_WHEEL)

    def watch_has_focus(self, _has_focus: bool) -> None:
        # Not on_blur: that comes before has_focus has changed.
        super().watch_has_focus(_has_focus)
        self.redraw()

    # Where the cursor is

    @property
    def _room(self) -> int:
        return max(self.content_size.height, 1)

    @property
    def _groups(self) -> bool:
        return bool(self._items) and isinstance(self._items[0], LineGroup)

    def _settle(self) -> None:
        """Find the cursor's line again in a list that has changed, and keep it in its row."""
        if self.following and not self._groups:
            self._go(len(self._items) - 1)
            return
        row = self._cursor - self._top
        place = self._found()
        self._top = place - row
        self._go(place)

    def _found(self) -> int:
        match self._anchors.get(self._groups):
            case LogLine() as line:
                return bisect_left(self._items, line.id, key=_id)
            case LineGroup() as group:
                places = (i for i, item in enumerate(self._items) if _key(item) == group.key)
                return next(places, self._cursor)
        return 0 if self._groups else len(self._items) - 1

    def _go(self, place: int) -> None:
        self._cursor = max(min(place, len(self._items) - 1), 0)
        self._top = min(max(self._top, self._cursor - self._room + 1), self._cursor)
        self._top = max(min(self._top, len(self._items) - self._room), 0)
        if self._items:
            self._anchors[self._groups] = self.selected

    # Drawing

    def build(self, width: int, height: int) -> list[Cells]:
        # The room is known only here after a change of size.
        self._go(self._cursor)
        if not self._items:
            return [fit((self.text(f"  {self._empty}", "muted"),), width, self.ellipsis)]
        shown = self._items[self._top : self._top + height]
        return [self._row(item, i == self._cursor, width) for i, item in enumerate(shown, self._top)]

    def _row(self, item: Item, chosen: bool, width: int) -> Cells:
        bar = self.text(self.look.glyphs["cursor"], "accent") if chosen and self.has_focus else Segment(" ")
        row = [bar, *self._cells(item, width - 1)]
        if not chosen or (self.look.palette.ansi and not self.has_focus):
            return row
        if not self.has_focus:
            return behind(row, self.look("text", on="panel"))
        if self.look.palette.ansi:
            return restyle(row, self.look("strong", bold=True, on="raised"))
        return behind(row, self.look("text", on="raised"))

    def _cells(self, item: Item, width: int) -> list[Segment]:
        line, count, origin = (item, 0, item.origin) if isinstance(item, LogLine) else _of_group(item)
        look, wide = self.look, width >= _WIDE
        state = state_of(line.level)
        loud = "text" if state.calm else state.role
        columns: list[tuple[Cells, int, bool]] = []
        if count:
            columns.append((cells(f"{count:,} x", look("strong", bold=True)), _COUNT, True))
        columns.append((cells(fmt.clock(line.at), look("muted")), _TIME, False))
        columns.append((cells(look.glyphs[state.glyph], look(state.role)), 1, False))
        if wide:
            columns.append((cells(state.word, look("muted" if state.calm else state.role)), _WORD, False))
            if self._with_source:
                columns.append((cells(line.source, look("faint")), _SOURCE, False))
        columns.append((cells(origin, look("muted")), _ORIGIN if wide else _ORIGIN_COMPACT, False))
        row: list[Segment] = []
        for content, size, right in columns:
            row += fit(content, size, self.ellipsis, right=right)
            row.append(Segment(" "))
            width -= size + 1
        role = "faint" if line.level == "debug" else loud
        return [*row, *fit(cells(line.text, look(role)), max(width, 0), self.ellipsis)]


def _of_group(group: LineGroup) -> tuple[LogLine, int, str]:
    """The line that stands for a group, how many there are, and who wrote them."""
    same = group.key.origin == group.newest.origin
    return group.newest, group.count, group.newest.origin if same else "(several)"


def _id(item: Item) -> int:
    return item.id if isinstance(item, LogLine) else 0


def _key(item: Item) -> object:
    return item.key if isinstance(item, LineGroup) else None
