"""One form for every state: its colour, its glyph and its word, wherever it is shown."""

from dataclasses import dataclass

from console.domain.alert import Alert, AlertState
from console.domain.event import Severity
from console.domain.health import Status, Verdict
from console.domain.metric import Level


@dataclass(frozen=True, slots=True)
class State:
    """`role` and `low` name colours (full and filled), `glyph` a symbol, `word` what a person reads.

    `calm`: only the glyph is coloured, because nothing is wrong.
    """

    role: str
    low: str
    glyph: str
    word: str
    calm: bool = False


OK = State("ok", "oklo", "ok", "ok", calm=True)
DEGRADED = State("warn", "warnlo", "warn", "degraded")
DOWN = State("crit", "critlo", "crit", "down")
UNKNOWN = State("stale", "grid", "unknown", "unknown")
STALE = State("stale", "grid", "stale", "stale")
NO_SOURCE = State("muted", "grid", "none", "no data", calm=True)

_STATUS = {Status.OK: OK, Status.DEGRADED: DEGRADED, Status.DOWN: DOWN, Status.UNKNOWN: UNKNOWN}
_LEVEL = {
    Level.OK: OK,
    Level.WARNING: State("warn", "warnlo", "warn", "warn"),
    Level.CRITICAL: State("crit", "critlo", "crit", "crit"),
}
_VERDICT = {
    Verdict.HEALTHY: State("ok", "oklo", "ok", "healthy", calm=True),
    Verdict.DEGRADED: DEGRADED,
    Verdict.CRITICAL: State("crit", "critlo", "crit", "critical"),
    Verdict.DOWN: DOWN,
    Verdict.UNKNOWN: State("stale", "grid", "stale", "unknown"),
}
_SEVERITY = {
    Severity.CRITICAL: State("crit", "critlo", "crit", "critical"),
    Severity.WARNING: State("warn", "warnlo", "warn", "warning"),
    Severity.INFO: State("info", "grid", "info", "info"),
    Severity.OK: OK,
}
_ALERT = {
    AlertState.STALE: STALE,
    AlertState.ACKNOWLEDGED: State("ack", "grid", "acked", "acked"),
    AlertState.PENDING: State("pending", "grid", "pending", "pending"),
    AlertState.SILENCED: State("muted", "grid", "silenced", "silenced", calm=True),
    AlertState.INHIBITED: State("muted", "grid", "none", "inhibited", calm=True),
    AlertState.RESOLVED: State("ok", "oklo", "done", "resolved", calm=True),
}


def status_state(status: Status | None) -> State:
    return UNKNOWN if status is None else _STATUS[status]


def level_state(level: Level | None) -> State | None:
    """None for a value without thresholds: it is neither good nor bad."""
    return None if level is None else _LEVEL[level]


def verdict_state(verdict: Verdict) -> State:
    return _VERDICT[verdict]


def severity_state(severity: Severity) -> State:
    return _SEVERITY[severity]


def alert_state(alert: Alert) -> State:
    """One that fires has the colour of its severity."""
    if alert.state is AlertState.FIRING:
        severity = _SEVERITY[alert.severity]
        return State(severity.role, severity.low, "firing", "firing")
    return _ALERT[alert.state]


def status_severity(status: Status) -> Severity:
    """How an event that leads to `status` counts."""
    return {Status.OK: Severity.OK, Status.DEGRADED: Severity.WARNING, Status.DOWN: Severity.CRITICAL}.get(
        status, Severity.INFO
    )
