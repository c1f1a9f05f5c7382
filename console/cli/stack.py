"""What `tradex up` starts beside the console, store and agent, and `tradex demo` too.

All of it ends with this process, however that ends. A part that dies is started again; one that does not
stay up ends everything, with the reason.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli.local import Running, StateFolder
from console.cli.sandbox import POSTGRES_SECRET
from console.domain.errors import TradexError
from console.places import write_private
from console.processes.postgres import EmbeddedPostgres
from console.processes.warden import Child, spawn

if TYPE_CHECKING:
    from console.settings import Settings
    from console.store.people import Role

AGENT = "auto"
_PYTHON = (sys.executable, "-m")
_RESTART_PAUSE_S = 1.0
_MOST_RESTARTS = 3
_STAYED_S = 5.0


@dataclass
class Part:
    """One child, how to start it again, and how often in a row it did not stay up."""

    name: str
    spawn: Callable[[], Child]
    child: Child | None = None
    started: float = 0.0
    quick_ends: int = 0

    def start(self) -> None:
        self.child = self.spawn()
        self.started = time.monotonic()

    def ended(self) -> bool:
        """Whether it has ended; counts the ends that came soon after the start."""
        if self.child is None or self.child.running():
            return False
        stayed = time.monotonic() - self.started > _STAYED_S
        self.quick_ends = 0 if stayed else self.quick_ends + 1
        return True


class Stack:
    """Starts the parts in order; `watch` keeps them alive until `stop`."""

    def __init__(self, folder: StateFolder) -> None:
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder.postgres)
        self.failure: str | None = None
        self._postgres_restarts = 0
        self._parts: list[Part] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Stack:
        self._exit.enter_context(self.folder.lock())
        self._exit.callback(self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def start_server(self) -> None:
        """The embedded PostgreSQL."""
        say("starting the store")
        self.postgres.start()
        write_private(self.folder.secret_file(POSTGRES_SECRET), self.postgres.password)

    async def prepare_store(
        self, environment: str, people: Mapping[str, Role], *, time_scale: float, tick_s: float
    ) -> str:
        """The store with its people on the running server; returns its URL (without user and password)."""
        from console.store import migrate
        from console.store import people as logins

        await self.create_database("console")
        url, password = self.postgres.url("console"), self.postgres.password
        await migrate.upgrade(url, password, environment=environment, time_scale=time_scale, tick_s=tick_s)
        everybody: dict[str, Role] = {**people, AGENT: "agent"}
        for name, role in everybody.items():
            await logins.ensure_login(
                url, password, name=name, role=role, login_password=self.folder.secret(name)
            )
        return url

    async def create_database(self, name: str) -> None:
        """Create this database on the embedded server unless it is there."""
        import asyncpg

        connection = await asyncpg.connect(
            self.postgres.url("postgres"), password=self.postgres.password, timeout=10
        )
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                quoted = name.replace('"', '""')
                await connection.execute(f'CREATE DATABASE "{quoted}"')
        finally:
            await connection.close()

    def start(self, name: str, module: str, *args: str, env: Mapping[str, str] | None = None) -> None:
        """A part that runs `python -m module args`, its output in logs/NAME.log."""
        log = self.folder.logs / f"{name}.log"
        whole = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")} | dict(env or {})
        part = Part(name, lambda: spawn([*_PYTHON, module, *args], env=whole, log=log))
        part.start()
        self._parts.append(part)

    def start_agent(
        self, config: Path, environment: str | None, env: Mapping[str, str] | None = None
    ) -> None:
        choice = ("--env", environment) if environment else ()
        self.start(
            "agent", "console.cli", "--config", str(config), *choice, "agent", "--name", "agent-1", env=env
        )

    def announce(self, running: Running) -> None:
        self.folder.announce(running)

    def watch(self) -> None:
        """Start again what dies, in a thread of its own."""
        self._watcher = threading.Thread(target=self._keep_alive, name="watch", daemon=True)
        self._watcher.start()

    def _keep_alive(self) -> None:
        while not self._stopping.wait(0.25):
            if not self.postgres.running() and not self._restart_postgres():
                os.kill(os.getpid(), signal.SIGHUP)
                return
            for part in self._parts:
                if not part.ended():
                    continue
                if part.quick_ends >= _MOST_RESTARTS:
                    log = self.folder.logs / f"{part.name}.log"
                    self.failure = f"the {part.name} does not stay up, see {log}"
                    os.kill(os.getpid(), signal.SIGHUP)
                    return
                if self._stopping.wait(_RESTART_PAUSE_S):
                    return
                part.start()

    def _restart_postgres(self) -> bool:
        self._postgres_restarts += 1
        try:
            if self._postgres_restarts <= _MOST_RESTARTS:
                self.postgres.start()
                return True
        except TradexError as error:
            self.failure = str(error)
        self.failure = self.failure or f"the store's PostgreSQL does not stay up, see {self.postgres.log}"
        return False

    def _stop(self) -> None:
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        for part in reversed(self._parts):
            if part.child is not None:
                part.child.stop()
        self.postgres.stop()


def say(line: str) -> None:
    """Progress, on stderr so that stdout holds only what was asked for."""
    click.echo(f"tradex: {line}", err=True)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start_up(stack: Stack, settings: Settings, config: Path, environment: str | None, person: str) -> Running:
    """Embedded store and agent for the platform of `settings`."""
    name = settings.environment or "production"
    people: dict[str, Role] = {person: "commander"}
    stack.start_server()
    store_url = asyncio.run(
        stack.prepare_store(name, people, time_scale=settings.time_scale, tick_s=settings.agent.tick_s)
    )
    env = {k: v for k, v in os.environ.items() if k.startswith("TRADEX_")} | {
        "TRADEX_STORE__URL": store_url,
        "TRADEX_STORE__USER": AGENT,
        "TRADEX_STORE__PASSWORD_FILE": str(stack.folder.secret_file(AGENT)),
    }
    stack.start_agent(config, environment, env)
    stack.watch()
    return Running(os.getpid(), name, store_url, tuple(people), person)


def wait_until_live(stack: Stack, running: Running, timeout_s: float = 60) -> None:
    """Until the agent leads and has written a tick of its own. Raises TradexError with the reason."""
    from console.feed import LiveFeed

    async def follow() -> None:
        feed = LiveFeed(running.store_url, user=running.person, password=stack.folder.secret(running.person))
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                now = await feed.read()
                if (
                    now.agent.leader
                    and now.metrics.at
                    and not now.is_stale(now.metrics.at, now.at)
                    and now.health
                ):
                    return
                reason = stack.failure
                if reason or time.monotonic() > deadline:
                    raise TradexError(
                        reason or f"nothing live after {timeout_s:.0f} s, see {stack.folder.logs}"
                    )
                await asyncio.sleep(0.1)
        finally:
            await feed.close()

    asyncio.run(follow())
