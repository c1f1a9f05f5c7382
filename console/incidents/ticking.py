"""Ticks the steps of runbooks that hold by themselves: once no alert of their incident fires any more, so that what was
good before the harm began, or between two of its waves, is not taken for its end."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from console.domain.alert import Phase
from console.domain.check import Ask
from console.domain.incident import Incident
from console.store import alerts, incidents
from console.store.lease import Lease
from console.store.pool import Store

_LOOK_S = 5.0
# Hints come by the hundred while people tick.
_APART_S = 1.0


class Ticking:
    """Of one agent. `hear` is told what the store notifies."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._woken = asyncio.Event()

    def hear(self, payload: str) -> None:
        """A notice of the store."""
        if payload in ("alert", "incident", "listening", "reconnected"):
            self._woken.set()

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises StoreAway, StoreRefused and Fenced."""
        while True:
            self._woken.clear()
            await self.round(store, lease, await store.now())
            await asyncio.sleep(_APART_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S - _APART_S):
                    await self._woken.wait()

    async def round(self, store: Store, lease: Lease, now: datetime) -> None:
        """All that hold at this moment. Raises as `run`."""
        for incident in await incidents.current(store, closed_since=now):
            waiting = [
                (book, step)
                for book in incident.runbooks
                for step in book.steps
                if step.mark is None and (step.step.holds or step.step.evidence)
            ]
            if not waiting or await _burns(store, incident):
                continue
            for book, step in waiting:
                found = await self._ask(step.step, incident.detected_at, now)
                if found.good:
                    await incidents.tick(store, lease, incident.id, book.id, step.place, found.evidence)


async def _burns(store: Store, incident: Incident) -> bool:
    """Whether any of its alerts fires, or it is over."""
    if incident.state.over:
        return True
    return any(alert.phase is Phase.FIRING for alert in await alerts.some(store, incident.alerts))
