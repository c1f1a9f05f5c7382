"""A plot with axes: curves over time, a limit, markers. Drawn by plotext 6, finished here in cells.

plotext draws the canvas and the y axis (build -> ANSI -> Text.from_ansi -> cells). What it cannot do is laid over
the blank cells afterwards: the limit as a dashed row, dotted rows at the other ticks, dashed columns for
markers. Curves carry a code of a role, not a colour, so that every palette is applied by meaning. plotext is
imported after the first paint: it takes longer than everything else on a screen.
"""

import asyncio
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from types import ModuleType

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from console.domain.text import printable
from widgets.cells import EMPTY, Cells, fit, spread
from widgets.glyphs import Glyphs
from widgets.line_widget import LineWidget
from widgets.opened import Openable
from widgets.scale import Axis
from widgets.times import time_axis

_MAX_POINTS = 1000
_IDLE_S = 2.0
_AXIS_CODE = 15
_ASCII_MARKS = {"s1": ".", "s2": "+", "s3": "*", "crit": "X", "warn": "X"}

_engine: ModuleType | None = None


def load() -> None:
    """Import plotext; plots show nothing before. Takes about 0.2 s, so never before the first paint."""
    global _engine
    if _engine is None:
        module = importlib.import_module("plotext")
        module.terminal.limit(False, False)
        _engine = module


