"""Incidents in the store: as they stand, their timelines, and what people and the leading agent change of them.

Each change is one function of the store, done when it returns. Raises Refused when a guard says no, StoreAway and
StoreRefused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from console.domain.book import Done
from console.domain.incident import Entry, Incident, Role
from console.domain.text import lines_of, printable
from console.store import incident_rows
from console.store import timeline as timelines
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers, possible

_LINE, _PERSON = 500, 63
# More than the store takes: it says how long it may be.
_NOTE = 40_000
_GLANCE = 200
_MOST_CLOSED = 50


async def current(store: Store, *, closed_since: datetime) -> list[Incident]:
    """Those that are not over (the worst level, then the latest, first), then those closed since then, the last one
    first. Of updates only how they begin."""
    return await _read(
        store,
        """
        WHERE i.closed_at IS NULL OR i.id IN (
            SELECT id FROM console.incident WHERE closed_at >= $3 ORDER BY closed_at DESC LIMIT $4
        )
        ORDER BY i.closed_at DESC NULLS FIRST, i.level, i.opened_at DESC, i.id DESC
        """,
        _GLANCE,
        closed_since,
        _MOST_CLOSED,
    )


async def one(store: Store, incident_id: int) -> Incident | None:
    """One of them, however old; None where there is none of this number."""
    return next(iter(await _read(store, "WHERE i.id = $3", None, possible(incident_id))), None)


async def latest(store: Store, *, limit: int = 50) -> list[Incident]:
    """All of them, the latest first. Of updates only how they begin."""
    return await _read(store, "ORDER BY i.id DESC LIMIT $3", _GLANCE, limit)


async def timeline(
    store: Store, incident_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 200
) -> list[Entry]:
    """Its own entries, and those of the platform from half an hour before it was detected until it was closed, newest
    first by time and id; `before` is that of the last entry of the page before."""
    at, event_id = before or (datetime.max.replace(tzinfo=UTC), 0)
    rows = await store.fetch(TIMELINE, possible(incident_id), at, event_id, limit)
    return [
        Entry(
            timelines.event_of(row),
            row["incident_id"],
            "" if row["body"] is None else lines_of(row["body"]),
        )
        for row in rows
    ]


# --- what people change -----------------------------------------------------------------------------------------------


async def open_by_hand(
    store: Store,
    title: str,
    level: int,
    *,
    alerts: Sequence[int] = (),
    runbook: str = "",
    note: str = "",
    key: str = "",
) -> int:
    """Open one; its number. The same key again is the same one; "": none. Refused for an alert that belongs to another
    one that is not over."""
    row = await asked(
        store,
        "open incidents",
        "SELECT refusal, id FROM console.open_incident($1, $2, $3, $4, $5, $6)",
        printable(title.strip(), _LINE),
        _small(level),
        numbers("alert", alerts),
        printable(runbook.strip(), 100),
        lines_of(note, _NOTE),
        printable(key, 100),
    )
    return row["id"]


async def acknowledge(store: Store, incident_id: int) -> None:
    """Somebody works on it, and on its alerts that fire: the ladder stops."""
    await _change(store, "ack_incident($1)", incident_id)


async def mitigate(store: Store, incident_id: int, note: str = "", *, back: bool = False) -> None:
    """The harm has stopped; `back`: it has not, after all."""
    await _change(store, "mitigate_incident($1, $2, $3)", incident_id, printable(note.strip(), 400), back)


async def close(store: Store, incident_id: int, resolution: str) -> None:
    """It is over, and what it was."""
    await _change(store, "close_incident($1, $2)", incident_id, lines_of(resolution, _NOTE))


async def reopen(store: Store, incident_id: int, reason: str) -> None:
    """It was not over, nor is it mitigated. Alerts that belong to another one by now stay there."""
    await _change(store, "reopen_incident($1, $2)", incident_id, printable(reason.strip(), _LINE))


async def set_level(store: Store, incident_id: int, level: int, reason: str) -> None:
    """How bad it is, 1 (worst) to 3, and why."""
    await _change(
        store, "set_level($1, $2, $3)", incident_id, _small(level), printable(reason.strip(), _LINE)
    )


async def rename(store: Store, incident_id: int, title: str) -> None:
    """What it is called."""
    await _change(store, "rename_incident($1, $2)", incident_id, printable(title.strip(), _LINE))


async def set_role(store: Store, incident_id: int, role: Role, person: str) -> None:
    """Who is what; "" for nobody."""
    await _change(
        store, "set_role($1, $2, $3)", incident_id, Role(role).value, printable(person.strip(), 100)
    )


async def link(store: Store, incident_id: int, alerts: Sequence[int]) -> None:
    """These alerts belong to it, and to no other that is not over."""
    await _change(store, "link_alerts($1, $2)", incident_id, numbers("alert", alerts))


async def split(store: Store, incident_id: int, alerts: Sequence[int], title: str, *, key: str = "") -> int:
    """These of its alerts become an incident of their own, of the same level; its number. The same key again is the
    same one; "": none."""
    row = await _change(
        store,
        "split_incident($1, $2, $3, $4)",
        incident_id,
        numbers("alert", alerts),
        printable(title.strip(), _LINE),
        printable(key, 100),
        columns="refusal, id",
    )
    return row["id"]


async def merge(store: Store, incident_id: int, into: int) -> None:
    """Its alerts, runbooks, pins and follow-ups belong to the other one, which goes on; its timeline stays its own."""
    await _change(store, "merge_incident($1, $2)", incident_id, *numbers("incident", [into]))


async def attach(store: Store, incident_id: int, name: str) -> None:
    """Work through this runbook, too: a copy of it as it is published now, its ladder on the clock."""
    await _change(store, "attach_runbook($1, $2)", incident_id, printable(name.strip(), 100))


async def mark(
    store: Store,
    incident_id: int,
    book: int,
    place: int,
    state: Done | None,
    *,
    note: str = "",
    action_id: int | None = None,
) -> None:
    """A step is done, skipped (which takes a note), or None: not done after all. The same again by the same person
    changes nothing; what somebody else said already is refused, with their name."""
    await _change(
        store,
        "mark_step($1, $2, $3, $4, $5, $6)",
        incident_id,
        possible(book),
        _small(place),
        None if state is None else Done(state).value,
        printable(note.strip(), 400),
        None if action_id is None else possible(action_id),
    )


async def add_note(store: Store, incident_id: int, text: str, *, key: str) -> int:
    """A note; the event's number. The same key again is the same note, whatever it says."""
    row = await _change(
        store,
        "add_note($1, $2, $3)",
        incident_id,
        lines_of(text, _NOTE),
        printable(key, 100),
        columns="refusal, id",
    )
    return row["id"]


