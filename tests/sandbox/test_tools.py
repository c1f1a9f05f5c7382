"""A whole deployment and what takes it back, with the commands of a pipeline, on the running platform."""

import json
from pathlib import Path

import asyncpg
import pytest

from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform
from tests.sandbox.test_releases import management, version, versions

REFERENCE = "20251006090000"
LEGACY = "20251103101500"


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(platform, tmp_path_factory.mktemp("shop"))


async def columns(platform: Platform, table: str) -> set[str]:
    async with platform.sql() as connection:
        rows = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1",
            table,
        )
    return {row["column_name"] for row in rows}


async def take_back(platform: Platform, shop: Workshop, tag: str, migration: str) -> None:
    """Run the release's rollback file as the role that deploys."""
    file = shop.worktree(tag) / "migrations" / f"rollback-{migration}.sql"
    async with platform.sql("platform_deploy") as connection, connection.transaction():
        await connection.execute(file.read_text())


async def hashes(platform: Platform) -> dict[str, str]:
    return {f["slug"]: f["ezbr_sha256"] for f in (await management(platform, "/functions")).json()}


async def test_from_the_first_release_to_the_second_and_back(platform: Platform, shop: Workshop) -> None:
    old = await hashes(platform)
    first = shop.deploy_frontend("v2.8.1")
    shop.ok(shop.worktree("v2.8.1"), "vercel", "promote", first, "--yes")
    where = shop.worktree("v2.9.0")
    plan = shop.ok(
        where,
        "supabase",
        "db",
        "push",
        "--dry-run",
        "--output-format",
        "json",
        f"--remote={shop.database_url}",
    )
    assert json.loads(plan)["migrations"] == [f"{REFERENCE}_order_client_reference.sql"]
    assert "client_reference" not in await columns(platform, "orders")

    shop.push("v2.9.0")
    shop.deploy_functions("v2.9.0")
    shop.ok(where, "npm", "ci")
    shop.ok(where, "npm", "run", "build")
    address = shop.deploy_frontend("v2.9.0")
    assert await version(platform) == "2.8.1"
    shop.ok(where, "vercel", "promote", address, "--yes")
    assert await version(platform) == "2.9.0"
    assert await versions(platform) == ["20250911160000", REFERENCE]
    assert "client_reference" in await columns(platform, "orders")
    assert await platform.effects("migration", REFERENCE) == 1
    new = await hashes(platform)
    assert {slug for slug in old if new[slug] != old[slug]} == {"get-stock-price"}

    shop.deploy_functions("v2.8.1")
    shop.ok(where, "vercel", "rollback", first, "--yes")
    await take_back(platform, shop, "v2.9.0", REFERENCE)
    assert await hashes(platform) == old
    assert await version(platform) == "2.8.1"
    assert await versions(platform) == ["20250911160000"]
    assert "client_reference" not in await columns(platform, "orders")
    assert await platform.effects("migration_reverted", REFERENCE) == 1


async def test_a_migration_without_a_rollback_file_takes_its_column_for_good(
    cluster: object, shop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A platform of its own, as nothing brings the column back.
    platform = Platform(shop.platform.cluster, tmp_path_factory.mktemp("dropping"), "dropping")
    await platform.install(hours=1)
    own = Workshop(platform, tmp_path_factory.mktemp("own"))
    assert await platform.value("SELECT count(*) FROM profiles WHERE legacy_ref IS NULL") == 0
    own.push("v2.11.0")
    assert await versions(platform) == ["20250911160000", REFERENCE, LEGACY]
    assert "legacy_ref" not in await columns(platform, "profiles")
    assert not (own.worktree("v2.11.0") / "migrations" / f"rollback-{LEGACY}.sql").exists()
    refused = own.run(
        own.worktree("v2.8.1"), "supabase", "db", "push", "--yes", f"--remote={own.database_url}"
    )
    assert refused.code == 1 and "not found in local migrations directory" in refused.err
    # The next start of the sandbox leaves it so.
    await platform.install(hours=1)
    assert "legacy_ref" not in await columns(platform, "profiles")


async def test_a_sandbox_of_an_earlier_version_gets_the_one_migration_that_its_repository_has(
    shop: Workshop, tmp_path: Path
) -> None:
    platform = Platform(shop.platform.cluster, tmp_path, "earlier")
    await platform.install(hours=1)
    await platform.execute(
        "UPDATE supabase_migrations.schema_migrations SET name = 'blocked_ips'; "
        "INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20250310081500', 'profiles')"
    )
    await platform.install(hours=1)
    assert await versions(platform) == ["20250911160000"]
    name = await platform.value("SELECT name FROM supabase_migrations.schema_migrations")
    assert name == "platform_schema"


async def test_who_deploys_owns_the_schema_and_sees_nothing_of_the_rest(platform: Platform) -> None:
    async with platform.sql("platform_deploy") as connection:
        for query in (
            "SELECT * FROM auth.users",
            "SELECT * FROM sandbox.outbox",
            "SELECT control.refuse_logins()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(query)


async def test_nobody_deploys_into_a_database_that_is_down(platform: Platform, shop: Workshop) -> None:
    push = ("supabase", "db", "push", "--dry-run", f"--remote={shop.database_url}")
    async with platform.drill("db-down"):
        done = shop.run(shop.worktree("v2.9.0"), *push)
        assert done.code == 1 and "failed to connect to postgres" in done.err
    shop.ok(shop.worktree("v2.9.0"), *push)
