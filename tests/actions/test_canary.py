"""A release held against what ran before it: the platform's own orders, counted by its database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from console.actions.canary import Canary, Earlier, Span, compared, pieces, words
from console.domain.canary import Allowed, Comparison, Watch
from console.gateway.orders import Orders
from console.metrics import catalogue
from console.metrics.histogram import LogBuckets, bucket_of
from console.sections import PlatformSettings
from console.store.pool import Store
from tests.sandbox.platform import Platform

from .conftest import Stage, reading

LOADED = catalogue.load()
LONG_AGO = datetime(2020, 3, 10, 12, tzinfo=UTC)
WATCH = Watch(
    timedelta(minutes=5),
    timedelta(minutes=15),
    30,
    {"error_rate": Allowed(more=1, times=2), "p95_execution_time": Allowed(times=1.5, over=400)},
)


async def put(
    platform: Platform, at: datetime, good: int, failed: int = 0, *, ms: float = 200.0, pending: int = 0
) -> None:
    """Orders that were finished at this moment, and some that were not."""
    for status, count in (("executed", good), ("failed", failed), ("pending", pending)):
        final = status != "pending"
        await platform.execute(
            "INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, created_at, "
            "executed_at) SELECT (SELECT id FROM profiles LIMIT 1), 'EURUSD', 'market', 'buy', 1, $2, $3, $4, $5 "
            "FROM generate_series(1, $1)",
            count, status, ms if final else None, at, at if final else None,
        )  # fmt: skip


async def of_platform(platform: Platform, since: datetime) -> tuple[int, float, float]:
    """How many orders were finished since then, error rate and p95, as anybody would ask it."""
    async with platform.sql() as connection:
        row = await connection.fetchrow(
            "SELECT count(*) AS n, 100.0 * count(*) FILTER (WHERE status = 'failed') / count(*) AS rate, "
            "percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time) FILTER (WHERE status = 'executed') AS p95 "
            "FROM orders WHERE executed_at > $1 AND status IN ('executed', 'failed')",
            since,
        )
    return row["n"], float(row["rate"]), row["p95"]


@pytest.fixture
async def orders(platform: Platform) -> AsyncIterator[Orders]:
    made = Orders.of(PlatformSettings.model_validate(reading(platform)), LOADED)
    yield made
    await made.close()


@pytest.fixture
async def now(stage: Stage) -> AsyncIterator[datetime]:
    """A second ago, since when there was no order: two clocks are compared to within the time that an answer takes.
    Whatever the test puts into the platform goes again."""
    begun = await stage.alice.now() - timedelta(seconds=1)
    await _clear(stage.platform, begun - timedelta(seconds=2))
    yield begun
    await _clear(stage.platform, begun)


async def _clear(platform: Platform, since: datetime) -> None:
    old = LONG_AGO + timedelta(days=1)
    await platform.execute("DELETE FROM orders WHERE created_at > $1 OR created_at < $2", since, old)


def span(since: datetime, begun: datetime = LONG_AGO, scale: float = 1.0) -> Span:
    return Span(begun, since, since + timedelta(minutes=5), scale)


async def looked(canary: Canary, store: Store) -> tuple[Comparison, str]:
    found, reason = await canary.look(store)
    assert found is not None
    return found, reason


async def test_what_is_counted_is_what_the_platform_has(stage: Stage, orders: Orders, now: datetime) -> None:
    # Long enough ago that most of it is settled, and only the rest is counted again.
    since = now - timedelta(minutes=10)
    # Nothing lies on its edge.
    await stage.platform.execute(
        "DELETE FROM orders WHERE abs(extract(epoch FROM executed_at - $1::timestamptz)) < 2", since
    )
    canary = Canary(orders, WATCH, span(since))
    await looked(canary, stage.alice)
    # One that was committed late, and those that are not final.
    await put(stage.platform, now - timedelta(seconds=5), 40, 3, ms=310)
    await put(stage.platform, await stage.alice.now(), 20, ms=900, pending=7)
    found, _ = await looked(canary, stage.alice)
    count, rate, p95 = await of_platform(stage.platform, since)
    rows = {row.name: row for row in found.rows}
    assert found.of_now == count > 63
    assert rows["error_rate"].now == pytest.approx(rate)
    assert rows["p95_execution_time"].now == pytest.approx(p95, rel=0.02)
    assert rows["orders_per_minute"].now == pytest.approx(count / 10, rel=0.2)
    # Who takes it over counts anew.
    again, _ = await looked(Canary(orders, WATCH, span(since)), stage.alice)
    assert [row.now for row in again.rows[:2]] == [row.now for row in found.rows[:2]]
    await stage.platform.execute("DELETE FROM orders WHERE executed_at = $1", now - timedelta(seconds=5))


async def test_before_is_the_time_before_the_action_began(
    stage: Stage, orders: Orders, now: datetime
) -> None:
    for minutes, good in ((16, 1000), (14, 10), (1, 1), (-1, 10_000)):
        await put(stage.platform, LONG_AGO - timedelta(minutes=minutes), good)
    found, _ = await looked(Canary(orders, WATCH, span(now)), stage.alice)
    assert found.of_before == 11
    found, _ = await looked(Canary(orders, WATCH, span(now, scale=10)), stage.alice)
    assert found.of_before == 1


async def test_one_that_fails_more_is_bad_as_soon_as_enough_was_seen(
    stage: Stage, orders: Orders, now: datetime
) -> None:
    await put(stage.platform, LONG_AGO - timedelta(minutes=1), 1000)
    canary = Canary(orders, WATCH, span(now))
    await put(stage.platform, await stage.alice.now(), 15, 14)
    _, reason = await looked(canary, stage.alice)
    assert reason == "" and canary.doubt == "only 29 orders came: too few to compare"
    await put(stage.platform, await stage.alice.now(), 0, 1)
    found, reason = await looked(canary, stage.alice)
    row = found.rows[0]
    assert (found.of_before, found.of_now, canary.doubt) == (1000, 30, "")
    assert row.bad and row.low is not None and 25 < row.low < 40 and row.allowed == 1.0
    assert reason == (
        f"error rate 0.00 % before, 50.00 % now (95 %: {row.low:.1f} to {row.high:.1f} more, of 30 orders)"
    )


async def test_one_that_is_slower_is_bad(stage: Stage, orders: Orders, now: datetime) -> None:
    await put(stage.platform, LONG_AGO - timedelta(minutes=1), 1000, ms=300)
    await put(stage.platform, await stage.alice.now(), 100, ms=800)
    found, reason = await looked(Canary(orders, WATCH, span(now)), stage.alice)
    assert [row.bad for row in found.rows] == [False, True, False]
    assert reason.startswith("order latency, p95 3") and "8" in reason and "of 100 orders" in reason


async def test_a_platform_that_failed_before_is_not_blamed_on_the_release(
    stage: Stage, orders: Orders, now: datetime
) -> None:
    await put(stage.platform, LONG_AGO - timedelta(minutes=1), 880, 120, ms=900)
    await put(stage.platform, await stage.alice.now(), 165, 35, ms=950)
    found, reason = await looked(Canary(orders, WATCH, span(now)), stage.alice)
    assert reason == "" and not any(row.bad for row in found.rows)
    assert found.rows[0].allowed == pytest.approx(12)


async def test_where_nothing_came_nothing_is_compared(stage: Stage, orders: Orders, now: datetime) -> None:
    await put(stage.platform, LONG_AGO - timedelta(minutes=1), 100)
    canary = Canary(orders, WATCH, span(now))
    found, reason = await looked(canary, stage.alice)
    assert (reason, canary.doubt) == ("", "no orders came: nothing to compare")
    assert found.rows[0].now is None and found.rows[0].low is None
    canary = Canary(orders, WATCH, span(now, LONG_AGO - timedelta(days=400)))
    await put(stage.platform, await stage.alice.now(), 0, 100)
    _, reason = await looked(canary, stage.alice)
    assert (reason, canary.doubt) == ("", "no orders before: nothing to compare")


async def test_a_store_whose_clock_is_wrong_counts_the_same_orders(
    stage: Stage, orders: Orders, now: datetime
) -> None:
    class Ahead:
        """A server of its own, whose clock nobody minds."""

        def __getattr__(self, name: str) -> Any:
            return getattr(stage.alice, name)

        async def now(self) -> datetime:
            return await stage.alice.now() + wrong

    wrong = timedelta(hours=3)
    await put(stage.platform, LONG_AGO - timedelta(minutes=1), 50)
    await put(stage.platform, await stage.alice.now(), 40)
    canary = Canary(orders, WATCH, span(now + wrong, LONG_AGO + wrong))
    found, _ = await looked(canary, cast(Store, Ahead()))
    assert (found.of_before, found.of_now) == (50, 40)


async def test_a_database_that_is_away_is_said_and_blames_nobody(stage: Stage, orders: Orders) -> None:
    away = PlatformSettings(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    canary = Canary(Orders.of(away, LOADED), WATCH, span(await stage.alice.now()))
    assert await canary.look(stage.alice) == (None, "")
    assert canary.doubt == "orders can't be counted: connection refused"
    assert [fact.value for fact in canary.facts] == ["can't be counted: connection refused"]


async def test_without_a_database_all_is_left_to_the_ticks(stage: Stage) -> None:
    canary = Canary(Orders.of(PlatformSettings(), LOADED), WATCH, span(LONG_AGO))
    assert canary.others == ("error_rate", "p95_execution_time")
    assert await canary.look(stage.alice) == (None, "") and canary.doubt == ""


# --- pure parts -------------------------------------------------------------------------------------------------------


def at(minutes: float) -> datetime:
    return LONG_AGO + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], [(-15, 0)]),
        # It has run since then, and no longer.
        ([Earlier(at(-9), at(-8), False)], [(-8, 0)]),
        ([Earlier(at(-99), at(-90), False)], [(-15, 0)]),
        # What failed meanwhile is left out, and the time before it counts.
        ([Earlier(at(-9), at(-5), True)], [(-5, 0), (-19, -9)]),
        ([Earlier(at(-9), at(-5), True), Earlier(at(-14), at(-11), False)], [(-5, 0), (-11, -9)]),
        ([Earlier(at(-99), at(-90), True)], [(-15, 0)]),
    ],
)
def test_before_is_of_the_release_that_ran_then(
    earlier: list[Earlier], expected: list[tuple[float, float]]
) -> None:
    found = pieces(earlier, LONG_AGO, timedelta(minutes=15))
    assert found == [(at(since), at(until)) for since, until in expected]


def outcomes(good: int, failed: int, ms: float = 200) -> dict[str, LogBuckets]:
    found = {"executed": LogBuckets(), "failed": LogBuckets()}
    found["executed"].add(bucket_of(ms), good, good * ms, good)
    found["failed"].add(None, failed, None, 0)
    return found


ENTRY = Orders.of(PlatformSettings(database_url="postgresql://nowhere"), LOADED).counts("error_rate")


@pytest.mark.parametrize(
    ("allowed", "before", "now", "bad"),
    [
        (Allowed(more=1), (5000, 0), (4900, 100), True),
        (Allowed(more=2), (5000, 0), (4900, 100), False),
        # 0.5 % to 1.0 % less is no harm, and neither is what may be chance.
        (Allowed(), (99, 1), (1000, 0), False),
        (Allowed(), (995, 5), (99, 1), False),
        (Allowed(), (9950, 50), (9900, 100), True),
        (Allowed(times=2), (9950, 50), (9880, 120), False),
        (Allowed(over=2), (9950, 50), (9850, 150), False),
    ],
)
def test_what_is_more_than_allowed_is_bad(
    allowed: Allowed, before: tuple[int, int], now: tuple[int, int], bad: bool
) -> None:
    assert ENTRY is not None
    entry, source = ENTRY
    found = compared(entry.spec, source, allowed, outcomes(*before), outcomes(*now), enough=True)
    assert found.bad is bad
    assert not compared(entry.spec, source, allowed, outcomes(*before), outcomes(*now), enough=False).bad


def test_it_is_one_sentence_with_its_numbers() -> None:
    assert ENTRY is not None
    entry, source = ENTRY
    found = compared(entry.spec, source, Allowed(more=1), outcomes(4000, 0), outcomes(1011, 31), enough=True)
    assert words(found, entry.spec, 1042) == (
        "error rate 0.00 % before, 2.98 % now (95 %: 2.1 to 4.2 more, of 1,042 orders)"
    )
