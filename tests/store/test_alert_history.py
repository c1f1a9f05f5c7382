"""What is read of alerts, what consoles are told, and what is kept."""

from datetime import UTC, timedelta

import asyncpg
import pytest

from console.domain.event import Severity
from console.store import alerts, maintenance
from tests.store.alerting import Agent, after, opened, resolved, update
from tests.store.stores import NOON, Place


async def test_all_open_alerts_are_listed_and_the_last_of_those_resolved(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, *(opened(r, "firing") for r in "ABCDEF"))
        await agent.at(1, update("B", severity="critical"))
        for i, rule in enumerate("DEF"):
            await agent.at(10 + i, resolved(rule))
        found = await alerts.current(store, resolved_since=after(11), limit=1)
        assert [a.rule for a in found] == ["B", "A", "C", "F"]
        found = await alerts.current(store, resolved_since=after(11))
        assert [a.rule for a in found] == ["B", "A", "C", "F", "E"]


async def test_consoles_are_told_only_when_an_alert_changed(place: Place, wait_for) -> None:
    heard: list[str] = []
    async with place.leader() as (store, lease), place.raw("vera") as vera, place.open("bob") as bob:
        agent = Agent(store, lease)
        await vera.add_listener("tradex", lambda *args: heard.append(args[3]))

        async def heard_by_now() -> set[str]:
            """Notices come in the order of their commits."""
            await vera.execute("NOTIFY tradex, 'end'")
            await wait_for(lambda: "end" in heard)
            found = set(heard) - {"end"}
            heard.clear()
            return found

        await agent.at(0)
        assert await heard_by_now() == set()
        await agent.at(1, opened("A"))
        assert await heard_by_now() == {"alert"}
        await agent.at(2, update("A", at=after(1), value=6.2))
        assert await heard_by_now() == set()
        await agent.at(3, update("A", value=6.3))
        assert await heard_by_now() == {"alert"}
        await agent.at(4, update("A", phase="firing"))
        assert await heard_by_now() == {"alert", "event"}
        a = (await agent.alerts())["A"]
        await alerts.acknowledge(bob, [a.id])
        assert await heard_by_now() == {"alert", "event", "audit"}
        await alerts.expire_acknowledgements(store, lease, at=NOON, idle=timedelta(hours=1))
        assert await heard_by_now() == set()


async def test_what_fired_is_counted_per_hour_by_the_severity_it_then_had(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(-1, opened("Before", "firing"))
        await agent.at(0, opened("A", "firing"), opened("B", "firing", severity="critical"), opened("C"))
        await agent.at(60, update("A", severity="critical"), resolved("B"))
        await agent.at(3599, update("C", phase="firing"))
        await agent.at(7200, resolved("C"))
        await agent.at(7260, opened("C", "firing"))
        await agent.at(10800, opened("After", "firing"))
        found = await alerts.fired_per_hour(store, start=NOON, end=after(10800))
    assert found == [
        (NOON, Severity.CRITICAL, 1),
        (NOON, Severity.WARNING, 2),
        (after(7200), Severity.WARNING, 1),
    ]
    assert found[0][0].tzinfo == UTC


async def test_alerts_are_kept_for_400_days_after_they_were_resolved_and_history_for_ever(
    place: Place,
) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Open", "firing"), opened("Old", "firing"), opened("New", "firing"))
        await agent.at(10, resolved("Old"))
        await agent.at(11, resolved("New"))
        await maintenance.maintain(store, lease, now=after(10.5) + timedelta(days=400))
        assert set(await agent.alerts()) == {"Open", "New"}
        assert await agent.kinds("Old") == ["firing", "resolved"]


async def test_the_history_is_append_only_even_for_its_owner(place: Place) -> None:
    for sql in (
        "UPDATE console.alert_change SET text = ''",
        "DELETE FROM console.alert_change",
        "TRUNCATE console.alert_change",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await place.owner(sql)
