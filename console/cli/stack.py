"""What `tradex demo` and `tradex up` start beside the console: store, agent, and for the demo a platform.

All of it ends with this process, however that ends. A part that dies is started again; one that does not
stay up ends everything, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli.drill import CONTROL_SECRET
from console.cli.local import Running, StateFolder
from console.cli.sandbox import POSTGRES_SECRET
from console.domain.errors import TradexError
from console.processes.postgres import EmbeddedPostgres
from console.processes.warden import Child, spawn

if TYPE_CHECKING:
    from console.settings import Settings
    from console.store.lease import Lease
    from console.store.people import Role
    from console.store.pool import Store

SANDBOX = "sandbox"
SANDBOX_TIME_SCALE = 10.0
SANDBOX_TICK_S = 2.0
RULES = "alert_rules.yaml"
AGENT = "auto"
# Who may log in to the demo's store, and as what.
PEOPLE: dict[str, Role] = {"alice": "responder", "bob": "commander", "vera": "viewer"}
_PYTHON = (sys.executable, "-m")
_RESTART_PAUSE_S = 1.0
_MOST_RESTARTS = 3
_STAYED_S = 5.0
# The one who writes the sandbox's past, before the first agent leads.
SEEDER = "sandbox history"
_SEED_TTL_S = 15.0
_LEASE_WAIT_S = 20.0
# Where the simulated platform's staff sit (RFC 5737).
_OFFICE = "192.0.2.0/28"


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
        self.folder.write(self.folder.secret_file(POSTGRES_SECRET), self.postgres.password)

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


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How the simulated platform runs: orders per second, the seed of its random numbers, how much faster than the
    clock windows and durations run, and its ports."""

    rate: float
    seed: int
    time_scale: float = SANDBOX_TIME_SCALE
    port: int = 0
    cache_port: int = 0


def start_sandbox(stack: Stack, wanted: Sandbox) -> Running:
    """The simulated platform with its past, its traffic, and an agent that watches it."""
    stack.start_server()
    say("preparing the platform and its last 26 hours")
    sandbox = replace(wanted, port=free_port(), cache_port=free_port())
    port = sandbox.port
    store_url = asyncio.run(_populate(stack, sandbox))
    stack.watch()
    return Running(
        pid=os.getpid(),
        environment=SANDBOX,
        store_url=store_url,
        people=tuple(PEOPLE),
        person="alice",
        platform_url=f"http://127.0.0.1:{port}",
        platform_database_url=stack.postgres.url("platform"),
        control_url=f"http://127.0.0.1:{port}/sandbox/drills",
    )


async def _populate(stack: Stack, sandbox: Sandbox) -> str:
    """The store and, at the same time, the platform's past; then the platform's processes and the agent, and while
    these start up the store's past. Returns the store's URL."""
    from console.metrics import catalogue
    from console.sandbox import history, install
    from console.store import lease as leases
    from console.store import ticks
    from console.store.pool import Store

    url, password, folder = stack.postgres.url("platform"), stack.postgres.password, stack.folder
    # One server, hence one clock: this machine's.
    now = datetime.now(UTC)
    store_url, _ = await asyncio.gather(
        stack.prepare_store(SANDBOX, PEOPLE, time_scale=sandbox.time_scale, tick_s=SANDBOX_TICK_S),
        install.install(
            url,
            password,
            app_password=folder.secret("platform_app"),
            reader_password=folder.secret("platform_reader"),
            ops_password=folder.secret("platform_ops"),
            now=now,
        ),
    )
    store = await Store.open(
        store_url, user=AGENT, password=folder.secret(AGENT), size=1, command_timeout_s=60
    )
    try:
        # The lease first: the agent that starts meanwhile waits until the past is written.
        lease = await _lease(store)
        _start_parts(stack, store_url, sandbox)
        keeper = asyncio.create_task(_keep(store, lease))
        try:
            specs = catalogue.load(None, time_scale=sandbox.time_scale).specs
            known = (await ticks.latest(store)).at
            missing = await history.ticks(url, password, specs, now, since=known)
            if missing:
                await ticks.write_seeded(store, lease, specs, missing)
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
        await leases.release(store, lease)
    finally:
        await store.close()
    return store_url


