"""The sandbox's own door, which no real platform has: drills, and the mail it has sent. With the control token only."""

from __future__ import annotations

import hmac
import math

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox.drills import LONGEST_S, Drills
from console.sandbox.identity import bearer, service_of
from console.sandbox.replies import ApiError, json_object


class Control:
    """Endpoints below /sandbox/drills."""

    def __init__(self, drills: Drills) -> None:
        self._drills = drills

    async def list(self, request: Request) -> Response:
        _admit(request)
        return JSONResponse({"drills": self._drills.state()})

    async def start(self, request: Request) -> Response:
        """{"seconds": N} or {} for the drill's own length; answers when the fault is in place."""
        name = self._name(request)
        seconds = (await json_object(request)).get("seconds")
        if seconds is not None and (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not math.isfinite(seconds)
            or not 0 < seconds <= LONGEST_S
        ):
            raise ApiError(
                422, "invalid_seconds", f"seconds: a number above 0 and at most {LONGEST_S:g} is expected"
            )
        return JSONResponse(await self._drills.start(name, seconds))

    async def stop(self, request: Request) -> Response:
        """Answers when all is mended."""
        name = self._name(request)
        return JSONResponse({"name": name, "stopped": await self._drills.stop(name)})

    def _name(self, request: Request) -> str:
        _admit(request)
        name = request.path_params["name"]
        if name not in self._drills:
            raise ApiError(404, "no_such_drill", "there is no drill of this name")
        return name


async def outbox(request: Request) -> Response:
    """The newest unused mail to `?email=`."""
    _admit(request)
    async with service_of(request).database.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind, token, at FROM sandbox.outbox WHERE recipient = $1 AND used_at IS NULL "
            "ORDER BY at DESC LIMIT 1",
            request.query_params.get("email", "").replace("\0", ""),
        )
    return JSONResponse(
        {"mail": [{"kind": r["kind"], "token": r["token"], "at": r["at"].isoformat()} for r in rows]}
    )


def _admit(request: Request) -> None:
    if not hmac.compare_digest(bearer(request).encode(), service_of(request).config.control_token.encode()):
        raise ApiError(401, "not_authenticated", "the control token is expected")
