"""The platform's process: HTTP and websocket on one loopback port, the cache on another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from console.sandbox import (
    api,
    exposition,
    functions,
    gotrue,
    health,
    management,
    ops,
    realtime,
    vercel,
    vercel_deployments,
)
from console.sandbox.config import SandboxConfig
from console.sandbox.control import Control, outbox
from console.sandbox.drills import Drills, open_database
from console.sandbox.guard import Guard
from console.sandbox.identity import service_of
from console.sandbox.providers import ProviderDown
from console.sandbox.replies import ApiError
from console.sandbox.service import Service


def make_app(service: Service, drills: Drills) -> ASGIApp:
    """The platform as an ASGI application."""
    control = Control(drills)
    routes = [
        Route("/", vercel_deployments.visit),
        Route("/assets/{name}", vercel_deployments.visit),
        Route("/_vercel/{deployment}", vercel_deployments.visit),
        Route("/_vercel/{deployment}/{path:path}", vercel_deployments.visit),
        Route("/health", health.health),
        Route("/status", health.status),
        Route("/metrics", exposition.metrics),
        Route("/api/health", api.api_health),
        Route("/api/user/profile", api.profile),
        Route("/api/orders/history", api.orders_history),
        Route("/api/orders/{order_id}/cancel", api.cancel_order, methods=["POST"]),
        Route("/api/positions", api.positions),
        Route("/api/survey", api.survey),
        Route("/auth/v1/token", gotrue.token, methods=["POST"]),
        Route("/auth/v1/logout", gotrue.log_out, methods=["POST"]),
        Route("/auth/v1/user", gotrue.who_am_i),
        Route("/auth/v1/user", gotrue.change_own, methods=["PUT"]),
        Route("/auth/v1/recover", gotrue.recover, methods=["POST"]),
        Route("/auth/v1/verify", gotrue.verify, methods=["POST"]),
        Route("/auth/v1/admin/users/{user_id}", gotrue.admin_user, methods=["GET", "PUT"]),
        Route("/v1/security/firewall/config", vercel.patch_config, methods=["PATCH"]),
        Route("/v1/security/firewall/config/active", vercel.active_config),
        Route("/v1/projects/{project}/pause", vercel.pause, methods=["POST"]),
        Route("/v1/projects/{project}/unpause", vercel.pause, methods=["POST"]),
        Route("/v9/projects/{project}", vercel.project),
        Route("/v2/files", vercel_deployments.upload, methods=["POST"]),
        Route("/v13/deployments", vercel_deployments.create, methods=["POST"]),
        Route("/v13/deployments/{deployment:path}", vercel_deployments.get),
        Route("/v6/deployments", vercel_deployments.listed),
        Route("/v10/projects/{project}/promote/{deployment}", vercel_deployments.point, methods=["POST"]),
        # The documented version, and the one that the CLI asks.
        Route("/v1/projects/{project}/rollback/{deployment}", vercel_deployments.point, methods=["POST"]),
        Route("/v9/projects/{project}/rollback/{deployment}", vercel_deployments.point, methods=["POST"]),
        Route("/v1/projects/{ref}", management.project),
        Route("/v1/projects/{ref}/functions", management.functions),
        Route("/v1/projects/{ref}/functions", management.replace, methods=["PUT"]),
        Route("/v1/projects/{ref}/functions/deploy", management.deploy, methods=["POST"]),
        Route("/v1/projects/{ref}/functions/{slug}", management.function),
        Route("/v1/projects/{ref}/functions/{slug}/body", management.function_body),
        Route("/v1/projects/{ref}/database/backups", management.backups),
        Route("/ops/v1/compute", ops.compute, methods=["GET", "PUT"]),
        Route("/ops/v1/database", ops.database),
        Route("/ops/v1/database/failover", ops.fail_over, methods=["POST"]),
        Route("/ops/v1/providers", ops.providers),
        Route("/ops/v1/providers/switch", ops.switch_provider, methods=["POST"]),
        Route("/ops/v1/cache", ops.cache),
        Route("/ops/v1/cache/clear", ops.clear_cache, methods=["POST"]),
        Route("/ops/v1/monitoring", ops.monitoring, methods=["GET", "PUT"]),
        Route("/ops/v1/security-protocols", ops.security_protocols, methods=["GET", "PUT"]),
        Route("/functions/v1/execute-order", functions.execute_order, methods=["POST"]),
        Route("/functions/v1/get-stock-price", functions.get_stock_price, methods=["POST"]),
        Route("/functions/v1/risk-monitoring", functions.risk_monitoring, methods=["POST"]),
        Route("/functions/v1/health-check", functions.health_check, methods=["POST"]),
        Route("/providers/{name}", _provider),
        Route("/sandbox/outbox", outbox),
        Route("/sandbox/drills", control.list),
        Route("/sandbox/drills/{name}", control.start, methods=["POST"]),
        Route("/sandbox/drills/{name}", control.stop, methods=["DELETE"]),
        WebSocketRoute("/realtime", _plain_realtime),
        WebSocketRoute("/realtime/v1/websocket", _phoenix_realtime),
    ]
    return Guard(Router(routes, redirect_slashes=False), service)


async def run(config: SandboxConfig) -> None:
    """Serve until SIGTERM or SIGINT; what drills broke is mended before it returns."""
    service = Service(config)
    drills = Drills(service)
    server = _Server(
        uvicorn.Config(
            make_app(service, drills), loop="asyncio", http="h11", ws="websockets-sansio", lifespan="off",
            log_level="warning", access_log=False, server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=2, ws_ping_interval=25, ws_ping_timeout=25, ws_per_message_deflate=False,
            ws_max_size=65_536, backlog=512,
        )
    )  # fmt: skip
    logging.getLogger("uvicorn.error").addFilter(_DeniedIsNoError())
    listening = _listen(config.port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    mending = asyncio.create_task(open_database(service))
    background = asyncio.create_task(service.run())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({background, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await drills.stop_all()
    server.should_exit = True
    for task in (background, mending, stopping):
        task.cancel()
    outcomes = await asyncio.gather(serving, background, mending, return_exceptions=True)
    with contextlib.suppress(Exception):
        await service.close()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


class _DeniedIsNoError(logging.Filter):
    """uvicorn takes a websocket that was denied with a proper answer for one that was never answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing handshake" not in record.getMessage()


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn raises them again at its end, before drills are mended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The next service takes over the port at once after a kill.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


async def _provider(request: Request) -> Response:
    """An outside provider, as if it were on its own host: 200 after its delay, 503 while it is down."""
    provider = service_of(request).providers.get(request.path_params["name"])
    if provider is None:
        raise ApiError(404, "no_such_provider", "there is no provider of this name")
    try:
        await provider.answer()
    except ProviderDown as error:
        raise ApiError(503, "provider_down", str(error)) from None
    return JSONResponse({"provider": provider.name, "status": "ok", "quotes": provider.quotes})


async def _plain_realtime(websocket: WebSocket) -> None:
    service: Service = websocket.scope["state"]["service"]
    await realtime.serve(websocket, service.hub, service.config.jwt_secret, phoenix=False)


async def _phoenix_realtime(websocket: WebSocket) -> None:
    service: Service = websocket.scope["state"]["service"]
    await realtime.serve(websocket, service.hub, service.config.jwt_secret, phoenix=True)
