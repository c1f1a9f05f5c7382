"""A store with an agent's login, and real agent processes on it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from console.processes.postgres import EmbeddedPostgres
from console.store import migrate, people
from tests.conftest import NewDatabase
from tests.store.stores import password_of

# Logins belong to the whole server: where other tests have an agent, it is this one.
PASSWORD = password_of("auto")


@dataclass
class AgentProcess:
    """One `tradex agent`, its log in `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self, number: int) -> None:
        self.process.send_signal(number)


@dataclass
class Watch:
    """A store of its own and the agents that were started on it."""

    server: EmbeddedPostgres
    url: str
    folder: Path
    extra: str = ""
    agents: list[AgentProcess] = field(default_factory=list)

    def agent(self, name: str) -> AgentProcess:
        config = self.folder / "agent.toml"
        if not config.exists():
            secret = self.folder / "password"
            secret.write_text(PASSWORD)
            secret.chmod(0o600)
            config.write_text(
                f'environment = "test"\n[store]\nurl = "{self.url}"\nuser = "auto"\npassword_file = "{secret}"\n'
                f"[agent]\ntick_s = 0.5\nlease_ttl_s = 2\n{self.extra}"
            )
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "console.cli", "--config", str(config), "agent", "--name", name],
                stderr=out,
                env={k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")},
            )
        started = AgentProcess(name, process, log)
        self.agents.append(started)
        return started

    def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Plain SQL as the store's owner."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url, password=self.server.password)
            try:
                return await connection.fetch(query, *args)
            finally:
                await connection.close()

        return asyncio.run(run())

    def leader(self) -> str | None:
        rows = self.sql("SELECT holder FROM console.lease WHERE expires_at > clock_timestamp()")
        return rows[0]["holder"] if rows else None

    def ticks(self) -> int:
        return self.sql("SELECT count(*) AS n FROM console.tick")[0]["n"]


@pytest.fixture
def watch(postgres: EmbeddedPostgres, new_database: NewDatabase, tmp_path: Path) -> Iterator[Watch]:
    url = new_database(postgres)

    async def prepare() -> None:
        await migrate.upgrade(url, postgres.password, environment="test", tick_s=0.5)
        await people.ensure_login(url, postgres.password, name="auto", role="agent", login_password=PASSWORD)

    asyncio.run(prepare())
    made = Watch(postgres, url, tmp_path)
    yield made
    for agent in made.agents:
        if agent.process.poll() is None:
            agent.kill(signal.SIGCONT)
            agent.kill(signal.SIGKILL)
            agent.process.wait()


@pytest.fixture
def until(wait_until: Callable[..., object]) -> Callable[..., object]:
    return wait_until
