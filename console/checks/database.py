"""The platform's database: tables, row level security, procedures, indexes, migrations. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from console.checks.check import Doors
from console.domain.check import Outcome, by_hand, failed, passed, together, warned
from console.domain.errors import SourceFailed
from console.domain.format import age, counted
from console.domain.text import printable

# Without these there is no such platform (FACTS section 3); what else an installation has is its own matter.
TABLES = ("auth_audit_log", "order_audit_log", "orders", "positions", "profiles", "user_sessions")
_PROCEDURE = "execute_order_atomic"
_BACKUP_AGE = timedelta(hours=24)
_MOST_NAMED = 5
_SECONDS = 3.0
# What people's screens and the order function ask all day.
_HOT = (
    ("orders of a person", "SELECT id FROM orders WHERE user_id = $1 ORDER BY created_at DESC LIMIT 50"),
    ("order by its key", "SELECT id FROM orders WHERE user_id = $1 AND idempotency_key = 'none'"),
    ("open positions of a person", "SELECT id FROM positions WHERE user_id = $1 AND status = 'open'"),
)  # fmt: skip
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"


async def connectivity(doors: Doors) -> Outcome:
    """It answers, its procedures are good, every public table has row level security."""
    database = doors.platform.pulse
    ms = await database.ping(timeout_s=_SECONDS)
    there = await tables(doors)
    if not there.good:
        return there
    await database.fetch("SELECT 1 FROM profiles LIMIT 1", timeout_s=_SECONDS)
    answers = passed(f"PostgreSQL {database.server_version} answers in {ms:.1f} ms")
    return together([answers, await procedures(doors), await policies(doors)])


async def tables(doors: Doors) -> Outcome:
    """The tables that the platform stands on are there, and can be read."""
    rows = await doors.platform.database.fetch(
        "SELECT c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable FROM pg_class AS c "
        "WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p') ORDER BY 1",
        timeout_s=_SECONDS,
    )
    known = {row["name"]: row["readable"] for row in rows}
    if absent := [name for name in TABLES if name not in known]:
        return failed(f"the database has no {_listed(absent)}")
    if closed := [name for name in TABLES if not known[name]]:
        return failed(f"permission denied for {_listed(closed)}")
    return passed(f"{counted(len(known), 'public table')}, with {', '.join(TABLES)}")


async def policies(doors: Doors) -> Outcome:
    """Every public table has row level security enabled, and at least one policy."""
    rows = await doors.platform.database.fetch(
        "SELECT c.relname AS name, c.relrowsecurity AS enabled, "
        "(SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = c.oid) AS policies "
        "FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p') "
        "AND NOT c.relispartition ORDER BY 1",
        timeout_s=_SECONDS,
    )
    if not rows:
        return failed("the database has no public table")
    faults = []
    if off := [row["name"] for row in rows if not row["enabled"]]:
        faults.append(failed(f"no row level security on {_listed(off)}"))
    if none := [row["name"] for row in rows if row["enabled"] and not row["policies"]]:
        faults.append(failed(f"no policy on {_listed(none)}"))
    policies = sum(row["policies"] for row in rows)
    good = f"row level security on all {counted(len(rows), 'public table')}, {counted(policies, 'policy', 'policies')}"
    return together(faults) if faults else passed(good)


async def procedures(doors: Doors) -> Outcome:
    """The order procedure is there, and the platform's own test of its procedures finds them good."""
    names = [_PROCEDURE, "test_procedures"]
    rows = await doors.platform.database.fetch(
        "SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_proc AS p "
        "WHERE p.pronamespace = to_regnamespace('public') AND p.proname = name)",
        names,
        timeout_s=_SECONDS,
    )
    if rows:
        return failed(f"the database has no procedure {_listed([row['name'] for row in rows])}")
    try:
        tests = await doors.platform.database.fetch(
            "SELECT procedure, ok, detail FROM test_procedures()", timeout_s=_SECONDS
        )
    except SourceFailed as error:
        # Also where something that it calls is not there.
        return failed(f"test_procedures(): {str(error).removeprefix('no source: ')}")
    bad = [f"{row['procedure']}: {row['detail']}" for row in tests if row["ok"] is not True]
    if bad:
        return failed(printable("; ".join(bad), 300))
    if not tests:
        return warned("test_procedures() tests nothing")
    return passed(f"{_PROCEDURE} is there, {counted(len(tests), 'test')} of test_procedures() good")


async def indexes(doors: Doors) -> Outcome:
    """No index is left invalid, and the queries that are asked all day use one."""
    rows = await doors.platform.database.fetch(
        "SELECT i.indexrelid::regclass::text AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid "
        "WHERE c.relnamespace = to_regnamespace('public') AND NOT (i.indisvalid AND i.indisready) ORDER BY 1",
        timeout_s=_SECONDS,
    )
    faults = [failed(f"invalid index {_listed([row['name'] for row in rows])}")] if rows else []
    session = doors.platform.sessions(1)
    try:
        # A small table would be read as a whole even where it has the index.
        await session.fetch("SELECT set_config('enable_seqscan', 'off', false)", timeout_s=_SECONDS)
        for name, sql in _HOT:
            # The statement is ours, and EXPLAIN takes no parameters. Nothing of it is run.
            plan = await session.fetch(f"EXPLAIN {sql.replace('$1', _NOBODY)}", timeout_s=_SECONDS)
            read = [str(row[0]).partition("Seq Scan on ")[2] for row in plan]
            if table := next(filter(None, read), ""):
                faults.append(failed(f"{name}: no index of {table.split()[0]} serves it, all of it is read"))
    finally:
        await session.close()
    return together(faults) if faults else passed(f"no invalid index, {len(_HOT)} hot queries use one")


async def migrations(doors: Doors) -> Outcome:
    """The files are applied, and nothing else is. Those that a release brings are applied when it is deployed, where
    they are newer than what is there: `supabase db push` refuses others."""
    if doors.migrations is None:
        return warned("no source: no commit was chosen whose files could be compared")
    rows = await doors.platform.database.fetch(
        "SELECT version FROM supabase_migrations.schema_migrations", timeout_s=_SECONDS
    )
    applied, files = {row["version"] for row in rows}, set(doors.migrations)
    newest = max(applied, default="")
    coming = sorted(v for v in files - applied if doors.source is not None and v > newest)
    faults = []
    if pending := sorted(files - applied - set(coming)):
        faults.append(failed(f"pending {_listed(pending)}"))
    if unknown := sorted(applied - files):
        faults.append(failed(f"applied, but without a file: {_listed(unknown)}"))
    if faults:
        return together(faults)
    tail = f"; to come with it: {_listed(coming)}" if coming else ""
    return passed(f"{counted(len(files) - len(coming), 'migration')} applied, none is missing{tail}")


async def backups(doors: Doors) -> Outcome:
    """The newest backup is of the last day. That one can be restored, a person has to have tried."""
    data = await doors.management.get("/database/backups")
    found = data.get("backups") if isinstance(data, dict) else None
    ended = [
        at
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict)
        and each.get("status") == "COMPLETED"
        and (at := _time(each.get("inserted_at")))
    ]
    if not ended:
        return failed("no completed backup is listed")
    old = datetime.now(UTC) - max(ended)
    if old > _BACKUP_AGE:
        return failed(f"the newest backup is {age(old)} old, 24h at most")
    return by_hand("restore not tested within 90 days", f"the newest backup is {age(old)} old")


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _listed(names: list[str]) -> str:
    """`public.a, b and 3 more`."""
    shown = ", ".join(printable(name, 80) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
