"""What dies in a running demo comes back; the demo itself goes on."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.demo import Demo


@pytest.mark.parametrize("part", ["platform", "agent", "postgres"])
def test_a_part_that_is_killed_comes_back(demo: Demo, part: str) -> None:
    before = demo.until(lambda: demo.json("status", code=None)["agent"]["leader"])
    assert before == "agent-1"
    killed = pid_of(demo, part)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    demo.until(lambda: pid_of(demo, part) not in (None, killed))
    demo.until(lambda: demo.ask("status").stdout.startswith("● HEALTHY"), 60)
    assert demo.process is not None
    assert demo.process.poll() is None


def pid_of(demo: Demo, part: str) -> int | None:
    assert demo.process is not None
    for process in psutil.Process(demo.process.pid).children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if part == "postgres" and line and Path(line[0]).name == "postgres" and "-D" in line:
            return process.pid
        if part == "platform" and "console.sandbox" in line and "serve" in line and "-m" in line[:3]:
            return process.pid
        if part == "agent" and "console.cli" in line and "agent" in line and "-m" in line[:3]:
            return process.pid
    return None