def _start_parts(stack: Stack, store_url: str, sandbox: Sandbox) -> None:
    folder = stack.folder
    config = {
        "database_url": stack.postgres.url("platform", "platform_app"),
        "database_password": folder.secret("platform_app"),
        "port": sandbox.port,
        "cache_port": sandbox.cache_port,
        "jwt_secret": folder.secret("jwt_secret"),
        "control_token": folder.secret(CONTROL_SECRET),
        "rate": sandbox.rate,
        "seed": sandbox.seed,
    }
    file = folder.path / "sandbox.json"
    folder.write(file, json.dumps(config))
    say("starting the platform, its traffic and the agent")
    stack.start("platform", "console.sandbox", "serve", "--config", str(file))
    stack.start("traffic", "console.sandbox", "traffic", "--config", str(file))
    stack.start_agent(_agent_config(stack, store_url, sandbox), None)


async def _keep(store: Store, lease: Lease) -> None:
    """Hold the lease for as long as the past takes, on a slow machine longer than it lasts."""
    from console.store import lease as leases

    while True:
        await asyncio.sleep(_SEED_TTL_S / 5)
        if not await leases.renew(store, lease, _SEED_TTL_S):
            return


async def _lease(store: Store) -> Lease:
    """The lease for writing the past. An agent that was killed a moment ago may still hold it for seconds."""
    from console.store import lease as leases

    deadline = time.monotonic() + _LEASE_WAIT_S
    while (lease := await leases.acquire(store, SEEDER, _SEED_TTL_S)) is None:
        if time.monotonic() > deadline:
            raise TradexError("another agent leads on this store: end it first")
        await asyncio.sleep(0.2)
    return lease


def _agent_config(stack: Stack, store_url: str, sandbox: Sandbox) -> Path:
    """config.toml of the demo's agent; secrets by file only. A person may read it to see how it is done."""
    from console.sandbox.config import vercel_token
    from console.sandbox.firewall import PROJECT, TEAM
    from console.sandbox.people import STAFF
    from console.sandbox.tokens import anon_token, service_token

    folder = stack.folder
    port = sandbox.port
    base = f"http://127.0.0.1:{port}"
    rules = folder.path / RULES
    if not rules.exists():
        # A copy of one's own: edited, it is read at once.
        rules.write_text((resources.files("console") / "defaults" / RULES).read_text())
    folder.write(folder.secret_file("api_key"), anon_token(folder.secret("jwt_secret")))
    folder.write(folder.secret_file("service_key"), service_token(folder.secret("jwt_secret")))
    folder.write(folder.secret_file("vercel_token"), vercel_token(folder.secret("platform_app")))
    database = stack.postgres.url("platform", "platform_reader")
    providers = ("market-data-a", "market-data-b")
    lines = [
        f'environment = "{SANDBOX}"',
        f"time_scale = {sandbox.time_scale}",
        "[alerting]",
        f"rules = {json.dumps(str(rules))}",
        "[store]",
        f"url = {json.dumps(store_url)}",
        f'user = "{AGENT}"',
        f"password_file = {json.dumps(str(folder.secret_file(AGENT)))}",
        "[agent]",
        f"tick_s = {SANDBOX_TICK_S}",
        "[platform]",
        f'base_url = "{base}"',
        f'websocket_url = "ws://127.0.0.1:{port}/realtime"',
        f'cache_url = "redis://127.0.0.1:{sandbox.cache_port}"',
        f"database_url = {json.dumps(database)}",
        f"database_password_file = {json.dumps(str(folder.secret_file('platform_reader')))}",
        f"api_key_file = {json.dumps(str(folder.secret_file('api_key')))}",
        f"ops_database_url = {json.dumps(stack.postgres.url('platform', 'platform_ops'))}",
        f"ops_database_password_file = {json.dumps(str(folder.secret_file('platform_ops')))}",
        f"service_key_file = {json.dumps(str(folder.secret_file('service_key')))}",
        f'vercel_url = "{base}"',
        f'vercel_project = "{PROJECT}"',
        f'vercel_team = "{TEAM}"',
        f"vercel_token_file = {json.dumps(str(folder.secret_file('vercel_token')))}",
        f"staff = {json.dumps([email for email, _ in STAFF])}",
        f"allow_list = {json.dumps([_OFFICE])}",
        "[platform.external_apis]",
        *(f'{name} = "{base}/providers/{name}"' for name in providers),
    ]
    file = folder.path / "agent.toml"
    folder.write(file, "\n".join(lines) + "\n")
    return file


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
