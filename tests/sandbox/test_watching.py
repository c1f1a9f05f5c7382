"""What a watcher sees: /health in the specified shape, /metrics, the cache's INFO, the websocket."""

import asyncio
import json
from typing import Any

import pytest
import redis.asyncio
import websockets
from prometheus_client.parser import text_string_to_metric_families

from tests.sandbox.platform import Platform, fresh_address, somebody

CHECKS = ("database", "redis", "external_apis", "edge_functions", "websocket")


async def test_health_has_the_specified_shape(platform: Platform) -> None:
    async with platform.client() as client:
        answer = await client.get("/health")
    body = answer.json()
    assert answer.status_code == 200 and body["status"] == "ok"
    assert set(body) == {"status", "timestamp", "uptime", "version", "environment", "checks"}
    assert tuple(body["checks"]) == CHECKS
    for check in body["checks"].values():
        assert set(check) == {"status", "latency", "details"}
        assert check["status"] == "ok" and check["latency"] > 0 and check["details"]
    assert body["uptime"] > 0 and body["timestamp"].endswith("Z")


async def _samples(platform: Platform) -> dict[str, list[Any]]:
    async with platform.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            # The parser gives counters the ending that PostgreSQL's exporter leaves out.
            for name in {sample.name, family.name}:
                found.setdefault(name, []).append(sample)
    return found


@pytest.mark.parametrize(
    "name",
    ["node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes",
     "node_filesystem_size_bytes", "node_filesystem_avail_bytes", "pg_up", "pg_stat_database_numbackends",
     "pg_stat_database_blks_hit", "pg_settings_max_connections", "pg_database_size_bytes", "http_requests_total",
     "http_request_duration_seconds_sum", "http_request_duration_seconds_count", "realtime_connections",
     "platform_blocked_requests_total", "process_start_time_seconds"],
)  # fmt: skip
async def test_metrics_have_the_names_of_a_supabase_project(platform: Platform, name: str) -> None:
    samples = await _samples(platform)
    assert samples[name] and all(s.value >= 0 for s in samples[name])


async def test_metrics_count_requests_by_path_and_code(platform: Platform) -> None:
    def count(samples: dict[str, list[Any]]) -> float:
        return sum(
            s.value
            for s in samples["http_requests_total"]
            if s.labels["path"] == "/api/positions" and s.labels["code"] == "401"
        )

    before = await _samples(platform)
    async with platform.client() as client:
        for _ in range(3):
            await client.get("/api/positions")
        await client.get("/" + "x" * 300)
    after = await _samples(platform)
    assert count(after) - count(before) == 3
    assert all(len(s.labels["path"]) < 60 for s in after["http_requests_total"])


async def test_cpu_counters_only_rise(platform: Platform, wait_for: Any) -> None:
    def by_mode(samples: dict[str, list[Any]]) -> dict[str, float]:
        return {s.labels["mode"]: s.value for s in samples["node_cpu_seconds_total"]}

    before = by_mode(await _samples(platform))

    async def moved() -> bool:
        now = by_mode(await _samples(platform))
        return all(now[mode] > before[mode] for mode in before)

    await wait_for(moved)


async def test_prices_come_from_the_cache_and_the_cache_says_so(platform: Platform) -> None:
    cache = redis.asyncio.Redis(port=platform.config.cache_port)
    try:
        before = await cache.info()
        async with platform.client(token=platform.anon) as client:
            answers = [
                (await client.post("/functions/v1/get-stock-price", json={"symbol": "EURUSD"})).json()
                for _ in range(5)
            ]
        after = await cache.info()
    finally:
        await cache.aclose()
    assert {a["source"] for a in answers} == {"cache"}
    assert after["keyspace_hits"] - before["keyspace_hits"] >= 5
    assert after["used_memory"] < after["maxmemory"] and after["connected_clients"] >= 1


async def test_a_symbol_that_is_not_streamed_is_fetched_from_its_provider(platform: Platform) -> None:
    async with platform.client(token=platform.anon) as client:
        answer = (await client.post("/functions/v1/get-stock-price", json={"symbol": "USDTRY"})).json()
    assert answer["source"] == "market-data-a" and answer["price"] > 0


