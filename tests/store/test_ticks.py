import json
import math
from datetime import timedelta

import pytest

from console.domain.errors import StoreRefused
from console.domain.health import Status
from console.domain.metric import Direction, Level, MetricSpec, MetricValue
from console.domain.snapshot import Metrics
from console.store import health, ticks, timeline
from console.store.encoding import decode, encode, specs_from_json, specs_to_json
from tests.store.stores import NOON, Place, check, readings, spec, write

RATE = MetricSpec(
    "error_rate",
    "Error rate",
    "%",
    "orders",
    "sql",
    "SELECT 1\n\tFROM x",
    "help",
    300,
    2,
    2,
    5,
    Direction.HIGH,
)
HITS = MetricSpec("redis_hit_pct", "Hits", "%", "cache", "sql", "x", warning=90, direction=Direction.LOW)
STATE = spec("database_status", "state")
SPECS = [RATE, HITS, STATE]
S = timedelta(seconds=1)


async def test_a_tick_comes_back_as_it_was_written(place: Place) -> None:
    async with place.leader() as (store, lease):
        assert await ticks.latest(store) == Metrics()
        await write(store, lease, SPECS, [(NOON, [7.25, None, "up"])])
    async with place.open("vera") as store:
        metrics = await ticks.latest(store)
    assert metrics.at == NOON
    assert list(metrics.specs) == ["error_rate", "redis_hit_pct", "database_status"]
    assert metrics.specs["redis_hit_pct"] == HITS
    assert metrics.specs["error_rate"].source == "SELECT 1\n␉FROM x"
    assert metrics.values == {
        "error_rate": MetricValue("error_rate", 7.25, NOON, Level.CRITICAL),
        "redis_hit_pct": MetricValue("redis_hit_pct", None, NOON, reason="no value"),
        "database_status": MetricValue("database_status", "up", NOON),
    }


async def test_the_same_catalogue_has_the_same_id_and_another_one_another(place: Place) -> None:
    async with place.leader() as (store, lease):
        first = await ticks.ensure_catalogue(store, lease, SPECS)
        assert await ticks.ensure_catalogue(store, lease, list(SPECS)) == first
        assert await ticks.ensure_catalogue(store, lease, SPECS[:2]) != first


async def test_a_tick_written_twice_is_there_once(place: Place) -> None:
    async with place.leader() as (store, lease):
        checks = [check("database", Status.DOWN, NOON, "connection refused")]
        await write(store, lease, SPECS, [(NOON, [1, 99, "down"])] * 2, checks)
        assert len(await place.owner("SELECT FROM console.tick")) == 1
        assert [e.kind for e in await timeline.recent(store)] == ["health", "agent"]


async def test_any_moment_shows_the_tick_before_it(place: Place) -> None:
    async with place.leader() as (store, lease):
        await write(store, lease, SPECS, [(NOON + i * 30 * S, [i, 99, "up"]) for i in range(4)])
        for moment, expected in (
            (NOON - S, None),
            (NOON, 0),
            (NOON + 29 * S, 0),
            (NOON + 30 * S, 1),
            (NOON + timedelta(days=9), 3),
        ):
            found = (await ticks.at_moment(store, moment)).values.get("error_rate")
            assert (found and found.value) == expected


