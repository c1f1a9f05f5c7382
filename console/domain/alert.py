"""What an alert is: one rule that is, or was, true for long enough, and what people made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from console.domain.event import Severity
from console.domain.metric import MetricSpec


class Phase(StrEnum):
    """Where a rule stands, as evaluation alone decides it. RESOLVED is what an alert is after FIRING."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertState(StrEnum):
    """What an alert counts as, people and other alerts considered; in the order in which a list shows them."""

    FIRING = "firing"
    STALE = "stale"
    """Firing, but what it is about has had no data for longer than the look-back."""
    ACKNOWLEDGED = "acknowledged"
    PENDING = "pending"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    """Another alert that fires explains this one, or says the same more exactly."""
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert with its present state. All text is printable.

    `rule` is its fingerprint: an alert that comes back soon is the same one with `flaps` counted up. `condition` is
    the rule as written, `summary` why it is true, in one sentence with the numbers. `value` is the last reading of
    `metric` (in `unit`), `peak` its worst since `pending_at`, `limit` what it is compared with (None where it isn't
    one number) and `low` tells that values below it are the bad ones. `for_s` and `keep_firing_s` are seconds on the
    clock (the time scale is in them). `inhibited_by` names the rule that explains it.
    """

    id: int
    rule: str
    type: str
    severity: Severity
    action: str
    phase: Phase
    condition: str
    summary: str
    pending_at: datetime
    at: datetime
    """When it was evaluated last."""
    for_s: float = 0.0
    keep_firing_s: float = 0.0
    metric: str | None = None
    unit: str = ""
    limit: float | None = None
    low: bool = False
    value: float | str | None = None
    peak: float | None = None
    peak_at: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str = ""
    """Why it ended: `the condition is no longer true`, `the rule was removed` ..."""
    stale: bool = False
    inhibited_by: str | None = None
    flaps: int = 0
    """How often it fired again soon after it had been resolved."""
    channels: tuple[str, ...] = ()
    runbook: str = ""
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    silence: int | None = None
    silenced_by: str | None = None
    silenced_until: datetime | None = None

    @property
    def state(self) -> AlertState:
        """What it counts as now."""
        if self.phase is Phase.RESOLVED:
            return AlertState.RESOLVED
        if self.inhibited_by is not None:
            return AlertState.INHIBITED
        if self.silence is not None:
            return AlertState.SILENCED
        if self.phase is Phase.PENDING:
            return AlertState.PENDING
        if self.acknowledged_by is not None:
            return AlertState.ACKNOWLEDGED
        return AlertState.STALE if self.stale else AlertState.FIRING

    @property
    def counts(self) -> bool:
        """Whether it fires and nobody and nothing has quietened it: what banner, status and bell go by."""
        return self.state in (AlertState.FIRING, AlertState.STALE, AlertState.ACKNOWLEDGED)

    @property
    def since(self) -> datetime:
        """When its present phase began."""
        return self.resolved_at or self.fired_at or self.pending_at

    def labels(self) -> Mapping[str, str]:
        """What silences match: rule, severity, type, metric."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "type": self.type,
            "metric": self.metric or "",
        }


LABELS = ("rule", "severity", "type", "metric")
OPERATORS = ("=", "!=", "=~", "!~")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One term of a silence, as in Alertmanager: `label` is one of LABELS, `op` one of OPERATORS; `=~` and `!~`
    take a regular expression that must match the whole value."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.label}{self.op}"{value}"'


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that match all of `matchers` are quiet from `starts_at` until `ends_at`. `ended_by` names who lifted it
    before its time."""

    id: int
    matchers: tuple[Matcher, ...]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One entry of an alert's history. `kind` is a Phase or `acknowledged`, `unacknowledged`, `stale`, `fresh`,
    `inhibited`, `uninhibited`, `severity`, `silenced`, `unsilenced`; `value` is the reading at that moment."""

    at: datetime
    alert_id: int
    rule: str
    kind: str
    actor: str
    text: str
    value: float | str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many alerts count, by severity."""

    critical: int = 0
    warning: int = 0
    info: int = 0


def counts(alerts: Iterable[Alert]) -> Counts:
    """Those that fire and are neither silenced nor inhibited."""
    found = [a.severity for a in alerts if a.counts]
    return Counts(*(found.count(s) for s in (Severity.CRITICAL, Severity.WARNING, Severity.INFO)))


_SEVERITIES = tuple(Severity)
_STATES = tuple(AlertState)


def order(alert: Alert) -> tuple[int, int, float]:
    """The order of a list: by state, then by severity, the latest first."""
    return _STATES.index(alert.state), _SEVERITIES.index(alert.severity), -alert.since.timestamp()


def remaining(alert: Alert, now: datetime) -> timedelta | None:
    """How long a pending alert still has to be true before it fires; None for one that is not pending."""
    if alert.phase is not Phase.PENDING:
        return None
    return max(timedelta(seconds=alert.for_s) - (now - alert.pending_at), timedelta())


_GENERATED = {"threshold": "{}", "collection": "{} not collected", "probe": "{} probe"}


def title_of(alert: Alert, specs: Mapping[str, MetricSpec]) -> str:
    """What screens call an alert: a rule of a file by its name, a generated one by what it watches."""
    kind, colon, subject = alert.rule.partition(":")
    if not colon or kind not in _GENERATED:
        return alert.rule
    spec = specs.get(subject)
    return _GENERATED[kind].format(subject.removeprefix("edge_functions/") if spec is None else spec.title)
