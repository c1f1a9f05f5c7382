"""Screen 4 while 2,000 alerts fire and a tenth of them changes with each tick: keys, bytes to the terminal, and how
soon another console shows what somebody did.

As a program, the writer: `python -m tests.bench.alerts URL SECONDS`, its password in BENCH_PASSWORD.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from console.domain.alert import Matcher
from console.domain.metric import MetricValue
from console.domain.snapshot import Snapshot
from console.metrics import catalogue
from console.store import alerts, ticks
from console.store import lease as leases
from console.store.pool import Store
from tests.bench.stage import following, p95, stage, until
from tests.demo import TRADEX
from tests.store.stores import Place
from tests.terminal import Terminal

Row = tuple[str, float, float, str, bool]
ALERTS, CHANGED, COME_AND_GO = 2000, 200, 10
TICK_S, SECONDS = 2.0, 100
ACTS = 40
METRIC = "p95_execution_time"


def figures(folder: Path) -> Iterator[Row]:
    with stage(folder) as on:
        writer = on.writer("tests.bench.alerts", SECONDS)
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            with Terminal(TRADEX, env=on.env) as terminal:
                yield from _measure(terminal)
            taken = asyncio.run(_acts(on.place))
            yield "acknowledged or silenced, to another console, p95", p95(taken), 500.0, "ms", False
        finally:
            writer.terminate()
            writer.wait(30)


async def _acts(place: Place) -> list[float]:
    """Milliseconds from asking in one console until another one knows: acknowledge, take back, silence, lift."""
    taken: list[float] = []
    async with (
        following(place.url, "alice", lambda s: bool(s.alerts)) as one,
        following(place.url, "bob", lambda s: bool(s.alerts)) as other,
    ):

        async def act(work: Awaitable[object], seen: Callable[[Snapshot], bool]) -> None:
            begun = time.monotonic()
            await work
            await until(other, seen)
            taken.append(1000 * (time.monotonic() - begun))

        for i in range(ACTS // 4):
            # Of the latest: the churn does not resolve them meanwhile.
            alert = max(other.snapshot.alerts, key=lambda a: a.id)

            def find(snapshot: Snapshot, key: int = alert.id) -> tuple[str | None, int | None]:
                return next((a.acknowledged_by, a.silence) for a in snapshot.alerts if a.id == key)

            await act(one.desk.acknowledge([alert.id]), lambda s, f=find: f(s)[0] == "alice")
            await act(one.desk.unacknowledge([alert.id]), lambda s, f=find: f(s)[0] is None)
            quiet = one.desk.silence([Matcher("rule", "=", alert.rule)], timedelta(hours=1), f"bench {i}")
            await act(quiet, lambda s, f=find: f(s)[1] is not None)
            number = find(other.snapshot)[1]
            assert number is not None
            await act(one.desk.end_silence(number), lambda s, f=find: f(s)[1] is None)
    return taken


def _measure(terminal: Terminal) -> Iterator[Row]:
    terminal.wait_for("Components")
    terminal.send("4")
    terminal.wait_for(lambda text: "sorted by" in text and _selected(text) != "", 20)
    time.sleep(4)  # the first reading is drawn
    sent, begun = len(terminal.raw), time.monotonic()
    time.sleep(10)
    rate = (len(terminal.raw) - sent) / (time.monotonic() - begun) / 1000
    yield f"{ALERTS:,} alerts under churn, 120x40, to the terminal", rate, 5.0, "kB/s", False
    taken = []
    for i in range(100):
        before = _selected(terminal.text)
        at = terminal.send("\x1b[B" if i % 20 < 16 else "\x1b[A")
        seen = terminal.wait_for(lambda text, before=before: _selected(text) not in (before, ""), 5)
        taken.append(1000 * (seen - at))
        time.sleep(0.1 + i % 7 / 50)
    yield f"{ALERTS:,} alerts under churn, key to repaint, p95", p95(taken), 40.0, "ms", False


def _selected(text: str) -> str:
    """The title in the detail's first line: it changes with the cursor, not with what comes and goes."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if " Detail " in line), len(lines) - 2) + 1
    return lines[first][66:100].strip()


# The writer


def _alert(i: int, at: datetime) -> dict[str, object]:
    return {
        "op": "open",
        "rule": f"rule {i:05}",
        "phase": "firing",
        "type": "PERFORMANCE_DEGRADATION",
        "severity": "critical" if i % 3 else "warning",
        "action": "investigate_performance",
        "condition": f"{METRIC} > 400ms for 2 minutes",
        "definition": "bench",
        "summary": "p95 execution is 412 ms, over 400 ms",
        "metric": METRIC,
        "unit": "ms",
        "limit": 400.0,
        "value": 412.0,
        "pending_at": at - timedelta(minutes=2),
        "fired_at": at,
        "for_s": 120.0,
    }


async def churn(url: str, seconds: float) -> None:
    """2,000 alerts, then with each tick some new values, some that are resolved and as many new ones."""
    store = await Store.open(url, password=os.environ["BENCH_PASSWORD"], size=1, command_timeout_s=60)
    try:
        lease = await leases.acquire(store, "bench", 300)
        assert lease is not None
        specs = catalogue.load(None, time_scale=1).specs
        catalogue_id = await ticks.ensure_catalogue(store, lease, specs)
        now = await store.now()
        await alerts.write(store, lease, cursor=now, changes=[_alert(i, now) for i in range(ALERTS)])
        first, next_one, tick = 0, ALERTS, 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            tick += 1
            at = await store.now()
            values = [MetricValue(s.name, "up" if s.unit == "state" else float(tick % 50), at) for s in specs]
            await ticks.write_tick(store, lease, at=at, catalogue_id=catalogue_id, values=values, checks=[])
            start = first + COME_AND_GO + tick * CHANGED % (ALERTS - 2 * CHANGED)
            changes: list[dict[str, object]] = [
                {"op": "update", "rule": f"rule {i:05}", "value": 410.0 + (i + tick) % 60}
                for i in range(start, start + CHANGED)
            ]
            changes += [
                {"op": "resolve", "rule": f"rule {i:05}", "resolved_at": at, "resolution": "it is over"}
                for i in range(first, first + COME_AND_GO)
            ]
            changes += [_alert(i, at) for i in range(next_one, next_one + COME_AND_GO)]
            first, next_one = first + COME_AND_GO, next_one + COME_AND_GO
            await alerts.write(store, lease, cursor=at, changes=changes)
            if tick == 1:
                print("ready", flush=True)
            await asyncio.sleep(TICK_S)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(churn(sys.argv[1], float(sys.argv[2])))
