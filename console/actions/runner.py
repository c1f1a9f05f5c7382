"""Runs what was confirmed, one task per action: one that fails takes no other with it. How an action goes is the matter
of `course`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from console.actions.course import Course
from console.actions.journal import TAKEOVER_S, Journal
from console.actions.surroundings import Surroundings, woken
from console.domain.action import Action, ActionState
from console.domain.errors import Fenced, TradexError
from console.store import actions
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.actions")

_READY = (
    ActionState.CONFIRMED,
    ActionState.APPROVED,
    ActionState.RUNNING,
    ActionState.VERIFYING,
    ActionState.INTERRUPTED,
)
_POLL_S = 1.0
_AGAIN_S = 0.5
_CRASHES = 3


class Runner:
    """One term of leading. `woken` is set by whoever hears that something has changed."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.woken = asyncio.Event()
        self._around = surroundings
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._crashes: Counter[int] = Counter()

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled; ends what it runs then. Raises Fenced."""
        leads_since = time.monotonic()
        try:
            while True:
                try:
                    await self._look(store, lease, time.monotonic() - leads_since)
                except Fenced:
                    raise
                except TradexError as error:
                    # What runs goes on.
                    log.warning("actions: %s", error)
                    await asyncio.sleep(_POLL_S)
                self._raise_fenced()
                await woken(self.woken, _POLL_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    async def _look(self, store: Store, lease: Lease, leads_for_s: float) -> None:
        """Begin, or take over, what is ready."""
        for action, fence, choice in await actions.in_states(store, _READY):
            waits = action.state is ActionState.INTERRUPTED or action.waits_for_approval
            if action.id in self._tasks or (waits and not choice):
                continue
            foreign = fence is not None and fence != lease.fence
            if foreign and action.state is ActionState.RUNNING and leads_for_s < TAKEOVER_S:
                continue
            journal = Journal(store, lease, action.id)
            self._tasks[action.id] = asyncio.create_task(self._guarded(journal, action))

    def _raise_fenced(self) -> None:
        for number, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[number]
                error = None if task.cancelled() else task.exception()
                if error is not None:
                    raise error

    async def _guarded(self, journal: Journal, action: Action) -> None:
        """One action to its end or its interruption. Raises Fenced only."""
        try:
            await Course(journal, action, self._around).run()
        except Fenced:
            raise
        except Exception as error:
            # A fault of ours: the journal says how far it came, and it is taken up again from there.
            self._crashes[action.id] += 1
            if isinstance(error, TradexError):
                log.warning("action %d: %s", action.id, error)
            else:
                log.exception("action %d", action.id)
            if self._crashes[action.id] >= _CRASHES:
                del self._crashes[action.id]
                await journal.interrupt(
                    f"the agent could not go on three times ({type(error).__name__}): "
                    "run the present step again, skip it, or stop"
                )
            await asyncio.sleep(_AGAIN_S)
        finally:
            self.woken.set()
