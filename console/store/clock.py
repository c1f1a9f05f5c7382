"""The store's clock, which is everybody's."""

from __future__ import annotations

import time

from console.store.pool import Store

_EVERY_S = 15.0


class StoreClock:
    """The store's clock, from its last answer and the monotonic clock."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._measured = 0.0

    async def measure(self, store: Store) -> None:
        """Ask again when the last answer is old; half the round trip is taken off."""
        begun = time.monotonic()
        if self._offset is not None and begun - self._measured < _EVERY_S:
            return
        answer = await store.now()
        ended = time.monotonic()
        self._offset = answer.timestamp() - (begun + ended) / 2
        self._measured = ended

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.monotonic() + (self._offset or 0.0)
