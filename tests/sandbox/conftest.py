"""One PostgreSQL and one running platform per worker: its roles belong to the whole server, so it has its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.sandbox.platform import Platform

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is dear to set up is set up on one worker only."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.xdist_group("sandbox"))


@pytest.fixture(scope="session")
def cluster(quick_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(quick_folder / "sandbox")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def platform(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The service on a database with one hour of history; without traffic, so that only the test acts."""
    made = Platform(cluster, tmp_path_factory.mktemp("platform"))
    asyncio.run(made.install(hours=1))
    made.start()
    yield made
    made.stop()
