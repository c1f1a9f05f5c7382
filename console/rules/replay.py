"""What rules would have done over a recorded past: each change of state, and how long each state held. Pure."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.domain.alert import Phase
from console.domain.metric import MetricSpec, MetricValue
from console.rules import condition
from console.rules.evaluator import NOTHING, Recent, Standing, advance, judge
from console.rules.rule import Rule

DAY = timedelta(hours=24)
DAY_LOOKBACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule's change of state at one evaluation. `value` is the left side of its comparison then."""

    at: datetime
    rule: str
    before: Phase
    after: Phase
    value: float | str | None


@dataclass(slots=True)
class Course:
    """What one rule did. `stretches` are the moments at which phase, or whether there was data, became another."""

    rule: Rule
    stretches: list[tuple[datetime, Phase, bool]] = field(default_factory=list)
    firings: int = 0
    last_value: float | str | None = None
    last_metric: str | None = None

    def lasted(self, phase: Phase, end: datetime) -> timedelta:
        """How long it was in a phase, up to `end`."""
        total = timedelta()
        for (start, held, _), (until, _, _) in zip(
            self.stretches, [*self.stretches[1:], (end,) * 3], strict=True
        ):
            if held is phase:
                total += until - start
        return total

    def strip(self, start: datetime, end: datetime, cells: int) -> tuple[tuple[Phase, bool], ...]:
        """The worst of each of `cells` equal parts of the time: firing, pending, no data, inactive."""
        worst = [(Phase.INACTIVE, True)] * cells
        width = max((end - start) / cells, timedelta(microseconds=1))
        untils = [*(at for at, _, _ in self.stretches[1:]), end]
        for (at, phase, known), until in zip(self.stretches, untils, strict=True):
            first, last = (at - start) // width, max((until - start) / width, 0)
            # A stretch that ends where a cell begins is not in that cell.
            beyond = int(last) + (last > int(last))
            for cell in range(min(first, cells - 1), min(max(beyond, first + 1), cells)):
                worst[cell] = max(worst[cell], (phase, known), key=_badness)
        return tuple(worst)


def _badness(state: tuple[Phase, bool]) -> int:
    phase, known = state
    return {Phase.FIRING: 3, Phase.PENDING: 2}.get(phase, 0 if known else 1)


class Replay:
    """Readings in, transitions out. Readings come in the order of their time, and an evaluation sees those before it;
    an event counts at the first evaluation after it, and there only."""

    def __init__(
        self, rules: Sequence[Rule], specs: Mapping[str, MetricSpec], *, lookback: timedelta
    ) -> None:
        self.courses = tuple(Course(rule) for rule in rules)
        self.transitions: list[Transition] = []
        self.evaluations = 0
        self._specs = specs
        self._past = _DayBefore(rules)
        self._recent = Recent(lookback, previous_day=self._past.value)
        self._standing: dict[str, Standing] = {}
        self._events: dict[str, MetricValue] = {}

    @property
    def events(self) -> frozenset[str]:
        """The events that its rules read."""
        read = frozenset[str]().union(*(course.rule.metrics for course in self.courses))
        return frozenset(name for name in read if name in self._specs and self._specs[name].event)

    @property
    def uses_day_before(self) -> bool:
        """Whether readings of 24 hours before the first evaluation are needed."""
        return any(course.rule.uses_day_before for course in self.courses)

    def observe(self, at: datetime, readings: Mapping[str, MetricValue]) -> None:
        """What was read at one moment."""
        states: dict[str, MetricValue] = {}
        for name, reading in readings.items():
            spec = self._specs.get(name)
            if spec is None or not spec.event:
                states[name] = reading
            elif reading.value is not None:
                self._events[name] = reading
        self._past.observe(at, states)
        self._recent.observe(at, states, self._specs)

    def evaluate(self, at: datetime) -> None:
        """Judge all rules at `at`."""
        self._recent.observe(at, self._events, self._specs)
        self._events = {}
        self.evaluations += 1
        for course in self.courses:
            rule = course.rule
            finding = judge(rule, self._recent, self._specs)
            before = self._standing.get(rule.name, NOTHING)
            after = self._standing[rule.name] = advance(rule, before, finding.truth, at)
            if finding.value is not None:
                course.last_value, course.last_metric = finding.value, finding.metric
            if after.phase is not before.phase:
                course.firings += after.phase is Phase.FIRING
                self.transitions.append(Transition(at, rule.name, before.phase, after.phase, finding.value))
            state = (after.phase, finding.truth is not None)
            if not course.stretches or course.stretches[-1][1:] != state:
                course.stretches.append((at, *state))


class _DayBefore:
    """The readings of the last day of those metrics that are compared with it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        conditions = [c for rule in rules for c in (rule.condition, rule.critical) if c is not None]
        self._names = frozenset[str]().union(*map(condition.day_before, conditions))
        self._at: dict[str, list[datetime]] = defaultdict(list)
        self._values: dict[str, list[float]] = defaultdict(list)

    def observe(self, at: datetime, readings: Mapping[str, MetricValue]) -> None:
        for name in self._names:
            reading = readings.get(name)
            if reading is not None and isinstance(reading.value, int | float):
                self._at[name].append(at)
                self._values[name].append(reading.value)

    def value(self, name: str, at: datetime) -> float | None:
        """The last reading at or before 24 hours ago, at most 5 minutes older."""
        moments = self._at[name]
        i = bisect.bisect_right(moments, at - DAY) - 1
        return self._values[name][i] if i >= 0 and moments[i] >= at - DAY - DAY_LOOKBACK else None


def warm_up(lookback: timedelta, *, day_before: bool) -> timedelta:
    """How long before the first evaluation readings count."""
    return max(lookback, DAY + DAY_LOOKBACK if day_before else lookback)
