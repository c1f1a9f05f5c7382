"""The connections to the store: a small pool that reconnects by itself, and one that listens.

What the store holds is read and written by the modules beside this one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from console.domain.alert import Alert
from console.domain.errors import StoreRefused
from console.domain.metric import MetricSpec
from console.domain.snapshot import Link
from console.domain.text import printable
from console.store.faults import explained, lost, place
from console.store.shipped import NEWER, OLDER, names

if TYPE_CHECKING:
    from console.domain.incident import Attached

CHANNEL = "tradex"
_CONNECT_S = 5.0
_LOCK_S = 2.0
# A listening connection is silent by nature: this often it is asked whether it still lives.
_PING_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection


def session_settings(
    application: str, *, command_timeout_s: float, read_only: bool = False
) -> dict[str, str]:
    """What every connection asks of the server. `idle_in_transaction_session_timeout` is left to the login."""
    settings = {
        "application_name": printable(application, 60),
        "timezone": "UTC",
        "datestyle": "ISO",
        "search_path": "pg_catalog",
        "statement_timeout": f"{command_timeout_s * 1000:.0f}",
        "lock_timeout": f"{min(_LOCK_S, command_timeout_s) * 1000:.0f}",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15000",
        "jit": "off",
    }
    return settings | {"default_transaction_read_only": "on"} if read_only else settings


class Store:
    """One person's or agent's way to the store.

    Every call raises StoreAway when the store can't be reached or does not answer in time, and StoreRefused
    when it says no. The next call connects again.
    """

    def __init__(
        self, url: str, pool: asyncpg.Pool, connect: Callable[[], Awaitable[asyncpg.Connection]]
    ) -> None:
        self.place = place(url)
        """HOST:PORT/DATABASE, for messages."""
        self.catalogues: dict[str, tuple[MetricSpec, ...]] = {}
        """Metric catalogues read so far, by their sha256; they never change."""
        self.alerts: dict[int, tuple[asyncpg.Record, Alert, tuple[int, int, float]]] = {}
        """Alerts as they were read last, by id: the row, what it says, and its place in a list's order."""
        self.attached: dict[int, Attached] = {}
        """Runbooks of incidents read so far, by id, nothing of them ticked; they never change."""
        self._pool = pool
        self._connect = connect

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        password: str | None = None,
        user: str | None = None,
        application: str = "tradex",
        size: int = 4,
        command_timeout_s: float = 5.0,
        read_only: bool = False,
    ) -> Store:
        """Connect, and see that the store is of this program's version.

        `user` logs in as another person than the URL's. With `read_only` the server refuses every change on
        these connections. Raises StoreAway and StoreRefused.
        """
        options: dict[str, Any] = {
            "password": password,
            "timeout": _CONNECT_S,
            "command_timeout": command_timeout_s,
            "server_settings": session_settings(
                application, command_timeout_s=command_timeout_s, read_only=read_only
            ),
        }
        if user is not None:
            options["user"] = user
        where = place(url)
        try:
            pool = asyncpg.create_pool(
                url, min_size=1, max_size=size, max_inactive_connection_lifetime=0, reset=_keep, **options
            )
            with explained(where):
                async with asyncio.timeout(_CONNECT_S + 1):
                    await pool
        except ValueError as error:
            raise StoreRefused(
                f"the store's address {where} can't be used: {printable(error, 200)}"
            ) from None
        store = cls(url, pool, lambda: asyncpg.connect(url, **options))
        try:
            await store._check_version()
        except BaseException:
            pool.terminate()
            raise
        return store

    async def fetch(self, sql: str, *args: object, once: bool = False) -> list[asyncpg.Record]:
        """All rows. With `once` it is never tried again, for what must not happen twice."""
        return await self._call(lambda c: c.fetch(sql, *args), once)

    async def fetchrow(self, sql: str, *args: object, once: bool = False) -> asyncpg.Record | None:
        """The first row, None without one."""
        return await self._call(lambda c: c.fetchrow(sql, *args), once)

    async def fetchval(self, sql: str, *args: object, once: bool = False) -> Any:
        """The first value of the first row, None without one."""
        return await self._call(lambda c: c.fetchval(sql, *args), once)

    async def execute(self, sql: str, *args: object, once: bool = False) -> str:
        """The server's command tag."""
        return await self._call(lambda c: c.execute(sql, *args), once)

    async def now(self) -> datetime:
        """The store's clock."""
        return await self.fetchval("SELECT clock_timestamp()")

    async def link(self) -> Link:
        """Environment, place, person and role, as the connection in use tells them."""
        rows = await self.fetch(
            """
            SELECT m.environment, m.time_scale, session_user AS login,
                   pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
                   CASE
                       WHEN pg_has_role(session_user, 'console_commander', 'USAGE') THEN 'commander'
                       WHEN pg_has_role(session_user, 'console_responder', 'USAGE') THEN 'responder'
                       WHEN pg_has_role(session_user, 'console_viewer', 'USAGE') THEN 'viewer'
                       ELSE 'none'
                   END AS role
            FROM (SELECT) AS always LEFT JOIN console.meta AS m ON true
            """
        )
        row = rows[0]
        role = row["role"]
        return Link(
            environment=printable(row["environment"] or "", 40),
            store=self.place,
            user=printable(row["login"], 63),
            role=role,
            read_only=row["read_only"] or role in ("viewer", "none"),
            time_scale=row["time_scale"] or 1.0,
            away=None,
        )

    async def listen(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the payload of every notice (`tick`, `event`, `health`, `lease`,
        `alert`, `log`, `diagnosis`, `action`, `output`, `kind`, `finding`, `release`, `check`, `audit`,
        `incident`, `duty`, `book`, `presence`, `handover`), until
        cancelled.

        A payload is a hint to read again and may come from anybody. Once it hears them it says
        `callback("listening")`, and after a while without a connection `callback("reconnected")`: notices before that
        may have been missed.
        """
        wait, missed = _FIRST_WAIT_S, False
        while True:
            connection: asyncpg.Connection | None = None
            try:
                async with asyncio.timeout(_CONNECT_S + 1):
                    connection = await self._connect()
                await connection.add_listener(
                    CHANNEL, lambda _c, _pid, _channel, payload: callback(printable(payload, 40))
                )
                callback("reconnected" if missed else "listening")
                wait = _FIRST_WAIT_S
                await self._until_lost(connection)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            finally:
                if connection is not None:
                    connection.terminate()
            missed = True
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    async def close(self) -> None:
        """End all connections; what is under way is given a second."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await self._pool.close()
        self._pool.terminate()

    # --- inside -------------------------------------------------------------------------------------------------

    async def _call(self, work: Callable[[Connection], Awaitable[Any]], once: bool) -> Any:
        """Run `work` on a connection. One that was lost meanwhile is replaced, and the work tried once more."""
        with explained(self.place):
            try:
                return await self._try(work)
            except Exception as error:
                if not lost(error):
                    raise
                # Its sisters were lost with it.
                await self._pool.expire_connections()
                if once and not _never_sent(error):
                    raise
            return await self._try(work)

    async def _try(self, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        connection = await self._pool.acquire(timeout=_CONNECT_S)
        try:
            return await work(connection)
        except (TimeoutError, asyncio.CancelledError):
            # Cancelling politely would wait for a server that does not answer.
            connection.terminate()
            raise
        finally:
            with contextlib.suppress(Exception):
                await self._pool.release(connection, timeout=1.0)

    async def _until_lost(self, connection: asyncpg.Connection) -> None:
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _c: gone.set())
        while not gone.is_set():
            try:
                async with asyncio.timeout(_PING_S):
                    await gone.wait()
            except TimeoutError:
                await connection.fetchval("SELECT 1", timeout=_PING_S)

    async def _check_version(self) -> None:
        try:
            applied = {row["name"] for row in await self.fetch("SELECT name FROM console.migration")}
        except StoreRefused:
            if await self.fetchval("SELECT to_regnamespace('console') IS NULL"):
                raise StoreRefused(f"the store at {self.place} is empty: {OLDER}") from None
            login = await self.fetchval("SELECT session_user")
            if not await self.fetchval("SELECT has_schema_privilege('console', 'USAGE')"):
                raise StoreRefused(
                    f"the store at {self.place} refused: {printable(login, 63)} has no role in it; "
                    f"let its owner run GRANT console_viewer TO {printable(login, 63)}"
                ) from None
            raise
        shipped = set(names())
        if applied - shipped:
            raise StoreRefused(
                f"the store at {self.place} is newer than this program ({max(applied - shipped)}): {NEWER}"
            )
        if shipped - applied:
            raise StoreRefused(
                f"the store at {self.place} is older than this program (no {min(shipped - applied)}): {OLDER}"
            )


async def _keep(_connection: Connection) -> None:
    """Nothing is ever set on a connection, so nothing is reset: that saves a round trip per call."""


def _never_sent(error: Exception) -> bool:
    """Whether the statement can't have reached the server: the connection was known to be closed."""
    return isinstance(error, asyncpg.InterfaceError) and "is closed" in str(error)
