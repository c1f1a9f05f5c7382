"""The engine on a real store: each tick once, whoever leads, and the same alerts as in an undisturbed run."""

from datetime import timedelta

import pytest

from console.alerting.engine import Engine
from console.domain.alert import AlertState
from console.domain.event import Severity
from console.domain.health import Check, Status
from console.store import alerts
from console.store import lease as leases
from tests.alerting import recorded
from tests.alerting.recorded import TICK, Row, row
from tests.store.stores import NOON, Place


async def run(place: Place, until: int, *, engines: int = 1, path: object = None) -> None:
    """Evaluate everything, each of `engines` as a new leader with an equal share of the ticks."""
    for number in range(engines):
        async with place.leader(f"agent-{number}") as (store, lease):
            engine = Engine(recorded.rulebook())
            share = NOON + TICK * (until * (number + 1) / engines)
            await engine.catch_up(store, lease, until=share)
            await leases.release(store, lease)


def episode(length: int, **values: float | str | None) -> list[Row]:
    """Ten calm ticks, `length` with these values, thirty calm ones."""
    return [
        row(NOON + TICK * (i + 1), **(values if 10 <= i < 10 + length else {})) for i in range(40 + length)
    ]


async def named(place: Place, rule: str) -> list[tuple[int, str]]:
    """Ticks after noon and kinds of one rule's transitions."""
    return [
        (round((at - NOON) / TICK), str(kind))  # type: ignore[operator]
        for at, name, kind, *_ in await recorded.transitions(place)
        if name == rule
    ]


async def test_pending_then_firing_then_resolved(place: Place) -> None:
    # `for 2 minutes` is 12 s in the sandbox: six ticks after the first true one.
    await recorded.record(place, episode(20, error_rate=8.0))
    await run(place, 100)
    assert await named(place, "Order Execution Failure") == [
        (11, "pending"),
        (17, "firing"),
        (31, "resolved"),
    ]
    assert await place.owner(
        "SELECT phase, peak, flaps FROM console.alert WHERE fingerprint = 'Order Execution Failure'"
    ) == [("resolved", 8.0, 0)]


async def test_what_is_true_for_too_short_never_fires(place: Place) -> None:
    await recorded.record(place, episode(5, error_rate=8.0))
    await run(place, 100)
    assert await named(place, "Order Execution Failure") == [(11, "pending"), (16, "inactive")]
    assert await place.owner("SELECT FROM console.alert WHERE fingerprint = 'Order Execution Failure'") == []


async def test_a_restart_at_each_tick_of_a_for_changes_nothing(place: Place, second_place: Place) -> None:
    ticks = episode(20, error_rate=8.0, cpu_usage=99.0)
    await recorded.record(place, ticks)
    await recorded.record(second_place, ticks)
    await run(place, len(ticks))
    await run(second_place, len(ticks), engines=len(ticks))
    assert await recorded.transitions(second_place) == await recorded.transitions(place)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_changes_of_leader_change_nothing(place: Place, second_place: Place, seed: int) -> None:
    ticks = recorded.rows(seed, 250)
    await recorded.record(place, ticks)
    await recorded.record(second_place, ticks)
    span = round((ticks[-1][0] - NOON) / TICK) + 1
    await run(place, span)
    await run(second_place, span, engines=7)
    undisturbed = await recorded.transitions(place)
    assert len(undisturbed) > 20
    assert await recorded.transitions(second_place) == undisturbed


async def test_a_threshold_is_one_alert_and_is_held_back_by_a_rule_that_says_the_same(place: Place) -> None:
    await recorded.record(place, episode(40, error_rate=8.0)[:45])
    await run(place, 45)
    async with place.open("alice") as store:
        found = {a.rule: a for a in await alerts.current(store, resolved_since=NOON)}
    assert found["Order Execution Failure"].state is AlertState.FIRING
    assert found["threshold:error_rate"].state is AlertState.INHIBITED
    assert found["threshold:error_rate"].inhibited_by == "Order Execution Failure"


async def test_a_database_that_is_down_explains_what_follows(place: Place) -> None:
    down = {"database_status": "down", "error_rate": None, "avg_execution_time": None}
    await recorded.record(place, episode(40, **down)[:45])
    await run(place, 45)
    async with place.open("alice") as store:
        found = await alerts.current(store, resolved_since=NOON)
    assert [a.rule for a in found if a.counts] == ["Database Connection Failure"]
    assert {a.rule for a in found if a.state is AlertState.INHIBITED} >= {
        "probe:database",
        "collection:error_rate",
        "collection:avg_execution_time",
    }


async def test_no_data_makes_a_firing_alert_stale_and_data_brings_it_back(place: Place) -> None:
    # The look-back of 5 minutes is 30 s here: fifteen ticks.
    ticks = [row(NOON + TICK * (i + 1), active_threats=2.0 if i < 5 or i > 40 else None) for i in range(50)]
    await recorded.record(place, ticks)
    await run(place, 50)
    assert await named(place, "Security Breach Detection") == [(1, "firing"), (21, "stale"), (42, "fresh")]


async def test_an_event_fires_for_one_tick(place: Place) -> None:
    ticks = [row(NOON + TICK * (i + 1), deployment_status="success" if i == 5 else None) for i in range(20)]
    await recorded.record(place, ticks)
    await run(place, 20)
    assert await named(place, "Deployment Success") == [(6, "firing"), (7, "resolved")]


