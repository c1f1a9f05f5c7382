"""Actions: how much the audit takes while one of its writers hangs, and what people wait for on a running demo."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from console.domain.action import ActionState, StepState
from console.feed import LiveFeed
from console.store import audit
from tests.bench.stage import p95, stage
from tests.demo import Demo
from tests.store.stores import Place, password_of

Row = tuple[str, float, float, str, bool]
WRITERS, EACH = 20, 200
BLOCKS = 25
"""Fewer than the budget of an hour."""
PAUSE_S = 1.5
# It is refused, and that is one entry of the audit.
REQUEST = "SELECT refusal FROM console.request_action('nothing', $1, '{}', 'bench', '', NULL)"


def figures(folder: Path) -> Iterator[Row]:
    with stage(folder / "store") as on:
        rate = asyncio.run(_appends(on.place))
        yield f"audit, {WRITERS} writers and one that hangs, appended", rate, 300.0, "/s", True
    # Fast, so that few effects are watched at a time, as where a person presses the keys.
    demo = Demo(folder / "demo", "--time-scale", "40").start()
    try:
        seen, planned, running = asyncio.run(_acting(demo))
        yield "request in another console, p95", p95(seen), 250.0, "ms", False
        yield "plan on the dialog, p95", p95(planned), 1000.0, "ms", False
        yield "key confirmed to first step running, p95", p95(running), 300.0, "ms", False
    finally:
        demo.stop()


async def _appends(place: Place) -> float:
    """Entries per second, the time in which the one that hangs holds everybody up included."""

    async def write(connection: asyncpg.Connection, number: int) -> None:
        for i in range(EACH):
            await connection.fetchrow(REQUEST, f"{number}:{i}")

    async with place.raw("alice") as hanging:
        connections = [
            await asyncpg.connect(place.url_of("alice"), password=password_of("alice"))
            for _ in range(WRITERS)
        ]
        await hanging.execute("BEGIN")
        await hanging.fetchrow(REQUEST, "never seen")
        begun = time.monotonic()
        await asyncio.gather(*(write(c, number) for number, c in enumerate(connections)))
        took = time.monotonic() - begun
    for connection in connections:
        await connection.close()
    async with place.open("vera") as store:
        proved = await audit.verify(store)
    assert (proved.problem, proved.entries) == ("", WRITERS * EACH)
    return proved.entries / took


async def _acting(demo: Demo) -> tuple[list[float], list[float], list[float]]:
    """Of each block in ms: until bob's console has the request, until alice's has the plan, and from her confirmation
    until hers has the first step running."""
    seen: list[float] = []
    planned: list[float] = []
    running: list[float] = []
    async with _console(demo, "alice") as alice, _console(demo, "bob") as bob:
        for i in range(1, BLOCKS + 1):
            address = f"198.51.100.{i}"
            begun = time.monotonic()
            asked = await alice.desk.request(
                "block_ip", address, {"network": address, "length": "24h"}, reason="bench"
            )
            other = asyncio.create_task(_when(bob, lambda number=asked.id: _has(bob, number, *ActionState)))
            plan = await _when(alice, lambda number=asked.id: _has(alice, number, ActionState.PLANNED))
            planned.append(1000 * (plan - begun))
            seen.append(1000 * (await other - begun))
            action = await alice.query.action(asked.id)
            assert action is not None
            begun = time.monotonic()
            await alice.desk.confirm(asked.id, plan_hash=action.plan_hash)
            running.append(1000 * (await _when(alice, lambda number=asked.id: _begun(alice, number)) - begun))
            await asyncio.sleep(PAUSE_S)
    return seen, planned, running


@asynccontextmanager
async def _console(demo: Demo, name: str) -> AsyncIterator[LiveFeed]:
    password = (demo.state / "secrets" / name).read_text()
    feed = LiveFeed(demo.info["store_url"], user=name, password=password)
    running = asyncio.create_task(feed.run())
    try:
        await _when(feed, lambda: _ready(feed))
        yield feed
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _ready(feed: LiveFeed) -> bool:
    return bool(feed.snapshot.kinds) and feed.snapshot.agent.leader is not None


async def _has(feed: LiveFeed, number: int, *states: ActionState) -> bool:
    action = feed.snapshot.action(number)
    return action is not None and action.state in states


async def _begun(feed: LiveFeed, number: int) -> bool:
    return any(step.state is not StepState.PENDING for step in await feed.query.action_steps(number))


async def _when(feed: LiveFeed, condition: Callable[[], Awaitable[bool]]) -> float:
    """When this console knew it: asked whenever the feed has news, as a screen does."""
    news = asyncio.Event()
    ends = [feed.subscribe(lambda _now, _sections: news.set()), feed.watch("action", news.set)]
    try:
        async with asyncio.timeout(30):
            while not await condition():
                await news.wait()
                news.clear()
        return time.monotonic()
    finally:
        for end in ends:
            end()
