"""What a tick costs the platform's database, with little and with much history in it."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from console.gateway.platform import Platform
from console.metrics import catalogue
from console.metrics.histogram import LogBuckets, bucket_of
from console.monitors.collector import Collector
from console.processes.postgres import EmbeddedPostgres
from console.sandbox import install
from console.sections import PlatformSettings

READER = "reader-of-the-bench"
TICKS = 40
WARM_UP_S = 20
_PAUSE_S = 0.2
FEW, MANY = 100_000, 5_000_000
ORDERS = """
    WITH people AS (SELECT array_agg(id) AS ids FROM profiles), traded AS (SELECT array_agg(symbol) AS of FROM symbols)
    INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, created_at, executed_at)
    SELECT ids[1 + i % cardinality(ids)], of[1 + i % cardinality(of)], 'market', 'buy', 1,
           CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'executed' END,
           exp(5.1 + 0.35 * sqrt(-2 * ln(r)) * cos(6.2832 * s)), at, at
    FROM people, traded,
         (SELECT i, 1 - random() AS r, random() AS s, $1::timestamptz - $2::interval * (i::float8 / $3) AS at
          FROM generate_series(1, $3::int) AS i) AS made
"""
HOUR = (
    "SELECT execution_time FROM orders WHERE status = 'executed' AND executed_at > now() - interval '1 hour'"
)
P95 = f"SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time) FROM ({HOUR}) AS hour"


def figures(folder: Path) -> Iterator[tuple[str, float, float, str, bool]]:
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        few, many, (busy, fetch, error) = asyncio.run(_measure(postgres))
        yield "collector tick, 5 M orders against 100 k", many / few, 1.3, "x", False
        yield "collector tick with 5 M orders", 1000 * many, 100.0, "ms", False
        yield "an hour's rows at 127/s fetched, against a tick", fetch / busy, 50.0, "x", True
        yield "p95 of the buckets against percentile_cont", 100 * error, 2.0, "%", False
    finally:
        postgres.stop()


async def _measure(postgres: EmbeddedPostgres) -> tuple[float, float, tuple[float, float, float]]:
    # The last hour is the same for both, what differs is the past behind it.
    hour = 20 * 3600
    few, _, _ = await _platform(postgres, "few", last_hour=hour, before=FEW - hour)
    many, _, _ = await _platform(postgres, "many", last_hour=hour, before=MANY - hour)
    return few, many, await _platform(postgres, "busy", last_hour=127 * 3600, before=0)


async def _platform(
    postgres: EmbeddedPostgres, name: str, *, last_hour: int, before: int
) -> tuple[float, float, float]:
    """Seconds of a tick, seconds to fetch the hour's rows, relative error of p95."""
    url = postgres.url(name)
    await install.install(
        url, postgres.password, app_password="x", reader_password=READER, now=datetime.now(UTC), hours=0
    )
    connection = await asyncpg.connect(url, password=postgres.password, command_timeout=600)
    try:
        now = await connection.fetchval("SELECT now()")
        await connection.execute(ORDERS, now, timedelta(hours=1), last_hour)
        if before:
            await connection.execute(ORDERS, now - timedelta(hours=1), timedelta(days=30), before)
        await connection.execute("VACUUM ANALYZE orders")
        tick = await _ticks(connection, postgres.url(name, "platform_reader"), rate=last_hour / 3600)
        begun = time.perf_counter()
        values = sorted(row["execution_time"] for row in await connection.fetch(HOUR))
        fetch = time.perf_counter() - begun
        exact = await connection.fetchval(P95)
        buckets = LogBuckets()
        for value in values:
            buckets.add(bucket_of(value), 1, value, int(value < 500))
        found = buckets.quantile(0.95)
        assert found is not None
        return tick, fetch, abs(found - exact) / exact
    finally:
        await connection.close()


async def _ticks(connection: asyncpg.Connection, reader_url: str, *, rate: float) -> float:
    """The median of ticks on a platform that goes on at `rate` orders/s."""
    platform = Platform.open(PlatformSettings(database_url=reader_url, database_password=SecretStr(READER)))
    collector = Collector(platform, catalogue.load(None, time_scale=10), tick_s=2)
    taken: list[float] = []
    try:
        started = time.perf_counter()
        # An agent that has just started reads the past once; what counts is the tick that comes again and again.
        while len(taken) < TICKS:
            now = await connection.fetchval("SELECT clock_timestamp()")
            await connection.execute(ORDERS, now, timedelta(seconds=_PAUSE_S), round(rate * _PAUSE_S))
            begun = time.perf_counter()
            await collector.collect(now, [])
            if begun - started > WARM_UP_S:
                taken.append(time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE_S)
    finally:
        collector.close()
        await platform.close()
    return statistics.median(taken)
