"""Runs of the checks: asked for once, written result by result, begun again by the next agent; and what is ticked."""

import asyncio
from datetime import timedelta

import pytest

from console.domain.check import CheckResult, CheckStatus, Subject
from console.domain.errors import Fenced, Refused
from console.domain.release import Released, ReleaseState
from console.store import actions, audit, checks, releases
from console.store import lease as leases
from tests.store.acting import KINDS, planned
from tests.store.stores import Place

SHA = "ab" * 20


def result(
    check: str, status: CheckStatus = CheckStatus.PASSED, evidence: str = "as it should be"
) -> CheckResult:
    return CheckResult(check, check.title(), "database", status, evidence, 1.5)


WAITING = (
    result("db.rls"),
    result("db.backups", CheckStatus.MANUAL, "backup of an hour ago; by hand: restore not tested"),
    result("fe.error_boundaries", CheckStatus.MANUAL, "by hand: tried for this release"),
)


async def test_whoever_asks_for_what_is_open_joins_it(place: Place) -> None:
    async with place.open("alice") as alice, place.open("bob") as bob, place.leader() as (store, lease):
        first = await checks.ask(alice, "pre", commit=SHA, version="v2.9.0")
        assert first.told == ""
        second = await checks.ask(bob, "pre", commit="cd" * 20, version="v2.10.0")
        assert second == (first.id, "alice asked for checks pre v2.9.0 already")
        # Another occasion is another question.
        assert (await checks.ask(bob, "env")).id != first.id
        run = await checks.due(store, lease)
        assert run is not None and (run.id, run.by, run.version, run.total) == (
            first.id,
            "alice",
            "v2.9.0",
            0,
        )
        assert await checks.start(store, lease, run.id, 2)
        await checks.end(store, lease, run.id)
        assert (await checks.ask(bob, "pre")).told == ""
        assert [e.verb for e in await audit.recent(bob)] == ["asked", "asked", "joined", "asked"]


async def test_ten_ask_at_once_and_one_run_is_made(place: Place) -> None:
    async with place.open("alice", size=10) as alice:
        asked = await asyncio.gather(*(checks.ask(alice, "pre") for _ in range(10)))
    assert len({each.id for each in asked}) == 1
    assert sum(each.told == "" for each in asked) == 1


async def test_results_are_seen_as_they_come_in_the_order_of_the_list(place: Place) -> None:
    async with place.open("vera") as vera, place.leader() as (store, lease):
        number = await checks.begin(store, lease, "pre", Subject(SHA, "v2.9.0"))
        assert await checks.begin(store, lease, "pre", Subject()) == number
        assert await checks.start(store, lease, number, 3)
        await checks.put(store, lease, number, 3, result("db.c", CheckStatus.FAILED, "no \x1b[31m row"))
        await checks.put(store, lease, number, 1, result("db.a"))
        run = await checks.latest(vera, "pre")
        assert run is not None and (run.by, run.commit, run.total, run.ended_at) == ("auto", SHA, 3, None)
        assert [(r.id, r.evidence) for r in run.results] == [
            ("db.a", "as it should be"),
            ("db.c", "no ␛[31m row"),
        ]
        await checks.put(store, lease, number, 2, result("db.b"))
        await checks.end(store, lease, number)
        # What comes after the end is no part of it.
        await checks.put(store, lease, number, 1, result("db.z"))
        run = await checks.latest(vera, "pre")
        assert run is not None and run.ended_at is not None
        assert [r.id for r in run.results] == ["db.a", "db.b", "db.c"]
        assert await checks.due(store, lease) is None
        assert not await checks.start(store, lease, number, 3)


async def test_a_run_whose_agent_died_begins_again_and_the_dead_one_writes_no_more(place: Place) -> None:
    async with place.open("alice") as alice, place.leader("a1") as (store, lease):
        number = (await checks.ask(alice, "pre")).id
        await checks.start(store, lease, number, 2)
        await checks.put(store, lease, number, 1, result("db.a", CheckStatus.FAILED))
        await leases.release(store, lease)
        async with place.leader("a2") as (other, later):
            run = await checks.due(other, later)
            assert run is not None and run.id == number
            assert await checks.start(other, later, number, 2)
            with pytest.raises(Fenced):
                await checks.put(store, lease, number, 2, result("db.b"))
            again = await checks.one(alice, number)
            assert again is not None and again.results == ()
            await checks.end(other, later, number)


async def test_a_run_of_a_step_belongs_to_its_action_and_ends_with_it(place: Place) -> None:
    async with place.open("alice") as alice, place.leader() as (store, lease):
        await actions.publish_kinds(store, lease, KINDS)
        action = await planned(alice, store, lease)
        await actions.confirm(alice, action.id, plan_hash=action.plan_hash)
        number = await checks.begin(store, lease, "post", Subject(action_id=action.id))
        assert await checks.begin(store, lease, "post", Subject(action_id=action.id)) == number
        await checks.start(store, lease, number, 2)
        await checks.put(store, lease, number, 1, result("monitoring"))
        # It is its step's to run.
        assert await checks.due(store, lease) is None
        assert (await checks.one(store, number)).ended_at is None  # pyright: ignore[reportOptionalMemberAccess]
        await actions.cancel(alice, action.id)
        assert await checks.due(store, lease) is None
        (run,) = await checks.of_action(alice, action.id)
        assert run.ended_at is not None and run.words == "cut off" and len(run.results) == 1
        # It is no checklist.
        assert await checks.latest(alice, "post") is None


