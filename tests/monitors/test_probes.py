"""Probes against real servers on loopback: good ones, silent ones, and ones that answer nonsense."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import ServerConnection, serve

from console.domain.health import Check, Status
from console.gateway.platform import Platform
from console.monitors.probes import LIMITS, Probes
from console.processes.postgres import EmbeddedPostgres
from tests.gateway import servers
from tests.gateway.servers import reply

NOW = datetime(2026, 3, 1, 3, 12, tzinfo=UTC)
HEALTHY = {
    "status": "ok",
    "uptime": 60,
    "version": "1.0",
    "checks": {"database": {"status": "ok"}, "redis": {"status": "ok"}},
}
GOOD_ANSWERS: dict[str, bytes | servers.Handler] = {
    "/health": reply(json.dumps(HEALTHY).encode()),
    "/functions/v1/execute-order": reply(b"{}"),
    "/functions/v1/get-stock-price": reply(b"{}"),
    "/functions/v1/risk-monitoring": reply(b"{}"),
    "/functions/v1/health-check": reply(b"{}"),
    "/providers/prices": reply(b"{}"),
    "/providers/news": reply(b"{}"),
}

Open = Callable[..., Platform]


async def pong(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
    """A cache as far as the probe needs one: PONG, an INFO, OK to the rest."""
    info = b"keyspace_hits:9\r\nkeyspace_misses:1\r\nused_memory:1500000\r\n"
    while said := await reader.read(1000):
        for word in said.split(b"\r\n"):
            if word.upper() == b"PING":
                writer.write(b"+PONG\r\n")
            elif word.upper() == b"INFO":
                writer.write(b"$%d\r\n%s\r\n" % (len(info), info))
            elif word.upper() in (b"CLIENT", b"HELLO"):
                writer.write(b"+OK\r\n")
        await writer.drain()


async def stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.component: check for check in checks}


async def test_a_platform_in_good_health(
    open_platform: Open, postgres: EmbeddedPostgres, database: str
) -> None:
    async with (
        servers.http(GOOD_ANSWERS) as (base, asked),
        servers.tcp(pong) as cache,
        serve(stay, "127.0.0.1", 0) as realtime,
    ):
        platform = open_platform(
            base_url=base,
            websocket_url=f"ws://127.0.0.1:{realtime.sockets[0].getsockname()[1]}/",
            cache_url=f"redis://127.0.0.1:{cache}",
            database_url=database,
            database_password=postgres.password,
            api_key="sesame",
            external_apis={"prices": f"{base}/providers/prices", "news": f"{base}/providers/news"},
        )
        probes = Probes(platform, platform.settings)
        checks = await probes.run(NOW)
    assert [c.component for c in checks] == [
        "database",
        "cache",
        "external_apis",
        "edge_functions",
        "edge_functions/execute-order",
        "edge_functions/get-stock-price",
        "edge_functions/risk-monitoring",
        "websocket",
        "platform",
    ]
    assert list(probes.components) == [c.component for c in checks]
    assert {c.status for c in checks} == {Status.OK}, checks
    assert all(c.at == NOW and c.latency_ms is not None and c.latency_ms > 0 for c in checks)
    details = {c.component: c.detail for c in checks}
    assert details["database"].startswith("PostgreSQL 1")
    assert details["cache"] == "hit 90.0 %, 1.5 MB"
    assert details["external_apis"] == "2 of 2 answer: prices, news"
    assert details["platform"] == "release 1.0, up 1m"
    assert all(h["authorization"] == "Bearer sesame" for path, h in asked if path.startswith("/functions"))


async def test_what_is_not_configured_is_not_probed(open_platform: Open) -> None:
    platform = open_platform()
    assert await Probes(platform, platform.settings).run(NOW) == []
    async with servers.http(GOOD_ANSWERS) as (base, _):
        platform = open_platform(base_url=base, functions=[], health_function="")
        assert [c.component for c in await Probes(platform, platform.settings).run(NOW)] == ["platform"]


async def test_nobody_there(open_platform: Open) -> None:
    async with servers.closed() as port:
        platform = open_platform(
            base_url=f"http://127.0.0.1:{port}",
            websocket_url=f"ws://127.0.0.1:{port}/",
            cache_url=f"redis://127.0.0.1:{port}",
            database_url=f"postgresql://reader@127.0.0.1:{port}/x",
            external_apis={"prices": f"http://127.0.0.1:{port}/"},
        )
        checks = await Probes(platform, platform.settings).run(NOW)
    assert {c.status for c in checks} == {Status.DOWN}
    assert all("connection refused" in c.detail and c.latency_ms is None for c in checks), checks


async def test_silent_doors_time_out_each_on_its_own_and_delay_no_other(open_platform: Open) -> None:
    waiting, most = 0, 0

    async def silent(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            while await reader.read(65536):
                pass
        finally:
            waiting -= 1

    async with servers.tcp(silent) as port, servers.http(GOOD_ANSWERS) as (base, _):
        platform = open_platform(
            base_url=base,
            websocket_url=f"ws://127.0.0.1:{port}/",
            cache_url=f"redis://127.0.0.1:{port}",
            database_url=f"postgresql://reader@127.0.0.1:{port}/x",
            external_apis={"prices": f"http://127.0.0.1:{port}/", "news": f"{base}/providers/news"},
            probe_timeout_s={"database": 0.6, "cache": 0.7, "websocket": 0.8, "external_apis": 0.9},
        )
        checks = by_name(await Probes(platform, platform.settings).run(NOW))
    assert most == 4  # all four waited at the same time
    assert checks["database"].detail == "timed out after 0.6 s"
    assert checks["cache"].detail == "timed out after 0.7 s"
    assert checks["websocket"].detail == "timed out after 0.8 s"
    assert checks["external_apis"].status is Status.DEGRADED
    assert checks["external_apis"].detail == "prices timed out after 0.9 s"
    for name in ("platform", "edge_functions", "edge_functions/execute-order"):
        assert checks[name].status is Status.OK


async def test_a_tick_has_patience_and_no_more(open_platform: Open) -> None:
    """A probe that outlives its tick is degraded, then down; it does not flap, and it is not asked twice."""
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        nonlocal connections
        connections += 1
        await reader.read()

    async with servers.tcp(count) as port, servers.http(GOOD_ANSWERS) as (base, _):
        platform = open_platform(
            base_url=base, cache_url=f"redis://127.0.0.1:{port}", probe_timeout_s={"cache": 0.5}
        )
        probes = Probes(platform, platform.settings)
        first = by_name(await probes.run(NOW, patience_s=0.25))
        assert first["cache"].status is Status.DEGRADED
        assert first["cache"].detail.startswith("no answer for 0.")
        assert first["platform"].status is Status.OK
        seen = [first["cache"].status]
        while seen[-1] is not Status.DOWN:
            seen.append(by_name(await probes.run(NOW, patience_s=0.25))["cache"].status)
        assert connections == 1
        again = by_name(await probes.run(NOW, patience_s=0.25))["cache"]
        assert (again.status, again.detail) == (Status.DOWN, "timed out after 0.5 s")
        probes.close()


async def test_nonsense_is_down_with_the_reason(open_platform: Open) -> None:
    nonsense: dict[str, bytes | servers.Handler] = {
        "/health": reply(b"\x00\x1b]52;c;AAAA\x07garbage"),
        "/functions/v1/execute-order": reply(b"", status="404 Not Found"),
        "/functions/v1/get-stock-price": reply(b"", status="401 Unauthorized"),
        "/functions/v1/risk-monitoring": servers.endless,
        "/functions/v1/health-check": servers.slow_loris,
    }
    async with servers.http(nonsense) as (base, _):
        platform = open_platform(base_url=base, probe_timeout_s={"edge_functions/health-check": 0.3})
        checks = by_name(await Probes(platform, platform.settings).run(NOW))
    assert checks["platform"].status is Status.DOWN
    assert checks["platform"].detail.startswith("not JSON") and "\x1b" not in checks["platform"].detail
    assert checks["edge_functions/execute-order"].detail == "not found (HTTP 404)"
    assert checks["edge_functions/get-stock-price"].detail == "unauthorized (HTTP 401)"
    assert checks["edge_functions/risk-monitoring"].status is Status.OK  # it answers, however much
    assert checks["edge_functions"].status is Status.DOWN
    assert "health-check timed out after 0.3 s" in checks["edge_functions"].detail


async def test_a_slow_answer_is_degraded(open_platform: Open) -> None:
    async def slow(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        await asyncio.sleep(LIMITS["platform"].degraded_ms / 1000 + 0.05)
        writer.write(GOOD_ANSWERS["/health"])  # type: ignore[arg-type]
        await writer.drain()

    async with servers.http({**GOOD_ANSWERS, "/health": slow}) as (base, _):
        platform = open_platform(base_url=base)
        check = by_name(await Probes(platform, platform.settings).run(NOW))["platform"]
    assert check.status is Status.DEGRADED and check.detail.startswith("slow: over 500 ms")


async def test_a_fault_of_a_probe_itself_is_unknown(
    open_platform: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with servers.http(GOOD_ANSWERS) as (base, _):
        platform = open_platform(base_url=base)

        async def broken(*args: object, **kwargs: object) -> None:
            raise RuntimeError("\x1b[31moops")

        monkeypatch.setattr(platform.http, "request", broken)
        checks = await Probes(platform, platform.settings).run(NOW)
    assert {c.status for c in checks} == {Status.UNKNOWN}
    assert "oops" in by_name(checks)["platform"].detail and "\x1b" not in by_name(checks)["platform"].detail
