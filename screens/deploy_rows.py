"""Rows and words of screen 7: the pipeline over time, the comparison with what was before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from console.domain import format as fmt
from console.domain.action import Action, StepState
from console.domain.canary import Compared, Comparison
from console.domain.forecast import Forecast, Stretch
from console.domain.metric import MetricSpec, Series
from console.domain.snapshot import Snapshot
from screens.action_rows import LABELS, action_lines, result_lines
from screens.paragraphs import Line
from widgets.action_states import action_state, step_state
from widgets.cells import EMPTY, Cells, cells, fit, join, piece, space
from widgets.charts import meter
from widgets.live_table import Column, Entry, Row
from widgets.look import Look
from widgets.plot import Chart, Curve, Marker
from widgets.scale import axis
from widgets.times import stopwatch
from widgets.waterfall import axis_cells, bar_cells, scale_of, state_words, time_words

_TITLE, _TIME, _STATE, _BAR = 26, 7, 9, 13
_TIME_NARROW, _STATE_NARROW = 6, 8


def pipeline(
    course: Forecast, look: Look, now: datetime, width: int, *, waterfall: bool, over: bool
) -> tuple[Sequence[Column], list[Entry]]:
    """Columns and rows of the steps in a table of `width` cells: with `waterfall` on one axis of time, else only what
    runs has a bar."""
    if waterfall:
        title = min(max((len(row.title) for row in course.rows), default=0), _TITLE)
        room = width - 1 - (1 + title + _TIME + _STATE) - 4
        scale = scale_of(course.rows, course.start, now, room, over=over)
        columns = (
            Column("", 1),
            Column("", title),
            Column(axis_cells(scale, look), None),
            Column("time", _TIME, right=True),
            Column("state", _STATE, right=True),
        )
        return columns, [_row(row, look, now, bar_cells(row, scale, look)) for row in course.rows]
    bars = any(row.share(now) is not None for row in course.rows)
    room = width - 2 - (_TIME_NARROW + _STATE_NARROW + 3) - (_BAR + 1 if bars else 0)
    # Cut, titles would say less than the short names that the pipeline's file has for the steps.
    short = any(len(row.title) > room for row in course.rows)
    columns = (
        Column("", 1),
        Column("", None),
        *((Column("", _BAR),) if bars else ()),
        Column("", _TIME_NARROW, right=True),
        Column("", _STATE_NARROW, right=True),
    )
    return columns, [
        _row(row, look, now, _meter(row, look, now) if bars else None, short=short) for row in course.rows
    ]


def _meter(row: Stretch, look: Look, now: datetime) -> Cells:
    share = row.share(now)
    return EMPTY if share is None else meter(share, _BAR, look, role="accent")


def _row(row: Stretch, look: Look, now: datetime, bar: Cells | None, *, short: bool = False) -> Row:
    state, runs = step_state(row.state), row.state is StepState.RUNNING
    title = row.name.replace("_", " ") if short and row.name else row.title
    ahead = row.state is StepState.PENDING
    role = "strong" if runs else "muted" if ahead else "text"
    word = look("strong", bold=True) if runs else look("muted" if state.calm else state.role)
    return Row(
        row.key,
        (
            cells(look.glyphs[state.glyph], look(state.role)),
            cells(title, look(role, bold=runs)),
            *(() if bar is None else (bar,)),
            cells(time_words(row, now), look("faint" if ahead else "text")),
            cells(state_words(row, now), word),
        ),
    )


def pipeline_words(course: Forecast, action: Action) -> str:
    """`step 5 of 8, 39 %, eta 03:25`; `going back`; of one that is over how long it took."""
    if action.state.final:
        return f"{action_state(action).word}, {stopwatch(course.elapsed)}" if action.started_at else ""
    if not course.steps or action.started_at is None:
        return ""
    if course.percent is None:
        return "going back"
    eta = "" if course.eta is None else f", eta {fmt.clock(course.eta, seconds=False)}"
    step = f"step {course.step} of {course.steps}" if course.step else course.name
    return f"{step}, {course.percent} %{eta}"


def times_line(course: Forecast, action: Action, look: Look) -> Line:
    """`elapsed 7:45   left 12:10   eta 03:25`, and how it stands as a chip."""
    state = action_state(action)
    chip = (piece(f" {look.glyphs[state.glyph]} {state.word.upper()} ", look.chip(state.role)),)
    if action.started_at is None:
        return cells("it has not begun", look("muted")), chip
    parts = [_named("took" if action.state.final else "elapsed", stopwatch(course.elapsed), look)]
    if course.left is not None and course.eta is not None:
        parts.append(_named("left", stopwatch(course.left), look))
        parts.append(_named("eta", fmt.clock(course.eta, seconds=course.left < timedelta(minutes=10)), look))
    return join(parts, space(3)), chip


def words_below(
    action: Action,
    course: Forecast,
    chosen: str | None,
    snapshot: Snapshot,
    look: Look,
    now: datetime,
    width: int,
    *,
    compact: bool,
) -> list[Line]:
    """What stands below the steps, with what the `chosen` one said: there is less room for it the more is known by its
    looks."""
    if compact:
        # There is room for one thing: of one that is over it is the result, of one that waits what for.
        return result_lines(action, look, width, most=4) if action.state.final else []
    lines = [times_line(course, action, look)]
    row = next((row for row in course.rows if row.key == chosen and row.text), None)
    if row is not None:
        state = step_state(row.state)
        role = "text" if state.calm else state.role
        lines += LABELS.text("step", f"{row.title}: {row.text}", look, width, most=1, role=role)
    return lines + action_lines(action, snapshot, look, now, width, most=2)[1:]


def _named(name: str, value: str, look: Look) -> Cells:
    return piece(f"{name} ", look("faint")), piece(value, look("strong", bold=True))


# --- the comparison ---------------------------------------------------------------------------------------------------

_NAMES = {
    "error_rate": "errors",
    "p95_execution_time": "p95",
    "p99_execution_time": "p99",
    "orders_per_minute": "orders",
}
_SIZES = (10, 5, 6, 14, 7)
_HEADS = ("", "now", "before", "change, 95 %", "allowed")


def comparison_lines(
    seen: Comparison, specs: Mapping[str, MetricSpec], look: Look, now: datetime, ended: datetime | None
) -> list[Line]:
    """A metric in each line: now, before, how much it changed at least and at most, how much it may; then how many
    orders that is from, and until when it is watched, or was where it has `ended`."""
    lines: list[Line] = []
    if seen.rows:
        lines.append((_columns([cells(head, look("muted")) for head in _HEADS], look), EMPTY))
        lines += [_compared(row, specs.get(row.name), look) for row in seen.rows]
    orders = (
        piece(f"{seen.of_now:,}", look("strong", bold=True)),
        piece(f" {'order' if seen.of_now == 1 else 'orders'} since ", look("muted")),
        piece(f"{fmt.clock(seen.since, seconds=False)}, {seen.of_before:,} before", look("muted")),
    )
    until, left = seen.until if ended is None else min(ended, seen.until), seen.until - now
    if ended is None and left > timedelta():
        end = piece("left ", look("faint")), piece(stopwatch(left), look("text"))
    else:
        end = (piece("until ", look("faint")), piece(fmt.clock(until, seconds=False), look("text")))
    return [*lines, (orders, end)]


def _columns(parts: Sequence[Cells], look: Look) -> Cells:
    more = piece(look.glyphs["ellipsis"], look("faint"))
    return join(
        [
            fit(part, size, more, right=i > 0)
            for i, (part, size) in enumerate(zip(parts, _SIZES, strict=True))
        ],
        space(1),
    )


def _compared(row: Compared, spec: MetricSpec | None, look: Look) -> Line:
    gap = "" if row.unit.startswith("/") else " "
    name = gap.join(filter(None, (_NAMES.get(row.name, row.title), row.unit)))

    def number(value: float | None, sign: str = "") -> str:
        if value is None:
            return fmt.NO_VALUE
        decimals = 0 if row.unit != "%" else 2 if abs(value) < 10 else 1
        if row.unit not in ("%", "ms", "/min") and spec is not None:
            decimals = spec.decimals
        return f"{value:{sign},.{decimals}f}"

    match row.low, row.high:
        case None, None:
            change = "" if row.allowed is None else fmt.NO_VALUE
        case low, None:
            change = f"{number(low, '+')} or more"
        case None, high:
            change = f"up to {number(high, '+')}"
        case low, high:
            change = f"{number(low, '+')} to {number(high, '+')}"
    loud, bold = ("crit", True) if row.bad else ("text", False)
    # What no rule is about can't be bad, and has its place for its name.
    sign = piece("" if row.allowed is None else f"{look.glyphs['crit'] if row.bad else ' '} ", look("crit"))
    parts: list[Cells] = [
        (sign, piece(name, look("crit" if row.bad else "muted"))),
        cells(number(row.now), look("crit" if row.bad else "strong", bold=True)),
        cells(number(row.before), look("text")),
        cells(change, look(loud, bold=bold)),
        cells("" if row.allowed is None else number(row.allowed, "+"), look("faint")),
    ]
    return _columns(parts, look), EMPTY


def plotted(seen: Comparison) -> str:
    """The metric whose course is worth seeing: the first that is bad, else p95."""
    names = [row.name for row in seen.rows]
    bad = next((row.name for row in seen.rows if row.bad), None)
    return bad or next((name for name in names if name.startswith("p95")), names[0] if names else "")


def comparison_chart(
    seen: Comparison, series: Series | None, spec: MetricSpec | None, version: str, ticks: int
) -> Chart | None:
    """One metric before and since, with a marker at the moment in between; None without a value."""
    if series is None or not any(value is not None for value in series.values):
        return None
    limit = None if spec is None else spec.limit
    return Chart(
        (Curve("s2", series.values, over=True),),
        start=series.start,
        end=series.start + timedelta(seconds=series.step_s * max(len(series.values) - 1, 1)),
        y=axis(
            series.values, limit=limit, ticks=ticks, decimals=0 if spec is None else min(spec.decimals, 1)
        ),
        limit=limit,
        limit_role="crit" if spec is not None and spec.critical is not None else "warn",
        markers=(Marker(seen.since, version),),
    )
