"""What an incident's timeline leaves out: what happened meanwhile and explains nothing. The store keeps it."""

from datetime import timedelta

from console.store import alerts, incidents
from tests.incidents.rooms import fire, leading, present
from tests.store.alerting import opened, resolved
from tests.store.stores import Place


async def texts(room: Place, number: int) -> list[str]:
    """The entries that are of no incident, as a viewer reads them."""
    async with room.open("vera") as vera:
        found = await incidents.timeline(vera, number, limit=1000)
        return [entry.event.text for entry in found if entry.incident_id is None]


async def test_agents_that_start_are_left_out_and_those_in_trouble_are_not(room: Place) -> None:
    async with room.open("alice") as alice:
        number = await incidents.open_by_hand(alice, "orders fail", 2)
    written = await room.owner(
        """
        INSERT INTO console.event (kind, severity, subject, text, actor) VALUES
            ('agent', 'info', 'a7', 'a7 leads (fence 3)', 'auto'), ('agent', 'ok', 'a7', 'a7 is back', 'auto'),
            ('agent', 'warning', 'a7', 'a7 took over: a6 was silent', 'auto'),
            ('deployment', 'info', 'v7', 'v7 is live', 'auto'), ('health', 'ok', 'cache', 'cache is ok', 'auto')
        RETURNING id
        """
    )
    found = await texts(room, number)
    assert {"a7 took over: a6 was silent", "v7 is live", "cache is ok"} <= set(found)
    assert not {"a7 leads (fence 3)", "a7 is back"} & set(found)
    ids = [row["id"] for row in written]
    kept = await room.owner("SELECT count(*) FROM console.event WHERE id = ANY($1)", ids)
    assert kept[0]["count"] == 5


async def test_what_rules_of_level_info_say_is_left_out_unless_they_are_linked(room: Place) -> None:
    async with room.open("alice") as alice, leading(room) as (store, lease):
        number = await incidents.open_by_hand(alice, "prices are old", 2)
        await fire(store, lease, "Feed Away")
        await alerts.write(
            store,
            lease,
            cursor=await present(store),
            changes=[
                opened(rule, "firing", severity="info") for rule in ("Faster Than Before", "Fewer Users")
            ],
        )
        ids = {each.rule: each.id for each in await alerts.current(alice, resolved_since=await alice.now())}

        async def about() -> list[tuple[str, str]]:
            found = await incidents.timeline(alice, number, limit=1000)
            return [(e.event.subject, e.event.severity) for e in reversed(found) if e.event.kind == "alert"]

        assert await about() == [("Feed Away", "critical")]
        # By then it is one of what the incident is about, with what was said before.
        await incidents.link(alice, number, [ids["Fewer Users"]])
        assert await about() == [("Feed Away", "critical"), ("Fewer Users", "info")]
        over = [resolved(rule) for rule in ("Feed Away", "Faster Than Before", "Fewer Users")]
        await alerts.write(store, lease, cursor=await present(store) + timedelta(seconds=1), changes=over)
        assert (await about())[2:] == [("Feed Away", "ok"), ("Fewer Users", "ok")], "what ends was worth it"
        rows = await room.owner("SELECT count(*) FROM console.event WHERE subject = 'Faster Than Before'")
        assert rows[0]["count"] == 2


async def test_what_people_do_beside_it_is_left_out(room: Place) -> None:
    async with room.open("alice") as alice:
        number = await incidents.open_by_hand(alice, "orders are slow", 2)
    await room.owner(
        """
        INSERT INTO console.event (kind, severity, subject, text, actor) VALUES
            ('book', 'warning', 'books', 'x.md is broken', 'auto'),
            ('checklist', 'warning', 'Weekly maintenance', 'Weekly maintenance is overdue', 'auto'),
            ('handover', 'info', 'handover', 'alice hands over to bob', 'alice'),
            ('action', 'info', 'cache', 'bob clears the cache', 'bob')
        """
    )
    found = await texts(room, number)
    assert "bob clears the cache" in found
    assert not {"x.md is broken", "Weekly maintenance is overdue", "alice hands over to bob"} & set(found)
