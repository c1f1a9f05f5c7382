"""What deployments need beside the platform: the repository, the pipelines, and to know what runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from console.actions import pipelines
from console.actions.kinds import deploy
from console.actions.kinds.deploy import Deploy, Rollback
from console.actions.surroundings import woken
from console.actions.workshop import Validate, Workshop
from console.domain.errors import Fenced, StoreAway, StoreRefused, TradexError
from console.domain.release import Released, ReleaseState
from console.gateway.changes import Changes
from console.gateway.repository import Repository
from console.sections import PlatformSettings
from console.settings import Settings
from console.store import releases
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.deployments")

# On the clock; whoever waits for what was just deployed is woken.
_EVERY_S, _LEAST_S = 30.0, 2.0


class Deployments:
    """Of one agent. `platform` are its settings with the secrets read. `woken` is set by whoever hears that something
    was released."""

    def __init__(self, settings: Settings, platform: PlatformSettings, validate: Validate | None) -> None:
        wanted = settings.deploy
        secrets = {name: getattr(platform, name) for name in pipelines.SECRETS}
        self.woken = asyncio.Event()
        self._wanted = wanted
        self._every_s = max(_EVERY_S / settings.time_scale, _LEAST_S)
        self._environment = settings.environment
        self._workshop = Workshop(
            repository=Repository.of(wanted),
            folder=wanted.place,
            path=wanted.path,
            secrets={name: value for name, value in secrets.items() if value is not None},
            env=wanted.env,
            validate=validate,
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """The pipelines that an installation may have of its own."""
        own = self._wanted.pipelines
        return () if own is None else (own / "deploy.yaml", own / "rollback.yaml")

    def kinds(self, doors: Collection[str]) -> tuple[Deploy, Rollback]:
        """Both, as their pipelines are now. Raises Misuse."""
        forward, back = (
            pipelines.load(name, self._wanted.pipelines, self._workshop) for name in ("deploy", "rollback")
        )
        return deploy.kinds(doors, forward, back, self._workshop, self._environment)

    async def watch(self, store: Store, lease: Lease, *, changes: Changes) -> None:
        """What is live, and what could be deployed, as long as this agent leads. Where no release is known to be live
        it is the one that the installation names, or that the frontend says it was made from. Raises Fenced, StoreAway
        and StoreRefused."""
        told, known = "", None
        while self._workshop.repository.configured:
            try:
                await self._workshop.repository.fetch()
                live = await self._live(store, lease, changes)
                coming = tuple(await self._workshop.repository.commits(live))
                if coming != known:
                    await releases.put_candidates(store, lease, coming)
                    known = coming
                told = ""
            except (Fenced, StoreAway, StoreRefused):
                raise
            except TradexError as error:
                if str(error) != told:
                    log.info("what can be deployed is not known: %s", error)
                    told = str(error)
            # Anybody can send a notice: the host of the repository is not asked more often for that.
            await asyncio.sleep(_LEAST_S)
            await woken(self.woken, self._every_s - _LEAST_S)
        # Not over: a duty that ends is begun again.
        await asyncio.Event().wait()

    async def _live(self, store: Store, lease: Lease, changes: Changes) -> str:
        """The commit that is live; where nobody knows yet, it is found out and kept."""
        known = next((r for r in await releases.recent(store) if r.state is ReleaseState.LIVE), None)
        if known is not None:
            return known.commit
        repository, front = self._workshop.repository, await changes.production()
        named = self._wanted.first or (front.commit if front else "")
        commit = await repository.commit(await repository.resolve(named))
        found = Released(
            version=commit.name,
            commit=commit.sha,
            state=ReleaseState.LIVE,
            functions=tuple((await changes.functions()).values()),
            frontend=front.id if front else "",
            words="found running",
        )
        await releases.put(store, lease, None, found)
        return commit.sha
