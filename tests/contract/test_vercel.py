"""What `vercel` does in a deployment: arguments, exit codes, both streams, and what production then is."""

import json

import pytest

from console.sandbox.tools.vercel import VERSION
from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform


async def production(platform: Platform) -> str:
    async with platform.client() as client:
        return (await client.get("/health")).json()["version"]


async def test_deploy_promote_and_rollback(platform: Platform, shop: Workshop) -> None:
    where = shop.worktree("v2.9.0")
    first = shop.deploy_frontend("v2.8.1")
    shop.ok(where, "vercel", "promote", first, "--yes")
    assert await production(platform) == "2.8.1"
    done = shop.run(where, "vercel", "deploy", "--prod", "--skip-domain", "--yes")
    assert done.code == 0 and done.out.startswith("http") and done.out.count("\n") == 1, done
    address = done.out.strip()
    deployment = address.rstrip("/").rpartition("/")[2]
    assert await production(platform) == "2.8.1"
    shown = json.loads(shop.ok(where, "vercel", "inspect", address, "--format", "json"))
    assert (shown["id"], shown["readyState"], shown["readySubstate"]) == (deployment, "READY", "STAGED")
    promoted = shop.run(where, "vercel", "promote", deployment, "--yes")
    assert (
        promoted.code == 0 and promoted.out == "" and "Success! trade-x-pro was promoted to" in promoted.err
    )
    assert await production(platform) == "2.9.0"
    back = shop.run(where, "vercel", "rollback", first, "--yes")
    assert back.code == 0 and back.out == "" and "Success! trade-x-pro was rolled back to" in back.err
    assert await production(platform) == "2.8.1"
    status = shop.run(where, "vercel", "rollback", "status")
    assert status.code == 0 and "was rolled back to" in status.err


async def test_without_skip_domain_production_follows_at_once(platform: Platform, shop: Workshop) -> None:
    shop.ok(shop.worktree("v2.9.0"), "vercel", "deploy", "--prod", "--yes")
    assert await production(platform) == "2.9.0"
    shop.ok(shop.worktree("v2.8.1"), "vercel", "--prod", "--yes")
    assert await production(platform) == "2.8.1"


async def test_a_build_that_fails_is_a_failed_deployment(platform: Platform, shop: Workshop) -> None:
    where, before = shop.worktree("v2.12.0"), await production(platform)
    done = shop.run(where, "vercel", "deploy", "--prod", "--skip-domain", "--yes")
    assert done.code == 1 and '"formatMoney" is not exported by "frontend/src/format.ts"' in done.err
    address = done.out.strip()
    assert shop.run(where, "vercel", "inspect", address).code == 1
    assert shop.run(where, "vercel", "promote", address, "--yes").code == 1
    assert await production(platform) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rollback", "dpl_x", "--force"), "unknown or unexpected option: --force"),
        (("deploy", "--rollback"), "unknown or unexpected option: --rollback"),
        (("rollback", "dpl_nothing", "--yes"), "The deployment could not be found."),
        (("promote",), "expects one deployment"),
        (("firewall", "publish"), "is none that this stand-in has"),
        (("inspect", "dpl_nothing", "--token", "x"), "VERCEL_TOKEN only"),
    ],
)
def test_what_is_refused(shop: Workshop, arguments: tuple[str, ...], said: str) -> None:
    done = shop.run(shop.folder, "vercel", *arguments)
    assert done.code == 1 and said in done.err and done.out == ""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"VERCEL_TOKEN": ""}, "No existing credentials found"),
        ({"VERCEL_TOKEN": "wrong"}, "Not authorized"),
        ({"VERCEL_PROJECT_ID": ""}, "isn't linked"),
        ({"XDG_DATA_HOME": "/nowhere"}, "`api` of config.json is not set"),
    ],
)
def test_who_and_where_come_from_the_environment(
    shop: Workshop, environment: dict[str, str], said: str
) -> None:
    done = shop.run(shop.worktree("v2.8.1"), "vercel", "deploy", "--prod", "--yes", **environment)
    assert done.code == 1 and said in done.err and done.out == ""


def test_it_says_its_version(shop: Workshop) -> None:
    assert shop.ok(shop.folder, "vercel", "--version") == VERSION
