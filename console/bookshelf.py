"""Runbooks, templates and recurring checklists, as consoles read them and as people tick them; a part of `Query` and
of `Desk`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from console.room import Connected

if TYPE_CHECKING:
    from console.domain.book import Checklist, Done, Runbook, Template
    from console.domain.duties import Past, Run


class ShelfQuery(Protocol):
    """What is read on demand. Each call raises StoreAway when the store can't answer."""

    async def runbooks(self) -> Sequence[Runbook]:
        """All that the agent has published, by title."""
        ...

    async def templates(self) -> Sequence[Template]:
        """Of updates, by audience and kind."""
        ...

    async def checklists(self) -> Sequence[Checklist]:
        """The definitions, daily ones first."""
        ...

    async def run_of(self, run_id: int) -> Run | None:
        """One occurrence of a checklist, however old."""
        ...

    async def past_runs(
        self, *, since: datetime, until: datetime | None = None, checklist: str | None = None
    ) -> Sequence[Past]:
        """Occurrences that were due in [since, until or now], oldest first."""
        ...

    async def ticked_by(self, *, since: datetime) -> Sequence[tuple[str, int]]:
        """Who ticked how many items since then, the most first; the agent is `system`."""
        ...


class ShelfDesk(Protocol):
    """What people change. Each call raises Refused when a guard says no, StoreAway and StoreRefused."""

    async def mark_item(self, run_id: int, place: int, state: Done | None, *, note: str = "") -> None:
        """An item is done, skipped (which takes a note), or None: not done after all. What somebody else said already
        is refused, with their name."""
        ...

    async def start_checklist(self, name: str) -> int:
        """Open the next occurrence before its time; its number (of the one that is open, where one is)."""
        ...


class StoreShelfQuery:
    """`ShelfQuery` over a store."""

    _source: Connected

    async def runbooks(self) -> Sequence[Runbook]:
        from console.store import books

        return await books.runbooks(await self._source.connected())

    async def templates(self) -> Sequence[Template]:
        from console.store import books

        return await books.templates(await self._source.connected())

    async def checklists(self) -> Sequence[Checklist]:
        from console.store import books

        return await books.checklists(await self._source.connected())

    async def run_of(self, run_id: int) -> Run | None:
        from console.store import checklists

        return await checklists.one(await self._source.connected(), run_id)

    async def past_runs(
        self, *, since: datetime, until: datetime | None = None, checklist: str | None = None
    ) -> Sequence[Past]:
        from console.store import checklists

        store = await self._source.connected()
        return await checklists.past(store, since=since, until=until, checklist=checklist)

    async def ticked_by(self, *, since: datetime) -> Sequence[tuple[str, int]]:
        from console.store import checklists

        return await checklists.ticked_by(await self._source.connected(), since=since)


class StoreShelfDesk:
    """`ShelfDesk` over a store."""

    _source: Connected

    async def mark_item(self, run_id: int, place: int, state: Done | None, *, note: str = "") -> None:
        from console.store import checklists

        await checklists.mark(await self._source.connected(), run_id, place, state, note=note)

    async def start_checklist(self, name: str) -> int:
        from console.store import checklists

        return await checklists.start(await self._source.connected(), name)
