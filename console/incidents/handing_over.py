"""What somebody who takes over now has to know, as Markdown that is read in a minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.domain.action import Action, Effect, Freeze, Glass, worded
from console.domain.alert import Alert, AlertState, Silence, title_of
from console.domain.duties import RunState, Standing
from console.domain.finding import Finding
from console.domain.format import age, clock, counted, iso, reading
from console.domain.incident import FollowUp, Incident, incident_name
from console.domain.metric import Direction, MetricSpec
from console.domain.release import Release
from console.domain.snapshot import AgentState
from console.domain.text import printable
from console.store import (
    actions,
    alerts,
    checklists,
    effects,
    findings,
    follow_ups,
    freezes,
    incidents,
    lease,
    releases,
    silences,
    ticks,
)
from console.store.pool import Store

SHIFT = timedelta(hours=12)
WORSE = 0.2
"""A mean that is worse than an earlier one by more than this share of it is odd."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# What moves by less than this share of its limit is noise, however large a share of itself that is.
_NOISE = 0.05
# So many lines a section; where the whole would not fit into a hand-over, fewer.
_MOST = (20, 10, 5, 2)
_LONGEST = 20_000
_RESTS = frozenset({AlertState.FIRING, AlertState.STALE, AlertState.ACKNOWLEDGED, AlertState.PENDING})


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric whose last hour is worse than the hour before it, or than the same hour yesterday (None: nothing was
    recorded then)."""

    spec: MetricSpec
    now: float
    before: float | None
    yesterday: float | None


@dataclass(frozen=True, slots=True)
class Shift:
    """All that a hand-over is written from, at one moment."""

    at: datetime
    agent: AgentState
    data_at: datetime | None = None
    incidents: Sequence[Incident] = ()
    left: Sequence[tuple[int, str, FollowUp]] = ()
    """Of incidents that are over: their number, their title."""
    alerts: Sequence[Alert] = ()
    findings: Sequence[Finding] = ()
    silences: Sequence[Silence] = ()
    effects: Sequence[Effect] = ()
    actions: Sequence[Action] = ()
    checklists: Sequence[Standing] = ()
    trends: Sequence[Trend] = ()
    releases: Sequence[Release] = ()
    freezes: Sequence[Freeze] = ()
    glass: Sequence[Glass] = ()
    specs: Mapping[str, MetricSpec] = field(default_factory=dict)


async def text(store: Store, now: datetime) -> str:
    """As of now. Raises StoreAway, StoreRefused."""
    latest = await ticks.latest(store)
    current = await incidents.current(store, closed_since=now)
    shift = Shift(
        at=now,
        agent=await lease.agent_state(store),
        data_at=latest.at,
        incidents=[incident for incident in current if not incident.state.over],
        left=await follow_ups.left(store),
        alerts=await alerts.current(store, resolved_since=now),
        findings=await findings.current(store),
        silences=await silences.active(store),
        effects=await effects.current(store),
        actions=[a for a in await actions.current(store, since=now) if not a.state.final],
        checklists=await checklists.standing(store),
        trends=await _trends(store, latest.specs, now),
        releases=await releases.recent(store),
        freezes=await freezes.current(store),
        glass=await freezes.broken_glass(store),
        specs=latest.specs,
    )
    return render(shift)


def render(shift: Shift) -> str:
    """Markdown with a section for each matter; `nothing` where there is nothing."""
    sections = (
        ("Incidents", _incidents(shift)),
        ("Left to do of closed incidents", _left(shift)),
        ("Alerts", _alerts(shift)),
        ("Attacks", _attacks(shift)),
        ("Silences that end within 12 hours", _silences(shift)),
        ("In force on the platform", _effects(shift)),
        ("Under way", _under_way(shift)),
        ("Checklists", _checklists(shift)),
        ("Odd trends", [_trend(trend) for trend in shift.trends]),
        ("Deployments of the last 12 hours", _deployments(shift)),
        ("Freezes", _freezes(shift)),
    )
    head = [f"# Hand-over, {iso(shift.at)[:10]} {_at(shift, shift.at)} UTC"]
    if watching := _watching(shift):
        head += ["", f"**{watching}**"]
    whole = ""
    for most in _MOST:
        lines = [*head, *(line for title, said in sections for line in _section(title, said, most))]
        whole = "\n".join(lines) + "\n"
        if len(whole) <= _LONGEST:
            break
    return whole


def _section(title: str, said: Sequence[str], most: int) -> list[str]:
    count = f" ({len(said)})" if said else ""
    more = [f"and {len(said) - most} more"] if len(said) > most else []
    return ["", f"## {title}{count}", "", *(f"- {line}" for line in [*said[:most], *more] or ["nothing"])]


def odd(
    specs: Iterable[MetricSpec],
    now: Mapping[str, float | None],
    before: Mapping[str, float | None],
    yesterday: Mapping[str, float | None],
) -> list[Trend]:
    """Metrics with a threshold whose mean is worse than one of the earlier ones by more than WORSE, nearest to their
    limit first. What moved by less than a twentieth of the limit is not told."""
    found: list[tuple[float, Trend]] = []
    for spec in specs:
        value, limit = now.get(spec.name), spec.limit
        if value is None or limit is None or spec.unit == "state":
            continue
        earlier = [v for v in (before.get(spec.name), yesterday.get(spec.name)) if v is not None]
        sign = 1 if spec.direction is Direction.HIGH else -1
        if any(
            (value - was) * sign > abs(was) * WORSE and abs(value - was) > abs(limit) * _NOISE
            for was in earlier
        ):
            trend = Trend(spec, value, before.get(spec.name), yesterday.get(spec.name))
            found.append(((limit - value) * sign / abs(limit or 1), trend))
    return [trend for _, trend in sorted(found, key=lambda each: (each[0], each[1].spec.name))]


async def _trends(store: Store, specs: Mapping[str, MetricSpec], now: datetime) -> list[Trend]:
    wanted = [spec for spec in specs.values() if spec.limit is not None and spec.unit != "state"]
    names = [spec.name for spec in wanted]
    means: list[dict[str, float | None]] = []
    for end in (now, now - _HOUR, now - _DAY):
        found = await ticks.series(store, names, start=end - _HOUR, end=end, points=1)
        means.append({name: series.values[0] for name, series in found.items()})
    return odd(wanted, *means)


# --- its sections -----------------------------------------------------------------------------------------------------


def _watching(shift: Shift) -> str:
    """What is wrong with the watch itself; "" for nothing."""
    if shift.agent.leader is None:
        since = "" if shift.agent.since is None else f" since {_at(shift, shift.agent.since)} UTC"
        return f"No agent leads{since}: nothing is watched."
    if not shift.agent.judging:
        return "No rule is evaluated: the agent's log says why."
    if shift.data_at is None:
        return "No tick was taken yet."
    return ""


def _incidents(shift: Shift) -> list[str]:
    lines: list[str] = []
    for each in shift.incidents:
        said = [
            f"{'mitigated, ' if each.mitigated_at else ''}open for {age(shift.at - each.opened_at)}",
            f"commander {each.commander}" if each.commander else "no commander",
        ]
        if each.acknowledged_at is None:
            said.append("nobody has acknowledged it")
        steps = sum(len(book.steps) for book in each.runbooks)
        if steps:
            said.append(f"{sum(book.done for book in each.runbooks)} of {steps} steps")
        if each.next_update_at is not None:
            late = " (late)" if each.next_update_at < shift.at else ""
            said.append(f"next update {_at(shift, each.next_update_at)}{late}")
        left = sum(f.done_at is None for f in each.follow_ups)
        if left:
            said.append(counted(left, "open follow-up"))
        lines.append(f"**{each.name}** level {each.level}: {_text(each.title)}; {', '.join(said)}")
    return lines


def _left(shift: Shift) -> list[str]:
    return [
        f"**{incident_name(number)}** {_text(title)}: {_text(each.text)}; {_text(each.owner) or 'nobody has it'}, "
        f"open for {age(shift.at - each.at)}"
        for number, title, each in shift.left
    ]


def _alerts(shift: Shift) -> list[str]:
    lines: list[str] = []
    taken = {alert: each for each in shift.incidents for alert in each.alerts}
    for alert in shift.alerts:
        if alert.state in _RESTS:
            who = "nobody has acknowledged it"
            if alert.state is AlertState.PENDING:
                who = "pending"
            elif (incident := taken.get(alert.id)) is not None:
                who = incident.worked_on or f"{incident.name}, which nobody has acknowledged"
            elif alert.acknowledged_by is not None and alert.acknowledged_at is not None:
                who = f"acknowledged by {alert.acknowledged_by}, {_at(shift, alert.acknowledged_at)}"
            stale = ", no data" if alert.stale else ""
            title = _text(title_of(alert, shift.specs))
            since = age(shift.at - alert.since)
            lines.append(f"{alert.severity} **{title}** for {since}{stale}: {_text(alert.summary)}; {who}")
    quiet = [a.state for a in shift.alerts]
    for state, words in (
        (AlertState.SILENCED, "silenced"),
        (AlertState.INHIBITED, "explained by another one"),
    ):
        if state in quiet:
            lines.append(f"{quiet.count(state)} more {words}")
    return lines


def _attacks(shift: Shift) -> list[str]:
    return [
        f"{each.severity} **{each.kind.replace('_', ' ')}** from {each.source}: {_text(each.summary)}"
        for each in shift.findings
        if each.counts
    ]


def _silences(shift: Shift) -> list[str]:
    return [
        f"{_at(shift, each.ends_at)} UTC, in {age(each.ends_at - shift.at)}: "
        f"{_text(', '.join(map(str, each.matchers)))}; {each.author}: {_text(each.reason)}"
        for each in sorted(shift.silences, key=lambda s: (s.ends_at, s.id))
        if each.ends_at <= shift.at + SHIFT
    ]


def _effects(shift: Shift) -> list[str]:
    lines: list[str] = []
    for each in shift.effects:
        until = "no end" if each.expires_at is None else f"until {_at(shift, each.expires_at)} UTC"
        name = f"{worded(each.kind)} {each.target}".strip()
        lines.append(f"**{_text(name)}** {until}; {each.author}: {_text(each.reason)}")
    return lines


def _under_way(shift: Shift) -> list[str]:
    lines = [
        f"action {each.id} **{_text(f'{worded(each.kind)} {each.target}'.strip())}** is {each.state}"
        + (f", waits for a second person: {_text(each.needs_approval)}" if each.waits_for_approval else "")
        + (f": {_text(each.question)}" if each.question else "")
        for each in shift.actions
    ]
    lines += [
        f"**{each.author} broke the glass** until {_at(shift, each.ends_at)} UTC: {_text(each.reason)}"
        for each in shift.glass
    ]
    return lines


def _checklists(shift: Shift) -> list[str]:
    """Those overdue, those due, those that are open, and those that come within the shift."""
    lines: list[tuple[int, datetime, str]] = []
    for each in shift.checklists:
        run = each.run
        if run is not None and not run.state(shift.at).over:
            state = run.state(shift.at)
            late = f"overdue for {age(shift.at - run.late_at)}" if state is RunState.OVERDUE else str(state)
            owner = f", {run.owner}" if run.owner else ""
            words = f"{late}, {run.done} of {len(run.items)} done, due {_at(shift, run.due_at)} UTC{owner}"
            rank = (RunState.OVERDUE, RunState.DUE, RunState.OPEN).index(state)
            lines.append((rank, run.due_at, f"**{_text(run.title)}** {words}"))
        elif each.next_due_at is not None and each.next_due_at <= shift.at + SHIFT:
            words = f"**{_text(each.title)}** comes next, due {_at(shift, each.next_due_at)} UTC"
            lines.append((3, each.next_due_at, words))
    return [line for _, _, line in sorted(lines)]


def _trend(trend: Trend) -> str:
    spec = trend.spec
    earlier = [
        f"{words} {reading(spec, value)}"
        for words, value in (("the hour before", trend.before), ("yesterday at this hour", trend.yesterday))
        if value is not None
    ]
    limit = f"limit {reading(spec, spec.limit)}"
    return (
        f"**{_text(spec.title)}** {reading(spec, trend.now)} in the last hour; {'; '.join([*earlier, limit])}"
    )


def _deployments(shift: Shift) -> list[str]:
    return [
        f"**{_text(each.version or each.commit[:8])}** {each.state}, {_at(shift, each.at)} UTC, {each.by or 'unknown'}"
        + (f": {_text(each.words)}" if each.words else "")
        for each in sorted(shift.releases, key=lambda r: r.at, reverse=True)
        if each.at >= shift.at - SHIFT
    ]


def _freezes(shift: Shift) -> list[str]:
    return [
        f"{'from ' + _at(shift, each.starts_at) + ' UTC ' if each.starts_at > shift.at else ''}"
        f"until {_at(shift, each.ends_at)} UTC; {each.author}: {_text(each.reason)}"
        for each in shift.freezes
    ]


def _text(text: str) -> str:
    """One line, never at the beginning of one."""
    return printable(" ".join(text.split()))


def _at(shift: Shift, at: datetime) -> str:
    """`03:12`, with its day where that is another one."""
    day = "" if iso(at)[:10] == iso(shift.at)[:10] else f"{iso(at)[:10]} "
    return f"{day}{clock(at, seconds=False)}"
