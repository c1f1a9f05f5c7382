"""Ticks: every metric's value at one moment. Written by the leading agent, read at any moment and as series."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

import asyncpg

from console.domain.health import Check
from console.domain.metric import MetricSpec, MetricValue, Series
from console.domain.snapshot import Metrics
from console.store import windows
from console.store.encoding import check_columns, decode, encode, specs_from_json, specs_to_json
from console.store.lease import Lease
from console.store.pool import Store

_READ_AT_ONCE = timedelta(minutes=10)
# A seeded tick costs the server time in proportion to its place in the batch: slices of an array are counted off.
_BATCH = 100


async def ensure_catalogue(store: Store, lease: Lease, specs: Sequence[MetricSpec]) -> int:
    """The id of this catalogue; the same specs always have the same one. Raises Fenced."""
    return await _catalogue(store, lease, specs, seeded=False)


async def write_tick(
    store: Store,
    lease: Lease,
    *,
    at: datetime,
    catalogue_id: int,
    values: Sequence[MetricValue],
    checks: Sequence[Check],
) -> None:
    """One tick in one call: all values in the order of the catalogue, and every component's health, with an entry
    on the timeline for each status that changed. Writing the same tick again changes nothing.

    Components that have no check in a non-empty `checks` are no longer shown. Raises Fenced.
    """
    numbers, texts = encode(values)
    await store.fetchval(
        "SELECT console.write_tick($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        lease.fence,
        at,
        catalogue_id,
        numbers,
        texts,
        *check_columns(checks),
    )


async def write_seeded(
    store: Store,
    lease: Lease,
    specs: Sequence[MetricSpec],
    rows: Iterable[tuple[datetime, Sequence[MetricValue]]],
) -> int:
    """A made-up past, under a catalogue that is marked as seeded; returns how many ticks were new. Ticks that are
    there already stay. Raises Fenced."""
    catalogue_id = await _catalogue(store, lease, specs, seeded=True)
    written, remaining = 0, iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        numbers: list[float | None] = []
        texts: list[str | None] = []
        for _, values in batch:
            n, t = encode(values)
            numbers += n
            texts += t
        written += await store.fetchval(
            "SELECT console.write_seeded($1, $2, $3, $4, $5)",
            lease.fence,
            catalogue_id,
            [at for at, _ in batch],
            numbers,
            texts,
        )
    return written


async def latest(store: Store) -> Metrics:
    """The last tick; `Metrics()` before the first one."""
    return await _metrics(store, _LATEST)


async def latest_at(store: Store) -> datetime | None:
    """When the last tick was; None before the first one."""
    return await store.fetchval("SELECT max(at) FROM console.tick")


async def at_moment(store: Store, moment: datetime) -> Metrics:
    """The last tick at or before `moment`, however long before; `Metrics()` when there is none."""
    return await _metrics(store, _AT_MOMENT, moment)


async def series(
    store: Store, names: Sequence[str], *, start: datetime, end: datetime, points: int
) -> dict[str, Series]:
    """The mean of each name in each of `points` equal buckets of [start, end). Every name has an entry.

    A window of many ticks is read as an evenly spaced sample of at least 15 ticks per bucket (see `windows`).
    """
    span_s = (end - start).total_seconds()
    windows.require_window(span_s, points)
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    rows = await store.fetch(windows.means(len(wanted)), wanted, start, end, points, *windows.LIMITS)
    filled = [(row["bucket"], row["means"]) for row in rows]
    return {
        name: Series(
            start, span_s / points, windows.spread([(b, means[i]) for b, means in filled], points, None)
        )
        for i, name in enumerate(wanted)
    }


async def between(
    store: Store, start: datetime, end: datetime, *, step_s: float | None = None
) -> AsyncIterator[Metrics]:
    """Every tick of (start, end], oldest first; with `step_s` at most one per that many seconds (the last of each).

    Thinned ticks count as well. Read a few minutes at a time: a day of ticks never lies in memory at once.
    """
    step = timedelta(seconds=step_s or 1)
    chunk = step * math.ceil(_READ_AT_ONCE / step)
    after = start
    while after < end:
        until = min(after + chunk, end)
        for row in await store.fetch(_BETWEEN, after, until, step_s):
            yield await _decoded(store, row)
        after = until


async def before(store: Store, moment: datetime, at_most: timedelta) -> Metrics:
    """The last tick at or before `moment` that is no older than `at_most`; `Metrics()` when there is none."""
    found = await at_moment(store, moment)
    return found if found.at is not None and found.at >= moment - at_most else Metrics()


_COLUMNS = "t.at, t.numbers, t.texts, c.sha256"
_LATEST = f"""
    SELECT {_COLUMNS}
    FROM (SELECT * FROM console.tick ORDER BY at DESC LIMIT 1) AS t JOIN console.catalogue AS c ON c.id = t.catalogue_id
"""  # noqa: S608 - no value from outside
_AT_MOMENT = f"""
    SELECT {_COLUMNS}
    FROM (
        (SELECT * FROM console.tick WHERE at <= $1 ORDER BY at DESC LIMIT 1)
        UNION ALL
        (SELECT * FROM console.tick_thin WHERE at <= $1 ORDER BY at DESC LIMIT 1)
        ORDER BY at DESC LIMIT 1
    ) AS t JOIN console.catalogue AS c ON c.id = t.catalogue_id
"""  # noqa: S608 - no value from outside


# $1 after, $2 up to, $3 step in seconds or null.
_BETWEEN = f"""
    SELECT {_COLUMNS}
    FROM (
        SELECT DISTINCT ON (step) * FROM (
            SELECT *, coalesce(ceil(extract(epoch FROM at - $1) / $3::float8), extract(epoch FROM at)) AS step
            FROM (
                SELECT * FROM console.tick WHERE at > $1 AND at <= $2
                UNION ALL
                SELECT * FROM console.tick_thin WHERE at > $1 AND at <= $2
            ) AS every
        ) AS numbered
        ORDER BY step, at DESC
    ) AS t JOIN console.catalogue AS c ON c.id = t.catalogue_id
    ORDER BY t.at
"""  # noqa: S608 - no value from outside


async def _metrics(store: Store, sql: str, *args: object) -> Metrics:
    row = await store.fetchrow(sql, *args)
    return Metrics() if row is None else await _decoded(store, row)


async def _decoded(store: Store, row: asyncpg.Record) -> Metrics:
    specs = store.catalogues.get(row["sha256"])
    if specs is None:
        text = await store.fetchval("SELECT specs FROM console.catalogue WHERE sha256 = $1", row["sha256"])
        specs = store.catalogues[row["sha256"]] = specs_from_json(text)
    return Metrics(
        at=row["at"],
        specs={spec.name: spec for spec in specs},
        values=decode(specs, row["at"], row["numbers"], row["texts"]),
    )


async def _catalogue(store: Store, lease: Lease, specs: Sequence[MetricSpec], *, seeded: bool) -> int:
    return await store.fetchval(
        "SELECT console.ensure_catalogue($1, $2, $3)", lease.fence, specs_to_json(specs), seeded
    )
