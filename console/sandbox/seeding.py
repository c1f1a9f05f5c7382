"""The made-up past of the platform: orders, log-ins, logs, written by PostgreSQL itself in a few statements.

The last 70 minutes have the traffic's full rate, the time before about one order per second with a day curve.
What was made up is marked in sandbox.seeded_history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from console.sandbox import baseline, market, people

FULL_FOR = timedelta(minutes=70)
# Those who trade at the default rate; the live traffic begins with the same people.
TRADERS = 480
# Of the orders at full rate, and of those before: there one failure already is 3 % of a window of 30 s.
FAILED_SHARE, SPARSE_FAILED_SHARE = 0.0015, 0.0006
CANCELLED_SHARE = 0.05
REASONS = (
    "insufficient funds", "price moved beyond the limit", "risk limit exceeded",
    f"trading halted for {market.HALTED}", "insufficient funds",
)  # fmt: skip
_SHORTEST = timedelta(seconds=5)
_QUANTILES = 4096
# What function and database add to the venue's time, ms: the least, and how much it varies.
_OVERHEAD_MS = (4.0, 6.0)


@dataclass(frozen=True, slots=True)
class Slice:
    """Up to one minute of the past and how many orders it holds."""

    start: datetime
    seconds: float
    orders: int


def slices(start: datetime, now: datetime) -> list[Slice]:
    """The past cut into minutes, oldest first, the last one shorter."""
    found: list[Slice] = []
    at = start
    while at < now:
        seconds = min(60.0, (now - at).total_seconds())
        sparse = baseline.SPARSE_RATE * baseline.day_curve(at.timestamp())
        found.append(
            Slice(at, seconds, round(seconds * (baseline.FULL_RATE if now - at <= FULL_FOR else sparse)))
        )
        at += timedelta(seconds=seconds)
    return found


async def seed(connection: asyncpg.Connection, *, start: datetime, now: datetime, first: bool) -> None:
    """Write the past from `start` to `now` inside the caller's transaction; a gap of under 5 s is left alone."""
    if now - start < _SHORTEST:
        return
    # The rows are consistent by construction; checking each reference again would double the time.
    await connection.execute("SET LOCAL session_replication_role = replica; SELECT setseed(0.27)")
    if not first:
        await connection.execute(
            "UPDATE user_sessions SET status = 'ended', ended_at = greatest($1, started_at) WHERE status = 'active'",
            start,
        )
    orders = await _orders(connection, slices(start, now), now)
    await _bookings(connection, start, now)
    # What is counted over a day, and sessions that last, begin before the first order, or they would begin at zero.
    await _day_counts(connection, start - timedelta(days=1) if first else start, now)
    await _log_ins(connection, start - timedelta(minutes=40) if first else start, now)
    if first:
        await _positions(connection, now)
    await connection.execute(
        "INSERT INTO sandbox.seeded_history (seeded_from, seeded_until, orders) VALUES ($1, $2, $3)",
        start, now, orders,
    )  # fmt: skip
    await connection.execute("SET LOCAL session_replication_role = DEFAULT")


