"""Helpers for tests that kill processes: who lives, who belongs to whom, and a driver that may be killed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.processes.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
# Another user as far as permissions go, for whom root's files are the own ones: works wherever the checkout lies.
SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


def allowed(*prefix: str) -> bool:
    """Whether a command can be run behind this prefix."""
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def living(pids: "set[psutil.Process]") -> "set[psutil.Process]":
    """Those that still run; one that has ended and was not collected yet doesn't."""
    alive = set()
    for process in pids:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.add(process)
        except psutil.NoSuchProcess:
            continue
    return alive


def tree(pid: int) -> "set[psutil.Process]":
    """A process and all that hang below it at this moment."""
    try:
        top = psutil.Process(pid)
        return {top, *top.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


@dataclass
class Driver:
    """A process of its own that uses the process layer, told line by line what to do. It may be killed."""

    process: "subprocess.Popen[str]"
    seen: "set[psutil.Process]" = field(default_factory=set)

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, name: str, **arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the driver has ended with {self.process.wait()}"
        return json.loads(line)

    def ask(self, name: str, **arguments: Any) -> Any:
        self.say(name, **arguments)
        return self.answer()

    def family(self) -> "set[psutil.Process]":
        """Everything that was ever seen below the driver, and still lives."""
        self.seen |= tree(self.pid) - {psutil.Process(self.pid)} if psutil.pid_exists(self.pid) else set()
        return living(self.seen)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def drivers() -> Iterator[Callable[..., Driver]]:
    """Starts drivers; `prefix` stands before the command, `env` is added to the environment."""
    started: list[Driver] = []

    def start(
        *prefix: str,
        python: str = sys.executable,
        root: Path = ROOT,
        env: dict[str, str] | None = None,
    ) -> Driver:
        process = subprocess.Popen(
            [*prefix, python, str(root / "tests" / "processes" / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root), **(env or {})},
            cwd="/",
            text=True,
        )
        driver = Driver(process)
        started.append(driver)
        return driver

    yield start
    for driver in started:
        driver.kill()
        for stream in (driver.process.stdin, driver.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


@pytest.fixture(params=["as we are", "not as root"])
def identity(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The prefix of a command that runs as we are, and of one without any right of root."""
    if request.param == "as we are":
        return ()
    if os.geteuid() != 0:
        pytest.skip("this is not root already")
    if not allowed(*SOMEBODY):
        pytest.skip("user namespaces are not allowed here")
    return SOMEBODY


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A temporary folder that every user can enter (pytest's own ones are private)."""
    with tempfile.TemporaryDirectory(prefix="tradex-test-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server in a folder of its own, not started yet."""
    made = EmbeddedPostgres(tmp_path / "state")
    yield made
    made.stop()
