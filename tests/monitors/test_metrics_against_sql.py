"""Every figure from the platform's database against SQL written here, on data that holds still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from console.domain.metric import MetricValue
from console.gateway.platform import Platform
from console.metrics import catalogue
from console.monitors.collector import Collector

Open = Callable[..., Platform]
START = datetime(2026, 3, 1, tzinfo=UTC)

# 4,000 orders over the last 6 minutes and 500 over the day so far, of all outcomes, with odd latencies among them.
ORDERS = """
    INSERT INTO orders (user_id, symbol, order_type, side, quantity, price, status, commission, execution_price,
                        execution_time, created_at, executed_at)
    SELECT (SELECT id FROM profiles ORDER BY id OFFSET n % 7 LIMIT 1), 'EURUSD', 'market', 'buy', 1 + n % 5, NULL,
           status, CASE status WHEN 'executed' THEN 0.25 END, CASE status WHEN 'executed' THEN 100 + n % 9 END,
           CASE WHEN status IN ('executed', 'failed') THEN
                CASE WHEN n % 500 = 3 THEN 0 WHEN n % 500 = 5 THEN NULL ELSE exp(4.2 + 2.2 * random()) END END,
           at - interval '0.2 seconds', CASE WHEN status IN ('executed', 'failed') THEN at END
    FROM (
        SELECT n, CASE WHEN n % 40 = 1 THEN 'failed' WHEN n % 17 = 2 THEN 'pending' WHEN n % 23 = 3 THEN 'cancelled'
                  ELSE 'executed' END AS status,
               CASE WHEN n <= 4000 THEN now() - random() * interval '6 minutes'
               ELSE date_trunc('day', now(), 'UTC') + random() * (now() - date_trunc('day', now(), 'UTC')) END AS at
        FROM generate_series(1, 4500) AS n
    ) AS made
"""


@pytest.fixture
async def filled(admin: asyncpg.Connection) -> asyncpg.Connection:
    await admin.execute("SELECT setseed(0.42)")
    await admin.execute(ORDERS)
    return admin


def number(value: MetricValue) -> float:
    assert isinstance(value.value, float), value
    return value.value


async def collected(collector: Collector, now: datetime) -> dict[str, MetricValue]:
    return {value.name: value for value in await collector.collect(now, [])}


async def in_one_slice(
    admin: asyncpg.Connection, slice_s: int, attempt: Callable[[datetime], Awaitable[None]]
) -> None:
    """Run `attempt` with the windows' end, again if the clock went on to the next slice meanwhile."""
    for _ in range(20):
        end = await admin.fetchval(f"SELECT date_bin('{slice_s} seconds', now(), 'epoch')")
        failure: AssertionError | None = None
        try:
            await attempt(end)
        except AssertionError as error:
            failure = error
        if end == await admin.fetchval(f"SELECT date_bin('{slice_s} seconds', now(), 'epoch')"):
            if failure is not None:
                raise failure
            return
    pytest.fail("no attempt fitted into a slice")


async def expected_orders(admin: asyncpg.Connection, end: datetime, window_s: float) -> asyncpg.Record:
    return await admin.fetchrow(
        """
        SELECT 100.0 * count(*) FILTER (WHERE status = 'failed') / count(*) AS error_rate,
               100.0 * count(*) FILTER (WHERE status = 'executed') / count(*) AS success_rate,
               avg(execution_time) FILTER (WHERE status = 'executed') AS avg_execution_time,
               percentile_cont(0.50) WITHIN GROUP (ORDER BY execution_time) FILTER (WHERE status = 'executed')
                   AS p50_execution_time,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time) FILTER (WHERE status = 'executed')
                   AS p95_execution_time,
               percentile_cont(0.99) WITHIN GROUP (ORDER BY execution_time) FILTER (WHERE status = 'executed')
                   AS p99_execution_time,
               100.0 * count(*) FILTER (WHERE status = 'executed' AND execution_time < 500) / count(*)
                   AS success_under_500ms_pct
        FROM orders
        WHERE status IN ('executed', 'failed') AND executed_at > $1 AND executed_at <= $2
        """,
        end - timedelta(seconds=window_s),
        end,
    )


