"""The store away, back, refusing, hanging, full: in words, and mended by the next call."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.domain.errors import StoreAway, StoreRefused
from console.domain.health import Status
from console.processes.postgres import EmbeddedPostgres
from console.store import lease as leases
from console.store import ticks, timeline
from console.store.faults import place as place_of
from console.store.pool import Store
from tests.store.stores import NOON, Place, check, password_of, prepare, spec, write

WaitFor = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that the tests here may stop and freeze."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("a server of its own"))
    server.start()
    place = Place(server, server.url("postgres"))
    asyncio.run(prepare(server, place.url))
    yield place
    server.stop()


@contextlib.asynccontextmanager
async def listening(store: Store) -> AsyncIterator[list[str]]:
    """What `listen` calls back with; it listens once the first notice came."""
    heard: list[str] = []
    task = asyncio.create_task(store.listen(heard.append))
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until_heard(store: Store, heard: list[str], wait_for: WaitFor) -> None:
    async def notice() -> bool:
        await store.execute("SELECT pg_notify('tradex', 'ready')")
        return "ready" in heard

    await wait_for(notice)


async def test_every_change_is_told_and_a_renewal_is_not(place: Place, wait_for: WaitFor) -> None:
    async with place.leader() as (store, lease), place.open("vera") as watcher, listening(watcher) as heard:
        await _until_heard(store, heard, wait_for)

        def told() -> list[str]:
            return [payload for payload in heard if payload not in ("listening", "ready")]

        await leases.renew(store, lease, 300)
        await leases.heartbeat(store, "a2", "1")
        await wait_for(lambda: told() == ["lease"])
        await leases.heartbeat(store, "a2", "1")
        await write(store, lease, [spec("a")], [(NOON, [1])])
        await wait_for(lambda: told()[1:] == ["tick"])
        up, down = (check("database", status, NOON) for status in (Status.OK, Status.DOWN))
        await write(store, lease, [spec("a")], [(NOON, [1])], [up])
        await wait_for(lambda: told()[2:] == ["tick", "health"])
        await write(store, lease, [spec("a")], [(NOON, [1])], [down])
        await wait_for(lambda: told()[4:] == ["tick", "event", "health"])
        await leases.release(store, lease)
        await wait_for(lambda: set(told()[-2:]) == {"lease", "event"})


async def test_a_payload_from_anybody_is_made_printable(place: Place, wait_for: WaitFor) -> None:
    async with place.open("vera") as store, listening(store) as heard:
        await _until_heard(store, heard, wait_for)
        async with place.raw("vera") as connection:
            await connection.execute("SELECT pg_notify('tradex', $1)", "\x1b]52" + "x" * 3000)
        await wait_for(lambda: any(h.startswith("␛]52xx") and len(h) <= 40 for h in heard))


async def test_connections_that_were_ended_are_replaced_unseen(place: Place) -> None:
    async with place.open("auto") as store:
        for _ in range(3):
            await asyncio.gather(*(store.now() for _ in range(8)))
            await place.owner(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = 'auto' AND datname = current_database()"
            )
            await asyncio.gather(*(store.now() for _ in range(8)))
        lease = await leases.acquire(store, "a1", 60)
        assert lease is not None


async def test_a_restart_of_the_server_is_over_with_the_next_call(
    own_server: Place, wait_for: WaitFor
) -> None:
    async with own_server.open("vera") as store, listening(store) as heard:
        async with own_server.open("bob") as bob:
            await _until_heard(bob, heard, wait_for)
        await asyncio.gather(*(store.now() for _ in range(4)))
        await asyncio.to_thread(own_server.server.stop)
        with pytest.raises(StoreAway, match=rf"127.0.0.1:{own_server.server.port}/postgres does not answer"):
            await store.now()
        with pytest.raises(StoreAway, match="connection refused"):
            await Store.open(own_server.url_of("vera"), password=password_of("vera"))
        await asyncio.to_thread(own_server.server.start)
        assert await store.now()
        assert (await store.link()).away is None
        await wait_for(lambda: "reconnected" in heard)


async def test_a_server_that_hangs_is_away_within_its_time_and_back_after(own_server: Place) -> None:
    def backends() -> list[psutil.Process]:
        top = next(
            p
            for p in psutil.Process().children(recursive=True)
            if p.name().startswith("postgres") and str(own_server.server.data) in " ".join(p.cmdline())
        )
        return [top, *top.children(recursive=True)]

    async with own_server.open("vera", size=1, command_timeout_s=0.3) as store:
        frozen = backends()
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(2):  # one on the connection that hangs, one on a new one
                with pytest.raises(StoreAway, match="no answer in time"):
                    await asyncio.wait_for(store.now(), 15)
        finally:
            for process in frozen:
                process.send_signal(signal.SIGCONT)
        assert await store.now()


async def test_a_statement_that_takes_too_long_is_ended(place: Place) -> None:
    async with place.open("vera", command_timeout_s=0.3) as store:
        with pytest.raises(StoreAway, match=r"no answer in time|did not finish in time"):
            await store.fetch("SELECT pg_sleep(60)")
        assert await store.now()


async def test_a_call_that_is_cancelled_gives_its_connection_back(place: Place) -> None:
    async with place.open("vera", size=1) as store:
        for _ in range(3):
            task = asyncio.create_task(store.fetch("SELECT pg_sleep(60)"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await asyncio.wait_for(store.now(), 10)


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        (
            "postgresql://vera@127.0.0.1:1/console",
            StoreAway,
            "127.0.0.1:1/console does not answer: connection refused",
        ),
        ("postgresql://vera@no-such-host.invalid/console", StoreAway, "no-such-host.invalid:5432/console"),
        ("postgresql://vera@[::1", StoreRefused, "can't be used"),
        ("postgresql://vera@127.0.0.1:none/x", StoreRefused, "can't be used"),
        ("postgresql://vera@/console?host=/nowhere", StoreAway, "No such file or directory"),
    ],
)
async def test_a_wrong_address_is_told_in_words(url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        await Store.open(url, password="never shown")
    assert words in str(caught.value)
    assert "never shown" not in str(caught.value)


async def test_a_wrong_password_person_or_database_is_refused(place: Place) -> None:
    for url, password, words in (
        (place.url_of("vera"), "wrong", "wrong password"),
        (place.url_of("nobody"), "wrong", "wrong password"),
        (place.url_of("vera").rpartition("/")[0] + "/nowhere", password_of("vera"), "no such database"),
    ):
        with pytest.raises(StoreRefused, match=words):
            await Store.open(url, password=password)


async def test_a_port_where_something_else_answers_is_away() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b]52;c;x\x07")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(StoreAway) as caught:
            await Store.open(f"postgresql://vera@127.0.0.1:{port}/x", password="x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("53100", StoreAway, "the disk of the store is full"),
        ("53200", StoreAway, "out of memory"),
        ("57P03", StoreAway, "starting up or shutting down"),
        ("40P01", StoreAway, "busy"),
        ("XX001", StoreAway, "raised"),
        ("42501", StoreRefused, "raised"),
        ("P0001", StoreRefused, "raised"),
    ],
)
async def test_what_the_server_raises_is_told_in_words(
    place: Place, state: str, error: type[Exception], words: str
) -> None:
    async with place.open("vera") as store:
        with pytest.raises(error, match=words) as caught:
            await store.execute(f"DO $$ BEGIN RAISE 'raised \x1b' USING ERRCODE = '{state}'; END $$")
        assert "\x1b" not in str(caught.value)
        assert await store.now()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=False)


@pytest.fixture
def on_tiny_disk(tmp_path: Path, tiny_disk: Path) -> Iterator[Place]:
    """A store whose tables lie on that disk. The server starts after it was mounted, or it would not see it."""
    server = EmbeddedPostgres(tmp_path / "server")
    server.start()
    try:
        space = tiny_disk / "space"
        space.mkdir()
        owner = server.data.stat()
        os.chown(space, owner.st_uid, owner.st_gid)
        everywhere = Place(server, server.url("postgres"))
        asyncio.run(
            _run(
                everywhere,
                f"CREATE TABLESPACE tiny LOCATION '{space}'",
                "CREATE DATABASE filled TABLESPACE tiny",
            )
        )
        place = Place(server, server.url("filled"))
        asyncio.run(prepare(server, place.url))
        yield place
    finally:
        server.stop()


async def _run(place: Place, *statements: str) -> None:
    for statement in statements:
        await place.owner(statement)


async def test_a_full_disk_is_told_and_over_when_there_is_room_again(
    on_tiny_disk: Place, tiny_disk: Path
) -> None:
    filler = tiny_disk / "filler"
    catalogue = [spec("a"), spec("b", "state")]
    async with on_tiny_disk.leader() as (store, lease):
        await write(store, lease, catalogue, [(NOON, [1, "up"])])
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        with pytest.raises(StoreAway, match="the disk of the store is full"):
            for i in range(1, 3000):
                await write(store, lease, catalogue, [(NOON.replace(microsecond=i), [i, "x" * 400])])
        assert (await ticks.latest(store)).at is not None
        assert await timeline.recent(store)
        filler.unlink()
        at = NOON.replace(minute=1)
        await write(store, lease, catalogue, [(at, [1, "up"])])
        assert (await ticks.latest(store)).at == at


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me@db.example/console", "db.example:5432/console"),
        ("postgresql://me:secret@db:6432/console?sslmode=require", "db:6432/console"),
        ("postgres://a:1,b:2/console", "a:1,b:2/console"),
        ("postgresql:///console?host=/var/run/postgresql", "/var/run/postgresql/console"),
        ("postgresql:///console", "local socket/console"),
        ("me:secret@db", "db"),
    ],
)
def test_a_place_has_no_password(url: str, expected: str) -> None:
    assert place_of(url) == expected
