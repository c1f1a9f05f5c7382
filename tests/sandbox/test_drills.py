"""Each drill: what it really does, and that nothing of it is left after its end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
import redis.asyncio
import websockets

from console.sandbox import drills, releases
from console.sandbox.edge import REF, entrypoint
from tests.sandbox.platform import Platform, many, order, somebody

NAMES = (
    "latency", "errors", "db-down", "cache-down", "websocket-down", "provider-down", "cpu", "bad-release",
    "brute-force", "rapid-orders", "symbol-scan",
)  # fmt: skip


def test_every_drill_is_described() -> None:
    known = drills.load()
    assert tuple(known) == NAMES
    for drill in known.values():
        assert drill.title and drill.effect and drill.expect and 10 <= drill.seconds <= 600


async def test_drills_need_the_control_token(platform: Platform) -> None:
    for token in (None, platform.anon, platform.service_key, platform.config.control_token + "x"):
        async with platform.client(token=token) as client:
            assert (await client.get("/sandbox/drills")).status_code == 401
            assert (await client.post("/sandbox/drills/cpu", json={})).status_code == 401
            assert (await client.delete("/sandbox/drills/cpu")).status_code == 401


@pytest.mark.parametrize("seconds", [0, -1, "10", 1e9, True, [1]])
async def test_a_drill_of_senseless_length_is_refused(platform: Platform, seconds: Any) -> None:
    async with platform.client(token=platform.config.control_token) as client:
        answer = await client.post("/sandbox/drills/cpu", json={"seconds": seconds})
        assert answer.status_code == 422
        assert (await client.post("/sandbox/drills/nothing", json={})).status_code == 404
        assert [d for d in (await client.get("/sandbox/drills")).json()["drills"] if d["running"]] == []


async def test_several_drills_run_at_once_and_each_ends_by_itself(platform: Platform, wait_for: Any) -> None:
    async with platform.client(token=platform.config.control_token) as client:

        async def running() -> dict[str, float]:
            known = (await client.get("/sandbox/drills")).json()["drills"]
            return {d["name"]: d["remaining_s"] for d in known if d["running"]}

        await client.post("/sandbox/drills/cpu", json={"seconds": 30})
        await client.post("/sandbox/drills/provider-down", json={"seconds": 1.0})
        both = await running()
        assert set(both) == {"cpu", "provider-down"} and 25 < both["cpu"] <= 30

        async def one_ended() -> bool:
            return set(await running()) == {"cpu"}

        await wait_for(one_ended)
        await client.post("/sandbox/drills/cpu", json={"seconds": 60})
        assert (await running())["cpu"] > 55
        assert (await client.delete("/sandbox/drills/cpu")).json()["stopped"] is True
        assert (await client.delete("/sandbox/drills/cpu")).json()["stopped"] is False
        assert await running() == {}


async def _place(platform: Platform, count: int) -> list[httpx.Response]:
    async def one(_: int) -> httpx.Response:
        async with platform.client(token=platform.token(somebody())) as client:
            return await client.post("/functions/v1/execute-order", json=order())

    return await many(count, one)


async def _mean_ms(platform: Platform, answers: list[httpx.Response]) -> float:
    ids = [a.json()["order_id"] for a in answers]
    return await platform.value("SELECT avg(execution_time) FROM orders WHERE id = ANY($1::uuid[])", ids)


async def test_latency_makes_orders_slow_and_none_fails(platform: Platform) -> None:
    before = await _place(platform, 24)
    async with platform.drill("latency"):
        slow = await _place(platform, 24)
    after = await _place(platform, 24)
    assert {a.status_code for a in before + slow + after} == {200}
    # Twice the venue's mean of 180 ms comes on top; a busy machine adds to all three alike.
    assert await _mean_ms(platform, slow) > 150 + await _mean_ms(platform, before)
    assert await _mean_ms(platform, slow) > 150 + await _mean_ms(platform, after)


async def test_errors_makes_about_an_eighth_of_the_orders_fail(platform: Platform) -> None:
    async with platform.drill("errors"):
        answers = [a for _ in range(5) for a in await _place(platform, 20)]
    failed = [a for a in answers if a.status_code == 502]
    assert 2 <= len(failed) <= 30 and len(failed) + sum(a.status_code == 200 for a in answers) == 100
    assert {a.json()["error"]["code"] for a in failed} == {"venue_error"}
    reasons = await platform.value(
        "SELECT array_agg(DISTINCT failure_reason) FROM orders WHERE failure_reason ~ 'venue'"
    )
    assert reasons and all(r.startswith("venue") for r in reasons)
    assert {a.status_code for a in await _place(platform, 20)} == {200}


async def test_a_bad_release_is_taken_back_unless_somebody_deployed_another_one(platform: Platform) -> None:
    async with platform.client(token=platform.supabase_token) as client:
        api = f"/v1/projects/{REF}/functions"

        async def running() -> dict[str, str]:
            return {f["slug"]: f["ezbr_sha256"] for f in (await client.get(api)).json()}

        before = await running()
        counted = await platform.effects("function_deployed", "execute-order")
        async with platform.drill("bad-release"):
            assert (await running())["execute-order"] != before["execute-order"]
            async with platform.client(token=platform.token(somebody())) as person:
                answers = await many(
                    24, lambda _: person.post("/functions/v1/execute-order", json=order(quantity=0.5))
                )
        refused = [a.json()["error"]["message"] for a in answers if a.status_code == 422]
        assert len(refused) > 8 and set(refused) == {"price moved beyond the limit"}
        assert await running() == before
        assert await platform.effects("function_deployed", "execute-order") == counted + 2
        path = entrypoint("execute-order")
        source = releases.tree("v2.8.1")[path]

        async def deploy(content: bytes) -> str:
            parts = [("metadata", (None, json.dumps({"entrypoint_path": path}))), ("file", (path, content))]
            made = await client.post(f"{api}/deploy", params={"slug": "execute-order"}, files=parts)
            return made.json()["ezbr_sha256"]

        async with platform.drill("bad-release"):
            another = await deploy(source + b"// mended\n")
        assert (await running())["execute-order"] == another
        assert await deploy(source) == before["execute-order"]


async def _checks(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.get("/health")
    assert answer.status_code in (200, 503)
    return {name: check["status"] for name, check in answer.json()["checks"].items()}


async def test_a_database_that_is_down_refuses_service_and_gateway(platform: Platform, wait_for: Any) -> None:
    async with platform.sql("platform_reader") as reader, platform.client(token=platform.anon) as client:
        async with platform.drill("db-down"):
            ended = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
            with pytest.raises(ended):
                await reader.fetchval("SELECT 1")
            for role in ("platform_reader", "platform_app"):
                with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                    async with platform.sql(role):
                        pass
            checks = await _checks(client)
            assert checks["database"] == "error" and checks["edge_functions"] == "error"
            assert checks["redis"] == "ok" and checks["websocket"] == "ok"
            answer = await client.post("/functions/v1/execute-order", json={"test": "x"})
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "database_unavailable"
            text = (await client.get("/metrics")).text
            assert "pg_up 0" in text and "node_cpu_seconds_total" in text and "pg_stat_database" not in text

        async def back() -> bool:
            return set((await _checks(client)).values()) == {"ok"}

        await wait_for(back)
    async with platform.sql("platform_reader") as reader:
        assert await reader.fetchval("SELECT 1") == 1


async def test_a_cache_that_is_down_takes_no_connection_and_orders_go_on(
    platform: Platform, wait_for: Any
) -> None:
    async with platform.client(token=platform.anon) as client:
        cache = redis.asyncio.Redis(port=platform.config.cache_port)
        try:
            assert await cache.ping()
            async with platform.drill("cache-down"):
                with pytest.raises(redis.ConnectionError):
                    await cache.ping()
                assert (await _checks(client))["redis"] == "error"
                answer = await client.post("/functions/v1/get-stock-price", json={"symbol": "EURUSD"})
                assert answer.json()["source"] == "market-data-b"
                assert {a.status_code for a in await _place(platform, 3)} == {200}
            assert await cache.ping()
        finally:
            await cache.aclose()

        async def from_cache() -> bool:
            answer = await client.post("/functions/v1/get-stock-price", json={"symbol": "AAPL"})
            return answer.json().get("source") == "cache"

        await wait_for(from_cache)
        assert set((await _checks(client)).values()) == {"ok"}


async def test_a_websocket_that_is_down_closes_and_refuses(platform: Platform) -> None:
    url, headers = f"ws://127.0.0.1:{platform.config.port}/realtime", {"x-api-key": platform.anon}
    connection = await websockets.connect(url, additional_headers=headers, proxy=None)
    async with platform.drill("websocket-down"):
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(connection.recv(), 10)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == 503
        async with platform.client() as client:
            assert (await _checks(client))["websocket"] == "error"
    async with websockets.connect(url, additional_headers=headers, proxy=None) as connection:
        assert await asyncio.wait_for(connection.recv(), 10)


async def test_a_provider_that_is_down_answers_503_or_hangs_and_the_other_takes_over(
    platform: Platform,
) -> None:
    async with platform.client(token=platform.anon) as client:
        async with platform.drill("provider-down"):
            outcomes: list[int | str] = []
            for _ in range(2):
                try:
                    outcomes.append((await client.get("/providers/market-data-b", timeout=0.7)).status_code)
                except httpx.TimeoutException:
                    outcomes.append("hangs")
            assert set(outcomes) == {503, "hangs"}
            assert (await client.get("/providers/market-data-a")).status_code == 200
            assert (await _checks(client))["external_apis"] == "error"
            assert {a.status_code for a in await _place(platform, 3)} == {200}
        assert (await client.get("/providers/market-data-b")).status_code == 200


async def test_cpu_shows_a_busy_host_and_nothing_else(platform: Platform, wait_for: Any) -> None:
    async def counters() -> dict[str, float]:
        async with platform.client() as client:
            lines = (await client.get("/metrics")).text.splitlines()
        found = [line for line in lines if line.startswith("node_cpu_seconds_total{")]
        return {line.split('mode="')[1].split('"')[0]: float(line.split()[-1]) for line in found}

    def busy_pct(before: dict[str, float], after: dict[str, float]) -> float:
        passed = {mode: after[mode] - before[mode] for mode in after}
        return 100 * (1 - (passed["idle"] + passed["iowait"]) / sum(passed.values()))

    async def measured() -> float:
        before = await counters()

        async def moved_on() -> dict[str, float] | None:
            after = await counters()
            return after if sum(after.values()) - sum(before.values()) > 1 else None

        return busy_pct(before, await wait_for(moved_on))

    # One beat of the counters may still belong to the time before the drill.
    async with platform.drill("cpu"):

        async def busy() -> bool:
            return await measured() > 95

        await wait_for(busy)

    async def calm() -> bool:
        return await measured() < 70

    await wait_for(calm)


async def test_brute_force_comes_from_one_address_until_it_is_blocked(
    platform: Platform, wait_for: Any
) -> None:
    found = """
        SELECT host(ip_address) FROM auth_audit_log
        WHERE action = 'authentication_failure' AND ip_address <<= '203.0.113.0/24'
          AND created_at > now() - interval '30 seconds'
        GROUP BY 1 HAVING count(*) >= 10 AND count(DISTINCT user_id) >= 3
    """
    async with platform.drill("brute-force"):
        attacker = await wait_for(lambda: platform.value(found), timeout=20)
        await platform.execute(
            "INSERT INTO blocked_ips (network, reason) VALUES ($1::inet::cidr, 'brute force')", attacker
        )
        refused = "SELECT sum(requests) FROM blocked_requests WHERE ip_address = $1::inet"

        async def kept_out() -> bool:
            return (await platform.value(refused, attacker) or 0) >= 3

        await wait_for(kept_out, timeout=15)
    # The next attack comes from an address that is not blocked yet.
    others = found.replace("GROUP BY", f"AND ip_address <> '{attacker}' GROUP BY")
    async with platform.drill("brute-force"):
        assert await wait_for(lambda: platform.value(others), timeout=20) != attacker
    await platform.execute("DELETE FROM blocked_ips WHERE reason = 'brute force'")


@contextlib.asynccontextmanager
async def _since(platform: Platform) -> AsyncIterator[Any]:
    yield await platform.value("SELECT now()")


async def test_rapid_orders_come_from_one_person_in_few_symbols(platform: Platform, wait_for: Any) -> None:
    async with _since(platform) as begun, platform.drill("rapid-orders"):
        query = (
            "SELECT user_id FROM orders WHERE created_at > $1 GROUP BY 1 "
            "HAVING count(*) > 50 AND count(DISTINCT symbol) < 5"
        )
        assert await wait_for(lambda: platform.value(query, begun), timeout=40)


async def test_a_symbol_scan_touches_twenty_symbols_in_fewer_than_fifty_orders(
    platform: Platform, wait_for: Any
) -> None:
    async with _since(platform) as begun, platform.drill("symbol-scan"):
        query = (
            "SELECT user_id FROM orders WHERE created_at > $1 GROUP BY 1 "
            "HAVING count(DISTINCT symbol) >= 20 AND count(*) < 50"
        )
        assert await wait_for(lambda: platform.value(query, begun), timeout=40)
