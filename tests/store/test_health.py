from datetime import timedelta

import pytest

from console.domain.event import Severity
from console.domain.health import Check, CheckPoint, Status
from console.store import health, timeline
from console.store.encoding import latency_metric, status_metric
from console.store.health import with_gaps
from tests.store.stores import NOON, Place, check, spec, write

S = timedelta(seconds=1)
OK, DEGRADED, DOWN, UNKNOWN = Status.OK, Status.DEGRADED, Status.DOWN, Status.UNKNOWN


async def _tell(place: Place, *ticks: list[Check]) -> list[tuple[Severity, str, str]]:
    """Write a tick with each list of checks; the health entries of the timeline that follow, oldest first."""
    async with place.leader() as (store, lease):
        for i, checks in enumerate(ticks):
            await write(store, lease, [spec("a")], [(NOON + i * S, [1])], checks)
        events = [e for e in await timeline.recent(store) if e.kind == "health"]
    return [(e.severity, e.subject, e.text) for e in reversed(events)]


async def test_a_change_of_status_is_told_with_what_was_and_for_how_long(place: Place) -> None:
    hour = timedelta(hours=1)
    told = await _tell(
        place,
        [check("database", OK, NOON)],
        [check("database", OK, NOON + hour)],
        [check("database", DOWN, NOON + 2 * hour, "connection refused")],
        [check("database", DOWN, NOON + 2 * hour + 30 * S, "time-out")],
        [check("database", DEGRADED, NOON + 2 * hour + 150 * S, "2,000 ms")],
        [check("database", UNKNOWN, NOON + 2 * hour + 155 * S, "not asked")],
        [check("database", OK, NOON + 80 * hour)],
    )
    assert told == [
        (Severity.CRITICAL, "database", "database is down: connection refused (was ok for 2 h)"),
        (Severity.WARNING, "database", "database is degraded: 2,000 ms (was down for 2 min)"),
        (Severity.WARNING, "database", "database is unknown: not asked (was degraded for 5 s)"),
        (Severity.OK, "database", "database is ok (was unknown for 3 d)"),
    ]


async def test_the_first_check_is_news_only_when_it_is_not_ok(place: Place) -> None:
    told = await _tell(place, [check("database", OK, NOON), check("cache", DOWN, NOON, "refused")])
    assert told == [(Severity.CRITICAL, "cache", "cache is down: refused")]


async def test_a_sum_is_not_told_beside_its_parts(place: Place) -> None:
    functions = ["edge_functions", "edge_functions/execute-order"]
    told = await _tell(
        place, [check(f, OK, NOON) for f in functions], [check(f, DOWN, NOON + S) for f in functions]
    )
    assert [subject for _, subject, _ in told] == ["edge_functions/execute-order"]


async def test_current_holds_since_the_status_began(place: Place) -> None:
    async with place.leader() as (store, lease):
        for i, status in enumerate((OK, DOWN, DOWN)):
            at = NOON + i * S
            checks = [check("database", status, at, f"try {i}", 1.5 if status is OK else None)]
            await write(store, lease, [spec("a")], [(at, [1])], checks)
    async with place.open("vera") as store:
        assert await health.current(store) == [(check("database", DOWN, NOON + 2 * S, "try 2"), NOON + 1 * S)]


async def test_what_is_not_checked_any_more_is_not_shown(place: Place) -> None:
    async with place.leader() as (store, lease):
        both = [check("cache", OK, NOON), check("database", OK, NOON)]
        await write(store, lease, [spec("a")], [(NOON, [1])], both)
        await write(store, lease, [spec("a")], [(NOON + S, [1])], [])
        assert len(await health.current(store)) == 2
        await write(store, lease, [spec("a")], [(NOON + 2 * S, [1])], both[:1])
        assert [c.component for c, _ in await health.current(store)] == ["cache"]


async def test_an_older_check_never_replaces_a_newer_one_but_a_clock_set_back_does(place: Place) -> None:
    async with place.leader() as (store, lease):
        await write(store, lease, [spec("a")], [(NOON, [1])], [check("database", DOWN, NOON)])
        await write(store, lease, [spec("a")], [(NOON - S, [1])], [check("database", OK, NOON - S)])
        assert (await health.current(store))[0][0].status is DOWN
        now = await store.now()
        await place.owner("UPDATE console.health SET at = $1", now + timedelta(hours=1))
        await write(store, lease, [spec("a")], [(now, [1])], [check("database", OK, now)])
        assert (await health.current(store))[0][0] == check("database", OK, now)


async def test_checks_are_a_components_ticks_with_their_gaps(place: Place) -> None:
    specs = [spec("cache_latency_ms"), spec("redis_status", "state")]
    rows = [(0, [1.5, "up"]), (2, [None, "down"]), (4, [2, None]), (60, [3, "degraded"]), (62, [3, "up"])]
    async with place.leader() as (store, lease):
        await write(store, lease, specs, [(NOON + n * S, values) for n, values in rows])
        await write(store, lease, [spec("a")], [(NOON + 64 * S, [1])])
        found = await health.checks(store, "cache", start=NOON, end=NOON + 66 * S)
        nothing = await health.checks(store, "cache", start=NOON + 66 * S, end=NOON + 99 * S)
    assert found == [
        CheckPoint(NOON, OK, 1.5),
        CheckPoint(NOON + 2 * S, DOWN, None),
        CheckPoint(NOON + 4 * S, None, 2),
        CheckPoint(NOON + 6 * S, None, None),
        CheckPoint(NOON + 60 * S, DEGRADED, 3),
        CheckPoint(NOON + 62 * S, OK, 3),
        CheckPoint(NOON + 64 * S, None, None),
    ]
    assert nothing == []


def test_ticks_that_come_less_often_are_no_gap() -> None:
    seeded = [CheckPoint(NOON + i * 30 * S, OK, 1) for i in range(3)]
    live = [CheckPoint(NOON + (90 + i * 2) * S, OK, 1) for i in range(3)]
    assert with_gaps([*seeded, *live], 2 * S) == [*seeded, *live]
    assert with_gaps([], 2 * S) == []
    far = [seeded[0], CheckPoint(NOON + timedelta(hours=1), OK, 1)]
    assert with_gaps(far, 2 * S) == [far[0], CheckPoint(NOON + 2 * S, None, None), far[1]]


@pytest.mark.parametrize(
    ("component", "status", "latency"),
    [
        ("database", "database_status", "database_latency_ms"),
        ("cache", "redis_status", "cache_latency_ms"),
        (
            "edge_functions/execute-order",
            "edge_functions_execute_order_status",
            "edge_functions_execute_order_latency_ms",
        ),
    ],
)
def test_probes_are_metrics_by_these_names(component: str, status: str, latency: str) -> None:
    assert (status_metric(component), latency_metric(component)) == (status, latency)