async def test_the_last_fifty_are_kept_and_those_of_releases(place: Place) -> None:
    async with place.open("alice") as alice, place.leader() as (store, lease):
        await actions.publish_kinds(store, lease, KINDS)
        of_release, of_none = [
            (await planned(alice, store, lease, target=f"203.0.113.{n}", network=f"203.0.113.{n}")).id
            for n in (1, 2)
        ]
        await releases.put(store, lease, of_release, Released("v1", SHA, ReleaseState.LIVE))
        for action in (of_release, of_none):
            number = await checks.begin(store, lease, "post", Subject(action_id=action))
            await checks.start(store, lease, number, 1)
            await checks.put(store, lease, number, 1, result("monitoring"))
            await checks.end(store, lease, number)
        for _ in range(55):
            await checks.keep(alice, "pre", WAITING, took=timedelta(seconds=1))
        assert len(await checks.of_action(alice, of_release)) == 1
        assert await checks.of_action(alice, of_none) == []
    rows = await place.owner("SELECT count(*) AS n, count(DISTINCT run_id) AS with_results FROM console.check_run "
                             "LEFT JOIN console.check_result ON run_id = id")  # fmt: skip
    assert len(await place.owner("SELECT FROM console.check_run")) == 51, rows
    assert rows[0]["with_results"] == 51


async def test_a_run_by_hand_is_kept_whole_as_that_of_whoever_made_it(place: Place) -> None:
    async with place.open("alice") as alice:
        await checks.keep(alice, "pre", WAITING, took=timedelta(seconds=12), commit=SHA, version="v2.9.0")
        run = await checks.latest(alice, "pre")
        assert run is not None and run.started_at is not None and run.ended_at is not None
        assert (run.by, run.commit, run.version, run.total) == ("alice", SHA, "v2.9.0", 3)
        assert run.ended_at - run.started_at == timedelta(seconds=12)
        assert run.results == WAITING
        with pytest.raises(Refused, match="1 to 100 results"):
            await checks.keep(alice, "pre", [], took=timedelta())
    async with place.open("vera") as vera:
        with pytest.raises(Refused, match="vera is a viewer"):
            await checks.keep(vera, "pre", WAITING, took=timedelta())


async def test_a_tick_passes_what_waits_for_a_person_and_nothing_else(place: Place) -> None:
    async with place.open("alice") as alice:
        for commit in (SHA, "cd" * 20):
            await checks.keep(alice, "pre", WAITING, took=timedelta(seconds=1), commit=commit)
        await checks.tick(alice, "db.backups", " restored to staging\x07 ")
        await checks.tick(alice, "fe.error_boundaries", "broke three pages", commit=SHA)
        run = await checks.latest(alice, "pre")
        assert run is not None
        backups, boundaries = run.results[1:]
        assert backups.status is CheckStatus.PASSED
        assert backups.evidence.startswith("backup of an hour ago; alice, ")
        assert "restored to staging␇ (valid until " in backups.evidence
        # That one was ticked for another release.
        assert boundaries == WAITING[2]
        await checks.keep(alice, "pre", WAITING, took=timedelta(seconds=1), commit=SHA)
        run = await checks.latest(alice, "pre")
        assert run is not None and run.report.overall == "passed"
        assert run.results[2].evidence.endswith(": broke three pages (for this release)")
        assert (await checks.one(alice, run.id)).results == WAITING  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_tick_is_over_in_time_and_the_next_one_takes_its_place(place: Place) -> None:
    async with place.open("alice") as alice, place.open("bob") as bob:
        made = await checks.tick(alice, "db.backups", "restored", length=timedelta(days=30), commit=SHA)
        assert made.until is not None and made.until - made.at == timedelta(days=30)
        assert (made.by, made.commit) == ("alice", "")
        later = await checks.tick(bob, "db.backups", "again")
        assert later.until is not None and later.until - later.at == timedelta(days=90)
        assert [each.by for each in await checks.ticks(alice)] == ["bob"]
        await place.owner("UPDATE console.check_tick SET until = now()")
        assert await checks.ticks(alice) == []
        assert [(e.verb, e.subject) for e in await audit.recent(alice)] == [
            ("ticked", "check db.backups")
        ] * 2


async def test_a_tick_that_says_nothing_or_too_much_is_refused(place: Place) -> None:
    async with place.open("alice") as alice:
        for check, note, commit, length, why in (
            ("db.backups", " ", "", None, "needs a note"),
            ("db.rls", "x", "", None, "db.rls is not ticked by hand"),
            ("fe.error_boundaries", "x", "", None, "for one release"),
            ("fe.error_boundaries", "x", "main", None, "for one release"),
            ("db.backups", "x", "", timedelta(days=91), "at most 90 days"),
            ("db.backups", "x", "", timedelta(0), "at most 90 days"),
        ):
            with pytest.raises(Refused, match=why):
                await checks.tick(alice, check, note, commit=commit, length=length)
        with pytest.raises(Refused, match="no checks all"):
            await checks.ask(alice, "all")
        assert {e.verb for e in await audit.recent(alice)} == {"refused tick", "refused checks"}
    async with place.open("vera") as vera:
        with pytest.raises(Refused, match="vera is a viewer: to tick"):
            await checks.tick(vera, "db.backups", "x")
