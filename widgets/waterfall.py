"""Steps over time: where each stands on one axis, and the axis itself with `now`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain import format as fmt
from console.domain.action import StepState
from console.domain.forecast import Stretch
from widgets.cells import EMPTY, Cells, piece
from widgets.look import Look
from widgets.times import stopwatch

_SECONDS_BELOW = timedelta(minutes=6)
_LEAST = timedelta(seconds=1)
_OVER = {StepState.FAILED: "crit", StepState.SKIPPED: "grid", StepState.CANCELLED: "grid"}


@dataclass(frozen=True, slots=True)
class TimeScale:
    """`width` cells from `start` to `end`. `now` is None where all is over."""

    start: datetime
    end: datetime
    width: int
    now: datetime | None = None

    def cell(self, at: datetime) -> int:
        """Where a moment stands, from 0 to `width` - 1."""
        share = (at - self.start) / (self.end - self.start)
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)


def scale_of(rows: Iterable[Stretch], start: datetime, now: datetime, width: int, *, over: bool) -> TimeScale:
    """The scale that holds all rows, and now unless all is `over`."""
    known = [at for row in rows for at in (row.start, row.end) if at is not None]
    first = min([start, *known])
    last = max([*known, first + _LEAST] if over else [*known, now, first + _LEAST])
    return TimeScale(first, last, max(width, 1), None if over else now)


def bar_parts(row: Stretch, scale: TimeScale) -> list[tuple[str, str, int, int]]:
    """The bar of a row as (glyph, role, first cell, cell after the last): done or failed, what runs with what is left
    of it, what is predicted. Nothing for a step of which nobody knows when."""
    if row.start is None:
        return []
    first = scale.cell(row.start)
    end = None if row.end is None else scale.cell(row.end) + 1
    if row.over:
        return [("bar", _OVER.get(row.state, "oklo"), first, max(end or 0, first + 1))]
    if not row.began:
        return [] if end is None else [("limit", "faint", first, max(end, first + 1))]
    now = max(scale.cell(scale.now or scale.end) + 1, first + 1)
    parts = [("bar", "accent", first, now)]
    if end is not None and end > now:
        parts.append(("bar-rest", "faint", now, end))
    return parts


def bar_cells(row: Stretch, scale: TimeScale, look: Look) -> Cells:
    """The same in cells."""
    line, place = [], 0
    for glyph, role, first, last in bar_parts(row, scale):
        if first > place:
            line.append(piece(" " * (first - place)))
        line.append(piece(look.glyphs[glyph] * (last - first), look(role)))
        place = last
    return line


def axis_labels(scale: TimeScale) -> list[tuple[int, str, bool]]:
    """(cell, text, whether it is now), from left to right: both ends, and now, before which an end gives way."""
    seconds = scale.end - scale.start < _SECONDS_BELOW
    labels: list[tuple[int, str, bool]] = []
    begin, end = fmt.clock(scale.start, seconds=seconds), fmt.clock(scale.end, seconds=seconds)
    taken = (scale.width, 0)
    if scale.now is not None:
        text = f"{fmt.clock(scale.now, seconds=seconds)} now"
        if len(text) > scale.width:
            return []
        place = min(scale.cell(scale.now), scale.width - len(text))
        labels, taken = [(place, text, True)], (place, place + len(text))
    if len(begin) < taken[0]:
        labels.insert(0, (0, begin, False))
    if scale.width - len(end) > max(taken[1], len(begin)):
        labels.append((scale.width - len(end), end, False))
    return labels


def axis_cells(scale: TimeScale, look: Look) -> Cells:
    """The axis as a row of cells."""
    line, place = [], 0
    for cell, text, is_now in axis_labels(scale):
        line += [piece(" " * (cell - place)), piece(text, look("accent" if is_now else "faint"))]
        place = cell + len(text)
    return line or EMPTY


def state_words(row: Stretch, now: datetime) -> str:
    """`done`, `62 %`, `waiting`, `not run`."""
    if row.never:
        return "not run"
    if row.state is StepState.RUNNING:
        share = row.share(now)
        word = "watching" if not row.name else "running"
        return word if share is None else f"{int(share * 100)} %"
    return "waiting" if row.state is StepState.PENDING else str(row.state)


def time_words(row: Stretch, now: datetime) -> str:
    """`1:12` that it took or takes by now, `~4:00` that it may take; "" where nobody knows."""
    if row.began and row.start is not None:
        return stopwatch((row.end if row.over and row.end is not None else now) - row.start)
    if row.start is None or row.end is None:
        return ""
    return f"~{stopwatch(row.end - row.start)}"
