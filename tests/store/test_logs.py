"""The tail of the platform's logs: pages, filters, keys, the bound, and which logs are followed."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest

from console.domain.errors import Fenced, Misuse, StoreRefused
from console.domain.log import LogLine, LogSource
from console.store import lease as leases
from console.store import logs
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.stores import NOON, Place


def line(i: int, source: str = "functions", level: str = "info", **more: str) -> LogLine:
    fields = {"origin": "execute-order", "text": f"line {i}", **more}
    return LogLine(0, NOON + timedelta(seconds=i), source, level, **fields)


async def add(store: Store, lease: Lease, lines: Sequence[LogLine]) -> int:
    return await logs.append(store, lease, lines, keys=[f"{x.at:%H%M%S}{x.text[:40]}" for x in lines])


def texts(lines: Sequence[LogLine]) -> list[str]:
    return [line.text for line in lines]


async def test_pages_forwards_and_backwards_are_in_the_order_of_arrival(place: Place) -> None:
    async with place.leader() as (store, lease):
        assert await add(store, lease, [line(2), line(1)]) == 2
        assert await add(store, lease, [line(i) for i in range(3, 8)]) == 5
        everything = await logs.recent(store)
        ids = [found.id for found in everything]
        assert texts(everything) == [f"line {i}" for i in (2, 1, 3, 4, 5, 6, 7)]
        assert ids == sorted(ids)
        assert texts(await logs.recent(store, limit=2)) == ["line 6", "line 7"]
        assert texts(await logs.recent(store, before=ids[5], limit=2)) == ["line 4", "line 5"]
        assert texts(await logs.recent(store, after=ids[1], limit=2)) == ["line 3", "line 4"]
        assert await logs.recent(store, after=ids[-1]) == []


async def test_every_filter(place: Place) -> None:
    lines = [
        line(1, "auth", origin="10.0.0.1", text="sign-in failed", user="u1", request="r1"),
        line(2, "orders", "error", text="order failed: venue TIMEOUT", user="u2", request="r2"),
        line(3, "functions", "warning", text="slow", user="u2", request="r1"),
    ]
    async with place.leader() as (store, lease):
        await add(store, lease, lines)
        for wanted, found in (
            ({"sources": ["auth", "orders"]}, [1, 2]),
            ({"sources": []}, []),
            ({"pattern": "venue timeout|^slow$"}, [2, 3]),
            ({"pattern": r"^10\.0\."}, [1]),
            ({"user": "u2"}, [2, 3]),
            ({"request": "r1"}, [1, 3]),
            ({"start": lines[1].at}, [2, 3]),
            ({"end": lines[1].at}, [1, 2]),
            ({"request": "r1", "user": "u2"}, [3]),
        ):
            kept = await logs.recent(store, **wanted)  # type: ignore[arg-type]
            assert texts(kept) == [lines[i - 1].text for i in found], wanted
        everything = await logs.recent(store)
        assert [(f.at, f.source, f.level, f.origin, f.user, f.request) for f in everything] == [
            (x.at, x.source, x.level, x.origin, x.user, x.request) for x in lines
        ]
        with pytest.raises(Misuse, match="regular expression"):
            await logs.recent(store, pattern="(")


async def test_a_batch_that_is_sent_again_is_there_once(place: Place) -> None:
    async with place.leader() as (store, lease):
        batch = [line(i) for i in range(5)]
        assert await add(store, lease, batch) == 5
        assert await add(store, lease, batch) == 0
        assert await add(store, lease, [*batch, line(9)]) == 1
        assert len(await logs.recent(store)) == 6
        same_key_elsewhere = [line(1, "auth")]
        assert await add(store, lease, same_key_elsewhere) == 1


async def test_what_was_taken_lately_is_known_by_source(place: Place) -> None:
    async with place.leader() as (store, lease):
        assert await logs.taken(store, within=timedelta(seconds=30)) == {}
        batch = [line(0), line(40), line(45), line(1, "auth")]
        await logs.append(store, lease, batch, keys=["a", "b", "c", "a"])
        assert await logs.taken(store, within=timedelta(seconds=30)) == {
            "functions": {"b": batch[1].at, "c": batch[2].at},
            "auth": {"a": batch[3].at},
        }
        assert await logs.taken(store, within=timedelta(seconds=30), most=1) == {"auth": {"a": batch[3].at}}


async def test_no_more_than_100_000_lines_and_30_minutes_are_kept(place: Place) -> None:
    async with place.leader() as (store, lease):
        await add(store, lease, [line(i) for i in range(10)])
        await place.owner(
            "UPDATE console.log_line SET received_at = received_at - interval '31 minutes' WHERE id < 6"
        )
        lines = [line(i) for i in range(2000)]
        for source in ("a", "b"):
            await logs.append(store, lease, [line(0, source)] * 2000, keys=[f"{i}" for i in range(2000)])
        counts = await place.owner("SELECT min(id) AS first, count(*) AS n FROM console.log_line")
        assert tuple(counts[0]) == (6, 4005)
        await place.owner(
            """
            INSERT INTO console.log_line (at, received_at, source, key, level, origin, text, user_id, request_id)
            SELECT now(), now(), 'x', i::text, 'info', '', '', '', '' FROM generate_series(1, 101000) AS i
            """
        )
        await logs.append(store, lease, lines, keys=[f"k{i}" for i in range(2000)])
        counts = await place.owner("SELECT count(*) AS n FROM console.log_line")
        assert counts[0]["n"] == 100_000
        assert texts(await logs.recent(store, limit=1)) == ["line 1999"]


async def test_trimming_costs_what_goes_and_not_what_stays(place: Place) -> None:
    async with place.leader() as (store, lease):
        await place.owner(
            """
            INSERT INTO console.log_line (at, received_at, source, key, level, origin, text, user_id, request_id)
            SELECT now(), now(), 'x', i::text, 'info', '', '', '', '' FROM generate_series(1, 100000) AS i
            """
        )
        plan = await place.owner(
            """
            EXPLAIN DELETE FROM console.log_line WHERE id < greatest(1000, (
                SELECT id FROM console.log_line WHERE received_at >= now() - interval '30 minutes' ORDER BY id LIMIT 1))
            """
        )
        assert "Index" in "\n".join(row[0] for row in plan)
        await add(store, lease, [line(1)])


async def test_one_notice_per_batch_and_none_for_nothing_new(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("vera") as reader:
        heard: list[str] = []
        names = itertools.count()
        listening = asyncio.create_task(reader.listen(heard.append))

        async def sync() -> None:
            """Until a notice that was sent after everything else has come."""
            before = heard.count("lease")
            async with asyncio.timeout(20):
                while heard.count("lease") == before:
                    await leases.heartbeat(store, f"agent {next(names)}", "1")
                    await asyncio.sleep(0.02)

        try:
            await sync()
            await add(store, lease, [line(i) for i in range(500)])
            await sync()
            assert heard.count("log") == 1
            await add(store, lease, [line(i) for i in range(500)])
            await sync()
            assert heard.count("log") == 1
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def test_hostile_text_is_made_visible_on_both_ways(place: Place) -> None:
    nasty = "\x1b]52;c;x\x07 [@click=app.quit]x[/] \u202e \x9b31m \x00" + "y" * 5000
    async with place.leader() as (store, lease):
        given = LogLine(0, NOON, "auth", "info", nasty, nasty, nasty, nasty)
        await logs.append(store, lease, [given], keys=[nasty])
        await place.owner("UPDATE console.log_line SET user_id = E'\\x1b[2J\\x07'")
        found = (await logs.recent(store))[0]
    assert found.text.startswith("␛]52;c;x␇ [@click=app.quit]x[/] � �31m ␀yyy")
    assert len(found.text) == logs.LONGEST and len(found.origin) == len(found.request) == 100
    assert found.user == "␛[2J␇"


async def test_sources_keep_their_order_and_since_when_their_reason_holds(place: Place) -> None:
    async with place.leader() as (store, lease):
        await logs.set_sources(store, lease, [LogSource("z", "Z"), LogSource("a", "A", "no source: x")])
        first = await logs.sources(store)
        assert [(s.name, s.title, s.reason) for s in first] == [("z", "Z", ""), ("a", "A", "no source: x")]
        await logs.set_sources(
            store, lease, [LogSource("a", "A", "no source: x"), LogSource("z", "Z", "timed out")]
        )
        second = await logs.sources(store)
        assert [(s.name, s.reason) for s in second] == [("a", "no source: x"), ("z", "timed out")]
        assert second[0].since == first[1].since and second[1].since != first[0].since
        await logs.set_sources(store, lease, [LogSource("a", "A")])
        assert [s.name for s in await logs.sources(store)] == ["a"]


async def test_a_deposed_leader_and_people_write_nothing(place: Place) -> None:
    async with place.leader() as (store, lease):
        await leases.release(store, lease)
        with pytest.raises(Fenced):
            await add(store, lease, [line(1)])
        with pytest.raises(Fenced):
            await logs.set_sources(store, lease, [])
        async with place.open("bob") as other:
            with pytest.raises(StoreRefused, match="permission denied"):
                await add(other, lease, [line(1)])
        assert await logs.recent(store) == []
