"""/ops/v1: what this installation's operators can turn, with the service key. GET tells the state; a write answers
with the state it has made and with `changed`, and counts in sandbox.effect_log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox.identity import require_service_key, service_of
from console.sandbox.operations import COMPUTE, PRIMARY, REPLICA
from console.sandbox.replies import ApiError, choice, json_object
from console.sandbox.service import Service


async def compute(request: Request) -> Response:
    """{"size": small | medium | large}: how much machine there is."""
    service = _admitted(request)
    if request.method == "GET":
        return JSONResponse(_compute(service))
    size = choice(await json_object(request), "size", tuple(COMPUTE))
    changed = service.operations.change(size=size)
    return await _done(service, "compute", size, changed, _compute(service))


async def database(request: Request) -> Response:
    service = _admitted(request)
    return JSONResponse(service.servers.state())


async def fail_over(request: Request) -> Response:
    """{"to": primary | replica}: who serves from now on. 409 when that one is down."""
    service = _admitted(request)
    to = choice(await json_object(request), "to", (PRIMARY, REPLICA))
    changed = await service.servers.fail_over(to)
    return await _done(service, "failover", to, changed, service.servers.state())


async def providers(request: Request) -> Response:
    return JSONResponse(_providers(_admitted(request)))


async def switch_provider(request: Request) -> Response:
    """{"from": NAME, "to": NAME}: the other prices its symbols; its own name takes that back."""
    service, data = _admitted(request), await json_object(request)
    names = tuple(service.providers)
    source, target = choice(data, "from", names), choice(data, "to", names)
    changed = service.operations.change(routes=service.operations.routes | {source: target})
    return await _done(service, "switch_provider", f"{source}->{target}", changed, _providers(service))


async def cache(request: Request) -> Response:
    return JSONResponse(_cache(_admitted(request)))


async def clear_cache(request: Request) -> Response:
    """Every key is gone; prices come back into the cache a few a second. 503 while the cache is away."""
    service = _admitted(request)
    try:
        await service.clear_cache()
    except ConnectionError as error:
        raise ApiError(503, "cache_unavailable", str(error)) from None
    service.operations.change(
        cache_clears=service.operations.cache_clears + 1,
        cache_cleared_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    return await _done(service, "clear_cache", "cache", True, _cache(service))


async def monitoring(request: Request) -> Response:
    """{"enhanced": bool}: functions log at debug level, slow orders with where their time went."""
    service = _admitted(request)
    if request.method == "GET":
        return JSONResponse({"enhanced": service.operations.enhanced_monitoring})
    on = _switch(await json_object(request), "enhanced")
    changed = service.operations.change(enhanced_monitoring=on)
    return await _done(service, "monitoring", "enhanced" if on else "normal", changed, {"enhanced": on})


async def security_protocols(request: Request) -> Response:
    """{"enabled": bool}: a quarter of the rate for everybody, and no log-in after five failures from an address."""
    service = _admitted(request)
    if request.method == "GET":
        return JSONResponse({"enabled": service.operations.security_protocols})
    on = _switch(await json_object(request), "enabled")
    changed = service.operations.change(security_protocols=on)
    return await _done(service, "security_protocols", "on" if on else "off", changed, {"enabled": on})


def _admitted(request: Request) -> Service:
    """The service, for who holds its service key; raises ApiError 403."""
    service = service_of(request)
    require_service_key(request)
    return service


async def _done(service: Service, effect: str, target: str, changed: bool, state: dict[str, Any]) -> Response:
    await service.record(effect, target, changed=changed)
    return JSONResponse({**state, "changed": changed})


def _switch(data: dict[str, Any], key: str) -> bool:
    value = data.get(key)
    if not isinstance(value, bool):
        raise ApiError(422, f"invalid_{key}", f"{key}: true or false is expected")
    return value


def _compute(service: Service) -> dict[str, Any]:
    return {"size": service.operations.size, **service.operations.compute.settings}


def _providers(service: Service) -> dict[str, Any]:
    return {
        "routes": service.operations.routes,
        "up": {name: not p.down for name, p in service.providers.items()},
    }


def _cache(service: Service) -> dict[str, Any]:
    return {
        "keys": service.cache_server.keys,
        "cleared_at": service.operations.cache_cleared_at,
        "clears": service.operations.cache_clears,
    }
