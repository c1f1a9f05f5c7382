"""/ops/v1: each turn of an operator has an effect that anybody can see from outside."""

import contextlib
import statistics
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import redis.asyncio

from console.sandbox import people
from console.sandbox.limits import FailedLogins
from console.sandbox.operations import COMPUTE
from tests.sandbox.platform import Platform, fresh_address, many, order, somebody

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/compute", {"size": "large"}), ("POST", "/database/failover", {"to": "replica"}),
    ("POST", "/providers/switch", {"from": "market-data-b", "to": "market-data-a"}), ("POST", "/cache/clear", {}),
    ("PUT", "/monitoring", {"enhanced": True}), ("PUT", "/security-protocols", {"enabled": True}),
]  # fmt: skip


async def ops(platform: Platform, method: str, path: str, body: Any = None) -> dict[str, Any]:
    async with platform.client(token=platform.service_key) as client:
        answer = await client.request(method, f"/ops/v1{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextlib.asynccontextmanager
async def turned(
    platform: Platform, method: str, path: str, body: Any, back: Any
) -> AsyncIterator[dict[str, Any]]:
    """Turned inside the block, and back after it."""
    try:
        yield await ops(platform, method, path, body)
    finally:
        await ops(platform, method, path, back)


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_only_the_service_key_turns_anything(
    platform: Platform, method: str, path: str, body: dict[str, Any]
) -> None:
    before = await platform.value("SELECT count(*) FROM sandbox.effect_log")
    for token in (None, platform.anon, platform.token(somebody()), platform.vercel_token):
        async with platform.client(token=token) as client:
            answer = await client.request(method, f"/ops/v1{path}", json=body)
            assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
    assert await platform.value("SELECT count(*) FROM sandbox.effect_log") == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "/compute", {"size": "huge"}), ("POST", "/database/failover", {"to": "mars"}),
     ("POST", "/providers/switch", {"from": "market-data-a", "to": "nobody"}), ("PUT", "/monitoring", {}),
     ("PUT", "/security-protocols", {"enabled": "yes"})],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(
    platform: Platform, method: str, path: str, body: dict[str, Any]
) -> None:
    async with platform.client(token=platform.service_key) as client:
        assert (await client.request(method, f"/ops/v1{path}", json=body)).status_code == 422


async def test_every_write_counts_and_says_whether_it_changed_something(platform: Platform) -> None:
    before = await platform.effects("compute", "small")
    async with turned(platform, "PUT", "/compute", {"size": "small"}, {"size": "medium"}) as first:
        again = await ops(platform, "PUT", "/compute", {"size": "small"})
        assert (first["changed"], again["changed"]) == (True, False)
    assert await platform.effects("compute", "small") == before + 2


async def _metric(platform: Platform, name: str) -> float:
    async with platform.client() as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[-1])


async def _order_ms(platform: Platform, count: int = 30) -> float:
    """The median time of orders, by their own record."""
    token, begun = platform.token(somebody()), await platform.value("SELECT clock_timestamp()")

    async def place(_: int) -> httpx.Response:
        async with platform.client(token=token, address=fresh_address()) as client:
            return await client.post("/functions/v1/execute-order", json=order())

    assert {a.status_code for a in await many(count, place)} == {200}
    async with platform.sql() as connection:
        rows = await connection.fetch("SELECT execution_time FROM orders WHERE created_at > $1", begun)
    return statistics.median(r[0] for r in rows)


async def test_a_larger_machine_is_less_busy_and_its_orders_are_quicker(platform: Platform) -> None:
    async def share() -> float:
        total = await _metric(platform, "node_memory_MemTotal_bytes")
        return await _metric(platform, "node_memory_MemAvailable_bytes") / total

    load, free, ms = await _metric(platform, "node_load1"), await share(), await _order_ms(platform)
    async with turned(platform, "PUT", "/compute", {"size": "large"}, {"size": "medium"}) as state:
        assert state["functions"] == {"memory_mb": 1024, "concurrency": 1000} and state["autoscaling"] is True
        assert state["database"] == {"max_connections": 200, "shared_buffers_mb": 512}
        assert await _metric(platform, "node_load1") < load * (COMPUTE["large"].cpu + 0.15)
        assert await share() > free
        assert await _order_ms(platform) < ms
    async with turned(platform, "PUT", "/compute", {"size": "small"}, {"size": "medium"}):
        assert await _metric(platform, "node_load1") > load
        assert (await ops(platform, "GET", "/compute"))["size"] == "small"


