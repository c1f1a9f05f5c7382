"""What changed before something went wrong: events, ranked by how likely they explain it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.domain.event import Event, Severity
from console.domain.incident import KINDS

_WEIGHTS = {
    "deployment": 1.0,
    "configuration": 0.9,
    "action": 0.8,
    "drill": 0.7,
    "security": 0.6,
    "agent": 0.5,
    "health": 0.4,
    "alert": 0.3,
}
_UNKNOWN = 0.2
# What people write down about trouble is no cause of it.
_EXPLAINS_NOTHING = frozenset({*KINDS, "handover", "checklist", "book"})
# At the far end of the window a change counts half: one kind of change gives way to the next but two or three.
_FAR = 0.5
# A component or an alert that got better explains trouble less often than one that got worse.
_RECOVERING = ("health", "alert")
_RECOVERY = 0.5


def ranked(
    events: Sequence[Event], moment: datetime, window: timedelta, *, but: str | None = None
) -> list[Event]:
    """The events of [moment - window, moment], the likeliest cause first.

    Deployments come before configuration, actions, drills, security, changes of the leading agent, changes of
    health and other alerts, as far as they are equally near; nearer counts more, up to twice. Several of one kind
    about the same subject are one, the newest. What is about `but` (the alert's own rule) explains nothing, and
    neither does what was written down about incidents, shifts, checklists and runbooks.
    """
    newest: dict[tuple[str, str], Event] = {}
    for event in events:
        if not moment - window <= event.at <= moment or event.subject == but:
            continue
        if event.kind in _EXPLAINS_NOTHING:
            continue
        key = (event.kind, event.subject)
        kept = newest.get(key)
        if kept is None or (event.at, event.id) > (kept.at, kept.id):
            newest[key] = event
    return sorted(newest.values(), key=lambda e: (-_likelihood(e, moment, window), moment - e.at, -e.id))


def _likelihood(event: Event, moment: datetime, window: timedelta) -> float:
    distance = (moment - event.at) / window if window else 0.0
    weight = _WEIGHTS.get(event.kind, _UNKNOWN) * (1 - (1 - _FAR) * distance)
    better = event.severity is Severity.OK and event.kind in _RECOVERING
    return weight * _RECOVERY if better else weight
