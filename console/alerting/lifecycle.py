"""What one evaluation of all rules changes about the alerts. Pure: rules, readings and the time are passed in, and
what comes out is a list of changes for the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from console.domain.alert import Phase
from console.domain.event import Severity
from console.domain.metric import MetricSpec
from console.rules.evaluator import Finding, Readings, Standing, advance, judge
from console.rules.inhibition import Firing, Inhibition, inhibited
from console.rules.rule import Rule

Change = Mapping[str, Any]

NO_LONGER_TRUE = "the condition is no longer true"
REMOVED = "the rule was removed"
CHANGED = "the rule was changed"
_NOTHING = Standing()


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that is pending or firing, as far as the next evaluation needs it."""

    standing: Standing
    definition: str
    severity: Severity
    inhibited_by: str | None = None
    metric: str | None = None
    peak: float | None = None
    summary: str = ""
    described: Mapping[str, Any] | None = None
    """What the store has of the rule; None: not known here."""


Opened = Mapping[str, Open]
"""By the rule's name."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all rules: who explains whom, and how soon an alert that comes back is the same one."""

    inhibitions: Sequence[Inhibition] = ()
    flap_window: timedelta = timedelta()


def evaluate(
    rules: Sequence[Rule],
    before: Opened,
    readings: Readings,
    specs: Mapping[str, MetricSpec],
    policy: Policy,
    at: datetime,
    told: Mapping[str, str] | None = None,
) -> tuple[Sequence[Change], dict[str, Open]]:
    """The changes of this moment, in the order of the rules, and what is open after them. `told` is what is known of
    a metric beside its value, as a probe's answer; it is put behind the reason."""
    changes: list[dict[str, Any]] = []
    after: dict[str, Open] = {}
    known: dict[str, tuple[Rule, Finding]] = {}
    for rule in rules:
        was = before.get(rule.name)
        if was is not None and was.definition != rule.definition:
            changes.append(_ended(rule.name, was, at, CHANGED))
            was = None
        finding = judge(rule, readings, specs)
        standing = advance(rule, was.standing if was else _NOTHING, finding.truth, at)
        if standing.phase is Phase.INACTIVE:
            if was is not None:
                changes.append(_ended(rule.name, was, at, NO_LONGER_TRUE, finding))
            continue
        known[rule.name] = (rule, finding)
        after[rule.name] = _now(rule, was, finding, standing, specs, told or {})
    names = {rule.name for rule in rules}
    changes += [_ended(name, was, at, REMOVED) for name, was in before.items() if name not in names]
    after = _inhibited(after, known, specs, policy)
    for name, now in after.items():
        rule, finding = known[name]
        was = before.get(name)
        if was is None:
            changes.append(_opened(name, now, finding, at) | {"flap_s": policy.flap_window.total_seconds()})
        elif was.definition != rule.definition:
            changes.append(_opened(name, now, finding, at))
        else:
            changes.append(_updated(name, was, now, finding, policy, at))
    return changes, after


def _now(
    rule: Rule,
    was: Open | None,
    finding: Finding,
    standing: Standing,
    specs: Mapping[str, MetricSpec],
    told: Mapping[str, str],
) -> Open:
    """What there is to remember of a rule that is pending or fires."""
    # A finding without data, or one that is false while it is kept firing, says nothing new.
    if was is not None and finding.truth is not True:
        return replace(was, standing=standing)
    why = told.get(finding.metric or "")
    value = finding.value if isinstance(finding.value, int | float) else None
    # Another metric's values are no measure for this one's.
    peak = was.peak if was and was.metric == finding.metric else None
    if value is not None and (peak is None or (value < peak if finding.low else value > peak)):
        peak = value
    return Open(
        standing=standing,
        definition=rule.definition,
        severity=finding.severity,
        inhibited_by=was.inhibited_by if was else None,
        metric=finding.metric,
        peak=peak,
        summary=": ".join(filter(None, (finding.because, why))),
        described=_described(rule, finding, specs),
    )


def _inhibited(
    opened: Mapping[str, Open],
    known: Mapping[str, tuple[Rule, Finding]],
    specs: Mapping[str, MetricSpec],
    policy: Policy,
) -> dict[str, Open]:
    def labelled(name: str) -> Firing:
        rule, _ = known[name]
        metrics = rule.metrics
        origin = next((specs[m].origin for m in sorted(metrics) if m in specs), "")
        return Firing(name, rule.type, opened[name].severity, metrics, origin)

    everything = {name: labelled(name) for name in opened}
    firing = [f for name, f in everything.items() if opened[name].standing.phase is Phase.FIRING]
    by = inhibited(everything.values(), firing, policy.inhibitions)
    return {name: replace(one, inhibited_by=by.get(name)) for name, one in opened.items()}


def _ended(name: str, was: Open, at: datetime, reason: str, finding: Finding | None = None) -> dict[str, Any]:
    if was.standing.phase is Phase.PENDING:
        return {"op": "drop", "rule": name, "at": at}
    return {
        "op": "resolve",
        "rule": name,
        "at": at,
        "resolution": reason,
        **({"value": finding.value} if finding is not None and finding.value is not None else {}),
    }


def _opened(name: str, now: Open, finding: Finding, at: datetime) -> dict[str, Any]:
    return {
        "op": "open",
        "rule": name,
        **(now.described or {}),
        **_state(now, at),
        "value": finding.value,
        "summary": now.summary,
        "pending_at": now.standing.since,
        "fired_at": now.standing.fired_at,
        "peak": now.peak,
        "peak_at": at if now.peak is not None else None,
    }


def _updated(
    name: str, was: Open, now: Open, finding: Finding, policy: Policy, at: datetime
) -> dict[str, Any]:
    change: dict[str, Any] = {"op": "update", "rule": name, **_state(now, at)}
    if finding.value is not None:
        change["value"] = finding.value
    if finding.truth:
        change["summary"] = now.summary
    if now.described != was.described:
        change |= now.described or {}
    if now.peak != was.peak:
        change |= {"peak": now.peak, "peak_at": at}
    if now.standing.fired_at != was.standing.fired_at:
        change |= {"fired_at": now.standing.fired_at, "flap_s": policy.flap_window.total_seconds()}
    return change


def _state(now: Open, at: datetime) -> dict[str, Any]:
    return {
        "at": at,
        "phase": now.standing.phase,
        "severity": now.severity,
        "false_since": now.standing.false_since,
        "stale": now.standing.stale,
        "inhibited_by": now.inhibited_by,
    }


def _described(rule: Rule, finding: Finding, specs: Mapping[str, MetricSpec]) -> dict[str, Any]:
    spec = specs.get(finding.metric or "")
    return {
        "type": rule.type,
        "action": rule.action,
        "condition": rule.text,
        "definition": rule.definition,
        "for_s": rule.for_.total_seconds(),
        "keep_firing_s": rule.keep_firing_for.total_seconds(),
        "metric": finding.metric,
        "unit": spec.unit if spec else "",
        "limit": finding.limit,
        "low": finding.low,
        "channels": list(rule.channels),
        "runbook": rule.runbook,
    }
