"""The platform's logs, live: follow, stand still, filter, count equal lines, open one."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from console.domain.errors import Misuse
from console.domain.log_lines import LineGroup, LogFilter, LogLines, grouped, pattern, template
from screens.aim import Aim, at_line
from screens.base import ConsoleScreen, Layout
from screens.log_detail import LogDetail
from screens.log_reading import LogReading
from widgets.cells import Cells, join, measure, piece, space, spread
from widgets.field import FilterField
from widgets.line_widget import LineWidget
from widgets.log_view import LogView
from widgets.notice import Notice
from widgets.panel import set_title

# While lines flood in, the screen is read and drawn so often; the first one after a pause is shown at once.
_REST_S = 0.5
_POLL_SECONDS = 4
_TYPING_S = 0.1
_SLICE = 500


class LogHead(LineWidget):
    """Which log, what is filtered; at the right how many lines there are and are not."""

    DEFAULT_CSS = "LogHead { height: 1; }"

    def __init__(self) -> None:
        super().__init__(id="log-head")
        self._left: Cells = ()
        self._right: Sequence[Cells] = ()

    def show(self, left: Cells, right: Sequence[Cells]) -> None:
        """Where there is no room the first parts at the right go, but for the last two; then the left is cut."""
        self._left, self._right = left, right
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        parts = list(self._right)
        while len(parts) > 2 and measure(self._left) + measure(join(parts, space(3))) + 2 > width:
            parts.pop(0)
        return [spread(self._left, (*join(parts, space(3)), Segment(" ")), width, self.ellipsis)]


class LogScreen(ConsoleScreen):
    """Opened from anywhere. Keeps the last 20,000 lines and reads on where it stopped."""

    TITLE: ClassVar[str | None] = "Logs"
    AUTO_FOCUS: ClassVar[str | None] = "#log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", key_display="space", id="logs.pause"),
        Binding("slash", "filter", "filter", id="logs.filter"),
        Binding("g", "group", "group", id="logs.group"),
        Binding("s", "source", "source", id="logs.source"),
        Binding("f", "follow", "follow", id="logs.follow"),
        # What leads here from everywhere.
        Binding("l", "follow", "follow", show=False, id="logs.here"),
        Binding("escape", "back", "back", id="logs.back"),
        Binding("e", "errors", "errors", id="logs.errors"),
        Binding("down", "move(1)", "select", show=False, id="logs.down"),
        Binding("up", "move(-1)", "select", show=False, id="logs.up"),
    ]

    def __init__(self, *, number: int | None = None) -> None:
        super().__init__(number=number)
        self._reading = LogReading(lambda: self.feed.query, lambda: not self._view.following)
        self._grouping = False
        self._typed = self._title = ""
        self._goes_back = False
        self._seconds = 0
        self._newest = self.follow(self._read, self._draw, "log", what="the logs", rest_s=_REST_S)

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield LogHead()
            yield Notice(id="log-notice")
            yield FilterField(id="log-filter", placeholder="regular expression")
            yield LogView(id="log")

    def aimed_at(self) -> Aim:
        item = self._view.selected
        return Aim() if item is None else at_line(item.newest if isinstance(item, LineGroup) else item)

    @property
    def _view(self) -> LogView:
        return self.query_one("#log", LogView)

    @property
    def lines(self) -> LogLines:
        """What is kept."""
        return self._reading.lines

    # Reading

    async def _read(self) -> None:
        await self._reading.read(sources=self._seconds == 0)
        if not self._goes_back:
            self._goes_back = True
            self.run_worker(self._read_older(), group="older", exit_on_error=False)

    async def _read_older(self) -> None:
        """A page at a time, so that keys are answered in between."""
        try:
            while await self._reading.read_older():
                self._draw()
        finally:
            self._goes_back = False

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if changed & {"link", "agent"}:
            self._newest.again()
        self._draw()

    def update_ages(self) -> None:
        self._seconds = (self._seconds + 1) % _POLL_SECONDS
        if self._seconds == 0:
            # A hint can be lost.
            self._newest.again()

    def _draw(self) -> None:
        if not self._framed:
            return
        self._draw_view()
        self._draw_head()
        notice = self.query_one("#log-notice", Notice)
        text, role, glyph = self._said()
        notice.say(text, role=role, glyph=glyph)

    def _draw_view(self) -> None:
        wanted, view = self.lines.filter, self._view
        items = grouped(self.lines.shown) if self._shows_groups else self.lines.shown
        empty = "no line yet" if not len(self.lines) else "no line passes the filter"
        view.show(items, empty=empty, with_source=wanted.source is None)
        title = wanted.group.template if wanted.group else "Equal lines" if self._grouping else "Logs"
        if title != self._title:
            # A border that is set is drawn, and all that is in it.
            self._title = title
            set_title(view, title)

    def _state(self) -> Cells:
        """Whether lines come in as they are written, or somebody stands still."""
        look, view = self.look, self._view
        if view.following:
            away = self.trouble is not None and self.trouble.kind in ("store", "agent")
            live = not away and not self._reading.failed
            word, role = ("following", "ok") if live else ("not live", "stale")
            return piece(f"{word} ", look("muted")), piece(look.glyphs[role], look(role))
        newer = self._reading.waiting + (0 if self._shows_groups else view.below)
        words = (piece("paused", look("pending", bold=True)),)
        return (*words, piece(f", {newer:,} newer", look("muted"))) if newer else words

    def _draw_head(self) -> None:
        look, wanted = self.look, self.lines.filter
        compact = self.arrangement is Layout.COMPACT
        left: list[Segment] = [Segment(" ")]
        for name in (None, *(source.name for source in self._reading.sources)):
            style = look.chip("accent") if name == wanted.source else look("muted")
            left += [piece(f" {name or 'all'} ", style), Segment("" if compact else " ")]
        if wanted.level != "debug":
            left += [Segment(" "), piece(" errors only ", look.chip("crit"))]
        if self._reading.pattern:
            left += [Segment("  "), piece(f"/{self._reading.pattern}/", look("accent", bold=True))]
        shown, hidden = len(self.lines.shown), self.lines.hidden
        right: list[Cells] = []
        if self.lines.dropped:
            right.append((piece(f"{self.lines.dropped:,} left out", look("muted")),))
        words = " line" if shown == 1 else " lines"
        words += f", {hidden:,} hidden" if hidden else ""
        if hidden and compact:
            words = f" of {len(self.lines):,}"
        right.append((piece(f"{shown:,}", look("strong", bold=True)), piece(words, look("muted"))))
        right.append(self._state())
        self.query_one(LogHead).show(left, right)

    def _said(self) -> tuple[str, str, str]:
        """What is wrong, its colour and glyph: with the filter, with the reading, with a log."""
        if self._reading.problem:
            return self._reading.problem, "warn", "warn"
        if self._reading.failed:
            return self._reading.failed, "crit", "crit"
        reasons = [f"{source.name}: {source.reason}" for source in self._reading.sources if source.reason]
        broken = any(s.reason and not s.reason.startswith("no source") for s in self._reading.sources)
        return "; ".join(reasons), "warn" if broken else "muted", "warn" if broken else "none"

    # Filtering

    @property
    def _shows_groups(self) -> bool:
        return self._grouping and self.lines.filter.group is None

    def _choose(self, wanted: LogFilter) -> None:
        self._reading.choose(wanted)
        self._draw()

    def action_source(self) -> None:
        """The next log, or all of them."""
        names = [None, *(source.name for source in self._reading.sources)]
        wanted = self.lines.filter
        place = names.index(wanted.source) if wanted.source in names else 0
        self._choose(replace(wanted, source=names[(place + 1) % len(names)], group=None))

    def action_errors(self) -> None:
        """Errors only, or everything."""
        wanted = self.lines.filter
        level = "error" if wanted.level != "error" else "debug"
        self._choose(replace(wanted, level=level, group=None))

    def action_filter(self) -> None:
        """Type a regular expression; it filters as it is typed."""
        field = self.query_one(FilterField)
        self._typed = field.value = self._reading.pattern
        field.cursor_position = len(field.value)
        field.open()

    def on_input_changed(self, event: Input.Changed) -> None:
        # What is typed is seen at once; all lines are looked through when the fingers rest.
        self.run_worker(self._typed_text(event.value), group="typing", exclusive=True, exit_on_error=False)

    async def _typed_text(self, text: str) -> None:
        await asyncio.sleep(_TYPING_S)
        if self.has_class("-filter"):
            self._try_pattern(text)

    def _try_pattern(self, text: str) -> bool:
        """Filter by this pattern; False when it is none or takes too long: the one before stays, and that is said."""
        before = self._reading.pattern
        try:
            wanted = pattern(text)
        except Misuse as error:
            stays = f"/{before}/ stays" if before else "nothing is filtered"
            self._reading.problem = f"{error}; {stays}"
            self._draw()
            return False
        if text != before:
            self._choose(replace(self.lines.filter, pattern=wanted, group=None))
            return not self._reading.problem
        self._reading.problem = ""
        self._draw()
        return True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._try_pattern(event.value):
            self._close_filter()

    def _close_filter(self) -> None:
        self.workers.cancel_group(self, "typing")
        self.remove_class("-filter")
        self._reading.problem = ""
        self._view.focus()
        self._draw()

    # Groups and lines

    def action_group(self) -> None:
        """Count equal lines, or show each."""
        if self._grouping:
            self._grouping = False
            self._choose(replace(self.lines.filter, group=None))
        else:
            self.run_worker(self._begin_grouping(), group="grouping", exclusive=True, exit_on_error=False)

    async def _begin_grouping(self) -> None:
        """The first comparison of many lines takes a while: in slices, so that keys are answered in between."""
        lines = list(self.lines.shown)
        for start in range(0, len(lines), _SLICE):
            for line in lines[start : start + _SLICE]:
                template(line.text)
            await asyncio.sleep(0)
        self._grouping = True
        self._draw()

    def on_log_view_chosen(self, event: LogView.Chosen) -> None:
        if isinstance(event.item, LineGroup):
            self._choose(replace(self.lines.filter, group=event.item.key))
        else:
            self.app.push_screen(LogDetail(event.item, number=self.number))

    def on_log_view_moved(self, event: LogView.Moved) -> None:
        if self._view.following and self._reading.waiting:
            self._newest.again()
        self._draw_head()

    def action_move(self, step: int) -> None:
        self._view.action_cursor(step)

    def action_follow(self) -> None:
        """The newest lines, as they come."""
        if self._shows_groups:
            self.action_group()
        self._view.follow(True)

    def action_pause(self) -> None:
        """Stand still, or follow again."""
        self._view.follow(not self._view.following)

    def action_back(self) -> None:
        """First out of the filter's field (as it was before), then of a group, of the groups, of the filter."""
        if self.has_class("-filter"):
            self._try_pattern(self._typed)
            self._close_filter()
        elif self.lines.filter.group is not None:
            self._choose(replace(self.lines.filter, group=None))
        elif self._grouping:
            self.action_group()
        elif self._reading.pattern:
            self._choose(replace(self.lines.filter, pattern=None))
        else:
            self.dismiss()
