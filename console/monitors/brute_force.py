"""Brute force: many failed log-ins of one source within a short while (FACTS, section 10). No clock, no I/O.

Attempts come in any order, some twice, some late; what is found depends only on which ones came. They are counted in
the order of their times: everything up to `settled` for good, what is later anew with each look.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from console.domain.finding import LISTED

# What is held at most: failures of one source within a window (`peak` says no more then), and sources.
_MOST_FAILURES = 10_000
_MOST_SOURCES = 50_000


@dataclass(frozen=True, slots=True)
class Rule:
    """An attack is `threshold` failures or more within any `window`, both ends included. One that was quiet for up to
    `again` goes on; attempts that come more than `overlap` late no longer count."""

    threshold: int = 10
    window: timedelta = timedelta(seconds=300)
    again: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(seconds=30)


class Attempt(NamedTuple):
    """One log-in, as it is sorted. `user` is "" where no such account exists."""

    at: datetime
    id: str
    source: str
    failed: bool
    user: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """All attacks of one source between which it was quiet for less than `again`: the `number`th of that source since
    this program began to look. The other fields are those of a Finding."""

    number: int
    first_at: datetime
    attack_at: datetime
    last_at: datetime
    count: int
    peak: int
    users: tuple[str, ...] = ()
    users_more: bool = False
    affected: tuple[str, ...] = ()
    affected_more: bool = False


@dataclass
class _Source:
    """`failures` are those that a window can still hold, settled or not; `waiting` is what is not settled. `attack` is
    as of the last settled attempt (`number` its number, or the last one's), `tip` as of the first `folded` of what is
    waiting."""

    attack: Attack | None = None
    number: int = 0
    failures: list[Attempt] = field(default_factory=list)
    waiting: list[Attempt] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    tip: Attack | None = None
    folded: int = 0

    def take(self, attempt: Attempt) -> None:
        self.ids.add(attempt.id)
        place = bisect_left(self.waiting, attempt)
        self.waiting.insert(place, attempt)
        if attempt.failed:
            insort(self.failures, attempt)
        if place < self.folded:
            self.folded = 0


class BruteForce:
    """The detector. `settled` is up to when everything has been counted."""

    def __init__(
        self, rule: Rule, settled: datetime, attacks: Mapping[str, Attack | int] | None = None
    ) -> None:
        """`attacks`: what had been found by `settled`, as another detector's `base` said."""
        self.rule = rule
        self.settled = settled
        self._sources = {
            source: _Source(None, known) if isinstance(known, int) else _Source(known, known.number)
            for source, known in (attacks or {}).items()
        }

    def __contains__(self, source: str) -> bool:
        """Whether anything is known of a source; the numbers of its attacks begin anew once there is not."""
        return source in self._sources

    @property
    def size(self) -> int:
        """How many attempts are held."""
        return sum(len(s.failures) + len(s.ids) for s in self._sources.values())

    def warm(self, attempts: Iterable[Attempt]) -> None:
        """Take what lies before `settled`, and was counted already: it fills windows only."""
        begin = self.settled - self.rule.window
        for attempt in attempts:
            if attempt.failed and begin <= attempt.at <= self.settled:
                failures = self._source(attempt.source).failures
                place = bisect_left(failures, attempt)
                if failures[place : place + 1] != [attempt]:
                    failures.insert(place, attempt)

    def feed(self, attempts: Iterable[Attempt], now: datetime) -> None:
        """Take attempts; everything up to `now` is known, but for what comes late."""
        for attempt in attempts:
            if attempt.at > self.settled:
                source = self._source(attempt.source)
                if attempt.id not in source.ids:
                    source.take(attempt)
        if now - self.rule.overlap > self.settled:
            self.settled = now - self.rule.overlap
            for source in self._sources.values():
                self._settle(source)

    def attacks(self) -> Iterator[tuple[str, Attack]]:
        """The newest attack of each source that has one, with everything that came."""
        for name, source in self._sources.items():
            known = source.tip if source.folded else source.attack
            source.tip = self._fold(source, known, source.waiting[source.folded :])
            source.folded = len(source.waiting)
            if source.tip is not None:
                yield name, source.tip

    def base(self, source: str) -> Attack | int:
        """What of a source is settled, for a detector that goes on from `settled`: its attack, or, without one, the
        number of its last one."""
        known = self._sources[source]
        return known.number if known.attack is None else known.attack

    def forget(self, wanted: Callable[[str], bool]) -> None:
        """Let go of attacks to which nothing can be added any more, but for those of `wanted` sources, and of sources
        of which nothing is left. Where there are too many, those that failed last stay."""
        for name, source in list(self._sources.items()):
            if source.attack is not None and self._over(source.attack, self.settled) and not wanted(name):
                source.attack, source.folded = None, 0
            if not (source.attack or source.failures or source.waiting):
                del self._sources[name]
        if len(self._sources) > _MOST_SOURCES:
            idle = [
                (s.failures[-1].at if s.failures else self.settled, name)
                for name, s in self._sources.items()
                if s.tip is None
            ]
            for _, name in sorted(idle)[: len(self._sources) - _MOST_SOURCES]:
                del self._sources[name]

    def attacking(self, attack: Attack, now: datetime) -> bool:
        """Whether its last failure is no longer ago than a window."""
        return now - attack.last_at <= self.rule.window

    # --- inside -------------------------------------------------------------------------------------------------

    def _source(self, name: str) -> _Source:
        return self._sources.setdefault(name, _Source())

    def _settle(self, source: _Source) -> None:
        cut = bisect_left(source.waiting, (self.settled + timedelta.resolution,))
        if cut:
            source.attack = self._fold(source, source.attack, source.waiting[:cut])
            source.number = source.attack.number if source.attack else source.number
            source.ids.difference_update(attempt.id for attempt in source.waiting[:cut])
            del source.waiting[:cut]
            source.folded = max(source.folded - cut, 0)
        old = bisect_left(source.failures, (self.settled - self.rule.window,))
        del source.failures[: max(old, len(source.failures) - _MOST_FAILURES)]

    def _fold(self, source: _Source, attack: Attack | None, attempts: Iterable[Attempt]) -> Attack | None:
        """What `attack` becomes by further attempts."""
        for attempt in attempts:
            if attempt.failed:
                attack = self._failed(attack, source, attempt)
            elif attempt.user and attack is not None and not self._over(attack, attempt.at):
                affected, more = _with(attack.affected, attack.affected_more, (attempt.user,))
                attack = replace(attack, affected=affected, affected_more=more)
        return attack

    def _failed(self, attack: Attack | None, source: _Source, failure: Attempt) -> Attack | None:
        begin = bisect_left(source.failures, (failure.at - self.rule.window,))
        end = bisect_left(source.failures, failure) + 1
        if attack is not None and self.attacking(attack, failure.at):
            new = [failure]
        elif end - begin >= self.rule.threshold:
            new = source.failures[begin:end]
        else:
            return attack
        if attack is None or self._over(attack, failure.at):
            number = (attack.number if attack else source.number) + 1
            attack = Attack(number, new[0].at, failure.at, failure.at, 0, 0)
        users, more = _with(attack.users, attack.users_more, (each.user for each in new))
        return replace(
            attack,
            last_at=failure.at,
            count=attack.count + len(new),
            peak=max(attack.peak, end - begin),
            users=users,
            users_more=more,
        )

    def _over(self, attack: Attack, at: datetime) -> bool:
        return at - attack.last_at > self.rule.window + self.rule.again


def _with(names: tuple[str, ...], more: bool, further: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """`names` and those of `further` that are not among them, as far as there is room, and whether there was."""
    new = [name for name in dict.fromkeys(further) if name and name not in names]
    if not new:
        return names, more
    return (*names, *new)[:LISTED], more or len(names) + len(new) > LISTED
