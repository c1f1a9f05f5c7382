"""The append-only timeline: what happened, by whom."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from console.domain.event import Event, Severity
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked

_EVENTS = "SELECT id, at, kind, severity, subject, text, actor FROM console.event"


async def recent(
    store: Store,
    *,
    limit: int = 50,
    subject: str | None = None,
    before: int | None = None,
    until: datetime | None = None,
) -> list[Event]:
    """Entries, newest first: those about `subject`, with an id below `before`, not later than `until`."""
    # One statement for both would be planned without its index once it is prepared.
    about = "$2::text IS NULL" if subject is None else "subject = $2"
    rows = await store.fetch(
        f"""
        {_EVENTS} WHERE {about} AND ($3::bigint IS NULL OR id < $3)
            AND ($4::timestamptz IS NULL OR at <= $4)
        ORDER BY id DESC LIMIT $1
        """,
        limit,
        subject,
        before,
        until,
    )
    return [event_of(row) for row in rows]


async def between(store: Store, *, start: datetime, end: datetime, limit: int = 500) -> list[Event]:
    """Entries of [start, end] that are no incident's own, newest first; where there are more than `limit`, the
    newest."""
    rows = await store.fetch(
        f"""
        {_EVENTS} WHERE at >= $1 AND at <= $2 AND incident_id IS NULL
        ORDER BY at DESC, id DESC LIMIT $3
        """,
        start,
        end,
        limit,
    )
    return [event_of(row) for row in rows]


def event_of(row: asyncpg.Record) -> Event:
    """An entry from its row; all of its text is printable."""
    return Event(
        id=row["id"],
        at=row["at"],
        kind=printable(row["kind"], 50),
        severity=Severity(row["severity"]),
        subject=printable(row["subject"], 100),
        text=printable(row["text"], 600),
        actor=printable(row["actor"], 63),
    )


async def append(
    store: Store, lease: Lease, *, kind: str, severity: Severity, subject: str, text: str
) -> int:
    """An entry of the leading agent; returns its id. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.append_event($1, $2, $3, $4, $5)",
        lease.fence,
        printable(kind, 50),
        severity.value,
        printable(subject, 100),
        printable(text),
        once=True,
    )


async def note_drill(store: Store, *, name: str, text: str) -> int:
    """A person's entry about a drill, for responders and commanders; returns its id. Raises Refused, StoreAway and
    StoreRefused."""
    row = await asked(
        store,
        "run drills",
        "SELECT NULL AS refusal, console.note_drill($1, $2) AS id",
        printable(name, 100),
        printable(text),
    )
    return row["id"]
