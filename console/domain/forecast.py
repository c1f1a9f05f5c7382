"""How far an action is, and when its steps will be over if they take as long as they did before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from console.domain.action import Action, ActionState, Step, StepState

WATCH = ""
"""The name, among those of the steps, of the time in which the effect is watched."""
_NONE = timedelta()
_SHORT = timedelta(seconds=1)
_UNBEGUN = (StepState.PENDING, StepState.RUNNING, StepState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Usual:
    """How a step went in the past: how long after the start of the action it began, and how long it took."""

    begins: timedelta
    takes: timedelta


@dataclass(frozen=True, slots=True)
class Stretch:
    """One step over time. Of one that is not over `end` is predicted, of one that has not begun `start` is too; both
    are None where nothing is known. `key` is that of the step; `never`: it will not run any more."""

    key: str
    name: str
    title: str
    state: StepState
    start: datetime | None = None
    end: datetime | None = None
    text: str = ""
    never: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will become of it."""
        return self.never or self.state not in _UNBEGUN

    @property
    def began(self) -> bool:
        """Whether `start` is what happened."""
        return self.state is not StepState.PENDING and self.start is not None

    def share(self, now: datetime) -> float | None:
        """How much of it is over, 0..1, of one that runs; None where nobody knows."""
        if not self.began or self.over or self.start is None or self.end is None or self.end <= self.start:
            return None
        return min(max((now - self.start) / (self.end - self.start), 0.0), 0.99)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`rows` are the steps, with the watching where there is or will be one. `percent` is of the whole, 0..100, None
    where what was done is taken back; `step` of `steps` is the one that runs, or comes next, counted from 1, `name` its
    title; 0 while it is watched or taken back. `left` and `eta` are None where nobody knows."""

    rows: tuple[Stretch, ...]
    percent: int | None
    step: int
    steps: int
    name: str
    start: datetime
    elapsed: timedelta
    left: timedelta | None = None
    eta: datetime | None = None


def forecast(action: Action, steps: Sequence[Step], usual: Mapping[str, Usual], now: datetime) -> Forecast:
    """`steps` as they are, `usual` how they went before, by name."""
    forth, watched, back = _rows(action, steps, usual)
    goes_back = bool(back) and not action.state.final
    rows = _with_predictions([*forth, *watched, *back], usual, now)
    begun = action.started_at or now
    ends = action.ended_at or now
    running = next((row for row in rows if row.began and not row.over), None)
    at = running or next((row for row in rows if not row.over), rows[-1] if rows else None)
    real = [row for row in rows if row.name != WATCH]
    known = bool(rows) and not (goes_back or action.state.final or action.state is ActionState.INTERRUPTED)
    last = max((row.end for row in rows if row.end is not None), default=None)
    eta = last if known and last is not None and all(row.over or row.end for row in rows) else None
    return Forecast(
        rows=tuple(rows),
        percent=None if goes_back else _percent(action, rows, usual, now),
        step=real.index(at) + 1 if at in real and not goes_back else 0,
        steps=len(real),
        name="" if at is None else at.title,
        start=begun,
        elapsed=max(ends - begun, _NONE),
        left=None if eta is None else max(eta - now, _NONE),
        eta=eta,
    )


def _rows(
    action: Action, steps: Sequence[Step], usual: Mapping[str, Usual]
) -> tuple[list[Stretch], list[Stretch], list[Stretch]]:
    """The steps that were planned, the watching, and those that take back what was done: in the order in which they
    come."""
    rows = [Stretch(str(s.seq), s.name, s.title, s.state, s.started_at, s.ended_at, s.text) for s in steps]
    planned = None if action.plan is None else {step.name for step in action.plan.steps}
    # What was not planned takes back what was, after it was watched.
    forth = [row for row in rows if planned is None or row.name in planned]
    back = [row for row in rows if row not in forth]
    watched = _watched(action, forth, back, usual) if rows else None
    if back or action.state.final:
        forth = [replace(row, never=row.state is StepState.PENDING) for row in forth]
    return forth, [] if watched is None else [watched], back


def _watched(
    action: Action, forth: Sequence[Stretch], back: Sequence[Stretch], usual: Mapping[str, Usual]
) -> Stretch | None:
    """The time in which its effect is watched; None where there was none, or nobody knows of one."""
    seen = None if action.proof is None else action.proof.comparison
    if action.state is ActionState.VERIFYING and not back:
        ends = [row.end for row in forth if row.over and row.end is not None]
        begins = seen.since if seen is not None else max(ends, default=action.started_at)
        until = None if seen is None else seen.until
        return Stretch("watch", WATCH, "watch", StepState.RUNNING, begins, until)
    if seen is not None:
        after = [row.start for row in back if row.start is not None]
        end = min([*after, action.ended_at or seen.until, seen.until])
        state = StepState.FAILED if any(row.bad for row in seen.rows) else StepState.DONE
        return Stretch("watch", WATCH, "watch", state, seen.since, max(end, seen.since))
    known = usual.get(WATCH)
    if action.state.final or back or known is None or known.takes < _SHORT:
        return None
    return Stretch("watch", WATCH, "watch", StepState.PENDING)


def _with_predictions(rows: Sequence[Stretch], usual: Mapping[str, Usual], now: datetime) -> list[Stretch]:
    """What is not over gets an end, what has not begun a start too, as far as its past is known."""
    told: list[Stretch] = []
    for row in rows:
        known = usual.get(row.name)
        start, end = row.start, row.end
        if row.over:
            told.append(row)
            continue
        if row.state is StepState.PENDING:
            start = _start(row, told, usual, now)
            end = start + known.takes if start is not None and known is not None else None
            start = None if end is None else start
        elif start is not None and end is None and known is not None:
            end = max(start + known.takes, now)
        told.append(Stretch(row.key, row.name, row.title, row.state, start, end, row.text))
    return told


def _start(
    row: Stretch, before: Iterable[Stretch], usual: Mapping[str, Usual], now: datetime
) -> datetime | None:
    """When it can begin: after all before it, but for those beside which it ran in the past."""
    begins = now
    for other in before:
        if not other.over and not _beside(usual.get(other.name), usual.get(row.name)):
            if other.end is None:
                return None
            begins = max(begins, other.end)
    return begins


def _beside(one: Usual | None, two: Usual | None) -> bool:
    """Whether two steps ran at the same time: for more than half of the shorter one."""
    if one is None or two is None:
        return False
    common = min(one.begins + one.takes, two.begins + two.takes) - max(one.begins, two.begins)
    return common > min(one.takes, two.takes) / 2 and common > _NONE


def _percent(action: Action, rows: Sequence[Stretch], usual: Mapping[str, Usual], now: datetime) -> int:
    """By time where that is known of each step, else by how many are over. It never falls: which of both it is does not
    change on the way, and the watching counts for no more than was foretold, from when it is known how long it is."""
    if action.state is ActionState.DONE:
        return 100
    steps = [row for row in rows if row.name != WATCH]
    if not steps:
        return min(100 * action.step // action.steps, 99) if action.steps else 0
    if any(row.name not in usual for row in steps):
        return min(100 * sum(row.over for row in steps) // len(steps), 99)
    done = total = _NONE
    for row in rows:
        if row.start is None or row.end is None:
            continue
        takes = row.end - row.start
        went = takes if row.over else min(max(now - row.start, _NONE), takes) if row.began else _NONE
        if row.name == WATCH:
            foretold = usual[WATCH].takes if WATCH in usual else _NONE
            known = action.proof is not None and action.proof.comparison is not None
            went = went * min(foretold / takes, 1.0) if known and takes else _NONE
            takes = min(takes, foretold)
        total, done = total + takes, done + went
    return min(int(100 * done / total), 99) if total else 0
