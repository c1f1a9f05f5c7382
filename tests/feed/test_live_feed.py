"""The feed on a real store: what it shows, what it says when the store is away, how it comes back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from console.domain.health import Check, Status, Verdict
from console.domain.snapshot import ComponentHealth, Snapshot
from console.store import lease as leases
from console.store import ticks, timeline
from tests.store.stores import Place, readings, spec

SPECS = (
    spec("p95_execution_time"),
    spec("error_rate", "%"),
    spec("cache_latency_ms"),
    spec("redis_status", "state"),
)


async def tick(place: Place, at: datetime, status: Status = Status.OK, p95: float | None = 300.0) -> None:
    async with place.leader("a1") as (store, lease):
        catalogue_id = await ticks.ensure_catalogue(store, lease, SPECS)
        checks = [Check("cache", status, 2.0, "hit 98 %", at), Check("database", Status.OK, 3.0, "fine", at)]
        await ticks.write_tick(
            store,
            lease,
            at=at,
            catalogue_id=catalogue_id,
            values=readings(SPECS, [p95, 0.1, 2.0, "up" if status is Status.OK else "down"], at),
            checks=checks,
        )
        await leases.release(store, lease)


async def now_of(place: Place) -> datetime:
    return (await place.owner("SELECT clock_timestamp() AS now"))[0]["now"]


async def test_a_tick_arrives_with_its_health_trend_and_events(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.link.away is None)
        assert feed.snapshot.link.user == "alice"
        assert feed.snapshot.link.role == "responder"
        assert feed.snapshot.metrics.at is None
        assert feed.snapshot.overall.verdict is Verdict.UNKNOWN
        seen: list[frozenset[str]] = []
        feed.subscribe(lambda _snapshot, changed: seen.append(changed))
        await tick(place, await now_of(place))
        await wait_for(lambda: feed.snapshot.metrics.at is not None)
        shown: Snapshot = feed.snapshot
        assert {c.check.component for c in shown.health} == {"cache", "database"}
        assert shown.metrics.values["p95_execution_time"].value == 300.0
        assert shown.trends["p95_execution_time"].values[-1] == 300.0
        assert shown.overall.verdict is Verdict.HEALTHY
        assert {"metrics", "health", "trends"} <= frozenset().union(*seen)
        await tick(place, await now_of(place), Status.DOWN)
        await wait_for(lambda: any(e.kind == "health" and e.subject == "cache" for e in feed.snapshot.events))

        def down() -> ComponentHealth | None:
            cache = next(c for c in feed.snapshot.health if c.check.component == "cache")
            return cache if cache.check.status is not Status.OK else None

        # Either may be read first.
        cache = await wait_for(down)
        assert cache.check.status is Status.DOWN
        assert cache.worst[-1] is Status.DOWN
        assert cache.error_pct == 50.0
        assert cache.latency[-1] == 2.0


async def test_what_is_followed_equals_what_is_read_anew(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.link.away is None)
        for value in (100.0, 200.0, 600.0):
            await tick(place, await now_of(place), p95=value)
            await wait_for(lambda v=value: _p95(feed.snapshot) == v)
        followed = feed.snapshot.trends["p95_execution_time"].values
        async with follow("bob") as other:
            await wait_for(lambda: "p95_execution_time" in other.snapshot.trends)
            anew = other.snapshot.trends["p95_execution_time"].values
            assert sum(v is not None for v in followed) == sum(v is not None for v in anew)
            assert [v for v in followed if v is not None] == [v for v in anew if v is not None]
            assert other.snapshot.overall.verdict is feed.snapshot.overall.verdict


def _p95(snapshot: Snapshot) -> float | str | None:
    value = snapshot.metrics.values.get("p95_execution_time")
    return value and value.value


async def test_an_event_of_another_person_arrives(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.link.away is None)
        async with place.open("bob") as bob:
            await timeline.note_drill(bob, name="latency", text="drill latency started")
        await wait_for(lambda: any(e.actor == "bob" for e in feed.snapshot.events))


async def test_a_store_that_goes_away_is_shown_with_the_last_data_and_comes_back_by_itself(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.link.away is None)
        await tick(place, await now_of(place))
        await wait_for(lambda: feed.snapshot.metrics.at is not None)
        await place.owner("ALTER ROLE alice NOLOGIN")
        await place.owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'")
        try:
            await wait_for(lambda: feed.snapshot.link.away is not None)
            assert feed.snapshot.link.away_since is not None
            assert feed.snapshot.metrics.at is not None, "the last data is kept"
            assert feed.snapshot.link.user == "alice"
        finally:
            await place.owner("ALTER ROLE alice LOGIN")
        await wait_for(lambda: feed.snapshot.link.away is None)


async def test_old_data_turns_unknown_without_any_notification(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    await tick(place, (await now_of(place)) - timedelta(minutes=5))
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.metrics.at is not None)
        assert feed.snapshot.overall.verdict is Verdict.UNKNOWN


async def test_the_clock_is_the_stores(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.link.away is None)
        assert abs(feed.now() - await now_of(place)) < timedelta(seconds=1)
        assert feed.now().tzinfo is UTC


async def test_a_component_seen_first_while_following_brings_its_past_along(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    now = await now_of(place)
    past = [
        (now - timedelta(minutes=m), readings(PAST, ["up"], now - timedelta(minutes=m))) for m in (40, 30, 20)
    ]
    async with place.leader("history") as (store, lease):
        await ticks.write_seeded(store, lease, PAST, past)
        await leases.release(store, lease)
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.metrics.at is not None)
        assert feed.snapshot.health == ()
        async with place.leader("a1") as (store, lease):
            catalogue_id = await ticks.ensure_catalogue(store, lease, PAST)
            at = await now_of(place)
            checks = [Check("cache", Status.DOWN, None, "gone", at)]
            await ticks.write_tick(
                store,
                lease,
                at=at,
                catalogue_id=catalogue_id,
                values=readings(PAST, ["down"], at),
                checks=checks,
            )
        await wait_for(lambda: feed.snapshot.health and feed.snapshot.health[0].error_pct == 25.0)


PAST = (spec("redis_status", "state"),)


async def test_alerts_that_nobody_evaluates_any_more_are_no_calm(
    place: Place, follow: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    now = await now_of(place)
    await tick(place, now)
    await place.owner("UPDATE console.alert_cursor SET at = $1", now)
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.overall.verdict is Verdict.HEALTHY)
        await place.owner("UPDATE console.alert_cursor SET at = at - interval '1 minute'")
        await tick(place, await now_of(place))
        feed.refresh()
        await wait_for(lambda: "evaluated" in feed.snapshot.overall.reason)
        assert feed.snapshot.overall.verdict is Verdict.UNKNOWN
