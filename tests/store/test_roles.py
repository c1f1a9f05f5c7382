"""Who may do what is decided in the database, so that a patched client gains nothing."""

from datetime import timedelta

import asyncpg
import pytest

from console.domain.errors import Refused, StoreRefused
from console.processes.postgres import EmbeddedPostgres
from console.store import (
    actions,
    alerts,
    audit,
    effects,
    freezes,
    health,
    migrate,
    people,
    silences,
    ticks,
    timeline,
)
from console.store import lease as leases
from tests.conftest import NewDatabase
from tests.store.acting import KINDS, planned
from tests.store.stores import NOON, PEOPLE, Place, password_of

AGENT_ONLY = {
    "acquire_lease": "SELECT console.acquire_lease('me', 3)",
    "renew_lease": "SELECT console.renew_lease(1, 3)",
    "heartbeat": "SELECT console.heartbeat('me', '1')",
    "append_event": "SELECT console.append_event(1, 'x', 'info', 'x', 'x')",
    "ensure_catalogue": "SELECT console.ensure_catalogue(1, '[]', false)",
    "write_seeded": "SELECT console.write_seeded(1, 1, '{}', '{}', '{}')",
    "write_tick": "SELECT console.write_tick(1, now(), 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "prepare_partitions": "SELECT console.prepare_partitions(1, now())",
    "thin_day": "SELECT console.thin_day(1, now())",
    "forget_month": "SELECT console.forget_month(1, now())",
    "write_alerts": "SELECT console.write_alerts(1, now(), '[]')",
    "expire_acknowledgements": "SELECT console.expire_acknowledgements(1, now(), 1800)",
    "append_logs": "SELECT console.append_logs(1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "set_log_sources": "SELECT console.set_log_sources(1, '{}', '{}', '{}')",
    "write_diagnosis": "SELECT console.write_diagnosis(1, 1, 'errors', now(), '{}')",
    "write_findings": """SELECT console.write_findings(1, '{"detector": "x", "revision": 0, "findings": []}')""",
    "publish_kinds": "SELECT console.publish_kinds(1, '[]')",
    "write_plan": "SELECT console.write_plan(1, 1, '{}', NULL)",
    "request_automatic": "SELECT console.request_automatic(1, 'x', '', '{}', 'x', '', '{}', NULL)",
    "start_action": "SELECT console.start_action(1, 1)",
    "write_steps": "SELECT console.write_steps(1, 1, '[]')",
    "append_output": "SELECT console.append_output(1, 1, 'x', 'out', '{x}')",
    "watch_action": "SELECT console.watch_action(1, 1)",
    "finish_action": "SELECT console.finish_action(1, 1, 'done', 'x', NULL)",
    "interrupt_action": "SELECT console.interrupt_action(1, 1, 'x', false)",
    "write_proof": "SELECT console.write_proof(1, 1, '{}')",
    "put_effect": "SELECT console.put_effect(1, 1, 'x', 'x', NULL, '[]')",
    "lift_effect": "SELECT console.lift_effect(1, 1, 'x', 'x', '[]')",
    "expire_actions": "SELECT console.expire_actions(1)",
    "put_release": """SELECT console.put_release(1, NULL, '{"version": "x", "commit": "x", "state": "failed"}')""",
    "put_candidates": "SELECT console.put_candidates(1, '[]')",
    "open_checks": "SELECT console.open_checks(1, 'env', '', '', NULL)",
    "start_checks": "SELECT console.start_checks(1, 1, 1)",
    "put_check": "SELECT console.put_check(1, 99, 1, '{}')",
    "end_checks": "SELECT console.end_checks(1, 1, '')",
    "next_checks": "SELECT console.next_checks(1)",
    "publish_books": "SELECT console.publish_books(1, '[]')",
    "open_by_rule": "SELECT console.open_by_rule(1, 1, '', 2)",
    "tick_step": "SELECT console.tick_step(1, 1, 1, 1, '')",
    "untick_step": "SELECT console.untick_step(1, 1, 1, 1, '')",
    "know_checklists": "SELECT console.know_checklists(1, now(), '{x}')",
    "open_runs": "SELECT console.open_runs(1, 'x', '[]', '{}')",
    "tick_items": "SELECT console.tick_items(1, 1, now(), '[]', '{}')",
    "tell_overdue": "SELECT console.tell_overdue(1, now())",
    "release_lease": "SELECT console.release_lease(1)",
}
PERSON = {
    "note_drill": "SELECT console.note_drill('latency', 'x')",
    "ack_alerts": "SELECT console.ack_alerts('{1}', 'x')",
    "unack_alerts": "SELECT console.unack_alerts('{1}')",
    "add_silence": "SELECT console.add_silence('[]', 60, 'x')",
    "end_silence": "SELECT console.end_silence(1)",
    "open_incident": "SELECT console.open_incident('x', 2, '{}', '', '', '')",
    "ack_incident": "SELECT console.ack_incident(1)",
    "link_alerts": "SELECT console.link_alerts(1, '{1}')",
    "split_incident": "SELECT console.split_incident(1, '{1}', 'x', '')",
    "merge_incident": "SELECT console.merge_incident(1, 2)",
    "mitigate_incident": "SELECT console.mitigate_incident(1, 'x', false)",
    "close_incident": "SELECT console.close_incident(1, 'x')",
    "reopen_incident": "SELECT console.reopen_incident(1, 'x')",
    "set_level": "SELECT console.set_level(1, 1, 'x')",
    "rename_incident": "SELECT console.rename_incident(1, 'x')",
    "set_role": "SELECT console.set_role(1, 'commander', 'bob')",
    "pin_plot": "SELECT console.pin_plot(1, 'error_rate')",
    "attach_runbook": "SELECT console.attach_runbook(1, 'x')",
    "mark_step": "SELECT console.mark_step(1, 1, 1, 'done', '', NULL)",
    "add_note": "SELECT console.add_note(1, 'x', 'x')",
    "pin_event": "SELECT console.pin_event(1, 1, false)",
    "add_follow_up": "SELECT console.add_follow_up(1, 'x', '', '')",
    "end_follow_up": "SELECT console.end_follow_up(1)",
    "record_update": "SELECT console.record_update(1, 'x', 'x', NULL, 'k')",
    "offer_handover": "SELECT console.offer_handover('bob', 'x', '', '')",
    "sign_handover": "SELECT console.sign_handover(1)",
    "mark_item": "SELECT console.mark_item(1, 1, 'done', '')",
    "start_checklist": "SELECT refusal FROM console.start_checklist('x')",
}
# Whoever may look is seen.
ANYBODY = {"beat": "SELECT console.beat(NULL, 1, '', true)"}
# Whoever may look may call these: what they refuse they answer, so that it stays in the audit. Each with those who get
# what it is for, where action 1 is planned, 2 waits for a second person, 3 is interrupted, and a freeze is planned.
ASKED = {
    "request_action": (
        "SELECT refusal FROM console.request_action('block_ip', '2001:db8::1', '{}', 'x', '', NULL)",
        {"alice", "bob"},
    ),
    "confirm_action": (
        "SELECT console.confirm_action(1, plan_hash, '', '{}', '') FROM console.action WHERE id = 1",
        {"alice", "bob"},
    ),
    "approve_action": (
        "SELECT console.approve_action(2, plan_hash) FROM console.action WHERE id = 2",
        {"bob"},
    ),
    "withdraw_action": ("SELECT console.withdraw_action(1, 'x')", {"alice"}),
    "cancel_action": ("SELECT console.cancel_action(1, 'x')", {"alice", "bob"}),
    "resume_action": ("SELECT console.resume_action(3, 'stop', 'x')", {"alice", "bob"}),
    "add_freeze": ("SELECT refusal FROM console.add_freeze(NULL, 60, 'x')", {"bob"}),
    "end_freeze": ("SELECT console.end_freeze(1)", {"bob"}),
    "break_glass": ("SELECT refusal FROM console.break_glass('x', 60)", {"alice", "bob"}),
    "mend_glass": (
        "SELECT console.mend_glass() FROM (SELECT refusal FROM console.break_glass('x', 60)) AS first",
        {"alice", "bob"},
    ),
    "dismiss_finding": ("SELECT console.dismiss_finding(1, 'x')", {"alice", "bob"}),
    "ask_checks": ("SELECT refusal FROM console.ask_checks('pre', '', '')", {"alice", "bob"}),
    "keep_checks": (
        """
        SELECT refusal FROM console.keep_checks('pre', '', '', 1,
            '[{"id": "x", "title": "x", "group": "x", "status": "passed", "evidence": "x", "duration_ms": 1}]')
        """,
        {"alice", "bob", "auto"},
    ),
    "tick_check": ("SELECT refusal FROM console.tick_check('db.backups', '', 'x', NULL)", {"alice", "bob"}),
    "preview_guards": (
        "SELECT CASE WHEN count(*) < 3 THEN 'nothing' END FROM console.preview_guards(1)",
        {"vera", "alice", "bob", "auto"},
    ),
}
INSIDE = {
    "require": "SELECT console.require('console_viewer')",
    "hold": "SELECT console.hold(1)",
    "ensure_partition": "SELECT console.ensure_partition('tick', now())",
    "check_width": "SELECT console.check_width(1, 1, 1)",
    "age_words": "SELECT console.age_words('1 s')",
    "keep_health": "SELECT console.keep_health('{}', '{}', '{}', '{}', '{}')",
    "hold_alerts": "SELECT console.hold_alerts()",
    "check_changes": "SELECT console.check_changes('[]')",
    "next_step": "SELECT console.next_step('{}', NULL, now())",
    "apply_steps": "SELECT console.apply_steps('{}')",
    "take_back": "SELECT console.take_back('{1}', now())",
    "check_alerts": "SELECT console.check_alerts('{1}', false)",
    "matcher_words": "SELECT console.matcher_words('[]')",
    "check_matchers": "SELECT console.check_matchers('[]')",
    "silence_subject": "SELECT console.silence_subject(NULL)",
    "tell_finding": "SELECT console.tell_finding(NULL, NULL, '')",
    "audit_hash": "SELECT console.audit_hash('', 1, now(), 'bob', 'x', 'x', NULL, '{}')",
    "chain_audit": "SELECT console.chain_audit(now(), 'bob', 'x', 'x', NULL, '{}')",
    "hold_audit": "SELECT console.hold_audit()",
    "hold_action": "SELECT console.hold_action(1)",
    "under_way": "SELECT console.under_way('done')",
    "subject_of": "SELECT console.subject_of(NULL)",
    "frozen": "SELECT console.frozen(now())",
    "is_late": "SELECT console.is_late(NULL)",
    "note_audit": "SELECT console.note_audit('x', 'x', NULL, '{}')",
    "role_of": "SELECT console.role_of('bob')",
    "move_action": "SELECT console.move_action(NULL, 'x', 'x', NULL)",
    "refuse": "SELECT console.refuse('x', 'x', NULL, 'x')",
    "scaled": "SELECT console.scaled('1 hour')",
    "glass_of": "SELECT console.glass_of('bob')",
    "guards_of": "SELECT * FROM console.guards_of(NULL, 'bob')",
    "approval_of": "SELECT console.approval_of(NULL, 'bob')",
    "checks_subject": "SELECT console.checks_subject('pre', '', '')",
    "put_results": "SELECT console.put_results(1, 1, '[]')",
    "forget_checks": "SELECT console.forget_checks()",
    "hold_incident": "SELECT console.hold_incident(1)",
    "why_not_incident": "SELECT console.why_not_incident(NULL, 1, false)",
    "tell_incident": "SELECT console.tell_incident(1, 'x', 'info', 'x', now())",
    "level_severity": "SELECT console.level_severity(1)",
    "check_text": "SELECT console.check_text('x', 1, 'x')",
    "check_person": "SELECT console.check_person('bob', false)",
    "begin_work": "SELECT console.begin_work(1, 'bob', now(), '')",
    "put_alerts": "SELECT console.put_alerts(1, '{1}', now())",
    "hold_for_alerts": "SELECT console.hold_for_alerts(1, '{1}')",
    "check_linked": "SELECT console.check_linked('{1}')",
    "find_runbook": "SELECT console.find_runbook('x')",
    "put_book": "SELECT console.put_book(1, 'x')",
    "make_incident": "SELECT console.make_incident('x', 1, '{}', NULL, now())",
    "made_before": "SELECT console.made_before('x')",
    "put_made": "SELECT console.put_made('x', 1)",
    "put_note": "SELECT console.put_note(1, 'note', '', 'x', now())",
    "put_acknowledgements": "SELECT console.put_acknowledgements('{1}', '', now())",
    "put_beat": "SELECT console.put_beat(0, 1, '', true)",
    "hold_checklist": "SELECT console.hold_checklist('x')",
    "tell_checklist": "SELECT console.tell_checklist('x', 'info', 'x')",
    "due_words": "SELECT console.due_words(now())",
    "done_words": "SELECT console.done_words(NULL)",
    "put_mark": "SELECT console.put_mark(NULL, 1, 'done', '', now(), false)",
    "begin_run": "SELECT console.begin_run('x', '2026-03-10', now(), now(), now(), NULL)",
    "audit_alerts": None,
    "audit_silences": None,
    "tell": None,
    "tell_added": None,
    "refuse_change": None,
}


