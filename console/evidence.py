"""Whether an item of a checklist or a step of a runbook holds by itself, in words and numbers, from what the store
knows: readings, alerts, health, and what the checks of the platform found last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain.alert import Alert, AlertState
from console.domain.book import Step
from console.domain.check import BY_HAND, NO_SOURCE, CheckStatus, Outcome, passed, sourceless, ticked, warned
from console.domain.event import Severity
from console.domain.format import age, clock, counted, metric
from console.domain.health import Verdict
from console.domain.metric import Direction, MetricSpec
from console.domain.snapshot import STALE_AFTER_TICKS, Metrics
from console.domain.text import printable
from console.domain.verdict import overall
from console.rules import because, compiled, parser
from console.rules.evaluator import Recent, judge
from console.rules.replay import DAY, DAY_LOOKBACK
from console.rules.rule import Rule
from console.store import alerts, checks, health, incidents, ticks
from console.store import lease as leases
from console.store.pool import Store

NIGHT = timedelta(hours=12)
"""Alerts are looked at at least so far back: a list that opens in the morning is about the night."""
_HOUR = timedelta(hours=1)
# A figure is worse than the day before when it is so by a fifth, and by more than a twentieth of its threshold: what
# is next to nothing doubles every day.
_WORSE, _NOISE = 0.2, 0.05
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Asks one store."""

    store: Store

    async def of(self, step: Step, since: datetime, now: datetime) -> Outcome:
        """Passed with the evidence; else a warning that says what is in the way, or that there is no source. Raises
        StoreAway and StoreRefused."""
        if step.holds:
            return await self._holds(step.holds, now)
        if step.check:
            return await self._check(step.check, now)
        match step.evidence:
            case "health":
                return await self._health(now)
            case "alerts":
                return await self._alerts(min(since, now - NIGHT), now)
            case "trends":
                return await self._trends(now)
        return sourceless(f"nothing is known of {printable(step.evidence, 60) or 'it'}")

    async def _holds(self, text: str, now: datetime) -> Outcome:
        """A condition, of the latest tick."""
        latest = await self._fresh(now)
        if isinstance(latest, Outcome):
            return latest
        try:
            condition = parser.parse(text, latest.specs).condition
        except parser.Slip as slip:
            return sourceless(f"{slip.problem}")
        rule = Rule("", Severity.INFO, condition, text, type="", action="")
        day = Metrics()
        if rule.uses_day_before:
            day = await ticks.before(self.store, _at(latest) - DAY, DAY_LOOKBACK)
        readings = Recent(timedelta(), previous_day=lambda name, _: _number(day, name))
        readings.observe(_at(latest), latest.values, latest.specs)
        found = judge(rule, readings, latest.specs)
        if found.truth:
            return passed(found.because)
        if found.truth is None:
            return sourceless(f"{found.because}")
        against = compiled.of_rule(rule)[0].holding(readings, False)
        return warned(because.sentence(against, readings, latest.specs))

    async def _check(self, check: str, now: datetime) -> Outcome:
        """What the last run of that check found, with what a person said of it."""
        last = await checks.last(self.store, check)
        if last is None or last[1] < now - DAY:
            return sourceless(f"{check} was not run in the last 24 h, `tradex validate` does")
        result, at = ticked(last[0], await checks.ticks(self.store)), last[1]
        if result.status is CheckStatus.PASSED:
            return passed(f"{result.evidence} ({check}, {clock(at, seconds=False)})")
        seen = result.evidence.partition(f"; {BY_HAND}")[0]
        if result.status is CheckStatus.MANUAL and seen != result.evidence:
            # What it can see is good. The word of a person that it waits for is another matter than today's.
            return passed(f"{seen} ({check}, {clock(at, seconds=False)})")
        if result.evidence.startswith(NO_SOURCE):
            return sourceless(f"{check} at {clock(at, seconds=False)}: {result.evidence}")
        return warned(f"{check} {result.status} at {clock(at, seconds=False)}: {result.evidence}")

    async def _health(self, now: datetime) -> Outcome:
        """As everybody sees it at the top of the screen."""
        latest = await self._fresh(now)
        if isinstance(latest, Outcome):
            return latest
        firing = [a for a in await alerts.current(self.store, resolved_since=now) if a.counts]
        rate = _number(latest, "error_rate")
        whole = overall(
            [check for check, _ in await health.current(self.store)],
            error_rate_pct=rate,
            critical=[a.summary or a.rule for a in firing if a.severity is Severity.CRITICAL],
            warning=[a.summary or a.rule for a in firing if a.severity is Severity.WARNING],
            stale=False,
        )
        if whole.verdict is not Verdict.HEALTHY:
            return warned(f"{whole.verdict}: {whole.reason}")
        spec = latest.specs.get("error_rate")
        orders = "" if spec is None or rate is None else f", {spec.title.lower()} {metric(spec, rate)}"
        return passed(f"{whole.reason}{orders}")

    async def _alerts(self, since: datetime, now: datetime) -> Outcome:
        """No alert that nobody took on, by itself or with its incident: those of the time since then, and those that
        fire now."""
        known = await alerts.current(self.store, resolved_since=since)
        fired = [
            alert
            for alert in known
            if alert.severity is not Severity.INFO
            and alert.fired_at is not None
            and (alert.fired_at >= since or alert.resolved_at is None)
            and alert.state is not AlertState.INHIBITED
        ]
        alone = [a for a in fired if a.acknowledged_by is None and a.silence is None]
        taken = await self._taken_on(alone, since)
        unseen = [a for a in alone if a.id not in taken]
        span = f"since {since:%d %b %H:%M}"
        if unseen:
            named = ", ".join(dict.fromkeys(alert.rule for alert in unseen[:_MOST_NAMED]))
            more = f" and {len(unseen) - _MOST_NAMED} more" if len(unseen) > _MOST_NAMED else ""
            return warned(f"{counted(len(unseen), 'alert')} {span} acknowledged by nobody: {named}{more}")
        if not fired:
            return passed(f"no critical alert and no warning {span}")
        by = "; ".join(dict.fromkeys(taken.values()))
        how = f"all acknowledged or taken on ({printable(by, 200)})" if by else "all acknowledged"
        return passed(f"{counted(len(fired), 'alert')} {span}, {how}")

    async def _taken_on(self, found: Sequence[Alert], since: datetime) -> dict[int, str]:
        """Those of these alerts that belong to an incident that somebody works on, or did when they fired: by their
        numbers, `INC-1, alice`."""
        if not found:
            return {}
        taken: dict[int, str] = {}
        for each in await incidents.current(self.store, closed_since=since):
            for alert in found:
                ended = (
                    each.closed_at is not None
                    and alert.fired_at is not None
                    and alert.fired_at > each.closed_at
                )
                if each.worked_on and alert.id in each.alerts and not ended:
                    taken.setdefault(alert.id, each.worked_on)
        return taken

    async def _trends(self, now: datetime) -> Outcome:
        """The last hour beside the same one of the day before, of all metrics that have a threshold."""
        latest = await self._fresh(now)
        if isinstance(latest, Outcome):
            return latest
        specs = [s for s in latest.specs.values() if s.limit is not None and not s.event]
        names = [spec.name for spec in specs]
        present = await ticks.series(self.store, names, start=now - _HOUR, end=now, points=1)
        before = await ticks.series(self.store, names, start=now - DAY - _HOUR, end=now - DAY, points=1)
        seen = [
            (_worse(spec, was, value), spec, value, was)
            for spec in specs
            if (value := present[spec.name].values[0]) is not None
            and (was := before[spec.name].values[0]) is not None
        ]
        if not seen:
            return sourceless("no readings of the same hour a day before")
        seen.sort(key=lambda each: -each[0])
        told = [
            f"{spec.title} {metric(spec, value)}, was {metric(spec, was)}"
            for share, spec, value, was in seen
            if share > _WORSE
        ]
        if told:
            more = f" and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
            return warned(f"worse than a day before: {'; '.join(told[:_MOST_NAMED])}{more}")
        share, spec, value, was = seen[0]
        most = f", at most {100 * share:.0f} % ({spec.title} {metric(spec, value)}, was {metric(spec, was)})"
        return passed(
            f"{counted(len(seen), 'figure')} beside a day before: none a fifth worse{most if share > 0 else ''}"
        )

    async def _fresh(self, now: datetime) -> Metrics | Outcome:
        """The latest tick, or why it says nothing."""
        latest = await ticks.latest(self.store)
        if latest.at is None:
            return sourceless("no readings yet")
        state = await leases.agent_state(self.store)
        if now - latest.at > timedelta(seconds=STALE_AFTER_TICKS * state.tick_s):
            return sourceless(f"the last readings are {age(now - latest.at)} old")
        return latest


def _worse(spec: MetricSpec, before: float, now: float) -> float:
    """By which share a value is on the bad side of what it was; 0 for none, or next to none."""
    worse = now - before if spec.direction is Direction.HIGH else before - now
    if worse <= _NOISE * abs(spec.limit or 0.0):
        return 0.0
    return worse / abs(before) if before else math.inf


def _number(readings: Metrics, name: str) -> float | None:
    found = readings.values.get(name)
    return found.value if found is not None and isinstance(found.value, int | float) else None


def _at(latest: Metrics) -> datetime:
    assert latest.at is not None  # noqa: S101 - every stored tick has its time
    return latest.at
