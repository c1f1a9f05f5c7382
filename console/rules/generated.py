"""Rules that no file declares: they follow from the metric catalogue. One over each threshold, one for each component
that is probed, one for each metric that is collected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from console.domain.event import Severity
from console.domain.metric import Direction, MetricSpec
from console.rules.condition import Comparator, Comparison, Condition, Failed, Number, Reading, Text, written
from console.rules.names import COLLECTION, PROBE, THRESHOLD
from console.rules.rule import Rule

_ACTION = "notify_team"


def thresholds(specs: Iterable[MetricSpec]) -> tuple[Rule, ...]:
    """`threshold:METRIC`, firing past the warning limit, critical past the critical one."""
    return tuple(_threshold(spec) for spec in specs if spec.limit is not None and spec.unit != "state")


def _threshold(spec: MetricSpec) -> Rule:
    limits = {
        Severity.WARNING: spec.warning,
        Severity.CRITICAL: spec.critical,
    }
    conditions = [(level, _past(spec, limit)) for level, limit in limits.items() if limit is not None]
    level, condition = conditions[0]
    critical = conditions[1][1] if len(conditions) > 1 else None
    return Rule(
        name=f"{THRESHOLD}{spec.name}",
        severity=level,
        condition=condition,
        text=_both(condition, critical),
        type="PERFORMANCE_THRESHOLD",
        action=_ACTION,
        critical=critical,
    )


def _past(spec: MetricSpec, limit: float) -> Condition:
    op = Comparator.OVER if spec.direction is Direction.HIGH else Comparator.UNDER
    return Comparison(
        Reading(spec.name), op, Number(limit, spec.unit if spec.unit in ("%", "ms", "s") else "")
    )


def _both(condition: Condition, critical: Condition | None) -> str:
    return written(condition) if critical is None else f"{written(condition)}, critical: {written(critical)}"


def probes(specs: Iterable[MetricSpec]) -> tuple[Rule, ...]:
    """`probe:COMPONENT`, firing while it is anything but up, critical while it is down. What is a sum of parts has no
    rule beside theirs."""
    states = {
        spec.origin.removeprefix(PROBE): spec
        for spec in specs
        if spec.unit == "state" and spec.origin.startswith(PROBE)
    }
    return tuple(
        _probe(component, spec)
        for component, spec in states.items()
        if not any(other.startswith(f"{component}/") for other in states)
    )


def _probe(component: str, spec: MetricSpec) -> Rule:
    condition = Comparison(Reading(spec.name), Comparator.DIFFERENT, Text("up"))
    critical = Comparison(Reading(spec.name), Comparator.EQUAL, Text("down"))
    return Rule(
        name=f"{PROBE}{component}",
        severity=Severity.WARNING,
        condition=condition,
        text=_both(condition, critical),
        type="PROBE_FAILURE",
        action=_ACTION,
        critical=critical,
    )


def collections(specs: Iterable[MetricSpec], *, for_: timedelta = timedelta()) -> tuple[Rule, ...]:
    """`collection:METRIC`, firing while the metric can't be collected. What a probe could not find out is the probe's
    alert, what is derived fails with its parts, and what depends on nothing is not collected."""
    return tuple(
        Rule(
            name=f"{COLLECTION}{spec.name}",
            severity=Severity.WARNING,
            condition=Failed(spec.name),
            text=written(Failed(spec.name)),
            type="COLLECTION_FAILURE",
            action=_ACTION,
            for_=for_,
        )
        for spec in specs
        if spec.origin not in ("", "derived") and not spec.origin.startswith(PROBE)
    )
