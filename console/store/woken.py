"""When a duty looks again: at a hint of the store, and at the latest after a while, since a hint may be lost."""

from __future__ import annotations

import asyncio
import contextlib


class Woken:
    """`hear` is told all that the store notifies, of which `payloads` count. Two looks are at least `apart_s` seconds
    apart: hints come by the hundred while people work."""

    def __init__(self, *payloads: str, apart_s: float = 0.0, at_latest_s: float = 5.0) -> None:
        self._payloads = {*payloads, "listening", "reconnected"}
        self._apart_s, self._rest_s = apart_s, at_latest_s - apart_s
        self._event = asyncio.Event()

    def hear(self, payload: str) -> None:
        """A notice of the store."""
        if payload in self._payloads:
            self._event.set()

    async def rest(self) -> None:
        """Until it is time to look again; what was hinted at since the last rest counts."""
        await asyncio.sleep(self._apart_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rest_s):
                await self._event.wait()
        self._event.clear()
