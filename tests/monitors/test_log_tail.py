"""The tail of the platform's logs: every row once, late ones too, never too many, each log apart."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from console.domain.errors import Fenced, Misuse
from console.domain.log import LogLine
from console.gateway import logs as gateway
from console.gateway.logs import LogQuery, LogRows, level_of
from console.gateway.platform import Platform
from console.monitors.log_tail import Cursor, LogTail
from console.processes.postgres import EmbeddedPostgres
from console.sections import PlatformSettings
from console.store import lease as leases
from console.store import logs
from console.store.pool import Store
from tests.conftest import NewDatabase
from tests.store.stores import Place, prepare

TABLES = """
    CREATE TABLE function_logs (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        function text, level text, message text, user_id uuid, request_id text);
    CREATE TABLE auth_logs (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        level text, message text, user_id uuid, ip_address inet, request_id text);
    CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, symbol text, side text,
        quantity numeric(18, 6), status text, failure_reason text, executed_at timestamptz);
"""
Wait = Callable[..., Any]


@dataclass
class World:
    """A platform's database, a store, and a tail between them."""

    platform: asyncpg.Connection
    settings: PlatformSettings
    place: Place

    @asynccontextmanager
    async def tailing(self, *, most: int = 1000, holder: str = "a1") -> AsyncIterator[Store]:
        queries = [replace(query, most=most) for query in gateway.load()]
        async with self.place.leader(holder) as (store, lease):
            tail = LogTail(Platform.open(self.settings), queries)
            task = asyncio.create_task(tail.run(store, lease))
            try:
                yield store
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await leases.release(store, lease)

    async def log(self, message: str, *, ago_s: float = 0.0, level: str = "info") -> None:
        await self.platform.execute(
            "INSERT INTO function_logs (at, function, level, message) "
            "VALUES (clock_timestamp() - make_interval(secs => $1), 'execute-order', $2, $3)",
            ago_s,
            level,
            message,
        )


@pytest.fixture(scope="module")
def template(postgres: EmbeddedPostgres, session_database: NewDatabase) -> str:
    url = session_database(postgres)
    asyncio.run(prepare(postgres, url))
    return url


@pytest.fixture
async def world(postgres: EmbeddedPostgres, new_database: NewDatabase, template: str) -> AsyncIterator[World]:
    url = new_database(postgres)
    platform = await asyncpg.connect(url, password=postgres.password)
    await platform.execute(TABLES)
    settings = PlatformSettings(database_url=url, database_password=SecretStr(postgres.password))
    yield World(platform, settings, Place(postgres, new_database(postgres, template=template)))
    await platform.close()


async def texts(store: Store, source: str = "functions") -> list[str]:
    return [line.text for line in await logs.recent(store, sources=[source], limit=10_000)]


async def reasons(store: Store) -> dict[str, str]:
    return {source.name: source.reason for source in await logs.sources(store)}


async def test_the_three_shipped_logs_arrive_with_their_fields(world: World, wait_for: Wait) -> None:
    user = "6f1c2a34-0000-4000-8000-000000000001"
    await world.platform.execute(
        """
        INSERT INTO function_logs (function, level, message, user_id, request_id)
            VALUES ('execute-order', 'warning', 'venue timeout', $1, 'r1')
        """,
        user,
    )
    await world.platform.execute(
        """
        INSERT INTO auth_logs (level, message, user_id, ip_address) VALUES ('error', 'sign-in failed', $1, '10.0.0.7')
        """,
        user,
    )
    await world.platform.execute(
        """
        INSERT INTO orders (user_id, symbol, side, quantity, status, failure_reason, executed_at)
            VALUES ($1, 'AAPL', 'buy', 2.50, 'failed', 'venue timeout', clock_timestamp()),
                   ($1, 'MSFT', 'buy', 1, 'executed', NULL, clock_timestamp())
        """,
        user,
    )
    async with world.tailing() as store:
        await wait_for(lambda: logs.recent(store, sources=["orders"]))
        found = {line.source: line for line in await logs.recent(store)}
        await wait_for(lambda: logs.sources(store))
        titles = {source.name: (source.title, source.reason) for source in await logs.sources(store)}
    assert len(found) == 3
    function, auth, order = (found[name] for name in ("functions", "auth", "orders"))
    assert (function.level, function.origin, function.text) == ("warning", "execute-order", "venue timeout")
    assert (function.user, function.request) == (user, "r1")
    assert (auth.level, auth.origin, auth.text, auth.request) == ("error", "10.0.0.7", "sign-in failed", "")
    assert (order.level, order.origin) == ("error", "AAPL")
    assert order.text == "order failed: venue timeout, buy 2.5 AAPL"
    assert titles == {
        "functions": ("edge functions", ""),
        "auth": ("sign-in", ""),
        "orders": ("order errors", ""),
    }


