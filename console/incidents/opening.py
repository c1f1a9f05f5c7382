"""Opens incidents for alerts whose rules ask for one, with the runbook that fits.

Which alerts those are, and whether one belongs to an incident already, is the store's to say: an agent that dies in
between leaves nothing half done, and the next one goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence

from console.domain.book import Runbook
from console.store import books, incidents
from console.store.lease import Lease
from console.store.pool import Store
from console.store.woken import Woken

log = logging.getLogger("tradex.incidents")

_APART_S = 0.2
_PATIENCE_S = 5.0
_LEVEL = 2


class Opening:
    """`verbs` gives the rules' actions that open an incident, each with the runbook where nothing else names one."""

    def __init__(self, verbs: Callable[[], Mapping[str, str]]) -> None:
        self._verbs = verbs
        # A silence ends by the clock.
        self._woken = Woken("alert", "book", apart_s=_APART_S)
        self.hear = self._woken.hear

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises StoreAway, StoreRefused and Fenced."""
        await self._until_published(store)
        while True:
            await self.round(store, lease)
            await self._woken.rest()

    async def _until_published(self, store: Store) -> None:
        """A while: books are published as a term begins, and what fires meanwhile is to have its own."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while not await books.runbooks(store):
                    await self._woken.rest()

    async def round(self, store: Store, lease: Lease) -> list[int]:
        """The incidents that alerts were opened for or linked to now."""
        verbs = self._verbs()
        found = await incidents.alone(store, list(verbs))
        if not found:
            return []
        shelf = await books.runbooks(store)
        made = []
        for alert in found:
            book = runbook_of(shelf, alert.rule, alert.metric, alert.runbook, verbs[alert.action])
            incident = await incidents.open_by_rule(
                store,
                lease,
                alert.id,
                runbook="" if book is None else book.name,
                level=_LEVEL if book is None else book.level,
            )
            if incident is not None:
                log.info("%s belongs to INC-%d", alert.rule, incident)
                made.append(incident)
        return made


def runbook_of(
    shelf: Sequence[Runbook], rule: str, metric: str | None, named: str, otherwise: str
) -> Runbook | None:
    """The one that the rule itself names, else one that has the rule among its symptoms, else one that has the metric,
    else that of this name; None where nothing fits."""

    def called(name: str) -> Runbook | None:
        return next((book for book in shelf if name and (book.name == name or name in book.aliases)), None)

    return (
        called(named)
        or next((book for book in shelf if book.shows(rule, None)), None)
        or next((book for book in shelf if book.shows(rule, metric)), None)
        or called(otherwise)
    )
