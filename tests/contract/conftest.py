"""The stand-ins on a running platform of their own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As in tests/sandbox: what is dear to set up is set up on one worker only."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.xdist_group("contract"))


@pytest.fixture(scope="session")
def cluster(quick_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(quick_folder / "contract")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def platform(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(cluster, tmp_path_factory.mktemp("platform"))
    asyncio.run(made.install(hours=1))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(platform, tmp_path_factory.mktemp("shop"))