async def test_rows_that_come_late_are_taken_and_none_twice(world: World, wait_for: Wait) -> None:
    await world.log("first")
    async with world.tailing() as store:
        await wait_for(lambda: texts(store))
        # As if it had been written before the first one and committed only now.
        await world.log("late", ago_s=2)
        await world.log("second")
        await wait_for(lambda: _holds(store, "late", "second"))
        await world.log("third")
        await wait_for(lambda: _holds(store, "third"))
        assert sorted(await texts(store)) == ["first", "late", "second", "third"]
    # The next leader begins where the store's lines end.
    await world.log("while nobody led")
    async with world.tailing(holder="a2") as store:
        await wait_for(lambda: _holds(store, "while nobody led"))
        assert sorted(await texts(store)) == ["first", "late", "second", "third", "while nobody led"]


async def _holds(store: Store, *wanted: str) -> bool:
    return set(wanted) <= set(await texts(store))


async def test_of_too_many_the_newest_are_taken_and_one_line_counts_the_others(
    world: World, wait_for: Wait
) -> None:
    await world.log("begin")
    async with world.tailing(most=100) as store:
        await wait_for(lambda: texts(store))
        await world.platform.execute(
            """
            INSERT INTO function_logs (at, function, level, message)
            SELECT clock_timestamp() - make_interval(secs => (1304 - i) / 10000.0), 'f', 'info', 'n' || i
            FROM generate_series(1, 1304) AS i
            """
        )
        await wait_for(lambda: _holds(store, "n1304"))
        await world.log("end")
        await wait_for(lambda: _holds(store, "end"))
        found = await logs.recent(store, sources=["functions"])
    assert [line.text for line in found] == [
        "begin",
        "1,204 lines left out",
        *(f"n{i}" for i in range(1205, 1305)),
        "end",
    ]
    assert (found[1].origin, found[1].level) == ("tradex", "warning")


async def test_a_log_that_is_missing_or_fails_disturbs_no_other(
    world: World, wait_for: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "tradex.logs")
    await world.platform.execute("DROP TABLE auth_logs; ALTER TABLE orders RENAME executed_at TO done_at")
    await world.log("works")
    async with world.tailing() as store:
        await wait_for(lambda: _holds(store, "works"))
        found = await wait_for(lambda: reasons(store))
        assert found["functions"] == ""
        assert found["auth"] == "no source: the database has no auth_logs"
        assert found["orders"].startswith("no source: ")
        await world.platform.execute(
            """
            CREATE TABLE auth_logs (id bigserial, at timestamptz DEFAULT clock_timestamp(), level text, message text,
                user_id uuid, ip_address inet, request_id text);
            INSERT INTO auth_logs (level, message) VALUES ('info', 'there again')
            """
        )
        assert await wait_for(lambda: texts(store, "auth")) == ["there again"]
        await wait_for(lambda: _has_reason(store, "auth", ""))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "each reason is told once"


async def _has_reason(store: Store, name: str, reason: str) -> bool:
    return (await reasons(store)).get(name) == reason


