"""Stakeholder updates: a template with what is known of the incident put in. Nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from console.domain.action import Action, ActionState, worded
from console.domain.book import PLACEHOLDER, Done, Runbook, Template
from console.domain.errors import Refused
from console.domain.format import clock, iso
from console.domain.incident import Incident, IncidentState
from console.domain.text import printable
from console.incidents import figures
from console.store import actions, alerts, books, incidents, ticks
from console.store.pool import Store

# What makes a block of Markdown of a line that begins with it (CommonMark 0.31, sections 4 and 5), after indentation
# and the marks of quotes and lists.
_BEFORE = re.compile(r"[ \t]*(?:(?:>|[-+*]|\d{1,9}[.)])[ \t]+)*\Z")
_BLOCK = re.compile(r"#{1,6}(?=\s|\Z)|[-+*](?=\s|\Z)|>|`{3}|~{3}|=+\Z|-+\Z|[-_*](?:\s*[-_*]){2,}\Z|<|\||\[")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|\Z)")
_LONGEST = 500
_MOST_DONE = 8


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `{{ name }}` that has a value replaced by it. A value is one printable line, whatever it is, and
    is not looked into again; where it begins a line it begins no heading, list, quote or fence. What has no value, or
    an empty one, stays as it is."""

    def value(match: re.Match[str]) -> str:
        line = _line(values.get(match[1], ""))
        if not line:
            return match[0]
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        return _plain(line) if _BEFORE.match(before) else line

    return PLACEHOLDER.sub(value, text)


def values(
    incident: Incident,
    template: Template,
    *,
    now: datetime,
    title: str | None = None,
    impact: str = "",
    actions: Sequence[Action] = (),
    time_scale: float = 1.0,
) -> dict[str, str]:
    """What is known, by the names of domain.book.BLANKS; "" for what is not. The title is the incident's, unless
    another one is given: customers are not told what those who work on it call it. The next update is that which the
    template promises, else the one that was promised last. Times are UTC, to the minute."""
    return {
        "incident": incident.name,
        "title": incident.title if title is None else title,
        "level": str(incident.level),
        "status": _status(incident),
        "impact": impact,
        "started": _at(incident.detected_at),
        "commander": incident.commander,
        "next_update": _next(incident, template, now, time_scale),
        "resolution": incident.resolution if incident.state is IncidentState.CLOSED else "",
        "done": "; ".join(_done(incident, actions)),
    }


async def draft(store: Store, incident_id: int, template: str, now: datetime) -> str:
    """The template of this name, filled in. Raises Refused for an unknown template or incident, StoreAway and
    StoreRefused."""
    known = await books.templates(store)
    chosen = next((each for each in known if each.name == template), None)
    if chosen is None:
        names = ", ".join(each.name for each in known) or "none: no agent has published any yet"
        raise Refused(f"there is no template {printable(template, 60)}: there is {names}")
    incident = await incidents.one(store, incident_id)
    if incident is None:
        raise Refused(f"there is no incident {incident_id}")
    found = await figures.impact(store, incident, await alerts.some(store, incident.alerts), now)
    title = None
    if chosen.audience == "customer":
        title = for_customers(incident, await books.runbooks(store))
        impact = found.words_for_customers()
    else:
        impact = found.words((await ticks.latest(store)).specs)
    known_values = values(
        incident,
        chosen,
        now=now,
        title=title,
        impact=impact,
        actions=await actions.current(store, since=incident.detected_at, until=incident.closed_at or now),
        time_scale=(await store.link()).time_scale,
    )
    return fill(chosen.text, known_values)


def for_customers(incident: Incident, shelf: Sequence[Runbook]) -> str:
    """The problem in words for customers, from the first of its runbooks that has any; "" for none."""
    words = {book.name: book.customers for book in shelf}
    return next((said for book in incident.runbooks if (said := words.get(book.name, ""))), "")


def _line(value: str) -> str:
    return printable(" ".join(value.split()), _LONGEST)


def _plain(line: str) -> str:
    """`line`, which begins no block of Markdown any more."""
    if _BLOCK.match(line):
        return "\\" + line
    return _NUMBERED.sub(r"\1\\\2", line, count=1) if _NUMBERED.match(line) else line


def _status(incident: Incident) -> str:
    match incident.state:
        case IncidentState.OPEN:
            return "detected" if incident.acknowledged_at is None else "being worked on"
        case IncidentState.MITIGATED:
            return "mitigated, being watched"
        case IncidentState.CLOSED:
            return "resolved"
        case IncidentState.MERGED:
            return f"continued as INC-{incident.merged_into}"


def _next(incident: Incident, template: Template, now: datetime, time_scale: float) -> str:
    if incident.state.over:
        return ""
    again = template.promises(incident.level, time_scale)
    at = incident.next_update_at if again is None else now + again
    return _at(at) if at is not None and at > now else ""


def _done(incident: Incident, actions: Sequence[Action]) -> list[str]:
    """The last steps and actions that were done, in the order in which they were; an action that a step started is
    told by the step."""
    marks = [(step, step.mark) for book in incident.runbooks for step in book.steps if step.mark is not None]
    found = [(mark.at, step.step.text) for step, mark in marks if mark.state is Done.DONE]
    told = {mark.action_id for _, mark in marks}
    found += [
        (action.ended_at, f"{worded(action.kind)} {action.target}".strip())
        for action in actions
        if action.state is ActionState.DONE and action.ended_at is not None
        if action.undone_by is None and action.id not in told
    ]
    return [text for _, text in sorted(found)[-_MOST_DONE:]]


def _at(at: datetime) -> str:
    return f"{iso(at)[:10]} {clock(at, seconds=False)}"
