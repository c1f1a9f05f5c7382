"""What every request passes before an endpoint sees it, and what every answer carries. A pure ASGI layer.

In this order: the layer that keeps addresses out, rate limit, foreign origin; then the endpoint. Each answer has
the security headers; each refusal the one error shape, never a stack trace. Counts and times all for /metrics.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from console.sandbox.limits import plain_address
from console.sandbox.operations import TIGHTENED
from console.sandbox.replies import ApiError
from console.sandbox.service import Service

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
# The frontend's origin; the service's own is always allowed.
FRONTEND_ORIGIN = "https://app.trade-x.example"
# How the service's own health check is told from others on loopback, lest it uses up their rate.
OWN_PROBE = b"x-own-probe"
_LOOPBACK = ("127.0.0.1", "::1")
# What Vercel serves, in front of the platform: its firewall decides there, the platform's block list everywhere else.
_EDGE = ("/", "/status")
_FRONTEND = ("/assets/", "/_vercel/")
# Operators' own calls to Vercel and Supabase.
_OPERATORS = re.compile(r"/v\d+/")
_UNSAFE_METHODS = {"POST", "PUT", "PATCH", "DELETE"}
# Paths as labels of /metrics: a closed list, or a scanner would fill it.
_PATHS = {
    "/", "/health", "/metrics", "/status", "/api/health", "/api/user/profile", "/api/orders/history",
    "/api/positions", "/api/survey", "/auth/v1/token", "/auth/v1/logout", "/auth/v1/user", "/auth/v1/recover",
    "/auth/v1/verify",
    "/functions/v1/execute-order", "/functions/v1/get-stock-price", "/functions/v1/risk-monitoring",
    "/functions/v1/health-check",
}  # fmt: skip


class Guard:
    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._own_origins = {f"http://{host}:{service.config.port}" for host in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        headers = dict(scope["headers"])
        address = _client(scope, headers)
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        scope["app"] = self
        scope["state"] = {
            "address": address,
            "request_id": request_id,
            "started": started,
            "service": self._service,
        }
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, address, request_id)
            return
        status, begun = 500, False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(_with_headers(message, request_id))

        try:
            try:
                self._check(scope, headers, address)
                await self._app(scope, receive, answer)
            except ApiError as error:
                status = error.status
                if not begun:
                    await error.response(request_id)(scope, receive, answer)
            except HTTPException as error:
                refusal = ApiError(
                    error.status_code,
                    "not_found" if error.status_code == 404 else "not_allowed",
                    error.detail,
                )
                await refusal.response(request_id)(scope, receive, answer)
            except Exception as error:
                self._service.journal.function(
                    scope["path"][:60], "error", f"{type(error).__name__}: {error}", request_id=request_id
                )
                if begun:
                    raise
                refusal = ApiError(500, "internal", "something went wrong on our side")
                await refusal.response(request_id)(scope, receive, answer)
        finally:
            path = self._label(scope["path"])
            self._service.requests[scope["method"], path, status] += 1
            self._service.durations_s[path] += time.perf_counter() - started

    def _check(self, scope: Scope, headers: dict[bytes, bytes], address: str) -> None:
        service, path = self._service, scope["path"]
        if path.startswith("/sandbox/"):
            return
        self._keep_out(path, address)
        family = _family(path)
        if family is not None and headers.get(OWN_PROBE) != service.probe_token:
            tight = service.operations.security_protocols and family != "api" and address not in _LOOPBACK
            wait_s = service.limiter.take(family, address, time.monotonic(), TIGHTENED if tight else 1.0)
            if wait_s > 0:
                service.rate_limited += 1
                service.journal.audit("rate_limit_exceeded", user_id=None, address=address)
                raise ApiError(
                    429,
                    "rate_limited",
                    "too many requests",
                    headers={"Retry-After": str(max(1, round(wait_s)))},
                )
        if scope["method"] in _UNSAFE_METHODS:
            origin = headers.get(b"origin", b"").decode("latin-1")
            if origin and origin != FRONTEND_ORIGIN and origin not in self._own_origins:
                raise ApiError(403, "foreign_origin", "this origin may not change anything")

    def _keep_out(self, path: str, address: str) -> None:
        """Raises ApiError 403 where the layer that is in charge of this path refuses the address, 503 where the
        frontend is paused. Operators' own calls pass no layer of the platform."""
        if _OPERATORS.match(path):
            return
        firewall = self._service.firewall
        if path in _EDGE or path.startswith(("/api/", *_FRONTEND)):
            if firewall.refuses(address):
                self._refused(address, "vercel")
                raise ApiError(403, "denied_by_firewall", "this address is denied by the firewall")
            if firewall.paused:
                raise ApiError(503, "deployment_paused", "this deployment is paused")
        elif self._service.blocked.refuses(address):
            self._refused(address, "platform")
            raise ApiError(403, "address_blocked", "requests from this address are refused")

    def _refused(self, address: str, layer: str) -> None:
        self._service.blocked_requests += 1
        self._service.journal.blocked(address, layer)

    async def _websocket(
        self, scope: Scope, receive: Receive, send: Send, address: str, request_id: str
    ) -> None:
        async def answer(message: Message) -> None:
            await send(_with_headers(message, request_id))

        try:
            self._keep_out(scope["path"], address)
            await self._app(scope, receive, answer)
        except ApiError as error:
            await WebSocket(scope, receive, answer).send_denial_response(error.response(request_id))

    def _label(self, path: str) -> str:
        if path in _PATHS:
            return path
        if path.startswith("/api/orders/"):
            return "/api/orders/cancel"
        prefixes = (
            "/sandbox",
            "/providers",
            "/ops",
            "/v1",
            "/v2",
            "/v6",
            "/v9",
            "/assets",
            "/_vercel",
            "/auth/v1/admin",
        )
        return next((p for p in prefixes if path.startswith(p)), "other")


def _with_headers(message: Message, request_id: str) -> Message:
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        own = (b"x-request-id", request_id.encode())
        given = message.get("headers", ())
        # What the frontend answers carries the headers that its own vercel.json says, and no others.
        security = () if any(name == b"x-vercel-id" for name, _ in given) else SECURITY_HEADERS
        message["headers"] = [*given, *security, own]
    return message


def _family(path: str) -> str | None:
    """Which limit counts; None for what watchers ask and operators do, which is never limited."""
    if path in ("/api/health", "/api/survey", "/functions/v1/health-check") or path.startswith(
        "/auth/v1/admin/"
    ):
        return None
    for prefix, family in (("/functions/", "functions"), ("/api/", "api"), ("/auth/", "auth")):
        if path.startswith(prefix):
            return family
    return None


def _client(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The address that the request came from: the first of X-Forwarded-For, which only our own proxy may set."""
    peer: Any = scope.get("client")
    host = plain_address(peer[0]) if peer else None
    host = host or "0.0.0.0"  # noqa: S104 - no address to bind, but the one that nobody has
    if host in _LOOPBACK:
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")[0]
        return plain_address(forwarded) or host
    return host
