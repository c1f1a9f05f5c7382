"""Words and rows of the war-room: the head, the clocks, the steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain import format as fmt
from console.domain.action import Action, ActionState
from console.domain.alert import Alert
from console.domain.book import Done, Marked
from console.domain.check import CheckRun, CheckStatus
from console.domain.incident import Attached, Incident, IncidentState, Presence, Role, timings
from screens.paragraphs import Line
from widgets.action_states import action_state
from widgets.cells import EMPTY, Cells, cells, join, measure, piece, space
from widgets.charts import meter
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.times import stopwatch

ROLES: Mapping[Role, tuple[str, str]] = {
    Role.COMMANDER: ("commander", "ic"),
    Role.TECHNICAL: ("technical", "tech"),
    Role.DATABASE: ("database", "db"),
    Role.SECURITY: ("security", "sec"),
    Role.COMMUNICATIONS: ("comms", "comms"),
    Role.DOCUMENTATION: ("scribe", "scribe"),
}
"""What roles are called on a screen, and where there is no room."""
LEVEL_ROLES = {1: "crit", 2: "warn", 3: "info"}
STATES = {
    IncidentState.OPEN: ("open", "crit"),
    IncidentState.MITIGATED: ("mitigated", "ack"),
    IncidentState.CLOSED: ("closed", "ok"),
    IncidentState.MERGED: ("merged", "muted"),
}
_BLANK = space(1)
IDLE_AFTER = timedelta(minutes=3)
GONE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Scene:
    """How things are drawn now. `actions` are those that steps have started, `check` the last run of the checks,
    `asking` what was asked of the store and is not answered: by step."""

    look: Look
    now: datetime
    compact: bool = False
    wide: bool = False
    greyed: bool = False
    actions: Mapping[int, Action] | None = None
    check: CheckRun | None = None
    asking: Mapping[tuple[int, int], str] | None = None


def level_chip(level: int, look: Look) -> Cells:
    """` SEV2 `"""
    return (piece(f" SEV{level} ", look.chip(LEVEL_ROLES.get(level, "info"))),)


def state_words(incident: Incident, alerts: Sequence[Alert]) -> tuple[str, str]:
    """How it stands, and the role of its colour; `open` says whether somebody is on it."""
    word, role = STATES[incident.state]
    if incident.state is IncidentState.OPEN and incident.acknowledged_at is not None:
        return "mitigating", "accent"
    if incident.state is IncidentState.OPEN:
        return "nobody is on it", "crit"
    if incident.merged_into is not None:
        return f"merged into INC-{incident.merged_into}", role
    return word, role


# The head


def head_lines(
    incident: Incident,
    alerts: Sequence[Alert],
    present: Sequence[Presence],
    scene: Scene,
    *,
    others: int = 0,
) -> list[Line]:
    """Four lines, or two where there is little room. `others` is how many more are open."""
    look, now = scene.look, scene.now
    word, role = state_words(incident, alerts)
    title = (
        *level_chip(incident.level, look),
        piece("  " if not scene.compact else " ", look("text")),
        piece(incident.name, look("strong", bold=True)),
        piece(f"  {incident.title}", look("text")),
    )
    state: list[Cells] = [cells(word, look(role, bold=True))]
    if others:
        state.insert(0, (piece(f"+{others} ", look("warn")), piece("[ ]", look("accent", bold=True))))
    if not incident.state.over and (update := _next_update(incident, now, look, short=scene.compact)):
        state.append(update)
    first = title, tuple(join(state, space(2 if scene.compact else 3)))
    if scene.compact:
        here = sum(1 for each in present if now - each.seen_at <= GONE_AFTER)
        return [first, _short_line(incident, here, scene)]
    linked = _linked_words(incident, alerts, look)
    return [
        first,
        (EMPTY, _left_over(incident, look)),
        (_roles(incident, look), linked),
        (_presence(present, incident.commander, scene), EMPTY),
    ]


def _next_update(incident: Incident, now: datetime, look: Look, *, short: bool) -> Cells:
    at = incident.next_update_at
    if at is None:
        return EMPTY
    late = at <= now
    role = "crit" if late else "warn" if at - now < timedelta(minutes=5) else "text"
    left = f"late {stopwatch(now - at)}" if late else f"in {stopwatch(at - now)}"
    if short:
        return cells(f"upd {left}", look(role))
    return (
        piece("next update ", look("faint")),
        piece(fmt.clock(at, seconds=False), look(role, bold=True)),
        piece(f" {left}", look(role)),
    )


def _roles(incident: Incident, look: Look) -> Cells:
    taken = [
        (piece(f"{name}  ", look("faint")), piece(incident.roles[role], look("strong", bold=True)))
        for role, (name, _) in ROLES.items()
        if incident.roles.get(role)
    ]
    open_roles = [(role, name) for role, (name, _) in ROLES.items() if not incident.roles.get(role)]
    if open_roles and not incident.state.over:
        urgent = not incident.commander
        names = ["commander"] if urgent else [name for _, name in open_roles]
        waits = piece(f"open  {', '.join(names)}", look("pending" if urgent else "muted"))
        taken.append((waits, piece(" (o)", look("accent"))))
    return join(taken, space(3))


def _presence(present: Sequence[Presence], leader: str, scene: Scene) -> Cells:
    look, now = scene.look, scene.now
    parts: list[Cells] = [cells("present", look("faint"))]
    for each in sorted(present, key=lambda p: (now - p.seen_at > GONE_AFTER, p.person != leader, p.person)):
        gone, idle = now - each.seen_at, now - each.active_at
        if gone > GONE_AFTER:
            words, glyph, role = f"{each.person} left {fmt.age(gone)}", "stale", "stale"
        elif idle > IDLE_AFTER:
            words, glyph, role = f"{each.person} idle {fmt.age(idle)}", "stale", "stale"
        else:
            words, glyph, role = each.person, "ok", "ok"
        words += f" on {each.screen}" if gone <= GONE_AFTER and each.screen not in (0, 5) else ""
        text = look("stale" if role == "stale" else "text")
        parts.append((piece(f"{look.glyphs[glyph]} ", look(role)), piece(words, text)))
    if len(parts) == 1:
        parts.append(cells("nobody", look("muted")))
    return join(parts, space(3))


def _linked_words(incident: Incident, alerts: Sequence[Alert], look: Look) -> Cells:
    total, firing = len(incident.alerts), sum(alert.counts for alert in alerts)
    if not total:
        return cells("no alert is linked", look("muted"))
    words = piece(f"{fmt.counted(total, 'alert')}, ", look("muted"))
    return words, piece(f"{firing} firing", look("crit" if firing else "muted", bold=bool(firing)))


def _left_over(incident: Incident, look: Look) -> Cells:
    open_ones = sum(each.done_at is None for each in incident.follow_ups)
    parts = [
        fmt.counted(open_ones, "follow-up") + " open" if open_ones else "",
        fmt.counted(len(incident.updates), "update") if incident.updates else "",
    ]
    return cells(", ".join(part for part in parts if part), look("muted"))


def _short_line(incident: Incident, here: int, scene: Scene) -> Line:
    look, now = scene.look, scene.now
    people: list[Cells] = [
        (piece(f"{short} ", look("faint")), piece(incident.roles[role], look("text")))
        for role, (_, short) in ROLES.items()
        if incident.roles.get(role)
    ]
    if not incident.commander:
        people.insert(0, cells("no commander (o)", look("pending")))
    people.append(cells(f"{here} here", look("muted")))
    took = timings(incident)

    def clock(name: str, span: timedelta | None, role: str) -> Cells:
        value = "--:--" if span is None else stopwatch(span)
        return piece(f"{name} ", look("faint")), piece(value, look(role if span is not None else "pending"))

    age = incident.closed_at or now
    clocks = [
        clock("det", age - incident.detected_at, "text"),
        clock("ack", took.to_acknowledge, "ok"),
        clock("mit", took.to_mitigate, "ok"),
    ]
    return join(people, space(2)), join(clocks, space(2))


# The clocks


def clock_lines(incident: Incident, scene: Scene, width: int) -> list[Line]:
    """The rail: what it went through, where it is, and when; below `acked` who is told next while nobody is on it."""
    look, now = scene.look, scene.now
    took = timings(incident)
    marks: list[tuple[str, datetime | None, Cells]] = [
        ("detected", incident.detected_at, _muted(f"{stopwatch(now - incident.detected_at)} ago", look)),
        ("acked", incident.acknowledged_at, _after(took.to_acknowledge, look) or _ladder(incident, scene)),
        ("mitigated", incident.mitigated_at, _after(took.to_mitigate, look)),
        ("resolved", incident.closed_at, _after(took.to_resolve, look)),
    ]
    present = next((i for i, (_, at, _) in enumerate(marks) if at is None), len(marks))
    room = max((width - 2) // len(marks), 12)
    top: list[Cells] = []
    below: list[Cells] = []
    over = 0
    for i, (name, at, words) in enumerate(marks):
        done, runs = i < present or at is not None, i == present and not incident.state.over
        # One that is over never got there any more.
        rest = "none" if incident.state.over else "to-do"
        glyph = "done" if done else "running" if runs else rest
        role = "ok" if done else "accent" if runs else "muted"
        label = (
            piece(f"{look.glyphs[glyph]} ", look(role)),
            piece(name, look("strong" if done or runs else "muted", bold=done or runs)),
        )
        bar = room - measure(label) - 2
        reached = i + 1 < len(marks) and (i + 1 < present or marks[i + 1][1] is not None)
        if i + 1 == len(marks):
            line: Cells = label
        elif reached:
            line = (*label, *_BLANK, *_rule(bar, "ok", look), *_BLANK)
        else:
            share = _to_the_next_rung(incident, now) if i + 1 == present == 1 else 0.0
            line = (*label, *_BLANK, *meter(share, bar, look, role="warn"), *_BLANK)
        top.append(line)
        when = _moment(at, now) if at else "" if words else "--"
        text: Cells = (piece(f"  {when}", look("text" if at else "faint")),)
        text = (*text, *space(2 if when else 0), *words)
        if over and when == "--":
            # The words of the one before need its room.
            text = EMPTY
        over = max(over + measure(text) - room, 0)
        below.append((*text, *space(room - measure(text) if not over else 0)))
    return [(join(top, ()), EMPTY), (join(below, ()), EMPTY)]


def _rule(width: int, role: str, look: Look) -> Cells:
    return (piece(look.glyphs["bar"] * max(width, 0), look(role)),)


def _muted(text: str, look: Look) -> Cells:
    return cells(text, look("muted"))


def _after(span: timedelta | None, look: Look) -> Cells:
    return EMPTY if span is None else _muted(f"after {stopwatch(span)}", look)


def _to_the_next_rung(incident: Incident, now: datetime) -> float:
    """How much of the time until somebody else is told has passed, 0..1."""
    coming = incident.next_rung(now)
    if coming is None:
        return 0.0
    ladder = (incident.detected_at + rung.after for book in incident.runbooks for rung in book.ladder)
    before = max((at for at in ladder if at <= now), default=incident.detected_at)
    whole = coming[1] - before
    return (now - before) / whole if whole else 0.0


def _ladder(incident: Incident, scene: Scene) -> Cells:
    """Who is told next, and when."""
    look = scene.look
    if incident.state.over:
        return EMPTY
    coming = incident.next_rung(scene.now)
    if coming is None:
        told = any(book.ladder for book in incident.runbooks)
        return cells("everybody was told" if told else "a to acknowledge", look("warn" if told else "muted"))
    rung, at = coming
    return cells(f"{rung.who} in {stopwatch(at - scene.now)}", look("warn"))


def _moment(at: datetime, now: datetime) -> str:
    return fmt.clock(at) if at.date() == now.date() else f"{at:%d %b} {fmt.clock(at, seconds=False)}"


# The steps


def step_key(book: Attached, marked: Marked) -> str:
    """A row's key."""
    return f"{book.id}-{marked.place}"


