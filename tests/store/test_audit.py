"""The audit's chain: what is done to it is found, and it does not fork however many write."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.action import AuditEntry
from console.domain.alert import Matcher
from console.domain.errors import Refused
from console.processes.postgres import EmbeddedPostgres
from console.store import actions, alerts, audit, freezes, people, silences
from console.store.audit import Verdict
from console.store.pool import Store
from tests.conftest import NewDatabase
from tests.store.acting import KINDS, ask
from tests.store.stores import NOON, Place, password_of, upgraded

ENTRIES = 10_000
# As note_audit writes them, in one statement: ten thousand calls of it take seconds.
FILL = """
    DO $$
    DECLARE
        before text := '';
        moment timestamptz := '2026-03-10T12:00:00Z';
        detail jsonb;
    BEGIN
        FOR i IN 1..10000 LOOP
            moment := moment + interval '1.001 s';
            detail := jsonb_build_object('text', 'entry ' || i || ' – "é"', 'n', i);
            before := console.audit_hash(before, i, moment, 'alice', 'requested', 'block_ip ' || i, i, detail);
            INSERT INTO console.audit VALUES (i, moment, 'alice', 'requested', 'block_ip ' || i, i, detail, before);
        END LOOP;
        UPDATE console.audit_head SET seq = 10000, hash = before;
    END $$
"""
# What whoever owns the database can do: all from entry 5000 on, hashed anew.
REWRITE = """
    DO $$
    DECLARE
        before text := (SELECT hash FROM console.audit WHERE seq = 4999);
        e console.audit;
    BEGIN
        FOR e IN SELECT * FROM console.audit WHERE seq >= 5000 ORDER BY seq LOOP
            IF e.seq = 5000 THEN
                e.actor := 'mallory';
            END IF;
            before := console.audit_hash(before, e.seq, e.at, e.actor, e.verb, e.subject, e.action_id, e.detail);
            UPDATE console.audit SET actor = e.actor, hash = before WHERE seq = e.seq;
        END LOOP;
        UPDATE console.audit_head SET hash = before;
    END $$
