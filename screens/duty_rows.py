"""Recurring checklists in rows: how each stands, the items of one run, what is due when in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from console.domain import format as fmt
from console.domain.book import Done, Marked, Step
from console.domain.duties import Run, RunState, Standing
from console.domain.snapshot import Snapshot
from screens.incident_step_rows import startable
from screens.paragraphs import Line, folded
from widgets.cells import EMPTY, Cells, cells, join, measure, piece, space
from widgets.charts import meter
from widgets.live_table import Column, Entry, Group, Note, Row
from widgets.look import Look
from widgets.states import State

RHYTHMS = ("daily", "weekly", "monthly", "custom")
SOON = timedelta(hours=1)
_GRAVE = timedelta(days=2)
"""What has been over for so long is no mere delay any more."""
_WEEK = timedelta(days=6)
_METER = 6
_ITEM_INDENT = 6
_MOST_NOTE_LINES = 4
_MOST_WAITS_LINES = 2

_LEAST_DUE = 13
"""So begins why an item waits that is a person's from now on."""
ITEM_COLUMNS = (
    Column("", 3),
    Column("", 2, right=True),
    Column("", None),
    Column("", 9, right=True),
    Column("", 6, right=True),
)
_OTHER_COLUMNS = sum(c.width or 0 for c in ITEM_COLUMNS) + len(ITEM_COLUMNS)

_STATES = {
    RunState.OPEN: State("muted", "grid", "running", "to do", calm=True),
    RunState.DUE: State("pending", "grid", "running", "due"),
    RunState.OVERDUE: State("warn", "warnlo", "warn", "overdue"),
    RunState.DONE: State("ok", "oklo", "done", "done", calm=True),
    RunState.LATE: State("warn", "warnlo", "done", "late"),
    RunState.MISSED: State("crit", "critlo", "failed", "missed"),
}
_BEGUN = State("accent", "accent", "running", "running")
_OVER_LONG = State("crit", "critlo", "crit", "overdue")
_NONE = State("muted", "grid", "to-do", "none yet", calm=True)


@cache
def zone(name: str) -> tzinfo:
    """A time zone by its name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC


def day(at: datetime, timezone: str) -> date:
    """The day in the list's own zone."""
    return at.astimezone(zone(timezone)).date()


def moment(at: datetime, timezone: str, now: datetime) -> str:
    """`03:30` today (`09:30 CET` where the list's zone is not UTC), `Fri` within the week, else `31 Mar`; all of the
    list's own zone."""
    local = at.astimezone(zone(timezone))
    apart = local.date() - day(now, timezone)
    if not apart:
        same = local.utcoffset() == timedelta()
        return f"{local:%H:%M}" if same else f"{local:%H:%M} {local.tzname() or ''}".strip()
    return f"{local:%a}" if abs(apart) <= _WEEK else f"{local:%d %b}"


def day_and_time(at: datetime, timezone: str, now: datetime) -> str:
    """`03:30` today, else `Fri 09:00`, `31 Mar 09:00 CEST`."""
    local = at.astimezone(zone(timezone))
    if local.date() == day(now, timezone):
        return moment(at, timezone, now)
    return f"{moment(at, timezone, now)} {moment(at, timezone, at)}"