@pytest.mark.parametrize(("tick_s", "slice_s", "scale"), [(30, 5, 1), (5, 1, 10), (5, 1, 1)])
async def test_orders(
    filled: asyncpg.Connection, reader: dict, open_platform: Open, tick_s: float, slice_s: int, scale: float
) -> None:
    collector = Collector(open_platform(**reader), catalogue.load(time_scale=scale), tick_s=tick_s)

    async def attempt(end: datetime) -> None:
        found = await collected(collector, START)
        for suffix, window_s in (("", 300 / scale), ("_1h", 3600 / scale)):
            for name, wanted in dict(await expected_orders(filled, end, window_s)).items():
                tolerance = 0.02 if name.startswith("p") else 1e-5
                assert number(found[name + suffix]) == pytest.approx(float(wanted), rel=tolerance), (
                    name + suffix
                )
        finished = await filled.fetchval(
            "SELECT count(*) FROM orders WHERE status IN ('executed', 'failed') AND executed_at > $1 "
            "AND executed_at <= $2",
            end - timedelta(seconds=60 / scale),
            end,
        )
        assert number(found["orders_per_minute"]) == pytest.approx(finished * scale)
        assert number(found["orders_per_second"]) == pytest.approx(finished * scale / 60)

    await in_one_slice(filled, slice_s, attempt)


@pytest.mark.parametrize(("late_s", "ticks_s"), [(2, 2), (12, 10)])
async def test_late_rows_are_found_and_none_is_counted_twice(
    filled: asyncpg.Connection, reader: dict, open_platform: Open, late_s: int, ticks_s: int
) -> None:
    """What is a little late is found at the next tick, what is later when the whole overlap is read again."""
    collector = Collector(open_platform(**reader), catalogue.load(), tick_s=5)
    await collected(collector, START)
    await filled.execute(
        """
        INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, executed_at)
        SELECT (SELECT id FROM profiles LIMIT 1), 'EURUSD', 'market', 'buy', 1, 'failed', 900,
               now() - make_interval(secs => $1)
        FROM generate_series(1, 300)
        """,
        late_s,
    )
    await filled.execute("DELETE FROM orders WHERE executed_at > now() - interval '2 seconds'")
    now = START

    async def attempt(end: datetime) -> None:
        nonlocal now
        now += timedelta(seconds=ticks_s)
        found = await collected(collector, now)
        wanted = await expected_orders(filled, end, 300)
        assert number(found["error_rate"]) == pytest.approx(float(wanted["error_rate"]))
        assert number(found["avg_execution_time"]) == pytest.approx(wanted["avg_execution_time"])

    for _ in range(3):
        await in_one_slice(filled, 1, attempt)


async def test_no_finished_order_is_no_data(
    admin: asyncpg.Connection, reader: dict, open_platform: Open
) -> None:
    await admin.execute("DELETE FROM orders")
    found = await collected(Collector(open_platform(**reader), catalogue.load(), tick_s=5), START)
    for name in ("error_rate", "success_rate", "success_under_500ms_pct"):
        assert (found[name].value, found[name].reason) == (None, "no order finished in the window")
    assert found["p95_execution_time"].reason == "no order was executed in the window"
    assert found["orders_per_second"].value == 0
    assert found["avg_order_size"].reason == "no order executed yet today"
    assert (found["daily_orders"].value, found["daily_volume"].value) == (0, 0)