async def test_failing_over_ends_what_a_lost_primary_means(platform: Platform, wait_for: Any) -> None:
    async with platform.client(token=platform.anon) as client:

        async def database() -> dict[str, Any]:
            return (await client.get("/health")).json()["checks"]["database"]

        async with platform.drill("db-down"):
            assert (await database())["status"] == "error"
            async with turned(
                platform, "POST", "/database/failover", {"to": "replica"}, {"to": "replica"}
            ) as state:
                assert (state["active"], state["primary"], state["replica"]) == ("replica", "down", "up")

                async def served() -> bool:
                    check = await database()
                    return check["status"] == "ok" and "replica" in check["details"]

                await wait_for(served)
                async with platform.sql("platform_reader") as reader:
                    assert await reader.fetchval("SELECT 1") == 1
                placed = await client.post("/functions/v1/execute-order", json={"test": "x"})
                assert placed.status_code == 200
                async with platform.client(token=platform.service_key) as operator:
                    back = await operator.post("/ops/v1/database/failover", json={"to": "primary"})
                    assert (back.status_code, back.json()["error"]["code"]) == (409, "server_down")
        assert (await ops(platform, "POST", "/database/failover", {"to": "primary"}))["active"] == "primary"
        assert "primary" in (await database())["details"]


async def test_a_switched_provider_is_not_missed_while_it_is_down(platform: Platform) -> None:
    async def source(client: httpx.AsyncClient, symbol: str) -> str:
        return (await client.post("/functions/v1/get-stock-price", json={"symbol": symbol})).json()["source"]

    switch, back = (
        {"from": "market-data-b", "to": "market-data-a"},
        {"from": "market-data-b", "to": "market-data-b"},
    )
    async with (
        platform.client(token=platform.anon) as client,
        platform.drill("cache-down"),
        platform.drill("provider-down"),
    ):
        async with turned(platform, "POST", "/providers/switch", switch, back) as state:
            assert state["routes"] == {
                "market-data-a": "market-data-a",
                "market-data-b": "market-data-a",
            } and state["up"] == {"market-data-a": True, "market-data-b": False}
            assert await source(client, "EURUSD") == "market-data-a"
            checks = (await client.get("/health")).json()["checks"]
            assert checks["external_apis"]["status"] == "ok"
        assert (await ops(platform, "GET", "/providers"))["routes"]["market-data-b"] == "market-data-b"


async def test_prices_of_a_switched_provider_are_streamed_on(platform: Platform, wait_for: Any) -> None:
    async with (
        platform.client(token=platform.anon) as client,
        platform.drill("provider-down"),
        turned(
            platform, "POST", "/providers/switch", {"from": "market-data-b", "to": "market-data-a"},
            {"from": "market-data-b", "to": "market-data-b"},
        ),
    ):  # fmt: skip
        cache = redis.asyncio.Redis(port=platform.config.cache_port)
        try:
            await cache.delete("price:EURUSD")

            async def streamed() -> bool:
                return await cache.get("price:EURUSD") is not None

            await wait_for(streamed)
        finally:
            await cache.aclose()
        assert (await client.get("/health")).status_code == 200


