"""What a person feels: starts, keys, what an idle screen costs, how fast a change arrives."""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.bench.stage import p95
from tests.demo import TRADEX, Demo
from tests.terminal import Terminal

Row = tuple[str, float, float, str, bool]
FULL = "execute-order"  # a row of the components table: the first screen is full


def figures(folder: Path) -> Iterator[Row]:
    demo = Demo(folder)
    folder.mkdir(parents=True)
    with Terminal([*TRADEX, "demo"], env=demo.env) as terminal:
        begun = time.monotonic()
        yield "demo, first start to full screen", terminal.wait_for(FULL, 90) - begun, 8.0, "s", False
    with Terminal([*TRADEX, "demo"], env=demo.env) as terminal:
        begun = time.monotonic()
        yield "demo, later start to full screen", terminal.wait_for(FULL, 90) - begun, 8.0, "s", False
    demo.start()
    try:
        yield from _starts(demo)
        yield from _live(demo)
        yield from _agent(demo)
        yield _second_console(demo)
    finally:
        demo.stop()


def _start(argv: list[str], env: dict[str, str], text: str) -> float:
    begun = time.monotonic()
    with Terminal(argv, env=env) as terminal:
        return terminal.wait_for(text, 20) - begun


def _starts(demo: Demo) -> Iterator[Row]:
    bare_env = demo.env | {
        "BARE_URL": demo.info["store_url"],
        "BARE_PASSWORD": (demo.state / "secrets" / "alice").read_text(),
    }
    ours, bare = [], []
    for _ in range(5):  # alternating, so that a slow moment of the machine hits both
        ours.append(_start(TRADEX, demo.env, FULL))
        bare.append(_start([sys.executable, "-m", "tests.bench.bare"], bare_env, "bare ready"))
    yield "console, cold start to full screen", statistics.median(ours), 1.0, "s", False
    yield (
        "the same, against a bare Textual app",
        statistics.median(ours) / statistics.median(bare),
        2.0,
        "x",
        False,
    )


def _live(demo: Demo) -> Iterator[Row]:
    with Terminal(TRADEX, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        process = psutil.Process(terminal.process.pid)
        time.sleep(3)  # the first ticks draw whole panels
        sent, used, begun = len(terminal.raw), sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(30)
        seconds = time.monotonic() - begun
        yield (
            "live Health at 120x40, to the terminal",
            (len(terminal.raw) - sent) / seconds / 1000,
            1.5,
            "kB/s",
            False,
        )
        cpu = 100 * (sum(process.cpu_times()[:2]) - used) / seconds
        yield "live Health at 120x40, of a core", cpu, 2.0, "%", False
        taken = []
        for i in range(60):
            row = _cursor(terminal.text)
            at = terminal.send("\x1b[B" if i % 8 < 4 else "\x1b[A")
            taken.append(1000 * (terminal.wait_for(lambda text, row=row: _cursor(text) != row, 5) - at))
            time.sleep(0.1 + i % 7 / 50)
        yield "key to repaint, p95", p95(taken), 40.0, "ms", False


def _cursor(text: str) -> int:
    return next((i for i, line in enumerate(text.splitlines()) if "▌" in line), -1)


def _agent(demo: Demo) -> Iterator[Row]:
    assert demo.process is not None
    tree = psutil.Process(demo.process.pid).children(recursive=True)
    agent = next(
        p for p in tree if "agent" in p.cmdline() and "console.cli" in p.cmdline() and not p.children()
    )
    used, begun = sum(agent.cpu_times()[:2]), time.monotonic()
    time.sleep(30)
    yield (
        "agent at 20 orders/s, of a core",
        100 * (sum(agent.cpu_times()[:2]) - used) / (time.monotonic() - begun),
        5.0,
        "%",
        False,
    )


def _second_console(demo: Demo) -> Row:
    import asyncio

    from console.store import timeline
    from console.store.pool import Store

    async def note(text: str) -> float:
        password = (demo.state / "secrets" / "alice").read_text()
        store = await Store.open(demo.info["store_url"], user="alice", password=password, size=1)
        try:
            await timeline.note_drill(store, name="bench", text=text)
            return time.monotonic()
        finally:
            await store.close()

    with Terminal(TRADEX, cols=160, rows=50, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        time.sleep(3)
        taken = []
        for i in range(20):
            text = f"noted {os.getpid()}-{i}."
            committed = asyncio.run(note(text))
            taken.append(1000 * max(terminal.wait_for(text, 10) - committed, 0))
            time.sleep(0.23)
        return "store commit to repaint in another console, p95", sorted(taken)[18], 250.0, "ms", False
