"""The rounds of the chaos tests: start a program, kill one of its processes at a random moment, see what is left.

A round leaves its state folder behind for the next one, so that each also starts on what the last kill has left.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from .census import Census, Failure, describe, wait

ROOT = Path(__file__).resolve().parents[2]
READY_S = 90.0
END_S = 30.0
GONE_S = 15.0


@dataclass(frozen=True, slots=True)
class Program:
    """A command that prints a line starting with `ready` once it is up, and keeps its PostgreSQL in `postgres`."""

    argv: tuple[str, ...]
    postgres: str = "postgres"
    # What must never become less from one start to the next: (database, a query of one number).
    grows: tuple[tuple[str, str], ...] = ()


DEMO = Program(
    (sys.executable, "-m", "console.cli", "demo", "--headless"),
    grows=(
        ("platform", "SELECT count(*) FROM public.orders"),
        ("console", "SELECT count(*) FROM console.tick"),
    ),
)
STORE = Program((sys.executable, str(ROOT / "tests" / "chaos" / "store_only.py")))
# As root only: the same without any right of root, so without PID namespaces. Files of root stay the own ones.
_UNPRIVILEGED = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
SCENARIOS = {"demo": DEMO, "store": STORE}
if (
    os.geteuid() == 0
    and subprocess.run([*_UNPRIVILEGED, "true"], capture_output=True, check=False).returncode == 0
):
    SCENARIOS |= {
        f"{name}-unprivileged": replace(program, argv=(*_UNPRIVILEGED, *program.argv))
        for name, program in SCENARIOS.items()
    }


@dataclass
class Run:
    """A started program with its output and its book of processes."""

    process: "subprocess.Popen[bytes]"
    output: Path
    census: Census
    moments: list[str] = field(default_factory=list)

    def ready(self) -> bool:
        self.census.look()
        return any(line.startswith(b"ready") for line in self.output.read_bytes().splitlines())

    def ended(self) -> bool:
        self.census.look()
        return self.process.poll() is not None

    def end(self) -> int:
        """SIGTERM, and its exit code; a Failure when it doesn't end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        wait(self.ended, END_S, lambda: f"still runs {END_S:.0f} s after SIGTERM:\n{self.said()}")
        return self.process.wait()

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-3000:]


@dataclass
class Book:
    """What the rounds so far have written, to be found again."""

    marks: int = 0
    numbers: dict[str, int] = field(default_factory=dict)


def play(program: Program, folder: Path, rng: random.Random, book: Book) -> str:
    """One round; returns what happened in a line, raises Failure."""
    with _started(program, folder) as run:
        moment = _random_moment(run, rng)
        victim = rng.choice(run.census.look() or [psutil.Process(run.process.pid)])
        what = f"killed {describe(victim)} {moment}"
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
        _pass_time(run, rng.uniform(0, 1.5))
        run.end()
        _nobody_left(run, what)
    with _started(program, folder) as run:
        wait(lambda: run.ready() or run.ended(), READY_S, lambda: f"{what}; then not ready:\n{run.said()}")
        if not run.ready():
            raise Failure(f"{what}; the next start ended with {run.process.poll()}:\n{run.said()}")
        asyncio.run(_check_data(program, folder, book, what))
        if code := run.end():
            raise Failure(f"{what}; the next run ended with {code} after SIGTERM:\n{run.said()}")
        _nobody_left(run, f"{what}; then a clean end")
    return what


@contextlib.contextmanager
def _started(program: Program, folder: Path) -> Iterator[Run]:
    output = folder.parent / "output"
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRADEX_")}
    with output.open("wb") as file:
        process = subprocess.Popen(
            program.argv,
            cwd=ROOT,
            env=env
            | {
                "TRADEX_STATE_DIR": str(folder),
                "XDG_CONFIG_HOME": str(folder.parent / "config"),
                "PYTHONPATH": str(ROOT),
            },
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Run(process, output, Census(process.pid, folder))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _random_moment(run: Run, rng: random.Random) -> str:
    """Let time pass, until somewhere in the start-up or some time after it; says when in words."""
    if rng.random() < 0.4:
        began = time.monotonic()
        _pass_time(run, rng.uniform(0, 6), unless=run.ready)
        return f"{time.monotonic() - began:.2f} s after the start"
    wait(lambda: run.ready() or run.ended(), READY_S, lambda: f"not ready:\n{run.said()}")
    if not run.ready():
        raise Failure(f"ended before it was ready:\n{run.said()}")
    after = rng.uniform(0, 3)
    _pass_time(run, after)
    return f"{after:.2f} s after it was ready"


def _pass_time(run: Run, seconds: float, unless: Callable[[], bool] = lambda: False) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not unless():
        run.census.look()
        time.sleep(0.02)


def _nobody_left(run: Run, what: str) -> None:
    def survivors() -> str:
        return f"{what}; still alive:\n" + "\n".join(describe(process) for process in run.census.left())

    wait(lambda: not run.census.left(), GONE_S, survivors)


async def _check_data(program: Program, folder: Path, book: Book, what: str) -> None:
    """Every committed mark of earlier rounds is there, and no count has become less; adds a mark of this round."""
    found = await _ask(
        program,
        folder,
        "postgres",
        "CREATE TABLE IF NOT EXISTS chaos_mark (number int)",
        "SELECT coalesce(array_agg(number ORDER BY number), '{}') FROM chaos_mark",
    )
    if found != list(range(book.marks)):
        raise Failure(f"{what}; of {book.marks} marks these are left: {found}")
    await _ask(program, folder, "postgres", f"INSERT INTO chaos_mark VALUES ({book.marks}) RETURNING number")
    book.marks += 1
    for database, question in program.grows:
        number = await _ask(program, folder, database, question)
        if number < book.numbers.get(question, 0):
            raise Failure(f"{what}; {question}: {number}, and it was {book.numbers[question]}")
        book.numbers[question] = number


async def _ask(program: Program, folder: Path, database: str, *statements: str) -> Any:
    cluster = folder / program.postgres
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=int((cluster / "port").read_text()),
        user="postgres",
        password=(cluster / "password").read_text().strip(),
        database=database,
        timeout=20,
    )
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1], timeout=60)
    finally:
        await connection.close(timeout=20)
