"""A running platform, a store on the same server, and the duties of an agent between them, in the test's process."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from console.actions.duties import Actions
from console.actions.kind import Kind
from console.actions.workshop import Validate
from console.domain.action import Action, ActionState
from console.domain.errors import Fenced
from console.processes.postgres import EmbeddedPostgres
from console.sections import ActionsSettings, DeploySettings
from console.settings import Settings
from console.store import actions
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.conftest import NewDatabase
from tests.dear import on_one_worker, running_platform
from tests.sandbox.platform import Platform
from tests.sandbox.test_changes import settings_of
from tests.store.stores import Place, upgraded

SCALE = 100.0
"""The effect is watched for 1.2 s, sessions are deleted again after 3 s."""
_networks = itertools.count(1)

pytest_collection_modifyitems = on_one_worker("actions", Path(__file__).parent, needing="platform")
cluster, platform = running_platform("actions")


@pytest.fixture
def place(cluster: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(cluster, new_database(cluster, template=upgraded(cluster, session_database)))


def fresh_address() -> str:
    """An address of nobody: 203.0.113.x beyond those of the simulated people."""
    return f"203.0.113.{200 + next(_networks)}"


def reading(platform: Platform) -> dict[str, Any]:
    """The settings of the reading door."""
    return {
        "database_url": platform.cluster.url(platform.database, "platform_reader"),
        "database_password": SecretStr(platform.reader_password),
    }


@dataclass
class Stage:
    """A platform and a store, between which agents may work."""

    platform: Platform
    place: Place
    alice: Store
    bob: Store
    wait_for: Callable[..., Any]
    file: Path | None = None
    scale: float = SCALE
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Kinds that no file can declare."""
    deploy: DeploySettings = field(default_factory=DeploySettings)
    validate: Validate | None = None

    def settings(self, **changes: Any) -> Settings:
        return Settings(
            environment="test",
            time_scale=self.scale,
            platform=settings_of(self.platform, **reading(self.platform) | changes),
            actions=ActionsSettings(file=self.file),
            deploy=self.deploy,
        )

    @asynccontextmanager
    async def agent(self, name: str = "a1", ttl_s: float = 2.0, **changes: Any) -> AsyncIterator[Lease]:
        """An agent that leads within the block, as soon as the one before is gone."""
        made = Actions(self.settings(**changes), self.validate)
        assert isinstance(made.surroundings.kinds, dict)
        made.surroundings.kinds.update(self.kinds)
        async with self.place.open("auto") as store:
            lease = await self.wait_for(lambda: leases.acquire(store, name, ttl_s))
            works = [work() for work in made.duties(store, lease).values()]
            tasks = [asyncio.ensure_future(work) for work in (*works, _renew(store, lease, ttl_s))]
            try:
                await self.wait_for(lambda: actions.kinds(store))
                yield lease
                for task in tasks:
                    if task.done():
                        await task
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with contextlib.suppress(Exception):
                    await leases.release(store, lease)
                await made.close()

    async def ask(self, kind: str, target: str = "", who: Store | None = None, **params: str) -> Action:
        """The action once it is planned or refused."""
        asked = await actions.request(
            who or self.alice, kind=kind, target=target, params=params, reason="a test's reason"
        )
        return await self.until(asked.id, lambda a: a.state is not ActionState.PLANNING)

    async def until(self, number: int, condition: Callable[[Action], bool], timeout: float = 30) -> Action:
        async def found() -> Action | None:
            action = await actions.one(self.alice, number)
            return action if action is not None and condition(action) else None

        return await self.wait_for(found, timeout=timeout)

    async def confirm(self, action: Action, who: Store | None = None, **choices: str) -> None:
        assert action.state is ActionState.PLANNED and action.plan is not None, action
        await actions.confirm(
            who or self.alice,
            action.id,
            plan_hash=action.plan_hash,
            typed=action.plan.typed,
            choices=choices,
        )

    async def ended(self, number: int, timeout: float = 30) -> Action:
        return await self.until(number, lambda a: a.state.final, timeout)

    async def done(
        self,
        kind: str,
        target: str = "",
        who: Store | None = None,
        choices: dict[str, str] | None = None,
        **params: str,
    ) -> Action:
        """Asked for, confirmed and ended well."""
        planned = await self.ask(kind, target, who, **params)
        await self.confirm(planned, who, **(choices or {}))
        action = await self.ended(planned.id)
        assert action.state is ActionState.DONE, (action.words, await actions.steps(self.alice, action.id))
        return action

    async def status(self, address: str, path: str) -> int:
        async with self.platform.client(token=self.platform.anon, address=address) as client:
            return (await client.get(path)).status_code

    async def answers(self, address: str, path: str, code: int, timeout: float = 10) -> None:
        """Wait until the platform answers so."""

        async def is_so() -> bool:
            return await self.status(address, path) == code

        await self.wait_for(is_so, timeout=timeout)

    async def ops(self, path: str) -> Any:
        async with self.platform.client(token=self.platform.service_key) as client:
            answer = await client.get(f"/ops/v1{path}")
            assert answer.status_code == 200, answer.text
            return answer.json()


async def _renew(store: Store, lease: Lease, ttl_s: float) -> None:
    while True:
        await asyncio.sleep(ttl_s / 3)
        if not await leases.renew(store, lease, ttl_s):
            raise Fenced("it has passed on")


@pytest.fixture
async def stage(platform: Platform, place: Place, wait_for: Callable[..., Any]) -> AsyncIterator[Stage]:
    async with place.open("alice") as alice, place.open("bob") as bob:
        yield Stage(platform, place, alice, bob, wait_for)