@pytest.mark.parametrize("protocol", [2, 3])
async def test_the_cache_speaks_with_a_real_client(platform: Platform, protocol: int) -> None:
    cache = redis.asyncio.Redis(port=platform.config.cache_port, protocol=protocol)
    try:
        assert await cache.ping() is True
        assert await cache.set("greeting", "grüß dich", ex=60) is True
        assert await cache.get("greeting") == "grüß dich".encode()
        assert 0 < await cache.ttl("greeting") <= 60
        assert await cache.set("greeting", "x", nx=True) is None
        assert await cache.delete("greeting", "nothing") == 1
        assert await cache.get("greeting") is None
        with pytest.raises(redis.ResponseError):
            await cache.execute_command("LPUSH", "list", "x")
        with pytest.raises(redis.ResponseError):
            await cache.execute_command("GET")
        assert await cache.ping() is True
    finally:
        await cache.aclose()


@pytest.mark.parametrize(
    "garbage", [b"*1\r\n$x\r\n", b"*9999999\r\n", b"*1\r\n$-5\r\nPING\r\n", b"\x00\xff\r\n"]
)
async def test_garbage_on_the_caches_port_ends_in_an_error(platform: Platform, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.config.cache_port)
    writer.write(garbage)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"-")
    writer.close()


def _url(platform: Platform, path: str = "/realtime") -> str:
    return f"ws://127.0.0.1:{platform.config.port}{path}"


@pytest.mark.parametrize("where", ["x-api-key", "authorization", "query"])
async def test_the_websocket_sends_prices_to_whoever_shows_a_key(platform: Platform, where: str) -> None:
    headers = {"x-api-key": {"x-api-key": platform.anon}, "query": {}}.get(
        where, {"authorization": f"Bearer {platform.anon}"}
    )
    url = _url(platform) + (f"?apikey={platform.anon}" if where == "query" else "")
    async with websockets.connect(url, additional_headers=headers, proxy=None) as connection:
        message = json.loads(await asyncio.wait_for(connection.recv(), 10))
    assert message["type"] == "prices" and message["prices"]["EURUSD"] > 0


@pytest.mark.parametrize("key", ["", "forged.token.here"])
async def test_the_websocket_is_refused_without_a_valid_key(platform: Platform, key: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(_url(platform), additional_headers={"x-api-key": key}, proxy=None)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "not_authenticated"
    assert "x-frame-options" in refused.value.response.headers


async def test_websocket_connections_are_counted(platform: Platform, wait_for: Any) -> None:
    async def open_now() -> float:
        return (await _samples(platform))["realtime_connections"][0].value

    headers = {"x-api-key": platform.anon, "x-forwarded-for": fresh_address()}
    before = await open_now()
    async with websockets.connect(_url(platform), additional_headers=headers, proxy=None):

        async def one_more() -> bool:
            return await open_now() == before + 1

        await wait_for(one_more)

    async def as_before() -> bool:
        return await open_now() == before

    await wait_for(as_before)


async def test_the_phoenix_endpoint_answers_joins_and_heartbeats(platform: Platform) -> None:
    url = _url(platform, "/realtime/v1/websocket?vsn=2.0.0")
    headers = {"x-api-key": platform.token(somebody())}
    async with websockets.connect(url, additional_headers=headers, proxy=None) as connection:
        for message in (
            ["1", "1", "realtime:prices", "phx_join", {}], [None, "2", "phoenix", "heartbeat", {}]
        ):  # fmt: skip
            await connection.send(json.dumps(message))
        replies = [json.loads(await asyncio.wait_for(connection.recv(), 10)) for _ in range(3)]
    acknowledged = [r for r in replies if r[3] == "phx_reply"]
    assert {r[1] for r in acknowledged} == {"1", "2"}
    assert all(r[4]["status"] == "ok" for r in acknowledged)
    assert [r[2] for r in replies if r[3] == "broadcast"] == ["realtime:prices"]


async def test_garbage_on_the_websocket_does_no_harm(platform: Platform) -> None:
    url = _url(platform, "/realtime/v1/websocket?vsn=2.0.0")
    async with websockets.connect(
        url, additional_headers={"x-api-key": platform.anon}, proxy=None
    ) as connection:
        for text in ("{", "[]", "[1,2,3,4,5]", '["1","1",["x"],"phx_join",{}]', "null"):
            await connection.send(text)
        await connection.send(json.dumps([None, "9", "phoenix", "heartbeat", {}]))
        assert json.loads(await asyncio.wait_for(connection.recv(), 10))[1] == "9"


async def test_function_calls_are_logged(platform: Platform, wait_for: Any) -> None:
    from tests.sandbox.platform import order

    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        answer = await client.post("/functions/v1/execute-order", json=order("GBPUSD"))
    query = "SELECT message FROM function_logs WHERE user_id = $1 AND request_id = $2 AND function = 'execute-order'"

    async def logged() -> Any:
        return await platform.value(query, person.id, answer.headers["x-request-id"])

    assert "GBPUSD" in await wait_for(logged)
