"""Every component's health: now, tick by tick, and per bucket of a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from console.domain.health import Check, CheckPoint, Status
from console.domain.text import printable
from console.store import windows
from console.store.encoding import latency_metric as latency_metric
from console.store.encoding import status_from_text, status_metric
from console.store.pool import Store

_MOST_CHECKS = 10_000
# A distance this much larger than the ones beside it means that ticks are missing, not that they come less often.
_GAP = 3
_BY_RANK = sorted(Status, key=lambda status: status.rank)

History = tuple[tuple[Status | None, ...], tuple[tuple[int, int], ...]]
"""Of one component, per bucket: the worst status, and (checks, checks that were not ok)."""


async def current(store: Store) -> list[tuple[Check, datetime]]:
    """The last check of every component, and since when its status holds, in the order of their names."""
    rows = await store.fetch(
        "SELECT component, status, latency_ms, detail, at, since FROM console.health ORDER BY component"
    )
    return [
        (
            Check(
                component=printable(row["component"], 100),
                status=Status(row["status"]),
                latency_ms=row["latency_ms"],
                detail=printable(row["detail"]),
                at=row["at"],
            ),
            row["since"],
        )
        for row in rows
    ]


async def checks(store: Store, component: str, *, start: datetime, end: datetime) -> list[CheckPoint]:
    """The ticks of [start, end) as this component saw them, oldest first, at most the last 10,000.

    Where ticks are missing there is one point without a status, a tick's distance after the last one.
    """
    rows = await store.fetch(
        """
        SELECT t.at, t.texts[array_position(c.names, $1)] AS status,
               t.numbers[array_position(c.names, $2)] AS latency_ms
        FROM (
            SELECT * FROM console.tick WHERE at >= $3 AND at < $4
            UNION ALL
            SELECT * FROM console.tick_thin WHERE at >= $3 AND at < $4
            ORDER BY at DESC LIMIT $5
        ) AS t JOIN console.catalogue AS c ON c.id = t.catalogue_id
        ORDER BY t.at
        """,
        status_metric(component),
        latency_metric(component),
        start,
        end,
        _MOST_CHECKS,
    )
    tick_s = await store.fetchval("SELECT tick_s FROM console.meta")
    return with_gaps(
        [CheckPoint(row["at"], status_from_text(row["status"]), row["latency_ms"]) for row in rows],
        timedelta(seconds=tick_s or 0),
    )


def with_gaps(points: Sequence[CheckPoint], tick: timedelta) -> list[CheckPoint]:
    """`points` with one that has no status put in wherever the next one is more than three times as far away as
    the one before, the one after, and a tick are."""
    out: list[CheckPoint] = []
    for i, point in enumerate(points):
        out.append(point)
        if i + 1 == len(points):
            break
        usual = [tick]
        if i > 0:
            usual.append(point.at - points[i - 1].at)
        if i + 2 < len(points):
            usual.append(points[i + 2].at - points[i + 1].at)
        if points[i + 1].at - point.at > _GAP * max(usual):
            out.append(CheckPoint(point.at + max(tick, timedelta(microseconds=1)), None, None))
    return out


async def history(
    store: Store, components: Iterable[str], *, start: datetime, end: datetime, points: int
) -> dict[str, History]:
    """Of each component, per bucket of [start, end): the worst status (None without a check), and how many checks
    there were and how many of them were not ok. Every component has an entry.

    A window of many ticks is read as a sample, as `ticks.series` does.
    """
    windows.require_window((end - start).total_seconds(), points)
    names = list(components)
    rows = await store.fetch(
        windows.STATUSES, [status_metric(n) for n in names], start, end, points, *windows.LIMITS
    )
    found: dict[str, History] = {}
    for i, name in enumerate(names, 1):
        own = [row for row in rows if row["i"] == i]
        found[name] = (
            windows.spread([(row["bucket"], _BY_RANK[row["rank"]]) for row in own], points, None),
            windows.spread([(row["bucket"], (row["checks"], row["bad"])) for row in own], points, (0, 0)),
        )
    return found
