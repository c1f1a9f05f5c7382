"""The service's own connection to the platform's database. Away is an answer (503), never a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from console.sandbox.replies import ApiError

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    # What asyncpg says when the server ends a session in the very moment in which it is used.
    asyncpg.InternalClientError,
)
_SIZE = 10


class Database:
    """A small pool that is opened on first use and comes back by itself."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._password = password
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self.server = "primary"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the service itself; raises ApiError 503 when the database is away."""
        try:
            pool = await self._ready()
            async with pool.acquire(timeout=3) as connection:
                yield connection  # pyright: ignore[reportReturnType]
        except _AWAY as error:
            raise ApiError(503, "database_unavailable", "the database does not answer") from error

    @asynccontextmanager
    async def as_person(self, user_id: str) -> AsyncIterator[asyncpg.Connection]:
        """A read-only transaction in which row level security sees this person (as PostgREST does it)."""
        async with self.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(
                "SELECT set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
                json.dumps({"sub": user_id, "role": "authenticated"}),
            )
            yield connection

    def move(self, server: str) -> None:
        """Drop all connections; the next ones go to that server."""
        self.server = server
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def _ready(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    password=self._password,
                    min_size=0,
                    max_size=_SIZE,
                    timeout=3,
                    command_timeout=5,
                    max_inactive_connection_lifetime=600,
                    # Nothing outlives a transaction here, so the round trip of a reset would be for nothing.
                    reset=_keep,
                    server_settings={"application_name": f"platform ({self.server})"},
                )
        return self._pool


async def _keep(connection: object) -> None:
    """Leave the connection as it is."""
