"""What is dear to set up, for the tests of one folder: on one worker only, on a server of their own, since a server's
roles belong to all of its databases."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.sandbox.platform import Platform


def on_one_worker(group: str, folder: Path, needing: str = "") -> Callable[[list[pytest.Item]], None]:
    """pytest_collection_modifyitems of a conftest: all tests below `folder`, or those that need this fixture."""

    @pytest.hookimpl(tryfirst=True)
    def marks(items: list[pytest.Item]) -> None:
        for item in items:
            if item.path.is_relative_to(folder) and (
                not needing or needing in getattr(item, "fixturenames", ())
            ):
                item.add_marker(pytest.mark.xdist_group(group))

    return marks


def running_platform(group: str) -> tuple[Any, Any]:
    """The fixtures `cluster` and `platform`: one hour of history, and no traffic, so that only the test acts."""

    @pytest.fixture(scope="session")
    def cluster(quick_folder: Path) -> Iterator[EmbeddedPostgres]:
        server = EmbeddedPostgres(quick_folder / group)
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

    return cluster, platform
