"""What the store costs with thirty full days in it."""

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from console.domain.metric import MetricValue
from console.metrics import catalogue
from console.processes.postgres import EmbeddedPostgres
from console.store import lease as leases
from console.store import migrate, ticks
from console.store.pool import Store

DAYS = 30
TICK_S = 30


def figures(folder: Path) -> Iterator[tuple[str, float, float, str, bool]]:
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        moments, hour, day = asyncio.run(_measure(postgres))
        yield "any moment of 30 days, worst of 300", 1000 * max(moments), 50.0, "ms", False
        yield "last hour of 30 metrics", 1000 * hour, 50.0, "ms", False
        yield "24 h of 30 metrics", 1000 * day, 200.0, "ms", False
    finally:
        postgres.stop()


async def _measure(postgres: EmbeddedPostgres) -> tuple[list[float], float, float]:
    url, password = postgres.url("postgres"), postgres.password
    await migrate.upgrade(url, password, environment="bench", tick_s=TICK_S)
    store = await Store.open(url, password=password, command_timeout_s=120)
    try:
        specs = catalogue.load(None, time_scale=1).specs
        lease = await leases.acquire(store, "bench", 300)
        assert lease is not None
        end = await store.now()
        start = end - timedelta(days=DAYS)
        for day in range(DAYS):
            begin = start + timedelta(days=day)
            await ticks.write_seeded(store, lease, specs, _day(begin, specs))
        await store.execute("ANALYZE")
        randomly = random.Random(1)
        moments = []
        for _ in range(300):
            moment = start + timedelta(seconds=randomly.uniform(60, DAYS * 86400))
            begun = time.perf_counter()
            found = await ticks.at_moment(store, moment)
            moments.append(time.perf_counter() - begun)
            assert found.at is not None
            assert moment - found.at <= timedelta(seconds=TICK_S)
        names = [s.name for s in specs if s.unit != "state"][:30]
        return moments, await _span(store, names, end, 1), await _span(store, names, end, 24)
    finally:
        await store.close()


async def _span(store: Store, names: list[str], end: datetime, hours: int) -> float:
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        await ticks.series(store, names, start=end - timedelta(hours=hours), end=end, points=120)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _day(begin: datetime, specs: tuple) -> list[tuple[datetime, list[MetricValue]]]:
    rows = []
    for i in range(86400 // TICK_S):
        at = begin + timedelta(seconds=i * TICK_S)
        values = [
            MetricValue(s.name, "up" if s.unit == "state" else (i * 7 + k) % 500 / 3, at)
            for k, s in enumerate(specs)
        ]
        rows.append((at, values))
    return rows
