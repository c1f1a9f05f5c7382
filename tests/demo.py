"""A running demo for tests: started headless as a person would, asked through public commands and plain SQL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg

from tests import command

TRADEX = [sys.executable, "-m", "console.cli"]


class Demo:
    """`tradex demo --headless` in a state folder of its own."""

    def __init__(self, state: Path, *args: str) -> None:
        self.state = state
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")} | {
            "TRADEX_STATE_DIR": str(state),
            "XDG_CONFIG_HOME": str(state / "no-config"),
        }
        self._args = args
        self.process: subprocess.Popen[str] | None = None

    def start(self, timeout: float = 90) -> "Demo":
        """Until it says that it is ready."""
        self.state.mkdir(parents=True, exist_ok=True)
        errors = (self.state / "stderr.txt").open("w")
        self.process = subprocess.Popen(
            [*TRADEX, "demo", "--headless", *self._args],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        errors.close()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            self.process.wait(timeout)
            raise AssertionError(
                f"not ready: {line!r} {(self.state / 'stderr.txt').read_text()}{self.logs()}"
            )
        return self

    def logs(self) -> str:
        return "".join(
            f"\n--- {f.name}\n{f.read_text()[-2000:]}" for f in (self.state / "logs").glob("*.log")
        )

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def run(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`tradex args` against this demo, as a process of its own."""
        return subprocess.run(
            [*TRADEX, *args],
            env=self.env | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The same in this process: for what is asked again and again."""
        return command.run(*args, env=self.env)

    def json(self, *args: str, code: int | None = 0) -> Any:
        """The parsed output of a command with --json; `code` None takes any exit code."""
        done = self.ask(*args, "--json")
        assert code is None or done.returncode == code, (done.returncode, done.stderr)
        return json.loads(done.stdout)

    def metrics(self) -> dict[str, dict[str, Any]]:
        return {m["name"]: m for m in self.json("metrics")}

    def components(self) -> dict[str, dict[str, Any]]:
        return {c["name"]: c for c in self.json("status", code=None)["components"]}

    @property
    def info(self) -> dict[str, Any]:
        return json.loads((self.state / "running.json").read_text())

    async def platform(self) -> asyncpg.Connection:
        """The platform's database as its superuser, for checking by hand."""
        return await self._connect(self.info["platform_database_url"])

    async def store(self) -> asyncpg.Connection:
        return await self._connect(self.info["store_url"])

    async def _connect(self, url: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            url, user="postgres", password=(self.state / "secrets" / "postgres").read_text(), timeout=10
        )

    def until(self, condition: Any, timeout: float = 40.0) -> Any:
        """The first true value of `condition()`, asked again and again."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not true within {timeout} s{self.logs()}")
            # Asked without a pause, it slows down what it waits for.
            time.sleep(0.5)
        return value
