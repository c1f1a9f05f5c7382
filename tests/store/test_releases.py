"""Releases in the store: one is live, and what is written twice is there once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.domain.errors import Fenced
from console.domain.release import Commit, FunctionVersion, Released, ReleaseState
from console.store import actions, releases
from tests.store.acting import KINDS, planned
from tests.store.stores import Place

FIRST = Released(
    "v1", "aa" * 20, ReleaseState.LIVE, functions=(FunctionVersion("execute-order", 3, "ff"),), frontend="dpl_1",
    words="found \x1b[31mrunning",
)  # fmt: skip


async def story(place: Place) -> list[tuple[str, str]]:
    rows = await place.owner("SELECT version, state FROM console.release ORDER BY id")
    return [(row["version"], row["state"]) for row in rows]


async def test_one_is_live_and_what_was_before_is_told(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        await actions.publish_kinds(store, lease, KINDS)
        assert await releases.put(store, lease, None, FIRST) is not None
        # What another agent finds running is known by now.
        assert await releases.put(store, lease, None, replace(FIRST, version="v0")) is None
        one, two, three = [
            (await planned(alice, store, lease, target=f"203.0.113.{n}", network=f"203.0.113.{n}")).id
            for n in range(3)
        ]
        await releases.put(store, lease, one, replace(FIRST, version="v2", migrations=("7",)))
        await releases.put(store, lease, two, replace(FIRST, version="v3", state=ReleaseState.FAILED))
        assert await story(place) == [("v1", "good"), ("v2", "live"), ("v3", "failed")]
        # An agent that was cut off before it could end its action writes it again.
        for _ in range(2):
            back = replace(FIRST, version="v1", before=ReleaseState.ROLLED_BACK)
            await releases.put(store, lease, three, back)
        assert await story(place) == [("v1", "good"), ("v2", "rolled back"), ("v3", "failed"), ("v1", "live")]
        newest, *_ = await releases.recent(store)
    assert (newest.version, newest.action_id, newest.by) == ("v1", three, "alice")
    assert newest.functions == FIRST.functions and newest.words == "found ␛[31mrunning"
    async with place.open("vera") as vera:
        assert len(await releases.recent(vera, limit=2)) == 2


async def test_candidates_are_replaced(place: Place) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    commits = [Commit(f"{n:02}" * 20, at, "Mei \x07", f"no. {n}", "", n, ("1",), ("f",)) for n in range(3)]
    async with place.leader() as (store, lease):
        await releases.put_candidates(store, lease, commits)
        found = await releases.candidates(store)
        assert [c.subject for c in found] == ["no. 0", "no. 1", "no. 2"]
        assert found[1] == replace(commits[1], author="Mei ␇")
        await releases.put_candidates(store, lease, commits[2:])
        assert [c.subject for c in await releases.candidates(store)] == ["no. 2"]
        with pytest.raises(Fenced):
            await releases.put_candidates(store, replace(lease, fence=lease.fence - 1), [])
    assert len(await place.owner("SELECT FROM console.candidate")) == 1