BUSINESS = """
    WITH day AS (SELECT date_trunc('day', now(), $1) AS began)
    SELECT (SELECT count(*) FROM orders WHERE created_at >= began) AS daily_orders,
           (SELECT sum(quantity * execution_price) FROM orders WHERE status = 'executed' AND executed_at >= began)
               AS daily_volume,
           (SELECT sum(commission) FROM orders WHERE status = 'executed' AND executed_at >= began)
               AS commission_today,
           (SELECT sum(quantity * execution_price) / count(*) FROM orders
            WHERE status = 'executed' AND executed_at >= began) AS avg_order_size,
           (SELECT count(*) FROM orders WHERE status = 'executed' AND executed_at >= began) AS executed_today,
           (SELECT count(*) FROM orders WHERE status = 'failed' AND executed_at >= began) AS failed_today,
           (SELECT count(*) FROM orders WHERE status = 'cancelled' AND created_at >= began) AS cancelled_today,
           (SELECT count(*) FROM profiles WHERE created_at >= began AND created_at <= now()) AS new_registrations,
           (SELECT avg(extract(epoch FROM ended_at - started_at)) / 60 FROM user_sessions WHERE ended_at >= began)
               AS avg_session_minutes,
           (SELECT sum(amount) FROM ledger_entries WHERE created_at >= began) AS revenue_today
    FROM day
"""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/St_Johns"])
async def test_business(
    filled: asyncpg.Connection, reader: dict, open_platform: Open, tmp_path: Path, zone: str
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"time_zone: {zone}\n")
    await filled.execute(
        "DELETE FROM orders WHERE greatest(created_at, executed_at) > now() - interval '6 seconds'"
    )
    await filled.execute("DELETE FROM ledger_entries WHERE created_at > now() - interval '6 seconds'")
    collector = Collector(open_platform(**reader), catalogue.load(own), tick_s=30)
    found = await collected(collector, START)
    wanted = {name: float(value or 0) for name, value in (await filled.fetchrow(BUSINESS, zone)).items()}
    for name, value in wanted.items():
        assert number(found[name]) == pytest.approx(value, rel=1e-6), name
    finished = wanted["executed_today"] + wanted["failed_today"] + wanted["cancelled_today"]
    assert number(found["order_completion_pct"]) == pytest.approx(100 * wanted["executed_today"] / finished)


async def test_business_figures_are_kept_until_they_are_due_and_then_follow(
    filled: asyncpg.Connection, reader: dict, open_platform: Open
) -> None:
    # What was created within the last slice would come in between the two looks.
    await filled.execute("DELETE FROM orders WHERE created_at > now() - interval '6 seconds'")
    collector = Collector(open_platform(**reader), catalogue.load(), tick_s=30)
    first = await collected(collector, START)
    # Soon after midnight some of them are of yesterday.
    cancelled = await filled.fetchval("""
        WITH done AS (
            UPDATE orders SET status = 'cancelled'
            WHERE id IN (SELECT id FROM orders
                         WHERE status = 'pending' AND created_at > now() - interval '5 minutes' LIMIT 50)
            RETURNING created_at
        )
        SELECT count(*) FILTER (WHERE created_at >= date_trunc('day', now(), 'UTC')) FROM done
    """)
    soon = await collected(collector, START + timedelta(seconds=10))
    assert soon["cancelled_today"] == first["cancelled_today"]
    assert soon["cancelled_today"].at == START  # its own age, not the tick's
    later = await collected(collector, START + timedelta(seconds=20))
    assert number(later["cancelled_today"]) == number(first["cancelled_today"]) + cancelled
    assert later["cancelled_today"].at == START + timedelta(seconds=20)


async def test_people_and_blocks(filled: asyncpg.Connection, reader: dict, open_platform: Open) -> None:
    await filled.execute("""
        INSERT INTO blocked_requests (ip_address, requests, created_at)
        VALUES ('192.0.2.1', 40, now() - interval '2 hours'), ('192.0.2.2', 2, now() - interval '1 day 1 hour')
    """)
    collector = Collector(open_platform(**reader), catalogue.load(), tick_s=30)

    async def attempt(end: datetime) -> None:
        found = await collected(collector, START + timedelta(minutes=end.minute, seconds=end.second))
        wanted = await filled.fetchrow(
            """
            SELECT (SELECT count(*) FROM user_sessions WHERE status = 'active') AS http_sessions,
                   (SELECT sum(requests) FROM blocked_requests
                    WHERE created_at > $1::timestamptz - interval '1 day' AND created_at <= $1)
                       AS blocked_requests_24h,
                   (SELECT count(*) FROM (
                        SELECT user_id FROM orders
                        WHERE created_at > $1::timestamptz - interval '1 day' AND created_at <= $1
                        UNION SELECT user_id FROM user_sessions
                        WHERE started_at > $1::timestamptz - interval '1 day' AND started_at <= $1) AS u)
                       AS active_users
            """,
            end,
        )
        for name, value in wanted.items():
            assert number(found[name]) == float(value), name
        assert wanted["active_users"] > 5

    await in_one_slice(filled, 5, attempt)


