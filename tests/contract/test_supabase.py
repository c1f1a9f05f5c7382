"""What `supabase` does in a deployment: arguments, exit codes, both streams, and what it changes. One suite, for the
stand-in and, where TRADEX_REAL_SUPABASE names it, for the real CLI 3.x."""

import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from console.processes.postgres import EmbeddedPostgres
from console.sandbox.edge import REF
from console.sandbox.tools.migrations import statements
from tests.sandbox.deploying import Done, Workshop
from tests.sandbox.platform import Platform

REAL = os.environ.get("TRADEX_REAL_SUPABASE", "")
FIRST = "20260101000000_first.sql"
SECOND = "20260102000000_second.sql"
Query = Callable[[str], Awaitable[list[str]]]


@pytest.fixture(scope="module")
def old(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(platform, tmp_path_factory.mktemp("old"), supabase="2.75.0")


@pytest.fixture(
    params=[
        "stand-in",
        pytest.param(
            "real", marks=pytest.mark.skipif(not REAL, reason="TRADEX_REAL_SUPABASE names no supabase")
        ),
    ]
)
def supabase(request: pytest.FixtureRequest, shop: Workshop, tmp_path: Path) -> Callable[..., Done]:
    """`supabase(folder, *arguments)` runs the one or the other."""
    program = "supabase" if request.param == "stand-in" else REAL

    def run(where: Path, *argv: str, **environment: str) -> Done:
        home = {"HOME": str(tmp_path), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"}
        return shop.run(where, program, *argv, **home, **environment)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with two migrations."""
    folder = tmp_path / "project"
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / FIRST).write_text("CREATE TABLE public.a (id int);\nINSERT INTO public.a VALUES (1);\n")
    (migrations / SECOND).write_text("ALTER TABLE public.a ADD COLUMN b int;")
    return folder


def add(project: Path, name: str, sql: str) -> None:
    (project / "supabase" / "migrations" / name).write_text(sql)


@pytest.fixture
async def database(cluster: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """An empty database of the platform's server, that platform_deploy may write in."""
    name = "contract"
    owner = await asyncpg.connect(cluster.url("postgres"), password=cluster.password)
    try:
        await owner.execute(f"CREATE DATABASE {name} OWNER platform_deploy")
        connection = await asyncpg.connect(cluster.url(name), password=cluster.password)
        try:
            await connection.execute("GRANT CREATE ON SCHEMA public TO platform_deploy")
            yield connection
        finally:
            await connection.close()
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


@pytest.fixture
def url(cluster: EmbeddedPostgres) -> str:
    return cluster.url("contract", "platform_deploy")


async def history(database: asyncpg.Connection) -> list[tuple[str, str, list[str]]]:
    rows = await database.fetch(
        "SELECT version, name, statements FROM supabase_migrations.schema_migrations ORDER BY version"
    )
    return [(r["version"], r["name"], r["statements"]) for r in rows]


async def test_a_dry_run_lists_what_is_pending_and_changes_nothing(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    done = supabase(project, "db", "push", "--dry-run", "--output-format", "json", f"--remote={url}")
    assert done.code == 0, done
    said = json.loads(done.out)
    assert (said["upToDate"], said["dryRun"], said["migrations"]) == (False, True, [FIRST, SECOND])
    assert said["target"]["kind"] == "db-url" and said["message"] == "Finished supabase db push."
    assert "DRY RUN: migrations will *not* be pushed to the database." in done.err
    assert await database.fetchval("SELECT to_regclass('public.a')") is None
    assert await database.fetchval("SELECT to_regclass('supabase_migrations.schema_migrations')") is None


async def test_a_push_without_consent_changes_nothing(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    done = supabase(project, "db", "push", f"--remote={url}")
    assert done.code == 1 and "Confirmation required: Apply 2 migrations" in done.err
    assert "Re-run with --yes to confirm." in done.err
    done = supabase(project, "db", "push", "--output-format", "json", f"--remote={url}")
    assert done.code == 1 and json.loads(done.out)["error"]["code"] == "HostedMutationConsentRequiredError"
    assert await database.fetchval("SELECT to_regclass('public.a')") is None


async def test_a_push_applies_and_records_each_file_and_a_second_one_nothing(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    done = supabase(project, "db", "push", "--yes", "--db-url", url)
    assert done.code == 0 and done.out.rstrip().endswith("Finished supabase db push."), done
    assert "--db-url is deprecated" in done.err and f"Applying migration {SECOND}..." in done.err
    assert await history(database) == [
        ("20260101000000", "first", ["CREATE TABLE public.a (id int)", "INSERT INTO public.a VALUES (1)"]),
        ("20260102000000", "second", ["ALTER TABLE public.a ADD COLUMN b int"]),
    ]
    assert await database.fetchval("SELECT count(*) FROM a WHERE b IS NULL") == 1
    again = supabase(project, "db", "push", "--yes", f"--remote={url}", "--output-format", "json")
    assert again.code == 0
    said = json.loads(again.out)
    assert said["upToDate"] is True and said["migrations"] == []
    assert said["message"] == "Remote database is up to date."


async def test_a_file_that_fails_leaves_nothing_of_itself_and_the_earlier_ones(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    add(project, "20260103000000_third.sql", "ALTER TABLE public.a ADD COLUMN c int;\nSELECT 1/0;")
    done = supabase(project, "db", "push", "--yes", f"--remote={url}")
    assert done.code == 1
    assert "ERROR: division by zero (SQLSTATE 22012)\nAt statement: 1\nSELECT 1/0" in done.err
    assert [version for version, _, _ in await history(database)] == ["20260101000000", "20260102000000"]
    assert list((await database.fetchrow("SELECT * FROM a")) or ()) == [1, None], "id, b, and no c"
    done = supabase(project, "db", "push", "--yes", f"--remote={url}", "--output-format", "json")
    assert done.code == 1 and json.loads(done.out)["error"]["code"] == "DbPushApplyError"


async def test_histories_that_do_not_fit_are_refused(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    assert supabase(project, "db", "push", "--yes", f"--remote={url}").code == 0
    add(project, "20260101500000_between.sql", "SELECT 1")
    json_push = ("db", "push", "--dry-run", "--output-format", "json", f"--remote={url}")
    done = supabase(project, *json_push)
    assert done.code == 1 and json.loads(done.out)["error"]["code"] == "DbPushMissingRemoteError"
    assert "supabase/migrations/20260101500000_between.sql" in json.loads(done.out)["error"]["suggestion"]
    done = supabase(project, *json_push, "--include-all")
    assert done.code == 0 and json.loads(done.out)["migrations"] == ["20260101500000_between.sql"]
    (project / "supabase" / "migrations" / SECOND).unlink()
    done = supabase(project, *json_push)
    assert done.code == 1 and json.loads(done.out)["error"]["code"] == "DbPushMissingLocalError"


async def test_the_password_comes_from_the_environment_only(
    supabase: Callable[..., Done], project: Path, url: str, database: asyncpg.Connection
) -> None:
    done = supabase(project, "db", "push", "--dry-run", f"--remote={url}", PGPASSWORD="not this one")
    assert done.code == 1 and "failed to connect to postgres" in done.err
    assert "not this one" not in done.out + done.err


def test_without_a_target_it_means_the_local_stack(supabase: Callable[..., Done], project: Path) -> None:
    done = supabase(project, "db", "push", "--dry-run")
    assert done.code == 1 and "Target: local stack (127.0.0.1:54322)" in done.err


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (("functions", "deploy", "execute-order", "--rollback"), "--rollback"),
        (("functions", "list", "--limit", "3"), "--limit"),
        (("db", "push", "--force"), "--force"),
    ],
)
def test_an_unknown_flag_is_refused(
    supabase: Callable[..., Done], project: Path, arguments: tuple[str, ...], flag: str
) -> None:
    done = supabase(project, *arguments, "--yes")
    assert done.code == 1
    assert f"Unrecognized flag: {flag} in command supabase {' '.join(arguments[:2])}" in done.err


async def test_version_deploys_nothing(
    supabase: Callable[..., Done], shop: Workshop, platform: Platform
) -> None:
    before = await platform.effects("function_deployed")
    where = shop.worktree("v2.9.0")
    done = supabase(
        where,
        "functions",
        "deploy",
        "get-stock-price",
        f"--remote={REF}",
        "--use-api",
        "--yes",
        "--version",
        "3",
    )
    assert done.code == 0 and done.out.startswith("3.")
    assert await platform.effects("function_deployed") == before


async def test_deploying_functions(supabase: Callable[..., Done], shop: Workshop, platform: Platform) -> None:
    def deploy(tag: str, *arguments: str) -> Done:
        return supabase(shop.worktree(tag), "functions", "deploy", *arguments, "--use-api", "--yes")

    def names() -> dict[str, tuple[int, str]]:
        done = supabase(shop.folder, "functions", "list", "--project-ref", REF, "--output", "json")
        assert done.code == 0 and "--project-ref is deprecated" in done.err, done
        return {f["slug"]: (f["version"], f["ezbr_sha256"]) for f in json.loads(done.out)}

    before = names()
    one = deploy("v2.9.0", "get-stock-price", "--project-ref", REF)
    assert one.code == 0 and f"Deployed Functions on project {REF}: get-stock-price" in one.out, one
    changed = names()
    assert {n for n in before if changed[n] != before[n]} == {"get-stock-price"}
    both = deploy("v2.8.1", "get-stock-price", "execute-order", f"--remote={REF}")
    assert both.code == 0 and both.out.startswith(
        f"Deployed Functions on project {REF}: get-stock-price, execute-order"
    )
    after = names()
    assert after["get-stock-price"] == (changed["get-stock-price"][0] + 1, before["get-stock-price"][1])
    assert after["execute-order"] == before["execute-order"]
    listed = supabase(shop.folder, "functions", "list", f"--remote={REF}", "--output-format", "json")
    said = json.loads(listed.out)
    assert said["target"]["project_ref"] == REF and len(said["functions"]) == len(after)


async def test_deploying_without_consent_a_project_or_a_token_does_nothing(
    supabase: Callable[..., Done], shop: Workshop, platform: Platform
) -> None:
    before, where = await platform.effects("function_deployed"), shop.worktree("v2.9.0")
    deploy = ("functions", "deploy", "get-stock-price", "--use-api")
    done = supabase(where, *deploy, f"--remote={REF}")
    assert done.code == 1 and "Confirmation required: Deploy 1 Function" in done.err
    done = supabase(where, *deploy, "--yes")
    assert done.code == 1 and "Cannot find project ref" in done.err
    done = supabase(where, *deploy, "--yes", f"--remote={REF}", SUPABASE_ACCESS_TOKEN="")
    assert done.code == 1 and "Access token not provided" in done.err
    done = supabase(where, *deploy, "--yes", f"--remote={REF}", SUPABASE_ACCESS_TOKEN="sbp_1")
    assert done.code == 1 and "Invalid access token format" in done.err
    assert await platform.effects("function_deployed") == before


def test_version_2_refuses_what_only_3_has(old: Workshop) -> None:
    where = old.worktree("v2.8.1")
    assert old.ok(where, "supabase", "--version") == "2.75.0"
    for flag in (("db", "push", "--project-ref", REF), ("db", "push", f"--remote={REF}")):
        done = old.run(where, "supabase", *flag)
        assert done.code == 1 and done.err.startswith(
            f"unknown flag: {flag[-1 if '=' in flag[-1] else 2].split('=')[0]}"
        )
    done = old.run(
        where, "supabase", "functions", "deploy", "health-check", "--project-ref", REF, "--rollback"
    )
    assert done.code == 1 and done.err.startswith("unknown flag: --rollback")
    old.ok(where, "supabase", "functions", "deploy", "health-check", "--project-ref", REF, "--use-api")
    assert json.loads(
        old.ok(where, "supabase", "functions", "list", "--project-ref", REF, "--output", "json")
    )


def test_the_launchers_hold_no_secret_and_are_this_users_only(shop: Workshop) -> None:
    secrets = [shop.environment[n] for n in ("SUPABASE_ACCESS_TOKEN", "VERCEL_TOKEN", "PGPASSWORD")]
    for file in (*shop.tools.iterdir(), shop.folder / "supabase-profile.yaml"):
        assert not any(secret in file.read_text() for secret in secrets)
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077


def test_statements_end_at_semicolons_that_are_no_text() -> None:
    script = """-- a; comment
    SELECT ';', "a;b", $$;$$, $x$ ; $$ ; $x$; /* ; */ SELECT 2
    ;;SELECT 1-1"""
    assert [s.count(";") for s in statements(script)] == [6, 1, 0]
    assert statements(script)[-1] == "SELECT 1-1"
