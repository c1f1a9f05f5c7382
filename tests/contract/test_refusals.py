"""What people write down from memory and what the vendors' commands do with it: `--rollback`, `--version 3`,
`migration down`, `--project-ref`. Nothing of it may change anything, and no pipeline uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from console.actions.pipelines import SHIPPED
from console.sandbox.edge import REF
from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform


async def listed(platform: Platform, name: str) -> tuple[int, str, bool]:
    """Version, hash of the bundle and whether a token is asked for, of one function, as the management API has it."""
    async with platform.client() as client:
        key = {"Authorization": f"Bearer {platform.supabase_token}"}
        found = (await client.get(f"/v1/projects/{REF}/functions/{name}", headers=key)).json()
    return found["version"], found["ezbr_sha256"], found["verify_jwt"]


async def tables(platform: Platform) -> int:
    return await platform.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")


async def applied(platform: Platform) -> int:
    return await platform.value("SELECT count(*) FROM supabase_migrations.schema_migrations")


@pytest.mark.parametrize("version", ["3.1.0", "2.75.0"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("functions", "deploy", "execute-order", "--project-ref", REF, "--rollback"),
        ("functions", "deploy", "execute-order", "--project-ref", REF, "--version", "3"),
        ("functions", "deploy", "execute-order", "--project-ref", REF, "--rollback", "--version", "3"),
        ("migration", "down"),
        ("migration", "down", "--last", "1", "--yes"),
        ("db", "reset", "--yes"),
        ("db", "push", "--project-ref", REF, "--yes"),
    ],
    ids=" ".join,
)
async def test_what_there_is_not_changes_nothing(
    version: str, arguments: tuple[str, ...], platform: Platform, tmp_path: Path
) -> None:
    shop = Workshop(platform, tmp_path, supabase=version)
    before = await listed(platform, "execute-order"), await tables(platform), await applied(platform)
    done = shop.run(shop.worktree("v2.9.0"), "supabase", *arguments)
    if "--version" in arguments and "--rollback" not in arguments:
        # It is asked for its own version, and that is all it does.
        assert (done.code, done.out.strip()) == (0, version)
    else:
        assert done.code == 1, done
    assert (
        await listed(platform, "execute-order"),
        await tables(platform),
        await applied(platform),
    ) == before


def test_version_3_takes_project_ref_for_an_old_name_of_remote(shop: Workshop) -> None:
    done = shop.run(shop.worktree("v2.8.1"), "supabase", "db", "push", "--project-ref", REF, "--yes")
    assert "--project-ref is deprecated and will be removed in v4. Use --remote=<ref> instead" in done.err
    assert "flag:" not in done.err


async def test_a_deployment_is_proved_by_version_and_hash(platform: Platform, shop: Workshop) -> None:
    version, sha, _ = await listed(platform, "get-stock-price")
    shop.deploy_functions("v2.9.0", "get-stock-price")
    new, other, _ = await listed(platform, "get-stock-price")
    assert new == version + 1 and other != sha
    shop.deploy_functions("v2.8.1", "get-stock-price")
    assert await listed(platform, "get-stock-price") == (version + 2, sha, True)


async def test_without_verify_jwt_it_is_up_to_the_functions_code(platform: Platform, shop: Workshop) -> None:
    where = shop.worktree("v2.8.1")
    deploy = ("supabase", "functions", "deploy", "execute-order", f"--remote={REF}", "--use-api", "--yes")
    _, sha, _ = await listed(platform, "execute-order")
    shop.ok(where, *deploy, "--no-verify-jwt")
    assert (await listed(platform, "execute-order"))[1:] == (sha, False)
    async with platform.client() as client:
        assert (await client.post("/functions/v1/execute-order", json={"symbol": "AAPL"})).status_code == 401
    # The next deployment without the flag leaves it as it is.
    shop.ok(where, *deploy)
    assert (await listed(platform, "execute-order"))[2] is False


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_the_shipped_pipelines_use_nothing_of_it(name: str) -> None:
    """Each command with its words; what the vendors' real programs would refuse, or take for something else."""
    steps = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())["steps"]
    every = [*steps.values(), *(step["undo"] for step in steps.values() if "undo" in step)]
    argvs = [step["command"]["argv"] for step in every if "command" in step]
    assert argvs
    for argv in argvs:
        assert argv[0] in ("supabase", "vercel", "npm")
        assert not {"--rollback", "--token", "-t", "--password", "-p", "migration", "reset"} & set(argv), argv
        if argv[:3] == ["supabase", "functions", "deploy"]:
            assert "--version" not in argv and "--yes" in argv
        if argv[:3] == ["supabase", "db", "push"]:
            assert "--yes" in argv and "--project-ref" not in argv
        if argv[:2] == ["vercel", "deploy"]:
            assert {"--prod", "--skip-domain", "--yes"} <= set(argv)
