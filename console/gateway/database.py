"""The door to the platform's database: a few read-only sessions, each call with a time-out of its own."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import asyncpg

from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.reasons import LONGEST, NoSource, as_source_failed

APPLICATION = "tradex gateway"
# What a server is told at most, so that a query whose caller has gone away ends by itself.
STATEMENT_TIMEOUT_S = 30
# Callers have their own, shorter, time-outs; asyncpg wants one of its own as well.
CONNECT_S = 60
_GOODBYE_S = 1

# The object is not there, or its extension is not loaded: an installation without it, no fault.
_ABSENT = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)
# A session that was idle may have been ended by the server; then a fresh one is worth one more try.
_STALE = (
    asyncpg.AdminShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    # The end has come between two states of its own.
    asyncpg.InternalClientError,
    ConnectionError,
)


class Database:
    """At most `size` sessions, opened when needed. A session that failed or timed out is thrown away.

    asyncpg's own pool waits for a cancelled query to be confirmed; a server that is silent never confirms.
    """

    def __init__(self, url: str | None, password: str | None = None, *, size: int = 2) -> None:
        self._url = url
        self._password = password
        self._free: list[asyncpg.Connection] = []
        self._slots = asyncio.Semaphore(size)
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        self.server_version: str | None = None

    @property
    def configured(self) -> bool:
        """Whether this installation names a database at all."""
        return self._url is not None

    async def fetch(self, sql: str, *args: Any, timeout_s: float = 3.0) -> list[asyncpg.Record]:
        """The rows of one read-only statement. `timeout_s` is for connecting and the query together; the wait for
        a free session before it is not this statement's fault, and is bounded by the others' time-outs.

        Raises SourceFailed with the reason; NoSource when there is no database or it lacks the object asked for.
        """
        rows, _ = await self._timed(sql, args, timeout_s)
        return rows

    async def ping(self, *, timeout_s: float = 3.0) -> float:
        """Milliseconds of SELECT 1 on a session that is open. Raises SourceFailed."""
        _, elapsed_ms = await self._timed("SELECT 1", (), timeout_s)
        return elapsed_ms

    async def _timed(
        self, sql: str, args: tuple[Any, ...], timeout_s: float
    ) -> tuple[list[asyncpg.Record], float]:
        """The rows, and how long the statement took without the connecting before it."""
        if self._url is None:
            raise NoSource("no source: platform.database_url is not set")
        self._closed = False
        try:
            with as_source_failed(timeout_s):
                async with self._slots, asyncio.timeout(timeout_s):
                    return await self._fetch(sql, args)
        except _ABSENT as error:
            raise NoSource(f"no source: {_missing(first_line(error))}") from None
        except asyncpg.QueryCanceledError:
            raise SourceFailed("the database cancelled the query") from None
        except asyncpg.PostgresError as error:
            raise SourceFailed(first_line(error)) from None
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as error:
            raise SourceFailed(printable(error, LONGEST)) from None

    async def _fetch(self, sql: str, args: tuple[Any, ...]) -> tuple[list[asyncpg.Record], float]:
        while self._free:
            session = self._free.pop()
            if session.is_closed():
                continue
            try:
                return await self._ask(session, sql, args)
            except _STALE:
                continue
        return await self._ask(await self._connect(), sql, args)

    async def _ask(
        self, session: asyncpg.Connection, sql: str, args: tuple[Any, ...]
    ) -> tuple[list[asyncpg.Record], float]:
        """Ask, and keep the session for the next caller only when it is certainly in order."""
        begun = time.perf_counter()
        try:
            rows = await session.fetch(sql, *args)
        except asyncpg.PostgresError as error:
            if isinstance(error, asyncpg.AdminShutdownError) or session.is_closed():
                session.terminate()
            else:
                self._free.append(session)
            raise
        except BaseException:
            self._abandon(session)
            raise
        self._free.append(session)
        return rows, (time.perf_counter() - begun) * 1000

    async def _connect(self) -> asyncpg.Connection:
        session = await asyncpg.connect(
            self._url,
            password=self._password,
            timeout=CONNECT_S,
            server_settings={
                "application_name": APPLICATION,
                "default_transaction_read_only": "on",
                "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
                "timezone": "UTC",
                "jit": "off",
            },
        )
        version = session.get_server_version()
        self.server_version = f"{version.major}.{version.minor}"
        return session

    def _abandon(self, session: asyncpg.Connection) -> None:
        """Give up a session in the middle of a query, without waiting for it."""
        if self._closed:
            session.terminate()
            return
        leaving = asyncio.create_task(_leave(session))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End all sessions; does not wait for a server that is silent. The next question opens new ones."""
        self._closed = True
        sessions, self._free = self._free, []
        for session in sessions:
            session.terminate()
        for leaving in list(self._leaving):
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)


async def _leave(session: asyncpg.Connection) -> None:
    """End a session in the middle of a query: the server is told to cancel it, and gets a moment to hear that."""
    try:
        await session.close(timeout=_GOODBYE_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pass
    finally:
        session.terminate()


def first_line(error: BaseException, limit: int = LONGEST) -> str:
    """The server's message without its DETAIL and HINT, which may quote rows."""
    return printable(str(error).partition("\n")[0], limit)


def _missing(message: str) -> str:
    """`the database has no orders` for `relation "orders" does not exist`; other messages as they are."""
    found = re.fullmatch(r'(relation|schema|column|function) "?([\w.]+)"?(?:\(.*\))? does not exist', message)
    if found is None:
        return message
    kind = "" if found[1] == "relation" else f"{found[1]} "
    return f"the database has no {kind}{found[2]}"
