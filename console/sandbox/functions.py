"""The edge functions: execute-order, get-stock-price, risk-monitoring, health-check.

Every function answers `{"test": ...}` with whether what it stands on answers, without doing anything.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox import market
from console.sandbox.edge import EdgeFunctions
from console.sandbox.health import function_report
from console.sandbox.identity import address_of, identity_of, person_of, request_id_of, service_of
from console.sandbox.replies import ApiError, choice, json_object, number
from console.sandbox.service import Service

VENUE_ERRORS = ("venue timeout", "venue rejected the order", "venue connection reset")
_ORDER_TYPES = ("market", "limit", "stop", "stop_limit")
_STATUS = {"account_suspended": 403, "account_closed": 403, "unknown_account": 401, "venue_error": 502}
# An order that took longer than this is a slow one to enhanced monitoring.
_SLOW_MS = 400.0


async def execute_order(request: Request) -> Response:
    """Place one order: 200 executed or pending, 401, 403 (suspended), 422 (refused or failed), 502 (venue)."""
    service = service_of(request)
    most_bps = service.edge.constant("execute-order", "MAX_SLIPPAGE_BPS")
    identity = identity_of(request)
    data = await json_object(request)
    if "test" in data:
        return await _tested(service, "execute-order")
    user_id = identity.user_id
    if user_id is None:
        raise ApiError(401, "not_authenticated", "an order needs somebody who is signed in")
    watch = _Stopwatch(request)
    order = _order(data, service.edge)
    symbol = market.BY_NAME.get(order["symbol"])
    async with service.database.connection() as connection:
        refusal = await connection.fetchval(
            "SELECT order_refusal($1::uuid, $2, $3, $4, $5::float8::numeric, $6::float8::numeric)",
            user_id, order["symbol"], order["order_type"], order["side"], order["quantity"], order["price"],
        )  # fmt: skip
    watch.lap("checks")
    if refusal is None and symbol is not None:
        price, _ = await service.price(symbol)
        watch.lap("price")
        venue_error = await _venue(service)
        price = _fill(service, order, price, most_bps)
        watch.lap("venue")
    else:
        price, venue_error = 0.0, None
    result = await _execute(request, service, user_id, order, price, venue_error)
    watch.lap("database")
    if service.operations.enhanced_monitoring:
        _log_breakdown(request, service, user_id, order, watch)
    return _order_reply(request, service, user_id, order, result)


class _Stopwatch:
    """Where the time of one request went, in ms."""

    def __init__(self, request: Request) -> None:
        self._begun: float = request.scope["state"]["started"]
        self._last = self._begun
        self._laps: list[str] = []

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps.append(f"{name} {(now - self._last) * 1000:.1f} ms")
        self._last = now

    @property
    def total_ms(self) -> float:
        return (self._last - self._begun) * 1000

    def __str__(self) -> str:
        return ", ".join(self._laps)


def _log_breakdown(
    request: Request, service: Service, user_id: str, order: dict[str, Any], watch: _Stopwatch
) -> None:
    """What enhanced monitoring adds to the log: each order's breakdown, a slow one's as a warning."""
    slow = watch.total_ms > _SLOW_MS
    service.journal.function(
        "execute-order", "warning" if slow else "debug",
        f"{'slow order' if slow else 'order'}: {order['symbol']} took {watch.total_ms:.1f} ms: {watch}",
        user_id=user_id, request_id=request_id_of(request),
    )  # fmt: skip


async def _venue(service: Service) -> str | None:
    """Take the venue's time; the venue's refusal, if it refuses."""
    delay_ms = market.venue_ms(max(service.random.random(), 1e-9)) * service.venue_factor
    failing = service.random.random() < service.faults.order_failures
    await asyncio.sleep(delay_ms / 1000)
    return service.random.choice(VENUE_ERRORS) if failing else None


def _fill(service: Service, order: dict[str, Any], quote: float, most_bps: float) -> float:
    """The price at which the venue fills; where that is too far from the quote, the quote becomes the order's limit."""
    if order["order_type"] != "market":
        return quote
    slippage_bps = market.slippage_bps(max(service.random.random(), 1e-9))
    if slippage_bps > most_bps and order["price"] is None:
        order["price"] = quote
    return round(quote * (1 + (slippage_bps if order["side"] == "buy" else -slippage_bps) / 10_000), 5)


async def _execute(
    request: Request,
    service: Service,
    user_id: str,
    order: dict[str, Any],
    price: float,
    venue_error: str | None,
) -> dict[str, Any]:
    async with service.database.connection() as connection:
        elapsed_ms = (time.perf_counter() - request.scope["state"]["started"]) * 1000
        text = await connection.fetchval(
            "SELECT execute_order_atomic($1::uuid, $2, $3, $4, $5::float8::numeric, $6::float8::numeric, "
            "$7::float8::numeric, $8, $9::inet, $10::float8, $11)",
            user_id, order["symbol"], order["order_type"], order["side"], order["quantity"], order["price"], price,
            order["idempotency_key"], address_of(request), elapsed_ms, venue_error,
        )  # fmt: skip
    return json.loads(str(text))


