"""The war-room: how soon a tick in one console is seen in another one, alone and among 50; what the store costs while
nothing changes; and screen 5 with a timeline of 5,000 entries.

As a program, the crowd: `python -m tests.bench.incidents URL CONSOLES`. It says `ready` once all follow, and ends with
its standard input.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import psutil

from console.domain.book import Done, Runbook, Step
from console.domain.snapshot import Snapshot
from console.feed import LiveFeed
from console.store import books
from tests.bench.stage import Stage, following, p95, stage, until
from tests.demo import TRADEX
from tests.store.stores import Place
from tests.terminal import Terminal

Row = tuple[str, float, float, str, bool]
CONSOLES, TICKS, ENTRIES = 50, 40, 5000
STEPS = 40
BEAT_S = 10.0


def figures(folder: Path) -> Iterator[Row]:
    with stage(folder, connections=300) as on:
        number = asyncio.run(_room(on.place))
        taken = asyncio.run(_ticks(on.place, number))
        yield "war-room: a tick to another console, p95", p95(taken), 250.0, "ms", False
        with _crowd(on):
            cost = asyncio.run(_idle(on.place, 20.0))
            yield (
                f"{CONSOLES} consoles in the war-room, nothing changes: the store, of a core",
                cost,
                10.0,
                "%",
                False,
            )
            taken = asyncio.run(_ticks(on.place, number))
            yield "the same, a tick to another console, p95", p95(taken), 500.0, "ms", False
        asyncio.run(_fill(on.place, number))
        with Terminal(TRADEX, env=on.env) as terminal:
            yield from _keys(terminal)


async def _room(place: Place) -> int:
    """An incident with a runbook of many steps."""
    book = Runbook("bench", "Bench", steps=tuple(Step(f"step {i}", "immediate") for i in range(STEPS)))
    async with place.leader() as (store, lease):
        await books.publish(store, lease, [book])
    async with following(place.url, "alice") as feed:
        return await feed.desk.open_incident("everything is slow", 1, runbook="bench")


async def _ticks(place: Place, number: int) -> list[float]:
    """Milliseconds from asking in one console until another one knows."""
    taken: list[float] = []
    async with following(place.url, "alice") as one, following(place.url, "bob") as other:
        await until(other, lambda snapshot: snapshot.incident(number) is not None)

        def mark(snapshot: Snapshot, at: int) -> bool:
            incident = snapshot.incident(number)
            return incident is not None and incident.runbooks[0].steps[at].mark is not None

        incident = other.snapshot.incident(number)
        assert incident is not None
        book = incident.runbooks[0]
        for i in range(TICKS):
            to: Done | None = None if book.steps[i].mark is not None else Done.DONE
            begun = time.monotonic()
            await one.desk.mark_step(number, book.id, i + 1, to)
            await until(other, lambda s, i=i, to=to: mark(s, i) is (to is not None))
            taken.append(1000 * (time.monotonic() - begun))
            await asyncio.sleep(0.1)
    return taken


@contextmanager
def _crowd(on: Stage) -> Iterator[None]:
    crowd = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.incidents", on.place.url, str(CONSOLES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert crowd.stdout is not None
        assert crowd.stdout.readline().strip() == "ready"
        yield
    finally:
        assert crowd.stdin is not None
        crowd.stdin.close()
        crowd.wait(30)


async def _idle(place: Place, seconds: float) -> float:
    """Share of a core that all processes of the store take, %."""

    def used() -> float:
        pid = int((place.server.data / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        total = 0.0
        for each in (server, *server.children(recursive=True)):
            try:
                total += sum(each.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total

    await asyncio.sleep(3)
    before, begun = used(), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (used() - before) / (time.monotonic() - begun)


async def _fill(place: Place, number: int) -> None:
    """A timeline of so many entries, written as people do."""
    async with following(place.url, "alice") as feed:
        for i in range(ENTRIES):
            await feed.desk.add_note(
                number, f"note {i}: p95 is {400 + i % 90} ms\n\nand some more", key=f"bench {i}"
            )


def _keys(terminal: Terminal) -> Iterator[Row]:
    terminal.wait_for("Components")
    terminal.send("5")
    terminal.wait_for(lambda text: f"note {ENTRIES - 1}" in text, 20)
    for _ in range(3):
        terminal.send("\t")
        time.sleep(0.5)
        if "▌" in "".join(line[:3] for line in terminal.text.splitlines()):
            break
    time.sleep(2)
    taken: list[float] = []
    for i in range(100):
        before = terminal.text
        at = terminal.send("\x1b[B" if i % 20 < 16 else "\x1b[A")
        seen = terminal.wait_for(lambda text, before=before: text != before, 5)
        taken.append(1000 * (seen - at))
        time.sleep(0.1 + i % 7 / 50)
    yield f"screen 5 with {ENTRIES:,} entries, key to repaint, p95", p95(taken), 40.0, "ms", False


# The crowd


async def crowd(url: str, consoles: int) -> None:
    """So many consoles that have the war-room open, each with its heartbeat."""
    async with AsyncExitStack() as stack:
        given = (url, "vera", lambda snapshot: bool(snapshot.incidents))
        feeds = [await stack.enter_async_context(following(*given)) for _ in range(consoles)]
        beats = asyncio.gather(*(_beats(feed, i / consoles) for i, feed in enumerate(feeds)))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        beats.cancel()
        await asyncio.gather(beats, return_exceptions=True)


async def _beats(feed: LiveFeed, phase: float) -> None:
    await asyncio.sleep(BEAT_S * phase)
    while True:
        await feed.desk.beat(feed.snapshot.incidents[0].id, screen=5)
        await asyncio.sleep(BEAT_S)


if __name__ == "__main__":
    asyncio.run(crowd(sys.argv[1], int(sys.argv[2])))
