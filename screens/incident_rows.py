"""Words of the war-room: the head and the clocks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain import format as fmt
from console.domain.action import Action
from console.domain.alert import Alert, Phase
from console.domain.check import Known
from console.domain.incident import Incident, IncidentState, Presence, Role, timings
from screens.paragraphs import Line
from widgets.cells import EMPTY, Cells, cells, join, measure, piece, space
from widgets.charts import meter
from widgets.look import Look
from widgets.times import stopwatch

ROLES: Mapping[Role, str] = {
    Role.COMMANDER: "cmdr",
    Role.TECHNICAL: "tech",
    Role.DATABASE: "db",
    Role.SECURITY: "sec",
    Role.COMMUNICATIONS: "comms",
    Role.DOCUMENTATION: "docs",
}
"""What roles are called where there is no room."""
LEVEL_ROLES = {1: "crit", 2: "warn", 3: "info"}
_BLANK = space(1)
IDLE_AFTER = timedelta(minutes=3)
GONE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Scene:
    """How things are drawn now. `actions` are those that steps have started, `checks` what is known of those that
    steps name, `asking` what was asked of the store and is not answered: by step. `writes`: whoever
    sees it may change something."""

    look: Look
    now: datetime
    compact: bool = False
    wide: bool = False
    greyed: bool = False
    actions: Mapping[int, Action] | None = None
    checks: Mapping[str, Known] | None = None
    asking: Mapping[tuple[int, int], str] | None = None
    writes: bool = True


def level_chip(level: int, look: Look) -> Cells:
    """` SEV2 `"""
    return (piece(f" SEV{level} ", look.chip(LEVEL_ROLES.get(level, "info"))),)


def standing_role(incident: Incident) -> str:
    """The role of the colour of how it stands."""
    match incident.state:
        case IncidentState.OPEN:
            return "crit" if incident.acknowledged_at is None else "accent"
        case IncidentState.MITIGATED:
            return "ack"
        case IncidentState.CLOSED:
            return "ok"
        case _:
            return "muted"


def next_step(incident: Incident, alerts: Sequence[Alert], *, short: bool = False) -> str:
    """Which key comes next once nothing fires any more: to say that it is mitigated, then that it is over; "" while
    that is not so."""
    if incident.state is IncidentState.MITIGATED:
        return "C closes it"
    # Those that are resolved for a day are not among `alerts` any more.
    quiet = bool(incident.alerts) and not any(alert.phase is not Phase.RESOLVED for alert in alerts)
    if incident.state is not IncidentState.OPEN or not quiet:
        return ""
    return "m says mitigated" if short else "alerts resolved: m says mitigated"


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
    title = (
        *level_chip(incident.level, look),
        piece("  " if not scene.compact else " ", look("text")),
        piece(incident.name, look("strong", bold=True)),
        piece(f"  {incident.title}", look("text")),
    )
    state: list[Cells] = [cells(incident.standing, look(standing_role(incident), bold=True))]
    if others:
        count = f"+{others}: " if scene.compact else f"{fmt.counted(others, 'other')}: "
        key = look("accent", bold=True)
        either = piece("[", key), piece(" or ", look("muted")), piece("]", key)
        state.insert(0, (piece(count, look("warn")), *either))
    if not incident.state.over and (update := _next_update(incident, now, look, short=scene.compact)):
        state.append(update)
    first = title, tuple(join(state, space(2 if scene.compact else 3)))
    if scene.compact:
        here = sum(1 for each in present if now - each.seen_at <= GONE_AFTER)
        return [first, _short_line(incident, alerts, here, scene)]
    linked = _linked_words(incident, alerts, look)
    return [
        first,
        (EMPTY, _left_over(incident, look)),
        (_roles(incident, scene), linked),
        (_presence(present, incident.commander, scene), EMPTY),
    ]


def until(at: datetime, now: datetime) -> str:
    """`in 2:13`, `late 0:50`."""
    return f"in {stopwatch(at - now)}" if at > now else f"late {stopwatch(now - at)}"


def _next_update(incident: Incident, now: datetime, look: Look, *, short: bool) -> Cells:
    at = incident.next_update_at
    if at is None:
        return EMPTY
    late = at <= now
    role = "crit" if late else "warn" if at - now < timedelta(minutes=5) else "text"
    left = until(at, now)
    if short:
        return cells(f"upd {left}", look(role))
    return (
        piece("next update ", look("faint")),
        piece(fmt.clock(at, seconds=False), look(role, bold=True)),
        piece(f" {left}", look(role)),
    )


def _roles(incident: Incident, scene: Scene) -> Cells:
    look = scene.look
    taken: list[Cells] = [
        (piece(f"{role}  ", look("faint")), piece(incident.roles[role], look("strong", bold=True)))
        for role in Role
        if incident.roles.get(role)
    ]
    free = [str(role) for role in Role if not incident.roles.get(role)]
    if free and not incident.state.over:
        # The key first: the names may be more than there is room for.
        key = cells("(o) " if scene.writes else "", look("accent"))
        names = piece(f"free: {', '.join(free)}", look("muted" if incident.commander else "pending"))
        taken.append((*key, names))
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


def _short_line(incident: Incident, alerts: Sequence[Alert], here: int, scene: Scene) -> Line:
    look, now = scene.look, scene.now
    people: list[Cells] = [
        (piece(f"{short} ", look("faint")), piece(incident.roles[role], look("text")))
        for role, short in ROLES.items()
        if incident.roles.get(role)
    ]
    if not incident.commander and not incident.state.over:
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
    if scene.writes and (words := next_step(incident, alerts, short=True)):
        clocks[-1:] = [*(clocks[-1:] if took.to_mitigate is not None else []), cells(words, look("pending"))]
    return join(people, space(2)), join(clocks, space(2))


# The clocks


def clock_lines(incident: Incident, alerts: Sequence[Alert], scene: Scene, width: int) -> list[Line]:
    """The rail: what it went through, where it is, and when; below `acked` who is due next while nobody is on it, and
    below the others which key comes next."""
    look, now = scene.look, scene.now
    took = timings(incident)
    words = cells(next_step(incident, alerts) if scene.writes else "", look("pending"))
    still = incident.state is IncidentState.OPEN
    marks: list[tuple[str, datetime | None, Cells]] = [
        ("detected", incident.detected_at, _muted(f"{stopwatch(now - incident.detected_at)} ago", look)),
        ("acked", incident.acknowledged_at, _after(took.to_acknowledge, look) or _ladder(incident, scene)),
        ("mitigated", incident.mitigated_at, _after(took.to_mitigate, look) or (words if still else EMPTY)),
        ("resolved", incident.closed_at, _after(took.to_resolve, look) or (EMPTY if still else words)),
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
        left = room - over - measure(text)
        over = max(-left, 0)
        below.append((*text, *space(left)))
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
    """Whose turn is next, and when."""
    look = scene.look
    if incident.state.over:
        return EMPTY
    coming = incident.next_rung(scene.now)
    if coming is None:
        climbed = any(book.ladder for book in incident.runbooks)
        words = "the whole ladder is due" if climbed else "a says you are on it" if scene.writes else ""
        return cells(words, look("warn" if climbed else "muted"))
    rung, at = coming
    return cells(f"next due: {rung.who} in {stopwatch(at - scene.now)}", look("warn"))


def _moment(at: datetime, now: datetime) -> str:
    return fmt.clock(at) if at.date() == now.date() else f"{at:%d %b} {fmt.clock(at, seconds=False)}"