async def pin(store: Store, incident_id: int, event_id: int, *, off: bool = False) -> None:
    """Keep an entry in sight, or no longer."""
    await _change(store, "pin_event($1, $2, $3)", incident_id, possible(event_id), off)


async def pin_plot(store: Store, incident_id: int, metric: str) -> None:
    """The metric that everybody looks at; "" for none."""
    await _change(store, "pin_plot($1, $2)", incident_id, printable(metric.strip(), 100))


async def add_follow_up(store: Store, incident_id: int, text: str, owner: str = "", *, key: str = "") -> int:
    """What is to be done afterwards; its number. The same key again is the same one; "": none."""
    row = await _change(
        store,
        "add_follow_up($1, $2, $3, $4)",
        incident_id,
        printable(text.strip(), _LINE),
        printable(owner.strip(), _PERSON),
        printable(key, 100),
        columns="refusal, id",
    )
    return row["id"]


async def end_follow_up(store: Store, follow_up: int) -> None:
    """It is done."""
    await asked(
        store,
        "work on incidents",
        "SELECT console.end_follow_up($1)",
        *numbers("follow-up", [follow_up]),
    )


async def record_update(
    store: Store, incident_id: int, template: str, text: str, *, key: str, again_s: float | None = None
) -> int:
    """A stakeholder update as it goes out; the event's number. The next one is promised `again_s` seconds from now, or
    none. The same key again is the same update."""
    row = await _change(
        store,
        "record_update($1, $2, $3, $4, $5)",
        incident_id,
        printable(template.strip(), 100),
        lines_of(text, _NOTE),
        again_s,
        printable(key, 100),
        columns="refusal, id",
    )
    return row["id"]


async def _change(
    store: Store, call: str, incident_id: int, *args: object, columns: str = "*"
) -> asyncpg.Record:
    """One function of the store, the incident's number first."""
    (number,) = numbers("incident", [incident_id])
    return await asked(
        store,
        "work on incidents",
        f"SELECT {columns} FROM console.{call}",  # noqa: S608 - no value from outside
        number,
        *args,
    )


