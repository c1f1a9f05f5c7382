"""The one shape of the platform's answers when it says no, and reading what it was sent."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_LARGEST_BODY = 65_536


class ApiError(Exception):
    """A refusal with its HTTP status; `code` is for programs, `message` for people, without internals."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def response(self, request_id: str) -> Response:
        body = {"error": {"code": self.code, "message": self.message, "request_id": request_id}}
        return JSONResponse(body, status_code=self.status, headers=self.headers)


async def body(request: Request, largest: int = _LARGEST_BODY) -> bytes:
    """The request's body; raises ApiError 413."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > largest:
            raise ApiError(413, "body_too_large", f"a body of at most {largest} bytes is expected")
    return bytes(content)


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body as an object; raises ApiError 400 or 413."""
    try:
        data = parsed(await body(request) or b"{}")
    except ValueError:
        raise ApiError(400, "invalid_json", "the body is not valid JSON") from None
    if not isinstance(data, dict):
        raise ApiError(400, "invalid_json", "a JSON object is expected")
    return data


def parsed(content: bytes) -> Any:
    """What JSON says; raises ValueError, also for what is nested too deeply, and for NaN and infinity."""
    try:
        return json.loads(content, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> float:
    raise ValueError(name)


def number(data: dict[str, Any], key: str, *, largest: float, required: bool = True) -> float | None:
    """A positive finite number of the body; raises ApiError 422."""
    value = data.get(key)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = 0
    # A comparison is safe for integers of any length and false for NaN; infinity is above every limit.
    if not 0 < value <= largest:
        raise ApiError(422, f"invalid_{key}", f"{key}: a number above 0 and at most {largest:g} is expected")
    return float(value)


def choice(data: dict[str, Any], key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """One of the allowed words; raises ApiError 422."""
    value = data.get(key, default)
    if not isinstance(value, str) or value not in allowed:
        raise ApiError(422, f"invalid_{key}", f"{key}: one of {', '.join(allowed)} is expected")
    return value
