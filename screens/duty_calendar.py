"""How checklists went over the last days: one cell a day, how many in time, how many of them in a row; who ticked
what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.segment import Segment

from console.domain.duties import Past, Run, RunState, Standing, record
from screens.duty_rows import day
from screens.paragraphs import Line
from widgets.cells import EMPTY, Cells, cells, join, piece, space
from widgets.charts import meter
from widgets.live_table import Column, Entry, Note, Row
from widgets.look import Look

DAYS = 30
PERIOD = timedelta(days=DAYS)
_SIGNS = {
    RunState.DONE: ("square", "oklo", "on time"),
    RunState.LATE: ("warn", "warn", "late"),
    RunState.MISSED: ("failed", "crit", "missed"),
    RunState.OVERDUE: ("warn", "warn", "late"),
    RunState.DUE: ("running", "pending", "open"),
    RunState.OPEN: ("running", "muted", "open"),
}
_WORST = (RunState.MISSED, RunState.OVERDUE, RunState.LATE, RunState.DUE, RunState.OPEN, RunState.DONE)
_LABEL_EVERY = 4


def _days(now: datetime) -> list[datetime]:
    """The days of the calendar, the last one today, in UTC."""
    today = now.astimezone(UTC)
    return [today - timedelta(days=i) for i in range(DAYS - 1, -1, -1)]


def _gap(at: datetime, place: int) -> int:
    """A month begins apart."""
    return 1 if at.day == 1 and place else 0


def columns(now: datetime, look: Look, *, narrow: bool) -> tuple[Column, ...]:
    """The names take what the days leave. `narrow`: no blank between two days."""
    days, step = _days(now), 1 if narrow else 2
    width = step * (DAYS - 1) + 2 + sum(_gap(at, i) for i, at in enumerate(days))
    row, place = [" "] * width, 0
    for i, at in enumerate(days):
        place += _gap(at, i)
        if i == DAYS - 1 or (i % _LABEL_EVERY == 0 and i < DAYS - 2):
            label = str(at.day)
            row[place : place + len(label)] = label
        place += step
    text = "".join(row)
    title = (piece(text[:-2], look("faint")), piece(text[-2:], look("text", bold=True)))
    return Column("", None), Column(title, width), Column("", 5, right=True), Column("", 3, right=True)


def entries(
    standings: Sequence[Standing],
    past: Sequence[Past],
    look: Look,
    now: datetime,
    *,
    narrow: bool,
    greyed: bool,
) -> list[Entry]:
    """One row a checklist; what the signs mean below them."""
    rows: list[Entry] = [_row(s, past, look, now, narrow=narrow, greyed=greyed) for s in standings]
    if rows:
        rows += [Note(), Note(legend(look))]
    return rows


def legend(look: Look) -> Cells:
    """`■ on time   ▲ late   ✗ missed   ► open   ○ not open yet`"""
    signs = {words: (glyph, role) for glyph, role, words in _SIGNS.values() if role != "pending"}
    signs = {**signs, "open": ("running", "accent"), "not open yet": ("to-do", "muted")}
    order = ("on time", "late", "missed", "open", "not open yet")
    return join(
        [(piece(f"{look.glyphs[signs[w][0]]} ", look(signs[w][1])), piece(w, look("muted"))) for w in order],
        space(3),
    )


def _row(
    standing: Standing, past: Sequence[Past], look: Look, now: datetime, *, narrow: bool, greyed: bool
) -> Row:
    own = [run for run in past if run.checklist == standing.name]
    current = standing.run
    if current is not None:
        # The snapshot knows more of it than what was read before.
        own = [*(run for run in own if run.id != current.id), _as_past(current)]
    # In its own zone, where it may be tomorrow already.
    today = day(now, standing.timezone)
    found: dict[int, list[Past]] = {}
    for run in own:
        found.setdefault(DAYS - 1 - (today - day(run.due_at, standing.timezone)).days, []).append(run)
    coming = standing.next_due_at
    comes = coming is not None and day(coming, standing.timezone) == today
    signs: list[Segment] = []
    for i, at in enumerate(_days(now)):
        glyph, role = "dot", "grid"
        if i in found:
            glyph, role = _sign(found[i], now)
        elif comes and i == DAYS - 1:
            glyph, role = "to-do", "muted"
        style = look("stale" if greyed and glyph != "dot" else role)
        signs += [*space(_gap(at, i)), piece(look.glyphs[glyph] + ("" if narrow else " "), style)]
    how = record(own, now)
    rate = cells("" if how.on_time_pct is None else f"{how.on_time_pct:.0f} %", look("strong", bold=True))
    streak = cells(f"{how.streak}" if how.on_time_pct is not None else "", look("muted"))
    title = cells(standing.title, look("stale" if greyed else "text"))
    return Row(standing.name, (title, signs, rate, streak))


def _as_past(run: Run) -> Past:
    return Past(
        *(run.id, run.checklist, run.due_at, run.late_at, run.ended_at, run.missed, run.done, len(run.items))
    )


def _sign(runs: Sequence[Past], now: datetime) -> tuple[str, str]:
    """Of several runs on a day the worst is shown."""
    state, run = min(((run.state(now), run) for run in runs), key=lambda each: _WORST.index(each[0]))
    if state in (RunState.OPEN, RunState.DUE) and run.done:
        return "running", "accent"
    return _SIGNS[state][:2]


def week_start(now: datetime) -> datetime:
    """Monday, in UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday())


def who_lines(
    ticked: Sequence[tuple[str, int]], past: Sequence[Past], look: Look, now: datetime, width: int
) -> list[Line]:
    """What was done of what was due since Monday, and by whom."""
    week = [run for run in past if week_start(now) <= run.due_at <= now]
    done, total = sum(run.done for run in week), sum(run.total for run in week)
    count: Cells = cells("nothing due", look("muted"))
    if total:
        count = (piece(f"{done}/{total}", look("strong", bold=True)), piece(" done", look("muted")))
    lines: list[Line] = [
        (cells("this week" if total else "week", look("muted")), count),
        (meter(done / total if total else 0.0, width, look, role="oklo"), EMPTY),
        (EMPTY, EMPTY),
    ]
    for name, times in ticked:
        role = "muted" if name == "auto" else "text"
        lines.append((cells(name, look(role)), cells(str(times), look(role))))
    if not ticked:
        lines.append((cells("nobody yet", look("muted")), EMPTY))
    return lines
