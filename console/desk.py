"""What a person may change in the store itself: acknowledgements and silences. Done when the call returns.

What touches the platform goes another way: through a plan and the agent's runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from console.domain.alert import Matcher, Silence
from console.query import Connected
from console.store import alerts, silences


class Desk(Protocol):
    """Each call raises Refused when a guard says no (the message is its reason), StoreAway and StoreRefused."""

    async def acknowledge(self, ids: Sequence[int], note: str = "") -> None:
        """Say that somebody is on it: all of these alerts, or none."""
        ...

    async def unacknowledge(self, ids: Sequence[int]) -> None:
        """Take it back."""
        ...

    async def silence(self, matchers: Sequence[Matcher], length: timedelta, reason: str) -> Silence:
        """Keep alerts that match quiet from now on for `length`."""
        ...

    async def end_silence(self, silence_id: int) -> None:
        """Lift a silence before its time."""
        ...


class StoreDesk:
    """`Desk` over a store."""

    def __init__(self, source: Connected) -> None:
        self._source = source

    async def acknowledge(self, ids: Sequence[int], note: str = "") -> None:
        await alerts.acknowledge(await self._source.connected(), ids, note)

    async def unacknowledge(self, ids: Sequence[int]) -> None:
        await alerts.unacknowledge(await self._source.connected(), ids)

    async def silence(self, matchers: Sequence[Matcher], length: timedelta, reason: str) -> Silence:
        return await silences.add(await self._source.connected(), matchers, length=length, reason=reason)

    async def end_silence(self, silence_id: int) -> None:
        await silences.end(await self._source.connected(), silence_id)
