import asyncio
import json

import pytest

from console.domain.errors import StoreRefused
from console.processes.postgres import EmbeddedPostgres
from console.store import actions, audit, migrate, people
from console.store.pool import Store
from console.store.shipped import Migration, migrations
from tests.conftest import NewDatabase
from tests.store.stores import Place, password_of

NAMES = [m.name for m in migrations()]


@pytest.fixture
def empty(postgres_any: EmbeddedPostgres, new_database: NewDatabase) -> tuple[str, str]:
    """URL and password of an empty database."""
    return new_database(postgres_any), postgres_any.password


async def test_an_upgrade_applies_all_and_a_second_one_nothing(empty: tuple[str, str]) -> None:
    assert [s.applied_at for s in await migrate.status(*empty)] == [None] * len(NAMES)
    assert await migrate.upgrade(*empty, environment="test") == NAMES
    assert await migrate.upgrade(*empty, environment="test") == []
    states = await migrate.status(*empty)
    assert [s.name for s in states] == NAMES
    assert all(s.applied_at and s.known and not s.changed for s in states)


async def test_a_store_grows_with_the_program(empty: tuple[str, str]) -> None:
    await migrate.upgrade(*empty, environment="test", files=migrations()[:2])
    assert await migrate.upgrade(*empty, environment="test") == NAMES[2:]


async def test_what_was_there_before_0012_is_what_it_was_and_in_the_audit_once(
    postgres_any: EmbeddedPostgres, new_database: NewDatabase
) -> None:
    url, password = new_database(postgres_any), postgres_any.password
    place = Place(postgres_any, url)
    files = [m for m in migrations() if m.name < "0012"]
    await migrate.upgrade(url, password, environment="test", files=files)
    await people.ensure_login(
        url, password, name="alice", role="responder", login_password=password_of("alice")
    )
    await place.owner(
        """
        WITH a AS (
            INSERT INTO console.action (kind, target, params, reason, origin, state)
                VALUES ('suspend_account', 'a@b.c', '{}', 'x', 'person', 'interrupted') RETURNING id
        ), s AS (
            INSERT INTO console.action_step (action_id, seq, name, title, layer, state, attempt, text, fence)
                SELECT id, seq, 'x', 'x', '', state, 1, text, 1 FROM a, (VALUES
                    (1, 'done', 'the answer, before: 9'), (2, 'unknown', 'before: 7 sessions')) AS v(seq, state, text)
        )
        INSERT INTO console.finding (kind, severity, source, phase, first_at, attack_at, last_at, count, peak,
            threshold, window_s, users, users_more, affected, affected_more, action, action_for_s, settled)
            SELECT 'x', 'info', 'x', 'open', now(), now(), now(), 1, 1, 1, 1, '{}', false, '{}', false, '', 0, '{}'
            FROM generate_series(1, 2)
        """
    )
    async with place.raw("alice") as alice:
        assert await alice.fetchval("SELECT console.dismiss_finding(1, 'before')") is None
    assert await migrate.upgrade(url, password, environment="test") == [n for n in NAMES if n >= "0012"]
    async with place.raw("alice") as alice:
        assert await alice.fetchval("SELECT console.dismiss_finding(2, 'afterwards')") is None
    async with place.open("alice") as store:
        steps = [(step.before, step.text) for step in await actions.steps(store, 1)]
        assert steps == [("", "the answer, before: 9"), ("7 sessions", "")]
        told = [
            (e.subject, json.loads(e.detail)["text"])
            for e in await audit.recent(store)
            if e.verb == "dismissed"
        ]
        assert told == [("finding 2", "afterwards"), ("finding 1", "before")]
        assert (await audit.verify(store)).problem == ""


async def test_a_file_that_fails_leaves_nothing_of_itself(empty: tuple[str, str]) -> None:
    bad = Migration("0999_bad", "CREATE TABLE console.half (id int); SELECT 1 / 0")
    with pytest.raises(StoreRefused, match="division by zero"):
        await migrate.upgrade(*empty, environment="test", files=[*migrations(), bad])
    states = {s.name: s.applied_at for s in await migrate.status(*empty)}
    assert list(states) == NAMES
    async with migrate.connected(*empty) as connection:
        assert await connection.fetchval("SELECT to_regclass('console.half')") is None


async def test_a_changed_file_is_refused(place: Place) -> None:
    changed = [Migration(NAMES[0], migrations()[0].sql + "\n-- mended"), *migrations()[1:]]
    with pytest.raises(StoreRefused, match=f"another {NAMES[0]}"):
        await migrate.upgrade(place.url, place.server.password, environment="test", files=changed)
    states = await migrate.status(place.url, place.server.password, files=changed)
    assert [s.name for s in states if s.changed] == [NAMES[0]]


async def test_a_newer_store_is_refused_by_upgrade_and_by_open(place: Place) -> None:
    await place.owner("INSERT INTO console.migration (name, sha256) VALUES ('9999_future', 'x')")
    with pytest.raises(StoreRefused, match=r"newer than this program.*9999_future.*update this program"):
        await migrate.upgrade(place.url, place.server.password, environment="test")
    with pytest.raises(StoreRefused, match=r"newer than this program.*9999_future.*update this program"):
        async with place.open("vera"):
            pass


async def test_an_older_and_an_empty_store_name_the_command(empty: tuple[str, str]) -> None:
    url, password = empty
    with pytest.raises(StoreRefused, match="is empty: run `tradex db upgrade`"):
        await Store.open(url, password=password)
    await migrate.upgrade(url, password, environment="test", files=migrations()[:-1])
    with pytest.raises(StoreRefused, match=r"older than this program.*run `tradex db upgrade`"):
        await Store.open(url, password=password)


async def test_another_environment_is_refused_before_anything_is_changed(empty: tuple[str, str]) -> None:
    await migrate.upgrade(*empty, environment="staging", files=migrations()[:-1])
    with pytest.raises(StoreRefused, match="belongs to the environment staging, not to production"):
        await migrate.upgrade(*empty, environment="production")
    assert [s.name for s in await migrate.status(*empty) if s.applied_at is None] == NAMES[-1:]


async def test_the_owner_may_change_scale_and_tick_but_never_the_environment(empty: tuple[str, str]) -> None:
    await migrate.upgrade(*empty, environment="test", time_scale=1, tick_s=30)
    await migrate.upgrade(*empty, environment="test", time_scale=10, tick_s=2)
    async with migrate.connected(*empty) as connection:
        row = await connection.fetchrow("SELECT environment, time_scale, tick_s FROM console.meta")
    assert row is not None
    assert tuple(row) == ("test", 10, 2)


async def test_two_upgrades_at_once_apply_each_file_once(empty: tuple[str, str]) -> None:
    done = await asyncio.gather(*(migrate.upgrade(*empty, environment="test") for _ in range(3)))
    assert sorted(done, key=len) == [[], [], NAMES]


async def test_two_stores_of_one_server_can_be_made_at_once(
    postgres_any: EmbeddedPostgres, new_database: NewDatabase
) -> None:
    urls = [new_database(postgres_any) for _ in range(3)]
    done = await asyncio.gather(
        *(migrate.upgrade(url, postgres_any.password, environment="test") for url in urls)
    )
    assert done == [NAMES] * 3
