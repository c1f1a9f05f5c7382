"""Thirty days complete, then one tick per five minutes for thirteen months, with a moved clock."""

import asyncio
from datetime import datetime, timedelta

import pytest

from console.domain.errors import StoreAway
from console.store import health, maintenance, ticks
from tests.store.stores import NOON, Place, readings, spec, write

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
SPECS = [spec("a"), spec("database_status", "state")]


async def _parts(place: Place, parent: str) -> list[str]:
    rows = await place.owner(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1",
        f"console.{parent}",
    )
    return [r["name"].removeprefix("console.") for r in rows]


def _day(start: datetime, step_s: int = 30) -> list[tuple[datetime, list]]:
    """A day of ticks that starts 7 s late; each tells how many seconds of the day have passed."""
    offsets = range(7, 86400, step_s)
    return [
        (start + timedelta(seconds=n), readings(SPECS, [float(n), "up"], start + timedelta(seconds=n)))
        for n in offsets
    ]


async def test_partitions_are_there_before_they_are_needed(place: Place) -> None:
    async with place.leader() as (store, lease):
        await maintenance.maintain(store, lease, now=NOON)
        await maintenance.maintain(store, lease, now=NOON)
    assert await _parts(place, "tick") == ["tick_20260310", "tick_20260311", "tick_20260312"]


async def test_a_day_is_thinned_once_it_is_thirty_days_over(place: Place) -> None:
    async with place.leader() as (store, lease):
        await ticks.write_seeded(store, lease, SPECS, [*_day(MIDNIGHT), *_day(MIDNIGHT + DAY, 60)])
        await maintenance.maintain(store, lease, now=MIDNIGHT + 31 * DAY - timedelta(seconds=1))
        assert (await _parts(place, "tick"))[0] == "tick_20260310"
        await maintenance.maintain(store, lease, now=MIDNIGHT + 31 * DAY)
        assert (await _parts(place, "tick"))[0] == "tick_20260311"
        assert await _parts(place, "tick_thin") == ["tick_thin_202603"]
        thin = await place.owner("SELECT at FROM console.tick_thin ORDER BY at")
        assert [r["at"] for r in thin] == [MIDNIGHT + timedelta(seconds=7 + 300 * i) for i in range(288)]

        # Everything that reads looks at both.
        moment = await ticks.at_moment(store, MIDNIGHT + timedelta(seconds=306))
        assert moment.values["a"].value == 7
        whole = await ticks.series(store, ["a"], start=MIDNIGHT, end=MIDNIGHT + 2 * DAY, points=4)
        mean = 86400 / 4 - 150 + 7
        assert whole["a"].values[:2] == (mean, mean + 43200)
        assert whole["a"].values[2] == 86400 / 4 - 30 + 7
        points = await health.checks(store, "database", start=MIDNIGHT, end=MIDNIGHT + timedelta(hours=1))
        assert len([p for p in points if p.status]) == 12


async def test_thinned_months_are_forgotten_after_thirteen_months(place: Place) -> None:
    async with place.leader() as (store, lease):
        await ticks.write_seeded(store, lease, SPECS, _day(MIDNIGHT, 3600))
        await maintenance.maintain(store, lease, now=datetime.fromisoformat("2027-04-30T23:59:59+00:00"))
        assert await _parts(place, "tick_thin") == ["tick_thin_202603"]
        await maintenance.maintain(store, lease, now=datetime.fromisoformat("2027-05-01T00:00:00+00:00"))
        assert await _parts(place, "tick_thin") == []
        assert (await ticks.at_moment(store, NOON)).at is None


async def test_a_day_without_ticks_is_only_dropped(place: Place) -> None:
    async with place.leader() as (store, lease):
        await maintenance.maintain(store, lease, now=NOON)
        await maintenance.maintain(store, lease, now=NOON + 90 * DAY)
        assert await place.owner("SELECT FROM console.tick_thin") == []
        assert await _parts(place, "tick") == ["tick_20260608", "tick_20260609", "tick_20260610"]


async def test_a_reader_that_stands_in_the_way_is_waited_for_only_shortly(place: Place) -> None:
    async with place.leader() as (store, lease), place.raw("vera") as reader:
        await ticks.write_seeded(store, lease, SPECS, _day(MIDNIGHT, 3600))
        await reader.execute("BEGIN; SELECT * FROM console.tick")
        with pytest.raises(StoreAway, match="holds a lock for too long"):
            await maintenance.maintain(store, lease, now=NOON + 60 * DAY)
        assert len(await place.owner("SELECT FROM console.tick")) == 24
        await reader.execute("COMMIT")
        await maintenance.maintain(store, lease, now=NOON + 60 * DAY)
        assert len(await place.owner("SELECT FROM console.tick_thin")) == 24


async def test_a_partition_is_made_while_somebody_reads_and_by_two_at_once(place: Place) -> None:
    async with place.leader() as (store, lease), place.raw("vera") as reader:
        await maintenance.maintain(store, lease, now=NOON)
        await reader.execute("BEGIN; SELECT * FROM console.tick")
        await asyncio.gather(
            write(store, lease, [SPECS[0]], [(NOON + 5 * DAY, [1])]),
            write(store, lease, [SPECS[0]], [(NOON + 5 * DAY + timedelta(seconds=2), [2])]),
            maintenance.maintain(store, lease, now=NOON + 3 * DAY),
        )
        assert len(await place.owner("SELECT FROM console.tick")) == 2
        assert await reader.fetch("SELECT * FROM console.tick WHERE at > $1", NOON)
