"""Has the platform asked about alerts that fire: when they begin to, and again while they go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from console.alerting.engine import Engine
from console.domain.alert import Alert, Phase, order
from console.domain.diagnosis import Diagnosis
from console.store import alerts, diagnoses
from console.store.lease import Lease
from console.store.pool import Store

AGAIN = timedelta(seconds=15)
_AT_ONCE = 2
Diagnose = Callable[[Alert, str, datetime], Awaitable[Diagnosis]]


class Diagnosing:
    """One term of leading. `diagnose` asks the platform; it is never in a tick's way."""

    def __init__(self, engine: Engine, diagnose: Diagnose) -> None:
        self._engine = engine
        self._diagnose = diagnose
        self._asked: dict[int, tuple[datetime | None, datetime]] = {}

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises StoreAway, StoreRefused and Fenced."""
        while True:
            await self._engine.evaluated.wait()
            self._engine.evaluated.clear()
            await self._round(store, lease)

    async def _round(self, store: Store, lease: Lease) -> None:
        if not self._engine.anything_fires:
            self._asked = {}
            return
        found = [one.alert for one in (await alerts.standing(store)).open if one.alert.phase is Phase.FIRING]
        self._asked = {a.id: self._asked[a.id] for a in found if a.id in self._asked}
        kinds = {a.id: self._engine.rulebook.diagnosis_of(a.rule) for a in found}
        due = [(a, kind) for a in sorted(found, key=order) if (kind := kinds[a.id]) and self._due(a)]
        # The one that was not asked about for longest comes first: many alerts share what the platform can bear.
        due.sort(
            key=lambda pair: self._asked[pair[0].id][1].timestamp() if pair[0].id in self._asked else 0.0
        )
        for alert, kind in due[:_AT_ONCE]:
            self._asked[alert.id] = (alert.fired_at, alert.at)
            await diagnoses.write(store, lease, await self._diagnose(alert, kind, await store.now()))

    def _due(self, alert: Alert) -> bool:
        """It has begun to fire since it was asked about last, or that was a while ago."""
        fired_at, asked_at = self._asked.get(alert.id, (None, alert.at))
        return fired_at != alert.fired_at or alert.at - asked_at >= AGAIN
