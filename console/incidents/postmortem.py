"""The post-mortem of an incident as Markdown: what happened, how long it took, what was tried, what is left to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.domain.action import Action, ActionState, worded
from console.domain.alert import Alert, Phase
from console.domain.book import Done, Marked
from console.domain.duration import written
from console.domain.errors import Refused
from console.domain.format import clock, counted, iso, reading
from console.domain.incident import Entry, Incident, IncidentState, Role, Timings, incident_name, timings
from console.domain.metric import MetricSpec, Series
from console.domain.text import printable
from console.incidents import figures
from console.store import actions, alerts, incidents, ticks
from console.store.pool import Store

MOST_ENTRIES = 20_000
_PAGE = 500
_MOST_ACTIONS = 200
_BEFORE, _AFTER = timedelta(minutes=30), timedelta(minutes=10)
# With the widest of numbers before it and the limit's name behind it, a line fits a screen of 80 columns.
_WIDTH = 54
_LETTERS = ("D detected", "A acknowledged", "M mitigated", "R resolved")


@dataclass(frozen=True, slots=True)
class Plot:
    """The metric that it is about, over its time."""

    spec: MetricSpec
    series: Series
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """All that a post-mortem is written from. `entries` are oldest first; `left_out`: there are older ones, too many.
    `impact` is in words, "" where nothing was measured."""

    incident: Incident
    at: datetime
    entries: Sequence[Entry] = ()
    left_out: bool = False
    actions: Sequence[Action] = ()
    alerts: Sequence[Alert] = ()
    impact: str = ""
    plot: Plot | None = None
    specs: Mapping[str, MetricSpec] = field(default_factory=dict)


async def of(store: Store, incident_id: int, now: datetime) -> str:
    """The post-mortem of one incident, as of now where it is not over. Raises Refused where there is none of this
    number, StoreAway and StoreRefused."""
    incident = await incidents.one(store, incident_id)
    if incident is None:
        raise Refused(f"there is no incident {incident_id}")
    linked = await alerts.some(store, incident.alerts)
    entries, left_out = await _entries(store, incident_id)
    latest = await ticks.latest(store)
    end = incident.closed_at or now
    tried = await actions.current(store, since=incident.detected_at, until=end, limit=_MOST_ACTIONS)
    material = Material(
        incident,
        now,
        entries,
        left_out,
        [action for action in reversed(tried) if not action.only_planned],
        linked,
        (await figures.impact(store, incident, linked, now)).words(latest.specs),
        await _plot(store, incident, linked, latest.specs, now),
        latest.specs,
    )
    # A screen waits for it in its event loop.
    return await asyncio.to_thread(render, material)


def render(material: Material) -> str:
    """Markdown, whatever was written in it: no text of anybody's begins a heading or ends a table."""
    parts = (
        _head(material),
        _figures(material),
        _plot_lines(material),
        _roles(material.incident),
        _alerts(material),
        _timeline(material),
        _tried(material),
        _steps(material.incident),
        _updates(material.incident),
        _follow_ups(material.incident),
        _missing(material),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


async def _entries(store: Store, incident_id: int) -> tuple[list[Entry], bool]:
    """Its timeline, oldest first, and whether there are older ones than the MOST_ENTRIES last."""
    found: list[Entry] = []
    before: tuple[datetime, int] | None = None
    while len(found) < MOST_ENTRIES:
        page = await incidents.timeline(store, incident_id, before=before, limit=_PAGE)
        if not page:
            return found[::-1], False
        found += page
        before = (page[-1].event.at, page[-1].event.id)
    return found[::-1], True


async def _plot(
    store: Store,
    incident: Incident,
    linked: Sequence[Alert],
    specs: Mapping[str, MetricSpec],
    now: datetime,
) -> Plot | None:
    """Of the metric that was pinned, else of that which the first of its alerts is about."""
    first = min((a for a in linked if a.metric), key=lambda a: a.pending_at, default=None)
    name = incident.plot or (first.metric if first is not None else None) or ""
    spec = specs.get(name)
    if spec is None or spec.unit == "state":
        return None
    scale = (await store.link()).time_scale
    start = incident.detected_at - _BEFORE / scale
    end = min((incident.closed_at or now) + _AFTER / scale, now)
    series = await ticks.series(store, [name], start=start, end=end, points=_WIDTH)
    limit = next((a.limit for a in linked if a.metric == name and a.limit is not None), spec.limit)
    return Plot(spec, series[name], limit)


# --- its parts --------------------------------------------------------------------------------------------------------


def _head(material: Material) -> list[str]:
    incident = material.incident
    state = {
        IncidentState.OPEN: f"is open, {incident.standing}",
        IncidentState.MITIGATED: "is mitigated, not closed",
        IncidentState.CLOSED: f"was closed by {incident.closed_by or 'nobody'}",
        IncidentState.MERGED: f"was merged into {incident_name(incident.merged_into or 0)}",
    }[incident.state]
    lines = [
        f"# {incident.name}: {_text(incident.title)}",
        "",
        f"Level {incident.level} of 3 (1 is the worst). It {_text(state)}. Opened by {_text(incident.opened_by)}, "
        f"{_when(incident.opened_at)}. Written {_when(material.at)}; all times are UTC.",
        "",
        f"**Impact**: {_text(material.impact) or 'nothing was measured'}",
    ]
    for entry in _taken_back(material):
        event = entry.event
        who = f"by {_text(event.actor)}; it was reopened after that"
        lines += ["", f"**Resolution of {_when(event.at)}**, {who}", "", *_quoted(entry.body or event.text)]
    if incident.resolution:
        lines += ["", "**Resolution**", "", *_quoted(incident.resolution)]
    return lines


def _taken_back(material: Material) -> list[Entry]:
    """The closings that were not the last word, oldest first."""
    incident = material.incident
    own = [e for e in material.entries if e.incident_id == incident.id and e.event.kind == "incident"]
    closings = [e for e in own if e.event.text.startswith(f"{e.event.actor} closed {incident.name}: ")]
    return closings[:-1] if incident.state is IncidentState.CLOSED else closings


def _figures(material: Material) -> list[str]:
    incident, took = material.incident, timings(material.incident)
    return [
        "## Figures",
        "",
        *_table(
            ("", "at", "after", "by"),
            [
                ("detected", _when(incident.detected_at), "", ""),
                _clock(
                    "acknowledged", incident.acknowledged_at, took.to_acknowledge, incident.acknowledged_by
                ),
                _mitigated(incident, took),
                _clock(_end(incident), incident.closed_at, took.to_resolve, incident.closed_by),
            ],
        ),
    ]


def _mitigated(incident: Incident, took: Timings) -> tuple[str, ...]:
    """Who closes it without having said so says it by that."""
    silent = incident.mitigated_at is None and incident.state is IncidentState.CLOSED
    row = _clock("mitigated", incident.mitigated_at, took.to_mitigate, incident.mitigated_by)
    return ("mitigated", "with its end", "–", "") if silent else row


def _end(incident: Incident) -> str:
    """What its last clock is: one that was merged was not resolved by that."""
    return "merged" if incident.state is IncidentState.MERGED else "resolved"


def _clock(what: str, at: datetime | None, took: timedelta | None, by: str | None) -> tuple[str, ...]:
    return what, "–" if at is None else _when(at), "–" if took is None else span(took), by or ""


def span(took: timedelta) -> str:
    """`1h2m30s`: to the second, since people compare it; rounded down, as ages are."""
    return written(timedelta(seconds=int(took.total_seconds())))


def _plot_lines(material: Material) -> list[str]:
    plot, incident = material.plot, material.incident
    title = "## The metric"
    if plot is None:
        return [title, "", "None is pinned, and no alert of it is about one."]
    ended = None if incident.state is IncidentState.MERGED else incident.closed_at
    clocks = (incident.detected_at, incident.acknowledged_at, incident.mitigated_at, ended)
    marks = [(word[0], at) for word, at in zip(_LETTERS, clocks, strict=True) if at is not None]
    lines = figures.plotted(plot.series, plot.spec, limit=plot.limit, marks=marks)
    if not lines:
        return [title, "", f"It is {_text(plot.spec.title)}: nothing was recorded at that time."]
    shown = {letter for letter, _ in marks}
    legend = ", ".join(word for word in _LETTERS if word[0] in shown)
    # Four spaces, and no fence: nothing in a title can end it.
    return [title, "", f"It is {_text(plot.spec.title)} ({legend}).", "", *(f"    {line}" for line in lines)]


def _roles(incident: Incident) -> list[str]:
    rows = [(str(role), incident.roles.get(role, "") or "nobody") for role in Role]
    return ["## Roles", "", *_table(("role", "person"), rows)]


def _alerts(material: Material) -> list[str]:
    rows = [
        (
            str(a.id),
            a.rule,
            str(a.severity),
            a.summary,
            "–" if a.fired_at is None else _when(a.fired_at),
            "–" if a.resolved_at is None else _when(a.resolved_at),
            reading(material.specs.get(a.metric or ""), a.peak),
        )
        for a in sorted(material.alerts, key=lambda a: (a.pending_at, a.id))
    ]
    # Its reason is that of the last tick at which it held, with the figures of then.
    head = ("id", "rule", "severity", "last reason", "fired", "resolved", "worst")
    return ["## Alerts", "", *(_table(head, rows) if rows else ["No alert is linked to it."])]


def _timeline(material: Material) -> list[str]:
    lines = ["## Timeline", ""]
    if material.left_out:
        lines += [f"Only the last {counted(len(material.entries), 'entry', 'entries')}.", ""]
    for entry in material.entries:
        event = entry.event
        mark = "" if entry.incident_id is not None else " (platform)"
        text, actor = _text(event.text), _text(event.actor)
        said = text if text.startswith(actor) else f"{actor}: {text}"
        lines.append(f"- {_when(event.at)} **{_text(event.kind)}**{mark} {said}".rstrip())
        # Stakeholder updates have a section of their own.
        more = "" if event.kind == "comms" else entry.more
        lines += [f"  {each}".rstrip() for each in _quoted(more)]
    return lines if material.entries else [*lines, "Nothing was recorded."]


def _tried(material: Material) -> list[str]:
    rows = [
        (
            str(a.id),
            _when(a.requested_at),
            f"{worded(a.kind)} {a.target}".strip(),
            a.requested_by,
            _result(a),
        )
        for a in material.actions
    ]
    head = ("id", "asked for", "action", "by", "result")
    return ["## What was tried", "", *(_table(head, rows) if rows else ["No action was run."])]


def _result(action: Action) -> str:
    proof = action.proof if action.state is ActionState.DONE else None
    shown = [] if proof is None else [proof.text, *(f"{fact.label} {fact.value}" for fact in proof.facts)]
    said = "; ".join(dict.fromkeys(part for part in (action.words, *shown) if part))
    undone = "" if action.undone_by is None else f" (undone by action {action.undone_by})"
    return f"{action.state}{undone}" + (f": {said}" if said else "")


def _steps(incident: Incident) -> list[str]:
    lines = ["## Runbooks"]
    for book in incident.runbooks:
        counts = f"{book.done} of {len(book.steps)} steps done or skipped"
        lines += ["", f"### {_text(book.title)}", "", f"{counts}.", "", *map(_step, book.steps)]
    return lines if incident.runbooks else [*lines, "", "None was attached."]


def _step(step: Marked) -> str:
    mark = step.mark
    box = "x" if mark is not None and mark.state is Done.DONE else " "
    line = f"- [{box}] {step.place}. {_text(step.step.text)}"
    if mark is None:
        return f"{line} (not done)"
    word = "skipped" if mark.state is Done.SKIPPED else "done"
    started = "" if mark.action_id is None else f", action {mark.action_id}"
    note = f": {_text(mark.note)}" if mark.note else ""
    return f"{line} ({word} by {_text(mark.by)}, {_when(mark.at)}{started}){note}"


def _updates(incident: Incident) -> list[str]:
    lines = ["## Stakeholder updates"]
    for update in incident.updates:
        head = f"{_when(update.at)} {update.audience}, {update.kind}, by {update.by}"
        lines += ["", f"### {_text(head)}", "", *_quoted(update.text)]
    return lines if incident.updates else [*lines, "", "None was written."]


def _follow_ups(incident: Incident) -> list[str]:
    lines = ["## Follow-ups", ""]
    for each in sorted(incident.follow_ups, key=lambda f: (f.done_at is not None, f.id)):
        done = "" if each.done_at is None else f", done by {_text(each.done_by or '')} {_when(each.done_at)}"
        box = " " if each.done_at is None else "x"
        lines.append(f"- [{box}] {_text(each.text)} ({_text(each.owner) or 'nobody has it'}{done})")
    return lines if incident.follow_ups else [*lines, "None."]


def _missing(material: Material) -> list[str]:
    said = list(missing(material))
    return ["## What is missing", "", *([f"- {line}" for line in said] or ["Nothing."])]


def missing(material: Material) -> Iterator[str]:
    """What a post-mortem should say and can't, in sentences; of one that was merged the other one's says it."""
    incident = material.incident
    if incident.state is IncidentState.MERGED:
        return
    if incident.acknowledged_at is None:
        yield "Nobody acknowledged it."
    if incident.mitigated_at is None:
        yield "Nobody said when the harm had stopped."
    if incident.state is IncidentState.CLOSED and not incident.resolution.strip():
        yield "It was closed without a resolution."
    if not incident.state.over:
        yield "It is not closed."
    if not incident.commander:
        yield "Nobody was its commander."
    if not incident.runbooks:
        yield "No runbook was worked through."
    open_steps = sum(step.mark is None for book in incident.runbooks for step in book.steps)
    if open_steps:
        yield f"{counted(open_steps, 'step')} of its runbooks: neither done nor skipped."
    if incident.state.over and not any(update.kind == "final" for update in incident.updates):
        yield "No final update was written for anybody."
    if not material.alerts:
        yield "No alert saw it: is there a rule that would have?"
    firing = sum(alert.phase is Phase.FIRING for alert in material.alerts)
    if firing:
        yield f"{counted(firing, 'alert')} of it still {'fires' if firing == 1 else 'fire'}."
    if not material.impact:
        yield "No metric tells what it cost."
    if not incident.follow_ups:
        yield "Nothing is to be done afterwards: was nothing learnt?"
    unowned = sum(each.done_at is None and not each.owner for each in incident.follow_ups)
    if unowned:
        yield f"{counted(unowned, 'follow-up')} {'has' if unowned == 1 else 'have'} no owner."


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    """One line, never at the beginning of one."""
    return printable(" ".join(text.split()), 2000)


def _cell(text: str) -> str:
    # A backslash of the text's own before it would take the escape away.
    return re.sub(r"(\\*)\|", r"\1\1\\|", _text(text))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, cells))} |" for cells in lines]


def _quoted(text: str) -> list[str]:
    """Markdown of several lines as a quote: a fence or a list that is left open ends with it."""
    return [f"> {printable(line, 8000)}".rstrip() for line in text.splitlines()]


def _when(at: datetime) -> str:
    return f"{iso(at)[:10]} {clock(at)}"