@dataclass(frozen=True, slots=True)
class Curve:
    """Equally spaced values over the chart's time; None leaves a gap. `over` recolours the part beyond the limit."""

    role: str
    values: tuple[float | None, ...]
    over: bool = False


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment to point out, with a short label."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything a plot shows; equal charts are not drawn twice.

    `floor`: values *below* the limit are the bad ones. `log`: the y axis is logarithmic (its ticks too).
    """

    curves: tuple[Curve, ...]
    start: datetime
    end: datetime
    y: Axis
    limit: float | None = None
    limit_role: str = "crit"
    floor: bool = False
    log: bool = False
    markers: tuple[Marker, ...] = ()

    @property
    def empty(self) -> bool:
        return not any(_finite(v) for curve in self.curves for v in curve.values)


class Plot(LineWidget):
    """Shows a Chart below one line of words (`head` left, `fact` right, when given)."""

    def __init__(self, *, id: str, classes: str = "panel", empty: str = "no data in this window") -> None:
        super().__init__(id=id, classes=classes)
        self._chart: Chart | None = None
        self._head: Cells = EMPTY
        self._fact: Cells = EMPTY
        self._empty = empty
        self._fetching = False
        self._drawn: tuple[Chart, int, int, str] | None = None
        self._rows: list[list[tuple[str, str]]] = []

    def on_mount(self) -> None:
        # Before anybody looks at a plot, but well after the first screen is full: the import takes the same core.
        if _engine is None:
            self.set_timer(_IDLE_S, self._fetch_engine)

    def _fetch_engine(self) -> None:
        async def fetch() -> None:
            await asyncio.to_thread(load)
            self.redraw()

        if not self._fetching:
            self._fetching = True
            self.run_worker(fetch(), group="plot-engine", exit_on_error=False)

    @property
    def ticks(self) -> int:
        """How many ticks a y axis should have; those that would crowd are left out when it is drawn."""
        return min(max(self.content_size.height // 3, 6), 8)

    def show(self, chart: Chart | None, *, head: Cells = EMPTY, fact: Cells = EMPTY) -> None:
        if (chart, head, fact) != (self._chart, self._head, self._fact):
            self._chart, self._head, self._fact = chart, head, fact
            self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        lines: list[Cells] = []
        if self._head or self._fact:
            lines.append(spread(self._head, self._fact, width, self.ellipsis))
        rows = height - len(lines)
        chart = self._chart
        if chart is None or rows < 3 or width < 16:
            return lines
        if _engine is None:
            self._fetch_engine()
            return lines
        if chart.empty:
            lines.extend(EMPTY for _ in range(max(rows // 2 - 1, 0)))
            lines.append(
                fit((Segment(" " * ((width - len(self._empty)) // 2)), self._word()), width, self.ellipsis)
            )
            return lines
        key = (chart, width, rows, self.look.glyphs.name)
        if key != self._drawn:
            self._rows = draw(chart, width, rows, self.look.glyphs)
            self._drawn = key
        lines.extend(self._styled(row) for row in self._rows)
        return lines

    def _word(self) -> Segment:
        return self.text(self._empty, "muted")

    def _styled(self, row: Sequence[tuple[str, str]]) -> list[Segment]:
        segments: list[Segment] = []
        run, run_role = "", ""
        for char, role in row:
            if run and role != run_role and char != " ":
                segments.append(Segment(run, self._style(run_role)))
                run = ""
            if char != " " or not run:
                run_role = role
            run += char
        if run:
            segments.append(Segment(run, self._style(run_role)))
        return segments

    def _style(self, role: str) -> Style | None:
        return self.look(role) if role else None


class ChartPanel(Plot, Openable, can_focus=True):
    """A plot that can be opened."""


def draw(chart: Chart, width: int, height: int, glyphs: Glyphs) -> list[list[tuple[str, str]]]:
    """The plot as rows of (character, role); the last row holds the times. Needs `load()` before."""
    if _engine is None:
        raise RuntimeError("plot.load() must come before plot.draw()")
    figure = _engine.figure
    places = [(v, chart.y.label(v)) for v in _shown_ticks(chart, height - 1)]
    label_width = max(len(label) for _, label in places)
    figure.clear()
    figure.plot_size(width, height)
    figure.canvas("default")
    figure.axes(False)
    figure.legend(False)
    points = max((len(c.values) for c in chart.curves), default=2)
    roles: list[str] = []
    for curve in chart.curves:
        for role, xs, ys in _runs(curve, chart):
            if role not in roles:
                roles.append(role)
            mark = "braille" if glyphs.braille else _ASCII_MARKS.get(role, "*")
            marker = _engine.marker(mark, _engine.pixel(roles.index(role) + 1))
            figure.draw(figure.signal(xs, ys, marker=marker).lines(True))
    y = figure.ruler("y")
    y.lim(_height_of(chart, chart.y.low), _height_of(chart, chart.y.high))
    y.pixel(_engine.pixel(_AXIS_CODE))
    y.ticks(
        [_height_of(chart, v) for v, _ in places], labels=[f"{label:>{label_width}} " for _, label in places]
    )
    x = figure.ruler("x")
    x.lim(0, max(points - 1, 1))
    x.pixel(_engine.pixel(_AXIS_CODE))
    x.ticks([0], labels=[" "])
    text = Text.from_ansi(figure.build().string())
    rows = [_cells(line, roles, width) for line in text.split("\n")[:height]]
    left = label_width + 1
    times = " " * left + time_axis(chart.start, chart.end, width - left)
    rows[-1] = [(char, "faint") for char in times]
    _overlay(rows[:-1], chart, left, glyphs)
    return rows


def _height_of(chart: Chart, value: float) -> float:
    return math.log10(max(value, 1e-9)) if chart.log else value


def _shown_ticks(chart: Chart, rows: int) -> list[float]:
    """The ticks that get a label: the limit, and of the others what stays two rows away from it and from each other."""
    low, high = _height_of(chart, chart.y.low), _height_of(chart, chart.y.high)

    def row(value: float) -> int:
        return round((_height_of(chart, value) - low) / (high - low) * max(rows - 1, 1))

    limit = chart.limit if chart.limit is not None and low <= _height_of(chart, chart.limit) <= high else None
    kept: list[float] = [] if limit is None else [limit]
    ends = (chart.y.ticks[0], chart.y.ticks[-1])
    for tick in _apart(chart, row):
        nearest = 1 if tick in ends else 2
        if limit is None or abs(row(tick) - row(limit)) >= nearest:
            kept.append(tick)
    return sorted(kept)


def _apart(chart: Chart, row: Callable[[float], int]) -> Sequence[float]:
    """Ticks with two rows between them and equal steps: each, or each second, third ..; both ends where only two
    have room. A logarithmic axis has no equal steps: its ends, and what has room."""
    ticks = chart.y.ticks
    first, last = ticks[0], ticks[-1]
    if chart.log:
        kept = [first, last]
        for tick in ticks[1:-1]:
            if all(abs(row(tick) - row(other)) >= 2 for other in kept):
                kept.append(tick)
        return kept
    for step in range(1, len(ticks) // 2 + 1):
        shown = ticks[::step]
        if len(shown) > 2 and all(row(b) - row(a) >= 2 for a, b in pairwise(shown)):
            return shown
    return (first, last)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _runs(curve: Curve, chart: Chart) -> list[tuple[str, list[float], list[float]]]:
    """Unbroken stretches of a curve as (role, xs, ys), cut where it crosses the limit."""
    runs: list[tuple[str, list[float], list[float]]] = []
    limit = chart.limit if curve.over else None

    def beyond(value: float) -> bool:
        return limit is not None and (value < limit if chart.floor else value > limit)

    xs: list[float] = []
    ys: list[float] = []
    role = curve.role
    step = max(len(curve.values) // _MAX_POINTS, 1)
    for x in range(0, len(curve.values), step):
        value = curve.values[x]
        # Not-a-number never reaches plotext: it ends the whole process.
        if value is None or not math.isfinite(value) or (chart.log and value <= 0):
            if xs:
                runs.append((role, xs, ys))
            xs, ys = [], []
            continue
        # Beyond the axis is drawn on its edge, so that a peak is never missing.
        shown = _height_of(chart, min(max(value, chart.y.low), chart.y.high))
        own = chart.limit_role if beyond(value) else curve.role
        if xs and own != role and limit is not None:
            edge = _height_of(chart, limit)
            share = (edge - ys[-1]) / (shown - ys[-1]) if shown != ys[-1] else 0.0
            cross = xs[-1] + min(max(share, 0.0), 1.0) * (x - xs[-1])
            runs.append((role, [*xs, cross], [*ys, edge]))
            xs, ys = [cross], [edge]
        role = own
        xs.append(float(x))
        ys.append(shown)
    if xs:
        runs.append((role, xs, ys))
    # What is over the limit is drawn last: a cell has one colour, and it must be that one.
    return sorted(runs, key=lambda r: r[0] == chart.limit_role)


def _cells(line: Text, roles: Sequence[str], width: int) -> list[tuple[str, str]]:
    """One line of plotext's as (character, role) per cell."""
    row = [(char, "") for char in line.plain[:width]]
    row += [(" ", "")] * (width - len(row))
    for span in line.spans:
        color = span.style.color if isinstance(span.style, Style) else None
        if color is None or color.number is None:
            continue
        role = "faint" if color.number == _AXIS_CODE else roles[color.number - 1]
        for i in range(span.start, min(span.end, width)):
            row[i] = (row[i][0], role)
    return row