async def test_a_tick_of_another_catalogue_is_read_with_its_own(place: Place) -> None:
    async with place.leader() as (store, lease):
        await write(store, lease, SPECS, [(NOON, [1, 2, "up"])])
        await write(store, lease, [HITS], [(NOON + S, [3])])
        assert list((await ticks.at_moment(store, NOON)).values) == [s.name for s in SPECS]
        assert list((await ticks.latest(store)).values) == ["redis_hit_pct"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
async def test_what_is_no_number_is_not_stored_as_one(place: Place, bad: float) -> None:
    async with place.leader() as (store, lease):
        await write(store, lease, SPECS, [(NOON, [bad, 5, "up"])])
        values = (await ticks.latest(store)).values
        assert values["error_rate"].value is None
        assert "no usable number" in (values["error_rate"].reason or "")
        assert values["redis_hit_pct"].value == 5
        catalogue_id = await ticks.ensure_catalogue(store, lease, [HITS])
        if not -1e199 < bad < 1e201:
            with pytest.raises(StoreRefused, match="check constraint"):
                await store.execute(
                    "SELECT console.write_tick($1, $2, $3, $4, '{null}', '{}', '{}', '{}', '{}', '{}')",
                    lease.fence,
                    NOON,
                    catalogue_id,
                    [bad],
                )


async def test_hostile_text_is_made_visible_on_its_way_in_and_out(place: Place) -> None:
    hostile = "a\x1b]52;c;x\x07\x00\x9b\u202eb"
    async with place.leader() as (store, lease):
        value = MetricValue("database_status", hostile, NOON)
        missing = MetricValue("error_rate", None, NOON, reason=hostile)
        fine = MetricValue("redis_hit_pct", 1, NOON)
        catalogue_id = await ticks.ensure_catalogue(store, lease, SPECS)
        await ticks.write_tick(
            store,
            lease,
            at=NOON,
            catalogue_id=catalogue_id,
            values=[missing, fine, value],
            checks=[check("database", Status.DOWN, NOON, hostile)],
        )
        shown = "a␛]52;c;x␇␀��b"
        values = (await ticks.latest(store)).values
        assert values["database_status"].value == shown
        assert values["error_rate"].reason == shown
        assert (await health.current(store))[0][0].detail == shown
        # By a writer of its own, past this program.
        await place.owner(
            "INSERT INTO console.tick VALUES ($1, $2, '{null,null,null}', ARRAY[$3, $4, NULL])",
            NOON + S,
            catalogue_id,
            "\x1b[31m",
            "\x01\x9bno",
        )
        values = (await ticks.latest(store)).values
        assert values["error_rate"].value == "␛[31m"
        assert values["redis_hit_pct"].reason == "�no"
        assert values["database_status"].reason == "no value"


async def test_a_tick_must_fit_its_catalogue(place: Place) -> None:
    async with place.leader() as (store, lease):
        catalogue_id = await ticks.ensure_catalogue(store, lease, SPECS)
        for wrong_id, values in ((catalogue_id, [1, 2]), (catalogue_id + 7, [1, 2, "up"])):
            with pytest.raises(StoreRefused, match=r"but [23] numbers and [23] texts came"):
                await ticks.write_tick(
                    store,
                    lease,
                    at=NOON,
                    catalogue_id=wrong_id,
                    values=readings(SPECS[: len(values)], values, NOON),
                    checks=[],
                )
        assert await ticks.latest(store) == Metrics()


async def test_a_tick_makes_the_partition_of_its_day_in_utc(place: Place) -> None:
    midnight = NOON.replace(hour=0)
    async with place.leader() as (store, lease):
        await store.execute("SELECT set_config('timezone', 'Pacific/Kiritimati', false)")
        await write(store, lease, [HITS], [(midnight - S, [1]), (midnight, [2])])
    rows = await place.owner("SELECT tableoid::regclass::text AS part, at FROM console.tick ORDER BY at")
    assert [r["part"] for r in rows] == ["console.tick_20260309", "console.tick_20260310"]


async def test_a_seeded_past_is_marked_and_never_replaces_what_was_measured(place: Place) -> None:
    past = [(NOON - i * 30 * S, readings(SPECS, [i, None, "up"], NOON)) for i in range(3120)]
    async with place.leader() as (store, lease):
        await write(store, lease, SPECS, [(NOON - 60 * S, [1000, 2, "down"])])
        assert await ticks.write_seeded(store, lease, SPECS, iter(past)) == 3119
        assert await ticks.write_seeded(store, lease, SPECS, past[:10]) == 0
        assert (await ticks.at_moment(store, NOON - 45 * S)).values["error_rate"].value == 1000
        assert (await ticks.at_moment(store, NOON - 100 * 30 * S)).values["error_rate"].value == 100
    rows = await place.owner(
        "SELECT seeded, count(*) FROM console.catalogue JOIN console.tick ON id = catalogue_id GROUP BY seeded"
    )
    assert {r["seeded"]: r["count"] for r in rows} == {False: 1, True: 3119}


async def test_seeding_needs_a_seeded_catalogue_and_whole_rows(place: Place) -> None:
    async with place.leader() as (store, lease):
        measured = await ticks.ensure_catalogue(store, lease, SPECS)
        for catalogue_id, numbers in ((measured, [1.0, 2.0, 3.0]), (measured + 5, [1.0])):
            with pytest.raises(StoreRefused, match="no seeded catalogue"):
                await store.execute(
                    "SELECT console.write_seeded($1, $2, $3, $4, $5)",
                    lease.fence,
                    catalogue_id,
                    [NOON],
                    numbers,
                    [None] * len(numbers),
                )


def test_a_catalogue_of_a_newer_program_can_be_read() -> None:
    entries = json.loads(specs_to_json(SPECS))
    for entry in entries:
        entry["something_new"] = {"a": 1}
    assert specs_from_json(json.dumps(entries))[1] == HITS


def test_readings_keep_their_places() -> None:
    values = readings(SPECS, [1, None, "degraded"], NOON)
    numbers, texts = encode(values)
    assert (numbers, texts) == ([1.0, None, None], [None, "\x01no value", "degraded"])
    assert [v.value for v in decode(SPECS, NOON, numbers, texts).values()] == [1.0, None, "degraded"]
