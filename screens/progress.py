"""How far the deployment is that is under way: read while there is one, for the frame of every screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

# The first screen is there without them.
if TYPE_CHECKING:
    from console.domain.action import Action, Step
    from console.domain.forecast import Forecast, Usual
    from console.domain.snapshot import Snapshot
    from console.query import Query


def moving(snapshot: Snapshot) -> Action | None:
    """The deployment or rollback that is under way; None while there is none."""
    action = snapshot.deployment if snapshot.actions else None
    if action is None or action.state.final or action.started_at is None:
        return None
    return action


class Progress:
    """What was read of it: its steps, and how they went before."""

    def __init__(self, query: Callable[[], Query]) -> None:
        self._query = query
        self._steps: Sequence[Step] = ()
        self._usual: Mapping[str, Usual] = {}
        self._steps_of: int | None = None
        self._usual_of: int | None = None

    async def read(self, action: Action | None) -> None:
        """Read it; how steps went before is asked once for each deployment. Raises StoreAway."""
        if action is None:
            return
        if action.id != self._usual_of:
            self._usual, self._usual_of = await self._query().usual(action.kind), action.id
        self._steps, self._steps_of = await self._query().action_steps(action.id), action.id

    def usual(self, action: Action) -> Mapping[str, Usual]:
        """How its steps went before, as far as that was read."""
        return self._usual if action.id == self._usual_of else {}

    def of(self, action: Action | None, now: datetime) -> Forecast | None:
        """How far it is now."""
        if action is None:
            return None
        from console.domain.forecast import forecast

        steps = self._steps if action.id == self._steps_of else ()
        return forecast(action, steps, self.usual(action), now)