async def _orders(connection: asyncpg.Connection, past: list[Slice], now: datetime) -> int:
    """Orders whose latencies follow the venue's distribution evenly: also a window of few orders has its quantiles."""
    quantiles = [market.venue_ms((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)]
    tag = await connection.execute(
        f"""
        INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, commission, execution_price,
                            total_cost, execution_time, failure_reason, created_at, executed_at)
        SELECT users[1 + trader], symbol, CASE status WHEN 'cancelled' THEN 'limit' ELSE 'market' END,
               CASE WHEN sided < 0.5 THEN 'buy' ELSE 'sell' END, round((notional / base_price)::numeric, 6), status,
               CASE status WHEN 'executed' THEN (notional * 0.00023)::numeric END,
               CASE status WHEN 'executed' THEN base_price END,
               CASE status WHEN 'executed' THEN (notional * 1.00023)::numeric END,
               CASE WHEN status <> 'cancelled' THEN ms END,
               CASE status WHEN 'failed' THEN reasons[1 + floor(sided * {len(REASONS)})::int] END,
               created_at, CASE WHEN status <> 'cancelled' THEN created_at + ms * interval '1 millisecond' END
        FROM (
            SELECT at + (k + random()) / n * seconds * interval '1 second' AS created_at,
                   (k * 277 + slot * 31) % {TRADERS} AS trader,
                   quantiles[1 + floor((k * 0.6180339887 + slot * 0.7548776662) % 1 * {_QUANTILES})::int]
                       + {_OVERHEAD_MS[0]} + {_OVERHEAD_MS[1]} * random() AS ms,
                   CASE WHEN fate < CASE WHEN n > 600 THEN {FAILED_SHARE} ELSE {SPARSE_FAILED_SHARE} END THEN 'failed'
                        WHEN fate < {CANCELLED_SHARE} THEN 'cancelled' ELSE 'executed' END AS status,
                   CASE WHEN random() < 0.02 THEN {market.LIQUID} + k % 9
                        ELSE ((k * 277 + slot * 31) % {TRADERS} * 7 + (k / {TRADERS} + slot) % 6)
                             % {market.LIQUID} END AS rank,
                   random() AS sided, 8 - 268 * ln(1 - random()) AS notional
            FROM (
                SELECT at, seconds, n, slot, k, (k * 0.5545497331 + slot * 0.3247179572) % 1 AS fate
                FROM unnest($1::timestamptz[], $2::float8[], $3::int[]) WITH ORDINALITY AS m (at, seconds, n, slot),
                     generate_series(0, n - 1) AS k OFFSET 0
            ) AS drawn, (SELECT $4::float8[] AS quantiles) AS q OFFSET 0
        ) AS o
        JOIN symbols USING (rank), (SELECT $5::uuid[] AS users, $6::text[] AS reasons) AS lists
        WHERE created_at + ms * interval '1 millisecond' <= $7
        """,  # noqa: S608 - only constants of this module are put in
        [s.start for s in past], [s.seconds for s in past], [s.orders for s in past], quantiles,
        [people.person(i).id for i in range(TRADERS)], list(REASONS), now,
    )  # fmt: skip
    return int(tag.rsplit(" ", 1)[1])


async def _bookings(connection: asyncpg.Connection, start: datetime, now: datetime) -> None:
    """What orders leave behind. The ledger of the past is booked per minute, as a real one is archived."""
    await connection.execute(
        """
        INSERT INTO ledger_entries (kind, amount, created_at)
        SELECT kind, round(amount, 4), minute
        FROM (SELECT date_trunc('minute', executed_at) AS minute, sum(commission) AS commission
              FROM orders WHERE executed_at BETWEEN $1 AND $2 AND status = 'executed' GROUP BY 1) AS m,
             LATERAL (VALUES ('commission', commission), ('spread', commission * 14.8)) AS e (kind, amount)
        """,
        start, now,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO ledger_entries (user_id, kind, amount, created_at) "
        "SELECT ($3::uuid[])[1 + floor(random() * 480)::int], 'subscription', 9.99, at "
        "FROM generate_series($1::timestamptz, $2, interval '20 minutes') AS at",
        start, now, [people.person(i).id for i in range(TRADERS)],
    )  # fmt: skip
    await connection.execute(
        """
        WITH failed AS (
            SELECT id, user_id, failure_reason, executed_at, symbol FROM orders
            WHERE created_at BETWEEN $1 AND $2 AND status = 'failed'
        ), audit AS (
            INSERT INTO order_audit_log (order_id, user_id, action, details, created_at)
            SELECT id, user_id, 'order_failed', jsonb_build_object('reason', failure_reason), executed_at FROM failed
        )
        INSERT INTO function_logs (at, function, level, message, user_id)
        SELECT executed_at, 'execute-order', 'warning', 'order failed: ' || failure_reason || ' (' || symbol || ')',
               user_id
        FROM failed
        """,
        start, now,
    )  # fmt: skip
    await connection.execute(
        """
        INSERT INTO function_logs (at, function, level, message)
        SELECT at + random() * interval '10 seconds', f, 'info', f || ': served, all dependencies answered'
        FROM generate_series(greatest($1::timestamptz, $2::timestamptz - interval '2 hours'),
                             $2::timestamptz - interval '10 seconds', interval '10 seconds') AS at,
             unnest(ARRAY['execute-order', 'get-stock-price', 'risk-monitoring']) AS f
        """,
        start, now,
    )  # fmt: skip


async def _day_counts(connection: asyncpg.Connection, start: datetime, now: datetime) -> None:
    """Answers to the survey, and requests that the block list refused."""
    await connection.execute(
        "INSERT INTO survey_responses (user_id, score, created_at) "
        "SELECT ($3::uuid[])[1 + floor(random() * 480)::int], "
        "       (ARRAY[5,5,5,5,5,4,5,5,5,5,5,5,5,5,5,5,4,5,4,5])[1 + floor(random() * 20)::int], at "
        "FROM generate_series($1::timestamptz, $2, interval '3 minutes') AS at",
        start, now, [people.person(i).id for i in range(TRADERS)],
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO blocked_requests (ip_address, requests, created_at) "
        "SELECT '203.0.113.240'::inet + floor(random() * 12)::int, 1, at + random() * interval '9 minutes' "
        "FROM generate_series($1::timestamptz, $2::timestamptz - interval '9 minutes', interval '9 minutes') AS at",
        start, now,
    )  # fmt: skip


async def _log_ins(connection: asyncpg.Connection, start: datetime, now: datetime) -> None:
    """Sessions of 23 minutes on average, a mistyped password now and then, an export each hour."""
    traders = [people.person(i) for i in range(TRADERS)]
    await connection.execute(
        """
        WITH drawn AS (
            SELECT 1 + floor(random() * $5::int)::int AS n, at + random() * interval '6 seconds' AS started,
                   (8 + 30 * random()) * interval '1 minute' AS length
            FROM generate_series($1::timestamptz, $2::timestamptz - interval '6 seconds', interval '6 seconds') AS at
            OFFSET 0
        ), people AS (
            SELECT id, address, n FROM unnest($3::uuid[], $4::inet[]) WITH ORDINALITY AS p (id, address, n)
        ), sessions AS (
            INSERT INTO user_sessions (user_id, status, started_at, ended_at, ip_address)
            SELECT id, CASE WHEN started + length < $2 THEN 'ended' ELSE 'active' END, started,
                   CASE WHEN started + length < $2 THEN started + length END, address
            FROM drawn JOIN people USING (n)
        )
        INSERT INTO auth_audit_log (user_id, action, ip_address, created_at)
        SELECT id, CASE WHEN length < interval '9 minutes' THEN 'authentication_failure'
                        ELSE 'authentication_success' END, address, started FROM drawn JOIN people USING (n)
        UNION ALL
        SELECT id, 'data_export', address, $1::timestamptz + n * interval '53 minutes'
        FROM people WHERE $1::timestamptz + n * interval '53 minutes' < $2
        ORDER BY 4
        """,
        start, now, [p.id for p in traders], [p.address for p in traders], TRADERS,
    )  # fmt: skip


async def _positions(connection: asyncpg.Connection, now: datetime) -> None:
    """Everybody who trades holds two positions, and their margin is booked."""
    await connection.execute(
        """
        INSERT INTO positions (user_id, symbol, side, quantity, entry_price, current_price, margin_used, status,
                               created_at)
        SELECT id, symbol, CASE WHEN random() < 0.5 THEN 'long' ELSE 'short' END,
               round((300 / base_price)::numeric, 6), base_price, base_price, round(300.0 / leverage, 2), 'open',
               $2::timestamptz - random() * interval '20 hours'
        FROM unnest($1::uuid[]) WITH ORDINALITY AS p (id, n), generate_series(0, 1) AS k
        JOIN symbols ON true WHERE rank = (n * 7 + k) % 30
        """,
        [people.person(i).id for i in range(TRADERS)], now,
    )  # fmt: skip
    await connection.execute(
        "UPDATE profiles SET margin_used = held FROM (SELECT user_id, sum(margin_used) AS held FROM positions "
        "WHERE status = 'open' GROUP BY user_id) AS p WHERE id = user_id"
    )
