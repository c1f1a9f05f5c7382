from datetime import timedelta

import asyncpg
import pytest

from console.domain.diagnosis import Diagnosis, Sample, Section
from console.domain.errors import Fenced, StoreRefused
from console.domain.log import LogLine
from console.store import diagnoses
from tests.store.stores import NOON, Place

S = timedelta(seconds=1)


def diagnosis(alert_id: int = 7, seconds: int = 0, **more: object) -> Diagnosis:
    fields = {
        "sections": (Section("Failures", ("reason", "failures"), (("venue timeout", 3.0),), ("", "count")),),
        "samples": (
            Sample((("id", "o1"),), (LogLine(0, NOON, "functions", "error", "execute-order", "failed"),)),
        ),
        "samples_title": "Failed orders",
    } | more
    return Diagnosis(alert_id, "errors", NOON + seconds * S, NOON - 300 * S, **fields)  # type: ignore[arg-type]


async def test_one_is_kept_of_each_alert_and_everybody_reads_it(place: Place) -> None:
    async with place.leader() as (store, lease):
        await diagnoses.write(store, lease, diagnosis())
        await diagnoses.write(store, lease, diagnosis(8, samples_reason="no source", samples=()))
        await diagnoses.write(store, lease, diagnosis(7, 15, log_reason="timed out after 3 s"))
    async with place.open("vera") as store:
        assert await diagnoses.read(store, 7) == diagnosis(7, 15, log_reason="timed out after 3 s")
        assert await diagnoses.read(store, 8) == diagnosis(8, samples_reason="no source", samples=())
        assert await diagnoses.read(store, 9) is None


async def test_an_older_one_never_replaces_a_newer_one_but_a_clock_set_back_does(place: Place) -> None:
    async with place.leader() as (store, lease):
        await diagnoses.write(store, lease, diagnosis(7, 15))
        await diagnoses.write(store, lease, diagnosis(7, 0))
        found = await diagnoses.read(store, 7)
        assert found is not None and found.at == NOON + 15 * S
        await place.owner("UPDATE console.diagnosis SET at = clock_timestamp() + interval '1 hour'")
        await diagnoses.write(store, lease, diagnosis(7, 20))
        found = await diagnoses.read(store, 7)
        assert found is not None and found.at == NOON + 20 * S


async def test_only_the_leader_writes(place: Place) -> None:
    async with place.leader() as (store, lease):
        await place.owner("UPDATE console.lease SET fence = fence + 1")
        with pytest.raises(Fenced):
            await diagnoses.write(store, lease, diagnosis())
        async with place.open("bob") as other:
            with pytest.raises(StoreRefused, match="permission denied"):
                await diagnoses.write(other, lease, diagnosis())
    async with place.raw("bob") as connection:
        for sql in (
            "INSERT INTO console.diagnosis VALUES (1, 'x', now(), '{}')",
            "DELETE FROM console.diagnosis",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)


async def test_consoles_are_told(place: Place, wait_for) -> None:
    told: list[str] = []
    async with place.raw("vera") as connection, place.leader() as (store, lease):
        await connection.add_listener("tradex", lambda _c, _p, _ch, payload: told.append(payload))
        await diagnoses.write(store, lease, diagnosis())
        await wait_for(lambda: "diagnosis" in told)
        told.clear()
        await diagnoses.write(store, lease, diagnosis(7, 15))
        await wait_for(lambda: "diagnosis" in told)


async def test_what_is_old_or_too_much_goes(place: Place) -> None:
    async with place.leader() as (store, lease):
        await place.owner("""
            INSERT INTO console.diagnosis
            SELECT n, 'errors', now() - n * interval '1 second', '{}' FROM generate_series(1, 700) AS n
        """)
        now = await store.now()
        await diagnoses.write(store, lease, diagnosis(1000))
        await diagnoses.write(store, lease, Diagnosis(1001, "errors", now, NOON, sections=()))
        assert await diagnoses.read(store, 1000) is None
        rows = await place.owner(
            "SELECT count(*) AS n, max(alert_id) FILTER (WHERE alert_id < 1000) AS last FROM console.diagnosis"
        )
        assert (rows[0]["n"], rows[0]["last"]) == (500, 499)
        assert await diagnoses.read(store, 1001) is not None


async def test_hostile_text_is_printable_on_reading_whoever_wrote_it(place: Place) -> None:
    async with place.leader() as (store, lease):
        nasty = "\x1b]52;c;x\x07\x00\u202e[/]"
        await diagnoses.write(
            store, lease, diagnosis(sections=(Section(nasty, (nasty,), ((nasty,),)),), samples_title=nasty)
        )
        found = await diagnoses.read(store, 7)
        assert found is not None and found.sections[0].rows == (("␛]52;c;x␇␀�[/]",),)
        raw = '{"start": "2026-03-10T12:00:00Z", "sections": [], "samples": [], "note": "\\u001b[2J"}'
        await store.execute(
            "SELECT console.write_diagnosis($1, 7, $2, $3, $4)", lease.fence, "\x1b", NOON + S, raw
        )
        found = await diagnoses.read(store, 7)
        assert found is not None and (found.note, found.kind) == ("␛[2J", "␛")


async def test_what_can_not_be_read_says_so(place: Place) -> None:
    async with place.leader() as (store, lease):
        await store.execute(
            "SELECT console.write_diagnosis($1, 7, 'errors', $2, '{\"sections\": 3}')", lease.fence, NOON
        )
        with pytest.raises(StoreRefused, match="the diagnosis of alert 7 in the store is not one"):
            await diagnoses.read(store, 7)
        with pytest.raises(StoreRefused, match="at most 1000000 bytes"):
            await store.execute(
                "SELECT console.write_diagnosis($1, 7, 'errors', $2, jsonb_build_object('a', repeat('x', 1100000)))",
                lease.fence,
                NOON,
            )
