"""What the tests of incidents share: books to work by, alerts that fire, and a leading agent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from console.domain.book import Runbook, Rung, Step, Symptom, Template
from console.domain.incident import Entry, Incident
from console.store import alerts, books, incidents
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.alerting import opened
from tests.store.stores import Place

ORDERS = Runbook(
    name="order-execution-failure",
    title="Orders fail",
    aliases=("Order Execution Failure",),
    symptoms=(Symptom("errors", rules=("High Error Rate",), metrics=("error_rate",)),),
    steps=(
        Step("Look at the health", "immediate", screen=1),
        Step("Block it", "immediate", action="block_ip", params={"network": "203.0.113.7"}),
        Step("Look for a pattern", "investigation", detail="in the log\nof the functions"),
        Step("Test it", "resolution", check="db.backups"),
    ),
    ladder=(
        Rung("technical team", timedelta(), timedelta(minutes=5)),
        Rung("CTO", timedelta(minutes=15), timedelta(minutes=30)),
    ),
    level=1,
)
BREACH = Runbook(
    name="security-breach",
    title="Somebody is in",
    symptoms=(Symptom("failed logins", metrics=("security_score",)),),
    steps=(Step("Block them", "immediate"),),
    level=2,
)
INITIAL = Template("customer-initial", "We know", "customer", "initial", "# We know\n{{ title }}")


@asynccontextmanager
async def leading(place: Place, holder: str = "a1") -> AsyncIterator[tuple[Store, Lease]]:
    """An agent's store with the lease, which is given back at the end."""
    async with place.leader(holder) as (store, lease):
        try:
            yield store, lease
        finally:
            await leases.release(store, lease)


async def published(place: Place) -> None:
    """The books of these tests."""
    async with leading(place) as (store, lease):
        await books.publish(store, lease, [ORDERS, BREACH, INITIAL])


async def present(store: Store) -> datetime:
    """The next moment at which anything can be evaluated."""
    now, (cursor, _) = await store.now(), await alerts.standing(store)
    return now if cursor is None else max(now, cursor + timedelta(milliseconds=1))


async def fire(
    store: Store, lease: Lease, *rules: str, at: datetime | None = None, **fields: object
) -> list[int]:
    """Alerts that begin to fire now; their ids."""
    moment = at or await present(store)
    changes = [
        opened(rule, "firing", action="immediate_escalation", severity="critical", **fields) for rule in rules
    ]
    assert await alerts.write(store, lease, cursor=moment, changes=changes)
    found = {alert.rule: alert.id for alert in await alerts.current(store, resolved_since=moment)}
    return [found[rule] for rule in rules]


async def look(store: Store, incident_id: int) -> Incident:
    found = await incidents.one(store, incident_id)
    assert found is not None
    return found


async def told(store: Store, incident_id: int) -> list[Entry]:
    """Its own entries, oldest first."""
    found = await incidents.timeline(store, incident_id, limit=10_000)
    return [entry for entry in reversed(found) if entry.incident_id is not None]
