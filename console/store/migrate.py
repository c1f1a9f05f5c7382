"""Brings a store to this program's version: one lock, one transaction per file, the hash of each remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from console.domain.errors import StoreRefused
from console.domain.text import printable
from console.store.faults import explained, place
from console.store.pool import session_settings
from console.store.shipped import NEWER, Migration, migrations

# Any number, as long as every version of this program uses the same one.
_LOCK = 7_346_201
_CONNECT_S = 5
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One migration: `applied_at` is None while it is still to come, `known` is False for one of a newer program,
    and `changed` tells that the file is not the one that was applied."""

    name: str
    applied_at: datetime | None
    known: bool = True
    changed: bool = False


async def upgrade(
    url: str,
    password: str | None,
    *,
    environment: str,
    time_scale: float = 1.0,
    tick_s: float = 30,
    user: str | None = None,
    files: Sequence[Migration] | None = None,
) -> list[str]:
    """Apply what is missing, as the store's owner, and return the names.

    The environment is written once; a store of another one is refused before anything is changed. `time_scale`
    and `tick_s` are set to what is given. Needs a login that may create roles, or roles that exist.
    Raises StoreAway, and StoreRefused for a newer store, a changed file or another environment.
    """
    shipped = migrations() if files is None else tuple(files)
    if not environment:
        raise StoreRefused("an environment is needed: its name is written into the store once")
    async with _locked(url, password, user) as connection:
        states = await _states(connection, shipped)
        _refuse(place(url), states)
        await _same_environment(connection, place(url), environment)
        missing = [m for m in shipped if m.name in {s.name for s in states if s.applied_at is None}]
        for migration in missing:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO console.migration (name, sha256) VALUES ($1, $2)",
                    migration.name,
                    migration.sha256,
                )
        await _settle(connection, environment, time_scale, tick_s)
        return [m.name for m in missing]


async def status(
    url: str,
    password: str | None,
    *,
    user: str | None = None,
    files: Sequence[Migration] | None = None,
) -> list[MigrationState]:
    """Every migration, shipped or applied, in order. Raises StoreAway and StoreRefused."""
    async with connected(url, password, user) as connection:
        return await _states(connection, migrations() if files is None else tuple(files))


@asynccontextmanager
async def connected(
    url: str, password: str | None, user: str | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """One connection for an owner's work. Raises StoreAway and StoreRefused, also for what happens inside."""
    with explained(place(url)):
        try:
            connection: asyncpg.Connection = await asyncpg.connect(
                url,
                user=user,
                password=password,
                timeout=_CONNECT_S,
                command_timeout=_TIMEOUT_S,
                server_settings=session_settings("tradex db", command_timeout_s=_TIMEOUT_S),
            )
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise StoreRefused(
                f"the store's address {place(url)} can't be used: {printable(error, 200)}"
            ) from None
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=1.0)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()


@asynccontextmanager
async def _locked(url: str, password: str | None, user: str | None) -> AsyncIterator[asyncpg.Connection]:
    """Tried, not waited for: lock_timeout would end a wait that is only another upgrade at work."""
    async with connected(url, password, user) as connection:
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            if asyncio.get_running_loop().time() > deadline:
                raise StoreRefused(
                    f"another upgrade of the store at {place(url)} has been running for a minute"
                )
            await asyncio.sleep(0.05)
        yield connection  # closing the connection gives the lock back


async def _states(connection: asyncpg.Connection, shipped: Sequence[Migration]) -> list[MigrationState]:
    applied: dict[str, asyncpg.Record] = {}
    if await connection.fetchval("SELECT to_regnamespace('console') IS NOT NULL"):
        rows = await connection.fetch("SELECT name, sha256, applied_at FROM console.migration ORDER BY name")
        applied = {row["name"]: row for row in rows}
    known = {m.name: m for m in shipped}
    return [
        MigrationState(
            name=printable(name, 80),
            applied_at=applied[name]["applied_at"] if name in applied else None,
            known=name in known,
            changed=name in applied and name in known and applied[name]["sha256"] != known[name].sha256,
        )
        for name in sorted(known.keys() | applied.keys())
    ]


def _refuse(where: str, states: Sequence[MigrationState]) -> None:
    newer = [s.name for s in states if not s.known]
    if newer:
        raise StoreRefused(f"the store at {where} is newer than this program ({newer[-1]}): {NEWER}")
    changed = [s.name for s in states if s.changed]
    if changed:
        raise StoreRefused(
            f"the store at {where} was made with another {changed[0]} than this program has: "
            "install the released program again; migrations are only ever added"
        )


async def _same_environment(connection: asyncpg.Connection, where: str, environment: str) -> None:
    if not await connection.fetchval("SELECT to_regclass('console.meta') IS NOT NULL"):
        return
    found = await connection.fetchval("SELECT environment FROM console.meta")
    if found is not None and found != environment:
        raise StoreRefused(
            f"the store at {where} belongs to the environment {printable(found, 40)}, "
            f"not to {printable(environment, 40)}: check the address"
        )


async def _settle(connection: asyncpg.Connection, environment: str, time_scale: float, tick_s: float) -> None:
    """What may change with each upgrade, and who may connect at all (a copied database starts without that)."""
    async with connection.transaction():
        await connection.execute(
            """
            INSERT INTO console.meta (environment, time_scale, tick_s) VALUES ($1, $2, $3)
            ON CONFLICT (one) DO UPDATE SET time_scale = excluded.time_scale, tick_s = excluded.tick_s
            """,
            environment,
            float(time_scale),
            float(tick_s),
        )
        await connection.execute(
            """
            DO $$ BEGIN
                EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
                EXECUTE format('GRANT CONNECT ON DATABASE %I TO console_viewer', current_database());
            END $$
            """
        )
