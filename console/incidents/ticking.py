"""Ticks the steps of runbooks that hold by themselves: once no alert of their incident fires any more, or where none
belongs to it, once somebody said that it is mitigated; so that what was good before the harm began, or between two of
its waves, is not taken for its end. Where the harm comes back, what it ticked and no longer holds is taken back."""

from __future__ import annotations

from datetime import datetime

from console.domain.check import Ask
from console.store import alerts, incidents
from console.store.lease import Lease
from console.store.pool import Store
from console.store.woken import Woken

# Each look asks of every step that waits.
_APART_S, _AT_LATEST_S = 5.0, 15.0


class Ticking:
    """Of one agent. `hear` is told what the store notifies."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._woken = Woken("alert", "incident", apart_s=_APART_S, at_latest_s=_AT_LATEST_S)
        self.hear = self._woken.hear
        self._left: set[tuple[int, int]] = set()

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises StoreAway, StoreRefused and Fenced."""
        while True:
            await self.round(store, lease, await store.now())
            await self._woken.rest()

    async def round(self, store: Store, lease: Lease, now: datetime) -> None:
        """All that hold at this moment, or do so no longer. Raises as `run`."""
        left, self._left = self._left, set()
        for incident in await incidents.current(store, closed_since=now):
            own = [
                (book, step)
                for book in incident.runbooks
                for step in book.steps
                if step.step.holds or step.step.evidence
            ]
            waiting = [(book, step) for book, step in own if step.mark is None]
            ticked = [(book, step) for book, step in own if step.mark is not None and step.mark.automatic]
            # What the store left to people once is left to them while it waits: each try would hold the incident.
            self._left |= left & {(book.id, step.place) for book, step in waiting}
            waiting = [(book, step) for book, step in waiting if (book.id, step.place) not in self._left]
            if not (waiting or ticked) or incident.state.over:
                continue
            unseen = not incident.alerts and incident.mitigated_at is None
            harm = unseen or await alerts.fires(store, incident.alerts)
            for book, step in ticked if harm else waiting:
                found = await self._ask(step.step, incident.detected_at, now)
                which = incident.id, book.id, step.place
                if harm:
                    if not found.good and not found.sourceless:
                        await incidents.take_back(store, lease, *which, found.evidence)
                elif found.good and not await incidents.tick(store, lease, *which, found.evidence):
                    self._left.add((book.id, step.place))
