"""A running platform, and in front of it what makes it go wrong in one way at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from console.checks.check import Check, Doors, run
from console.checks.source import Source
from console.domain.check import CheckReport, CheckResult
from console.sandbox import people
from console.sandbox.edge import REF
from console.sections import AlertingSettings, ChecksSettings, PlatformSettings
from console.settings import Settings
from console.store.pool import Store
from tests.checks.shop import Shop
from tests.dear import on_one_worker, running_platform
from tests.sandbox.platform import Platform, fresh_address

OTHER = people.person(7)
"""A trader, who holds positions."""

pytest_collection_modifyitems = on_one_worker("checks", Path(__file__).parent, needing="platform")
cluster, platform = running_platform("checks")


@dataclass(frozen=True)
class Asked:
    """A request as it came; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Reply:
    """What the platform answered, to be changed at will."""

    status: int
    headers: dict[str, str]
    body: bytes


Fault = Callable[[Asked, Reply], None]


@dataclass
class Front:
    """Stands before the platform, whose limits see one address per front, and changes answers as `fault` says."""

    target: str
    url: str = ""
    fault: Fault | None = None
    address: str = field(default_factory=fresh_address)
    many: bool = False
    """Another address for each request, so that no limit is ever reached."""
    asked: list[Asked] = field(default_factory=list)
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=15))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, body)
            self.asked.append(asked)
            kept = {n: v for n, v in headers.items() if n not in ("host", "connection", "content-length")}
            kept["x-forwarded-for"] = fresh_address() if self.many else self.address
            answer = await self.client.request(method, self.target + path, headers=kept, content=body)
            reply = Reply(answer.status_code, dict(answer.headers), answer.content)
            if self.fault is not None:
                self.fault(asked, reply)
            reply.headers |= {"content-length": str(len(reply.body)), "connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
            writer.write(f"HTTP/1.1 {reply.status} x\r\n{head}\r\n".encode() + reply.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def front_of(target: str) -> AsyncIterator[Front]:
    made = Front(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await made.client.aclose()


@pytest.fixture
async def front(platform: Platform) -> AsyncIterator[Front]:
    async with front_of(platform.config.base_url) as made:
        yield made


def private(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


@dataclass
class Stage:
    """Runs checks through the front. `changes` are of the platform's settings, `accounts` those of [checks]."""

    platform: Platform
    front: Front
    folder: Path

    def settings(self, accounts: dict[str, Any] | None = None, **changes: Any) -> Settings:
        password = self.platform.config.database_password
        checks = {
            "account": people.SYNTHETIC_EMAIL,
            "account_password_file": private(
                self.folder / "account", people.password(password, people.SYNTHETIC_EMAIL)
            ),
            "other_account": OTHER.email,
            "other_account_password_file": private(
                self.folder / "other", people.password(password, OTHER.email)
            ),
            "expired_token_file": private(
                self.folder / "expired", self.platform.token(OTHER, timedelta(seconds=-60))
            ),
        }
        platform = {
            "base_url": self.front.url,
            "websocket_url": self.platform.config.base_url.replace("http", "ws") + "/realtime",
            "database_url": self.platform.cluster.url(self.platform.database, "platform_reader"),
            "database_password": SecretStr(self.platform.reader_password),
            "api_key": SecretStr(self.platform.anon),
            "supabase_url": self.front.url,
            "supabase_project": REF,
            "supabase_token": SecretStr(self.platform.supabase_token),
        }
        return Settings(
            environment="test",
            platform=PlatformSettings.model_validate(platform | changes),
            checks=ChecksSettings.model_validate(checks | (accounts or {})),
        )

    async def run(
        self,
        checks: tuple[Check, ...],
        accounts: dict[str, Any] | None = None,
        *,
        store: Store | None = None,
        migrations: tuple[str, ...] | None = None,
        shop: Shop | None = None,
        commit: str = "",
        alerting: AlertingSettings | None = None,
        **changes: Any,
    ) -> CheckReport:
        source = None if shop is None else Source(shop.repository, commit, shop.settings)
        settings = self.settings(accounts, **changes)
        if alerting is not None:
            settings = settings.model_copy(update={"alerting": alerting})
        doors = Doors.open(settings, store=store, migrations=migrations, source=source)
        try:
            return await run(doors, checks)
        finally:
            await doors.close()

    @asynccontextmanager
    async def broken(self, breaking: str, mending: str) -> AsyncIterator[None]:
        """The platform's database is so within the block."""
        await self.platform.execute(breaking)
        try:
            yield
        finally:
            await self.platform.execute(mending)


@pytest.fixture
def stage(platform: Platform, front: Front, tmp_path: Path) -> Stage:
    return Stage(platform, front, tmp_path)


def at(path: str, **changes: object) -> Fault:
    """Every answer of this path is changed so."""

    def fault(asked: Asked, reply: Reply) -> None:
        if asked.path.partition("?")[0] == path:
            for name, value in changes.items():
                setattr(reply, name, value)

    return fault


def without(header: str) -> Fault:
    """No answer has this header."""

    def fault(asked: Asked, reply: Reply) -> None:
        reply.headers.pop(header, None)

    return fault


def accepted(path: str, is_so: Callable[[Asked], bool]) -> Fault:
    """The platform lets in who should have been refused there."""

    def fault(asked: Asked, reply: Reply) -> None:
        if asked.path == path and reply.status == 401 and is_so(asked):
            reply.status, reply.body = 200, b'{"status": "ok"}'

    return fault


def by_id(report: CheckReport) -> dict[str, CheckResult]:
    return {result.id: result for result in report.results}


def failures(report: CheckReport) -> dict[str, str]:
    """Evidence by id of those that failed."""
    return {result.id: result.evidence for result in report.results if result.status == "failed"}


async def applied(stage: Stage) -> tuple[str, ...]:
    """The versions of the migrations that the platform has."""
    async with stage.platform.sql() as connection:
        rows = await connection.fetch("SELECT version FROM supabase_migrations.schema_migrations")
    return tuple(row["version"] for row in rows)
