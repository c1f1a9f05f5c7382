"""What the leading agent does for actions, as duties of one term: each goes on when another one fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from console.actions import catalogue
from console.actions.deployments import Deployments
from console.actions.expiries import Expiries
from console.actions.kind import Kind
from console.actions.planner import Planner
from console.actions.runner import Runner
from console.actions.surroundings import OwnAddresses, Surroundings, networks
from console.actions.workshop import Validate
from console.domain.errors import Misuse
from console.gateway.changes import Changes
from console.gateway.orders import Orders
from console.located import stamp
from console.metrics import catalogue as catalogue_of_metrics
from console.settings import Settings
from console.store import actions
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.actions")

_LOOK_S = 2.0


class Actions:
    """Everything an agent needs to plan and run actions. `close` it at the end."""

    def __init__(self, settings: Settings, validate: Validate | None = None) -> None:
        """Without any I/O but reading files. `validate` runs the checks that pipelines name. Raises Misuse."""
        self._file = settings.actions.file
        changes = Changes.open(settings.platform)
        resolved = changes.settings
        self._deployments = Deployments(settings, resolved, validate)
        metrics = catalogue_of_metrics.load(settings.platform.catalogue, time_scale=settings.time_scale)
        self._orders = Orders.of(resolved, metrics)
        self._stamp = self._found()
        self._kinds = dict(self._load(changes))
        self.surroundings = Surroundings(
            kinds=self._kinds,
            changes=changes,
            scale=settings.time_scale,
            allowed=networks(resolved.allow_list),
            own=OwnAddresses(
                (
                    settings.store.url,
                    resolved.base_url,
                    resolved.ops_database_url,
                    resolved.vercel_url if "vercel" in changes.configured else None,
                )
            ),
            orders=self._orders,
        )

    def duties(
        self, store: Store, lease: Lease, *, others: Callable[[str], None] | None = None
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        """The duties of one term by name. They share what they are woken by, also with `others`."""
        planner, runner = Planner(self.surroundings), Runner(self.surroundings)

        def hear(payload: str) -> None:
            if payload in ("action", "listening", "reconnected"):
                planner.woken.set()
                runner.woken.set()
            if payload == "release":
                self._deployments.woken.set()
            if others is not None:
                others(payload)

        return {
            "kinds of actions": lambda: self._publish(store, lease),
            "plans": lambda: planner.run(store, lease),
            "actions": lambda: runner.run(store, lease),
            "what can be deployed": lambda: self._deployments.watch(
                store, lease, changes=self.surroundings.changes
            ),
            "ends of effects": lambda: Expiries(self.surroundings).run(store, lease),
            "notices": lambda: store.listen(hear),
        }

    async def _publish(self, store: Store, lease: Lease) -> None:
        """The catalogue, again whenever its file changes. A file that is wrong changes nothing but the log."""
        while True:
            await actions.publish_kinds(store, lease, [kind.spec for kind in self._kinds.values()])
            await self._changed()
            try:
                kinds = self._load(self.surroundings.changes)
            except Misuse as error:
                log.warning("actions stay as they were: %s", error)
            else:
                self._kinds.clear()
                self._kinds.update(kinds)

    def _load(self, changes: Changes) -> Mapping[str, Kind]:
        doors = changes.configured
        return catalogue.load(self._file, doors, self._deployments.kinds(doors))

    def _found(self) -> object:
        return stamp(self._file, *self._deployments.files)

    async def _changed(self) -> None:
        """Until the file is another one than was read last."""
        while True:
            found = self._found()
            if found != self._stamp:
                self._stamp = found
                return
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """End all connections to the platform."""
        await self._orders.close()
        await self.surroundings.changes.close()
