"""Incidents that rules open."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from console.domain.alert import Matcher
from console.domain.errors import Fenced, Misuse, Refused
from console.domain.incident import Incident, IncidentState
from console.incidents.opening import Opening, runbook_of
from console.rules import alerting_file
from console.store import alerts, books, incidents, silences
from console.store import lease as leases
from console.store.pool import Store
from tests.incidents.rooms import BREACH, ORDERS, fire, leading, look, present, published, told
from tests.store.alerting import opened, resolved
from tests.store.stores import Place

VERBS = {"immediate_escalation": "", "security_incident": "security-breach"}


def test_the_shipped_rules_that_escalate_open_incidents() -> None:
    assert dict(alerting_file.load().incidents) == VERBS


def test_an_installation_says_which_actions_open_incidents(tmp_path: Path) -> None:
    own = tmp_path / "alerting.yaml"
    own.write_text("incidents:\n  security_incident: null\n  investigate_errors: {runbook: Orders}\n")
    assert dict(alerting_file.load(own).incidents) == {
        "immediate_escalation": "",
        "investigate_errors": "Orders",
    }
    for text, why in (
        (
            "incidents:\n  security_incidnet: {}\n",
            r"alerting.yaml:2: no such verb: security_incidnet; .*security_incident",
        ),
        (
            "incidents:\n  notify_team: {book: x}\n",
            r"alerting.yaml:2: no such key of a verb that opens an incident: book",
        ),
        ("incidents:\n  notify_team: yes\n", r"alerting.yaml:2: notify_team: expected a mapping"),
    ):
        own.write_text(text)
        with pytest.raises(Misuse, match=why):
            alerting_file.load(own)


def test_a_runbook_is_found_by_the_rule_then_its_symptoms_then_its_metric() -> None:
    shelf = (ORDERS, BREACH)
    assert runbook_of(shelf, "High Error Rate", "security_score", "security-breach", "") is BREACH
    assert runbook_of(shelf, "High Error Rate", "security_score", "gone", "") is ORDERS
    assert runbook_of(shelf, "Order Execution Failure", None, "", "") is ORDERS
    assert runbook_of(shelf, "Anything", "security_score", "", "") is BREACH
    assert runbook_of(shelf, "Anything", None, "", "security-breach") is BREACH
    assert runbook_of(shelf, "Anything", None, "", "") is None


async def test_an_alert_that_counts_opens_one_and_its_kin_are_linked(room: Place) -> None:
    await published(room)
    opening = Opening(lambda: VERBS)
    async with room.open("alice") as alice, leading(room) as (store, lease):
        now = await store.now() - timedelta(minutes=1)
        (first,) = await fire(store, lease, "Order Execution Failure", at=now, summary="orders fail at 9 %")
        # One that another explains, one that is silenced, one whose rule asks for nothing.
        await silences.add(alice, [Matcher("rule", "=", "Quiet")], length=timedelta(hours=1), reason="known")
        at = now + timedelta(milliseconds=1)
        await fire(store, lease, "Explained", at=at, inhibited_by="Order Execution Failure")
        await fire(store, lease, "Quiet", at=at + timedelta(milliseconds=1))
        at += timedelta(milliseconds=2)
        assert await alerts.write(
            store, lease, cursor=at, changes=[opened("Modest", "firing", action="notify_team")]
        )
        (number,) = await opening.round(store, lease)
        made = await look(alice, number)
        assert (made.title, made.level, made.opened_by, made.alerts) == (
            "Order Execution Failure: Orders fail",
            1,
            "auto",
            (first,),
        )
        assert made.detected_at == now and [b.name for b in made.runbooks] == [ORDERS.name]
        assert made.acknowledged_at is None
        # The next round, and the next agent's, has nothing to do.
        assert await opening.round(store, lease) == []
        # An alert with the same runbook is linked; one without any gets an incident of its own.
        same, other = await fire(
            store, lease, "High Error Rate", "Other", at=at + timedelta(milliseconds=1), metric=None
        )
        numbers = await opening.round(store, lease)
        assert numbers[0] == number and len(set(numbers)) == 2
        assert (await look(alice, number)).alerts == (first, same)
        lone = await look(alice, numbers[1])
        assert (lone.title, lone.level, lone.alerts, lone.runbooks) == ("Other", 2, (other,), ())

        # It flaps: nothing new while its incident is open, a new one when that was closed before it fired anew.
        at += timedelta(seconds=1)
        assert await alerts.write(store, lease, cursor=at, changes=[resolved("Other")])
        at += timedelta(seconds=1)
        assert await fire(store, lease, "Other", at=at, metric=None) == [other]
        assert await opening.round(store, lease) == []
        await incidents.close(alice, lone.id, "went away")
        assert await opening.round(store, lease) == []
        at = max(at, await store.now()) + timedelta(seconds=1)
        assert await alerts.write(store, lease, cursor=at, changes=[resolved("Other")])
        at += timedelta(seconds=1)
        assert await fire(store, lease, "Other", at=at, metric=None) == [other]
        (again,) = await opening.round(store, lease)
        assert again not in (number, lone.id)
        assert (await look(alice, lone.id)).alerts == (other,)

        # Another alert of the same rule is the same trouble.
        at += timedelta(seconds=1)
        assert await alerts.write(store, lease, cursor=at, changes=[resolved("Other")])
        (anew,) = await fire(store, lease, "Other", at=at + timedelta(seconds=1), metric=None, flap_s=0.0)
        assert anew != other
        assert await opening.round(store, lease) == [again]
        at += timedelta(seconds=1)

        # Whoever acknowledges an alert works on its incident, and the other way round.
        await alerts.acknowledge(alice, [anew], "mine")
        seen = await look(alice, again)
        assert seen.acknowledged_by == "alice"
        assert [e.event.text for e in await told(alice, again)][
            -1
        ] == f"alice acknowledged {seen.name}, by one of its alerts"
        await incidents.acknowledge(alice, number)
        acknowledged = {
            a.id: a.acknowledged_by
            for a in await alerts.current(store, resolved_since=now)
            if a.id in (first, same)
        }
        assert acknowledged == {first: "alice", same: "alice"}
        assert (await look(alice, number)).state is IncidentState.OPEN

        # Ended here, or the next test meets them.
        at += timedelta(seconds=1)
        assert await alerts.write(store, lease, cursor=at, changes=[resolved("Other")])
        for found in await incidents.latest(alice):
            if not found.state.over:
                await incidents.close(alice, found.id, "the end")


async def test_two_agents_and_a_person_at_once_open_one(room: Place) -> None:
    await published(room)
    opening = Opening(lambda: VERBS)
    async with room.open("alice") as alice, leading(room, "a1") as (store, lease):
        at = await present(store)
        (alert,) = await fire(store, lease, "Twice", at=at, metric=None)
        made = await asyncio.gather(*(opening.round(store, lease) for _ in range(4)))
        assert sum(map(len, made)) == 1
        numbers = {found.id for found in await incidents.latest(alice) if alert in found.alerts}
        assert len(numbers) == 1
        # By hand and by rule at once, and by two people: whoever comes second hears where it belongs.
        (racing,) = await fire(store, lease, "Race", at=at + timedelta(milliseconds=1), metric=None)
        async with room.open("bob") as bob:
            opened = await asyncio.gather(
                incidents.open_by_hand(alice, "mine", 2, alerts=[racing]),
                incidents.open_by_hand(bob, "mine", 2, alerts=[racing]),
                opening.round(store, lease),
                return_exceptions=True,
            )
        refused = [str(each) for each in opened if isinstance(each, Refused)]
        (met,) = [i for i in await incidents.latest(alice) if racing in i.alerts]
        assert refused and set(refused) == {f"Race belongs to {met.name} already"}
        # An agent that was deposed opens nothing.
        (late,) = await fire(store, lease, "Late", at=at + timedelta(milliseconds=2), metric=None)
        await leases.release(store, lease)
        async with room.leader("a2") as (other, later):
            with pytest.raises(Fenced):
                await opening.round(store, lease)
            assert [i.alerts for i in await incidents.latest(alice) if late in i.alerts] == []
            assert len(await opening.round(other, later)) == 1
            await leases.release(other, later)


async def test_the_agent_opens_one_as_soon_as_it_hears_of_the_alert(
    room: Place, wait_for: Callable[..., Awaitable]
) -> None:
    opening = Opening(lambda: VERBS)
    async with room.open("alice") as alice, leading(room) as (store, lease):
        # No runbook is published yet: what fires as the term begins is to have its own all the same.
        await books.publish(store, lease, [])
        duties = [
            asyncio.create_task(opening.run(store, lease)),
            asyncio.create_task(store.listen(opening.hear)),
        ]
        try:
            (alert,) = await fire(store, lease, "Heard", at=await present(store), metric="security_score")
            await books.publish(store, lease, [BREACH])
            (made,) = await wait_for(
                lambda: _with(alice, alert),
            )
            (second,) = await fire(store, lease, "Heard again", at=await present(store), metric=None)
            await wait_for(lambda: _with(alice, second))
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        assert (made.level, [book.name for book in made.runbooks]) == (2, [BREACH.name])


async def _with(store: Store, alert: int) -> list[Incident]:
    return [found for found in await incidents.latest(store) if alert in found.alerts]