async def test_every_function_is_accounted_for_here(place: Place) -> None:
    rows = await place.owner("SELECT proname FROM pg_proc WHERE pronamespace = 'console'::regnamespace")
    assert {r["proname"] for r in rows} == (
        AGENT_ONLY.keys() | PERSON.keys() | ANYBODY.keys() | ASKED.keys() | INSIDE.keys()
    )


async def test_public_can_execute_nothing_and_every_search_path_is_fixed(place: Place) -> None:
    rows = await place.owner(
        """
        SELECT oid::regprocedure::text AS name, proacl IS NULL OR EXISTS (
                   SELECT FROM aclexplode(proacl) WHERE grantee = 0) AS open,
               prosecdef, coalesce(proconfig::text, '') AS config
        FROM pg_proc WHERE pronamespace = 'console'::regnamespace
        """
    )
    assert [r["name"] for r in rows if r["open"]] == []
    assert [r["name"] for r in rows if "search_path=pg_catalog, console, pg_temp" not in r["config"]] == []


@pytest.mark.parametrize("who", ["vera", "alice", "bob", "auto"])
async def test_each_function_with_each_role(place: Place, who: str) -> None:
    # A lease that would let anything through that is not stopped by its role.
    await place.owner("UPDATE console.lease SET holder = 'a1', fence = 1, expires_at = 'infinity'")
    allowed = {"auto": AGENT_ONLY.keys(), "alice": PERSON.keys(), "bob": PERSON.keys()}.get(who, set())
    allowed = allowed | ANYBODY.keys()
    async with place.raw(who) as connection:
        for name, sql in (AGENT_ONLY | PERSON | ANYBODY | INSIDE).items():
            if sql is None:
                continue
            try:
                await connection.execute(sql)
                refused = False
            except asyncpg.InsufficientPrivilegeError:
                refused = True
            except asyncpg.ArraySubscriptError:
                refused = False  # it went as far as looking at what was to be written
            assert refused == (name not in allowed), f"{name} as {who}"