async def test_the_server(admin: asyncpg.Connection, reader: dict, open_platform: Open, wait_for) -> None:
    collector = Collector(open_platform(**reader), catalogue.load(), tick_s=30)

    async def agrees() -> bool:
        """The server's own counters come with a delay: in rest both say the same."""
        found = await collected(collector, START)
        wanted = await admin.fetchrow("""
            SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL) AS backends,
                   current_setting('max_connections')::int AS max_connections,
                   100.0 * blks_hit / (blks_hit + blks_read) AS cache_hit_pct,
                   pg_database_size(datname) AS database_size_bytes
            FROM pg_stat_database WHERE datname = current_database()
        """)
        connections = number(found["database_connections"])
        assert number(found["connection_pool_pct"]) == pytest.approx(
            100 * connections / wanted["max_connections"]
        )
        assert number(found["database_size_bytes"]) == pytest.approx(wanted["database_size_bytes"], rel=0.05)
        assert found["database_locks"].value == 0
        assert found["replication_lag_s"].reason == "no source: no replica is attached"
        return connections == wanted["backends"] and number(found["cache_hit_pct"]) == pytest.approx(
            float(wanted["cache_hit_pct"]), abs=0.5
        )

    await wait_for(agrees)


async def test_a_session_that_waits_for_a_lock_is_seen(
    admin: asyncpg.Connection, postgres, platform_database: str, reader: dict, open_platform: Open, wait_for
) -> None:
    collector = Collector(open_platform(**reader), catalogue.load(), tick_s=30)
    other = await asyncpg.connect(platform_database, password=postgres.password)
    async with admin.transaction():
        await admin.execute("LOCK TABLE symbols IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(other.execute("BEGIN; LOCK TABLE symbols IN SHARE MODE"))

        async def seen() -> bool:
            return (await collected(collector, START))["database_locks"].value == 1

        await wait_for(seen)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    other.terminate()


async def test_statements(admin: asyncpg.Connection, reader: dict, open_platform: Open) -> None:
    """The extension needs a server started with it: a table of its name and columns stands in."""
    found = await collected(Collector(open_platform(**reader), catalogue.load(), tick_s=30), START)
    assert str(found["slow_queries_pct"].reason).startswith("no source: ")
    await admin.execute("""
        DROP EXTENSION IF EXISTS pg_stat_statements;
        CREATE TABLE pg_stat_statements (dbid oid, calls bigint, total_exec_time float8, mean_exec_time float8);
        INSERT INTO pg_stat_statements
        SELECT oid, calls, calls * mean, mean FROM pg_database, (VALUES (990, 4.0), (10, 300.0)) AS v (calls, mean);
        UPDATE pg_stat_statements SET calls = calls * 1000
        WHERE dbid <> (SELECT oid FROM pg_database WHERE datname = current_database());
        GRANT SELECT ON pg_stat_statements TO platform_reader
    """)
    found = await collected(Collector(open_platform(**reader), catalogue.load(), tick_s=30), START)
    assert number(found["slow_queries_pct"]) == pytest.approx(1)
    assert number(found["database_query_avg_ms"]) == pytest.approx((990 * 4 + 10 * 300) / 1000)


async def test_what_a_tick_reads_does_not_grow_with_the_history(
    filled: asyncpg.Connection, reader: dict, open_platform: Open, wait_for
) -> None:
    """Rows of orders touched by ticks after the first, with the history and with five times as much of it."""
    await filled.execute("DELETE FROM orders WHERE created_at < now() - interval '10 minutes'")
    platform = open_platform(**reader)
    collector = Collector(platform, catalogue.load(), tick_s=5)

    async def read_so_far() -> int:
        # A session hands in its counts when it ends.
        await platform.database.close()
        await wait_for(
            lambda: filled.fetchval(
                "SELECT count(*) = 0 FROM pg_stat_activity "
                "WHERE usename = 'platform_reader' AND datname = current_database()"
            )
        )
        return await filled.fetchval(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'orders'"
        )

    async def read_by_three_ticks() -> int:
        before = await read_so_far()
        for tick in range(3):
            await collected(collector, START + timedelta(seconds=tick))
        return await read_so_far() - before

    await collected(collector, START)
    small = await read_by_three_ticks()
    await filled.execute("""
        INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, created_at,
                            executed_at)
        SELECT user_id, symbol, order_type, side, quantity, status, execution_time, created_at - n * interval '1 day',
               executed_at - n * interval '1 day'
        FROM orders, generate_series(1, 4) AS n
    """)
    await filled.execute("ANALYZE orders")
    large = await read_by_three_ticks()
    assert 0 < large <= 1.3 * small