def _narrow(label: str) -> str:
    """A marker's label in characters of one cell each: it is laid over cells one by one."""
    return "".join(char if cell_len(char) == 1 else "?" for char in printable(label, 24))


def _overlay(rows: list[list[tuple[str, str]]], chart: Chart, left: int, glyphs: Glyphs) -> None:
    """Lay the limit, dotted rows and markers over the blank cells."""

    limit_label = None if chart.limit is None else chart.y.label(chart.limit)
    for row in rows:
        label = "".join(char for char, _ in row[:left]).strip()
        if not label:
            continue
        is_limit = label == limit_label
        for x in range(left):
            row[x] = (row[x][0], chart.limit_role if is_limit else "faint")
        for x in range(left, len(row)):
            if row[x][0] != " ":
                continue
            if is_limit:
                row[x] = (glyphs["limit"], chart.limit_role)
            elif (x - left) % 2 == 0:
                row[x] = (glyphs["dot"], "grid")
    span = (chart.end - chart.start).total_seconds()
    columns: list[tuple[int, str]] = []
    for marker in chart.markers:
        share = (marker.at - chart.start).total_seconds() / span if span else -1.0
        if 0 <= share <= 1:
            columns.append((left + round(share * (len(rows[0]) - left - 1)), _narrow(marker.label)))
    for x, _ in columns:
        for row in rows:
            if row[x][0] in (" ", glyphs["dot"]):
                row[x] = (glyphs["marker"], "faint")
    # A label ends where the next marker stands; of those at one place the last is named. One that the edge would cut
    # stands left of its marker, where there is room.
    taken = {x for x, _ in columns}

    def free(x: int) -> bool:
        return left <= x < len(rows[0]) and x not in taken and rows[0][x][1] in ("", "grid")

    for column, label in dict(columns).items():
        before = column - len(label)
        cut = column + len(label) >= len(rows[0])
        beside = before if cut and all(map(free, range(before, column))) else column + 1
        for x, char in enumerate(label, beside):
            if not free(x):
                break
            rows[0][x] = (char, "faint")
