"""An incident from its opening to its end, and what is refused on the way."""

from datetime import timedelta

import pytest

from console.domain.book import Done
from console.domain.errors import Refused
from console.domain.incident import IncidentState, Role, timings
from console.store import alerts, incidents
from tests.incidents.rooms import INITIAL, ORDERS, fire, leading, look, published, told
from tests.store.stores import Place


async def test_an_incident_from_its_alert_to_its_end(room: Place) -> None:
    await published(room)
    async with room.open("alice") as alice, room.open("bob") as bob, leading(room) as (store, lease):
        (alert,) = await fire(
            store, lease, "Order Execution Failure", at=await store.now() - timedelta(seconds=5)
        )
        number = await incidents.open_by_hand(
            alice,
            " Orders \x1b fail ",
            1,
            alerts=[alert],
            runbook="Order Execution Failure",
            note="since\nnoon",
            key="o1",
        )
        # Whoever does not know whether it arrived asks again.
        assert await incidents.open_by_hand(alice, "Orders fail", 1, alerts=[alert], key="o1") == number
        opened = await look(bob, number)
        assert (opened.title, opened.level, opened.opened_by) == ("Orders ␛ fail", 1, "alice")
        assert opened.state is IncidentState.OPEN and opened.alerts == (alert,)
        fired = next(a for a in await alerts.current(store, resolved_since=opened.opened_at) if a.id == alert)
        assert opened.detected_at == fired.fired_at and opened.detected_at < opened.opened_at
        (book,) = opened.runbooks
        assert [step.step for step in book.steps] == list(ORDERS.steps)
        # The store's time scale is 10.
        assert [(r.after, r.deadline) for r in book.ladder] == [
            (timedelta(), timedelta(seconds=30)),
            (timedelta(seconds=90), timedelta(seconds=180)),
        ]
        rung, due = opened.next_rung(opened.detected_at) or pytest.fail("nobody is told")
        assert (rung.who, due) == ("CTO", opened.detected_at + timedelta(seconds=90))

        await incidents.acknowledge(bob, number)
        seen = next(a for a in await alerts.current(store, resolved_since=opened.opened_at) if a.id == alert)
        assert seen.acknowledged_by == "bob"
        with pytest.raises(Refused, match=r"bob acknowledged it 0 s ago"):
            await incidents.acknowledge(alice, number)
        await incidents.mark(alice, number, book.id, 1, Done.DONE, note="all red")
        with pytest.raises(Refused, match=r"alice ticked it already, \d\d:\d\d"):
            await incidents.mark(bob, number, book.id, 1, Done.DONE)
        # Said again without a word, what was noted stays.
        await incidents.mark(alice, number, book.id, 1, Done.DONE)
        await incidents.mark(bob, number, book.id, 3, Done.SKIPPED, note="no pattern")
        await incidents.set_role(bob, number, Role.COMMANDER, "bob")
        await incidents.set_role(bob, number, Role.TECHNICAL, "alice")
        await incidents.set_level(bob, number, 2, "half of them")
        follow_up = await incidents.add_follow_up(alice, number, "retry with backoff", "bob", key="f1")
        assert await incidents.add_follow_up(alice, number, "anything", key="f1") == follow_up
        note = await incidents.add_note(alice, number, "**why**\n\n- a\n- b", key="k1")
        assert await incidents.add_note(alice, number, "anything", key="k1") == note
        await incidents.pin(bob, number, note)
        await incidents.pin_plot(bob, number, "error_rate")
        update = await incidents.record_update(
            alice, number, INITIAL.name, "# We know\nabout it", key="u1", again_s=600
        )
        assert update == await incidents.record_update(alice, number, INITIAL.name, "anything", key="u1")
        await incidents.mitigate(alice, number, "rolled back")
        await incidents.end_follow_up(bob, follow_up)

        now = await look(alice, number)
        assert now.state is IncidentState.MITIGATED and now.commander == "bob" and now.level == 2
        assert dict(now.roles) == {Role.COMMANDER: "bob", Role.TECHNICAL: "alice"}
        assert [
            (s.place, s.mark and (s.mark.state, s.mark.by, s.mark.note)) for s in now.runbooks[0].steps
        ] == [
            (1, (Done.DONE, "alice", "all red")),
            (2, None),
            (3, (Done.SKIPPED, "bob", "no pattern")),
            (4, None),
        ]
        assert [(p.event_id, p.text, p.by) for p in now.pins] == [(note, "**why**", "bob")]
        assert [(f.text, f.owner, f.done_by) for f in now.follow_ups] == [
            ("retry with backoff", "bob", "bob")
        ]
        (sent,) = now.updates
        assert (sent.id, sent.audience, sent.kind, sent.text) == (
            update,
            "customer",
            "initial",
            "# We know\nabout it",
        )
        assert now.next_update_at == sent.at + timedelta(seconds=600)
        assert (now.plot, now.next_rung(now.detected_at)) == ("error_rate", None)

        await incidents.close(bob, number, "a bad release\nrolled back")
        closed = await look(alice, number)
        assert closed.state is IncidentState.CLOSED and closed.next_update_at is None
        name, entries = closed.name, await told(alice, number)
        assert [(e.event.kind, e.event.actor, e.event.text) for e in entries] == [
            (
                "incident",
                "alice",
                f"alice opened {name}, level 1: Orders ␛ fail (runbook order-execution-failure)",
            ),
            ("note", "alice", "since"),
            ("incident", "bob", f"bob acknowledged {name}"),
            ("step", "alice", "alice ticked step 1 of order-execution-failure: Look at the health (all red)"),
            ("step", "bob", "bob skipped step 3 of order-execution-failure: Look for a pattern (no pattern)"),
            ("role", "bob", f"bob is commander of {name}"),
            ("role", "bob", f"alice is technical of {name}, says bob"),
            ("incident", "bob", f"bob set {name} to level 2 (was 1): half of them"),
            ("incident", "alice", "alice: to be done afterwards by bob: retry with backoff"),
            ("note", "alice", "**why**"),
            ("incident", "bob", "bob pinned the plot of error_rate"),
            ("comms", "alice", "customer, initial update: # We know"),
            ("incident", "alice", f"alice says {name} is mitigated: rolled back"),
            ("incident", "bob", "bob did: retry with backoff"),
            ("incident", "bob", f"bob closed {name}: a bad release"),
        ]
        assert entries[9].body == "**why**\n\n- a\n- b" and entries[0].body == ""
        # The clocks are those of the timeline.
        at = {text: e.event.at for e in entries for text in [e.event.text]}
        assert closed.acknowledged_at == at[f"bob acknowledged {name}"]
        assert closed.mitigated_at == at[f"alice says {name} is mitigated: rolled back"]
        assert closed.closed_at == at[f"bob closed {name}: a bad release"]
        assert timings(closed).to_resolve == at[f"bob closed {name}: a bad release"] - closed.detected_at
        # What came back is not mitigated any more.
        await incidents.reopen(alice, number, "again")
        async with room.raw("alice") as raw:
            assert tuple(
                await raw.fetchrow(
                    "SELECT mitigated_at, mitigated_by, closed_at FROM console.incident WHERE id = $1", number
                )
            ) == (None, None, None)
        again = await look(alice, number)
        assert (again.state, again.acknowledged_by) == (IncidentState.OPEN, "bob")
        assert (await told(alice, number))[-1].event.text == (
            f"alice reopened {name}, which is not mitigated any more: again"
        )
        await incidents.close(alice, number, "gone")
        await incidents.reopen(alice, number, "once more")
        assert (await told(alice, number))[-1].event.text == f"alice reopened {name}: once more"
