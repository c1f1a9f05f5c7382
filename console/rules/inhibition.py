"""Which firing alert explains another one, so that one trouble is one alert. Pure.

An alert is inhibited by one that an inhibition of alerting.yaml names, and held back by one that says the same more
exactly: a named rule on the same metric, or the first of several collections that fail for one reason. In a circle
none is inhibited by one that comes after it (the worst first, then named before generated, then by name), so that at
least one of them stands.
"""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from console.domain.event import Severity
from console.rules.names import COLLECTION, PROBE, THRESHOLD, named

LABELS = ("rule", "type", "severity", "metric", "origin")
_RANK = {severity: i for i, severity in enumerate(Severity)}
_NO_ONE_ORIGIN = ("", "derived")


@dataclass(frozen=True, slots=True)
class Firing:
    """What inhibitions look at: of an alert, its rule's name, type, metrics, and what those depend on."""

    rule: str
    type: str
    severity: Severity
    metrics: frozenset[str] = frozenset()
    origin: str = ""

    @property
    def named(self) -> bool:
        """Whether a rule file declares it."""
        return named(self.rule)

    def values(self, label: str) -> Iterable[str]:
        """The values of one of LABELS; `metric` has as many as the rule reads."""
        return self.metrics if label == "metric" else (str(getattr(self, label)),)


@dataclass(frozen=True, slots=True)
class Term:
    """Patterns (as in file names) by label: all labels must match, each by any of its patterns."""

    patterns: tuple[tuple[str, tuple[str, ...]], ...]

    def matches(self, alert: Firing) -> bool:
        return all(
            any(_pattern(patterns)(value) for value in alert.values(label))
            for label, patterns in self.patterns
        )


@lru_cache(maxsize=1024)
def _pattern(patterns: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert fires that matches one of `sources`, those that match one of `targets` are quiet."""

    name: str
    sources: tuple[Term, ...]
    targets: tuple[Term, ...]
    reason: str = ""


def inhibitor(target: Firing, firing: Sequence[Firing], inhibitions: Sequence[Inhibition]) -> str | None:
    """The rule whose alert quietens `target`, which is pending or one of `firing`; None when nothing does."""
    return inhibited([target], firing, inhibitions).get(target.rule)


def inhibited(
    targets: Iterable[Firing], firing: Sequence[Firing], inhibitions: Sequence[Inhibition]
) -> Mapping[str, str]:
    """For each of `targets` that is quiet, by whom. All at once costs little more than one."""
    graph = _Graph(firing, inhibitions)
    found = ((target.rule, graph.by(target)) for target in targets)
    return {rule: by for rule, by in found if by is not None}


class _Graph:
    """Who would inhibit whom among the alerts that fire."""

    def __init__(self, firing: Sequence[Firing], inhibitions: Sequence[Inhibition]) -> None:
        self._firing = {alert.rule: alert for alert in sorted(firing, key=_order)}
        self._sources = [
            (inhibition.targets, [a for a in self._firing.values() if _any(inhibition.sources, a)])
            for inhibition in inhibitions
        ]
        self._by_metric: dict[str, list[Firing]] = defaultdict(list)
        self._first_of_origin: dict[str, list[Firing]] = defaultdict(list)
        for alert in self._firing.values():
            if alert.named:
                for metric in alert.metrics:
                    self._by_metric[metric].append(alert)
            elif alert.rule.startswith(COLLECTION) and alert.origin not in _NO_ONE_ORIGIN:
                self._first_of_origin[alert.origin].append(alert)
        self._known: dict[str, list[Firing]] = {}

    def by(self, target: Firing) -> str | None:
        for source in self._candidates(target):
            if _order(source) < _order(target) or not self._reaches(target, source):
                return source.rule
        return None

    def _candidates(self, target: Firing) -> list[Firing]:
        """Those that would inhibit it, circles not considered, in the order in which one is named."""
        found = self._known.get(target.rule)
        if found is None:
            several = {
                a.rule: a for a in (*self._named(target), *self._exact(target)) if a.rule != target.rule
            }
            found = self._known[target.rule] = sorted(several.values(), key=_order)
        return found

    def _named(self, target: Firing) -> Iterable[Firing]:
        for targets, sources in self._sources:
            if sources and _any(targets, target):
                yield from sources

    def _exact(self, target: Firing) -> Iterable[Firing]:
        if target.rule.startswith((THRESHOLD, PROBE)):
            for metric in target.metrics:
                for alert in self._by_metric.get(metric, ()):
                    if _RANK[alert.severity] <= _RANK[target.severity]:
                        yield alert
        elif target.rule.startswith(COLLECTION):
            yield from (a for a in self._first_of_origin.get(target.origin, ())[:1] if a.rule < target.rule)

    def _reaches(self, start: Firing, goal: Firing) -> bool:
        """Whether `start` inhibits `goal`, directly or through others."""
        if start.rule not in self._firing:
            return False
        seen, ahead = {goal.rule}, [goal]
        while ahead:
            for source in self._candidates(ahead.pop()):
                if source.rule == start.rule:
                    return True
                if source.rule not in seen:
                    seen.add(source.rule)
                    ahead.append(source)
        return False


def _any(terms: Iterable[Term], alert: Firing) -> bool:
    return any(term.matches(alert) for term in terms)


def _order(alert: Firing) -> tuple[int, bool, str]:
    return _RANK[alert.severity], not alert.named, alert.rule
