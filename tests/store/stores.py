"""What the store's tests share: a store with people in it, and readings to put there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from console.domain.health import Check, Status
from console.domain.metric import MetricSpec, MetricValue
from console.processes.postgres import EmbeddedPostgres
from console.store import lease as leases
from console.store import migrate, people, ticks
from console.store.lease import Lease
from console.store.pool import Store

PEOPLE = {"vera": "viewer", "alice": "responder", "bob": "commander", "auto": "agent", "eve": None}
"""Logins of the tests; eve has no role at all."""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def password_of(name: str) -> str:
    return f"secret of {name}"


@dataclass
class Place:
    """A store of its own on a running server."""

    server: EmbeddedPostgres
    url: str

    def url_of(self, name: str) -> str:
        return self.url.replace("postgres@", f"{name}@")

    @asynccontextmanager
    async def open(self, name: str, **options: object) -> AsyncIterator[Store]:
        store = await Store.open(self.url_of(name), password=password_of(name), **options)  # pyright: ignore[reportArgumentType]
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def raw(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection as a patched client would have it."""
        password = self.server.password if name == "postgres" else password_of(name)
        connection = await asyncpg.connect(self.url_of(name), password=password)
        try:
            yield connection
        finally:
            connection.terminate()

    async def owner(self, sql: str, *args: object) -> list[asyncpg.Record]:
        async with self.raw("postgres") as connection:
            return await connection.fetch(sql, *args)

    @asynccontextmanager
    async def leader(self, holder: str = "a1", ttl_s: float = 300) -> AsyncIterator[tuple[Store, Lease]]:
        """An agent's store with the lease."""
        async with self.open("auto") as store:
            lease = await leases.acquire(store, holder, ttl_s)
            assert lease is not None
            yield store, lease


def spec(name: str, unit: str = "ms") -> MetricSpec:
    return MetricSpec(name, name.title(), unit, "orders", "sql", f"SELECT {name}\nFROM orders")


def readings(
    specs: Sequence[MetricSpec], values: Sequence[float | str | None], at: datetime
) -> list[MetricValue]:
    return [MetricValue(s.name, v, at) for s, v in zip(specs, values, strict=True)]


def check(
    component: str, status: Status, at: datetime, detail: str = "", latency_ms: float | None = None
) -> Check:
    return Check(component, status, latency_ms, detail, at)


async def write(
    store: Store,
    lease: Lease,
    specs: Sequence[MetricSpec],
    rows: Sequence[tuple[datetime, Sequence[float | str | None]]],
    checks: Sequence[Check] = (),
) -> None:
    """These ticks, each with the same checks."""
    catalogue_id = await ticks.ensure_catalogue(store, lease, specs)
    for at, values in rows:
        await ticks.write_tick(
            store,
            lease,
            at=at,
            catalogue_id=catalogue_id,
            values=readings(specs, values, at),
            checks=checks,
        )


_templates: dict[int, str] = {}


def upgraded(server: EmbeddedPostgres, create: Callable[[EmbeddedPostgres], str]) -> str:
    """The URL of an upgraded, empty store with everybody of `PEOPLE`, to be copied: one per server."""
    if server.port not in _templates:
        url = create(server)
        asyncio.run(prepare(server, url))
        _templates[server.port] = url
    return _templates[server.port]


async def prepare(server: EmbeddedPostgres, url: str) -> None:
    """Upgrade a database and make everybody of `PEOPLE`."""
    await migrate.upgrade(url, server.password, environment="test", time_scale=10, tick_s=2)
    for name, role in PEOPLE.items():
        await people.ensure_login(
            url, server.password, name=name, role=role or "viewer", login_password=password_of(name)
        )
        if role is None:
            async with migrate.connected(url, server.password) as connection:
                await connection.execute(f"REVOKE console_viewer FROM {name}")
