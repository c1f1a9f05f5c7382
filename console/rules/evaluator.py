"""What a rule says at one moment, and where it stands after it. Pure: readings and the time are passed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from console.domain.alert import Phase
from console.domain.event import Severity
from console.domain.metric import MetricSpec, MetricValue
from console.rules import because, compiled
from console.rules.compiled import AgainstNumber, Compiled, Leaf, Leaves, Readings, Value
from console.rules.rule import Rule

__all__ = ["Finding", "Readings", "Recent", "Standing", "advance", "judge"]


class Finding(NamedTuple):
    """What a rule says at one moment; `truth` is None without data.

    `value` is the left side of the comparison that decides: the first that makes the condition true, else the first
    that has data. `metric` is its metric (None where the left side is calculated), `limit` its right side and `low`
    whether values below that are meant; both sides are finite or None. `because` is the sentence with the numbers,
    "" while the condition is false.
    """

    truth: bool | None
    severity: Severity
    value: float | str | None = None
    metric: str | None = None
    limit: float | None = None
    low: bool = False
    because: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of a rule between two evaluations. `phase` is INACTIVE, PENDING or FIRING."""

    phase: Phase = Phase.INACTIVE
    since: datetime | None = None
    """The first true evaluation of this run."""
    fired_at: datetime | None = None
    false_since: datetime | None = None
    """The first false evaluation since it last was true while firing: `keep_firing_for` counts from here."""
    stale: bool = False
    """It fires, and at the last evaluation there was no data."""


NOTHING = Standing()
NOTHING_HAPPENED = ""
"""What an event reads in the ticks in which there is none."""


def judge(rule: Rule, readings: Readings, specs: Mapping[str, MetricSpec]) -> Finding:
    """What `rule` says of `readings`. `specs` give titles and units for the sentence."""
    condition, critical = compiled.of_rule(rule)
    if isinstance(condition, AgainstNumber):
        # Most rules, most of the time: one metric on the good side of its limit.
        truth, left, right = condition.weigh(readings)
        if truth is False:
            return Finding(False, rule.severity, _plain(left), condition.metric, _limit(right), condition.low)
    else:
        truth = condition.truth(readings)
    severity = rule.severity
    if truth:
        if critical is not None and critical.truth(readings):
            condition, severity = critical, Severity.CRITICAL
        holding = tuple(condition.holding(readings, True))
        leaf, sentence = holding[0][0], because.sentence(holding, readings, specs)
    else:
        leaf = _first_with_data(condition, readings)
        sentence = "" if truth is False else because.without_data(rule, readings, specs)
    if not isinstance(leaf, Leaf):
        return Finding(truth, severity, because=sentence)
    _, left, right = leaf.weigh(readings)
    return Finding(truth, severity, _plain(left), leaf.metric, _limit(right), leaf.low, sentence)


def _first_with_data(condition: Compiled, readings: Readings) -> Leaves:
    every = tuple(condition.leaves())
    return next((x for x in every if not isinstance(x, Leaf) or x.weigh(readings)[1] is not None), every[0])


def _plain(value: Value) -> Value:
    if value is None or isinstance(value, str):
        return value or None
    return value if math.isfinite(value) else None


def _limit(value: Value) -> float | None:
    return None if value is None or isinstance(value, str) or not math.isfinite(value) else value


def advance(rule: Rule, standing: Standing, truth: bool | None, now: datetime) -> Standing:
    """Where `rule` stands after an evaluation at `now`.

    `for D` as in Prometheus: pending from the first true evaluation, firing when `now - since >= D`; anything but
    true drops a pending one. Without data a firing one goes on firing, as stale. `keep_firing_for D` counts from the
    first false evaluation; one without data changes nothing of it.
    """
    if standing.phase is Phase.FIRING:
        return _firing(rule, standing, truth, now)
    if truth is not True:
        return NOTHING
    since = standing.since if standing.phase is Phase.PENDING and standing.since is not None else now
    if now - since >= rule.for_:
        return Standing(Phase.FIRING, since, fired_at=now)
    return standing if standing.phase is Phase.PENDING else Standing(Phase.PENDING, since)


def _firing(rule: Rule, standing: Standing, truth: bool | None, now: datetime) -> Standing:
    if truth is None:
        return standing if standing.stale else replace(standing, stale=True)
    if truth:
        if standing.false_since is None and not standing.stale:
            return standing
        return replace(standing, false_since=None, stale=False)
    false_since = standing.false_since or now
    if now - false_since >= rule.keep_firing_for:
        return NOTHING
    return replace(standing, false_since=false_since, stale=False)


class Recent:
    """The last readings of a stream of ticks, as of the latest one.

    A reading counts while it is at most `lookback` old (exactly that old still counts); a tick without a value for a
    metric takes nothing away. That of an event counts only in its own tick: in any other nothing has happened, which is
    not "no data", and fulfils no comparison. `previous_day(name, at)` is asked for the metric's value 24 hours before
    `at`.
    """

    def __init__(
        self, lookback: timedelta, *, previous_day: Callable[[str, datetime], float | None] | None = None
    ) -> None:
        self._lookback = lookback
        self._previous_day = previous_day
        self._at: datetime | None = None
        self._values: dict[str, float | str] = {}
        self._seen: dict[str, datetime] = {}
        self._events: dict[str, float | str] = {}
        self._specs: Mapping[str, MetricSpec] = {}
        self._quiet: dict[str, float | str] = {}
        self._failures: dict[str, str] = {}

    def observe(
        self, at: datetime, readings: Mapping[str, MetricValue], specs: Mapping[str, MetricSpec]
    ) -> None:
        """One tick. Ticks come in the order of their time; two at one moment count as one."""
        values, seen = self._values, self._seen
        if at != self._at:
            self._events = {}
            # A moment without a tick says nothing about what can be collected.
            self._failures = {} if readings else self._failures
        self._at = at
        if specs is not self._specs:
            self._specs = specs
            self._quiet = {
                name: NOTHING_HAPPENED if spec.unit == "state" else math.nan
                for name, spec in specs.items()
                if spec.event
            }
        for name, reading in readings.items():
            value = reading.value
            if value is None:
                if reading.failed:
                    self._failures[name] = reading.reason or "no reason given"
                continue
            if name in self._quiet:
                self._events[name] = value
            else:
                values[name] = value
                seen[name] = at
        oldest = at - self._lookback
        for name in [name for name, when in seen.items() if when < oldest]:
            del values[name], seen[name]

    def now(self, name: str) -> float | str | None:
        value = self._values.get(name)
        if value is not None or name not in self._quiet:
            return value
        return self._events.get(name, self._quiet[name])

    def day_before(self, name: str) -> float | None:
        if self._previous_day is None or self._at is None:
            return None
        return self._previous_day(name, self._at)

    def failure(self, name: str) -> str | None:
        return self._failures.get(name)