def step_entries(incident: Incident, scene: Scene) -> tuple[tuple[Column, ...], list[Entry]]:
    """Columns and rows of the steps of its runbooks; a heading before each part where there is room, before each book
    where there are several."""
    entries: list[Entry] = []
    number = end = 1
    several = len(incident.runbooks) > 1
    for book in incident.runbooks:
        if several:
            entries.append(Group(book.title, cells(f"{book.done} of {len(book.steps)}", scene.look("muted"))))
        part = ""
        for marked in book.steps:
            if marked.step.part != part and scene.wide and not several:
                part = marked.step.part
                entries.append(Group(part))
            row = _step_cells(book, marked, scene)
            number, end = max(number, measure(row[1])), max(end, measure(row[3]))
            entries.append(Row(step_key(book, marked), row))
    columns = Column("", 3), Column("", number, right=True), Column("", None), Column("", end, right=True)
    return columns, entries


def _step_cells(book: Attached, marked: Marked, scene: Scene) -> tuple[Cells, ...]:
    look, mark, step = scene.look, marked.mark, marked.step
    action = None if mark is None or mark.action_id is None else (scene.actions or {}).get(mark.action_id)
    runs = action is not None and not action.state.final
    failed = action is not None and action.state.final and action.state is not ActionState.DONE
    if runs:
        box, role, text = "running", "accent", look("strong", bold=True)
    elif failed:
        box, role, text = "failed", "crit", look("text")
    elif mark is None:
        box, role, text = "", "muted", look("text")
    elif mark.state is Done.SKIPPED:
        box, role, text = "none", "muted", look("muted")
    else:
        box, role, text = "done", "ok", look("muted")
    sign = look.glyphs[box] if box else " "
    return (
        (piece("[", look(role)), piece(sign, look(role, bold=runs)), piece("]", look(role))),
        cells(str(marked.place), look("faint")),
        cells(step.text, look("stale") if scene.greyed else text),
        _step_end(book, marked, action, scene),
    )


