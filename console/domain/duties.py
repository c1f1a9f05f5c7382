"""What comes back: the runs of recurring checklists, how each went, and how reliably. Pure.

(The checklist before a deployment is another matter: domain/check.py.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from console.domain.book import Marked


class RunState(StrEnum):
    """OPEN: to be done, not yet due. DUE: past its time, within the grace. OVERDUE: past the grace. DONE in time, LATE:
    done after the grace. MISSED: the next one came first."""

    OPEN = "open"
    DUE = "due"
    OVERDUE = "overdue"
    DONE = "done"
    LATE = "late"
    MISSED = "missed"

    @property
    def over(self) -> bool:
        """Whether nothing can be ticked any more."""
        return self in (RunState.DONE, RunState.LATE, RunState.MISSED)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a checklist is due: `day` is its day in the list's own zone, all moments are UTC. `late_at` is due
    + grace."""

    day: date
    opens_at: datetime
    due_at: datetime
    late_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One occurrence of a checklist, with its items as they were when it opened. `late_at` is due + grace. `ended_at`
    is when the last item was ticked or skipped; None with `missed` for one that never was."""

    id: int
    checklist: str
    title: str
    rhythm: str
    opens_at: datetime
    due_at: datetime
    late_at: datetime
    owner: str = ""
    items: tuple[Marked, ...] = ()
    ended_at: datetime | None = None
    missed: bool = False

    @property
    def done(self) -> int:
        """How many items are done or skipped."""
        return sum(item.mark is not None for item in self.items)

    def state(self, now: datetime) -> RunState:
        """How it stands at this moment."""
        if self.ended_at is not None:
            return RunState.DONE if self.ended_at <= self.late_at else RunState.LATE
        if self.missed:
            return RunState.MISSED
        if now < self.due_at:
            return RunState.OPEN
        return RunState.DUE if now <= self.late_at else RunState.OVERDUE


@dataclass(frozen=True, slots=True)
class Standing:
    """One checklist now: its run that is open, else the last one (None: none yet), and when it is due next."""

    name: str
    title: str
    rhythm: str
    run: Run | None = None
    next_due_at: datetime | None = None
    timezone: str = "UTC"
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """One run of the calendar, without its items. `total` and `done` count them."""

    id: int
    checklist: str
    due_at: datetime
    late_at: datetime
    ended_at: datetime | None
    missed: bool
    done: int
    total: int

    def state(self, now: datetime) -> RunState:
        """As `Run.state`."""
        return Run(
            *(self.id, self.checklist, "", "", self.due_at, self.due_at, self.late_at),
            ended_at=self.ended_at,
            missed=self.missed,
        ).state(now)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run that was not done in time: from `since` (due + grace) until it was done or missed (None: it still is)."""

    title: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Record:
    """How reliably a checklist was done: `streak` runs in time in a row up to now, `on_time_pct` of all that are over
    (0..100; None without any)."""

    streak: int
    on_time_pct: float | None


def record(past: Sequence[Past], now: datetime) -> Record:
    """Of one checklist's runs, in any order; those that are not over count for nothing."""
    ended = [run.state(now) for run in sorted(past, key=lambda run: run.due_at)]
    over = [state for state in ended if state.over]
    streak = 0
    for state in reversed(over):
        if state is not RunState.DONE:
            break
        streak += 1
    rate = 100 * sum(state is RunState.DONE for state in over) / len(over) if over else None
    return Record(streak, rate)
