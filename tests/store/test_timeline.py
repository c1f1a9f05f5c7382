from datetime import timedelta

import pytest

from console.domain.errors import StoreRefused
from console.domain.event import Severity
from console.store import timeline
from tests.store.stores import Place


async def test_entries_come_newest_first_and_in_pages(place: Place) -> None:
    async with place.leader() as (store, lease):
        for i in range(5):
            await timeline.append(
                store, lease, kind="agent", severity=Severity.INFO, subject=f"s{i % 2}", text=f"{i}"
            )
        everything = await timeline.recent(store)
        assert [e.text for e in everything] == ["4", "3", "2", "1", "0", "a1 leads (fence 1)"]
        assert [e.text for e in await timeline.recent(store, limit=2)] == ["4", "3"]
        assert [e.text for e in await timeline.recent(store, subject="s1")] == ["3", "1"]
        assert [e.text for e in await timeline.recent(store, limit=2, before=everything[1].id)] == ["2", "1"]
        assert await timeline.recent(store, until=everything[2].at) == everything[2:]
        assert await timeline.recent(store, until=everything[-1].at - timedelta(seconds=1)) == []


async def test_a_person_notes_a_drill_under_their_own_name(place: Place) -> None:
    async with place.open("alice") as store:
        new = await timeline.note_drill(store, name="latency", text="latency for 60 s")
        event = (await timeline.recent(store))[0]
    assert (event.id, event.kind, event.severity) == (new, "drill", Severity.INFO)
    assert (event.subject, event.text, event.actor) == ("latency", "latency for 60 s", "alice")


async def test_hostile_text_is_visible_and_long_text_is_cut(place: Place) -> None:
    async with place.leader() as (store, lease):
        await timeline.append(
            store,
            lease,
            kind="x",
            severity=Severity.OK,
            subject="\x1b[31m",
            text="[/] [@click=app.quit] \x1b\x00" + "x" * 5000,
        )
        event = (await timeline.recent(store))[0]
    assert event.subject == "␛[31m"
    assert event.text.startswith("[/] [@click=app.quit] ␛␀xxx")
    assert len(event.text) == 500
    async with place.raw("bob") as connection:
        await connection.execute("SELECT console.note_drill($1, $2)", "\x9b", "\x1b" * 9000)
    async with place.open("vera") as store:
        event = (await timeline.recent(store))[0]
    assert (event.subject, event.text) == ("�", "␛" * 500)


async def test_an_unknown_severity_is_refused(place: Place) -> None:
    async with place.leader() as (store, lease):
        with pytest.raises(StoreRefused, match="event_severity_check"):
            await store.execute("SELECT console.append_event($1, 'x', 'loud', 'x', 'x')", lease.fence)


async def test_entries_between_two_moments_their_ends_included(place: Place) -> None:
    async with place.leader() as (store, lease):
        for i in range(4):
            await timeline.append(
                store, lease, kind="drill", severity=Severity.INFO, subject=f"s{i}", text=f"{i}"
            )
        newest, *_, oldest, _leads = await timeline.recent(store)
        found = await timeline.between(store, start=oldest.at, end=newest.at)
        assert [e.text for e in found] == ["3", "2", "1", "0"]
        assert found[0] == newest
        tick = timedelta(microseconds=1)
        assert [
            e.text for e in await timeline.between(store, start=oldest.at + tick, end=newest.at - tick)
        ] == ["2", "1"]
        assert [e.text for e in await timeline.between(store, start=oldest.at, end=newest.at, limit=2)] == [
            "3",
            "2",
        ]