def _step_end(book: Attached, marked: Marked, action: Action | None, scene: Scene) -> Cells:
    look, mark, step = scene.look, marked.mark, marked.step
    asking = (scene.asking or {}).get((book.id, marked.place))
    if asking is not None:
        return cells(asking, look("accent"))
    if action is not None and not action.state.final and action.steps:
        share = action.step / action.steps
        bar = meter(share, 4 if scene.compact else 8, look, role="accent")
        return (*bar, piece(f" {round(share * 100)} %", look("strong", bold=True)))
    if action is not None and action.state is not ActionState.DONE:
        state = action_state(action)
        return cells(state.word, look(state.role))
    if mark is not None:
        when = fmt.clock(mark.at, seconds=False)
        if scene.compact:
            return cells(when, look("faint"))
        who = "auto" if mark.automatic else mark.by
        return cells(f"{who} {when}", look("faint"))
    if step.check and scene.check is not None:
        found = next((r for r in scene.check.results if r.id == step.check), None)
        if found is not None:
            good = found.status is CheckStatus.PASSED
            return cells(str(found.status), look("ok" if good else "warn"))
    if word := startable(marked):
        chip = (piece(" x ", look.chip("accent")),)
        return chip if scene.compact else (*chip, piece(f" {word:<5}", look("accent")))
    return cells("auto", look("muted")) if step.holds or step.evidence else EMPTY


def startable(marked: Marked) -> str:
    """What `x` does about a step: start, check, go, show; "" where that is nothing."""
    step = marked.step
    for what, word in (
        (step.action, "start"),
        (step.check, "check"),
        (step.screen, "go"),
        (step.metric, "show"),
    ):
        if what:
            return word
    return ""
