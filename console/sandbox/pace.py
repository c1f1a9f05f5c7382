"""A beat without drift."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """One beat every `every_s`, counted from the first; beats that were missed are skipped, not made up for."""

    def __init__(self, every_s: float) -> None:
        self._every = every_s
        self._next = time.monotonic()

    async def wait(self) -> None:
        """Until the next beat."""
        now = time.monotonic()
        self._next = max(self._next + self._every, now)
        await asyncio.sleep(self._next - now)
