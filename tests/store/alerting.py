"""What the tests of alerts and silences share: changes as an agent writes them, and a look from outside."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from console.domain.alert import Alert
from console.store import alerts
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.stores import NOON, Place

FLAP_S = 300.0


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def opened(rule: str, phase: str = "pending", **fields: object) -> dict[str, object]:
    return {
        "op": "open",
        "rule": rule,
        "phase": phase,
        "type": "ERROR_RATE",
        "severity": "warning",
        "action": "notify_team",
        "condition": "error_rate > 5%",
        "definition": "d1",
        "summary": f"{rule} is 6.2 %, over 5 %",
        "metric": "error_rate",
        "unit": "%",
        "limit": 5.0,
        "value": 6.2,
        "flap_s": FLAP_S,
        **fields,
    }


def update(rule: str, **fields: object) -> dict[str, object]:
    return {"op": "update", "rule": rule, "flap_s": FLAP_S, **fields}


def resolved(rule: str, **fields: object) -> dict[str, object]:
    return {"op": "resolve", "rule": rule, "resolution": "the condition is no longer true", **fields}


class Agent:
    """The leading agent: each write is the evaluation of a tick."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.store, self.lease = store, lease

    async def at(self, seconds: float, *changes: Mapping[str, object]) -> bool:
        return await alerts.write(self.store, self.lease, cursor=after(seconds), changes=changes)

    async def alerts(self) -> dict[str, Alert]:
        """By rule; open ones before those that are resolved."""
        found = await alerts.current(self.store, resolved_since=NOON)
        return {a.rule: a for a in reversed(found)}

    async def kinds(self, rule: str) -> list[str]:
        """The history of a rule's alerts, oldest first."""
        return [c.kind for c in reversed(await alerts.history(self.store, rule=rule))]


async def told(place: Place) -> list[tuple[str, str, str]]:
    """Severity, subject and text of what the timeline says of alerts, oldest first."""
    rows = await place.owner(
        "SELECT severity, subject, text FROM console.event WHERE kind = 'alert' ORDER BY id"
    )
    return [tuple(row) for row in rows]
