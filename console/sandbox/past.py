"""What the seeded rows say, counted once in slots of 30 s and then read by slot without further queries."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import asyncpg

from console.metrics.histogram import LogBuckets

STEP_S = 30
_DAY_SLOTS = 86_400 // STEP_S
_HOUR_SLOTS = 3_600 // STEP_S
_MOST_COLUMNS = 6

Figure = Callable[[int], float | None]


@dataclass(slots=True)
class Slot:
    """The orders that finished in one slot: those executed with their latencies, and how many failed."""

    executed: LogBuckets = field(default_factory=LogBuckets)
    failed: int = 0


class Window:
    """The orders of the last slots. `tail_s` is for windows shorter than a slot: their orders are counted apart."""

    def __init__(
        self, slots: Mapping[int, Slot], length: int, tail: Mapping[int, int], tail_s: float
    ) -> None:
        self._slots = slots
        self._length = length
        self._tail = tail
        self._tail_s = tail_s
        self._end: int | None = None
        self.executed = LogBuckets()
        self.failed = 0

    def advance(self, slot: int) -> None:
        """End the window with this slot; cheap when it is the next one."""
        if self._length == 1:
            only = self._slots.get(slot, Slot())
            self.executed, self.failed, self._end = only.executed, only.failed, slot
            return
        if self._end is None or slot != self._end + 1:
            self.executed, self.failed = LogBuckets(), 0
            for number in range(slot - self._length + 1, slot):
                self._take(number, 1)
        else:
            self._take(slot - self._length, -1)
        self._take(slot, 1)
        self._end = slot

    @property
    def per_second(self) -> float:
        """Orders finished per second in the window."""
        if self._tail_s < STEP_S:
            return self._tail.get(self._end or 0, 0) / self._tail_s
        return (self.executed.count + self.failed) / (self._length * STEP_S)

    def _take(self, number: int, sign: int) -> None:
        slot = self._slots.get(number)
        if slot is not None:
            self.executed.merge(slot.executed, sign)
            self.failed += sign * slot.failed


@dataclass(slots=True)
class Past:
    """`figures` has, by metric name, what a figure was at the end of a slot."""

    slots: dict[int, Slot]
    seconds: dict[int, list[int]]
    figures: dict[str, Figure]
    _windows: dict[float, Window] = field(default_factory=dict)

    def window(self, seconds: float) -> Window:
        """The window of this length; the same one for everybody who asks for it."""
        if seconds not in self._windows:
            tail: dict[int, int] = {}
            if seconds < STEP_S:
                tail = {slot: sum(counts[-max(round(seconds), 1) :]) for slot, counts in self.seconds.items()}
            self._windows[seconds] = Window(self.slots, max(round(seconds / STEP_S), 1), tail, seconds)
        return self._windows[seconds]


async def read(connection: asyncpg.Connection, start: int, end: int, *, tail_s: float) -> Past:
    """Everything that ticks `start`..`end` (numbers of slots since 1970) need, in a handful of queries.

    `tail_s` is the longest window that is shorter than a slot, 0 when there is none.
    """
    await connection.execute("SET statement_timeout = '20s'")
    first, last = (start - 130) * STEP_S, end * STEP_S
    slots: dict[int, Slot] = {}
    for number, status, bucket, count, total_ms, under in await connection.fetch(
        """
        SELECT ceil(date_part('epoch', executed_at) / 30)::int AS slot, status,
               CASE WHEN status = 'executed' THEN floor(ln(execution_time) / ln(1.02::float8))::int END,
               count(*), sum(execution_time), count(*) FILTER (WHERE execution_time < 500)
        FROM orders WHERE executed_at > to_timestamp($1) AND executed_at <= to_timestamp($2) GROUP BY 1, 2, 3
        """,
        first, last,
    ):  # fmt: skip
        slot = slots.setdefault(number, Slot())
        if status == "executed":
            slot.executed.add(bucket, count, total_ms, under)
        else:
            slot.failed += count
    seconds: dict[int, list[int]] = {}
    if tail_s:
        for moment, count in await connection.fetch(
            "SELECT second, count(*) FROM (SELECT ceil(date_part('epoch', executed_at))::bigint AS second FROM orders "
            "WHERE executed_at > to_timestamp($1) AND executed_at <= to_timestamp($2)) AS o "
            "WHERE (second - 1) % 30 >= $3::int GROUP BY 1",
            first, last, STEP_S - math.ceil(tail_s),
        ):  # fmt: skip
            seconds.setdefault(-(-moment // STEP_S), [0] * STEP_S)[(moment - 1) % STEP_S] = count
    return Past(slots, seconds, await _figures(connection, start, end))


async def _figures(connection: asyncpg.Connection, start: int, end: int) -> dict[str, Figure]:
    first, last = start * STEP_S, end * STEP_S
    day = await _sums(
        connection, first, last,
        "SELECT ceil(date_part('epoch', created_at) / 30)::int, count(*)::float8, "
        "sum(quantity::float8 * execution_price::float8), sum(commission)::float8, "
        "count(*) FILTER (WHERE status = 'executed')::float8, count(*) FILTER (WHERE status = 'failed')::float8, "
        "count(*) FILTER (WHERE status = 'cancelled')::float8 "
        "FROM orders WHERE created_at > to_timestamp($1) AND created_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    ended = await _sums(
        connection, first, last,
        "SELECT ceil(date_part('epoch', ended_at) / 30)::int, count(*)::float8, "
        "sum(date_part('epoch', ended_at - started_at)) / 60 "
        "FROM user_sessions WHERE ended_at > to_timestamp($1) AND ended_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    began = await _sums(
        connection, first, last,
        "SELECT ceil(date_part('epoch', started_at) / 30)::int, count(*)::float8 "
        "FROM user_sessions WHERE started_at > to_timestamp($1) AND started_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    joined = await _sums(
        connection, first, last,
        "SELECT ceil(date_part('epoch', created_at) / 30)::int, count(*)::float8 "
        "FROM profiles WHERE created_at > to_timestamp($1) AND created_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    revenue = await _sums(
        connection, first, last,
        "SELECT ceil(date_part('epoch', created_at) / 30)::int, sum(amount)::float8 "
        "FROM ledger_entries WHERE created_at > to_timestamp($1) AND created_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    day_before = first - 86_400
    blocked = await _sums(
        connection, day_before, last,
        "SELECT ceil(date_part('epoch', created_at) / 30)::int, sum(requests)::float8 "
        "FROM blocked_requests WHERE created_at > to_timestamp($1) AND created_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    answers = await _sums(
        connection, day_before, last,
        "SELECT ceil(date_part('epoch', created_at) / 30)::int, count(*)::float8, sum(score)::float8 "
        "FROM survey_responses WHERE created_at > to_timestamp($1) AND created_at <= to_timestamp($2) GROUP BY 1",
    )  # fmt: skip
    active_before = await connection.fetchval(
        "SELECT count(*)::float8 FROM user_sessions WHERE started_at <= to_timestamp($1) "
        "AND (ended_at IS NULL OR ended_at > to_timestamp($1))",
        first,
    )
    firsts = sorted(
        r[0] for r in await connection.fetch(
            "SELECT ceil(date_part('epoch', min(created_at)) / 30)::int FROM orders "
            "WHERE created_at > to_timestamp($1) GROUP BY user_id", first,
        )
    )  # fmt: skip

    def ratio(top: float, bottom: float) -> float | None:
        return top / bottom if bottom else None

    def whole_day(figure: Figure) -> Figure:
        """Nobody knows the sum of a day that began before the past did."""
        return lambda slot: figure(slot) if _midnight(slot) >= start else None

    of_the_day: dict[str, Figure] = {
        "daily_orders": lambda s: day.today(s, 0),
        "daily_volume": lambda s: day.today(s, 1),
        "commission_today": lambda s: day.today(s, 2),
        "avg_order_size": lambda s: ratio(day.today(s, 1), day.today(s, 3)),
        "executed_today": lambda s: day.today(s, 3),
        "failed_today": lambda s: day.today(s, 4),
        "cancelled_today": lambda s: day.today(s, 5),
        "order_completion_pct": lambda s: ratio(
            100 * day.today(s, 3), day.today(s, 3) + day.today(s, 4) + day.today(s, 5)
        ),
        "avg_session_minutes": lambda s: ratio(ended.today(s, 1), ended.today(s, 0)),
        "new_registrations": lambda s: joined.today(s, 0),
        "revenue_today": lambda s: revenue.today(s, 0),
    }
    return {name: whole_day(figure) for name, figure in of_the_day.items()} | {
        "http_sessions": lambda s: max((active_before or 0.0) + began.until(s, 0) - ended.until(s, 0), 0.0),
        "blocked_requests_24h": lambda s: blocked.until(s, 0) - blocked.until(s - _DAY_SLOTS, 0),
        "active_users": lambda s: float(bisect.bisect_right(firsts, s)) if s > start + _HOUR_SLOTS else None,
        "user_satisfaction": lambda s: ratio(
            answers.until(s, 1) - answers.until(s - _DAY_SLOTS, 1),
            answers.until(s, 0) - answers.until(s - _DAY_SLOTS, 0),
        ),
    }


def _midnight(slot: int) -> int:
    """The slot that ended at the last midnight (UTC)."""
    return (slot - 1) // _DAY_SLOTS * _DAY_SLOTS


class _Sums:
    """Running totals per slot of a query's columns."""

    def __init__(self, first: int, last: int, rows: list[asyncpg.Record], columns: int) -> None:
        self._first = first
        values = [[0.0] * (last - first + 1) for _ in range(columns)]
        for row in rows:
            index = min(max(row[0] - first, 0), last - first)
            for column in range(columns):
                values[column][index] += row[column + 1] or 0.0
        self._totals = [list(itertools.accumulate(v)) for v in values]

    def until(self, slot: int, column: int) -> float:
        """The total up to the end of this slot."""
        index = slot - self._first
        return 0.0 if index < 0 else self._totals[column][min(index, len(self._totals[column]) - 1)]

    def today(self, slot: int, column: int) -> float:
        """The total since midnight (UTC) of the slot's day, or since the beginning of the past."""
        return self.until(slot, column) - self.until(_midnight(slot), column)


async def _sums(connection: asyncpg.Connection, first: int, last: int, query: str) -> _Sums:
    rows = await connection.fetch(query, first, last)
    # Without a row every column is zero, however many are asked for.
    return _Sums(first // STEP_S, last // STEP_S, rows, len(rows[0]) - 1 if rows else _MOST_COLUMNS)
