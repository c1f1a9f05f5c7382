"""Maintenance, and the kinds that the shipped actions.yaml declares: each has its effect on the running platform."""

from typing import Any

import pytest

from console.domain.action import ActionState
from console.store import actions, effects
from tests.sandbox.platform import somebody

from .conftest import Stage, fresh_address


async def test_maintenance_is_503_and_back(stage: Stage) -> None:
    person, address = somebody(), fresh_address()

    async def quote() -> int:
        async with stage.platform.client(token=stage.platform.token(person), address=address) as client:
            return (await client.post("/functions/v1/get-stock-price", json={"symbol": "EURUSD"})).status_code

    async def is_now(code: int) -> bool:
        return await quote() == code

    assert await quote() == 200
    async with stage.agent():
        off = await stage.ask("maintenance_off")
        assert off.state is ActionState.REFUSED and "off already" in off.words
        on = await stage.done("maintenance_on", who=stage.bob)
        try:
            await stage.wait_for(lambda: is_now(503))
            (effect,) = await effects.current(stage.alice)
            assert (effect.kind, effect.target, effect.action_id) == ("maintenance_on", "", on.id)
        finally:
            await stage.done("maintenance_off")
        await stage.wait_for(lambda: is_now(200))
        assert await effects.current(stage.alice) == []


async def test_maintenance_takes_a_commander(stage: Stage) -> None:
    async with stage.agent():
        planned = await stage.ask("maintenance_on")
        await stage.confirm(planned)
        action = await actions.one(stage.alice, planned.id)
        assert action is not None and action.waits_for_approval
        await actions.approve(stage.bob, planned.id, plan_hash=planned.plan_hash)
        assert (await stage.ended(planned.id)).state is ActionState.DONE
        await stage.done("maintenance_off")


async def test_the_plan_of_maintenance_says_whom_it_stops_and_from_where_that_is_known(stage: Stage) -> None:
    await stage.platform.execute(
        "INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, executed_at) "
        "SELECT id, 'EURUSD', 'market', 'buy', 1, 'executed', now() FROM profiles LIMIT 3"
    )
    positions = await stage.platform.value("SELECT count(*) FROM positions WHERE status = 'open'")
    people = await stage.platform.value(
        "SELECT count(DISTINCT user_id) FROM user_sessions WHERE status = 'active'"
    )
    assert positions and people
    async with stage.agent():

        async def facts() -> dict[str, str]:
            planned = await stage.ask("maintenance_on")
            assert planned.plan is not None
            await actions.withdraw(stage.alice, planned.id)
            return {fact.label: fact.value for fact in planned.plan.facts}

        known = await facts()
        assert int(known.pop("orders in the last minute (orders)").replace(",", "")) >= 3
        rest = {
            "open positions (positions)": f"{positions:,}",
            "people signed in (user_sessions)": f"{people:,}",
        }
        assert known == rest
        await stage.platform.execute("REVOKE SELECT ON positions FROM platform_ops")
        try:
            known = await facts()
        finally:
            await stage.platform.execute("GRANT SELECT ON positions TO platform_ops")
        assert known["open positions (positions)"] == "no source: permission denied for table positions"
        assert known["people signed in (user_sessions)"] == f"{people:,}"


async def test_while_the_platforms_database_is_away_what_needs_none_is_done(stage: Stage) -> None:
    async with stage.agent(), stage.platform.drill("db-down"):
        for kind, target, params in (
            ("switch_provider", "market-data-b", {"from": "market-data-b", "to": "market-data-a"}),
            ("switch_provider_back", "market-data-b", {"from": "market-data-b"}),
            ("scale_resources", "large", {"size": "large"}),
            ("scale_resources", "medium", {"size": "medium"}),
        ):
            await stage.done(kind, target, who=stage.bob, **params)
        refused = await stage.ask("suspend_account", "nobody@example.com", account="nobody@example.com")
        assert refused.state is ActionState.REFUSED and "not permitted to log in" in refused.words


