"""A deployment whose steps print: 50 lines a second that another console shows, then 50 MB at once. What that costs the
agent, what a person's keys feel of it, and how soon the lines and the end are on the screen.

As a program, the step of the lines: `python -m tests.bench.deployments SECONDS`.
"""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from tests import flood
from tests.bench.stage import p95
from tests.demo import TRADEX, Demo
from tests.terminal import Terminal

Row = tuple[str, float, float, str, bool]
RATE, SECONDS = 50, 20
FLOOD = 50_000_000
KEYS_S = 0.12
ROOT = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"mark (\d+) at (\d+\.\d+)")


def figures(folder: Path) -> Iterator[Row]:
    demo = Demo(folder / "demo").start()
    try:
        agent = _with_pipeline(demo, folder)
        with (
            Terminal([*TRADEX, "--as", "bob"], cols=160, rows=50, env=demo.env) as mine,
            Terminal([*TRADEX, "--as", "vera"], cols=160, rows=50, env=demo.env) as other,
        ):
            for terminal in (mine, other):
                terminal.wait_for("lead agent")
                terminal.send("7")
                terminal.wait_for("v2.9.0")
            with _largest(agent) as rss:
                deploy = [
                    *TRADEX,
                    "deploy",
                    "v2.9.0",
                    "--reason",
                    "bench",
                    "--yes",
                    "--typed",
                    "sandbox",
                    "--no-wait",
                ]
                subprocess.run(deploy, env=demo.env, check=True, capture_output=True)
                lines = _lines(other)
                keys = _keys(mine, "flood: the very end")
                printed = folder / "printed"
                seen = other.wait_for("flood: the very end", 60)
                after = seen - float(printed.read_text())
        yield f"output at {RATE} lines/s, from line to another screen, p95", p95(lines), 300.0, "ms", False
        yield "a step prints 50 MB, key to repaint, p95", p95(keys), 60.0, "ms", False
        yield "the same, from its last line to the screen", after, 1.0, "s", False
        yield "the same, the agent's memory at most", max(rss) / 1e6, 150.0, "MB", False
    finally:
        demo.stop()


def _with_pipeline(demo: Demo, folder: Path) -> psutil.Process:
    """The demo's agent, started again with a pipeline of one's own."""
    steps = {
        "lines": {
            "title": "print lines",
            "harmless": True,
            "command": {
                "argv": [sys.executable, "-m", "tests.bench.deployments", str(SECONDS)],
                "env": {"PYTHONPATH": str(ROOT)},
            },
        },
        "flood": {
            "title": "print 50 MB",
            "harmless": True,
            "command": {
                "argv": [sys.executable, flood.__file__, "flood", str(FLOOD), str(folder / "printed")],
            },
        },
    }
    pipeline = {"title": "Deploy", "steps": steps}
    (folder / "deploy.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    file = demo.state / "agent.toml"
    text = file.read_text()
    assert "\n[deploy]\n" in text
    file.write_text(text.replace("\n[deploy]\n", f'\n[deploy]\npipelines = "{folder}"\n'))
    before = _agent(demo)
    assert before is not None
    before.send_signal(signal.SIGKILL)
    agent: psutil.Process = demo.until(lambda: found if (found := _agent(demo)) != before else None)
    demo.until(lambda: demo.ask("deploy", "v2.9.0", "--reason", "bench", "--dry-run").returncode == 0)
    return agent


def _agent(demo: Demo) -> psutil.Process | None:
    assert demo.process is not None
    for process in psutil.Process(demo.process.pid).children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if "-m" in line[:3] and "console.cli" in line and "agent" in line:
            return process
    return None


@contextmanager
def _largest(process: psutil.Process) -> Iterator[list[int]]:
    """How much memory it has, in bytes, looked at again and again within the block."""
    found, over = [process.memory_info().rss], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            found.append(process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()


def _lines(terminal: Terminal) -> list[float]:
    """Of each line that came to this screen, how old it was then, in ms."""
    taken: list[float] = []
    last = -1
    end = SECONDS * RATE

    def newer(text: str) -> bool:
        return any(int(number) > last for number, _ in _MARK.findall(text))

    while last < end - 1:
        now = terminal.wait_for(newer, 30)
        marks = {int(number): float(at) for number, at in _MARK.findall(terminal.text)}
        taken += [1000 * (now - at) for number, at in marks.items() if number > last and at <= now]
        last = max(last, *marks)
    return taken


def _keys(terminal: Terminal, end: str) -> list[float]:
    """How long keys took, in ms, from now until this is on the screen."""
    taken: list[float] = []
    while end not in terminal.text:
        row = _cursor(terminal.text)
        at = terminal.send("\x1b[B" if len(taken) % 8 < 4 else "\x1b[A")
        taken.append(1000 * (terminal.wait_for(lambda text, row=row: _cursor(text) != row, 5) - at))
        time.sleep(KEYS_S + len(taken) % 7 / 200)
    return taken


def _cursor(text: str) -> int:
    return next((i for i, line in enumerate(text.splitlines()) if "▌" in line), -1)


if __name__ == "__main__":
    begun = time.monotonic()
    for mark in range(int(sys.argv[1]) * RATE):
        time.sleep(max(begun + mark / RATE - time.monotonic(), 0))
        print(f"mark {mark} at {time.monotonic():.3f}", flush=True)