async def test_what_everybody_may_ask_for_is_given_to_exactly_these(place: Place) -> None:
    async with place.leader() as (agent, lease), place.open("alice") as alice, place.open("bob") as bob:
        await actions.publish_kinds(agent, lease, KINDS)
        await planned(alice, agent, lease)
        heavy = await planned(alice, agent, lease, "failover", "replica")
        await actions.confirm(alice, heavy.id, plan_hash=heavy.plan_hash)
        cut = await planned(alice, agent, lease, "unblock_ip")
        await place.owner("UPDATE console.action SET state = 'interrupted' WHERE id = $1", cut.id)
        later = await bob.now() + timedelta(hours=1)
        await freezes.add(bob, start=later, length=timedelta(hours=1), reason="a test")
        await place.owner(
            """
            INSERT INTO console.finding (kind, severity, source, phase, first_at, attack_at, last_at, count, peak,
                threshold, window_s, users, users_more, affected, affected_more, action, action_for_s, settled)
            VALUES ('x', 'info', 'x', 'open', now(), now(), now(), 1, 1, 1, 1, '{}', false, '{}', false, '', 0, '{}')
            """
        )
    for name, (sql, rightful) in ASKED.items():
        for who in ("vera", "alice", "bob", "auto"):
            async with place.raw(who) as connection:
                attempt = connection.transaction()
                await attempt.start()
                refusal = await connection.fetchval(sql)
                assert (refusal is None) == (who in rightful), f"{name} as {who}: {refusal}"
                table = "audit_waiting" if who == "vera" else "audit"
                noted = await connection.fetchval(
                    f"SELECT count(*) FROM console.{table} WHERE actor = $1 AND at > now()",
                    who,
                )
                assert noted or name == "preview_guards", f"{name} as {who} is not in the audit"
                await attempt.rollback()