def _small(number: int) -> int:
    """A number that the store can take as an integer, 0 for one that is none of its."""
    return number if 0 < number < 2**31 else 0


# --- by rule ----------------------------------------------------------------------------------------------------------


class Alone(NamedTuple):
    """An alert that belongs to no incident, and what its rule says."""

    id: int
    rule: str
    metric: str | None
    runbook: str
    action: str


async def alone(store: Store, actions: Sequence[str]) -> list[Alone]:
    """Alerts that fire and count, with one of these actions, and belong to no incident: the worst, and then the oldest,
    first."""
    rows = await store.fetch(
        """
        SELECT id, fingerprint, metric, runbook, action FROM console.alert_alone WHERE action = ANY ($1)
        ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), fired_at, id
        """,
        list(actions),
    )
    return [
        Alone(
            row["id"],
            printable(row["fingerprint"], 200),
            None if row["metric"] is None else printable(row["metric"], 200),
            printable(row["runbook"], 200),
            printable(row["action"], 100),
        )
        for row in rows
    ]


async def open_by_rule(store: Store, lease: Lease, alert: int, *, runbook: str, level: int) -> int | None:
    """Open one for this alert, or link it to one that has this runbook or an alert of its rule. None: it belongs to one
    by now, or no longer fires. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.open_by_rule($1, $2, $3, $4)", lease.fence, alert, runbook, level
    )


async def tick(store: Store, lease: Lease, incident: int, book: int, place: int, note: str) -> bool:
    """A step that the agent has seen to be done, with its evidence; whether it is ticked now: not where somebody said
    something of it before, or took such a tick back. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.tick_step($1, $2, $3, $4, $5)",
        lease.fence,
        incident,
        book,
        place,
        printable(note, 400),
    )


async def take_back(store: Store, lease: Lease, incident: int, book: int, place: int, note: str) -> bool:
    """A tick of the agent's that holds no more, and why; whether it was taken back. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.untick_step($1, $2, $3, $4, $5)",
        lease.fence,
        incident,
        book,
        place,
        printable(note, 400),
    )


# --- reading ----------------------------------------------------------------------------------------------------------

# Two indexes, each read from where the page begins: one bound, or the later one would be read from.
TIMELINE = """
    SELECT e.* FROM console.incident AS i CROSS JOIN LATERAL (
        -- The rules of level info that had an alert since then, and none of this incident's: found once.
        SELECT ARRAY(
            SELECT fingerprint FROM console.alert WHERE severity = 'info' AND phase IN ('pending', 'firing')
            UNION
            SELECT fingerprint FROM console.alert
                WHERE severity = 'info' AND phase = 'resolved' AND resolved_at >= i.detected_at - interval '30 minutes'
            EXCEPT
            SELECT rule FROM console.incident_alert WHERE incident_id = i.id
        ) AS rules
    ) AS quiet CROSS JOIN LATERAL (
        (
            SELECT id, at, kind, severity, subject, text, actor, incident_id, body FROM console.event
            WHERE incident_id = i.id AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4
        ) UNION ALL (
            SELECT id, at, kind, severity, subject, text, actor, incident_id, body FROM console.event
            WHERE incident_id IS NULL AND at >= i.detected_at - interval '30 minutes' AND (at, id) < (
                least($2, i.closed_at + interval '1 microsecond'), CASE WHEN $2 > i.closed_at THEN 0 ELSE $3 END
            )
            -- That an agent starts, what a rule of level info says of something else, and what people do beside it
            -- explains nothing here.
            AND kind NOT IN ('book', 'checklist', 'handover') AND NOT (kind = 'agent' AND severity IN ('info', 'ok'))
            AND NOT (
                kind = 'alert' AND severity IN ('info', 'ok')
                AND subject = ANY (quiet.rules)
            )
            ORDER BY at DESC, id DESC LIMIT $4
        )
    ) AS e
    WHERE i.id = $1
    ORDER BY e.at DESC, e.id DESC LIMIT $4
"""
# Steps of an attached runbook never change: each is read once.
_MOST_KNOWN = 500


async def _read(store: Store, which: str, *args: object) -> list[Incident]:
    known = store.attached
    rows = await store.fetch(f"{incident_rows.SELECT} {which}", list(known), *args)
    found = dict(known) if len(known) < _MOST_KNOWN else {}
    read = [incident_rows.incident(row, known, found) for row in rows]
    store.attached = found
    return read
