"""Screens with a window of time: which one, compared with what, and the series read for it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType

from console.domain.errors import TradexError
from console.domain.metric import Series
from screens.base import EVERYTHING, ConsoleScreen
from widgets.cells import Cells, cells, join, measure, piece, space, spread
from widgets.line_widget import LineWidget

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Window:
    """A span that ends now, in buckets of `step_s` seconds (never shorter than a tick)."""

    name: str
    span: timedelta
    step_s: float

    def points(self, tick_s: float) -> int:
        """How many buckets; a bucket shorter than a tick would mostly be empty."""
        return max(round(self.span.total_seconds() / max(self.step_s, tick_s)), 2)


WINDOWS = (
    Window("15m", timedelta(minutes=15), 10),
    Window("1h", timedelta(hours=1), 30),
    Window("6h", timedelta(hours=6), 180),
    Window("24h", DAY, 600),
)
LIVE = 1
"""The window that the snapshot's trends cover: drawn from them with every tick, never read."""


class WindowBar(LineWidget):
    """The windows as chips; at the right what is drawn and how."""

    DEFAULT_CSS = "WindowBar { height: 1; }"

    def __init__(self, *, id: str = "window") -> None:
        super().__init__(id=id)
        self._active = LIVE
        self._parts: Sequence[Cells] = ()
        self._head: Cells = ()

    def show(self, active: int, parts: Sequence[Cells], *, head: Cells = ()) -> None:
        """`parts` stand at the right; the first ones go first where there is no room."""
        self._active, self._parts, self._head = active, parts, head
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        left: list[Segment] = [Segment(" "), *(self._head or (self.text("window", "faint"),)), Segment("  ")]
        for i, window in enumerate(WINDOWS):
            style = self.look.chip("accent") if i == self._active else self.look("muted")
            left += [Segment(f" {window.name} ", style), Segment(" ")]
        parts = list(self._parts)
        right = join(parts, space(3))
        while parts and measure(left) + measure(right) + 2 > width:
            parts.pop(0)
            right = join(parts, space(3))
        return [spread(left, (*right, Segment(" ")), width, self.ellipsis)]


class WindowedScreen(ConsoleScreen):
    """A screen that reads series for a window. Subclasses name them and draw `self.series`, `self.earlier`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "window(1)", "window", key_display="[ ]", id="window.next"),
        Binding("left_square_bracket", "window(-1)", "window", show=False, id="window.previous"),
        Binding("w", "cycle_window", "window", show=False, id="window.cycle"),
        Binding("c", "compare", "compare", id="window.compare"),
    ]

    def __init__(self, *, number: int | None = None, window: int = LIVE) -> None:
        super().__init__(number=number)
        self.window_index = window
        self.compare = False
        self.series: Mapping[str, Series] = {}
        self.earlier: Mapping[str, Series] = {}
        self.failed = ""
        self._read_at: datetime | None = None

    @property
    def window(self) -> Window:
        return WINDOWS[self.window_index]

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first and the last bucket's time; before anything was read, the window up to now."""
        first = next(iter(self.series.values()), None)
        if first is None:
            return self.now - self.window.span, self.now
        return first.start, first.start + timedelta(seconds=first.step_s * max(len(first.values) - 1, 1))

    def series_names(self) -> Sequence[str]:
        """The metrics to read."""
        raise NotImplementedError

    def draw_series(self) -> None:
        """Draw what was read."""
        raise NotImplementedError

    def update(self, changed: frozenset[str]) -> None:
        """Follow the ticks: at once where the trends do, else when a bucket has passed."""
        if self.window_index == LIVE and changed & {"trends", "metrics"}:
            trends = self.snapshot.trends
            self.series = {n: trends[n] for n in self.series_names() if n in trends}
        self.reload(force=False)
        self.draw_series()

    def reload(self, *, force: bool = True) -> None:
        """Read in the background what the trends don't hold; a newer call replaces an older one."""
        if self.window_index == LIVE and not self.compare:
            return
        step = timedelta(seconds=self.window.span.total_seconds() / self.window.points(self._tick_s()))
        if not force and self._read_at is not None and self.now - self._read_at < step:
            return
        self._read_at = self.now
        self.run_worker(self._read(), group="series", exclusive=True, exit_on_error=False)

    def _tick_s(self) -> float:
        return self.snapshot.agent.tick_s

    async def _read(self) -> None:
        names, window = list(self.series_names()), self.window
        points = window.points(self._tick_s())
        query = self.feed.query
        try:
            if self.window_index != LIVE:
                self.series = await query.series(names, window.span, points)
            self.earlier = await query.series(names, window.span, points, ago=DAY) if self.compare else {}
            self.failed = ""
        except TradexError as error:
            # What was drawn stays; the reason is shown beside the window.
            self.failed = str(error)
            self._read_at = None
        except asyncio.CancelledError:
            self._read_at = None
            raise
        if self.is_attached:
            self.draw_series()

    def action_window(self, step: int) -> None:
        """The next longer or shorter window."""
        self._choose(min(max(self.window_index + step, 0), len(WINDOWS) - 1))

    def action_cycle_window(self) -> None:
        self._choose((self.window_index + 1) % len(WINDOWS))

    def _choose(self, index: int) -> None:
        if index != self.window_index:
            self.window_index = index
            self._restart()

    def action_compare(self) -> None:
        """The same time yesterday, or not."""
        self.compare = not self.compare
        self._restart()

    def _restart(self) -> None:
        self.series, self.earlier, self._read_at, self.failed = {}, {}, None, ""
        self.reload()
        self.update(EVERYTHING)

    def bar_parts(self) -> list[Cells]:
        """The right end of the window bar: bucket size, comparison, and whether this is live."""
        text = self.look
        if self.failed:
            return [cells(f"{self.look.glyphs['warn']} the window could not be read", text("warn"))]
        points = self.window.points(self._tick_s())
        step = self.window.span.total_seconds() / points
        size = f"{step:g} s" if step < 120 else f"{step / 60:g} min"
        count = f", {points} points" if self.app.size.width >= 100 else ""
        live = self.trouble is None
        return [
            cells(f"{size} buckets{count}", text("muted")),
            (
                piece("compare ", text("muted")),
                piece("yesterday", text("accent")) if self.compare else piece("off", text("text")),
            ),
            (
                piece("live " if live else "not live ", text("muted")),
                piece(self.look.glyphs["ok" if live else "stale"], text("ok" if live else "stale")),
            ),
        ]
