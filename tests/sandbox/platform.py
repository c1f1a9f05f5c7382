"""A really running simulated platform for tests, and helpers to ask it."""

import asyncio
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from console.processes.postgres import EmbeddedPostgres
from console.sandbox import people
from console.sandbox.config import SandboxConfig, supabase_token, vercel_token
from console.sandbox.install import install
from console.sandbox.people import Person
from console.sandbox.tokens import anon_token, service_token, user_token

_addresses = itertools.count()
_strangers = itertools.count()
# For a client of plain HTTP: reading the machine's certificates would take 20 ms of a core each time.
_PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def fresh_address() -> str:
    """An address nobody else of the tests uses: limits and blocks of one test don't touch the next."""
    number = next(_addresses)
    return f"2001:db8:ffff:{os.getpid() & 0xFFFF:x}::{number + 1:x}"


def somebody() -> Person:
    """A person whom no other test of this process uses, and no traffic."""
    return people.person(900 + next(_strangers))


class Platform:
    """`config` as the processes get it; `start` and `kill` are the service's."""

    # Roles belong to the whole server, so all platforms of one worker have the same passwords.
    app_password = "app-" + secrets.token_hex(8)
    reader_password = "reader-" + secrets.token_hex(8)
    ops_password = "ops-" + secrets.token_hex(8)
    deploy_password = "deploy-" + secrets.token_hex(8)

    def __init__(self, cluster: EmbeddedPostgres, folder: Path, database: str = "platform") -> None:
        self.cluster = cluster
        self.folder = folder
        self.database = database
        self.config = SandboxConfig(
            database_url=cluster.url(database, "platform_app"),
            database_password=self.app_password,
            port=free_port(),
            cache_port=free_port(),
            jwt_secret=secrets.token_hex(32),
            control_token=secrets.token_hex(16),
        )
        self.config_file = folder / f"{database}.json"
        self.config_file.write_text(json.dumps(asdict(self.config)))
        self.config_file.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def superuser_url(self) -> str:
        return self.cluster.url(self.database)

    async def install(self, *, hours: int, now: datetime | None = None) -> None:
        await install(
            self.superuser_url,
            self.cluster.password,
            app_password=self.config.database_password,
            reader_password=self.reader_password,
            ops_password=self.ops_password,
            deploy_password=self.deploy_password,
            now=now or datetime.now(UTC),
            hours=hours,
        )

    def spawn(self, part: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{self.database}-{part}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "console.sandbox", part, "--config", str(self.config_file)],
                stdout=log,
                stderr=log,
            )

    def log(self, part: str) -> str:
        return (self.folder / f"{self.database}-{part}.log").read_text()

    def start(self) -> None:
        """The service, until it answers."""
        self.process = self.spawn("serve")
        deadline = time.monotonic() + 20
        while True:
            try:
                if httpx.get(f"{self.config.base_url}/status", timeout=2, **_PLAIN).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None and time.monotonic() < deadline, self.log("serve")
            time.sleep(0.02)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    @asynccontextmanager
    async def sql(self, user: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
        passwords = {
            "postgres": self.cluster.password,
            "platform_reader": self.reader_password,
            "platform_app": self.config.database_password,
            "platform_ops": self.ops_password,
            "platform_deploy": self.deploy_password,
        }
        connection = await asyncpg.connect(
            self.cluster.url(self.database, user), password=passwords[user], timeout=10
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def value(self, query: str, *args: Any) -> Any:
        async with self.sql() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> None:
        async with self.sql() as connection:
            await connection.execute(query, *args)

    @asynccontextmanager
    async def client(
        self, *, token: str | None = None, address: str | None = None, **headers: str
    ) -> AsyncIterator[httpx.AsyncClient]:
        own = {"X-Forwarded-For": address or fresh_address(), **headers}
        if token is not None:
            own["Authorization"] = f"Bearer {token}"
        async with httpx.AsyncClient(
            base_url=self.config.base_url, headers=own, timeout=15, **_PLAIN
        ) as client:
            yield client

    @property
    def anon(self) -> str:
        return anon_token(self.config.jwt_secret)

    @property
    def service_key(self) -> str:
        return service_token(self.config.jwt_secret)

    @property
    def supabase_token(self) -> str:
        return supabase_token(self.config.database_password)

    @property
    def vercel_token(self) -> str:
        return vercel_token(self.config.database_password)

    async def effects(self, effect: str, target: str | None = None) -> int:
        """How many writes of this kind have reached the platform."""
        return await self.value(
            "SELECT count(*) FROM sandbox.effect_log WHERE effect = $1 AND target = coalesce($2, target)",
            effect, target,
        )  # fmt: skip

    def token(self, person: Person, lifetime: timedelta = timedelta(hours=1)) -> str:
        return user_token(
            self.config.jwt_secret, person.id, person.email, now=datetime.now(UTC), lifetime=lifetime
        )

    @asynccontextmanager
    async def drill(self, name: str, seconds: float = 60) -> AsyncIterator[dict[str, Any]]:
        """The drill runs inside the block and is mended after it."""
        async with self.client(token=self.config.control_token) as control:
            started = await control.post(f"/sandbox/drills/{name}", json={"seconds": seconds})
            assert started.status_code == 200, started.text
            try:
                yield started.json()
            finally:
                ended = await control.delete(f"/sandbox/drills/{name}")
                assert ended.status_code == 200, ended.text


def order(symbol: str = "EURUSD", **changes: Any) -> dict[str, Any]:
    """A sound small order."""
    return {"symbol": symbol, "order_type": "market", "side": "buy", "quantity": 10.0} | changes


async def many(count: int, make: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*(make(n) for n in range(count))))
