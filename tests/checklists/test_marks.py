"""What people say of the items of a checklist, several of them at once: nothing is lost, nothing is there twice."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import asyncpg
import pytest

from console.domain.book import Done, Step
from console.domain.errors import Refused
from console.store import checklists
from console.store.pool import Store
from tests.checklists.lists import at, daily, published, rounds
from tests.store.stores import Place

_ITEMS = 20


async def opened(place: Place, *names: str) -> int:
    """A list of many items, open since long and due far in the future; the number of its run."""
    async with place.leader() as (store, lease):
        many = tuple(Step(f"Item {i}") for i in range(1, _ITEMS + 1))
        await published(store, lease, daily(items=many))
        await rounds().round(store, lease, at("2096-03-10 06:00"))
        (found,) = await checklists.opened(store)
        return found.id


async def history(place: Place, run: int) -> list[asyncpg.Record]:
    return await place.owner(
        "SELECT place, state, author, note FROM console.checklist_mark_change WHERE run_id = $1 ORDER BY id",
        run,
    )


async def test_five_hundred_ticks_at_once_of_two_consoles_lose_and_double_nothing(place: Place) -> None:
    run = await opened(place)
    dice = random.Random(5)
    said: Counter[str] = Counter()

    async def say(who: str, store: Store, item: int, state: Done | None) -> None:
        try:
            await checklists.mark(store, run, item, state, note=f"{who} {item}" if state else "")
            said[f"{who} was heard"] += 1
        except Refused as error:
            assert "it already, " in str(error) or "ago: untick it first" in str(error)
            said[f"{who} was refused"] += 1

    async with place.open("alice") as alice, place.open("bob") as bob:
        people = {"alice": alice, "bob": bob}
        choices = (Done.DONE, Done.DONE, Done.SKIPPED, None)
        await asyncio.gather(
            *(
                say(who, people[who], dice.randint(1, _ITEMS), dice.choice(choices))
                for who in ("alice", "bob") * 250
            )
        )
        assert said.total() == 500
        # The history, played from its beginning, is what both consoles show.
        now: dict[int, tuple[str, str]] = {}
        for each in await history(place, run):
            before = now.get(each["place"])
            if each["state"] is None:
                assert before is not None, "what was not said is not taken back"
                del now[each["place"]]
            else:
                assert before in (None, (each["author"], each["state"])), "nobody speaks over what was said"
                now[each["place"]] = (each["author"], each["state"])
        shown = await asyncio.gather(*(checklists.one(store, run) for store in people.values()))
        for seen in shown:
            assert seen is not None
            marks = {item.place: item.mark for item in seen.items if item.mark}
            assert {p: (m.by, str(m.state)) for p, m in marks.items()} == now
            assert (seen.ended_at is not None) == (len(now) == _ITEMS)
        # All of them, by both at once: each item has one author, and the run ends once.
        await asyncio.gather(
            *(
                say(who, store, item, Done.DONE)
                for item in range(1, _ITEMS + 1)
                for who, store in people.items()
            )
        )
        whole = await checklists.one(alice, run)
        assert whole is not None and whole.done == _ITEMS and whole.ended_at is not None
        ends = await place.owner("SELECT text FROM console.event WHERE kind = 'checklist' ORDER BY id DESC")
        assert ends[0]["text"].startswith("Morning health (due 10 Mar 09:00) is done: 20 of 20 items")
        # Who takes the last one back opens it again; who ticks it, ends it.
        await checklists.mark(bob, run, 7, None)
        again = await checklists.one(alice, run)
        assert again is not None and again.ended_at is None and again.done == _ITEMS - 1
        await checklists.mark(alice, run, 7, Done.DONE)
        texts = [
            r["text"] for r in await place.owner("SELECT text FROM console.event ORDER BY id DESC LIMIT 2")
        ]
        assert texts[1] == "bob opened Morning health (due 10 Mar 09:00) again: item 7 is not done"
        assert texts[0].startswith("Morning health (due 10 Mar 09:00) is done: 20 of 20")
        who = dict(await checklists.ticked_by(bob, since=at("2026-01-01 00:00")))
        assert sum(who.values()) == _ITEMS


async def test_what_is_refused_and_what_may_be_said_again(place: Place) -> None:
    run = await opened(place)
    async with AsyncExitStack() as stack:
        alice, bob, vera = [await stack.enter_async_context(place.open(n)) for n in ("alice", "bob", "vera")]
        await checklists.mark(alice, run, 1, Done.DONE, note=" fine \n since noon\x1b[2J ")
        refusals = [
            (bob, 1, Done.DONE, "", r"^alice ticked it already, \d+ s ago$"),
            (bob, 1, Done.SKIPPED, "no", r"^alice ticked it \d+ s ago: untick it first$"),
            (alice, 1, Done.SKIPPED, "oops", r"^alice ticked it \d+ s ago: untick it first$"),
            (bob, 2, Done.SKIPPED, "  ", r"to skip an item takes a note: why"),
            (bob, 21, Done.DONE, "", r"has 20 items: there is no item 21"),
            (bob, 0, Done.DONE, "", r"there is no item 0"),
            (vera, 2, Done.DONE, "", r"vera may not tick checklists: that is for responders and commanders"),
        ]
        for store, item, state, note, words in refusals:
            with pytest.raises(Refused, match=words):
                await checklists.mark(store, run, item, state, note=note)
        for number in (0, 99, 2**70):
            with pytest.raises(Refused, match="there is no run"):
                await checklists.mark(bob, number, 1, Done.DONE)
        # Sent twice, as after a lost connection; with another note; as skipped once that was taken back.
        await checklists.mark(alice, run, 1, Done.DONE)
        await checklists.mark(alice, run, 1, Done.DONE, note="fine since ten")
        await checklists.mark(alice, run, 1, None)
        await checklists.mark(alice, run, 1, Done.SKIPPED, note="can't be seen")
        for store in (alice, bob):
            with pytest.raises(Refused, match=r"^alice skipped it . s ago: untick it first$"):
                await checklists.mark(store, run, 1, Done.DONE)
        await checklists.mark(bob, run, 1, None)
        await checklists.mark(bob, run, 1, None)
        found = await history(place, run)
        assert [(r["author"], r["state"], r["note"]) for r in found] == [
            ("alice", "done", "fine\n since noon␛[2J"),
            ("alice", "done", "fine since ten"),
            ("alice", None, ""),
            ("alice", "skipped", "can't be seen"),
            ("bob", None, ""),
        ]
        with pytest.raises(Refused, match="read-only"):
            async with place.open("alice", read_only=True) as looking:
                await checklists.mark(looking, run, 1, Done.DONE)
    async with place.raw("vera") as patched:
        for sql in (
            f"SELECT console.mark_item({run}, 1, 'done', '')",
            "SELECT console.start_checklist('morning')",
            "UPDATE console.checklist_run SET ended_at = now()",
            "INSERT INTO console.checklist_mark VALUES (1, 1, 'done', 'bob', now(), '', false)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await patched.execute(sql)
    with pytest.raises(asyncpg.PostgresError, match="append"):
        await place.owner("DELETE FROM console.checklist_mark_change")


async def test_a_tick_is_told_to_the_others_and_what_changes_nothing_tells_nobody(place: Place) -> None:
    run = await opened(place)
    async with place.open("alice") as alice, place.open("vera") as vera:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listening = asyncio.create_task(vera.listen(heard.put_nowait))
        try:
            async with asyncio.timeout(20):
                assert await heard.get() == "listening"
                await checklists.mark(alice, run, 1, Done.DONE)
                assert await heard.get() == "duty"
                await checklists.mark(alice, run, 1, Done.DONE)
                async with place.raw("vera") as other:
                    await other.execute("NOTIFY tradex, 'marker'")
                assert await heard.get() == "marker"
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
