"""Fixtures for everybody: real PostgreSQL servers, fresh databases on them, and waiting for conditions.

Nothing starts before a test asks for it. Each xdist worker has servers of its own, one per installation used.
"""

import asyncio
import gc
import inspect
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import psutil
import pytest

from console.processes.installations import installations
from console.processes.postgres import EmbeddedPostgres

_TICK_S = 0.01
_RAM = Path("/dev/shm")
_RAM_NEEDED = 6_000_000_000
# Groups that wait more than they work, the longest first.
_LONG = ("alerts", "demo", "actions", "sandbox", "checks")


class NewDatabase(Protocol):
    """`new_database(server)` makes an empty database and returns its URL (user postgres, whose password is
    `server.password`); `template` names one to copy, by name or by URL, to which nobody may be connected."""

    def __call__(self, server: EmbeddedPostgres, *, template: str | None = None) -> str: ...


@cache
def _installed() -> dict[str, Path]:
    return installations()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long on one worker begins at once, or the others wait for it at the end: the long groups first, then
    the other groups, then what any worker can take."""

    def rank(item: pytest.Item) -> int:
        group = next((mark.args[0] for mark in item.iter_markers("xdist_group")), None)
        return _LONG.index(group) if group in _LONG else len(_LONG) + (group is None)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through it for garbage again and again took an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres_any" in metafunc.fixturenames:
        metafunc.parametrize(
            "postgres_any", sorted(_installed(), reverse=True), indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for servers that outlive a test: in memory where there is plenty, since copying a database there
    takes a fraction of the time."""
    if (
        not _RAM.is_dir()
        or min(shutil.disk_usage(_RAM).free, psutil.virtual_memory().available) < _RAM_NEEDED
    ):
        yield tmp_path_factory.mktemp("servers")
        return
    # A run that was killed could not clear up its memory.
    for left in _RAM.glob("tradex-tests-*"):
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        dir=_RAM, prefix=f"tradex-tests-{os.getpid()}-", ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def _servers(quick_folder: Path) -> Iterator[Callable[[str], EmbeddedPostgres]]:
    running: dict[str, EmbeddedPostgres] = {}

    def server(major: str) -> EmbeddedPostgres:
        if major not in running:
            made = EmbeddedPostgres(quick_folder / f"postgres{major}", bin_dir=_installed()[major])
            made.start()
            running[major] = made
            # What a test writes need not survive a power cut.
            run_now(made, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        return running[major]

    yield server
    for made in running.values():
        made.stop()


@pytest.fixture(scope="session")
def postgres(_servers: Callable[[str], EmbeddedPostgres]) -> EmbeddedPostgres:
    """A running server of the embedded version. Don't stop it: others use it."""
    return _servers(max(_installed(), key=int))


@pytest.fixture(scope="session")
def postgres_any(
    request: pytest.FixtureRequest, _servers: Callable[[str], EmbeddedPostgres]
) -> EmbeddedPostgres:
    """A running server; the test runs once for each version that `installations()` finds."""
    return _servers(request.param)


@pytest.fixture
def new_database() -> Iterator[NewDatabase]:
    """Makes databases that are dropped after the test, whoever is still connected."""
    yield from _factory(drop=True)


@pytest.fixture(scope="session")
def session_database() -> Iterator[NewDatabase]:
    """Makes databases that stay until the server ends: templates, and what is dear to set up."""
    yield from _factory(drop=False)


@pytest.fixture
def database(postgres: EmbeddedPostgres, new_database: NewDatabase) -> str:
    """The URL of a fresh, empty database on the embedded version."""
    return new_database(postgres)


@pytest.fixture
def wait_for() -> Callable[..., Awaitable[Any]]:
    """`await wait_for(condition, timeout=10)`: the first true value of a function, async or not."""

    async def wait(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            if time.monotonic() > deadline:
                pytest.fail(f"not true within {timeout} s: {_source(condition)}")
            await asyncio.sleep(_TICK_S)

    return wait


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, timeout=10)`: the same for tests that are not async."""

    def wait(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"not true within {timeout} s: {_source(condition)}")
            time.sleep(_TICK_S)
        return value

    return wait


_made = 0


def _factory(*, drop: bool) -> Iterator[NewDatabase]:
    made: list[tuple[EmbeddedPostgres, str]] = []

    def create(server: EmbeddedPostgres, *, template: str | None = None) -> str:
        global _made
        _made += 1
        name = f"test_{_made}"
        source = template.rpartition("/")[2] if template and "://" in template else template
        # A file copy beats copying through the WAL as soon as the template is of any size.
        copied = f' TEMPLATE "{source}" STRATEGY file_copy' if source else ""
        run_now(server, f'CREATE DATABASE "{name}"{copied}')
        made.append((server, name))
        return server.url(name)

    yield create
    if drop:
        for server, name in made:
            if server.running():
                run_now(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run_now(server: EmbeddedPostgres, *statements: str) -> None:
    """Run statements as superuser, also inside a running event loop."""

    async def run() -> None:
        connection = await asyncpg.connect(server.url("postgres"), password=server.password)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    _in_thread(run())


def _in_thread(work: Coroutine[Any, Any, None]) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _source(condition: Callable[[], Any]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