def _order_reply(
    request: Request, service: Service, user_id: str, order: dict[str, Any], result: dict[str, Any]
) -> Response:
    said = f"order {result['outcome']}: {order['side']} {order['quantity']:g} {order['symbol']}"
    if result["outcome"] in ("executed", "pending", "cancelled"):
        service.journal.function(
            "execute-order", "info", f"{said} in {result['execution_time'] or 0:.0f} ms",
            user_id=user_id, request_id=request_id_of(request),
        )  # fmt: skip
        return JSONResponse(result)
    code, reason = result.get("code") or "order_failed", result.get("reason") or "order failed"
    service.journal.function(
        "execute-order", "error" if code == "venue_error" else "warning", f"{said}, {reason}",
        user_id=user_id, request_id=request_id_of(request),
    )  # fmt: skip
    raise ApiError(_STATUS.get(code, 422), code, reason)


def _order(data: dict[str, Any], edge: EdgeFunctions) -> dict[str, Any]:
    """The body's order, checked; raises ApiError 422."""
    symbol = data.get("symbol")
    if (
        not isinstance(symbol, str)
        or not 1 <= len(symbol) <= 12
        or not symbol.isascii()
        or not symbol.isalnum()
    ):
        raise ApiError(422, "invalid_symbol", "symbol: up to 12 letters and digits are expected")
    if symbol not in market.BY_NAME:
        raise ApiError(422, "unknown_symbol", "symbol: no such symbol is traded here")
    key = data.get("idempotency_key")
    if key is not None and (
        not isinstance(key, str) or not 1 <= len(key) <= 80 or not key.isprintable() or "<" in key
    ):
        raise ApiError(
            422, "invalid_idempotency_key", "idempotency_key: up to 80 plain characters are expected"
        )
    order_type = choice(data, "order_type", _ORDER_TYPES)
    return {
        "symbol": symbol,
        "order_type": order_type,
        "side": choice(data, "side", ("buy", "sell")),
        "quantity": number(data, "quantity", largest=edge.constant("execute-order", "LARGEST_QUANTITY")),
        "price": number(
            data,
            "price",
            largest=edge.constant("execute-order", "LARGEST_PRICE"),
            required=order_type != "market",
        ),
        "idempotency_key": key,
    }


async def get_stock_price(request: Request) -> Response:
    """The price of one symbol, younger than 10 s, and where it came from."""
    service = service_of(request)
    service.edge.constant("get-stock-price", "PRICE_TTL_S")
    identity_of(request)
    data = await json_object(request)
    if "test" in data:
        return await _tested(service, "get-stock-price")
    symbol = market.BY_NAME.get(data["symbol"]) if isinstance(data.get("symbol"), str) else None
    if symbol is None:
        raise ApiError(422, "unknown_symbol", "symbol: no such symbol is traded here")
    begun = time.perf_counter()
    price, source = await service.price(symbol)
    if service.operations.enhanced_monitoring:
        elapsed_ms = (time.perf_counter() - begun) * 1000
        service.journal.function(
            "get-stock-price", "debug", f"{symbol.symbol} from {source} in {elapsed_ms:.1f} ms",
            request_id=request_id_of(request),
        )  # fmt: skip
    return JSONResponse({"symbol": symbol.symbol, "price": price, "source": source, "at": _iso(time.time())})


async def risk_monitoring(request: Request) -> Response:
    """The caller's margin and exposure."""
    service = service_of(request)
    service.edge.require("risk-monitoring")
    identity_of(request)
    data = await json_object(request)
    if "test" in data:
        return await _tested(service, "risk-monitoring")
    async with service.database.as_person(person_of(request)) as connection:
        row = await connection.fetchrow(
            """
            SELECT balance::float8, equity::float8, margin_used::float8,
                   (SELECT count(*) FROM positions WHERE status = 'open') AS open_positions,
                   (SELECT coalesce(sum(quantity * current_price), 0)::float8 FROM positions WHERE status = 'open')
                       AS exposure
            FROM profiles
            """
        )
    if row is None:
        raise ApiError(401, "unknown_account", "there is no such account")
    margin_level = row["equity"] / row["margin_used"] * 100 if row["margin_used"] else None
    return JSONResponse({**dict(row), "margin_level_pct": margin_level})


async def health_check(request: Request) -> Response:
    """Whether what the functions stand on answers: 200 or 503."""
    service = service_of(request)
    service.edge.require("health-check")
    identity_of(request)
    await json_object(request)
    report = await function_report(service)
    return JSONResponse(
        {"function": "health-check", **report}, status_code=200 if report["status"] == "ok" else 503
    )


async def _tested(service: Service, name: str) -> Response:
    async with service.database.connection() as connection:
        await connection.fetchval("SELECT 1")
    return JSONResponse({"status": "ok", "function": name, "at": _iso(time.time())})


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