"""


Owner = tuple[asyncpg.Connection, Store]
# On one worker, so that the long one is made once.
on_the_long_one = pytest.mark.xdist_group("audit")


@pytest.fixture(scope="module")
def long_one(postgres: EmbeddedPostgres, session_database: NewDatabase) -> str:
    """A store with ten thousand entries whose owner has taken the lock off; to be copied."""
    url = session_database(postgres, template=upgraded(postgres, session_database))
    place = Place(postgres, url)

    async def fill() -> None:
        await place.owner(FILL)
        await place.owner("ALTER TABLE console.audit DISABLE TRIGGER append_only")

    asyncio.run(fill())
    return url


@pytest.fixture
async def owner(postgres: EmbeddedPostgres, new_database: NewDatabase, long_one: str) -> AsyncIterator[Owner]:
    """A copy of it: the owner's connection, and a viewer's store that proves."""
    place = Place(postgres, new_database(postgres, template=long_one))
    async with place.raw("postgres") as connection, place.open("vera") as store:
        yield connection, store


CHANGES = {
    "at": "at = at + interval '1 microsecond'",
    "actor": "actor = 'alicf'",
    "verb": "verb = 'requestee'",
    "subject": "subject = subject || ' '",
    "action_id": "action_id = action_id + 1",
    "detail": """detail = detail || '{"n": -1}'""",
    "hash": "hash = overlay(hash PLACING CASE WHEN hash LIKE '0%' THEN '1' ELSE '0' END FROM 1 FOR 1)",
}


@on_the_long_one
async def test_a_changed_column_a_removed_and_an_added_entry_are_found_where_they_are(owner: Owner) -> None:
    connection, store = owner
    good = await audit.verify(store)
    assert (good.entries, good.seq, good.problem) == (ENTRIES, ENTRIES, "")
    # The first and the last one too.
    places = iter([1, ENTRIES, *random.Random(7).sample(range(2, 6000), len(CHANGES))])
    for change in CHANGES.values():
        seq = next(places)
        row = await connection.fetchrow("DELETE FROM console.audit WHERE seq = $1 RETURNING *", seq)
        assert row is not None
        put = "INSERT INTO console.audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        await connection.execute(put, *row)
        await connection.execute(f"UPDATE console.audit SET {change} WHERE seq = $1", seq)
        broken = await audit.verify(store)
        assert (broken.broken_at, broken.problem) == (seq, f"entry {seq} is not as it was written"), change
        assert (broken.entries, broken.seq) == (seq - 1, seq - 1)
        await connection.execute("DELETE FROM console.audit WHERE seq = $1", seq)
        if seq < ENTRIES:
            broken = await audit.verify(store)
            assert (broken.broken_at, broken.problem) == (seq, f"entry {seq} is missing")
        await connection.execute(put, *row)
    await connection.execute(
        "INSERT INTO console.audit SELECT 0, at, actor, verb, subject, action_id, detail, hash "
        "FROM console.audit WHERE seq = 1"
    )
    assert (await audit.verify(store)).problem == "entry 0 is one too many"
    await connection.execute("DELETE FROM console.audit WHERE seq = 0")
    assert await audit.verify(store) == good


@on_the_long_one
async def test_a_change_of_any_entry_changes_its_hash(owner: Owner) -> None:
    _, store = owner
    randomly = random.Random(3)

    def disturbed(entry: AuditEntry, before: str) -> tuple[str, AuditEntry]:
        match name := randomly.choice(
            ["before", "seq", "at", "actor", "verb", "subject", "action_id", "detail"]
        ):
            case "before":
                return _flipped(before, randomly) or "0", entry
            case "seq" | "action_id":
                return before, replace(entry, **{name: getattr(entry, name) + 1})
            case "at":
                return before, replace(entry, at=entry.at + timedelta(microseconds=1))
            case _:
                return before, replace(entry, **{name: _flipped(getattr(entry, name), randomly)})

    before, count = "", 0
    async for entry in audit.entries(store):
        assert audit.hash_of(before, entry) == entry.hash
        assert audit.hash_of(*disturbed(entry, before)) != entry.hash
        before, count = entry.hash, count + 1
    assert count == ENTRIES


def _flipped(text: str, randomly: random.Random) -> str:
    """One byte of it changed."""
    if not text:
        return text
    at = randomly.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


@on_the_long_one
async def test_a_cut_tail_is_found_by_the_head_and_when_that_fits_too_by_an_anchor(owner: Owner) -> None:
    connection, store = owner
    seq, digest, _ = await audit.head(store)
    assert (await audit.verify(store, (seq, digest))).problem == ""
    await connection.execute("DELETE FROM console.audit WHERE seq > 9990")
    cut = await audit.verify(store)
    assert (cut.broken_at, cut.problem) == (9991, "entries 9991 to 10000 are missing: the tail was cut off")
    await connection.execute(
        "UPDATE console.audit_head AS h SET seq = a.seq, hash = a.hash FROM console.audit AS a WHERE a.seq = 9990"
    )
    assert (await audit.verify(store)).problem == ""
    cut = await audit.verify(store, (seq, digest))
    assert (cut.broken_at, cut.problem) == (
        9991,
        "entry 10000 of the anchor is missing: the tail was cut off",
    )
    await connection.execute("UPDATE console.audit_head SET hash = repeat('0', 64)")
    assert (await audit.verify(store)).problem == "the head does not fit the last entry"
    await connection.execute("DELETE FROM console.audit_head")
    assert (await audit.verify(store)).problem == "the head of the audit is gone"


@on_the_long_one
async def test_a_chain_that_was_rewritten_is_found_by_an_anchor(owner: Owner) -> None:
    connection, store = owner
    rows = await connection.fetch("SELECT seq, hash FROM console.audit WHERE seq IN (4999, 5000, 9000)")
    anchors: dict[int, str] = dict(rows)
    await connection.execute(REWRITE)
    assert (await audit.verify(store)).problem == ""
    assert (await audit.verify(store, (4999, anchors[4999]))).problem == "", "what was before it is as it was"
    for seq in (5000, 9000):
        found = await audit.verify(store, (seq, anchors[seq]))
        assert (found.broken_at, found.problem) == (
            seq,
            f"entry {seq} is not the one of the anchor: the chain was rewritten",
        )


# A text of PostgreSQL holds no NUL, and UTF-8 no lone surrogates.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)


@on_the_long_one
def test_the_store_and_this_program_compute_the_same_hash(postgres: EmbeddedPostgres, long_one: str) -> None:
    entry = st.builds(
        AuditEntry,
        st.integers(1, 2**63 - 1),
        st.integers(0, 2**52).map(lambda us: NOON + timedelta(microseconds=us - 2**51)),
        *(TEXT for _ in range(3)),
        st.none() | st.integers(1, 2**63 - 1),
        st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=3).map(repr),
        st.just(""),
    )

    @settings(max_examples=100, deadline=None)
    @given(TEXT, entry)
    def same(before: str, e: AuditEntry) -> None:
        sent = loop.run_until_complete(
            connection.fetchrow(
                """
                SELECT d::text AS detail, console.audit_hash($1, $2, $3, $4, $5, $6, $7, d) AS hash
                FROM (SELECT to_jsonb($8::text)) AS q(d)
                """,
                *(before, e.seq, e.at, e.actor, e.verb, e.subject, e.action_id, e.detail),
            )
        )
        assert sent is not None
        assert audit.hash_of(before, replace(e, detail=sent["detail"])) == sent["hash"]

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        connection = loop.run_until_complete(asyncpg.connect(long_one, password=postgres.password))
        try:
            same()
        finally:
            loop.run_until_complete(connection.close())


async def test_twenty_writers_and_one_who_hangs_make_one_chain(place: Place) -> None:
    async with place.leader() as (agent, lease):
        await actions.publish_kinds(agent, lease, KINDS)
    request = "SELECT refusal, id FROM console.request_action('block_ip', $1, '{}', 'x', '', NULL)"
    writers, each = 20, 10

    async def write(number: int) -> int:
        async with place.raw(("alice", "bob", "vera")[number % 3]) as connection:
            for i in range(each):
                await connection.fetchrow(request, f"203.0.113.{number}:{i}")
            return each

    async with place.raw("alice") as hanging:
        await hanging.execute("BEGIN")
        await hanging.fetchrow(request, "never seen")
        done = await asyncio.gather(*(write(i) for i in range(writers)))
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await hanging.execute("COMMIT")
    await place.owner("SELECT console.hold_audit()")  # chains in what a viewer asked for last
    async with place.open("vera") as store:
        assert await audit.verify(store) == Verdict(sum(done), sum(done), (await audit.head(store))[1])
        assert await store.fetchval("SELECT count(*) FROM console.audit WHERE subject LIKE '%never%'") == 0


async def test_who_may_only_look_holds_up_nobody_and_is_in_it_all_the_same(place: Place) -> None:
    async with place.leader() as (agent, lease), place.open("alice") as alice, place.raw("vera") as vera:
        await actions.publish_kinds(agent, lease, KINDS)
        number = await ask(alice)
        await vera.execute("BEGIN")
        for call in (
            "request_action('block_ip', 'x', '{}', 'x', '', NULL)",
            f"confirm_action({number}, '', '', '{{}}', '')",
            f"approve_action({number}, '')",
            f"withdraw_action({number}, '')",
            f"cancel_action({number}, '')",
            f"resume_action({number}, 'stop', '')",
            "add_freeze(NULL, 60, 'x')",
            "end_freeze(1)",
            "break_glass('x', 60)",
            "mend_glass()",
            "dismiss_finding(1, 'x')",
        ):
            await vera.execute(f"SELECT console.{call}")
        await vera.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await actions.cancel(alice, number)
        assert {e.actor for e in await audit.recent(alice)} == {"alice"}
        await vera.execute("COMMIT")
        await actions.expire(agent, lease)
        noted = [e.verb for e in reversed(await audit.recent(alice)) if e.actor == "vera"]
        assert noted == [
            f"refused {what}"
            for what in (
                *("request", "confirmation", "approval", "withdrawal", "cancellation", "resumption"),
                *("freeze", "thaw", "break-glass", "mending", "dismissal"),
            )
        ]
        assert (await audit.verify(alice)).problem == ""


async def test_one_who_may_only_look_fills_nothing_up_and_keeps_nobody_else_out(place: Place) -> None:
    await people.ensure_login(
        place.url, place.server.password, name="victor", role="viewer", login_password=password_of("victor")
    )
    async with place.raw("vera") as vera, place.raw("victor") as victor:
        for _ in range(200):
            assert await vera.fetchval("SELECT console.mend_glass()")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="200 entries of vera wait"):
            await vera.fetchval("SELECT console.mend_glass()")
        assert await victor.fetchval("SELECT console.mend_glass()")
    async with place.open("vera") as store:
        with pytest.raises(Refused, match="vera may not mend the glass"):
            await freezes.mend_glass(store)
    async with place.open("alice") as alice:
        for _ in range(3):  # a hundred at a time
            await place.owner("SELECT console.hold_audit()")
        entries = [e async for e in audit.entries(alice)]
        assert [e.actor for e in entries] == ["vera"] * 200 + ["victor"]
        assert [e.at for e in entries] == sorted(e.at for e in entries)
        assert (await audit.verify(alice)).problem == ""
    async with place.raw("vera") as vera:
        assert await vera.fetchval("SELECT console.mend_glass()")


async def test_a_rolled_back_entry_leaves_no_gap(place: Place) -> None:
    async with place.raw("alice") as alice:
        await alice.execute("BEGIN; SELECT console.mend_glass(); ROLLBACK")
        await alice.execute("SELECT console.mend_glass()")
    async with place.open("vera") as store:
        assert (await audit.verify(store)).entries == 1


async def test_acknowledgements_and_silences_are_in_it(place: Place) -> None:
    opened = {
        "op": "open",
        "rule": "High Error Rate",
        "phase": "firing",
        "type": "x",
        "severity": "warning",
        "action": "x",
        "condition": "x",
        "definition": "x",
        "summary": "x",
        "for_s": 0.0,
    }
    async with place.leader() as (agent, lease), place.open("alice") as alice:
        now = await agent.now()
        await alerts.write(agent, lease, cursor=now, changes=[opened | {"pending_at": now, "fired_at": now}])
        (one,) = await alerts.current(alice, resolved_since=now)
        await alerts.acknowledge(alice, [one.id], "mine")
        await alerts.unacknowledge(alice, [one.id])
        silence = await silences.add(
            alice, [Matcher("rule", "=", "x")], length=timedelta(hours=1), reason="quiet"
        )
        await silences.end(alice, silence.id)
        noted = [(e.actor, e.verb) for e in reversed(await audit.recent(alice))]
        assert noted == [
            *(("alice", "acknowledged"), ("alice", "unacknowledged")),
            *(("alice", "silenced"), ("alice", "ended a silence")),
        ]
        assert (await audit.verify(alice)).problem == ""
