"""The platform's own view of its health, in the shape of the specification's health endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox.http_client import Client
from console.sandbox.identity import service_of
from console.sandbox.providers import ProviderDown
from console.sandbox.replies import ApiError
from console.sandbox.service import ENVIRONMENT, Service
from console.sandbox.tokens import anon_token

_TIMEOUT_S = 2.0
_PROBED = "execute-order"

Check = Callable[[Service], Awaitable[str]]


async def health(request: Request) -> Response:
    """All five parts, concurrently: 200 when every one is ok, else 503."""
    service = service_of(request)
    checks = await _run(
        service,
        {
            "database": _database, "redis": _redis, "external_apis": _external_apis,
            "edge_functions": _edge_functions, "websocket": _websocket,
        },
    )  # fmt: skip
    healthy = all(check["status"] == "ok" for check in checks.values())
    body = {
        "status": "ok" if healthy else "error",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "uptime": round(service.uptime_s, 3),
        "version": service.version,
        "environment": ENVIRONMENT,
        "checks": checks,
    }
    return JSONResponse(body, status_code=200 if healthy else 503)


async def function_report(service: Service) -> dict[str, Any]:
    """What the functions stand on, for the function health-check."""
    checks = await _run(service, {"database": _database, "redis": _redis, "external_apis": _some_provider})
    return {
        "status": "ok" if all(c["status"] == "ok" for c in checks.values()) else "error",
        "checks": checks,
    }


async def status(request: Request) -> Response:
    """The public status line."""
    service = service_of(request)
    state = "maintenance" if service.maintenance else "operational"
    return JSONResponse({"status": state, "version": service.version, "uptime": round(service.uptime_s, 3)})


async def _run(service: Service, checks: dict[str, Check]) -> dict[str, dict[str, Any]]:
    results = await asyncio.gather(*(_timed(service, check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _timed(service: Service, check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            details = await check(service)
        outcome = {"status": "ok", "details": details}
    except TimeoutError:
        outcome = {"status": "error", "details": f"no answer within {_TIMEOUT_S:g} s"}
    except (ApiError, ProviderDown, ConnectionError) as error:
        outcome = {"status": "error", "details": str(error)}
    latency = round((time.perf_counter() - started) * 1000, 2)
    return {"status": outcome["status"], "latency": latency, "details": outcome["details"]}


async def _database(service: Service) -> str:
    async with service.database.connection() as connection:
        await connection.fetchval("SELECT id FROM profiles LIMIT 1")
    return f"Database connection healthy, served by the {service.servers.state()['active']}"


async def _redis(service: Service) -> str:
    await service.cache.run([("PING",)])
    return "Cache answers PING"


async def _external_apis(service: Service) -> str:
    async def ask(name: str) -> None:
        async with asyncio.timeout(1):
            await service.providers[name].answer()

    used = sorted(set(service.operations.routes.values()))
    results = await asyncio.gather(*(ask(name) for name in used), return_exceptions=True)
    failed = [name for name, r in zip(used, results, strict=True) if isinstance(r, BaseException)]
    if failed:
        raise ProviderDown(f"no answer from {', '.join(failed)}")
    return f"{len(results)} of {len(service.providers)} providers in use, all answer"


async def _some_provider(service: Service) -> str:
    """Functions fail over from one provider in use to the next, so one that answers is enough for them."""
    for name in sorted(set(service.operations.routes.values())):
        provider = service.providers[name]
        if not provider.down:
            await provider.answer()
            return f"{provider.name} answers"
    raise ProviderDown("no provider answers")


async def _edge_functions(service: Service) -> str:
    client = Client("127.0.0.1", service.config.port)
    try:
        answer = await client.request(
            "POST", f"/functions/v1/{_PROBED}", json={"test": "health_check"},
            headers={
                "Authorization": f"Bearer {anon_token(service.config.jwt_secret)}",
                "X-Own-Probe": service.probe_token.decode(),
            },
            timeout_s=_TIMEOUT_S,
        )  # fmt: skip
    finally:
        client.close()
    if answer.status != 200:
        raise ConnectionError(f"Edge functions health check failed: {answer.status}")
    return "Edge functions healthy"


async def _websocket(service: Service) -> str:
    if service.hub.refusing:
        raise ConnectionError("the websocket takes no connections")
    return f"{service.hub.connections} connections"
