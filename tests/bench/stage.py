"""What the measurements of screens share: a store, who looks at it, who writes to it, and the key figure."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.domain.snapshot import Snapshot
from console.feed import LiveFeed
from console.processes.postgres import EmbeddedPostgres
from tests.store.stores import Place, password_of, prepare


@dataclass(frozen=True)
class Stage:
    """`env` is that of a console on the store."""

    place: Place
    env: dict[str, str]

    def writer(self, module: str, seconds: float) -> "subprocess.Popen[str]":
        """`python -m module URL SECONDS` as the leading agent, its password in BENCH_PASSWORD."""
        return subprocess.Popen(
            [sys.executable, "-m", module, self.place.url_of("auto"), str(seconds)],
            env={**os.environ, "BENCH_PASSWORD": password_of("auto")},
            stdout=subprocess.PIPE,
            text=True,
        )


@contextmanager
def stage(folder: Path, *, connections: int = 100) -> Iterator[Stage]:
    """A server in this folder with an upgraded, empty store, which takes so many connections."""
    postgres = EmbeddedPostgres(folder, connections=connections)
    postgres.start()
    try:
        place = Place(postgres, postgres.url("postgres"))
        asyncio.run(prepare(postgres, place.url))
        yield Stage(
            place,
            {
                "TRADEX_STORE__URL": place.url_of("alice"),
                "TRADEX_STORE__PASSWORD": password_of("alice"),
                "XDG_CONFIG_HOME": str(folder / "no config"),
            },
        )
    finally:
        postgres.stop()


@asynccontextmanager
async def following(
    url: str,
    person: str,
    ready: Callable[[Snapshot], bool] = lambda s: s.control,
    *,
    password: str | None = None,
) -> AsyncIterator[LiveFeed]:
    """What a console of this person follows the store by, once it knows what `ready` says."""
    feed = LiveFeed(url, user=person, password=password or password_of(person))
    task = asyncio.create_task(feed.run())
    try:
        await until(feed, ready)
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(feed: LiveFeed, seen: Callable[[Snapshot], bool]) -> None:
    """Until a snapshot of the feed fulfils this."""
    shown = asyncio.Event()

    def look(snapshot: Snapshot, _changed: object = None) -> None:
        if seen(snapshot):
            shown.set()

    unsubscribe = feed.subscribe(look)
    look(feed.snapshot)
    try:
        async with asyncio.timeout(20):
            await shown.wait()
    finally:
        unsubscribe()


def p95(taken: Sequence[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]
