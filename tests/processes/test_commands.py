"""Commands of actions with real processes: what is bounded, and what becomes of them when their agent is no more."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from console.domain.text import printable
from console.processes.commands import Bounded, CommandFailed, Room, hidden, run

ROOT = Path(__file__).resolve().parents[2]


def clean(text: object, limit: int) -> str:
    return printable(text, limit)


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, lines: Sequence[str]) -> None:
        self.lines += lines


async def output(script: str) -> list[str]:
    heard = Heard()
    await run(["sh", "-c", script], env=dict(os.environ), cwd=None, clean=clean, say=heard.say)
    return heard.lines


async def test_lines_come_as_they_are_written_and_long_ones_in_pieces() -> None:
    assert await output("printf 'a\\r\\nb\\n\\nc'") == ["a", "b", "", "c"]
    pieces = await output("head -c 4500 /dev/zero | tr '\\0' x")
    assert [len(piece) for piece in pieces] == [2000, 2000, 500]


def test_a_long_output_is_cut_in_the_middle_and_says_so() -> None:
    heard = Heard()
    bounded = Bounded(heard.say, Room(most_bytes=10_000, most_lines=20))
    for number in range(1000):
        bounded.take([f"line {number}"])
    bounded.end()
    assert heard.lines[:10] == [f"line {n}" for n in range(10)]
    assert heard.lines[10:12] == [
        "[the output is long: from here on only its end is kept]",
        "[981 lines left out]",
    ]
    assert heard.lines[12:] == [f"line {n}" for n in range(991, 1000)]
    few = Heard()
    short = Bounded(few.say, Room(most_bytes=100, most_lines=1000))
    short.take(["x" * 20] * 30)
    short.end()
    assert sum(len(line) + 1 for line in few.lines if line.startswith("x")) <= 100
    assert "[26 lines left out]" in few.lines


def test_commands_that_share_room_have_each_an_end() -> None:
    heard, room = Heard(), Room(most_bytes=10_000, most_lines=1000)
    for name in ("first", "second", "third"):
        bounded = Bounded(heard.say, room)
        for number in range(2000):
            bounded.take([f"{name} {number}"])
        bounded.end()
        assert heard.lines[-1] == f"{name} 1999"
    assert len(heard.lines) <= 1000 + 2 * 3 + 3 * 1000 // 160
    # Who goes on with it later has no more than what is left.
    late = Bounded(heard.say, Room(most_bytes=10_000, most_lines=1000, bytes_used=9_000, lines_used=990))
    late.take(["late"] * 2000)
    late.end()
    assert heard.lines.count("late") == 9


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("authorization: Bearer abcdefghijklmnop", "authorization: Bearer ********"),
        ("key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def end", "key ******** end"),
        ("postgresql://app:wild@db/x", "postgresql://app:********@db/x"),
        ("DB_PASSWORD=wild next", "DB_PASSWORD=******** next"),
        ('{"api_key": "wild", "x": 1}', '{"api_key": "********", "x": 1}'),
        ("3 tokens: fine, a basic line", "3 tokens: fine, a basic line"),
        ("applied 20260101_add_secrets.sql", "applied 20260101_add_secrets.sql"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str, shown: str) -> None:
    assert hidden(line) == shown


async def test_what_cannot_be_started_or_fails_is_said_in_a_line() -> None:
    for argv, words in (
        (["no-such-program-here"], "no such program"),
        (["sh", "-c", "echo why; exit 4"], "ended with 4: why"),
    ):
        with pytest.raises(CommandFailed, match=words):
            await run(argv, env=dict(os.environ), cwd=None, clean=clean, say=Heard().say)


async def test_a_cancelled_command_ends_with_everything_below_it(
    tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    beats = tmp_path / "beats"
    beats.touch()
    script = f"(trap '' TERM; while :; do echo beat >> {beats}; sleep 0.02; done) & wait"
    task = asyncio.create_task(
        run(["sh", "-c", script], env=dict(os.environ), cwd=None, clean=clean, say=Heard().say)
    )
    await wait_for(lambda: beats.stat().st_size > 100)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await wait_for(Quiet(beats).still, timeout=20)


AGENT = """
import asyncio, os, sys, time
from console.processes.commands import run
async def main():
    task = asyncio.create_task(run(["sh", "-c", "while :; do echo beat >> %s; sleep 0.02; done"], env=dict(os.environ),
        cwd=None, clean=lambda text, limit: str(text), say=lambda lines: None, patience_s=0.5))
    if "hang" in sys.argv:
        await asyncio.sleep(1)
        time.sleep(1000)
    await task
asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["kill", "stop", "hang"])
def test_a_command_does_not_go_on_without_its_agent(
    end: str, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    beats = tmp_path / "beats"
    beats.touch()
    agent = subprocess.Popen([sys.executable, "-c", AGENT % beats, end], cwd=ROOT)
    try:
        wait_until(lambda: beats.stat().st_size > 100, timeout=20)
        if end != "hang":
            agent.send_signal(signal.SIGKILL if end == "kill" else signal.SIGSTOP)
        quiet = Quiet(beats)
        wait_until(quiet.still, timeout=20)
    finally:
        agent.send_signal(signal.SIGCONT)
        agent.kill()
        agent.wait()


class Quiet:
    """Whether a file has not grown for many times as long as it takes to grow."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size, self._looks = -1, 0

    def still(self) -> bool:
        size = self._file.stat().st_size
        self._looks = self._looks + 1 if size == self._size else 0
        self._size = size
        return self._looks > 60
