"""What is refused, by whom, and that nothing is lost with it; merging and splitting; presence and hand-overs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from console.domain.book import Done
from console.domain.errors import Refused, StoreRefused
from console.domain.incident import IncidentState, Role
from console.store import handovers, incidents, presences
from console.store.pool import Store
from tests.incidents.rooms import BREACH, ORDERS, fire, leading, look, published, told
from tests.store.stores import Place

Act = Callable[[Store, int, int], Awaitable[object]]
CHANGES: dict[str, Act] = {
    "acknowledge": lambda s, i, b: incidents.acknowledge(s, i),
    "mitigate": lambda s, i, b: incidents.mitigate(s, i),
    "close": lambda s, i, b: incidents.close(s, i, "x"),
    "level": lambda s, i, b: incidents.set_level(s, i, 3, "x"),
    "role": lambda s, i, b: incidents.set_role(s, i, Role.COMMANDER, "bob"),
    "link": lambda s, i, b: incidents.link(s, i, [1]),
    "split": lambda s, i, b: incidents.split(s, i, [1], "x"),
    "merge": lambda s, i, b: incidents.merge(s, i, i + 100_000),
    "attach": lambda s, i, b: incidents.attach(s, i, BREACH.name),
    "mark": lambda s, i, b: incidents.mark(s, i, b, 1, Done.DONE),
    "plot": lambda s, i, b: incidents.pin_plot(s, i, "error_rate"),
}
AFTERWARDS: dict[str, Act] = {
    "rename": lambda s, i, b: incidents.rename(s, i, "x"),
    "note": lambda s, i, b: incidents.add_note(s, i, "x", key="x"),
    "follow-up": lambda s, i, b: incidents.add_follow_up(s, i, "x"),
    "update": lambda s, i, b: incidents.record_update(s, i, "customer-initial", "x", key="x"),
    "reopen": lambda s, i, b: incidents.reopen(s, i, "x"),
}


async def test_who_may_only_look_changes_nothing(room: Place) -> None:
    await published(room)
    async with room.open("alice") as alice, room.open("vera") as vera, room.open("auto") as auto:
        number = await incidents.open_by_hand(alice, "A", 2, runbook=ORDERS.name)
        before = await look(vera, number)
        for act in (CHANGES | AFTERWARDS).values():
            with pytest.raises(Refused, match="vera may not work on incidents: that is for responders"):
                await act(vera, number, before.runbooks[0].id)
        with pytest.raises(Refused, match="vera may not open incidents"):
            await incidents.open_by_hand(vera, "x", 2)
        with pytest.raises(Refused, match="vera may not hand over"):
            await handovers.offer(vera, "bob", "x")
        # Nor does the agent: what it opens goes by the rule.
        with pytest.raises((Refused, StoreRefused)):
            await incidents.acknowledge(auto, number)
        assert await look(vera, number) == before
        async with room.raw("alice") as patched:
            for table in ("incident", "incident_mark", "attendance", "handover"):
                with pytest.raises(Exception, match="permission denied"):
                    await patched.execute(f"DELETE FROM console.{table}")
            with pytest.raises(Exception, match="permission denied"):
                await patched.execute("SELECT console.tell_incident(1, 'x', 'info', 'x', now())")


async def test_what_is_over_or_unknown_is_told_in_words(room: Place) -> None:
    await published(room)
    async with room.open("alice") as alice, room.open("bob") as bob:
        number = await incidents.open_by_hand(alice, "A", 2, runbook=ORDERS.name)
        book = (await look(alice, number)).runbooks[0].id
        for act in (CHANGES | AFTERWARDS).values():
            with pytest.raises(Refused, match=r"there is no incident INC-99999|there is no incident INC-1$"):
                await act(alice, 99_999, book)
            with pytest.raises(Refused, match="there is no incident 0"):
                await act(alice, 0, book)
        for refused, why in (
            (incidents.open_by_hand(alice, " ", 2), "a title is missing"),
            (incidents.open_by_hand(alice, "x" * 201, 2), "at most 200 characters, this one has 201"),
            (incidents.open_by_hand(alice, "x", 4), "1 .worst., 2 or 3"),
            (incidents.open_by_hand(alice, "x", 2, runbook="none"), "there is no runbook none"),
            (incidents.open_by_hand(alice, "x", 2, alerts=[77_777]), "there is no alert 77777"),
            (incidents.mark(alice, number, book, 2, Done.SKIPPED), "takes a note: why"),
            (incidents.mark(alice, number, book, 5, Done.DONE), "steps 1 to 4, not 5"),
            (incidents.mark(alice, number, book, 1, None), "nobody has ticked step 1"),
            (incidents.mark(alice, number, book + 1, 1, Done.DONE), "has no runbook"),
            (incidents.mark(alice, number, book, 1, Done.DONE, action_id=9), "there is no action 9"),
            (incidents.set_role(alice, number, Role.DATABASE, "mallory"), "there is no login mallory"),
            (incidents.set_role(alice, number, Role.DATABASE, "eve"), "there is no login eve"),
            (incidents.set_role(alice, number, Role.DATABASE, "auto"), "auto is an agent"),
            (incidents.set_role(alice, number, Role.DATABASE, ""), "nobody is database"),
            (incidents.add_note(alice, number, " \n\t", key="k"), "a note is missing"),
            (
                incidents.add_note(alice, number, "x" * 8001, key="k"),
                "at most 8000 characters, this one has 8001",
            ),
            (incidents.attach(alice, number, ORDERS.name), "has the runbook order-execution-failure already"),
            (incidents.pin(alice, number, 999_999), "there is no entry 999999"),
            (incidents.record_update(alice, number, "none", "x", key="n"), "there is no template none"),
            (incidents.reopen(alice, number, "x"), "is not closed"),
            (incidents.mitigate(alice, number, back=True), "nobody has said"),
            (incidents.close(alice, number, ""), "a resolution is missing"),
            (incidents.set_level(alice, number, 2, "x"), "is level 2 already"),
            (incidents.set_level(alice, number, 1, ""), "a reason is missing"),
            (incidents.merge(alice, number, number), "into itself"),
            (incidents.end_follow_up(alice, 9_999), "there is no follow-up 9999"),
        ):
            with pytest.raises(Refused, match=why):
                await refused
        assert len(await told(alice, number)) == 1
        await incidents.close(bob, number, "done")
        for name, act in CHANGES.items():
            with pytest.raises(Refused, match=r"bob closed INC-\d+ 0 s ago: it is to be reopened first"):
                await act(alice, number, book)
            assert name
        for act in AFTERWARDS.values():
            await act(alice, number, book)
        assert (await look(alice, number)).state is IncidentState.OPEN


async def test_a_merge_and_a_split_move_what_is_linked(room: Place) -> None:
    await published(room)
    async with room.open("alice") as alice, room.open("bob") as bob, leading(room) as (store, lease):
        a, b, c = await fire(store, lease, "A", "B", "C")
        first = await incidents.open_by_hand(alice, "first", 2, alerts=[a], runbook=ORDERS.name)
        second = await incidents.open_by_hand(bob, "second", 1, alerts=[b], runbook=ORDERS.name)
        await incidents.attach(bob, second, BREACH.name)
        mine, theirs = (await look(alice, first)).runbooks[0], (await look(alice, second)).runbooks
        await incidents.mark(alice, first, mine.id, 1, Done.DONE)
        await incidents.mark(bob, second, theirs[0].id, 1, Done.SKIPPED, note="why")
        await incidents.mark(bob, second, theirs[0].id, 2, Done.DONE)
        await incidents.mark(bob, second, theirs[1].id, 1, Done.DONE)
        # A tick of the agent that somebody took back stays theirs to give.
        assert await incidents.tick(store, lease, second, theirs[0].id, 3, "it holds")
        await incidents.mark(bob, second, theirs[0].id, 3, None)
        note = await incidents.add_note(bob, second, "ours", key="k")
        await incidents.pin(bob, second, note)
        with pytest.raises(Refused, match=rf"entry {note} is INC-{second}'s"):
            await incidents.pin(alice, first, note)
        await incidents.add_follow_up(bob, second, "afterwards")
        # A link takes an alert from where it was.
        await incidents.link(alice, first, [b, c])
        assert ((await look(alice, first)).alerts, (await look(alice, second)).alerts) == ((a, b, c), ())
        with pytest.raises(Refused, match="all of them belong"):
            await incidents.link(alice, first, [a, b])
        await incidents.link(bob, second, [b])
        await incidents.merge(alice, second, first)
        whole, gone = await look(alice, first), await look(alice, second)
        assert (gone.state, gone.merged_into, gone.alerts) == (IncidentState.MERGED, first, ())
        assert whole.alerts == (a, b, c) and whole.detected_at <= gone.detected_at
        assert [book.name for book in whole.runbooks] == [ORDERS.name, BREACH.name]
        assert [step.mark and step.mark.by for step in whole.runbooks[0].steps] == [
            "alice",
            "bob",
            None,
            None,
        ]
        assert whole.runbooks[1].done == 1
        assert not await incidents.tick(store, lease, first, mine.id, 3, "it holds again")
        assert [p.text for p in whole.pins] == ["ours"]
        assert [f.text for f in whole.follow_ups] == ["afterwards"]
        await incidents.end_follow_up(alice, whole.follow_ups[0].id)
        with pytest.raises(Refused, match=f"INC-{second} went into INC-{first}"):
            await incidents.add_note(bob, second, "too late", key="k2")
        with pytest.raises(Refused, match=f"INC-{second} went into"):
            await incidents.reopen(bob, second, "x")
        # Two merges crosswise: one of them is refused, none waits for the other for ever.
        third, fourth = [await incidents.open_by_hand(alice, name, 3) for name in ("third", "fourth")]
        crossed = await asyncio.gather(
            incidents.merge(alice, third, fourth), incidents.merge(bob, fourth, third), return_exceptions=True
        )
        assert [type(each) for each in crossed if each] == [Refused]
        split = await incidents.split(bob, first, [b, c], "apart", key="s1")
        assert await incidents.split(bob, first, [b, c], "apart", key="s1") == split
        made = await look(alice, split)
        assert (made.alerts, made.level, made.acknowledged_by) == ((b, c), 2, "bob")
        assert (await look(alice, first)).alerts == (a,)
        with pytest.raises(Refused, match=f"alert {b} does not belong to INC-{first}"):
            await incidents.split(bob, first, [b], "again")
        # What went to another one while it was closed stays there.
        await incidents.close(alice, split, "x")
        await incidents.link(alice, first, [b])
        assert (await look(alice, split)).alerts == (b, c)
        await incidents.reopen(alice, split, "x")
        assert ((await look(alice, split)).alerts, (await look(alice, first)).alerts) == ((c,), (a, b))
        shown = [
            found.id
            for found in await incidents.current(alice, closed_since=gone.closed_at or gone.opened_at)
        ]
        assert shown.index(first) < shown.index(second)
        await incidents.set_role(alice, first, Role.DATABASE, "alice")
        async with room.raw("alice") as raw:
            assert await raw.fetchval("SELECT console.set_role($1, 'database', NULL)", first) is None
        assert Role.DATABASE not in (await look(alice, first)).roles, "nobody is nobody's name"


async def test_presence_is_told_once_and_a_visit_has_an_end(
    room: Place, wait_for: Callable[..., Awaitable]
) -> None:
    heard: list[str] = []
    async with room.open("alice") as alice, room.open("vera") as vera, room.open("bob") as bob:
        number = await incidents.open_by_hand(alice, "A", 2)
        listening = asyncio.create_task(bob.listen(heard.append))
        await wait_for(lambda: "listening" in heard)
        assert await presences.last_seen(vera) is None and await presences.first_came(vera) is None
        came = await vera.now()
        await presences.beat(vera, number, screen=5, selection="step 3")
        await asyncio.gather(*(presences.beat(vera, number, screen=5, selection="step 3") for _ in range(5)))
        await presences.beat(vera, None, screen=1)
        await presences.beat(vera, number, screen=5, selection="alert 7", active=False)
        (here,) = await presences.present(bob, number)
        assert (here.person, here.screen, here.selection) == ("vera", 5, "alert 7")
        assert here.active_at < here.seen_at
        assert (await look(bob, number)).present == 1
        await incidents.add_follow_up(alice, number, "the end of this")
        await wait_for(lambda: "incident" in heard)
        assert heard.count("presence") == 2
        assert await presences.last_seen(vera) is None
        first = await presences.first_came(vera)
        assert first is not None and came <= first <= await vera.now()
        joins = [e.event.text for e in await told(bob, number) if e.event.kind == "join"]
        assert joins == [f"vera joined INC-{number}"]

        # Time passes.
        async def ago(minutes: float) -> None:
            await room.owner(
                "UPDATE console.attendance SET seen_at = now() - make_interval(mins => $1), left_at = NULL",
                minutes,
            )

        await ago(6)
        assert [p.person for p in await presences.present(bob, number)] == ["vera"]
        assert (await look(bob, number)).present == 0
        gone = await presences.last_seen(vera)
        assert gone is not None and await presences.first_came(vera) is None
        await presences.beat(vera, number, screen=5, selection="alert 7")
        assert await presences.last_seen(vera) == gone
        assert await presences.first_came(vera) is None, "it is the second visit"
        # Back within ten minutes is no other join; after that it is.
        await wait_for(lambda: heard.count("presence") == 3)
        assert len([e for e in await told(bob, number) if e.event.kind == "join"]) == 1
        await ago(11)
        assert await presences.present(bob, number) == []
        await presences.beat(vera, number, screen=5)
        assert len([e for e in await told(bob, number) if e.event.kind == "join"]) == 2
        with pytest.raises(Refused, match="there is no incident INC-99999"):
            await presences.beat(vera, 99_999, screen=5)
        listening.cancel()
    async with room.open("bob", read_only=True) as reading:
        with pytest.raises(Refused, match="read-only"):
            await presences.beat(reading, number, screen=5)


async def test_a_shift_is_handed_over_and_signed_by_who_takes_it(room: Place) -> None:
    async with room.open("alice") as alice, room.open("bob") as bob:
        for to, why in (("", "a name is missing"), ("zoe", "no login zoe"), ("vera", "takes a responder"),
                        ("alice", "to themselves")):  # fmt: skip
            with pytest.raises(Refused, match=why):
                await handovers.offer(alice, to, "all quiet")
        # A dialog that never heard the answer asks again.
        made = await asyncio.gather(
            *(
                handovers.offer(alice, "bob", "# Open\n- nothing", note="back at \x07 six", key="h1")
                for _ in range(4)
            )
        )
        (number,) = set(made)
        assert [each.id for each in await handovers.offered(bob)] == [number]
        assert await handovers.one(bob, number) == (await handovers.latest(bob))[0]
        assert await handovers.one(bob, 10**9) is None and await handovers.offered(alice) == []
        with pytest.raises(Refused, match="is for bob to sign"):
            await handovers.sign(alice, number)
        (offered,) = await handovers.latest(bob)
        assert (offered.giver, offered.taker, offered.note, offered.signed_at) == (
            "alice",
            "bob",
            "back at ␇ six",
            None,
        )
        assert offered.text == "# Open\n- nothing"
        await handovers.sign(bob, number)
        with pytest.raises(Refused, match="it was signed 0 s ago"):
            await handovers.sign(bob, number)
        (signed,) = await handovers.latest(alice)
        assert signed.signed_at is not None and signed.signed_at - signed.at < timedelta(minutes=1)
        events = await room.owner("SELECT text FROM console.event WHERE kind = 'handover' ORDER BY id")
        assert [row["text"] for row in events] == ["alice hands over to bob", "bob took over from alice"]
