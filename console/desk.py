"""What a person may change in the store itself: acknowledgements, silences, dismissals, ticks, and what is
asked of the agent. Done when the call returns.

What touches the platform is only asked for here: it goes through a plan and the agent's runner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from console.bookshelf import ShelfDesk, StoreShelfDesk
from console.domain.alert import Matcher, Silence
from console.domain.check import Tick
from console.room import Connected, RoomDesk, StoreRoomDesk
from console.store import actions, alerts, checks, findings, freezes, silences
from console.store.actions import Asked, Preview


class Desk(RoomDesk, ShelfDesk, Protocol):
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

    async def request(
        self,
        kind: str,
        target: str,
        params: Mapping[str, str],
        *,
        reason: str,
        cause: str = "",
        undo_of: int | None = None,
    ) -> Asked:
        """Ask the agent for a plan. Nothing is done before it is confirmed."""
        ...

    async def preview(self, action_id: int) -> Preview:
        """What the store's own guards would say if this were confirmed now."""
        ...

    async def confirm(
        self,
        action_id: int,
        *,
        plan_hash: str,
        typed: str = "",
        choices: Mapping[str, str] | None = None,
        override: str = "",
    ) -> None:
        """Let the agent do what the plan with this hash says."""
        ...

    async def approve(self, action_id: int, *, plan_hash: str) -> None:
        """Be the second person."""
        ...

    async def withdraw(self, action_id: int, reason: str = "") -> None:
        """Leave what nobody but oneself asked for, and nobody has confirmed."""
        ...

    async def cancel(self, action_id: int, reason: str = "") -> None:
        """End an action: at once before it runs, else once its step may be left."""
        ...

    async def resume(self, action_id: int, choice: str, reason: str = "") -> None:
        """How an interrupted one goes on: `again`, `skip` or `stop`."""
        ...

    async def freeze(self, length: timedelta, reason: str) -> int:
        """Let nothing that minds a freeze be done from now on. Its number."""
        ...

    async def end_freeze(self, freeze_id: int) -> None:
        """End a freeze before its time."""
        ...

    async def break_glass(self, length: timedelta, reason: str) -> None:
        """From now on, for at most an hour, do without a second person."""
        ...

    async def mend_glass(self, author: str | None = None) -> None:
        """End that before its time, or as a commander that of `author`."""
        ...

    async def dismiss_finding(self, finding_id: int, reason: str) -> None:
        """Say that a security finding is none of our business, and why."""
        ...

    async def ask_checks(self, occasion: str, *, commit: str = "", version: str = "") -> Asked:
        """Have the agent run the checks of an occasion (env, pre, post) about a release; whoever asks for a run that is
        open joins it."""
        ...

    async def tick(self, check: str, note: str, *, commit: str = "", length: timedelta | None = None) -> Tick:
        """Say that what only a person can see is good: of the release of `commit`, or for `length` (None: for as long
        as there may be)."""
        ...


class StoreDesk(StoreRoomDesk, StoreShelfDesk):
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

    async def dismiss_finding(self, finding_id: int, reason: str) -> None:
        await findings.dismiss(await self._source.connected(), finding_id, reason)

    async def request(
        self,
        kind: str,
        target: str,
        params: Mapping[str, str],
        *,
        reason: str,
        cause: str = "",
        undo_of: int | None = None,
    ) -> Asked:
        store = await self._source.connected()
        return await actions.request(
            store, kind=kind, target=target, params=params, reason=reason, cause=cause, undo_of=undo_of
        )

    async def preview(self, action_id: int) -> Preview:
        return await actions.preview(await self._source.connected(), action_id)

    async def confirm(
        self,
        action_id: int,
        *,
        plan_hash: str,
        typed: str = "",
        choices: Mapping[str, str] | None = None,
        override: str = "",
    ) -> None:
        store = await self._source.connected()
        await actions.confirm(
            store, action_id, plan_hash=plan_hash, typed=typed, choices=choices, override=override
        )

    async def approve(self, action_id: int, *, plan_hash: str) -> None:
        await actions.approve(await self._source.connected(), action_id, plan_hash=plan_hash)

    async def withdraw(self, action_id: int, reason: str = "") -> None:
        await actions.withdraw(await self._source.connected(), action_id, reason)

    async def cancel(self, action_id: int, reason: str = "") -> None:
        await actions.cancel(await self._source.connected(), action_id, reason)

    async def resume(self, action_id: int, choice: str, reason: str = "") -> None:
        await actions.resume(await self._source.connected(), action_id, choice, reason)

    async def freeze(self, length: timedelta, reason: str) -> int:
        made = await freezes.add(await self._source.connected(), start=None, length=length, reason=reason)
        return made.id

    async def end_freeze(self, freeze_id: int) -> None:
        await freezes.end(await self._source.connected(), freeze_id)

    async def break_glass(self, length: timedelta, reason: str) -> None:
        await freezes.break_glass(await self._source.connected(), reason=reason, length=length)

    async def mend_glass(self, author: str | None = None) -> None:
        await freezes.mend_glass(await self._source.connected(), author)

    async def ask_checks(self, occasion: str, *, commit: str = "", version: str = "") -> Asked:
        return await checks.ask(await self._source.connected(), occasion, commit=commit, version=version)

    async def tick(self, check: str, note: str, *, commit: str = "", length: timedelta | None = None) -> Tick:
        return await checks.tick(await self._source.connected(), check, note, commit=commit, length=length)
