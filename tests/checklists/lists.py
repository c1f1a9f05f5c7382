"""Definitions and moments that the tests of checklists share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from console.domain.book import Checklist, Step
from console.domain.check import Outcome, warned
from console.domain.duties import Run
from console.runbooks.rounds import Rounds
from console.store import books
from console.store.lease import Lease
from console.store.pool import Store

MORNING = Checklist(
    name="morning",
    title="Morning health",
    rhythm="daily",
    rule="FREQ=DAILY",
    at="09:00",
    opens=timedelta(hours=4),
    grace=timedelta(hours=2),
    items=(
        Step("Look at the dashboard"),
        Step("Read the night's log"),
        Step("Errors are few", holds="p95 < 500"),
    ),
)


def daily(**changes: object) -> Checklist:
    return replace(MORNING, **changes)  # pyright: ignore[reportArgumentType]


def at(text: str) -> datetime:
    """`2026-03-10 09:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def published(store: Store, lease: Lease, *lists: Checklist) -> None:
    await books.publish(store, lease, lists)


async def nothing_holds(step: Step, run: Run, now: datetime) -> Outcome:
    return warned("no source: nobody looks in this test")


def rounds() -> Rounds:
    return Rounds(nothing_holds)