async def test_a_cleared_cache_is_empty_misses_and_warms_again(platform: Platform, wait_for: Any) -> None:
    before = await ops(platform, "GET", "/cache")
    cleared = await ops(platform, "POST", "/cache/clear", {})
    assert cleared["clears"] == before["clears"] + 1 and cleared["cleared_at"] != before["cleared_at"]
    cache = redis.asyncio.Redis(port=platform.config.cache_port)
    try:
        assert cleared["keys"] < 10
        misses = (await cache.info())["keyspace_misses"]
        async with platform.client(token=platform.anon) as client:
            answer = await client.post("/functions/v1/get-stock-price", json={"symbol": "BTCUSD"})
        assert answer.json()["source"].startswith("market-data")
        assert (await cache.info())["keyspace_misses"] > misses

        async def warm() -> bool:
            return await cache.get("price:DOTUSD") is not None

        await wait_for(warm, timeout=30)
    finally:
        await cache.aclose()
    async with (
        platform.drill("cache-down"),
        platform.client(token=platform.service_key) as client,
    ):
        away = await client.post("/ops/v1/cache/clear", json={})
        assert away.status_code == 503


async def test_enhanced_monitoring_logs_where_the_time_of_an_order_went(
    platform: Platform, wait_for: Any
) -> None:
    person = somebody()
    query = "SELECT count(*) FROM function_logs WHERE user_id = $1 AND message ~ $2 AND level = $3"
    parts = "checks [0-9.]+ ms, price [0-9.]+ ms, venue [0-9.]+ ms, database [0-9.]+ ms"
    async with platform.client(token=platform.token(person)) as client:
        await client.post("/functions/v1/execute-order", json=order())
        async with turned(platform, "PUT", "/monitoring", {"enhanced": True}, {"enhanced": False}):
            await client.post("/functions/v1/execute-order", json=order())
            async with platform.drill("latency"):
                await many(6, lambda _: client.post("/functions/v1/execute-order", json=order()))

            async def logged() -> bool:
                debug = await platform.value(query, person.id, f"^order: .*{parts}", "debug")
                slow = await platform.value(query, person.id, f"^slow order: .*{parts}", "warning")
                return slow >= 1 and debug + slow == 7

            await wait_for(logged)
        assert (await ops(platform, "GET", "/monitoring"))["enhanced"] is False


async def test_security_protocols_leave_everybody_a_quarter_of_the_rate(platform: Platform) -> None:
    async def taken(path: str) -> int:
        async with platform.client(token=platform.anon) as client:
            answers = await many(40, lambda _: client.post(path, json={"symbol": "EURUSD"}))
        return sum(a.status_code != 429 for a in answers)

    path = "/functions/v1/get-stock-price"
    ordinary = await taken(path)
    async with turned(platform, "PUT", "/security-protocols", {"enabled": True}, {"enabled": False}):
        assert await taken(path) < ordinary / 2
    assert (await ops(platform, "GET", "/security-protocols"))["enabled"] is False


async def test_security_protocols_refuse_log_ins_from_where_five_have_failed(platform: Platform) -> None:
    person, address = somebody(), fresh_address()
    password = people.password(platform.config.database_password, person.email)

    async def log_in(plain: str, where: str) -> httpx.Response:
        async with platform.client(address=where) as client:
            return await client.post(
                "/auth/v1/token?grant_type=password", json={"email": person.email, "password": plain}
            )

    for n in range(FailedLogins.MOST):
        assert (await log_in(f"guess {n}", address)).status_code == 400
    async with turned(platform, "PUT", "/security-protocols", {"enabled": True}, {"enabled": False}):
        refused = await log_in(password, address)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_failures")
        assert (await log_in(password, fresh_address())).status_code == 200
    assert (await log_in(password, address)).status_code == 200


def test_failures_count_for_five_minutes() -> None:
    failed = FailedLogins()
    for n in range(5):
        failed.note("a", n)
    assert failed.too_many("a", 299.9) and not failed.too_many("a", 300.0) and not failed.too_many("b", 1)


async def test_what_was_turned_outlives_a_kill(platform: Platform) -> None:
    async with turned(platform, "PUT", "/compute", {"size": "large"}, {"size": "medium"}):
        platform.kill()
        platform.start()
        assert (await ops(platform, "GET", "/compute"))["size"] == "large"
