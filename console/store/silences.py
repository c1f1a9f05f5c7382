"""Silences: alerts that match are quiet until an end that was given when they were added."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

import asyncpg

from console.domain.alert import Matcher, Silence
from console.domain.text import printable
from console.store.pool import Store
from console.store.refusals import asked, numbers


async def active(store: Store) -> list[Silence]:
    """Those that hold now, on the store's clock; the first to end comes first."""
    rows = await store.fetch(
        f"""
        SELECT {_COLUMNS} FROM console.silence
        WHERE starts_at <= clock_timestamp() AND ends_at > clock_timestamp()
        ORDER BY ends_at, id
        """  # noqa: S608 - no value from outside
    )
    return [_silence(row) for row in rows]


async def add(store: Store, matchers: Iterable[Matcher], *, length: timedelta, reason: str) -> Silence:
    """Quieten what matches all of `matchers`, from now on for `length` (at most 30 days). Regular expressions are
    PostgreSQL's. Raises Refused, StoreAway and StoreRefused."""
    row = await asked(
        store,
        "silence alerts",
        f"""
        SELECT a.refusal, {_COLUMNS}
        FROM console.add_silence($1, $2, $3) AS a(refusal, made), LATERAL (SELECT (a.made).*) AS made
        """,  # noqa: S608 - no value from outside
        json.dumps([{"label": m.label, "op": m.op, "value": m.value.replace("\0", "")} for m in matchers]),
        length.total_seconds(),
        printable(reason.strip()),
    )
    return _silence(row)


async def end(store: Store, silence_id: int) -> None:
    """Lift a silence before its time, whoever added it. Raises Refused, StoreAway and StoreRefused."""
    await asked(store, "end silences", "SELECT console.end_silence($1)", *numbers("silence", [silence_id]))


_COLUMNS = "id, matchers, author, reason, starts_at, ends_at, ended_by"


def _silence(row: asyncpg.Record) -> Silence:
    ended_by = row["ended_by"]
    return Silence(
        id=row["id"],
        matchers=tuple(
            Matcher(printable(m["label"], 20), printable(m["op"], 5), printable(m["value"]))
            for m in json.loads(row["matchers"])
        ),
        author=printable(row["author"], 63),
        reason=printable(row["reason"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        ended_by=None if ended_by is None else printable(ended_by, 63),
    )
