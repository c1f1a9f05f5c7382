"""A store on every installed PostgreSQL: copied from one that was upgraded once."""

import asyncio

import pytest

from console.processes.postgres import EmbeddedPostgres
from console.store import migrate, people
from tests.conftest import NewDatabase
from tests.store.stores import PEOPLE, Place, password_of

_templates: dict[int, str] = {}


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


@pytest.fixture
def place(postgres_any: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    """An upgraded, empty store with everybody of `PEOPLE`; once per PostgreSQL version."""
    if postgres_any.port not in _templates:
        template = session_database(postgres_any)
        asyncio.run(prepare(postgres_any, template))
        _templates[postgres_any.port] = template
    return Place(postgres_any, new_database(postgres_any, template=_templates[postgres_any.port]))
