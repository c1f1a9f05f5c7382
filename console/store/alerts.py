"""Alerts: what is pending and fires, written by the leading agent, with their history; and what people say of them.

Rules are evaluated elsewhere. Here it is decided which row a change belongs to, what of it goes into the history and
onto the timeline, and that each tick is evaluated once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

import asyncpg

from console.domain.alert import Alert, AlertChange, Phase, order
from console.domain.event import Severity
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers

Change = Mapping[str, object]
"""One change of one rule's alert; `op`, `rule`, and what else belongs to it:

- `open`: a rule without an open alert is pending or fires. Takes all that describes it (`type`, `severity`, `action`,
  `condition`, `definition`, `for_s`, `keep_firing_s`, `metric`, `unit`, `limit`, `low`, `channels`, `runbook`) and how
  it stands (`phase`, `summary`, `value`, `peak`, `peak_at`, `at`, `pending_at`, `fired_at`, `false_since`, `stale`,
  `inhibited_by`). With `flap_s`, one that was resolved up to that many seconds ago fires again, instead of a new one.
- `update`: any of the same, for the open alert; what is absent stays. With `flap_s` as above when it begins to fire.
- `drop`: a pending one was not true for long enough; only its history stays. May have `resolution`.
- `resolve`: one that fired is over: `resolved_at`, `resolution`, and any of the above.

`at` is the cursor of the call unless it is given; `pending_at`, `fired_at` and `resolved_at` are `at`.
"""


class Open(NamedTuple):
    """An open alert, and what an agent needs beside it to go on: `Rule.definition` as it was when this was written,
    and since when the condition has been false while it still fires."""

    alert: Alert
    definition: str
    false_since: datetime | None


class Standings(NamedTuple):
    """Where evaluation stands: the last tick that was evaluated (None: none yet), and every open alert."""

    cursor: datetime | None
    open: list[Open]


async def current(store: Store, *, resolved_since: datetime, limit: int = 500) -> list[Alert]:
    """All open alerts, and those resolved since then (of these at most the last `limit`, and none that another alert
    explained all the time), in the order of a list."""
    rows = await store.fetch(
        f"""
        SELECT {_COLUMNS} FROM console.alert_now
        WHERE phase = 'resolved' AND resolved_at >= $1 AND counted_at IS NOT NULL
        ORDER BY resolved_at DESC LIMIT $2
        """,  # noqa: S608 - no value from outside
        resolved_since,
        limit,
    )
    last, page = 0, _PAGE
    while page == _PAGE:
        more = await store.fetch(
            f"""
            SELECT {_COLUMNS} FROM console.alert_now WHERE phase IN ('pending', 'firing') AND id > $1
            ORDER BY id LIMIT $2
            """,  # noqa: S608 - no value from outside
            last,
            _PAGE,
        )
        rows += more
        page = len(more)
        last = more[-1]["id"] if more else last
    before, found = store.alerts, {}
    for i, row in enumerate(rows, 1):
        known = before.get(row["id"])
        if known is None or known[0] != row:
            alert = _alert(row)
            known = (row, alert, order(alert))
        found[row["id"]] = known
        if i % _AT_ONCE == 0:
            # Thousands of alerts in a storm must not keep a key waiting.
            await asyncio.sleep(0)
    store.alerts = found
    return [alert for _, alert, _ in sorted(found.values(), key=itemgetter(2))]


async def some(store: Store, ids: Iterable[int]) -> list[Alert]:
    """Those of these alerts that are there, however old, in the order of a list."""
    rows = await store.fetch(
        f"SELECT {_COLUMNS} FROM console.alert_now WHERE id = ANY ($1)",  # noqa: S608 - no value from outside
        list(ids),
    )
    return sorted((_alert(row) for row in rows), key=order)


async def fires(store: Store, ids: Iterable[int]) -> bool:
    """Whether any of these alerts fires."""
    return await store.fetchval(
        "SELECT EXISTS (SELECT FROM console.alert WHERE id = ANY ($1) AND phase = 'firing')", list(ids)
    )


async def standing(store: Store) -> Standings:
    """Where evaluation stands, read in one moment. For an agent that begins to lead, and after each write that
    failed or was passed over."""
    rows = await store.fetch(
        f"""
        SELECT evaluated_at, {_COLUMNS}, definition, false_since
        FROM (SELECT at AS evaluated_at FROM console.alert_cursor) AS c LEFT JOIN (
            SELECT * FROM console.alert_now WHERE phase IN ('pending', 'firing')
        ) AS a ON true
        ORDER BY id
        """  # noqa: S608 - no value from outside
    )
    return Standings(
        cursor=rows[0]["evaluated_at"] if rows else None,
        open=[
            Open(_alert(row), printable(row["definition"], 200), row["false_since"])
            for row in rows
            if row["id"] is not None
        ],
    )


async def write(store: Store, lease: Lease, *, cursor: datetime, changes: Sequence[Change]) -> bool:
    """What the evaluation of the tick at `cursor` changed, in order, in one call.

    False: a tick as late as this one has been evaluated already, by whomever, and nothing was written. Also false
    when the connection was lost and the first try had been written: read `standing` before going on. Raises Fenced,
    and StoreRefused for a change that does not fit; then nothing was written either. Texts are made printable and
    cut; NaN, infinity and numbers beyond 1e100 become "no value".
    """
    return await store.fetchval(
        "SELECT console.write_alerts($1, $2, $3)", lease.fence, cursor, _to_json(changes)
    )


async def expire_acknowledgements(store: Store, lease: Lease, *, at: datetime, idle: timedelta) -> int:
    """Take back what was acknowledged `idle` ago or longer and still fires; how many those were. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.expire_acknowledgements($1, $2, $3)", lease.fence, at, idle.total_seconds()
    )