TURNS: list[tuple[str, str, dict[str, str], str, str, Any, tuple[str, str, dict[str, str]] | None]] = [
    (
        "scale_resources", "large", {"size": "large"}, "/compute", "size", "large",
        ("scale_resources", "medium", {"size": "medium"}),
    ),
    ("failover", "replica", {"to": "replica"}, "/database", "active", "replica", ("failback", "", {})),
    (
        "switch_provider", "market-data-b", {"from": "market-data-b", "to": "market-data-a"}, "/providers", "routes",
        {"market-data-a": "market-data-a", "market-data-b": "market-data-a"},
        ("switch_provider_back", "market-data-b", {"from": "market-data-b"}),
    ),
    ("enhanced_monitoring_on", "", {}, "/monitoring", "enhanced", True, ("enhanced_monitoring_off", "", {})),
    ("security_protocols_on", "", {}, "/security-protocols", "enabled", True, ("security_protocols_off", "", {})),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "target", "params", "path", "key", "value", "back"), TURNS)
async def test_what_is_turned_is_so_on_the_platform_and_can_be_turned_back(
    stage: Stage,
    kind: str,
    target: str,
    params: dict[str, str],
    path: str,
    key: str,
    value: Any,
    back: tuple[str, str, dict[str, str]],
) -> None:
    before = await stage.ops(path)
    assert before[key] != value
    async with stage.agent():
        action = await stage.done(kind, target, who=stage.bob, **params)
        assert (await stage.ops(path))[key] == value
        assert action.proof is not None and action.proof.verdict == "proved", action.proof
        other, place, given = back
        await stage.done(other, place, who=stage.bob, **given)
        assert (await stage.ops(path))[key] == before[key]
        assert await effects.current(stage.alice) == []


async def test_a_cleared_cache_is_seen_by_its_counter_and_cleared_once(stage: Stage) -> None:
    before = (await stage.ops("/cache"))["clears"]
    async with stage.agent():
        await stage.done("clear_cache")
    assert (await stage.ops("/cache"))["clears"] == before + 1


async def test_what_is_declared_checks_its_parameters_in_words(stage: Stage) -> None:
    async with stage.agent():
        for size, words in (("huge", "expected one of small, medium, large"), ("", "size is missing")):
            refused = await stage.ask("scale_resources", "", who=stage.bob, size=size)
            assert refused.state is ActionState.REFUSED and words in refused.words
        planned = await stage.ask("scale_resources", "large", who=stage.bob, size="large")
        assert planned.plan is not None and planned.plan.typed == "large"
        assert planned.plan.command == (
            "tradex actions start scale-resources --set size=large --reason 'a test'\"'\"'s reason'"
        )
        assert ("size now", "medium") in [(fact.label, fact.value) for fact in planned.plan.facts]
        (notify,) = [kind for kind in await actions.kinds(stage.alice) if kind.name == "notify"]
        assert "no channel" in notify.unavailable


async def test_without_any_door_each_kind_says_what_is_missing(stage: Stage) -> None:
    nothing = {"ops_database_url": None, "service_key": None, "vercel_project": None}
    async with stage.agent(**nothing):
        for kind in await actions.kinds(stage.alice):
            assert kind.unavailable, kind.name


async def test_what_is_taken_back_while_it_is_watched_keeps_its_proof(stage: Stage) -> None:
    # Twelve seconds: nobody takes it back so fast that it was not watched.
    stage.scale = 10.0
    async with stage.agent():
        on = await stage.ask("maintenance_on", who=stage.bob)
        await stage.confirm(on, stage.bob)
        await stage.until(on.id, lambda a: a.state is ActionState.VERIFYING and a.proof is not None)
        off = await stage.ask("maintenance_off")
        await stage.confirm(off)
        on = await stage.ended(on.id)
        words = f"taken back by action {off.id}"
        assert (on.state, on.words) == (ActionState.DONE, f"{words} while it was watched")
        assert on.proof is not None and on.proof.verdict == "proved"
        assert on.proof.text == f"the platform's flag is on; {words}"
        assert [fact.value for fact in on.proof.facts] == ["on"]
        await actions.cancel(stage.alice, off.id, "seen")
        await stage.ended(off.id)
