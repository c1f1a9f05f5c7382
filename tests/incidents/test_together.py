"""Many consoles in one incident at once, and a timeline of thousands of entries."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import pytest

from console.domain.book import Done, Step
from console.domain.errors import Refused, StoreAway
from console.domain.incident import Role
from console.store import books, incidents, people, presences, timeline
from console.store.pool import Store
from tests.incidents.rooms import ORDERS, leading, look, told
from tests.store.stores import Place, password_of

CREW = ("alice", "bob", "carol", "dave", "erin")
LONG = replace(
    ORDERS, name="long", aliases=(), steps=tuple(Step(f"step {n}", "immediate") for n in range(1, 41))
)


async def test_five_consoles_at_once_lose_nothing_and_double_nothing(room: Place) -> None:
    for name in CREW[2:]:
        await people.ensure_login(
            room.url, room.server.password, name=name, role="responder", login_password=password_of(name)
        )
    async with leading(room) as (store, lease), AsyncExitStack() as stack:
        await books.publish(store, lease, [LONG])
        consoles = {name: await stack.enter_async_context(room.open(name)) for name in CREW}
        number = await incidents.open_by_hand(consoles["alice"], "all hands", 1, runbook="long")
        book = (await look(consoles["bob"], number)).runbooks[0].id
        won: Counter[int] = Counter()
        notes: dict[str, set[int]] = {}

        async def tick(console: Store, place: int) -> None:
            try:
                await incidents.mark(console, number, book, place, Done.DONE)
            except Refused as refused:
                assert "ticked it already" in str(refused)
            else:
                won[place] += 1

        async def note(console: Store, key: str) -> None:
            event = await incidents.add_note(console, number, f"note {key}\nof several lines", key=key)
            notes.setdefault(key, set()).add(event)

        work: list[Callable[[], Awaitable[None]]] = [
            partial(tick, c, place) for c in consoles.values() for place in range(1, 41)
        ]
        # Each of them is sent again, as by somebody who does not know whether it arrived.
        work += [partial(note, c, f"{name}-{n}") for name, c in consoles.items() for n in range(20)] * 2
        work += [partial(presences.beat, c, number, screen=5) for c in consoles.values()] * 20
        random.Random(5).shuffle(work)
        assert len(work) == 500
        await asyncio.gather(*(act() for act in work))

        assert won == dict.fromkeys(range(1, 41), 1)
        assert len(notes) == 100 and all(len(events) == 1 for events in notes.values())
        seen = [await told(console, number) for console in consoles.values()]
        assert all(each == seen[0] for each in seen)
        # A join waits for nobody; all else is in the order in which it was committed.
        worked = [e.event.id for e in seen[0] if e.event.kind != "join"]
        assert worked == sorted(worked)
        kinds = Counter(e.event.kind for e in seen[0])
        # Opened, and acknowledged by the first tick.
        assert kinds == {"step": 40, "note": 100, "join": 5, "incident": 2}
        ticked = {
            step.place: step.mark and step.mark.by for step in (await look(store, number)).runbooks[0].steps
        }
        by_events = {int(e.event.text.split()[3]): e.event.actor for e in seen[0] if e.event.kind == "step"}
        assert ticked == by_events
        assert {len(await presences.present(console, number)) for console in consoles.values()} == {5}

        # One role, five takers: each sees the same one in it, and who had it before.
        await asyncio.gather(
            *(incidents.set_role(console, number, Role.COMMANDER, name) for name, console in consoles.items())
        )
        last = [e.event.text for e in await told(store, number) if e.event.kind == "role"]
        assert len(last) == 5
        assert {(await look(console, number)).commander for console in consoles.values()} == {
            last[-1].split()[0]
        }


async def test_a_note_whose_answer_was_lost_is_sent_again_and_is_there_once(
    room: Place, wait_for: Callable[..., Awaitable]
) -> None:
    async with room.open("alice") as alice, room.raw("postgres") as owner:
        number = await incidents.open_by_hand(alice, "lost", 2)
        # Somebody holds the incident; meanwhile the connection of who writes goes.
        held = owner.transaction()
        await held.start()
        await owner.execute("SELECT FROM console.incident WHERE id = $1 FOR UPDATE", number)
        writing = asyncio.create_task(incidents.add_note(alice, number, "a thought", key="lost 1"))
        waiting = """
            SELECT pid FROM pg_stat_activity
            WHERE usename = 'alice' AND datname = current_database() AND wait_event_type = 'Lock'
        """
        ((pid,),) = await wait_for(lambda: owner.fetch(waiting))
        await owner.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(StoreAway):
            await writing
        await held.rollback()
        event = await incidents.add_note(alice, number, "a thought", key="lost 1")
        assert await incidents.add_note(alice, number, "a thought", key="lost 1") == event
        written = [(e.event.text, e.body) for e in await told(alice, number) if e.event.kind == "note"]
        assert written == [("a thought", "")]


async def test_a_page_of_five_thousand_entries_costs_as_much_as_one_of_a_few(room: Place) -> None:
    async with room.open("alice") as alice, room.open("bob") as bob:
        number = await incidents.open_by_hand(alice, "long", 2)
        other = await incidents.open_by_hand(alice, "other", 2)
        opened = (await look(alice, number)).opened_at
        # Two weeks of the platform before it, thousands of its own and of another one's, and some of the platform.
        await room.owner(
            """
            INSERT INTO console.event (at, kind, severity, subject, text, incident_id)
            SELECT $1::timestamptz - interval '1 hour' - n * interval '1 minute', 'agent', 'info', 's', n::text,
                NULL::bigint
                FROM generate_series(1, 20000) AS n
            UNION ALL SELECT $1 + n * interval '1 second', 'note', 'info', 'INC', 'own ' || n, $2
                FROM generate_series(1, 5000) AS n
            UNION ALL SELECT $1 + n * interval '1 second', 'note', 'info', 'INC', 'other ' || n, $3
                FROM generate_series(1, 5000) AS n
            UNION ALL SELECT $1 + n * interval '3 seconds', 'health', 'info', 's', 'platform ' || n, NULL
                FROM generate_series(1, 1000) AS n
            UNION ALL SELECT $1 - interval '29 minutes', 'deployment', 'info', 's', 'before', NULL
            """,
            opened,
            number,
            other,
        )
        await room.owner("ANALYZE console.event")
        pages, before = [], None
        while page := await incidents.timeline(alice, number, before=before):
            pages.append(page)
            before = page[-1].event.at, page[-1].event.id
        entries = [entry for page in pages for entry in page]
        texts = Counter(entry.event.text.split()[0] for entry in entries)
        # Those of other tests in this store lie in the same half hour.
        assert (texts["own"], texts["platform"], texts["before"], texts["other"]) == (5000, 1000, 1, 0)
        assert {entry.incident_id for entry in entries} == {number, None}
        keys = [(entry.event.at, entry.event.id) for entry in entries]
        assert keys == sorted(set(keys), reverse=True)
        assert all(len(page) == 200 for page in pages[:-1])
        # What changed is looked for among what happened on the platform.
        changed = await timeline.between(alice, start=keys[-1][0], end=keys[0][0])
        assert len(changed) == 500 and {event.subject for event in changed} == {"s"}
        # What happened after it was closed is no part of it; its own notes are.
        await incidents.close(bob, number, "done")
        await incidents.add_note(bob, number, "afterwards", key="k")
        closed = await look(bob, number)
        await room.owner(
            "INSERT INTO console.event (at, kind, severity, subject, text) VALUES ($1, 'health', 'info', 's', 'after')",
            (await bob.now()),
        )
        shown = await incidents.timeline(bob, number, limit=10_000)
        assert "after" not in [e.event.text for e in shown]
        assert closed.closed_at is not None
        assert all(e.event.at <= closed.closed_at for e in shown if e.incident_id is None)
        assert "afterwards" in [e.event.text for e in shown]

        # The first page, one in the middle, and the first one of what was closed long ago: as many buffers.
        await room.owner(
            """
            UPDATE console.incident SET closed_by = 'bob', detected_at = detected_at - interval '10 days',
                closed_at = opened_at - interval '9 days' WHERE id = $1
            """,
            other,
        )
        middle = keys[3000]
        cost = [
            await touched(alice, n, *at) for n, at in ((number, keys[0]), (number, middle), (other, keys[0]))
        ]
        assert max(cost) < 150, cost


async def touched(store: Store, number: int, at: object, event_id: int) -> int:
    """How many pages of the store it takes to read a page of the timeline, none of it by looking through a table."""
    (row,) = await store.fetch(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {incidents.TIMELINE}", number, at, event_id, 100
    )
    (explained,) = json.loads(row[0])
    # The few incidents fit on one page, which is read as it is.
    read = [n for n in nodes(explained["Plan"]) if n.get("Relation Name") != "incident"]
    # What explains nothing is left out of a day and a half hour at most: that of the one that was closed long ago.
    assert sum(node.get("Rows Removed by Filter", 0) for node in read) <= 1500
    assert "Seq Scan" not in {node["Node Type"] for node in read if node.get("Relation Name") == "event"}
    return explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]


def nodes(plan: dict) -> list[dict]:
    return [plan, *(each for below in plan.get("Plans", ()) for each in nodes(below))]
