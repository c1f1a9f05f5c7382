"""How a change reaches the platform, and what is known about it afterwards: it happened, it surely did not
(SourceFailed), or nobody can say (Unknown). What is changed is the matter of the modules beside this one.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode

import asyncpg
from pydantic import SecretStr

from console.domain.errors import SourceFailed, Unknown
from console.gateway.database import CONNECT_S, Database, first_line
from console.gateway.http import Http, Response
from console.gateway.management import Management
from console.gateway.reasons import NoSource, as_source_failed
from console.gateway.redaction import Redaction
from console.sections import PlatformSettings, plain

Trace = Callable[[str], None]
TIMEOUT_S = 5.0
APPLICATION = "tradex actions"
# The server gives up before we do, so that a statement that only was slow is a sure failure.
_SERVERS_SHARE = 0.8
# Less than what lies between an agent that stands still and its successor.
_STANDSTILL = "1500ms"
_LONGEST_LINE = 2000
# The session broke: whether the server had committed can't be told from that.
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def untraced(line: str) -> None:
    """For effects that nobody follows."""


@dataclass(slots=True)
class Doors:
    """What all views of one Changes share."""

    settings: PlatformSettings
    database: Database
    timeout_s: float = TIMEOUT_S
    http: Http = field(default_factory=Http)
    redaction: Redaction = field(init=False)
    management: Management = field(init=False)

    def __post_init__(self) -> None:
        s = self.settings
        self.management = Management(s, self.timeout_s)
        self.redaction = Redaction(
            plain(secret)
            for secret in (
                *(s.ops_database_password, s.deploy_database_password, s.service_key, s.vercel_token),
                *(s.supabase_token, s.api_key),
            )
        )


class Caller:
    """The calls by which everything here reads and writes, each within the doors' time-out unless it is given one of
    its own. `trace` is told each effect before it is sent."""

    def __init__(self, doors: Doors, trace: Trace = untraced) -> None:
        self._doors = doors
        self._trace = trace

    @property
    def settings(self) -> PlatformSettings:
        """The resolved settings of the platform."""
        return self._doors.settings

    @property
    def redaction(self) -> Redaction:
        """Takes the platform's secrets out of texts that come from elsewhere."""
        return self._doors.redaction

    def _required(self, name: str) -> str:
        """A setting in clear; NoSource when it is unset."""
        value = getattr(self.settings, name)
        if value is None:
            raise NoSource(f"no source: platform.{name} is not set")
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    async def _read(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """The rows of one statement, in a read-only session of the writing role. Raises SourceFailed."""
        self._required("ops_database_url")
        try:
            return await self._doors.database.fetch(sql, *args, timeout_s=self._doors.timeout_s)
        except SourceFailed as error:
            raise self._clean(error) from None

    async def _write(
        self,
        *statements: tuple[str, tuple[Any, ...] | None],
        door: Literal["ops", "deploy"] = "ops",
        timeout_s: float | None = None,
    ) -> list[list[asyncpg.Record]]:
        """The rows of each statement; all of them happen, or none. Without values it is a script, of any number of
        statements. Raises SourceFailed and Unknown."""
        url, sent = self._required(f"{door}_database_url"), False
        timeout_s = timeout_s or self._doors.timeout_s
        session: asyncpg.Connection | None = None
        try:
            with as_source_failed(timeout_s):
                async with asyncio.timeout(timeout_s):
                    password = plain(getattr(self.settings, f"{door}_database_password"))
                    session = await self._session(url, password, timeout_s)
                    # Told, and so allowed, only when all is ready: whoever is stopped for a while before that sends
                    # nothing afterwards. In the middle of several the server ends the session meanwhile.
                    (sql, args) = statements[0]
                    if len(statements) == 1 and args is not None:
                        statement = await session.prepare(sql)
                        self._tell(_line(statements))
                        sent = True
                        return [await statement.fetch(*args)]
                    await session.execute("BEGIN")
                    self._tell(_line(statements))
                    rows = [await _rows(session, sql, args) for sql, args in statements]
                    sent = True
                    await session.execute("COMMIT")
                    return rows
        except SourceFailed as error:
            raise self._verdict(error, sent) from None
        # Cut only after the secrets are out: what is left of one would not be known again.
        except _BROKEN as error:
            raise self._verdict(SourceFailed(first_line(error, _LONGEST_LINE)), sent) from None
        except (asyncpg.PostgresError, ValueError) as error:
            raise self._clean(SourceFailed(first_line(error, _LONGEST_LINE))) from None
        finally:
            if session is not None:
                # A transaction that is not committed by now never will be.
                session.terminate()

    async def _session(self, url: str, password: str | None, timeout_s: float) -> asyncpg.Connection:
        """A session of its own for each write: one that was kept may be dead without our knowing."""
        limit = f"{timeout_s * _SERVERS_SHARE:.3f}s"
        return await asyncpg.connect(
            url,
            password=password,
            timeout=CONNECT_S,
            server_settings={
                "application_name": APPLICATION,
                "statement_timeout": limit,
                "lock_timeout": limit,
                "idle_in_transaction_session_timeout": _STANDSTILL,
                "timezone": "UTC",
            },
        )

    async def _send(
        self,
        method: str,
        url: str,
        token: str,
        body: Any = None,
        *,
        shown: Any = None,
        timeout_s: float | None = None,
    ) -> Response:
        """The good answer to a change over HTTP. `shown` is the body as the trace may see it. Raises SourceFailed
        with what the other side said, and Unknown."""
        sent = False

        visible = body if shown is None else shown

        def leaves() -> None:
            # Connected by now: between this and the first byte nobody is waited for.
            nonlocal sent
            self._tell(f"{method} {url}" + ("" if visible is None else f" {json.dumps(visible)}"))
            sent = True

        try:
            answer = await self._request(method, url, token, body, timeout_s=timeout_s, sent=leaves)
        except SourceFailed as error:
            raise self._verdict(error, sent) from None
        if not answer.good:
            raise self._verdict(HttpRefused(answer), _unsure(answer.status))
        return answer

    async def _change(
        self, method: str, url: str, token: str, body: Any, *, timeout_s: float | None = None
    ) -> Any:
        """The JSON of a good answer to a change, None for an empty one. Raises SourceFailed and Unknown."""
        answer = await self._send(method, url, token, body, timeout_s=timeout_s)
        try:
            return answer.json() if answer.body else None
        except SourceFailed as error:
            raise Unknown(f"sent, and the answer can't be read: {error}") from None

    async def _ask(self, url: str, token: str, *, timeout_s: float | None = None) -> Any:
        """The JSON of a good answer to GET. Raises SourceFailed, HttpRefused where the other side said no."""
        try:
            answer = await self._request("GET", url, token, timeout_s=timeout_s)
            if not answer.good:
                raise HttpRefused(answer)
            return answer.json()
        except SourceFailed as error:
            raise self._clean(error) from None

    async def _request(
        self,
        method: str,
        url: str,
        token: str,
        body: Any = None,
        *,
        timeout_s: float | None,
        sent: Callable[[], None] | None = None,
    ) -> Response:
        """Any answer, in which the other side repeats no secret: neither `token` nor one of the platform's. They are
        taken out before anything is cut, since half of one would not be known again. Raises SourceFailed."""
        own = Redaction([token])
        try:
            answer = await self._doors.http.request(
                method,
                url,
                headers=_headers(token),
                json=body,
                timeout_s=timeout_s or self._doors.timeout_s,
                sent=sent,
            )
        except SourceFailed as error:
            error.args = (own(error),)
            raise
        return replace(answer, body=own.body(self._doors.redaction.body(answer.body)))

    def _vercel(self, path: str, **query: str) -> str:
        """A URL of Vercel's REST API, for the team that the project is of."""
        team = self.settings.vercel_team
        asked = urlencode(query | ({"teamId": team} if team else {}))
        return f"{self.settings.vercel_url}{path}" + (f"?{asked}" if asked else "")

    def _tell(self, line: str) -> None:
        self._trace(self._doors.redaction(" ".join(line.split()), _LONGEST_LINE))

    def _verdict(self, error: SourceFailed, sent: bool) -> SourceFailed | Unknown:
        clean = self._clean(error)
        return Unknown(f"sent, and no sure answer: {clean}") if sent else clean

    def _clean(self, error: SourceFailed) -> SourceFailed:
        """The same error without a secret that the other side may have repeated."""
        error.args = (self._doors.redaction(error),)
        return error


class HttpRefused(SourceFailed):
    """An answer that is no success; `status` is its HTTP status."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.summary())
        self.status = answer.status


def _headers(token: str) -> dict[str, str]:
    # Supabase's gateway wants the key twice. A connection that is not kept can't be stale at the next change.
    key = {"Authorization": f"Bearer {token}", "apikey": token} if token else {}
    return {**key, "Connection": "close"}


def _unsure(status: int) -> bool:
    """Whether what stands behind a proxy, or crashed, may have done its work all the same."""
    # 501: nobody knows how to. 503: whoever is overloaded, or maintained, has not begun.
    return status == 408 or (status >= 500 and status not in (501, 503))


async def _rows(session: asyncpg.Connection, sql: str, args: tuple[Any, ...] | None) -> list[asyncpg.Record]:
    if args is not None:
        return await session.fetch(sql, *args)
    await session.execute(sql)
    return []


def _line(statements: tuple[tuple[str, tuple[Any, ...] | None], ...]) -> str:
    """The statements as one could type them."""
    shown = [_typed(sql, args) for sql, args in statements]
    return (
        shown[0]
        if len(shown) == 1 and statements[0][1] is not None
        else "; ".join(["BEGIN", *shown, "COMMIT"])
    )


def _typed(sql: str, args: tuple[Any, ...] | None) -> str:
    if args is None:
        return sql.strip().rstrip(";")
    return re.sub(r"\$(\d+)", lambda found: _literal(args[int(found[1]) - 1]), sql)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"