def over_words(span: timedelta) -> str:
    """`12m`, `3h`, `1d 3h`, `4d`."""
    if timedelta(days=1) <= span < timedelta(days=3) and (hours := span.seconds // 3600):
        return f"{span.days}d {hours}h"
    return fmt.age(span)


def state_of(standing: Standing, now: datetime) -> State:
    """The form of how a checklist stands."""
    run = standing.run
    if run is None:
        return _NONE
    state = run.state(now)
    if state is RunState.OVERDUE and now - run.due_at >= _GRAVE:
        return _OVER_LONG
    if state in (RunState.OPEN, RunState.DUE) and run.done:
        return _BEGUN
    return _STATES[state]


def due_words(standing: Standing, now: datetime) -> tuple[str, str]:
    """`due 03:30`, `over 1d 3h`, `done Tue`, and the role of these words."""
    run, timezone = standing.run, standing.timezone
    if run is None:
        due = standing.next_due_at
        return ("none yet", "faint") if due is None else (f"due {moment(due, timezone, now)}", "muted")
    match run.state(now):
        case RunState.OPEN:
            role = "pending" if run.due_at - now < SOON else "muted"
            return f"due {moment(run.due_at, timezone, now)}", role
        case RunState.DUE:
            return f"due {moment(run.due_at, timezone, now)}", "pending"
        case RunState.OVERDUE:
            return f"over {over_words(now - run.due_at)}", state_of(standing, now).role
        case RunState.MISSED:
            return f"missed {moment(run.due_at, timezone, now)}", "crit"
        case state:
            return f"{state} {moment(run.ended_at or run.due_at, timezone, now)}", "muted"


def urgency(standing: Standing, now: datetime) -> tuple[int, datetime]:
    """What somebody comes to tick first: what is due today, then what should have been done, then what is open."""
    run = standing.run
    if run is None:
        return 4, standing.next_due_at or datetime.max.replace(tzinfo=UTC)
    match run.state(now):
        case RunState.DUE:
            return 0, run.due_at
        case RunState.OPEN:
            return 1 if run.due_at - now < timedelta(days=1) else 3, run.due_at
        case RunState.OVERDUE:
            return 2, run.due_at
        case _:
            return 4, run.due_at


def head_words(snapshot: Snapshot, now: datetime, look: Look) -> list[Cells]:
    """`2 overdue`, `1 due in 17m`, `Thu 12 Mar 2026`: what matters most first."""
    parts: list[Cells] = []
    if late := snapshot.overdue(now):
        parts.append(cells(f"{late} overdue", look("warn", bold=True)))
    runs = [s.run for s in snapshot.checklists if s.run is not None]
    if due := sum(run.state(now) is RunState.DUE for run in runs):
        parts.append(cells(f"{due} due now", look("pending", bold=True)))
    soon = [
        run.due_at for run in runs if run.state(now) is RunState.OPEN and run.due_at - now < timedelta(days=1)
    ]
    if soon:
        first = min(soon)
        same = sum(at == first for at in soon)
        parts.append(
            cells(f"{same} due in {fmt.age(first - now)}", look("pending" if first - now < SOON else "muted"))
        )
    parts.append(cells(f"{now.astimezone(UTC):%a %d %b %Y}", look("muted")))
    return parts


def list_columns(standings: Sequence[Standing], now: datetime, *, compact: bool) -> tuple[Column, ...]:
    """When each is due stands there in whole, with the zone of a list that has another one."""
    due = Column("due", max([_LEAST_DUE, *(len(due_words(each, now)[0]) for each in standings)]))
    first, count = (Column("", 1), Column("checklist", None)), Column("", 5, right=True)
    return (*first, count, due, Column("owner", 10)) if compact else (*first, Column("", _METER), count, due)


def list_entries(
    standings: Sequence[Standing], look: Look, now: datetime, *, compact: bool, greyed: bool
) -> list[Entry]:
    """Every checklist, under its rhythm where there is room for headings."""
    entries: list[Entry] = []
    for rhythm in sorted({s.rhythm for s in standings}, key=_rhythm_order):
        if not compact:
            entries.append(Group(rhythm or "custom"))
        entries.extend(
            _list_row(s, look, now, compact=compact, greyed=greyed) for s in standings if s.rhythm == rhythm
        )
    return entries


def _rhythm_order(rhythm: str) -> tuple[int, str]:
    return RHYTHMS.index(rhythm) if rhythm in RHYTHMS else len(RHYTHMS), rhythm


def _list_row(standing: Standing, look: Look, now: datetime, *, compact: bool, greyed: bool) -> Row:
    state, run = state_of(standing, now), standing.run
    words, role = due_words(standing, now)
    if greyed:
        state, role = State("stale", "grid", state.glyph, state.word, calm=state.calm), "stale"
    loud = not state.calm
    total = 0 if run is None else len(run.items)
    count = f"{run.done}/{total}" if run is not None else look.glyphs["none"]
    title = cells(standing.title, look("stale" if greyed else "strong" if loud else "text", bold=loud))
    due = cells(words, look(role, bold=loud and role != "muted"))
    counted = cells(count, look("stale" if greyed else "muted"))
    sign = cells(look.glyphs[state.glyph], look(state.role))
    if compact:
        return Row(standing.name, (sign, title, counted, due, cells(standing.owner, look("faint"))))
    over = state.role if state.role in ("warn", "crit", "stale") else "oklo" if state.role == "ok" else "s2"
    bar = meter(run.done / total if run is not None and total else 0.0, _METER, look, role=over)
    return Row(standing.name, (sign, title, bar, counted, due))


def run_line(standing: Standing, run: Run | None, look: Look, now: datetime, width: int) -> Line:
    """`daily   due 03:30, in 17m   owner nora.k` and `━━━╸───  5 of 9`."""
    parts: list[Cells] = [cells(standing.rhythm, look("muted"))]
    if run is None:
        words, role = due_words(standing, now)
        parts.append(cells(f"no run yet, {words}" if standing.next_due_at else "no run yet", look(role)))
        return join(parts, space(3)), EMPTY
    words, role = _run_words(standing, run, now)
    parts.append(cells(words, look(role)))
    if owner := run.owner or standing.owner:
        parts.append((piece("owner ", look("faint")), piece(owner, look("text"))))
    if apart := _zone_words(standing, run):
        parts.append(cells(apart, look("muted")))
    total = len(run.items)
    count = cells(f"{run.done} of {total}", look("strong", bold=True))
    left = join(parts, space(3))
    bar = meter(run.done / total if total else 0.0, 12, look)
    # The words come first.
    fits = measure(left) + measure(bar) + measure(count) + 4 <= width
    return left, join((bar if fits else EMPTY, count), space(2))


def _zone_words(standing: Standing, run: Run) -> str:
    """`times CET`: of which zone the times of the ticks are; "" where that is the clock's."""
    local = (run.ended_at or run.due_at).astimezone(zone(standing.timezone))
    return f"times {local.tzname()}" if local.utcoffset() else ""


def _run_words(standing: Standing, run: Run, now: datetime) -> tuple[str, str]:
    timezone = standing.timezone
    due = f"due {day_and_time(run.due_at, timezone, now)}"
    following = standing.next_due_at
    ahead = following is not None and following > run.due_at
    after = f", next due {day_and_time(following, timezone, now)}" if following is not None and ahead else ""
    match run.state(now):
        case RunState.OPEN:
            left = run.due_at - now
            return f"{due}, in {fmt.age(left)}", "pending" if left < SOON else "muted"
        case RunState.DUE:
            return f"{due}, overdue in {fmt.age(run.late_at - now)}", "pending"
        case RunState.OVERDUE:
            return f"{due}, over {over_words(now - run.due_at)}", "warn"
        case RunState.MISSED:
            return f"missed: was {due}{after}", "crit"
        case RunState.LATE:
            return f"done late, {day_and_time(run.ended_at or run.due_at, timezone, now)}{after}", "warn"
        case _:
            return f"done {day_and_time(run.ended_at or run.due_at, timezone, now)}{after}", "ok"


def item_entries(
    run: Run, timezone: str, look: Look, now: datetime, width: int, acting: Mapping[int, str], *, greyed: bool
) -> list[Entry]:
    """The items with who ticked them when, each with its whole text, and its note in lines of its own."""
    entries: list[Entry] = []
    room = max(width - _OTHER_COLUMNS, 12)
    for item in run.items:
        done = item.mark is not None
        role = "stale" if greyed else "muted" if done else "text"
        first, *more = folded(item.step.text, room, 4) or [""]
        key = str(item.place)
        entries.append(
            Row(
                key,
                (
                    _box(item, look, greyed=greyed),
                    cells(str(item.place), look("faint")),
                    cells(first, look(role)),
                    *_who(item, timezone, look, now, acting.get(item.place, "")),
                ),
            )
        )
        entries.extend(Note((*space(_ITEM_INDENT), piece(line, look(role))), key) for line in more)
        entries.extend(
            Note((*space(_ITEM_INDENT), *line), key)
            for line in _note_lines(item, look, max(width - _ITEM_INDENT - 3, 12))
        )
    return entries


def _box(item: Marked, look: Look, *, greyed: bool) -> Cells:
    if item.mark is None:
        return cells("[ ]", look("stale" if greyed else "muted"))
    done = item.mark.state is Done.DONE
    role = "stale" if greyed else "ok" if done else "pending"
    edge = look("stale" if greyed else "faint")
    return piece("[", edge), piece(look.glyphs["done" if done else "none"], look(role)), piece("]", edge)


def _who(
    item: Marked, timezone: str, look: Look, now: datetime, acting: str
) -> tuple[Cells, Cells]:  # who, when
    if acting:
        return cells(acting, look("accent")), EMPTY
    mark = item.mark
    if mark is None:
        if is_agents(item):
            return cells("auto", look("faint")), EMPTY
        return _way(item, look), EMPTY
    who = cells("auto" if mark.automatic else mark.by, look("muted"))
    # The zone stands once, in the head.
    return who, cells(moment(mark.at, timezone, now).partition(" ")[0], look("faint"))


def is_agents(item: Marked) -> bool:
    """Whether the agent ticks it, or would: one that a person took back is a person's."""
    return item.step.automatic and not item.taken_back_by


def _way(item: Marked, look: Look) -> Cells:
    """`x show`: the key, and what it does about an item."""
    way = startable(item)
    return (piece("x ", look("accent", bold=True)), piece(way, look("muted"))) if way else EMPTY


def _note_lines(item: Marked, look: Look, width: int) -> list[Cells]:
    mark = item.mark
    if mark is None:
        # Why the agent has not ticked it, or does so no more.
        lines = folded(item.waits, width, _MOST_WAITS_LINES) if item.waits else []
        return [cells(line, look("pending")) for line in lines]
    if not (mark.note or mark.state is Done.SKIPPED):
        return []
    skipped = mark.state is Done.SKIPPED
    lines = folded(mark.note, width - (9 if skipped else 0), _MOST_NOTE_LINES) or [""]
    label = cells("skipped: ", look("pending")) if skipped else EMPTY
    return [
        (*(label if not i else space(9 if skipped else 0)), piece(line, look("text")))
        for i, line in enumerate(lines)
    ]


def tools(step: Step) -> str:
    """What a step or an item does or opens, in words: `action block_ip network=…`; "" for nothing."""
    if step.action:
        return " ".join((f"action {step.action}", *(f"{k}={v}" for k, v in step.params.items())))
    if step.check:
        return f"check {step.check}"
    if step.screen:
        return f"screen {step.screen}"
    return f"metric {step.metric}" if step.metric else ""


def by_itself(step: Step) -> str:
    """When the agent ticks an item; "" for one that a person ticks."""
    if step.holds:
        return f"ticked by itself while {step.holds}"
    if step.check:
        return f"ticked by itself once the check {step.check} has passed"
    return f"ticked by itself by the evidence of {step.evidence}" if step.evidence else ""
