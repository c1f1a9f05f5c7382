"""The database door against a real server, a silent one, and none."""

import asyncio

import asyncpg
import pytest

from console.domain.errors import SourceFailed
from console.gateway.database import APPLICATION, Database
from console.gateway.reasons import NoSource
from console.processes.postgres import EmbeddedPostgres
from tests.gateway import servers


@pytest.fixture
async def admin(postgres: EmbeddedPostgres, database: str):
    connection = await asyncpg.connect(database, password=postgres.password)
    yield connection
    await connection.close()


@pytest.fixture
async def door(postgres: EmbeddedPostgres, database: str):
    door = Database(database, postgres.password, size=2)
    yield door
    await door.close()


async def reason(door: Database, sql: str, *args: object, timeout_s: float = 5) -> str:
    with pytest.raises(SourceFailed) as caught:
        await door.fetch(sql, *args, timeout_s=timeout_s)
    return str(caught.value)


async def test_rows_and_the_version(door: Database) -> None:
    assert [tuple(r) for r in await door.fetch("SELECT $1::int + 1, 'x'", 1)] == [(2, "x")]
    assert await door.ping() > 0
    assert door.server_version is not None and door.server_version[0].isdigit()


async def test_the_session_is_read_only_and_says_who_it_is(door: Database, admin: asyncpg.Connection) -> None:
    assert "read-only transaction" in await reason(door, "CREATE TABLE t (a int)")
    row = (
        await door.fetch("SELECT current_setting('application_name'), current_setting('statement_timeout')")
    )[0]
    assert tuple(row) == (APPLICATION, "30s")


async def test_a_slow_query_times_out_and_the_next_one_works(door: Database) -> None:
    assert await reason(door, "SELECT pg_sleep(60)", timeout_s=0.2) == "timed out after 0.2 s"
    assert (await door.fetch("SELECT 1"))[0][0] == 1


async def test_a_slow_query_ends_on_the_server(door: Database, admin: asyncpg.Connection, wait_for) -> None:
    await reason(door, "SELECT pg_sleep(60)", timeout_s=0.2)

    async def gone() -> bool:
        return not await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'SELECT pg_sleep%' "
            "AND state = 'active' AND datname = current_database()",
            APPLICATION,
        )

    await wait_for(gone)


async def test_a_waiting_caller_is_not_charged_for_those_before_it(
    postgres: EmbeddedPostgres, database: str
) -> None:
    door = Database(database, postgres.password, size=1)
    slow, quick = await asyncio.gather(
        door.fetch("SELECT pg_sleep(0.5)", timeout_s=5), door.fetch("SELECT 1", timeout_s=0.4)
    )
    assert len(slow) == 1 and quick[0][0] == 1
    await door.close()


async def test_sessions_that_the_server_ended_are_replaced(door: Database, admin: asyncpg.Connection) -> None:
    await asyncio.gather(door.fetch("SELECT 1"), door.fetch("SELECT 1"))
    ended = await admin.fetchval(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1 "
        "AND datname = current_database()",
        APPLICATION,
    )
    assert ended >= 1
    for _ in range(3):
        assert (await door.fetch("SELECT 2"))[0][0] == 2


async def test_what_the_installation_lacks_is_no_source(door: Database) -> None:
    for sql in ("SELECT * FROM nothing_of_the_kind", "SELECT nothing FROM pg_class", "SELECT nothing()"):
        with pytest.raises(NoSource, match=r"no source: .*nothing"):
            await door.fetch(sql)


async def test_other_faults_of_a_statement_have_the_servers_words(door: Database) -> None:
    assert await reason(door, "SELECT 1/0") == "division by zero"
    assert "syntax error" in await reason(door, "SELEC")
    assert "$1" in await reason(door, "SELECT $1::int", "text")
    assert (await door.fetch("SELECT 1"))[0][0] == 1


async def test_a_servers_message_is_printable(door: Database) -> None:
    said = await reason(door, "SELECT ('\x1b]52;c;AA\x07' || chr(10))::int")
    assert "\x1b" not in said and "␛" in said


async def test_a_wrong_password(postgres: EmbeddedPostgres, database: str) -> None:
    said = await reason(Database(database, "wrong"), "SELECT 1")
    assert "password authentication failed" in said


async def test_a_role_that_may_not_log_in(
    postgres: EmbeddedPostgres, database: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("DROP ROLE IF EXISTS gateway_reader; CREATE ROLE gateway_reader LOGIN PASSWORD 'r'")
    door = Database(database.replace("postgres@", "gateway_reader@"), "r")
    await door.fetch("SELECT 1")
    await door.close()
    await admin.execute("ALTER ROLE gateway_reader NOLOGIN")
    assert "not permitted to log in" in await reason(door, "SELECT 1")
    await admin.execute("ALTER ROLE gateway_reader LOGIN")
    await door.fetch("SELECT 1")
    await door.close()
    await admin.execute("DROP ROLE gateway_reader")


async def test_a_silent_server_times_out() -> None:
    async with servers.silent() as port:
        door = Database(f"postgresql://reader@127.0.0.1:{port}/platform", "x")
        assert await reason(door, "SELECT 1", timeout_s=0.2) == "timed out after 0.2 s"
        await door.close()


async def test_a_server_that_speaks_no_postgresql() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        await writer.drain()

    async with servers.tcp(garbage) as port:
        door = Database(f"postgresql://reader@127.0.0.1:{port}/platform?sslmode=disable", "x")
        assert await reason(door, "SELECT 1", timeout_s=1)
        await door.close()


async def test_nobody_there() -> None:
    async with servers.closed() as port:
        door = Database(f"postgresql://reader@127.0.0.1:{port}/platform", "x")
        assert await reason(door, "SELECT 1") == "connection refused"


async def test_not_configured() -> None:
    with pytest.raises(NoSource, match=r"platform\.database_url is not set"):
        await Database(None).fetch("SELECT 1")
