"""The log screen while 2,000 lines a second come in: keys, and bytes to the terminal.

As a program, the writer: `python -m tests.bench.logs URL SECONDS`, its password in BENCH_PASSWORD.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from console.domain.log import LogLine
from console.store import lease as leases
from console.store import logs
from console.store.pool import Store
from tests.bench.stage import p95, stage
from tests.demo import TRADEX
from tests.terminal import Terminal

Row = tuple[str, float, float, str, bool]
RATE, BATCHES = 2000, 10
SECONDS = 45
_TEXTS = (
    ("info", "order executed: buy {q} AAPL in {ms} ms"),
    ("info", "order executed: sell {q} EURUSD in {ms} ms"),
    ("warning", "timeout provider-2 after {ms} ms, provider-1 answers"),
    ("error", "order failed: buy {q} TSLA, venue timeout, request {id:032x}"),
)


def figures(folder: Path) -> Iterator[Row]:
    with stage(folder) as on:
        with Terminal(TRADEX, env=on.env) as terminal:
            terminal.wait_for("Components")
            writer = on.writer("tests.bench.logs", SECONDS)
            try:
                yield from _measure(terminal)
            finally:
                written, _ = writer.communicate(timeout=SECONDS + 30)
        yield "log lines written a second meanwhile", float(written), 0.95 * RATE, "/s", True


def _measure(terminal: Terminal) -> Iterator[Row]:
    terminal.send("l")
    terminal.wait_for("execute-order", 20)
    time.sleep(12)  # until 20,000 lines are kept and each new one pushes one out
    sent, begun = len(terminal.raw), time.monotonic()
    time.sleep(10)
    rate = (len(terminal.raw) - sent) / (time.monotonic() - begun) / 1000
    yield f"log at {RATE:,} lines/s, 120x40, to the terminal", rate, 20.0, "kB/s", False
    taken = []
    for i in range(60):
        # Up stands still on the line before the last, f follows again what has come meanwhile.
        row = _cursor(terminal.text)
        at = terminal.send("f" if i % 2 else "\x1b[A")
        taken.append(1000 * (terminal.wait_for(lambda text, row=row: _cursor(text) != row, 5) - at))
        time.sleep(0.1 + i % 7 / 50)
    yield f"log at {RATE:,} lines/s, key to repaint, p95", p95(taken), 40.0, "ms", False


def _cursor(text: str) -> int:
    return next((i for i, line in enumerate(text.splitlines()) if "▌" in line), -1)


async def write(url: str, seconds: float) -> float:
    """Append lines at RATE in BATCHES a second, as the leading agent; returns how many a second it were."""
    store = await Store.open(url, password=os.environ["BENCH_PASSWORD"], size=1)
    chance = random.Random(1)
    try:
        lease = await leases.acquire(store, "bench", 300)
        assert lease is not None
        begin, clock = await store.now(), time.monotonic()
        batch, written = RATE // BATCHES, 0
        while time.monotonic() - clock < seconds:
            now = begin + timedelta(seconds=time.monotonic() - clock)
            lines = [
                LogLine(0, now, "functions", level, "execute-order", text)
                for level, text in (_text(chance) for _ in range(batch))
            ]
            await logs.append(store, lease, lines, keys=[str(written + i) for i in range(batch)])
            written += batch
            await asyncio.sleep(max(clock + written / RATE - time.monotonic(), 0))
        return written / (time.monotonic() - clock)
    finally:
        await store.close()


def _text(chance: random.Random) -> tuple[str, str]:
    level, text = chance.choice(_TEXTS)
    return level, text.format(q=chance.randint(1, 99), ms=chance.randint(20, 900), id=chance.getrandbits(128))


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], float(sys.argv[2]))))
