"""Incidents in words, as JSON and in tables: what the commands print of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.cli.tables import GLYPH, STYLE, table
from console.domain.book import Done, Marked
from console.domain.format import age, clock, iso, iso_or_none
from console.domain.handover import Handover
from console.domain.incident import (
    Attached,
    Entry,
    FollowUp,
    Incident,
    Presence,
    Role,
    incident_name,
    timings,
)

if TYPE_CHECKING:
    from rich.table import Table

_LEVELS = {1: "critical", 2: "warning", 3: "info"}
_BOX = {None: "○", Done.DONE: "✓", Done.SKIPPED: "–"}
_GLYPHS = {"critical": GLYPH["critical"], "warning": GLYPH["warning"], "info": "·", "ok": GLYPH["ok"]}


# --- JSON -------------------------------------------------------------------------------------------------------------


def incident_json(incident: Incident) -> dict[str, Any]:
    """The documented shape of one incident."""
    took = timings(incident)
    return {
        "id": incident.id,
        "state": str(incident.state),
        "at": iso(incident.opened_at),
        "name": incident.name,
        "title": incident.title,
        "level": incident.level,
        "opened_by": incident.opened_by,
        "detected_at": iso(incident.detected_at),
        "acknowledged_at": iso_or_none(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "mitigated_at": iso_or_none(incident.mitigated_at),
        "mitigated_by": incident.mitigated_by,
        "closed_at": iso_or_none(incident.closed_at),
        "closed_by": incident.closed_by,
        "to_acknowledge_s": None if took.to_acknowledge is None else took.to_acknowledge.total_seconds(),
        "to_mitigate_s": None if took.to_mitigate is None else took.to_mitigate.total_seconds(),
        "to_resolve_s": None if took.to_resolve is None else took.to_resolve.total_seconds(),
        "resolution": incident.resolution or None,
        "merged_into": incident.merged_into,
        "roles": {str(role): person for role, person in incident.roles.items()},
        "alerts": list(incident.alerts),
        "runbooks": [_book_json(book) for book in incident.runbooks],
        "pins": [
            {"event": pin.event_id, "text": pin.text, "by": pin.by, "at": iso(pin.at)}
            for pin in incident.pins
        ],
        "follow_ups": [follow_up_json(each) for each in incident.follow_ups],
        "updates": [
            {
                "id": each.id,
                "state": each.kind,
                "at": iso(each.at),
                "template": each.template,
                "audience": each.audience,
                "by": each.by,
                "text": each.text,
            }
            for each in incident.updates
        ],
        "next_update_at": iso_or_none(incident.next_update_at),
        "plot": incident.plot or None,
        "present": incident.present,
    }


def _book_json(book: Attached) -> dict[str, Any]:
    return {
        "id": book.id,
        "name": book.name,
        "title": book.title,
        "done": book.done,
        "steps": [step_json(step) for step in book.steps],
    }


def step_json(step: Marked) -> dict[str, Any]:
    """The documented shape of one step of an attached runbook."""
    mark = step.mark
    return {
        "id": step.place,
        "state": "open" if mark is None else str(mark.state),
        "at": None if mark is None else iso(mark.at),
        "text": step.step.text,
        "part": step.step.part or None,
        "by": None if mark is None else mark.by,
        "note": None if mark is None else mark.note or None,
        "action": None if mark is None else mark.action_id,
    }


def follow_up_json(each: FollowUp) -> dict[str, Any]:
    """The documented shape of what is left to do."""
    return {
        "id": each.id,
        "state": "open" if each.done_at is None else "done",
        "at": iso(each.at),
        "text": each.text,
        "owner": each.owner or None,
        "by": each.by,
        "done_by": each.done_by,
        "done_at": iso_or_none(each.done_at),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """The documented shape of one entry of a timeline; `incident` is null for what happened on the platform."""
    event = entry.event
    return {
        "id": event.id,
        "state": event.kind,
        "at": iso(event.at),
        "severity": str(event.severity),
        "actor": event.actor,
        "subject": event.subject,
        "text": event.text,
        "body": entry.body or None,
        "incident": entry.incident_id,
    }


def presence_json(each: Presence) -> dict[str, Any]:
    """The documented shape of a console that has an incident open."""
    return {
        "person": each.person,
        "at": iso(each.seen_at),
        "active_at": iso(each.active_at),
        "screen": each.screen,
        "selection": each.selection or None,
    }


def handover_json(each: Handover) -> dict[str, Any]:
    """The documented shape of a hand-over."""
    return {
        "id": each.id,
        "state": "offered" if each.signed_at is None else "signed",
        "at": iso(each.at),
        "giver": each.giver,
        "taker": each.taker,
        "note": each.note or None,
        "signed_at": iso_or_none(each.signed_at),
        "text": each.text,
    }


# --- words ------------------------------------------------------------------------------------------------------------


def headline(incident: Incident) -> str:
    """`■ SEV1  INC-12  Orders fail  MITIGATED`."""
    glyph = GLYPH[_LEVELS[incident.level]]
    return f"{glyph} SEV{incident.level}  {incident.name}  {incident.title}  {incident.standing.upper()}"


def lines(
    incident: Incident, alerts: Mapping[int, str], present: Sequence[Presence], now: datetime
) -> Iterator[str]:
    """All of it, but for its timeline; `alerts` are names of those that are known."""
    yield headline(incident)
    yield f"opened   by {incident.opened_by}, {iso(incident.opened_at)}"
    yield f"clocks   detected {clock(incident.detected_at)}{_clocks(incident)}"
    for role in Role:
        if role in incident.roles:
            yield f"role     {role}: {incident.roles[role]}"
    for each in present:
        yield f"here     {each.person}, on screen {each.screen}, {age(now - each.seen_at)} ago"
    if incident.merged_into is not None:
        yield f"merged   {incident_name(incident.merged_into)} goes on with it"
    if (rung := incident.next_rung(now)) is not None:
        yield f"ladder   {rung[0].who} at {clock(rung[1])}"
    if incident.next_update_at is not None and not incident.state.over:
        late = " (late)" if incident.next_update_at < now else ""
        yield f"update   the next one at {clock(incident.next_update_at)}{late}"
    if incident.plot:
        yield f"plot     {incident.plot}"
    for number in incident.alerts:
        yield f"alert    {number}  {alerts.get(number, '')}".rstrip()
    for pin in incident.pins:
        yield f"pinned   {pin.event_id}  {pin.text} ({pin.by})"
    for book in incident.runbooks:
        yield f"runbook  {book.title}  {book.done}/{len(book.steps)}  ({book.name})"
        yield from map(step_line, book.steps)
    for each in incident.follow_ups:
        yield f"to do    {follow_up_line(each)}"
    for update in incident.updates:
        yield f"told     {clock(update.at)}  {update.audience}, {update.kind}  {update.by}"
    for line in incident.resolution.splitlines():
        yield f"was      {line}"


def _clocks(incident: Incident) -> str:
    took = timings(incident)
    return "".join(
        f", {word} {clock(at)} (after {age(span)}) by {by}"
        for word, at, span, by in (
            ("acknowledged", incident.acknowledged_at, took.to_acknowledge, incident.acknowledged_by),
            ("mitigated", incident.mitigated_at, took.to_mitigate, incident.mitigated_by),
            (str(incident.state), incident.closed_at, took.to_resolve, incident.closed_by),
        )
        if at is not None and span is not None
    )


def step_line(step: Marked) -> str:
    """`  ✓ 3  Fail over  alice, 12:10:00  note`."""
    mark = step.mark
    who = "" if mark is None else f"  {mark.by}, {clock(mark.at)}  {mark.note}"
    return f"  {_BOX[None if mark is None else mark.state]} {step.place:<2} {step.step.text}{who}".rstrip()


def follow_up_line(each: FollowUp) -> str:
    """`7  Check prices for their age  alice`."""
    done = "" if each.done_at is None else f"  done by {each.done_by}"
    return f"{each.id}  {each.text}  {each.owner or 'nobody has it'}{done}"


def numbered_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """As `entry_lines`, with the number of each, which `pin` takes."""
    width = max((len(str(entry.event.id)) for entry in entries), default=0)
    for entry in entries:
        first, *more = entry_lines(entry)
        yield f"{entry.event.id:>{width}}  {first}"
        yield from (f"{'':<{width}}  {line}".rstrip() for line in more)


def entry_lines(entry: Entry) -> Iterator[str]:
    """One line, and what a note says beyond it below."""
    event = entry.event
    said = event.text if event.text.startswith(event.actor) else f"{event.actor}: {event.text}"
    yield f"{clock(event.at)}  {_GLYPHS[str(event.severity)]} {event.kind:<10} {said}"
    for line in entry.more.splitlines():
        yield f"{'':<10}  {line}".rstrip()


def incident_table(found: Sequence[Incident], now: datetime) -> Table:
    """One row each."""
    from rich.text import Text

    rows = table("id", "incident", "state", "for", "commander", "steps", right={"id", "for", "steps"})
    for each in found:
        level = _LEVELS[each.level]
        steps = sum(len(book.steps) for book in each.runbooks)
        rows.add_row(
            str(each.id),
            Text(
                f"{GLYPH[level]} SEV{each.level} {each.title}",
                style="dim" if each.state.over else STYLE[level],
            ),
            each.standing,
            age((each.closed_at or now) - each.detected_at),
            Text(each.commander or "nobody"),
            f"{sum(book.done for book in each.runbooks)}/{steps}" if steps else "",
        )
    return rows


def handover_table(found: Sequence[Handover]) -> Table:
    """One row each."""
    from rich.text import Text

    rows = table("id", "at", "from", "to", "signed", "note", right={"id"})
    for each in found:
        signed = "" if each.signed_at is None else iso(each.signed_at)
        rows.add_row(str(each.id), iso(each.at), Text(each.giver), Text(each.taker), signed, Text(each.note))
    return rows
