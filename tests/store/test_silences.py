"""Silences hold by the clock and by what they match, and change nothing of an alert."""

from datetime import timedelta

import pytest

from console.domain.alert import AlertState, Matcher
from console.domain.errors import Refused
from console.store import alerts, silences
from tests.store.alerting import Agent, opened, resolved, told, update
from tests.store.stores import Place

HOUR = timedelta(hours=1)


def matchers(*terms: str) -> list[Matcher]:
    return [Matcher(*term.split(" ", 2)) for term in terms]


async def test_an_alert_is_silent_when_every_matcher_holds(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(
            *(0, opened("Order Failure", "firing", severity="critical", metric="error_rate")),
            opened("Order Latency", "firing", metric="p95", type="PERFORMANCE_DEGRADATION"),
            opened("Database", severity="critical", metric=None, type="DATABASE_FAILURE", phase="pending"),
        )
        for terms, wanted in (
            (["rule = Order Failure"], {"Order Failure"}),
            (["rule = Order"], set()),
            (["rule =~ Order .*"], {"Order Failure", "Order Latency"}),
            (["rule =~ Order"], set()),
            (["rule =~ Latency|Order Failure"], {"Order Failure"}),
            (["rule =~ .+", "severity != critical"], {"Order Latency"}),
            (["rule =~ .+", "metric !~ error_.*"], {"Order Latency", "Database"}),
            (["rule =~ .+", "metric = "], {"Database"}),
            (["rule =~ .+", "metric !~ "], {"Order Failure", "Order Latency"}),
            (["severity = critical", "type =~ DATABASE_.*|SECURITY_.*"], {"Database"}),
            (["severity =~ [cw].*", "rule !~ Order (Latency|Failure)", "type != X"], {"Database"}),
            (["metric =~ p\\d+"], {"Order Latency"}),
        ):
            silence = await silences.add(alice, matchers(*terms), length=HOUR, reason="x")
            found = await agent.alerts()
            assert {r for r, a in found.items() if a.silence == silence.id} == wanted, terms
            assert all(
                (a.state, a.silenced_by, a.silenced_until) == (AlertState.SILENCED, "alice", silence.ends_at)
                for a in found.values()
                if a.silence
            )
            await silences.end(alice, silence.id)
        assert {a.silence for a in (await agent.alerts()).values()} == {None}


async def test_a_silence_as_it_was_added(place: Place) -> None:
    given = [Matcher("rule", "=", 'A "quoted" \\ name'), Matcher("severity", "!~", "info|warning")]
    async with place.open("alice") as alice, place.open("vera") as vera:
        added = await silences.add(alice, given, length=timedelta(hours=3), reason="  new provider ")
        later = await silences.add(alice, given[:1], length=timedelta(seconds=90), reason="y")
        assert (added.matchers, added.author, added.reason) == (tuple(given), "alice", "new provider")
        assert (added.ends_at - added.starts_at, added.ended_by) == (timedelta(hours=3), None)
        assert added.starts_at <= await vera.now() < added.ends_at
        assert await silences.active(vera) == [later, added]


async def test_it_ends_by_the_clock_alone(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        silence = await silences.add(alice, matchers("rule = A"), length=HOUR, reason="x")
        assert (await agent.alerts())["A"].state is AlertState.SILENCED
        await place.owner(
            "UPDATE console.silence SET starts_at = starts_at - $1::interval, ends_at = ends_at - $1", HOUR
        )
        assert (await agent.alerts())["A"].state is AlertState.FIRING
        assert await silences.active(store) == []
        with pytest.raises(Refused, match=rf"silence {silence.id} ended \d+ s ago"):
            await silences.end(alice, silence.id)


async def test_anybody_who_may_can_lift_it(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice, place.open("bob") as bob:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"), opened("B", "firing"))
        silence = await silences.add(alice, matchers("rule = A"), length=HOUR, reason="new provider")
        await silences.end(bob, silence.id)
        assert await silences.active(store) == []
        row = (
            await place.owner("SELECT ended_by, ends_at < clock_timestamp() AS over FROM console.silence")
        )[0]
        assert tuple(row) == ("bob", True)
        history = [(c.kind, c.actor, c.text) for c in await alerts.history(store, rule="A", limit=2)]
        assert history == [("unsilenced", "bob", "new provider"), ("silenced", "alice", "new provider")]
        assert await agent.kinds("B") == ["firing"]
        until = f"{silence.ends_at:%Y-%m-%d %H:%M:%S}"
        assert (await told(place))[-2:] == [
            ("info", "A", f'alice silenced rule="A" until {until} UTC: new provider'),
            ("info", "A", 'bob ended the silence of rule="A" (by alice: new provider)'),
        ]
        for number in (silence.id + 1, 2**64):
            with pytest.raises(Refused, match=f"there is no silence {number}"):
                await silences.end(bob, number)


async def test_a_silence_leaves_acknowledgements_and_evaluation_alone(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        await alerts.acknowledge(alice, [(await agent.alerts())["A"].id])
        silence = await silences.add(alice, matchers("type = ERROR_RATE"), length=HOUR, reason="x")
        assert (await agent.alerts())["A"].acknowledged_by == "alice"
        await agent.at(1, update("A", value=9))
        await silences.end(alice, silence.id)
        a = (await agent.alerts())["A"]
        assert (a.state, a.acknowledged_by, a.value) == (AlertState.ACKNOWLEDGED, "alice", 9)
        await silences.add(alice, matchers("type = ERROR_RATE"), length=HOUR, reason="x")
        await agent.at(2, resolved("A"))
        assert (await agent.alerts())["A"].silence is None


async def test_of_several_the_one_that_ends_last_is_shown(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice, place.open("bob") as bob:
        agent = Agent(store, lease)
        await agent.at(0, opened("A", "firing"))
        await silences.add(alice, matchers("rule = A"), length=HOUR, reason="x")
        longest = await silences.add(bob, matchers("metric = error_rate"), length=2 * HOUR, reason="x")
        await silences.add(alice, matchers("rule =~ A+"), length=HOUR, reason="x")
        a = (await agent.alerts())["A"]
        assert (a.silence, a.silenced_by) == (longest.id, "bob")
        await silences.end(alice, longest.id)
        assert (await agent.alerts())["A"].silenced_by == "alice"


async def test_what_is_no_good_silence_is_refused(place: Place) -> None:
    good = matchers("rule = A")
    async with place.open("alice") as alice:
        for given, length, reason, why in (
            (good, HOUR, "  ", "needs a reason"),
            (good, timedelta(), "x", "ends after it begins, and at most 30 days later"),
            (good, -HOUR, "x", "ends after it begins"),
            (good, timedelta(days=30, seconds=1), "x", "at most 30 days later"),
            ([], HOUR, "x", "needs 1 to 20 matchers"),
            (good * 21, HOUR, "x", "needs 1 to 20 matchers"),
            (
                matchers("colour = red"),
                HOUR,
                "x",
                """can't match "colour": it matches rule, severity, type or metric""",
            ),
            (matchers("rule == A"), HOUR, "x", """can't compare with "==": there are"""),
            (matchers("rule != A", "metric !~ b"), HOUR, "x", "would quieten everything"),
            (matchers("metric = "), HOUR, "x", "would quieten everything"),
            (matchers("rule =~ .*", "rule != A"), HOUR, "x", "would quieten everything"),
            (matchers("rule =~ (A"), HOUR, "x", r'rule=~"\(A": invalid regular expression: parentheses'),
            (matchers("rule = A", "rule !~ A)|(B"), HOUR, "x", "parentheses"),
            (matchers("rule =~ ((a{1,50}){1,50}){1,50}"), HOUR, "x", "too complex"),
            (matchers("rule = " + "x" * 201), HOUR, "x", "at most 200 characters, that of rule has 201"),
        ):
            with pytest.raises(Refused, match=why):
                await silences.add(alice, given, length=length, reason=reason)
        for raw in (
            "null",
            "{}",
            "[1]",
            '[{"label": "rule", "op": "="}]',
            '[{"label": 1, "op": "=", "value": "A"}]',
        ):
            reason = await alice.fetchval("SELECT refusal FROM console.add_silence($1, 60, 'x')", raw)
            assert reason.startswith(("a silence needs 1 to 20 matchers", "a matcher has a label"))
        assert await alice.fetchval("SELECT refusal FROM console.add_silence('[]', 'NaN', 'x')")
    assert await place.owner("SELECT FROM console.silence") == []
    assert await place.owner("SELECT FROM console.event") == []


async def test_hostile_text_is_printable(place: Place) -> None:
    async with place.open("alice") as alice:
        given = [Matcher("rule", "=", "\x1b[31m\x00"), Matcher("rule", "!=", "\u202e")]
        added = await silences.add(alice, given, length=HOUR, reason="[/]\x1b\x07")
        assert [m.value for m in added.matchers] == ["␛[31m", "�"]
        assert added.reason == "[/]␛␇"
        assert await silences.active(alice) == [added]


async def test_consoles_are_told(place: Place, wait_for) -> None:
    heard: list[str] = []
    async with place.open("alice") as alice, place.raw("vera") as vera:
        await vera.add_listener("tradex", lambda *args: heard.append(args[3]))
        silence = await silences.add(alice, matchers("rule = A"), length=HOUR, reason="x")
        await wait_for(lambda: "alert" in heard)
        heard.clear()
        await silences.end(alice, silence.id)
        await wait_for(lambda: "alert" in heard)
