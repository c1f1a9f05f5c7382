"""Series and health windows against the plainest computation of the same thing."""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.domain.health import Status
from console.domain.metric import MetricSpec
from console.store import health, ticks, windows
from console.store import lease as leases
from tests.store.stores import NOON, Place, readings, spec, write

S = timedelta(seconds=1)
US = timedelta(microseconds=1)
# Two catalogues with the same names at other places; only one of them knows `c`.
CATALOGUES: tuple[list[MetricSpec], ...] = (
    [spec("a"), spec("b"), spec("database_status", "state")],
    [spec("c"), spec("database_status", "state"), spec("b"), spec("a")],
)
STATES = {"up": Status.OK, "degraded": Status.DEGRADED, "down": Status.DOWN, "unknown": Status.UNKNOWN}

number = st.none() | st.floats(-1e6, 1e6, width=32) | st.just(math.nan)
row = st.tuples(
    st.integers(-50, 1050),  # where in the window, in thousandths
    st.integers(0, 1),
    st.fixed_dictionaries(
        {"a": number, "b": number, "c": number, "database_status": st.none() | st.sampled_from(list(STATES))}
    ),
    st.booleans(),  # thinned already
)
# Of an uneven length, and seen in buckets that do not divide it.
window = st.tuples(st.sampled_from([7 * S, 3600 * S, 86400 * S, 91 * 86400 * S]), st.integers(1, 13))
Row = tuple[datetime, int, dict[str, Any], bool]


def _bucket(at: datetime, start: datetime, span: timedelta, points: int) -> int:
    return (at - start) // US * points // (span // US)


def _picked(
    rows: Sequence[Row], start: datetime, span: timedelta, points: int, complete: int, slots: int
) -> list[Row]:
    inside = [r for r in sorted(rows, key=lambda r: r[0]) if start <= r[0] < start + span]
    if len(inside) <= complete:
        return inside
    first: dict[int, Row] = {}
    for r in inside:
        slot = _bucket(r[0], start, span, points * slots)
        # Where both a live and a thinned tick are in a slot the live one stands for it.
        if slot not in first or (first[slot][3] and not r[3]):
            first[slot] = r
    return list(first.values())


def _known(rows: Sequence[Row], name: str) -> list[tuple[datetime, Any]]:
    return [
        (at, values[name])
        for at, which, values, _ in rows
        if any(s.name == name for s in CATALOGUES[which])
        and values[name] is not None
        and not (isinstance(values[name], float) and math.isnan(values[name]))
    ]


async def _compare(place: Place, rows: Sequence[Row], span: timedelta, points: int, complete: int) -> None:
    start, end = NOON, NOON + span
    await place.owner("TRUNCATE console.tick, console.tick_thin")
    async with place.open("auto") as store:
        lease = await leases.acquire(store, "a1", 300)
        assert lease is not None
        for at, which, values, thinned in rows:
            specs = CATALOGUES[which]
            await write(store, lease, specs, [(at, [values[s.name] for s in specs])])
            if thinned:
                await place.owner("SELECT console.ensure_partition('tick_thin', $1)", at)
                await place.owner(
                    "WITH gone AS (DELETE FROM console.tick WHERE at = $1 RETURNING *) "
                    "INSERT INTO console.tick_thin SELECT * FROM gone",
                    at,
                )
        found = await ticks.series(store, ["a", "c", "b", "nowhere"], start=start, end=end, points=points)
        past = await health.history(store, ["database", "cache"], start=start, end=end, points=points)
        await leases.release(store, lease)
    picked = _picked(rows, start, span, points, complete, 15)
    for name, series in found.items():
        assert (series.start, series.step_s) == (start, span.total_seconds() / points)
        own = _known(picked, name) if name != "nowhere" else []
        for i, value in enumerate(series.values):
            inside = [v for at, v in own if _bucket(at, start, span, points) == i]
            assert value == (pytest.approx(math.fsum(inside) / len(inside), abs=1e-3) if inside else None)
    worst, counts = past["database"]
    for i in range(points):
        inside = [
            STATES[v] for at, v in _known(picked, "database_status") if _bucket(at, start, span, points) == i
        ]
        assert worst[i] == max(inside, key=lambda s: s.rank, default=None)
        assert counts[i] == (len(inside), sum(s is not Status.OK for s in inside))
    assert past["cache"] == ((None,) * points, ((0, 0),) * points)


def test_windows_say_what_a_plain_computation_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(
        st.lists(row, max_size=14, unique_by=lambda r: r[0]), window, st.sampled_from([3, windows.LIMITS[0]])
    )
    def compare(drawn: list[Any], chosen: tuple[timedelta, int], complete: int) -> None:
        span, points = chosen
        monkeypatch.setattr(windows, "LIMITS", (complete, 15))
        # Whole slots, so that the reference need not repeat the server's rounding.
        span = span // (US * points * 15 * 1000) * (US * points * 15 * 1000)
        rows = [(NOON + span // 1000 * n, which, values, thinned) for n, which, values, thinned in drawn]
        asyncio.run(_compare(place, rows, span, points, complete))

    compare()


async def test_a_long_window_costs_no_more_ticks_than_its_slots(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LIMITS", (50, 5))
    past = [(NOON + i * S, readings([spec("a")], [float(i)], NOON)) for i in range(600)]
    async with place.leader() as (store, lease):
        await ticks.write_seeded(store, lease, [spec("a")], past)
        sampled = await ticks.series(store, ["a"], start=NOON, end=NOON + 600 * S, points=10)
        whole = await ticks.series(store, ["a"], start=NOON, end=NOON + 50 * S, points=10)
    # Five ticks stand for the sixty of a bucket: 0, 12, 24, 36, 48.
    assert sampled["a"].values == tuple(60.0 * i + 24 for i in range(10))
    assert whole["a"].values == tuple(5.0 * i + 2 for i in range(10))


@pytest.mark.parametrize(("span", "points"), [(0 * S, 5), (-1 * S, 5), (S, 0)])
async def test_a_window_without_buckets_is_a_mistake(place: Place, span: timedelta, points: int) -> None:
    async with place.open("vera") as store:
        with pytest.raises(ValueError, match="a window of"):
            await ticks.series(store, ["a"], start=NOON, end=NOON + span, points=points)
        with pytest.raises(ValueError, match="a window of"):
            await health.history(store, ["database"], start=NOON, end=NOON + span, points=points)


async def test_no_names_are_no_series(place: Place) -> None:
    async with place.open("vera") as store:
        assert await ticks.series(store, [], start=NOON, end=NOON + S, points=3) == {}
        twice = await ticks.series(store, ["a", "a"], start=NOON, end=NOON + S, points=2)
        assert {name: s.values for name, s in twice.items()} == {"a": (None, None)}
        assert await health.history(store, [], start=NOON, end=NOON + S, points=3) == {}
