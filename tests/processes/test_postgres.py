"""The embedded PostgreSQL: starts anywhere, and keeps its data whatever is killed."""

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from console.processes import postgres as module
from console.processes.installations import installations
from console.processes.postgres import EmbeddedPostgres

from .conftest import Driver, living
from .servers import AWKWARD, ask, below, remember, remembered, what

Until = Callable[..., Any]
WaitFor = Callable[..., Awaitable[Any]]


async def test_it_starts_keeps_data_and_port_and_ends(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / AWKWARD)
    server.start()
    port = server.port
    family = below(server)
    await remember(server, 1)
    assert server.running()
    server.stop()
    assert not server.running()
    assert not living(family)
    again = EmbeddedPostgres(tmp_path / AWKWARD)
    again.start()
    again.start()
    assert again.port == port
    assert again.password == server.password
    assert await remembered(again) == [1]
    assert again.socket_dir is not None
    again.stop()
    assert not again.socket_dir


@pytest.mark.parametrize("major", sorted(installations()))
async def test_encoding_collation_and_clock_are_fixed(major: str, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, bin_dir=installations()[major])
    server.start()
    try:
        found = await ask(
            server,
            "SELECT current_setting('server_encoding') || ' ' || datcollate || ' ' || current_setting('TimeZone')"
            " || ' ' || current_setting('listen_addresses') FROM pg_database WHERE datname = 'postgres'",
        )
        assert found == "UTF8 C UTC 127.0.0.1"
    finally:
        server.stop()


async def test_everybody_is_asked_for_the_password(server: EmbeddedPostgres) -> None:
    server.start()
    for host in ("127.0.0.1", str(server.socket_dir)):
        login = {"host": host, "port": server.port, "user": "postgres", "database": "postgres"}
        connection = await asyncpg.connect(**login, password=server.password)
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**login, password="wrong")
    assert await ask(
        server, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'"
    )


def test_the_password_is_private(server: EmbeddedPostgres) -> None:
    server.start()
    kept = server.folder / "password"
    assert kept.read_text().strip() == server.password
    for path in (kept, server.log):
        assert path.stat().st_mode & 0o077 == 0
    assert server.data.stat().st_mode & 0o077 == 0
    assert server.password not in server.url("postgres") + server.log.read_text()
    assert not [process for process in below(server) if server.password in " ".join(process.cmdline())]


async def test_killing_any_process_loses_no_committed_row(
    server: EmbeddedPostgres, wait_for: WaitFor
) -> None:
    server.start()
    await remember(server, 0)
    tried: set[str] = set()
    done = [0]
    while True:
        held = await asyncpg.connect(server.url("postgres"), password=server.password)
        everybody = below(server)
        # The last session is the held one; earlier ones may be about to end by themselves.
        family = {what(process): process for process in sorted(everybody, key=lambda process: process.pid)}
        left = sorted(set(family) - tried - {"gone", "tradex: autovacuum worker"})
        if not left:
            await held.close()
            break
        tried.add(left[0])
        family[left[0]].kill()
        # The loss of any process of the server ends all sessions: what is asked from here on is asked afterwards.
        await wait_for(held.is_closed)
        await wait_for(lambda family=everybody: _recovered(server, family), timeout=60)
        assert await remembered(server) == done
        done.append(len(done))
        await remember(server, done[-1])
    assert {"keeper", "inner", "postmaster", "tradex: checkpointer", "tradex: postgres postgres"} <= tried, (
        tried
    )


async def _recovered(server: EmbeddedPostgres, before: set[psutil.Process]) -> bool:
    """Whether the server answers; started anew when it is gone, and then none of its processes may be left."""
    if not server.running():
        if living(before):
            return False
        server.start()
    try:
        return await ask(server, "SELECT true")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def test_stopping_in_the_middle_of_a_recovery_does_not_hang(
    server: EmbeddedPostgres, wait_until: Until
) -> None:
    for _ in range(6):
        server.start()
        family = below(server)
        written = server.log.stat().st_size
        next(process for process in family if what(process) == "tradex: checkpointer").kill()
        wait_until(lambda: b"was interrupted" in server.log.read_bytes()[written:])  # noqa: B023
        server.stop()
        assert not living(family)
        said = server.log.read_bytes()[written:]
        # One request was enough.
        assert said.count(b"shutdown request") == 1, said


async def test_a_killed_parent_leaves_no_process_and_all_data(
    identity: tuple[str, ...], drivers: Callable[..., Driver], tmp_path: Path, wait_until: Until
) -> None:
    folder = tmp_path / AWKWARD
    told: dict[str, Any] = {}
    for number in range(3):
        driver = drivers(*identity)
        told = driver.ask("start", folder=str(folder))
        assert "error" not in told, told
        seen = EmbeddedPostgres(folder)
        seen.port, seen.password = told["port"], told["password"]
        await remember(seen, number)
        assert await remembered(seen) == list(range(number + 1))
        family = driver.family()
        assert len(family) >= 6
        driver.kill()
        # The next start comes at once, while the old server may still be ending.
        if number == 1:
            wait_until(lambda gone=family: not living(gone))
    driver = drivers(*identity)
    assert "error" not in driver.ask("start", folder=str(folder))
    driver.ask("server_stop")
    assert not _exists(told["socket"])


def _exists(path: str) -> bool:
    return Path(path).exists()


def test_a_data_folder_half_made_is_made_again(
    drivers: Callable[..., Driver], tmp_path: Path, wait_until: Until
) -> None:
    folder = tmp_path / "state"
    driver = drivers()
    driver.say("start", folder=str(folder))
    wait_until(lambda: (folder / "data.partial" / "PG_VERSION").exists())
    family = driver.family()
    assert family
    driver.kill()
    wait_until(lambda: not living(family))
    assert not (folder / "data").exists()
    driver = drivers()
    assert "error" not in driver.ask("start", folder=str(folder))
    assert not (folder / "data.partial").exists()
    driver.ask("server_stop")


def test_a_stale_pid_file_with_a_living_pid_in_it_is_no_obstacle(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n1\n5432\n\n\n\nready   \n")
    server.start()


def test_a_second_start_on_the_folder_is_refused(
    server: EmbeddedPostgres, drivers: Callable[..., Driver]
) -> None:
    server.start()
    told = drivers().ask("start", folder=str(server.folder), lock_wait_s=0.1)
    assert told["kind"] == "TradexError"
    assert f"another PostgreSQL already runs on {server.folder}" in told["error"]
    assert server.running()


async def test_a_port_that_was_taken_meanwhile_is_left_alone(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.folder.mkdir()
        (server.folder / "port").write_text(f"{taken.getsockname()[1]}\n")
        free = EmbeddedPostgres._free_port
        asked: list[bool] = []

        def first_the_taken_one(self: EmbeddedPostgres, *, remembered: bool) -> int:
            asked.append(remembered)
            found = free(self, remembered=remembered)
            assert found != taken.getsockname()[1]
            return taken.getsockname()[1] if len(asked) == 1 else found

        monkeypatch.setattr(EmbeddedPostgres, "_free_port", first_the_taken_one)
        server.start()
        assert len(asked) == 2
        assert await ask(server, "SELECT 1") == 1


def test_a_log_that_has_grown_is_put_aside(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    server.stop()
    monkeypatch.setattr(module, "_LOG_LIMIT", 10)
    before = server.log.read_text()
    server.start()
    assert server.log.with_suffix(".log.1").read_text() == before
