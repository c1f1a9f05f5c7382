"""Exactly one agent leads, on the database's clock, and what an agent of the past writes is refused."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from console.domain.errors import Fenced, StoreRefused
from console.domain.event import Severity
from console.store import health, maintenance, ticks, timeline
from console.store import lease as leases
from tests.store.stores import NOON, Place, password_of, spec

WaitFor = Callable[..., Awaitable[Any]]
TAKEOVER_S = 5.0
STANDS_STILL = Path(__file__).with_name("standstill.py")


async def test_one_of_many_leads(place: Place) -> None:
    async with place.open("auto", size=8) as store:
        got = await asyncio.gather(*(leases.acquire(store, f"a{i}", 60) for i in range(8)))
        winners = [lease for lease in got if lease]
        assert len(winners) == 1
        state = await leases.agent_state(store)
        assert (state.leader, state.fence) == (winners[0].holder, winners[0].fence)


async def test_a_lease_that_is_renewed_stays_and_one_that_is_not_passes_on(
    place: Place, wait_for: WaitFor
) -> None:
    async with place.open("auto") as store:
        first = await leases.acquire(store, "a1", 0.5)
        assert first is not None
        assert await leases.renew(store, first, 60)
        assert await leases.acquire(store, "a2", 60) is None
        assert await leases.renew(store, first, 0.2)
        second = await wait_for(lambda: leases.acquire(store, "a2", 60))
        assert second.fence > first.fence
        assert not await leases.renew(store, first, 60)
        assert (await leases.agent_state(store)).leader == "a2"
        newest = (await timeline.recent(store))[0]
        assert newest.text == f"a2 leads (fence {second.fence}), the lease of a1 ran out"
        assert newest.severity is Severity.WARNING


async def test_a_lease_that_ran_out_and_that_nobody_took_can_be_renewed(
    place: Place, wait_for: WaitFor
) -> None:
    async with place.open("auto") as store:
        lease = await leases.acquire(store, "a1", 0.1)
        assert lease is not None

        async def nobody_leads() -> bool:
            return (await leases.agent_state(store)).leader is None

        await wait_for(nobody_leads)
        since = (await leases.agent_state(store)).since
        assert since is not None
        assert since >= lease.expires_at
        assert await leases.renew(store, lease, 60)
        assert (await leases.agent_state(store)).leader == "a1"


async def test_one_that_is_handed_back_is_free_at_once_and_its_fence_is_over(place: Place) -> None:
    async with place.leader("a1") as (store, lease):
        await leases.release(store, lease)
        with pytest.raises(Fenced, match="nobody leads"):
            await timeline.append(store, lease, kind="agent", severity=Severity.INFO, subject="a1", text="x")
        second = await leases.acquire(store, "a2", 60)
        assert second is not None
        await leases.release(store, lease)  # over already: nothing happens
        assert (await leases.agent_state(store)).leader == "a2"
        assert [e.text for e in await timeline.recent(store)] == [
            f"a2 leads (fence {second.fence})",
            "a1 has stopped leading",
            f"a1 leads (fence {lease.fence})",
        ]


async def test_every_write_of_a_deposed_leader_is_refused(place: Place, wait_for: WaitFor) -> None:
    async with place.leader("a1", ttl_s=0.2) as (store, old):
        catalogue_id = await ticks.ensure_catalogue(store, old, [spec("error_rate")])
        await wait_for(lambda: leases.acquire(store, "a2", 300))
        before = await place.owner("SELECT count(*) FROM console.event")
        for write in (
            lambda: ticks.write_tick(store, old, at=NOON, catalogue_id=catalogue_id, values=[], checks=[]),
            lambda: ticks.ensure_catalogue(store, old, [spec("other")]),
            lambda: ticks.write_seeded(store, old, [spec("other")], [(NOON, [])]),
            lambda: timeline.append(store, old, kind="x", severity=Severity.INFO, subject="x", text="x"),
            lambda: maintenance.maintain(store, old),
        ):
            with pytest.raises(Fenced, match=r"fence 1 is over: a2 leads with fence 2"):
                await write()
        assert (await ticks.latest(store)).at is None
        assert await place.owner("SELECT count(*) FROM console.event") == before


async def test_a_leader_that_stands_still_between_begin_and_commit_is_replaced_and_writes_nothing(
    place: Place, wait_for: WaitFor
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, STANDS_STILL, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        given = {"url": place.url_of("auto"), "password": password_of("auto"), "at": NOON.isoformat()}
        child.stdin.write(json.dumps(given).encode() + b"\n")
        assert await child.stdout.readline() == b"written 1\n"
        child.send_signal(signal.SIGSTOP)
        async with place.open("auto") as store:
            new = await wait_for(lambda: leases.acquire(store, "new", 60), timeout=TAKEOVER_S)
            assert new.fence == 2
            child.send_signal(signal.SIGCONT)
            child.stdin.write(b"\n")
            assert (await child.stdout.readline()).startswith(b"lost: ")
            assert await child.stdout.readline() == b"fenced: TX001\n"
            assert (await ticks.latest(store)).at is None
            assert await health.current(store) == []
            assert "never seen" not in " ".join(e.text for e in await timeline.recent(store))
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def test_a_take_over_never_overtakes_a_write_that_is_not_committed(
    place: Place, wait_for: WaitFor
) -> None:
    """While the write is open nobody else can lead; once it is committed it was written by the leader."""
    async with place.open("auto") as store, place.raw("auto") as connection:
        old = await leases.acquire(store, "old", 0.2)
        assert old is not None
        async with connection.transaction():
            await connection.execute(
                "SELECT console.append_event($1, 'agent', 'info', 'old', 'in time')", old.fence
            )

            async def nobody_leads() -> bool:
                return (await leases.agent_state(store)).leader is None

            await wait_for(nobody_leads)
            assert await leases.acquire(store, "new", 60) is None
        assert await leases.acquire(store, "new", 60)
        assert [e.text for e in await timeline.recent(store)][1] == "in time"


async def test_agents_that_stand_by_are_seen(place: Place) -> None:
    async with place.leader("a1") as (store, _):
        for name in ("a2", "a1", "a3\x1b]52;c;x\x07"):
            await leases.heartbeat(store, name, "0.1.0")
        state = await leases.agent_state(store)
        assert (state.leader, state.standby, state.tick_s) == ("a1", ("a2", "a3␛]52;c;x␇"), 2)
        await place.owner(
            "UPDATE console.presence SET seen_at = clock_timestamp() - interval '1 minute' WHERE name = 'a2'"
        )
        assert (await leases.agent_state(store)).standby == ("a3␛]52;c;x␇",)


@pytest.mark.parametrize(("holder", "ttl_s"), [("", 3), ("a1", 0), ("a1", 1e9), ("a1", float("nan"))])
async def test_a_lease_without_a_holder_or_for_ever_is_refused(
    place: Place, holder: str, ttl_s: float
) -> None:
    async with place.open("auto") as store:
        with pytest.raises(StoreRefused, match="a lease needs a holder"):
            await leases.acquire(store, holder, ttl_s)
