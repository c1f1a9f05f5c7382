"""The life of an alert as the leading agent writes it: seen from outside by plain SQL, too."""

import json
import math
from datetime import timedelta

import pytest

from console.domain.alert import AlertState, Phase
from console.domain.errors import Fenced, StoreRefused
from console.store import alerts, timeline
from console.store import lease as leases
from tests.store.alerting import Agent, after, opened, resolved, told, update
from tests.store.stores import NOON, Place


async def test_an_alert_is_pending_fires_and_is_resolved(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        assert await agent.at(0, opened("Errors", for_s=60, channels=["slack", "email"], runbook="errors"))
        a = (await agent.alerts())["Errors"]
        assert (a.phase, a.pending_at, a.at, a.fired_at, a.since) == (
            Phase.PENDING,
            NOON,
            NOON,
            None,
            NOON,
        )
        assert (a.value, a.limit, a.unit, a.channels, a.runbook, a.for_s) == (
            6.2,
            5,
            "%",
            ("slack", "email"),
            "errors",
            60,
        )
        await agent.at(30, update("Errors", value=8.5, summary="now 8.5 %", peak=8.5, peak_at=after(30)))
        await agent.at(60, update("Errors", phase="firing"))
        await agent.at(90, update("Errors", value=2, false_since=after(90)))
        a = (await agent.alerts())["Errors"]
        assert (a.state, a.fired_at, a.value, a.peak, a.peak_at, a.at) == (
            AlertState.FIRING,
            after(60),
            2,
            8.5,
            after(30),
            after(90),
        )
        await agent.at(300, resolved("Errors", value=1.5))

        history = await alerts.history(store, alert_id=a.id)
        assert [(c.kind, c.at, c.value) for c in reversed(history)] == [
            ("pending", NOON, 6.2),
            ("firing", after(60), 8.5),
            ("resolved", after(300), 1.5),
        ]
        assert {c.actor for c in history} == {"auto"}
    assert await told(place) == [
        ("warning", "Errors", "Errors fires: now 8.5 %"),
        ("ok", "Errors", "Errors resolved after 4 min: the condition is no longer true"),
    ]
    row = (await place.owner("SELECT * FROM console.alert"))[0]
    assert (row["phase"], row["resolved_at"], row["false_since"]) == ("resolved", after(300), None)
    assert row["resolution"] == "the condition is no longer true"


async def test_a_pending_alert_that_is_dropped_leaves_only_its_history(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Errors"))
        await agent.at(30, {"op": "drop", "rule": "Errors", "resolution": "no longer true", "value": 1})
        assert await agent.alerts() == {}
        last = (await alerts.history(store, rule="Errors"))[0]
        assert (last.kind, last.at, last.text, last.value) == ("inactive", after(30), "no longer true", 1)
        assert await agent.kinds("Errors") == ["pending", "inactive"]
    assert await place.owner("SELECT FROM console.alert") == []
    assert await told(place) == []


async def test_a_rule_without_a_duration_fires_at_once_and_text_values_are_kept(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Database", "firing", value="down", limit=None, severity="critical"))
        a = (await agent.alerts())["Database"]
        assert (a.phase, a.value, a.limit, a.fired_at, a.pending_at) == (
            Phase.FIRING,
            "down",
            None,
            NOON,
            NOON,
        )
        await agent.at(1, update("Database", value=None))
        assert (await agent.alerts())["Database"].value is None
        await agent.at(2, update("Database", value=3))
        assert (await agent.alerts())["Database"].value == 3
        assert await agent.kinds("Database") == ["firing"]
        assert (await alerts.history(store))[0].value == "down"


@pytest.mark.parametrize("through_pending", [False, True])
async def test_an_alert_that_comes_back_soon_is_the_same_one(place: Place, through_pending: bool) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)

        async def fire(seconds: float) -> None:
            if through_pending:
                await agent.at(seconds - 10, opened("Errors", summary="again"))
                await agent.at(seconds, update("Errors", phase="firing", value=9))
            else:
                await agent.at(seconds, opened("Errors", "firing", summary="again", value=9))

        await agent.at(0, opened("Errors", "firing"))
        first = (await agent.alerts())["Errors"]
        await alerts.acknowledge(alice, [first.id])
        for flaps, seconds in enumerate((400, 800), start=1):
            await agent.at(seconds - 300, resolved("Errors"))
            await fire(seconds)
            a = (await agent.alerts())["Errors"]
            assert (a.id, a.flaps, a.phase, a.acknowledged_by) == (first.id, flaps, Phase.FIRING, "alice")
            assert (a.fired_at, a.resolved_at, a.resolution, a.value) == (after(seconds), None, "", 9)
            assert len(await place.owner("SELECT FROM console.alert")) == 1
        assert (await told(place))[-1] == ("warning", "Errors", "Errors fires again: again")

        await agent.at(900, resolved("Errors"))
        await fire(1200.5)
        a = (await agent.alerts())["Errors"]
        assert (a.flaps, a.acknowledged_by) == (0, None)
        assert a.id > first.id
    rows = await place.owner("SELECT id, phase FROM console.alert ORDER BY id")
    assert [tuple(r) for r in rows] == [(first.id, "resolved"), (a.id, "firing")]


async def test_a_pending_alert_alone_does_not_bring_a_resolved_one_back(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Errors", "firing"))
        await agent.at(10, resolved("Errors"))
        await agent.at(20, opened("Errors"))
        await agent.at(30, {"op": "drop", "rule": "Errors"})
        a = (await agent.alerts())["Errors"]
        assert (a.phase, a.flaps, a.resolved_at) == (Phase.RESOLVED, 0, after(10))


async def test_what_becomes_critical_has_to_be_acknowledged_anew(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"), opened("B", "firing"), opened("C", "firing"))
        found = await agent.alerts()
        await alerts.acknowledge(alice, [a.id for a in found.values()])
        await agent.at(10, update("A", severity="critical"), update("B", severity="info"), resolved("C"))
        await agent.at(20, opened("C", "firing", severity="critical"))
        found = await agent.alerts()
        assert {r: a.acknowledged_by for r, a in found.items()} == {"A": None, "B": "alice", "C": None}
        assert await agent.kinds("A") == ["firing", "acknowledged", "severity", "unacknowledged"]
        assert await agent.kinds("B") == ["firing", "acknowledged", "severity"]
        assert (await alerts.history(store, rule="B"))[0].text == "warning -> info"
        await alerts.acknowledge(alice, [found["A"].id])
        await agent.at(30, update("A", severity="critical"), update("B", severity="warning"))
        assert (await agent.alerts())["A"].acknowledged_by == "alice"
    texts = [text for _, _, text in await told(place)]
    assert "A is critical now: the acknowledgement by alice is taken back" in texts


async def test_stale_and_inhibited_are_history_and_the_inhibited_is_not_told(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Errors", "firing", inhibited_by="Database"), opened("Slow", "firing"))
        await agent.at(1, update("Errors", inhibited_by="Cache"), update("Slow", stale=True))
        assert (await agent.alerts())["Errors"].state is AlertState.INHIBITED
        assert (await agent.alerts())["Slow"].state is AlertState.STALE
        assert [text for _, _, text in await told(place)] == ["Slow fires: Slow is 6.2 %, over 5 %"]
        await agent.at(2, update("Errors", inhibited_by=None), update("Slow", stale=False))
        assert (await told(place))[-1] == ("warning", "Errors", "Errors fires: Errors is 6.2 %, over 5 %")
        await agent.at(3, update("Errors", inhibited_by="Database"), update("Slow", stale=True))
        await agent.at(4, resolved("Errors"), resolved("Slow"))
        assert (await told(place))[-1][1] == "Slow"
        assert await agent.kinds("Errors") == [
            *("firing", "inhibited", "inhibited", "uninhibited", "inhibited", "resolved")
        ]
        assert await agent.kinds("Slow") == ["firing", "stale", "fresh", "stale", "resolved"]
        assert not (await agent.alerts())["Slow"].stale


async def test_each_tick_is_evaluated_once(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        assert (await alerts.standing(store)).cursor is None
        assert await agent.at(10, opened("A"))
        assert not await agent.at(10, opened("B"))
        assert not await agent.at(9, update("A", value=0))
        assert await agent.at(10.000001)
        assert (await alerts.standing(store)).cursor == after(10.000001)
        assert [a.value for a in (await agent.alerts()).values()] == [6.2]


async def test_a_cursor_in_the_future_does_not_stop_evaluation(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await place.owner("UPDATE console.alert_cursor SET at = clock_timestamp() + interval '1 day'")
        now = await store.now()
        assert await alerts.write(store, lease, cursor=now, changes=[opened("A")])
        assert not await alerts.write(store, lease, cursor=now, changes=[opened("B")])
        assert [s.alert.rule for s in (await alerts.standing(store)).open] == ["A"]
        assert not await agent.at(0)


async def test_a_deposed_agent_writes_nothing(place: Place) -> None:
    async with place.leader("a1") as (store, lease):
        await Agent(store, lease).at(0, opened("A", "firing"))
        await leases.release(store, lease)
        async with place.leader("a2") as (other, newer):
            with pytest.raises(Fenced):
                await Agent(store, lease).at(1, update("A", value=9))
            with pytest.raises(Fenced):
                await alerts.expire_acknowledgements(store, lease, at=NOON, idle=timedelta())
            standing = await alerts.standing(other)
            assert (standing.cursor, standing.open[0].alert.value) == (NOON, 6.2)
            assert await Agent(other, newer).at(1, update("A", value=9))


async def test_what_an_agent_needs_to_go_on(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("A"), opened("B", "firing", false_since=after(-5)), opened("C", "firing"))
        await agent.at(1, update("A", definition="d2"), resolved("C"))
    async with place.open("auto") as store:
        cursor, standing = await alerts.standing(store)
    assert cursor == after(1)
    assert [(s.alert.rule, s.alert.phase, s.definition, s.false_since) for s in standing] == [
        ("A", Phase.PENDING, "d2", None),
        ("B", Phase.FIRING, "d1", after(-5)),
    ]


async def test_a_rule_that_was_changed_ends_and_begins_in_one_call(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"), opened("B", "firing"))
        await agent.at(
            *(5, update("A", value=7), resolved("A", resolution="the rule was changed")),
            *(opened("A", definition="d2"), update("B", value=3)),
        )
        assert await agent.kinds("A") == ["firing", "resolved", "pending"]
        found = await alerts.current(store, resolved_since=NOON)
        assert [(a.rule, a.phase, a.value) for a in found] == [
            ("B", Phase.FIRING, 3),
            ("A", Phase.PENDING, 6.2),
            ("A", Phase.RESOLVED, 7),
        ]


async def test_what_does_not_fit_is_refused_and_nothing_of_its_call_is_written(place: Place) -> None:
    good = opened("Good", "firing")
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, opened("Pending"), opened("Firing", "firing"))
        for change, why in (
            ({"op": "shout", "rule": "A"}, "change 2 of alerts does not fit"),
            ({"op": "open"}, "change 2 of alerts does not fit"),
            ({"op": "drop", "rule": ""}, "change 2 of alerts does not fit"),
            (update("Firing", acknowledged_by="auto"), "unknown key acknowledged_by"),
            (update("Firing", id=9), "unknown key id"),
            (update("Firing", value=[1]), "or value is not as expected"),
            (update("Firing", at="soon"), "invalid input syntax"),
            (update("Firing", severity="loud"), "alert_severity_check"),
            (update("Firing", phase="resolved"), "violates check constraint"),
            (update("Firing", phase="pending"), "violates check constraint"),
            ({"op": "open", "rule": "A", "phase": "firing"}, 'null value in column "type"'),
            (opened("Pending"), """alert "Pending" can't open: it is pending"""),
            (update("A", value=1), """alert "A" can't update: it is not open"""),
            ({"op": "drop", "rule": "Firing"}, """alert "Firing" can't drop: it is firing"""),
            (resolved("Pending"), """alert "Pending" can't resolve: it is pending"""),
        ):
            with pytest.raises(StoreRefused, match=why):
                await agent.at(1, good, change)
        for raw in ("{}", "null", "[1]", '[{"op": "open", "rule": "A", "limit": "NaN"}]'):
            with pytest.raises(StoreRefused):
                await store.execute("SELECT console.write_alerts($1, $2, $3)", lease.fence, after(1), raw)
        with pytest.raises(TypeError, match="can't hold a object"):
            await agent.at(1, update("Firing", value=object()))
        assert list(await agent.alerts()) == ["Pending", "Firing"]
        assert await agent.at(1, good)


async def test_numbers_that_are_none_and_long_texts(place: Place) -> None:
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(
            *(
                0,
                opened(
                    "A", "firing", value=math.inf, peak=math.nan, limit=-math.inf, for_s=timedelta(minutes=2)
                ),
            ),
            opened("B", "firing", value=10**400, condition="x" * 5000, summary="y" * 5000),
        )
        found = await agent.alerts()
    a, b = found["A"], found["B"]
    assert (a.value, a.peak, a.limit, a.for_s) == (None, None, None, 120)
    assert (b.value, len(b.condition), len(b.summary)) == (None, 1000, 500)


async def test_hostile_text_is_printable_however_it_came_in(place: Place) -> None:
    nasty = "\x1b]52;c;x\x07[/] [@click=app.quit]\u202e"
    texts = dict.fromkeys(("type", "action", "condition", "summary", "metric", "unit", "runbook"), nasty)
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened(nasty + "\x00", "firing", **texts, channels=[nasty], inhibited_by=nasty))
        raw = opened("\x1b", "firing", type="\x9b", action="\x07", condition="\x1b" * 9000, value="\x1b")
        await store.execute(
            "SELECT console.write_alerts($1, $2, $3)", lease.fence, after(1), json.dumps([raw])
        )
        found = await alerts.current(store, resolved_since=NOON)
        await alerts.acknowledge(alice, [found[0].id], note=nasty)
        found = await alerts.current(store, resolved_since=NOON)
        history = await alerts.history(store)
        standing = await alerts.standing(store)
        events = await timeline.recent(store)
    shown = "".join(map(str, [found, history, standing, events]))
    assert "\\x" not in shown
    assert "\\u202e" not in shown
    assert {"␛]52;c;x␇[/] [@click=app.quit]�␀", "␛"} == {a.rule for a in found}


async def test_two_thousand_alerts_are_updated_in_one_call(place: Place) -> None:
    rules = [f"rule {i}" for i in range(2000)]
    async with place.leader() as (store, lease):
        agent = Agent(store, lease)
        await agent.at(0, *(opened(r, "firing") for r in rules))
        await agent.at(1, *(update(r, value=i, summary="x") for i, r in enumerate(rules)))
        found = await alerts.current(store, resolved_since=NOON)
        assert sorted((a.value, a.rule) for a in found) == [(i, r) for i, r in enumerate(rules)]
        await agent.at(2, *map(resolved, rules))
        assert len(await alerts.current(store, resolved_since=NOON, limit=30)) == 30
    changes = await place.owner("SELECT kind, count(*) FROM console.alert_change GROUP BY 1 ORDER BY 1")
    assert [tuple(r) for r in changes] == [("firing", 2000), ("resolved", 2000)]
