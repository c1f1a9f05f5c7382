"""What ends by itself: plans that nobody confirmed, and effects whose time is over, each with an action of its own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.actions.kind import Request
from console.actions.planner import plan_of
from console.actions.surroundings import Surroundings
from console.domain.action import Effect
from console.domain.asking import taking_back
from console.domain.errors import Misuse, Refused
from console.store import actions, effects
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.actions")

_EVERY_S = 1.0
_AT_ONCE = 8
_FIRST_AGAIN = timedelta(seconds=5)
_LONGEST_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Tried:
    next_at: datetime
    wait: timedelta


class Expiries:
    """One term of leading."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._tried: dict[int, _Tried] = {}

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises Fenced, StoreAway and StoreRefused."""
        while True:
            await actions.expire(store, lease)
            found = await effects.current(store)
            now = await store.now()
            over = [e for e in found if e.expires_at is not None and e.expires_at <= now]
            self._tried = {e.id: self._tried[e.id] for e in over if e.id in self._tried}
            due = [e for e in over if e.id not in self._tried or self._tried[e.id].next_at <= now]
            # One whose plan waits for the platform holds up no other.
            asked = (self._end(store, lease, effect, now) for effect in due[:_AT_ONCE])
            for failure in await asyncio.gather(*asked, return_exceptions=True):
                if failure is not None:
                    raise failure
            await asyncio.sleep(_EVERY_S if len(due) <= _AT_ONCE else 0)

    async def _end(self, store: Store, lease: Lease, effect: Effect, now: datetime) -> None:
        """Ask for its end; again after a while as long as it is in force."""
        last = self._tried.get(effect.id)
        wait = _FIRST_AGAIN if last is None else min(last.wait * 2, _LONGEST_AGAIN)
        self._tried[effect.id] = _Tried(now + wait, wait)
        made_by = self._around.kinds.get(effect.kind)
        undo = None if made_by is None else self._around.kinds.get(made_by.spec.undo)
        action = await actions.one(store, effect.action_id)
        if made_by is None or undo is None or action is None:
            log.warning("the %s of %s is over, and nothing takes it back", effect.kind, effect.target)
            return
        reason = "its time is over"
        try:
            params = taking_back(action, made_by.spec, undo.spec)
            request = Request(id=0, kind=undo.spec.name, target=effect.target, params=params, reason=reason)
            plan = await plan_of(store, self._around, request)
        except (Misuse, Refused) as error:
            log.warning("the end of the %s of %s: %s", effect.kind, effect.target, error)
            return
        number, refusal = await actions.request_automatic(
            store,
            lease,
            kind=undo.spec.name,
            target=effect.target,
            params=params,
            reason=reason,
            cause=f"action {effect.action_id} expired",
            plan=plan,
            undo_of=effect.action_id,
        )
        if refusal:
            log.info("the end of the %s of %s: %s (action %s)", effect.kind, effect.target, refusal, number)