async def test_an_alert_that_flaps_is_one_alert_with_a_count(place: Place) -> None:
    ticks = [row(NOON + TICK * (i + 1), cpu_usage=99.0 if i % 4 == 1 else 30.0) for i in range(20)]
    await recorded.record(place, ticks)
    await run(place, 20)
    found = await place.owner("SELECT flaps FROM console.alert WHERE fingerprint = 'threshold:cpu_usage'")
    assert [r["flaps"] for r in found] == [4]


async def test_an_unwatched_gap_longer_than_the_look_back_ends_what_was_pending(place: Place) -> None:
    early = [row(NOON + TICK * (i + 1), error_rate=8.0) for i in range(3)]
    late = [row(NOON + TICK * 200 + TICK * (i + 1), error_rate=8.0) for i in range(3)]
    await recorded.record(place, early + late)
    await run(place, 210)
    kinds = [kind for _, kind in await named(place, "Order Execution Failure")]
    assert kinds == ["pending", "inactive", "pending"]


async def test_a_tick_is_evaluated_once(place: Place) -> None:
    await recorded.record(place, episode(20, error_rate=8.0))
    await run(place, 30)
    before = await recorded.transitions(place)
    async with place.leader("late") as (store, lease):
        assert await Engine(recorded.rulebook()).catch_up(store, lease, until=NOON + TICK * 30) == 0
    assert await recorded.transitions(place) == before


async def test_an_acknowledgement_is_taken_back_after_half_an_hour_of_nothing(place: Place) -> None:
    # Half an hour is three minutes in the sandbox.
    await recorded.record(place, [row(NOON + TICK * (i + 1), cpu_usage=99.0) for i in range(150)])
    await run(place, 10)
    async with place.open("alice") as store:
        (alert,) = [
            a for a in await alerts.current(store, resolved_since=NOON) if a.rule == "threshold:cpu_usage"
        ]
        await alerts.acknowledge(store, [alert.id], "on it")
    await place.owner(
        "UPDATE console.alert SET acknowledged_at = $1 WHERE id = $2", NOON + TICK * 10, alert.id
    )
    await run(place, 60)
    async with place.open("alice") as store:
        states = {a.rule: a.state for a in await alerts.current(store, resolved_since=NOON)}
        assert states["threshold:cpu_usage"] is AlertState.ACKNOWLEDGED
    await run(place, 150)
    async with place.open("alice") as store:
        states = {a.rule: a.state for a in await alerts.current(store, resolved_since=NOON)}
        assert states["threshold:cpu_usage"] is AlertState.FIRING


async def test_the_value_a_day_before_counts(place: Place) -> None:
    day = timedelta(hours=24)
    past = [row(NOON - day + TICK * (i + 1), performance_score=80.0) for i in range(20)]
    now = [row(NOON + TICK * (i + 1), performance_score=95.0) for i in range(20)]
    await recorded.record(place, past + now)
    await place.owner("UPDATE console.alert_cursor SET at = $1", NOON)
    await run(place, 20)
    assert (1, "firing") in await named(place, "Performance Improvement")


async def test_what_a_probe_was_told_is_part_of_the_reason(place: Place) -> None:
    await recorded.record(place, [row(NOON + TICK * (i + 1), database_status="down") for i in range(3)])
    said = Check("database", Status.DOWN, None, "connection refused", NOON)
    async with place.leader() as (store, lease):
        await Engine(recorded.rulebook()).catch_up(store, lease, until=NOON + TICK * 3, checks=[said])
    (alert,) = await place.owner(
        "SELECT summary FROM console.alert WHERE fingerprint = 'Database Connection Failure'"
    )
    assert alert["summary"] == "Database status is down: connection refused"


async def test_what_another_alert_explains_is_not_counted_as_fired(place: Place) -> None:
    down = {"database_status": "down", "error_rate": None, "avg_execution_time": None}
    await recorded.record(place, episode(40, **down)[:45])
    await run(place, 45)
    async with place.open("alice") as store:
        fired = await alerts.fired_per_hour(store, start=NOON, end=NOON + timedelta(hours=1))
    assert fired == [(NOON, Severity.CRITICAL, 1)]


async def test_a_gap_without_a_leader_ends_no_failure_that_goes_on(place: Place) -> None:
    early = [row(NOON + TICK * (i + 1), cpu_usage=None) for i in range(10)]
    late = [row(NOON + TICK * 200 + TICK * (i + 1), cpu_usage=None) for i in range(3)]
    await recorded.record(place, early + late)
    await run(place, 210)
    kinds = [kind for _, kind in await named(place, "collection:cpu_usage")]
    assert kinds == ["pending", "firing"]


async def test_a_warning_that_becomes_critical_is_on_the_timeline(place: Place) -> None:
    ticks = [row(NOON + TICK * (i + 1), redis_hit_pct=85.0 if i < 5 else 10.0) for i in range(10)]
    await recorded.record(place, ticks)
    await run(place, 10)
    events = await place.owner("SELECT severity, text FROM console.event WHERE kind = 'alert' ORDER BY id")
    assert [(e["severity"], e["text"].partition(":")[2].partition(":")[0]) for e in events] == [
        ("warning", "redis_hit_pct fires"),
        ("critical", "redis_hit_pct is critical now"),
    ]
