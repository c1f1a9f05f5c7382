"""The leading agent's duty about recurring checklists: opens them when their time has come, notes what was missed, and
ticks the items that hold by themselves. Times of the calendar are real, whatever the time scale."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from console.domain.book import Checklist, Marked
from console.domain.check import Ask
from console.domain.duties import Occurrence, Run, RunState
from console.runbooks import recurrence
from console.store import books, checklists
from console.store.checklists import Known
from console.store.lease import Lease
from console.store.pool import Store
from console.store.woken import Woken

log = logging.getLogger("tradex.checklists")

MADE_UP = timedelta(days=35)
"""After an absence, occurrences that are longer ago are not made up for."""
_APART_S = 1.0
# What does not hold is asked again after this, and words that only have other numbers are written after that.
_ASK_AGAIN, _SAY_AGAIN = timedelta(seconds=15), timedelta(minutes=1)


class Rounds:
    """Of one agent. `hear` is told what the store notifies."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._woken = Woken("duty", "book", apart_s=_APART_S)
        self.hear = self._woken.hear
        self._asked: dict[int, datetime] = {}
        self._said: dict[int, datetime] = {}
        self._told_late: set[int] = set()
        self._planned: dict[str, tuple[Checklist, Known]] = {}
        self._broken: dict[str, str] = {}

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises Fenced, StoreAway and StoreRefused."""
        while True:
            await self.round(store, lease, await store.now())
            await self._woken.rest()

    async def round(self, store: Store, lease: Lease, now: datetime) -> None:
        """Everything that is to be done at this moment. Raises as `run`."""
        listed = await books.checklists(store)
        known = await checklists.known(store, lease, [each.name for each in listed], now)
        for checklist in listed:
            if checklist.name in known:
                await self._open(store, lease, checklist, known[checklist.name], now)
        opens = {each.name: each.opens for each in listed}
        runs = await checklists.opened(store)
        for run in runs:
            at = run.due_at - opens[run.checklist] if run.checklist in opens else run.opens_at
            await self._look(store, lease, run, now, at)
        late = {run.id for run in runs if run.state(now) is RunState.OVERDUE}
        if late - self._told_late:
            await checklists.tell_overdue(store, lease, now)
        self._told_late = late
        for remembered in (self._asked, self._said):
            for gone in remembered.keys() - {run.id for run in runs}:
                del remembered[gone]

    async def _open(
        self, store: Store, lease: Lease, checklist: Checklist, known: Known, now: datetime
    ) -> None:
        """The occurrences whose time to open has come since its last run."""
        quiet = known.next is None or now < known.next.opens_at
        if quiet and self._planned.get(checklist.name) == (checklist, known):
            return
        try:
            come, following = upcoming(checklist, known, now)
        except ValueError as error:
            if self._broken.get(checklist.name) != str(error):
                log.warning("%s is not opened: %s", checklist.name, error)
            self._broken[checklist.name] = str(error)
            return
        self._broken.pop(checklist.name, None)
        if come or following != known.next:
            await checklists.open_runs(store, lease, checklist.name, come, following)
        self._planned[checklist.name] = checklist, known

    async def _look(self, store: Store, lease: Lease, run: Run, now: datetime, at: datetime) -> None:
        """Tick what holds, from `at` on, when it opens by itself: what held before, on a run that somebody began early,
        says nothing of its day. What stops to hold later stays ticked: it held then."""
        open_items = [
            item for item in run.items if item.mark is None and item.step.automatic and not item.taken_back_by
        ]
        asked = self._asked.get(run.id)
        if not open_items or (asked is not None and asked <= now < asked + _ASK_AGAIN):
            return
        hold: dict[int, str] = {}
        waits: dict[int, str] = {}
        for item in open_items:
            if now < at:
                waits[item.place] = f"the agent looks from {at:%d %b %H:%M} UTC on"
                continue
            found = await self._ask(item.step, run.opens_at, now)
            (hold if found.good else waits)[item.place] = found.evidence
        if hold or self._news(run, open_items, waits, now):
            await checklists.tick(store, lease, run.id, now, hold=hold, waits=waits)
            self._said[run.id] = now
        self._asked[run.id] = now

    def _news(self, run: Run, items: list[Marked], waits: dict[int, str], now: datetime) -> bool:
        """Whether there is anything to write of what does not hold: other numbers are, once in a while."""
        before = {item.place: item.waits for item in items if item.waits}
        if before.keys() != waits.keys():
            return True
        said = self._said.get(run.id)
        return before != waits and (said is None or not said <= now < said + _SAY_AGAIN)


def upcoming(checklist: Checklist, known: Known, now: datetime) -> tuple[list[Occurrence], Occurrence | None]:
    """The occurrences of a list that have opened by now and have no run yet, the oldest first, and the one after them
    (None: none). Nothing from before the list existed, nor from longer ago than MADE_UP. Raises ValueError for a
    definition that says nothing."""
    first = max(known.at, now - MADE_UP)
    day = recurrence.day_of(checklist, first) - timedelta(days=2)
    if known.last_day is not None:
        day = max(day, known.last_day)
    come: list[Occurrence] = []
    for each in recurrence.after(checklist, day):
        if each.due_at <= first:
            continue
        if each.opens_at > now:
            return come, each
        come.append(each)
    return come, None