async def test_a_log_that_hangs_keeps_no_other_waiting(world: World, wait_for: Wait) -> None:
    async with world.platform.transaction():
        await world.platform.execute("LOCK TABLE auth_logs IN ACCESS EXCLUSIVE MODE")
        await world.log("first")
        async with world.tailing() as store:
            # Both connections see each other's commits only; the lines come through another one.
            other = await asyncpg.connect(world.settings.database_url, password=world.place.server.password)
            try:
                for text in ("one", "two"):
                    await other.execute(
                        "INSERT INTO function_logs (function, level, message) VALUES ('f', 'info', $1)", text
                    )
                    await wait_for(lambda text=text: _holds(store, text))
            finally:
                await other.close()
            await wait_for(lambda: _has_reason(store, "auth", "timed out after 3 s"))


async def test_lines_wait_for_a_store_that_is_away(
    world: World, wait_for: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    await world.log("before")
    async with world.tailing() as store:
        await wait_for(lambda: _holds(store, "before"))
        blocker = await asyncpg.connect(
            world.place.url, user="postgres", password=world.place.server.password
        )
        try:
            async with blocker.transaction():
                await blocker.execute("LOCK TABLE console.log_line IN SHARE MODE")
                await world.log("meanwhile")
                await wait_for(lambda: "log lines wait" in caplog.text)
        finally:
            await blocker.close()
        await wait_for(lambda: _holds(store, "meanwhile"))
        assert await texts(store) == ["before", "meanwhile"]


async def test_hostile_rows_arrive_printable_and_stop_nothing(world: World, wait_for: Wait) -> None:
    await world.platform.execute(
        r"""
        INSERT INTO function_logs (at, function, level, message, request_id) VALUES
            ('infinity', E'\x1b[31m', NULL, E'[@click=app.quit]x[/] \x1b]52;c;x\x07', E'\u202e'),
            (clock_timestamp(), NULL, E'\x1b', NULL, repeat('x', 5000))
        """
    )
    async with world.tailing() as store:
        await wait_for(lambda: logs.recent(store))
        await world.log("after")
        await wait_for(lambda: _holds(store, "after"))
        found = await logs.recent(store)
    assert len(found) == 3
    late = next(line for line in found if line.at.year > 9000)
    assert (late.origin, late.text, late.request) == ("␛[31m", "[@click=app.quit]x[/] ␛]52;c;x␇", "�")
    empty = next(line for line in found if not line.text)
    assert (empty.level, empty.origin, len(empty.request)) == ("info", "", 100)


async def test_without_a_database_every_log_says_so(world: World, wait_for: Wait) -> None:
    world.settings = PlatformSettings()
    async with world.tailing() as store:
        found = await wait_for(lambda: reasons(store))
    assert set(found.values()) == {"no source: platform.database_url is not set"}


async def test_it_ends_when_the_lease_has_passed_on(world: World) -> None:
    async with world.place.leader() as (store, lease):
        tail = LogTail(Platform.open(world.settings), gateway.load())
        await leases.release(store, lease)
        with pytest.raises(Fenced):
            async with asyncio.timeout(10):
                await tail.run(store, lease)


class TestCursor:
    """Where reading begins, without any database."""

    NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

    def rows(self, seconds: Iterable[float], now: float = 100.0) -> LogRows:
        moments = sorted(seconds, reverse=True)
        new = tuple((f"k{s}", LogLine(0, self.at(s), "x", "info", "", "")) for s in moments)
        return LogRows(self.at(now), len(new), new)

    def at(self, seconds: float) -> datetime:
        return self.NOON + timedelta(seconds=seconds)

    def cursor(self, **more: Any) -> Cursor:
        return Cursor(LogQuery("x", "X", "", **{"most": 10, **more}), self.NOON)

    def test_the_tail_and_the_whole_overlap_are_read_again(self) -> None:
        cursor = self.cursor()
        cursor.take(self.rows([50]))
        assert cursor.since(whole=False) == self.at(47)
        assert cursor.since(whole=True) == self.at(20)

    def test_a_row_from_the_future_does_not_move_it_there(self) -> None:
        cursor = self.cursor()
        cursor.take(self.rows([1e6, 50], now=60))
        assert cursor.since(whole=False) == self.at(57)

    def test_what_was_left_out_does_not_come_back_as_late(self) -> None:
        cursor = self.cursor()
        entries, cut = cursor.take(self.rows([i / 10 for i in range(50)]))
        assert [line.at for _, line in entries] == [self.at(i / 10) for i in range(40, 50)]
        assert cut == self.at(4.0)
        assert cursor.since(whole=False) == cursor.since(whole=True) == self.at(4.0)

    def test_no_more_than_5000_rows_are_read_again(self) -> None:
        cursor = self.cursor(most=10_000)
        cursor.take(self.rows([i / 1000 for i in range(9000)]))
        since = cursor.since(whole=True)
        assert cursor.known(since) == 4999
        assert cursor.known(self.at(-1)) == 9000

    def test_keys_are_forgotten_with_the_overlap(self) -> None:
        cursor = self.cursor()
        cursor.take(self.rows([1, 2, 3]))
        cursor.take(self.rows([90]))
        cursor.since(whole=True)
        assert list(cursor.taken) == ["k90"]


class TestFile:
    """logs.yaml and an installation's own."""

    def own(self, tmp_path: Path, text: str) -> tuple[LogQuery, ...]:
        file = tmp_path / "own.yaml"
        file.write_text(text)
        return gateway.load(file)

    def test_an_entry_changes_only_what_it_gives(self, tmp_path: Path) -> None:
        shipped = {query.name: query for query in gateway.load()}
        found = self.own(
            tmp_path,
            """
logs:
  functions: {most: 50, timeout: 5s}
  auth: {source: {none: the provider keeps them}}
  edge:
    title: edge
    overlap: 2m
    source: {sql: "SELECT 1 WHERE $1 < now() LIMIT $2"}
""",
        )
        named = {query.name: query for query in found}
        assert named["functions"] == replace(shipped["functions"], most=50, timeout_s=5.0)
        assert named["auth"].absent == "no source: the provider keeps them"
        assert named["orders"] == shipped["orders"]
        assert (named["edge"].title, named["edge"].overlap_s) == ("edge", 120.0)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("logs: {functions: {mots: 5}}", "own.yaml:1: no such key of a log: mots; did you mean most?"),
            (
                "logs: {functions: {most: 0}}",
                "own.yaml:1: most: expected a whole number from 1 to 10000, not 0",
            ),
            ("log: {}", "no such section: log; did you mean logs?"),
            ("logs: {Bad name: {}}", "expected a name of a-z"),
            ("logs: {x: {title: X}}", "source: expected a mapping"),
            ("logs: {x: 5}", "x: expected a mapping, not 5"),
            ("logs:\n  x:\n    source: {sql: SELECT $1}", r"own.yaml:3: sql: .*\$2 missing"),
            ("logs: {x: {source: {sql: a, none: b}}}", "exactly one of sql, none"),
            ("logs: {x: {timeout: 1h, source: {sql: '$1 $2'}}}", "timeout: expected at most 25s"),
        ],
    )
    def test_a_slip_is_told_with_its_place(self, tmp_path: Path, text: str, said: str) -> None:
        with pytest.raises(Misuse, match=said):
            self.own(tmp_path, text)

    @pytest.mark.parametrize(
        ("word", "level"),
        [
            ("WARN", "warning"),
            ("Fatal", "error"),
            ("notice", "info"),
            (None, "info"),
            (40, "info"),
            ("debug", "debug"),
        ],
    )
    def test_other_loggers_words(self, word: object, level: str) -> None:
        assert level_of(word) == level
