import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from console.domain.errors import Fenced, Refused, StoreRefused
from console.domain.event import Event, Severity
from console.domain.finding import Detector, Finding, FindingPhase, FindingState
from console.store import findings, timeline
from console.store.findings import Written
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.stores import NOON, Place

S = timedelta(seconds=1)
ATTACKER = "203.0.113.200"


def finding(**changes: Any) -> Finding:
    plain = Finding(
        id=0,
        kind="brute_force",
        severity=Severity.CRITICAL,
        source=ATTACKER,
        phase=FindingPhase.OPEN,
        at=NOON,
        opened_at=NOON,
        since=NOON,
        first_at=NOON,
        attack_at=NOON + 9 * S,
        last_at=NOON + 10 * S,
        count=12,
        peak=11,
        threshold=10,
        window=30 * S,
        users=("u1", "u2"),
        action="block_ip",
        action_for=timedelta(hours=24),
    )
    return replace(plain, **changes)


class Rounds:
    """Writes round after round of one detector."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.store, self.lease, self.revision = store, lease, 0

    async def write(self, *found: Finding, settled: dict[str, Any] | None = None) -> list[int]:
        ids = await findings.write(
            self.store,
            self.lease,
            "brute_force",
            revision=self.revision,
            settled_at=NOON + self.revision * S,
            changed=[Written(each, settled or {"number": 1}) for each in found],
        )
        assert ids is not None
        self.revision += 1
        return ids

    async def told(self) -> list[Event]:
        return [e for e in reversed(await timeline.recent(self.store)) if e.kind == "security"]


async def kinds_of(store: Store, finding_id: int) -> list[str]:
    return [change.kind for change in reversed(await findings.history(store, finding_id))]


async def test_a_finding_is_written_once_grows_and_is_read_by_everybody(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("vera") as reader:
        rounds = Rounds(store, lease)
        [number] = await rounds.write(finding())
        [first] = await findings.current(reader)
        assert replace(finding(id=number), at=first.at, opened_at=first.at, since=first.at) == first
        assert first.at > NOON
        assert await rounds.write(finding(id=number, count=40, peak=30, last_at=NOON + 20 * S)) == [number]
        [grown] = await findings.current(reader)
        assert (grown.count, grown.peak, grown.opened_at, grown.since) == (40, 30, first.at, first.at)
        assert grown.at > first.at
        assert await findings.show(reader, number) == grown
        assert await findings.show(reader, number + 1) is None
        assert await findings.show(reader, 2**70) is None
        assert await kinds_of(reader, number) == ["opened"]
        [event] = await rounds.told()
        assert (event.severity, event.subject, event.actor) == (Severity.CRITICAL, ATTACKER, "auto")
        assert event.text == (
            f"brute force from {ATTACKER}: 12 failed log-ins of 2 accounts, at most 11 within 30s"
        )


async def test_the_timeline_tells_what_becomes_of_it(place: Place) -> None:
    async with place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        [n] = await rounds.write(finding())
        for changes in (
            {"count": 99},
            {"count": 100},
            {"count": 999},
            {"count": 1000},
            {"count": 1000, "affected": ("u2",)},
            {"count": 1000, "affected": ("u2",), "phase": FindingPhase.QUIET},
            {"count": 1020, "affected": ("u2",)},
            {
                "count": 1020,
                "affected": ("u2",),
                "phase": FindingPhase.BLOCKED,
                "blocked_until": NOON + 900 * S,
            },
            {"count": 1020, "affected": ("u2",)},
        ):
            await rounds.write(finding(id=n, **changes))
        assert await kinds_of(store, n) == [
            *("opened", "grown", "grown", "affected", "quiet", "again", "blocked", "again"),
        ]
        assert [(e.severity.value, e.text.partition(":")[0]) for e in await rounds.told()] == [
            ("critical", f"brute force from {ATTACKER}"),
            ("critical", f"{ATTACKER} goes on"),
            ("critical", f"{ATTACKER} goes on"),
            ("critical", f"somebody logged in from {ATTACKER}"),
            ("ok", f"{ATTACKER} is quiet"),
            ("critical", f"{ATTACKER} attacks again"),
            ("ok", f"{ATTACKER} is blocked"),
            ("critical", f"{ATTACKER} is no longer blocked"),
        ]


async def test_one_that_was_over_when_it_was_found_is_told_in_full(place: Place) -> None:
    async with place.leader() as (store, lease):
        [n] = await Rounds(store, lease).write(finding(affected=("u1",), phase=FindingPhase.QUIET, count=500))
        assert await kinds_of(store, n) == ["opened", "affected", "quiet"]


async def test_a_round_that_is_sent_twice_is_written_once(place: Place) -> None:
    async with place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        await rounds.write(finding())
        again = await findings.write(
            store, lease, "brute_force", revision=0, settled_at=NOON, changed=[Written(finding(), {})]
        )
        assert again is None
        assert len(await findings.current(store)) == 1
        assert (await findings.standing(store, "brute_force")).revision == 1


async def test_the_next_agent_is_told_where_to_go_on(place: Place) -> None:
    async with place.leader() as (store, lease):
        assert await findings.standing(store, "brute_force") == findings.Standing(0, None, ())
        rounds = Rounds(store, lease)
        settled = {"number": 2, "base": {"users": ["u1"]}}
        [a] = await rounds.write(finding(), settled=settled)
        [b] = await rounds.write(finding(source="203.0.113.7", phase=FindingPhase.QUIET))
        [c] = await rounds.write(
            finding(source="203.0.113.8", phase=FindingPhase.QUIET, last_at=NOON - 9 * S)
        )
        found = await findings.standing(store, "brute_force", live_since=NOON)
        assert (found.revision, found.settled_at) == (3, NOON + 2 * S)
        assert [each.finding.id for each in found.live] == [a, b]
        assert found.live[0].settled == settled
        assert [w.finding.id for w in (await findings.standing(store, "brute_force")).live] == [a]
        assert (await findings.standing(store, "another")).live == ()
        assert c not in {f.id for f in await findings.current(store)}


async def test_what_only_the_next_agent_looks_into_changes_nothing_for_others(place: Place, wait_for) -> None:
    told: list[str] = []
    async with place.raw("vera") as connection, place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        [n] = await rounds.write(finding())
        await connection.add_listener("tradex", lambda _c, _p, _ch, payload: told.append(payload))
        before = await findings.show(store, n)
        await rounds.write(finding(id=n), settled={"number": 5})
        assert await findings.show(store, n) == before
        assert (await findings.standing(store, "brute_force")).live[0].settled == {"number": 5}
        await rounds.write()
        await rounds.write(finding(id=n, count=13))
        await wait_for(lambda: told)
        assert told == ["finding"]


async def test_lists_show_what_is_open_and_what_is_recent(place: Place) -> None:
    async with place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        phases = {"a": FindingPhase.QUIET, "b": FindingPhase.OPEN, "c": FindingPhase.BLOCKED}
        await rounds.write(*(finding(source=s, phase=p) for s, p in phases.items()))
        [d] = await rounds.write(finding(source="d"))
        async with place.open("alice") as alice:
            await findings.dismiss(alice, d, "ours")
        assert [f.source for f in await findings.current(store)] == ["b", "c"]
        now = await store.now()
        found = await findings.current(store, since=now - 60 * S)
        assert [(f.source, f.state) for f in found] == [
            ("b", FindingState.OPEN),
            ("c", FindingState.BLOCKED),
            ("a", FindingState.QUIET),
            ("d", FindingState.DISMISSED),
        ]
        assert [f.source for f in await findings.current(store, since=now + 60 * S)] == ["b", "c"]


async def test_dismissing_names_who_and_why_and_stays_while_it_grows(place: Place) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        rounds = Rounds(store, lease)
        [n] = await rounds.write(finding())
        await findings.dismiss(alice, n, "  our own \x1bload test ")
        one = await findings.show(store, n)
        assert one is not None and one.state is FindingState.DISMISSED and not one.counts
        assert (one.dismissed_by, one.dismissed_reason) == ("alice", "our own ␛load test")
        told = [e.text for e in await rounds.told()]
        assert told[-1] == f"alice dismissed the brute force from {ATTACKER}: our own ␛load test"
        await rounds.write(finding(id=n, count=500, phase=FindingPhase.QUIET))
        one = await findings.show(store, n)
        assert one is not None and (one.count, one.state, one.dismissed_by) == (
            500, FindingState.DISMISSED, "alice",
        )  # fmt: skip
        assert [e.text for e in await rounds.told()] == told
        await rounds.write(finding(id=n, count=500, affected=("u1",)))
        assert [e.text.partition(":")[0] for e in await rounds.told()][len(told) :] == [
            f"somebody logged in from {ATTACKER}"
        ]
        assert await kinds_of(store, n) == ["opened", "dismissed", "grown", "quiet", "again", "affected"]
        audit = await place.owner("SELECT actor, verb, subject, detail->>'text' AS text FROM console.audit")
        assert [tuple(row) for row in audit] == [("alice", "dismissed", f"finding {n}", "our own ␛load test")]


async def test_who_may_dismiss_what(place: Place) -> None:
    async with place.leader() as (store, lease):
        [n] = await Rounds(store, lease).write(finding())
        async with place.open("bob") as bob:
            with pytest.raises(Refused, match=f"there is no finding {n + 1}"):
                await findings.dismiss(bob, n + 1, "why")
            with pytest.raises(Refused, match="there is no finding -1"):
                await findings.dismiss(bob, -1, "why")
            with pytest.raises(Refused, match="needs a reason"):
                await findings.dismiss(bob, n, "  ")
            await findings.dismiss(bob, n, "a test")
            with pytest.raises(Refused, match=f"bob dismissed finding {n} 0 s ago: a test"):
                await findings.dismiss(bob, n, "again")
        async with place.open("vera") as vera:
            with pytest.raises(Refused, match="vera is a viewer: to dismiss a finding takes a responder"):
                await findings.dismiss(vera, n, "why")
        async with place.open("bob", read_only=True) as still:
            with pytest.raises(Refused, match="read-only"):
                await findings.dismiss(still, n, "why")


async def test_only_the_leader_writes_and_history_stays(place: Place) -> None:
    async with place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        [n] = await rounds.write(finding())
        async with place.open("bob") as bob:
            with pytest.raises(StoreRefused, match="permission denied"):
                await Rounds(bob, lease).write(finding())
        for name in ("vera", "bob", "auto"):
            async with place.raw(name) as connection:
                for sql in (
                    "UPDATE console.finding SET dismissed_by = 'x', dismissed_at = now()",
                    "DELETE FROM console.finding",
                    "INSERT INTO console.finding_change (finding_id, kind, text, count) VALUES (1, 'x', '', 1)",
                    "UPDATE console.detector SET revision = 7",
                ):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(sql)
        for sql in ("DELETE FROM console.finding_change", "UPDATE console.finding_change SET kind = 'x'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await place.owner(sql)
        await place.owner("UPDATE console.lease SET fence = fence + 1")
        with pytest.raises(Fenced):
            await rounds.write(finding(id=n, count=13))


async def test_a_round_that_does_not_fit_is_refused_as_a_whole(place: Place) -> None:
    async with place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        for bad in (
            finding(id=77),
            finding(count=0),
            finding(source=""),
            finding(users=tuple(f"u{n}" for n in range(201))),
        ):
            with pytest.raises(StoreRefused):
                await rounds.write(finding(), bad)
        assert await findings.current(store) == []
        assert (await findings.standing(store, "brute_force")).revision == 0
        forged = finding(dismissed_by="alice", dismissed_at=NOON, dismissed_reason="no")
        [n] = await rounds.write(forged)
        one = await findings.show(store, n)
        assert one is not None and one.dismissed_by is None and one.dismissed_reason == ""
        raw = {"detector": "brute_force", "revision": 1, "findings": [{"id": n, "dismissed_by": "alice"}]}
        await store.execute("SELECT console.write_findings($1, $2)", lease.fence, json.dumps(raw))
        one = await findings.show(store, n)
        assert one is not None and one.dismissed_by is None


async def test_why_a_detector_can_not_run(place: Place, wait_for) -> None:
    told: list[str] = []
    async with place.raw("vera") as connection, place.leader() as (store, lease):
        rounds = Rounds(store, lease)
        await rounds.write()
        [before] = await findings.detectors(store)
        assert before.ran_at is not None and before.settled_at == NOON and before.reason == ""
        await connection.add_listener("tradex", lambda _c, _p, _ch, payload: told.append(payload))
        await findings.write(
            store, lease, "brute_force", revision=1, settled_at=None, reason="no source: \x1b[2J"
        )
        await wait_for(lambda: "finding" in told)
        assert await findings.detectors(store) == [
            Detector("brute_force", before.ran_at, NOON, "no source: ␛[2J")
        ]


async def test_hostile_text_is_printable_on_reading_whoever_wrote_it(place: Place) -> None:
    async with place.leader() as (store, lease):
        [n] = await Rounds(store, lease).write(finding(users=("\x1b[2J\u202e",), source="\x07[/]"))
        await place.owner("UPDATE console.finding SET affected = ARRAY[E'\\x1b]52;c;x'], action = E'\\x1b'")
        one = await findings.show(store, n)
        assert one is not None
        assert (one.users, one.source, one.affected, one.action) == (
            ("␛[2J�",), "␇[/]", ("␛]52;c;x",), "␛",
        )  # fmt: skip
