"""The pictures' fixtures are what a real store gives back, not something that no store could hold."""

from console.domain.health import Check
from console.domain.snapshot import Snapshot
from console.feed import LiveFeed
from console.store import ticks
from tests.store.stores import Place, password_of
from tests.ui.fixtures import story


async def through_the_store(place: Place, snapshot: Snapshot) -> Snapshot:
    """The same readings written by an agent and read by a console."""
    at = snapshot.metrics.at
    assert at is not None
    specs = tuple(snapshot.metrics.specs.values())
    async with place.leader("agent-2") as (store, lease):
        catalogue_id = await ticks.ensure_catalogue(store, lease, specs)
        await ticks.write_tick(
            store,
            lease,
            at=at,
            catalogue_id=catalogue_id,
            values=[snapshot.metrics.values[spec.name] for spec in specs],
            checks=[c.check for c in snapshot.health],
        )
    feed = LiveFeed(place.url, user="alice", password=password_of("alice"))
    try:
        return await feed.read()
    finally:
        await feed.close()


async def test_the_live_story_comes_back_from_a_store_as_it_is_drawn(place: Place) -> None:
    drawn = story.live()
    read = await through_the_store(place, drawn)
    assert read.metrics.specs == drawn.metrics.specs
    assert {n: (v.value, v.level, v.reason) for n, v in read.metrics.values.items()} == {
        n: (v.value, v.level, v.reason) for n, v in drawn.metrics.values.items()
    }
    assert _facts(c.check for c in read.health) == _facts(c.check for c in drawn.health)


async def test_the_failing_story_too(place: Place) -> None:
    drawn = story.failing()
    read = await through_the_store(place, drawn)
    assert {n: (v.value, v.reason) for n, v in read.metrics.values.items()} == {
        n: (v.value, v.reason) for n, v in drawn.metrics.values.items()
    }
    assert _facts(c.check for c in read.health) == _facts(c.check for c in drawn.health)


def _facts(checks: object) -> dict[str, tuple[object, ...]]:
    made: dict[str, tuple[object, ...]] = {}
    for check in checks:  # type: ignore[attr-defined]
        assert isinstance(check, Check)
        made[check.component] = (check.status, check.latency_ms, check.detail)
    return made
