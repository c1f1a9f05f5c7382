"""The tail of the platform's logs: the last 100,000 lines or 30 minutes (older ones go as new ones
come), and which logs are followed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from console.domain.errors import Misuse, StoreRefused
from console.domain.log import LogLine, LogSource
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store

LONGEST = 1000
"""Characters of a line's text that are kept."""

_WANTED = """
    SELECT id, at, source, level, origin, text, user_id, request_id FROM console.log_line
    WHERE id > coalesce($1::bigint, 0) AND id < coalesce($2::bigint, 9223372036854775807)
        AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at <= $4)
        AND ($5::text[] IS NULL OR source = ANY ($5))
        AND ($6::text IS NULL OR text ~* $6 OR origin ~* $6)
        AND ($7::text IS NULL OR request_id = $7) AND ($8::text IS NULL OR user_id = $8)
"""
_FIRST = f"{_WANTED} ORDER BY id LIMIT $9"
_LAST = f"{_WANTED} ORDER BY id DESC LIMIT $9"


async def recent(
    store: Store,
    *,
    after: int | None = None,
    before: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 500,
    sources: Sequence[str] | None = None,
    pattern: str | None = None,
    request: str | None = None,
    user: str | None = None,
) -> list[LogLine]:
    """Lines that match everything that is given, oldest first: with `after` the first `limit` whose id is greater,
    else the last `limit` (of those with an id below `before`).

    `pattern` is a regular expression of PostgreSQL, without regard to case, on text and origin; raises Misuse when it
    is none.
    """
    try:
        rows = await store.fetch(
            _LAST if after is None else _FIRST,
            after,
            before,
            start,
            end,
            list(sources) if sources is not None else None,
            pattern,
            request,
            user,
            limit,
        )
    except StoreRefused as error:
        if pattern is not None and "regular expression" in str(error):
            raise Misuse(f"{printable(pattern, 100)}: {error}") from None
        raise
    if after is None:
        rows.reverse()
    return [_line(row) for row in rows]


async def append(store: Store, lease: Lease, lines: Sequence[LogLine], *, keys: Sequence[str]) -> int:
    """Add lines, in this order; returns how many are new. A line whose key its source has already brought is passed
    over, so that a batch may be sent again when nobody knows whether it arrived. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.append_logs($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        lease.fence,
        [line.at for line in lines],
        [printable(line.source, 50) for line in lines],
        [printable(key, 100) for key in keys],
        [line.level for line in lines],
        [_safe(line.origin, 100) for line in lines],
        [_safe(line.text, LONGEST) for line in lines],
        [_safe(line.user, 100) for line in lines],
        [_safe(line.request, 100) for line in lines],
    )


async def taken(store: Store, *, within: timedelta, most: int = 15_000) -> dict[str, dict[str, datetime]]:
    """What is here already of the time before the newest line of each source: its keys, each with its time. Only the
    last `most` lines of all are looked at."""
    rows = await store.fetch(
        """
        WITH lately AS (SELECT source, key, at FROM console.log_line ORDER BY id DESC LIMIT $2)
        SELECT l.source, l.key, l.at
        FROM lately AS l JOIN (SELECT source, max(at) AS at FROM lately GROUP BY source) AS newest USING (source)
        WHERE l.at > newest.at - $1::interval
        """,
        within,
        most,
    )
    found: dict[str, dict[str, datetime]] = {}
    for row in rows:
        found.setdefault(row["source"], {})[row["key"]] = row["at"]
    return found


async def sources(store: Store) -> list[LogSource]:
    """The logs that are followed, in the order in which they are configured."""
    rows = await store.fetch("SELECT name, title, reason, since FROM console.log_source ORDER BY place, name")
    return [
        LogSource(
            name=printable(row["name"], 50),
            title=printable(row["title"], 100),
            reason=printable(row["reason"], 200),
            since=row["since"],
        )
        for row in rows
    ]


async def set_sources(store: Store, lease: Lease, found: Sequence[LogSource]) -> None:
    """These are all the sources there are; `since` is the store's to set. Raises Fenced."""
    await store.fetchval(
        "SELECT console.set_log_sources($1, $2, $3, $4)",
        lease.fence,
        [printable(source.name, 50) for source in found],
        [printable(source.title, 100) for source in found],
        [printable(source.reason, 200) for source in found],
    )


def _line(row: asyncpg.Record) -> LogLine:
    number, at, source, level, origin, text, user, request = row
    return LogLine(
        number,
        at,
        _safe(source, 50),
        level,
        _safe(origin, 100),
        _safe(text, LONGEST),
        _safe(user, 100),
        _safe(request, 100),
    )


def _safe(text: str, limit: int) -> str:
    """`printable`, without its cost for what is plain ASCII: thousands of lines a second pass through here."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    return printable(text, limit)
