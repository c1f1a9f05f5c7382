"""What is overdue is an alert that names the lists, and resolves by itself."""

from datetime import timedelta

from console.alerting.engine import Engine
from console.domain.book import Done
from console.store import alerts, checklists
from console.store import lease as leases
from tests.alerting import recorded
from tests.alerting.recorded import TICK, row
from tests.checklists.lists import daily, published, rounds
from tests.store.stores import Place


async def test_an_alert_names_what_is_overdue_until_it_is_done_or_missed(place: Place) -> None:
    async with place.leader() as (store, lease):
        now = (await store.now()).replace(microsecond=0)
        due = now - timedelta(hours=2)
        two = [
            daily(name=name, title=name.title(), at=f"{due:%H:%M}", grace=timedelta(hours=1))
            for name in ("backups", "accounts")
        ]
        await published(store, lease, *two)
        await rounds().round(store, lease, due - timedelta(hours=1))
        await leases.release(store, lease)
        late = due.replace(second=0) + timedelta(hours=1)
        await recorded.record(place, [row(late + TICK * i) for i in range(-5, 30)])
    async with place.leader() as (store, lease), place.open("alice") as alice:
        engine = Engine(recorded.rulebook())

        async def overdue() -> list[tuple[str, str, str]]:
            found = await alerts.current(store, resolved_since=late - timedelta(hours=1))
            return [
                (str(a.severity), str(a.phase), a.summary) for a in found if a.rule == "checklists:overdue"
            ]

        await engine.catch_up(store, lease, until=late)
        assert await overdue() == []
        await engine.catch_up(store, lease, until=late + TICK * 3)
        since = f"{late:%d %b %H:%M}"
        both = f"overdue: Backups (since {since}), Accounts (since {since})"
        assert await overdue() == [("info", "firing", both)]
        # One is done, a few ticks after it was late; the other is missed.
        runs = {run.checklist: run for run in await checklists.opened(store)}
        for item in (1, 2, 3):
            await checklists.mark(alice, runs["backups"].id, item, Done.DONE)
        await place.owner(
            "UPDATE console.checklist_run SET ended_at = $2 WHERE id = $1",
            runs["backups"].id,
            late + TICK * 5,
        )
        await engine.catch_up(store, lease, until=late + TICK * 8)
        assert await overdue() == [("info", "firing", f"overdue: Accounts (since {since})")]
        await place.owner(
            "UPDATE console.checklist_run SET missed_at = $2 WHERE id = $1",
            runs["accounts"].id,
            late + TICK * 9,
        )
        await engine.catch_up(store, lease, until=late + TICK * 29)
        assert [phase for _, phase, _ in await overdue()] == ["resolved"]
