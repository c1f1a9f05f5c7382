"""A platform database with a history, and doors of a platform that tests put together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from console.gateway.platform import Platform
from console.processes.postgres import EmbeddedPostgres
from console.sandbox.install import install
from console.sections import PlatformSettings
from tests.dear import on_one_worker

READER_PASSWORD = "reader-of-the-tests"

pytest_collection_modifyitems = on_one_worker("monitors", Path(__file__).parent)


@pytest.fixture(scope="session")
def seeded(postgres: EmbeddedPostgres) -> str:
    """The name of a platform database with two hours of history. Nobody may be connected to it: copy it."""
    asyncio.run(
        install(
            postgres.url("seeded_platform"),
            postgres.password,
            app_password="app-of-the-tests",
            reader_password=READER_PASSWORD,
            now=datetime.now(UTC),
            hours=2,
        )
    )
    return "seeded_platform"


@pytest.fixture
def platform_database(postgres: EmbeddedPostgres, new_database: Callable[..., str], seeded: str) -> str:
    """The superuser's URL of a copy of its own."""
    return new_database(postgres, template=seeded)


@pytest.fixture
async def admin(postgres: EmbeddedPostgres, platform_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(platform_database, password=postgres.password)
    yield connection
    await connection.close()


@pytest.fixture
def reader(platform_database: str) -> dict[str, object]:
    """The database settings of the gateway's role."""
    return {
        "database_url": platform_database.replace("postgres@", "platform_reader@"),
        "database_password": SecretStr(READER_PASSWORD),
    }


@pytest.fixture
async def open_platform() -> AsyncIterator[Callable[..., Platform]]:
    """Opens doors from settings and closes them after the test."""
    opened: list[Platform] = []

    def make(**settings: object) -> Platform:
        opened.append(Platform.open(PlatformSettings.model_validate(settings)))
        return opened[-1]

    yield make
    for platform in opened:
        await platform.close()
