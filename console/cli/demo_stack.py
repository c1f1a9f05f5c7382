"""The demo beside the console: a simulated platform with its past and its traffic, and an agent that watches it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.drill import CONTROL_SECRET
from console.cli.local import Running
from console.cli.stack import AGENT, Stack, free_port, say
from console.domain.errors import TradexError
from console.places import write_private

if TYPE_CHECKING:
    from console.store.lease import Lease
    from console.store.people import Role
    from console.store.pool import Store

TIME_SCALE = 10.0
_NAME = "sandbox"
_TICK_S = 2.0
_CHECKLIST_S = 3600.0
_RULES = "alert_rules.yaml"
# Who may log in to the demo's store, and as what.
_PEOPLE: dict[str, Role] = {"alice": "responder", "bob": "commander", "vera": "viewer"}
# The one who writes the sandbox's past, before the first agent leads.
_SEEDER = "sandbox history"
_SEED_TTL_S = 15.0
_LEASE_WAIT_S = 20.0
# A trader, who holds positions: the place among the simulated people.
_OWNER = 7
# Where the simulated platform's staff sit (RFC 5737).
_OFFICE = "192.0.2.0/28"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How the simulated platform runs: orders per second, the seed of its random numbers, how much faster than the
    clock windows and durations run, and its ports."""

    rate: float
    seed: int
    time_scale: float = TIME_SCALE
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
        environment=_NAME,
        store_url=store_url,
        people=tuple(_PEOPLE),
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
        stack.prepare_store(_NAME, _PEOPLE, time_scale=sandbox.time_scale, tick_s=_TICK_S),
        install.install(
            url,
            password,
            app_password=folder.secret("platform_app"),
            reader_password=folder.secret("platform_reader"),
            ops_password=folder.secret("platform_ops"),
            deploy_password=folder.secret("platform_deploy"),
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
    write_private(file, json.dumps(config))
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
    while (lease := await leases.acquire(store, _SEEDER, _SEED_TTL_S)) is None:
        if time.monotonic() > deadline:
            raise TradexError("another agent leads on this store: end it first")
        await asyncio.sleep(0.2)
    return lease


def _agent_config(stack: Stack, store_url: str, sandbox: Sandbox) -> Path:
    """config.toml of the demo's agent; secrets by file only. A person may read it to see how it is done."""
    from console.sandbox import people, releases
    from console.sandbox.config import supabase_token, vercel_token
    from console.sandbox.edge import REF
    from console.sandbox.firewall import PROJECT, TEAM
    from console.sandbox.roles import DEPLOY
    from console.sandbox.tokens import anon_token, service_token, user_token
    from console.sandbox.tools import tools_folder, variables

    folder = stack.folder
    port = sandbox.port
    base = f"http://127.0.0.1:{port}"
    rules = folder.path / _RULES
    if not rules.exists():
        # A copy of one's own: edited, it is read at once.
        rules.write_text((resources.files("console") / "defaults" / _RULES).read_text())
    # Empty: a file put there stands in the place of the shipped one of its name at once.
    books = folder.path / "books"
    for name in ("runbooks", "checklists", "templates"):
        (books / name).mkdir(parents=True, exist_ok=True)
    write_private(folder.secret_file("api_key"), anon_token(folder.secret("jwt_secret")))
    write_private(folder.secret_file("service_key"), service_token(folder.secret("jwt_secret")))
    write_private(folder.secret_file("vercel_token"), vercel_token(folder.secret("platform_app")))
    write_private(folder.secret_file("supabase_token"), supabase_token(folder.secret("platform_app")))
    # Who the checks sign in as: one without money, and one who owns something.
    other = people.person(_OWNER)
    accounts = {"check_account": people.SYNTHETIC_EMAIL, "check_other_account": other.email}
    for name, email in accounts.items():
        write_private(folder.secret_file(name), people.password(folder.secret("platform_app"), email))
    long_ago = datetime.now(UTC) - timedelta(days=1)
    expired = user_token(folder.secret("jwt_secret"), other.id, other.email, now=long_ago)
    write_private(folder.secret_file("check_expired_token"), expired)
    database = stack.postgres.url("platform", "platform_reader")
    providers = ("market-data-a", "market-data-b")
    repository = releases.ensure_repository(folder.path / "platform.git")
    lines = [
        f'environment = "{_NAME}"',
        f"time_scale = {sandbox.time_scale}",
        "[alerting]",
        f"rules = {json.dumps(str(rules))}",
        "[books]",
        f"folder = {json.dumps(str(books))}",
        "[store]",
        f"url = {json.dumps(store_url)}",
        f'user = "{AGENT}"',
        f"password_file = {json.dumps(str(folder.secret_file(AGENT)))}",
        "[agent]",
        f"tick_s = {_TICK_S}",
        "[checks]",
        f'account = "{people.SYNTHETIC_EMAIL}"',
        f"account_password_file = {json.dumps(str(folder.secret_file('check_account')))}",
        f'other_account = "{other.email}"',
        f"other_account_password_file = {json.dumps(str(folder.secret_file('check_other_account')))}",
        f"expired_token_file = {json.dumps(str(folder.secret_file('check_expired_token')))}",
        f"every_s = {_CHECKLIST_S}",
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
        f'supabase_url = "{base}"',
        f'supabase_project = "{REF}"',
        f"supabase_token_file = {json.dumps(str(folder.secret_file('supabase_token')))}",
        f"deploy_database_url = {json.dumps(stack.postgres.url('platform', DEPLOY))}",
        f"deploy_database_password_file = {json.dumps(str(folder.secret_file('platform_deploy')))}",
        f"staff = {json.dumps([email for email, _ in people.STAFF])}",
        f"allow_list = {json.dumps([_OFFICE])}",
        "[platform.external_apis]",
        *(f'{name} = "{base}/providers/{name}"' for name in providers),
        "[deploy]",
        f"repository = {json.dumps(str(repository))}",
        f'first = "{releases.FIRST}"',
        f"folder = {json.dumps(str(folder.path / 'deployments'))}",
        f"path = {json.dumps([str(tools_folder(folder.path, base))])}",
        "[deploy.env]",
        *(f"{k} = {json.dumps(v)}" for k, v in variables(folder.path, project=PROJECT, team=TEAM).items()),
    ]
    file = folder.path / "agent.toml"
    write_private(file, "\n".join(lines) + "\n")
    return file
