"""platform_ops: what the console's writing role may do on the platform's database, and that it is all it may do."""

import asyncpg
import pytest

from tests.sandbox.platform import Platform, somebody

READABLE = {
    "public.profiles", "public.positions", "public.orders", "public.user_sessions", "public.auth_audit_log",
    "public.order_audit_log", "public.blocked_ips", "public.blocked_requests", "public.platform_flags",
    "supabase_migrations.schema_migrations",
}  # fmt: skip
COLUMNS = {
    ("auth.users", "SELECT"): {"id", "email", "banned_until"},
    ("auth.sessions", "SELECT"): {"id", "user_id"},
    ("public.blocked_ips", "INSERT"): {"network", "reason", "expires_at"},
    ("public.blocked_ips", "UPDATE"): {"reason", "expires_at"},
    ("public.platform_flags", "UPDATE"): {"enabled", "changed_at"},
    ("public.profiles", "UPDATE"): {"account_status"},
    ("public.user_sessions", "UPDATE"): {"status", "ended_at"},
}
DELETABLE = {"public.blocked_ips", "auth.sessions"}


async def test_it_holds_exactly_these_rights(platform: Platform) -> None:
    async with platform.sql() as connection:
        tables = await connection.fetch(
            "SELECT format('%s.%s', n.nspname, c.relname) AS name, c.oid FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'p') "
            "AND n.nspname IN ('public', 'auth', 'sandbox', 'control', 'supabase_migrations')"
        )
        assert {t["name"] for t in tables} > READABLE
        for table in tables:
            name = table["name"]
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                whole = await connection.fetchval(
                    "SELECT has_table_privilege('platform_ops', $1::oid, $2)", table["oid"], right
                )
                expected = name in READABLE if right == "SELECT" else right == "DELETE" and name in DELETABLE
                assert whole == expected, (name, right)
                if right in ("SELECT", "INSERT", "UPDATE") and not whole:
                    rows = await connection.fetch(
                        "SELECT attname FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 "
                        "AND has_column_privilege('platform_ops', attrelid, attnum, $2)",
                        table["oid"], right,
                    )  # fmt: skip
                    assert {r[0] for r in rows} == COLUMNS.get((name, right), set()), (name, right)
        functions = await connection.fetch(
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace "
            "WHERE n.nspname IN ('public', 'sandbox', 'control') "
            "AND has_function_privilege('platform_ops', p.oid, 'EXECUTE')"
        )
        assert [r[0] for r in functions] == []
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'platform_ops'")
        assert not (
            role["rolsuper"] or role["rolcreaterole"] or role["rolcreatedb"] or role["rolreplication"]
        )
        memberships = "SELECT count(*) FROM pg_auth_members WHERE member = 'platform_ops'::regrole"
        assert await connection.fetchval(memberships) == 0


@pytest.mark.parametrize(
    "sql",
    ["UPDATE profiles SET balance = 1000000", "DELETE FROM profiles", "SELECT digest FROM auth.users",
     "UPDATE auth.users SET banned_until = NULL", "INSERT INTO orders (user_id) VALUES (gen_random_uuid())",
     "DELETE FROM auth_audit_log", "UPDATE blocked_ips SET network = '::/0'", "SELECT token FROM auth.refresh_tokens",
     "INSERT INTO blocked_ips (network, reason, created_by) VALUES ('192.0.2.9', 'x', 'somebody else')",
     "SELECT token FROM sandbox.outbox", "INSERT INTO sandbox.effect_log (effect, target) VALUES ('x', 'y')",
     "SELECT control.refuse_logins()", "UPDATE platform_flags SET changed_by = 'somebody else'",
     "TRUNCATE blocked_ips", "CREATE TABLE public.mine (a int)", "SET ROLE platform_app",
     "DELETE FROM blocked_requests", "UPDATE user_sessions SET user_id = gen_random_uuid()"],
)  # fmt: skip
async def test_it_can_do_no_more(platform: Platform, sql: str) -> None:
    async with platform.sql("platform_ops") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)


async def test_what_it_does_is_under_its_own_name(platform: Platform) -> None:
    person = somebody()
    async with platform.sql("platform_ops") as connection:
        await connection.execute(
            "INSERT INTO blocked_ips (network, reason) VALUES ('2001:db8:eeee::/64', 'x')"
        )
        await connection.execute("DELETE FROM blocked_ips WHERE network = '2001:db8:eeee::/64'")
        await connection.execute("UPDATE profiles SET account_status = 'suspended' WHERE id = $1", person.id)
    async with platform.sql() as connection:
        rows = await connection.fetch(
            "SELECT effect, detail ->> 'by' AS by FROM sandbox.effect_log "
            "WHERE target IN ('2001:db8:eeee::/64', $1) ORDER BY id",
            person.id,
        )
    assert [(r["effect"], r["by"]) for r in rows] == [
        ("block", "platform_ops"), ("unblock", "platform_ops"), ("account_status", "platform_ops"),
    ]  # fmt: skip