async def test_without_a_role_nothing_at_all_can_be_read_or_called(place: Place) -> None:
    tables = await place.owner(
        "SELECT relname FROM pg_class WHERE relnamespace = 'console'::regnamespace AND relkind IN ('r', 'p', 'v')"
    )
    asked = [sql for sql, _ in ASKED.values()]
    calls = [sql for sql in (AGENT_ONLY | PERSON | ANYBODY | INSIDE).values() if sql is not None]
    async with place.raw("eve") as connection:
        for sql in (*asked, *calls, *(f"SELECT FROM console.{t['relname']}" for t in tables)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)


async def test_nobody_can_be_somebody_else_in_the_audit(place: Place) -> None:
    async with place.leader() as (agent, lease):
        await actions.publish_kinds(agent, lease, KINDS)
    request = "SELECT console.request_action('block_ip', $1, '{}', 'x', '', NULL)"
    async with place.raw("alice") as connection:
        for setting in (
            "SET ROLE console_responder",
            "SET application_name = 'bob'",
            "SET search_path = pg_temp, public",
            "SELECT set_config('session_authorization', 'alice', false)",
        ):
            await connection.execute(setting)
            await connection.fetch(request, setting)
        for impossible in ("SET ROLE bob", "SET ROLE console_commander", "SET SESSION AUTHORIZATION bob"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(impossible)
    rows = await place.owner(
        "SELECT DISTINCT actor FROM console.audit UNION SELECT requested_by FROM console.action"
    )
    assert [r["actor"] for r in rows] == ["alice"]


async def test_a_forged_notice_changes_nothing(place: Place) -> None:
    async with place.leader() as (agent, lease), place.open("alice") as alice:
        await actions.publish_kinds(agent, lease, KINDS)
        action = await planned(alice, agent, lease)
        before = await actions.current(agent, since=NOON), await audit.head(agent)
        async with place.raw("vera") as connection:
            for payload in ("action", "action 1 confirmed", '{"id": 1, "state": "confirmed"}', "x" * 7999):
                await connection.execute("SELECT pg_notify('tradex', $1)", payload)
        assert await actions.start(agent, lease, action.id) is None
        now = await actions.current(agent, since=NOON), await audit.head(agent)
        assert (now[0], now[1][:2]) == (before[0], before[1][:2])


@pytest.mark.parametrize("who", ["vera", "alice", "bob", "auto"])
async def test_nobody_changes_a_table_directly_or_stands_in_the_way(place: Place, who: str) -> None:
    async with place.raw(who) as connection:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'console'::regnamespace AND relkind IN ('r', 'p')"
        )
        for table in [r["relname"] for r in rows]:
            for sql in (
                f"INSERT INTO console.{table} DEFAULT VALUES",
                f"DELETE FROM console.{table}",
                f"TRUNCATE console.{table}",
                f"LOCK TABLE console.{table} IN SHARE MODE",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(sql)
        for sql in (
            "SELECT * FROM console.lease FOR SHARE",
            "UPDATE console.lease SET fence = 9",
            "UPDATE console.meta SET environment = 'production'",
            "CREATE TABLE console.mine (id int)",
            "CREATE FUNCTION console.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER FUNCTION console.hold(bigint) RENAME TO gone",
            "SET ROLE postgres",
            "SET SESSION AUTHORIZATION auto" if who != "auto" else "SET SESSION AUTHORIZATION bob",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)


async def test_set_role_does_not_change_who_somebody_is(place: Place) -> None:
    async with place.raw("bob") as connection:
        await connection.execute("SET ROLE console_responder")
        await connection.execute(PERSON["note_drill"])
    async with place.open("vera") as store:
        assert [e.actor for e in await timeline.recent(store)] == ["bob"]


async def test_functions_of_a_temporary_schema_are_not_picked_up(place: Place) -> None:
    await place.owner("GRANT TEMPORARY ON DATABASE " + place.url.rpartition("/")[2] + " TO alice")
    async with place.raw("alice") as connection:
        await connection.execute("CREATE TEMP TABLE event (LIKE console.event)")
        await connection.execute("SET search_path = pg_temp, console")
        await connection.execute(PERSON["note_drill"])
    assert len(await place.owner("SELECT FROM console.event")) == 1


@pytest.mark.parametrize("who", ["vera", "alice", "bob", "auto"])
async def test_everybody_in_a_role_reads_what_screens_need(place: Place, who: str) -> None:
    async with place.open(who) as store:
        assert await ticks.latest(store)
        assert await ticks.at_moment(store, NOON)
        assert await health.current(store) == []
        assert await timeline.recent(store) == []
        assert await alerts.current(store, resolved_since=NOON) == []
        assert await alerts.standing(store) == (None, [])
        assert await alerts.history(store) == []
        assert await silences.active(store) == []
        assert await actions.kinds(store) == []
        assert await actions.current(store, since=NOON) == []
        assert await effects.current(store) == []
        assert await audit.recent(store) == []
        assert (await leases.agent_state(store)).leader is None


@pytest.mark.parametrize(
    ("who", "role", "read_only"),
    [("vera", "viewer", True), ("alice", "responder", False), ("bob", "commander", False)],
)
async def test_the_link_tells_the_role(place: Place, who: str, role: str, read_only: bool) -> None:
    async with place.open(who) as store:
        link = await store.link()
    assert (link.environment, link.user, link.role, link.read_only) == ("test", who, role, read_only)
    assert (link.time_scale, link.away) == (10, None)
    assert link.store == f"127.0.0.1:{place.server.port}/{place.url.rpartition('/')[2]}"


async def test_a_read_only_console_is_held_to_it_by_the_server(place: Place) -> None:
    async with place.open("bob", read_only=True) as store:
        assert (await store.link()).read_only
        with pytest.raises(Refused, match="read-only"):
            await timeline.note_drill(store, name="latency", text="x")


async def test_without_a_role_the_store_says_what_is_missing(place: Place) -> None:
    with pytest.raises(StoreRefused, match=r"eve has no role in it.*GRANT console_viewer TO eve"):
        async with place.open("eve"):
            pass


async def test_only_members_may_connect_at_all(
    postgres_any: EmbeddedPostgres, new_database: NewDatabase, place: Place
) -> None:
    url = new_database(postgres_any)
    await migrate.upgrade(url, postgres_any.password, environment="test")
    with pytest.raises(StoreRefused, match="permission denied for database"):
        async with Place(postgres_any, url).open("eve"):
            pass
    for name, role in PEOPLE.items():
        if role:
            async with Place(postgres_any, url).open(name) as store:
                assert await store.now()


async def test_a_login_changes_its_role_and_password_and_has_one_of_each(place: Place) -> None:
    name = f"carol{place.url.rpartition('_')[2]}"
    owner = {"url": place.url, "password": place.server.password, "name": name}
    await people.ensure_login(**owner, role="agent", login_password=password_of(name))
    async with place.open(name) as store:
        assert await store.fetchval("SHOW idle_in_transaction_session_timeout") == "1500ms"
        assert await store.fetchval("SELECT pg_has_role('console_agent', 'USAGE')")
    await people.ensure_login(**owner, role="viewer", login_password="another one")
    with pytest.raises(StoreRefused, match="wrong password"):
        async with place.open(name):
            pass
    await people.ensure_login(**owner, role="viewer", login_password=password_of(name))
    async with place.open(name) as store:
        assert await store.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
        assert not await store.fetchval("SELECT pg_has_role('console_agent', 'USAGE')")
        assert (await store.link()).role == "viewer"
    await place.owner(f"DROP ROLE {name}")


async def test_a_superuser_is_nobodys_login(place: Place) -> None:
    for taken in ("postgres", "console_viewer"):
        with pytest.raises(StoreRefused, match="is taken"):
            await people.ensure_login(
                place.url, place.server.password, name=taken, role="viewer", login_password="x"
            )


async def test_names_are_quoted_and_passwords_may_hold_anything(place: Place) -> None:
    name, secret = 'o\'brien "x"; DROP', "pä'ss\"w ord;"
    await people.ensure_login(
        place.url, place.server.password, name=name, role="responder", login_password=secret
    )
    from console.store.pool import Store

    store = await Store.open(place.url, user=name, password=secret)
    try:
        await timeline.note_drill(store, name="latency", text="x")
        assert [e.actor for e in await timeline.recent(store)] == [name]
    finally:
        await store.close()
    await place.owner('DROP ROLE "o\'brien ""x""; DROP"')


async def test_the_server_never_sees_a_password(place: Place) -> None:
    name = f"dora{place.url.rpartition('_')[2]}"
    await place.owner("ALTER SYSTEM SET log_statement = 'all'")
    await place.owner("SELECT pg_reload_conf()")
    try:
        await people.ensure_login(
            place.url, place.server.password, name=name, role="viewer", login_password="never-in-a-log"
        )
        await place.owner("SELECT 'the end of the log'")
    finally:
        await place.owner("ALTER SYSTEM RESET log_statement")
        await place.owner("SELECT pg_reload_conf()")
    log = place.server.log.read_text(errors="replace")
    assert "the end of the log" in log
    assert name in log
    assert "never-in-a-log" not in log
    await place.owner(f"DROP ROLE {name}")


async def test_what_happened_is_append_only_even_for_its_owner(place: Place) -> None:
    for sql in (
        f"{verb} console.{table}{change}"
        for table in ("event", "audit", "action_change")
        for verb, change in (("UPDATE", " SET at = now()"), ("DELETE FROM", ""), ("TRUNCATE", ""))
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await place.owner(sql)