async def history(
    store: Store, *, alert_id: int | None = None, rule: str | None = None, limit: int = 100
) -> list[AlertChange]:
    """What became of one alert, of one rule's alerts, or of all, newest first."""
    rows = await store.fetch(
        """
        SELECT at, alert_id, rule, kind, actor, text, value, value_text FROM console.alert_change
        WHERE ($1::bigint IS NULL OR alert_id = $1) AND ($2::text IS NULL OR rule = $2)
        ORDER BY id DESC LIMIT $3
        """,
        alert_id,
        rule,
        limit,
    )
    return [
        AlertChange(
            at=row["at"],
            alert_id=row["alert_id"],
            rule=printable(row["rule"]),
            kind=printable(row["kind"], 50),
            actor=printable(row["actor"], 63),
            text=printable(row["text"]),
            value=_value(row),
        )
        for row in rows
    ]


async def fired_per_hour(
    store: Store, *, start: datetime, end: datetime
) -> list[tuple[datetime, Severity, int]]:
    """How many alerts began to fire in each hour (UTC) of [start, end), by the severity they then had; those that
    another one explained from the first are not counted. Hours and severities in which none did are left out."""
    rows = await store.fetch(
        """
        SELECT date_trunc('hour', at, 'UTC') AS hour, severity, count(*) AS fired FROM console.alert_change
        WHERE kind = 'firing' AND at >= $1 AND at < $2 AND NOT inhibited
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        start,
        end,
    )
    return [(row["hour"], Severity(row["severity"]), row["fired"]) for row in rows]


async def acknowledge(store: Store, ids: Iterable[int], note: str = "") -> None:
    """Somebody has seen these alerts and deals with them: all of them, or none. Raises Refused, StoreAway and
    StoreRefused."""
    await asked(
        store,
        "acknowledge alerts",
        "SELECT console.ack_alerts($1, $2)",
        numbers("alert", ids),
        printable(note.strip()),
    )


async def unacknowledge(store: Store, ids: Iterable[int]) -> None:
    """Take acknowledgements back, whoever gave them: all, or none. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "take back acknowledgements of alerts",
        "SELECT console.unack_alerts($1)",
        numbers("alert", ids),
    )


# --- encoding ---------------------------------------------------------------------------------------------------------

_COLUMNS = """
    id, fingerprint, type, severity, action, phase, condition, summary, pending_at, at, for_s, keep_firing_s, metric,
    unit, "limit", low, value, value_text, peak, peak_at, fired_at, resolved_at, resolution, stale, inhibited_by,
    flaps, channels, runbook, acknowledged_by, acknowledged_at, silence, silenced_by, silenced_until
"""
_LARGEST = 1e100
# Rows are decoded a page at a time, and alerts made of so many at once.
_PAGE = 400
_AT_ONCE = 100


def _to_json(changes: Sequence[Change]) -> str:
    return json.dumps(
        [
            {key: _plain(value, 1000 if key == "condition" else 500) for key, value in c.items()}
            for c in changes
        ],
        allow_nan=False,
    )


def _plain(value: object, limit: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return printable(value, limit)
    if isinstance(value, int | float):
        return value if abs(value) <= _LARGEST else None  # false for NaN
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Iterable):
        return [_plain(entry, limit) for entry in value]
    raise TypeError(f"a change of an alert can't hold a {type(value).__name__}")


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(
        id=row["id"],
        rule=printable(row["fingerprint"]),
        type=printable(row["type"]),
        severity=Severity(row["severity"]),
        action=printable(row["action"]),
        phase=Phase(row["phase"]),
        condition=printable(row["condition"], 1000),
        summary=printable(row["summary"]),
        pending_at=row["pending_at"],
        at=row["at"],
        for_s=row["for_s"],
        keep_firing_s=row["keep_firing_s"],
        metric=_text(row["metric"]),
        unit=printable(row["unit"]),
        limit=row["limit"],
        low=row["low"],
        value=_value(row),
        peak=row["peak"],
        peak_at=row["peak_at"],
        fired_at=row["fired_at"],
        resolved_at=row["resolved_at"],
        resolution=printable(row["resolution"]),
        stale=row["stale"],
        inhibited_by=_text(row["inhibited_by"]),
        flaps=row["flaps"],
        channels=tuple(printable(channel) for channel in row["channels"]),
        runbook=printable(row["runbook"]),
        acknowledged_by=_text(row["acknowledged_by"]),
        acknowledged_at=row["acknowledged_at"],
        silence=row["silence"],
        silenced_by=_text(row["silenced_by"]),
        silenced_until=row["silenced_until"],
    )


def _text(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _value(row: asyncpg.Record) -> float | str | None:
    return row["value"] if row["value"] is not None else _text(row["value_text"])
