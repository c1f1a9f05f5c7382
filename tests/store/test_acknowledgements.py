"""What people say of alerts: all that were named or none, under their own name, and who may not."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest

from console.domain.alert import AlertState, Matcher
from console.domain.errors import Refused
from console.store import alerts, silences
from console.store.pool import Store
from tests.store.alerting import Agent, after, opened, resolved, told, update
from tests.store.stores import NOON, Place


def ageless(text: str) -> str:
    return re.sub(r"\d+ (s|min) ago", "… ago", text)


async def test_several_are_acknowledged_at_once(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice, place.open("bob") as bob:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"), opened("B"))
        found = await agent.alerts()
        ids = [found["A"].id, found["B"].id]
        await alerts.acknowledge(alice, ids, note="  on it ")
        found = await agent.alerts()
        assert {a.acknowledged_by for a in found.values()} == {"alice"}
        assert (found["A"].state, found["B"].state) == (AlertState.ACKNOWLEDGED, AlertState.PENDING)
        assert found["A"].acknowledged_at is not None
        assert abs(found["A"].acknowledged_at - await store.now()) < timedelta(minutes=1)

        await alerts.acknowledge(bob, ids[:1])
        assert {r: a.acknowledged_by for r, a in (await agent.alerts()).items()} == {"A": "bob", "B": "alice"}
        await alerts.unacknowledge(alice, ids)
        assert {a.acknowledged_by for a in (await agent.alerts()).values()} == {None}
        history = [(c.kind, c.actor, ageless(c.text)) for c in await alerts.history(store, rule="A")]
    assert history[:-1] == [
        ("unacknowledged", "alice", "bob acknowledged it … ago"),
        ("acknowledged", "bob", ""),
        ("acknowledged", "alice", "on it"),
    ]
    assert [(severity, subject, ageless(text)) for severity, subject, text in await told(place)] == [
        ("warning", "A", "A fires: A is 6.2 %, over 5 %"),
        ("info", "A", "alice acknowledged A: on it"),
        ("info", "B", "alice acknowledged B: on it"),
        ("info", "A", "bob acknowledged A"),
        ("info", "A", "alice took back the acknowledgement of A: bob gave it … ago"),
        ("info", "B", "alice took back the acknowledgement of B: alice gave it … ago"),
    ]
    actors = await place.owner("SELECT actor FROM console.event WHERE kind = 'alert' ORDER BY id")
    assert [r["actor"] for r in actors] == ["auto", "alice", "alice", "bob", "alice", "alice"]


async def test_one_that_can_not_be_acknowledged_refuses_all(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, *(opened(r, "firing") for r in "ABCDEFGH"))
        await agent.at(1, *(resolved(r) for r in "BCDEFGH"))
        by_rule = {r: a.id for r, a in (await agent.alerts()).items()}
        before = await place.owner("SELECT * FROM console.alert_change")
        for ids, why in (
            ([by_rule["A"], by_rule["B"]], "B is resolved already"),
            ([by_rule["A"], 99], "there is no alert 99"),
            ([by_rule["A"], 2**70], f"there is no alert {2**70}"),
            ([by_rule["A"], -1], "there is no alert -1"),
            ([], "no alert was named"),
            (
                list(by_rule.values()),
                "B is resolved already, C is resolved already, D is resolved already, "
                "E is resolved already, F is resolved already, and 2 more",
            ),
        ):
            for doing in (alerts.acknowledge, alerts.unacknowledge):
                if doing is alerts.acknowledge or by_rule["A"] not in ids:
                    with pytest.raises(Refused) as error:
                        await doing(alice, ids)
                    assert str(error.value) == why
        with pytest.raises(
            Refused, match="nobody has acknowledged A, B is resolved already, there is no alert 99"
        ):
            await alerts.unacknowledge(alice, [by_rule["A"], by_rule["B"], 99])
        assert (await agent.alerts())["A"].acknowledged_by is None
    assert await place.owner("SELECT * FROM console.alert_change") == before


async def test_an_acknowledgement_that_grew_old_is_taken_back_while_the_alert_fires(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, *(opened(r, "firing") for r in ("Old", "New", "Over")), opened("Pending"))
        await alerts.acknowledge(alice, [a.id for a in (await agent.alerts()).values()])
        await agent.at(1, resolved("Over"))
        await place.owner("UPDATE console.alert SET acknowledged_at = $1", NOON)
        await place.owner("UPDATE console.alert SET acknowledged_at = $1 WHERE fingerprint = 'New'", after(1))
        idle = timedelta(minutes=30)
        assert await alerts.expire_acknowledgements(store, lease, at=after(1799), idle=idle) == 0
        assert await alerts.expire_acknowledgements(store, lease, at=after(1800), idle=idle) == 1
        assert await alerts.expire_acknowledgements(store, lease, at=after(1800), idle=idle) == 0
        acknowledged = {r: a.acknowledged_by for r, a in (await agent.alerts()).items()}
        assert acknowledged == {"Old": None, "New": "alice", "Over": "alice", "Pending": "alice"}
        last = (await alerts.history(store))[0]
    assert (last.kind, last.rule, last.actor, last.at) == ("unacknowledged", "Old", "auto", after(1800))
    assert last.text == "alice acknowledged it 30 min ago"
    assert (await told(place))[-1] == (
        *("info", "Old"),
        "auto took back the acknowledgement of Old: alice gave it 30 min ago",
    )


async def test_an_acknowledgement_waits_for_the_tick_that_is_being_written(place: Place, wait_for) -> None:
    async with place.leader() as (store, lease), place.raw("auto") as raw, place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        number = (await agent.alerts())["A"].id
        await raw.execute("SET idle_in_transaction_session_timeout = 0; BEGIN")
        await raw.execute("SET LOCAL lock_timeout = '2s'")
        ends = """[{"op": "resolve", "rule": "A"}]"""
        assert await raw.fetchval("SELECT console.write_alerts($1, $2, $3)", lease.fence, after(1), ends)
        waiting = asyncio.ensure_future(alerts.acknowledge(alice, [number]))
        await wait_for(lambda: place.owner("SELECT FROM pg_locks WHERE NOT granted"))
        await raw.execute("COMMIT")
        with pytest.raises(Refused, match="A is resolved already"):
            await waiting


async def test_whoever_leaves_a_transaction_open_does_not_stop_the_agent_for_long(place: Place) -> None:
    async with place.raw("bob") as raw:
        await raw.execute("BEGIN; SELECT console.ack_alerts('{1}', '')")
        assert await raw.fetchval("SHOW idle_in_transaction_session_timeout") == "1500ms"
        await raw.execute("ROLLBACK")
        assert await raw.fetchval("SHOW idle_in_transaction_session_timeout") == "0"


ASKED: dict[str, Callable[[Store, int], Awaitable[object]]] = {
    "acknowledge alerts": lambda store, number: alerts.acknowledge(store, [number]),
    "take back acknowledgements of alerts": lambda store, number: alerts.unacknowledge(store, [number]),
    "silence alerts": lambda store, number: silences.add(
        store, [Matcher("rule", "=", "A")], length=timedelta(hours=1), reason="x"
    ),
    "end silences": lambda store, number: silences.end(store, 1),
}


@pytest.mark.parametrize("who", ["vera", "auto"])
async def test_who_may_not_is_told_so_in_words(place: Place, who: str) -> None:
    async with place.leader() as (store, lease), place.open(who) as other:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        for what, ask in ASKED.items():
            with pytest.raises(Refused) as error:
                await ask(other, (await agent.alerts())["A"].id)
            assert str(error.value) == f"{who} may not {what}: that is for responders and commanders"
        assert await agent.kinds("A") == ["firing"]


async def test_a_read_only_console_may_not_either(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice", read_only=True) as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        for what, ask in ASKED.items():
            with pytest.raises(Refused) as error:
                await ask(alice, (await agent.alerts())["A"].id)
            assert str(error.value) == f"this console is read-only: it may not {what}"
        assert await agent.kinds("A") == ["firing"]


async def test_an_agent_may_not_acknowledge_through_its_own_functions(place: Place) -> None:
    async with place.leader() as (store, lease), place.raw("auto") as raw:
        await Agent(store, lease).at(0, opened("A", "firing"), opened("B", "firing"))
        with pytest.raises(asyncpg.InvalidParameterValueError, match="unknown key acknowledged_by"):
            await raw.execute(
                "SELECT console.write_alerts($1, $2, $3)",
                *(lease.fence, after(1)),
                '[{"op": "update", "rule": "A", "acknowledged_by": "alice"}]',
            )
        await Agent(store, lease).at(2, update("A", value=1))
        assert (await Agent(store, lease).alerts())["A"].acknowledged_by is None
