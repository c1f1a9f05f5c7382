"""Start, stop, kill -9, installation and history; the traffic on top of a service that comes and goes."""

import asyncio
import itertools
import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from console.domain.errors import Misuse
from console.domain.metric import MetricSpec
from console.processes.postgres import EmbeddedPostgres
from console.sandbox import config, people
from console.sandbox.history import NOT_SEEDED, ticks
from tests.sandbox.platform import Platform


@pytest.fixture(scope="module")
def own(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with the whole history, which tests of this module may stop and kill."""
    made = Platform(cluster, tmp_path_factory.mktemp("own"), "own_platform")
    asyncio.run(made.install(hours=26))
    yield made
    if made.process is not None:
        made.stop()


async def test_the_history_reaches_from_26_hours_ago_to_now_and_says_so(own: Platform) -> None:
    async with own.sql() as connection:
        marked = await connection.fetchrow("SELECT * FROM sandbox.seeded_history ORDER BY id LIMIT 1")
        row = await connection.fetchrow(
            "SELECT min(created_at), max(executed_at), count(*) AS n, "
            "count(*) FILTER (WHERE created_at > $1::timestamptz - interval '1 hour') AS recent, "
            "100.0 * count(*) FILTER (WHERE status = 'failed') / count(executed_at) AS failed, "
            "avg(execution_time) AS mean, percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time) AS p95 "
            "FROM orders WHERE created_at < $1",
            marked["seeded_until"],
        )
    assert marked["seeded_until"] - marked["seeded_from"] == timedelta(hours=26)
    assert row["min"] - marked["seeded_from"] < timedelta(minutes=1)
    assert timedelta() <= marked["seeded_until"] - row["max"] < timedelta(seconds=2)
    assert abs(row["n"] - marked["orders"]) < 100
    assert 70_000 < row["recent"] < 73_000
    assert 0.03 < row["failed"] < 0.3
    assert 170 < row["mean"] < 200 and 310 < row["p95"] < 350


async def test_the_whole_past_has_orders_and_no_order_is_without_its_figures(own: Platform) -> None:
    async with own.sql() as connection:
        hours = await connection.fetchval("SELECT count(DISTINCT date_trunc('hour', created_at)) FROM orders")
        odd = await connection.fetchval(
            "SELECT count(*) FROM orders WHERE (status = 'executed') <> (execution_price IS NOT NULL) "
            "OR (status = 'failed') <> (failure_reason IS NOT NULL) "
            "OR (status IN ('executed', 'failed')) <> (executed_at IS NOT NULL)"
        )
        rapid = await connection.fetchval(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM orders WHERE created_at > now() - interval '360 s' "
            "GROUP BY user_id) AS u"
        )
        invalid = await connection.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    assert hours >= 26 and odd == 0 and rapid < 50 and invalid == 0


@pytest.mark.parametrize(
    ("table", "column"),
    [("orders", "executed_at"), ("orders", "created_at"), ("auth_audit_log", "created_at")],
)
async def test_what_is_read_incrementally_is_read_through_an_index(
    own: Platform, table: str, column: str
) -> None:
    async with own.sql() as connection:
        rows = await connection.fetch(
            f"EXPLAIN SELECT count(*) FROM {table} WHERE {column} > now() - interval '2 seconds'"
        )
    assert f"{table}_{column}" in "\n".join(r[0] for r in rows)


def _spec(name: str, window_s: float | None = None) -> MetricSpec:
    return MetricSpec(name, name, "count", "orders", "sql", "", window_s=window_s)


async def test_past_ticks_agree_with_plain_sql(own: Platform) -> None:
    specs = [
        _spec("error_rate", 30), _spec("avg_execution_time", 30), _spec("p95_execution_time", 30),
        _spec("p95_execution_time_1h", 360), _spec("success_under_500ms_pct_1h", 360), _spec("orders_per_minute", 6),
        _spec("cpu_usage"), _spec("database_status"), _spec("uptime_s"), _spec("performance_score"),
    ]  # fmt: skip
    marked = await own.value("SELECT seeded_until FROM sandbox.seeded_history ORDER BY id LIMIT 1")
    rows = await ticks(own.superuser_url, own.cluster.password, specs, marked)
    assert len(rows) == 26 * 120 + 1
    assert all(b[0] - a[0] == timedelta(seconds=30) for a, b in itertools.pairwise(rows))
    assert all(at.timestamp() % 30 == 0 and len(values) == len(specs) for at, values in rows)
    query = """
        SELECT avg(execution_time) FILTER (WHERE status = 'executed') AS mean,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time) FILTER (WHERE status = 'executed') AS p95,
               100.0 * count(*) FILTER (WHERE status = 'failed') / count(*) AS failed,
               100.0 * count(*) FILTER (WHERE status = 'executed' AND execution_time < 500) / count(*) AS under,
               10.0 * count(*) FILTER (WHERE executed_at > $1::timestamptz - interval '6 s') AS per_minute
        FROM orders WHERE executed_at > $1::timestamptz - $2::int * interval '1 s' AND executed_at <= $1
    """
    async with own.sql() as connection:
        for at, values in (rows[20], rows[1500], rows[-1], rows[-100]):
            found = {v.name: v.value for v in values}
            short = await connection.fetchrow(query, at, 30)
            long = await connection.fetchrow(query, at, 360)
            assert found["avg_execution_time"] == pytest.approx(short["mean"], rel=0.001)
            assert found["p95_execution_time"] == pytest.approx(short["p95"], rel=0.02)
            assert found["p95_execution_time_1h"] == pytest.approx(long["p95"], rel=0.02)
            assert found["error_rate"] == pytest.approx(float(short["failed"]))
            assert found["success_under_500ms_pct_1h"] == pytest.approx(float(long["under"]))
            assert found["orders_per_minute"] == pytest.approx(float(short["per_minute"]))
            assert found["database_status"] == "up" and 20 < found["cpu_usage"] < 70
            assert found["performance_score"] > 60
    uptime = next(v for v in rows[0][1] if v.name == "uptime_s")
    assert uptime.value is None and uptime.reason == NOT_SEEDED
    later = await ticks(own.superuser_url, own.cluster.password, specs, marked, since=rows[-3][0])
    assert [at for at, _ in later] == [rows[-2][0], rows[-1][0]]


async def test_a_later_installation_fills_only_the_gap(own: Platform) -> None:
    person = people.person(3).id
    async with own.sql() as connection:
        await connection.execute("DELETE FROM orders WHERE created_at > now() - interval '3 minutes'")
        last = await connection.fetchval("SELECT max(created_at) FROM orders")
        before = await connection.fetchval("SELECT count(*) FROM orders")
        await connection.execute("UPDATE profiles SET account_status = 'suspended' WHERE id = $1", person)
    now = datetime.now(UTC)
    await own.install(hours=26, now=now)
    async with own.sql() as connection:
        after = await connection.fetchval("SELECT count(*) FROM orders")
        marked = await connection.fetch("SELECT * FROM sandbox.seeded_history ORDER BY id")
        kept = await connection.fetchval("SELECT account_status FROM profiles WHERE id = $1", person)
        await connection.execute("UPDATE profiles SET account_status = 'active' WHERE id = $1", person)
    assert after - before == pytest.approx(20 * (now - last).total_seconds(), rel=0.02)
    assert [m["seeded_from"] for m in marked[1:]] == [last] and marked[1]["seeded_until"] == now
    assert kept == "suspended"


async def test_the_traffic_keeps_its_rate_and_goes_on_after_the_service_was_away(
    own: Platform, wait_for: Any
) -> None:
    await own.install(hours=26)
    own.start()
    traffic = own.spawn("traffic")
    try:

        async def at_rate() -> bool:
            """20 a second give or take what rests; measured over 10 s once everybody came in."""
            count = await own.value("SELECT count(*) FROM orders WHERE created_at > now() - interval '10 s'")
            seeded = await own.value(
                "SELECT max(seeded_until) < now() - interval '10 s' FROM sandbox.seeded_history"
            )
            return bool(seeded) and 180 <= count <= 220

        await wait_for(at_rate, timeout=40)
        async with own.client() as client:

            async def listening() -> bool:
                text = (await client.get("/metrics")).text
                return "\nrealtime_connections 36.0\n" in text

            await wait_for(listening, timeout=20)
        own.kill()
        killed = await own.value("SELECT now()")
        own.start()

        async def goes_on() -> bool:
            return await own.value("SELECT count(*) FROM orders WHERE created_at > $1", killed) > 40

        await wait_for(goes_on, timeout=20)
        assert traffic.poll() is None
    finally:
        traffic.send_signal(signal.SIGTERM)
        assert traffic.wait(10) == 0, own.log("traffic")
        assert own.stop() == 0
    async with own.sql() as connection:
        sessions = await connection.fetchval(
            "SELECT count(*) FROM auth_audit_log WHERE action = 'authentication_success' AND created_at > $1",
            killed - timedelta(seconds=60),
        )
    assert sessions > 100
    assert own.log("traffic") == "" and "Traceback" not in own.log("serve")


async def test_a_killed_service_leaves_no_database_shut(own: Platform, wait_for: Any) -> None:
    own.start()
    async with own.client(token=own.config.control_token) as control:
        assert (await control.post("/sandbox/drills/db-down", json={"seconds": 600})).status_code == 200
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        async with own.sql("platform_app"):
            pass
    own.kill()
    own.start()
    async with own.client() as client:

        async def healthy() -> bool:
            return (await client.get("/health")).status_code == 200

        await wait_for(healthy, timeout=15)
    assert own.stop() == 0


async def test_the_end_of_the_service_ends_its_drills(own: Platform) -> None:
    own.start()
    async with own.client(token=own.config.control_token) as control:
        assert (await control.post("/sandbox/drills/db-down", json={"seconds": 600})).status_code == 200
    assert own.stop() == 0
    async with own.sql("platform_app") as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": 500}, "rate"),
        ({"color": "red"}, "unknown keys: color"),
        (None, "sandbox.json"),
    ],
)
def test_a_wrong_configuration_is_one_clear_line(
    tmp_path: Path, change: dict[str, Any] | None, expected: str
) -> None:
    file = tmp_path / "sandbox.json"
    sound = {
        "database_url": "postgresql://x@127.0.0.1:1/x", "database_password": "secret-1", "port": 1, "cache_port": 2,
        "jwt_secret": "secret-2", "control_token": "secret-3",
    }  # fmt: skip
    file.write_text("{" if change is None else json.dumps(sound | change))
    with pytest.raises(Misuse, match=expected) as refused:
        config.load(file)
    assert "secret-" not in str(refused.value)
    assert "secret-" not in repr(config.SandboxConfig(**sound))


def test_a_missing_configuration_ends_with_status_2(tmp_path: Path) -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "console.sandbox", "serve", "--config", str(tmp_path / "none.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("sandbox: ") and done.stderr.count("\n") == 1


async def test_installing_works_on_every_postgresql_found(
    postgres_any: EmbeddedPostgres, tmp_path: Path
) -> None:
    made = Platform(postgres_any, tmp_path, "platform_on_any")
    await made.install(hours=1)
    await made.install(hours=1, now=datetime.now(UTC))
    async with made.sql("platform_reader") as reader:
        assert await reader.fetchval("SELECT count(*) FROM orders") > 60_000
    made.start()
    async with made.client() as client:
        assert (await client.get("/health")).status_code == 200
    async with made.drill("db-down", seconds=30):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            async with made.sql("platform_reader"):
                pass
    assert made.stop() == 0
