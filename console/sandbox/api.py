"""The user API. What people read goes through row level security."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from console.sandbox.identity import address_of, person_of, service_of
from console.sandbox.replies import ApiError

_HISTORY_LIMIT = 200


async def api_health(request: Request) -> Response:
    """Whether the API answers at all; asks nothing behind it."""
    return JSONResponse({"status": "ok"})


async def profile(request: Request) -> Response:
    user_id = person_of(request)
    async with service_of(request).database.as_person(user_id) as connection:
        row = await own_profile(connection)
    return JSONResponse(_plain(row))


async def orders_history(request: Request) -> Response:
    """The latest orders; `?format=csv` is an export and is written into the audit log."""
    user_id = person_of(request)
    text = request.query_params.get("limit", "50")
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= limit <= _HISTORY_LIMIT:
        raise ApiError(422, "invalid_limit", f"limit: a whole number from 1 to {_HISTORY_LIMIT} is expected")
    async with service_of(request).database.as_person(user_id) as connection:
        await own_profile(connection)
        rows = await connection.fetch(
            "SELECT id, symbol, order_type, side, quantity::float8, status, execution_price::float8, execution_time, "
            "failure_reason, created_at, executed_at FROM orders WHERE user_id = $1::uuid "
            "ORDER BY created_at DESC LIMIT $2",
            user_id, limit,
        )  # fmt: skip
    if request.query_params.get("format") == "csv":
        service_of(request).journal.audit("data_export", user_id=user_id, address=address_of(request))
        lines = ["id,symbol,side,quantity,status,created_at"]
        lines += [
            f"{r['id']},{r['symbol']},{r['side']},{r['quantity']:g},{r['status']},{r['created_at'].isoformat()}"
            for r in rows
        ]
        return PlainTextResponse("\n".join(lines), media_type="text/csv")
    return JSONResponse({"orders": [_plain(r) for r in rows]})


async def positions(request: Request) -> Response:
    user_id = person_of(request)
    async with service_of(request).database.as_person(user_id) as connection:
        await own_profile(connection)
        rows = await connection.fetch(
            "SELECT id, symbol, side, quantity::float8, entry_price::float8, margin_used::float8, created_at "
            "FROM positions WHERE user_id = $1::uuid AND status = 'open' ORDER BY created_at DESC LIMIT 100",
            user_id,
        )
    return JSONResponse({"positions": [_plain(r) for r in rows]})


async def cancel_order(request: Request) -> Response:
    """Take back one's own resting order; 404 when there is none."""
    user_id = person_of(request)
    async with service_of(request).database.connection() as connection:
        try:
            found = await connection.fetchval(
                "UPDATE orders SET status = 'cancelled' WHERE id = $1::uuid AND user_id = $2::uuid "
                "AND status = 'pending' RETURNING id",
                request.path_params["order_id"], user_id,
            )  # fmt: skip
        except asyncpg.DataError:
            found = None
    if found is None:
        raise ApiError(404, "no_such_order", "there is no such resting order")
    return JSONResponse({"id": str(found), "status": "cancelled"})


async def survey(request: Request) -> Response:
    """How satisfied people are, on a scale of 1 to 5, from the answers of the last 24 hours."""
    async with service_of(request).database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT avg(score)::float8 AS satisfaction, count(*) AS responses FROM survey_responses "
            "WHERE created_at > now() - interval '24 hours'"
        )
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return JSONResponse(
        {"satisfaction": row["satisfaction"], "scale": 5, "responses": row["responses"], "window_h": 24}
    )


async def own_profile(connection: asyncpg.Connection) -> asyncpg.Record:
    """The signed-in person's profile; raises ApiError 401 without one, 403 when it is suspended."""
    row = await connection.fetchrow(
        "SELECT id, email, full_name, kyc_status, account_status, account_tier, balance::float8, equity::float8, "
        "margin_used::float8, created_at FROM profiles"
    )
    if row is None:
        raise ApiError(401, "unknown_account", "there is no such account")
    if row["account_status"] != "active":
        raise ApiError(403, f"account_{row['account_status']}", f"this account is {row['account_status']}")
    return row


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {k: v if isinstance(v, int | float | str | None) else _text(v) for k, v in row.items()}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
