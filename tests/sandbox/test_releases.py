"""A release on the simulated platform: its commits, the two APIs that a deployment uses, and what then runs."""

import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.sandbox import releases
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from tests.sandbox.deploying import FUNCTIONS, Workshop
from tests.sandbox.platform import Platform, many, order, somebody

API = f"/v1/projects/{REF}"
TAGS = ["v2.8.1", "v2.9.0", "v2.10.0", "v2.11.0", "v2.12.0"]
QUERY = {"projectId": PROJECT, "teamId": TEAM}


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(platform, tmp_path_factory.mktemp("shop"))


@pytest.fixture(autouse=True)
async def as_at_first(shop: Workshop) -> AsyncIterator[None]:
    """Whatever a test deploys is taken back: functions, production and schema are those of the first release."""
    first = (await listed(shop.platform))[-1]["uid"]
    yield
    shop.deploy_functions("v2.8.1")
    await point(shop.platform, "promote", first)
    rollback = shop.worktree("v2.9.0") / "migrations" / "rollback-20251006090000.sql"
    if "20251006090000" in await versions(shop.platform):
        await shop.platform.execute(rollback.read_text())


async def management(platform: Platform, path: str, token: str | None = None) -> Any:
    async with platform.client(token=token or platform.supabase_token) as client:
        return await client.get(f"{API}{path}")


async def function(platform: Platform, slug: str = "execute-order") -> dict[str, Any]:
    return (await management(platform, f"/functions/{slug}")).json()


async def listed(platform: Platform) -> list[dict[str, Any]]:
    async with platform.client(token=platform.vercel_token) as client:
        return (await client.get("/v6/deployments", params=QUERY)).json()["deployments"]


async def point(platform: Platform, verb: str, deployment: str) -> int:
    version = 10 if verb == "promote" else 1
    async with platform.client(token=platform.vercel_token) as client:
        path = f"/v{version}/projects/{PROJECT}/{verb}/{deployment}"
        return (await client.post(path, params={"teamId": TEAM})).status_code


async def versions(platform: Platform) -> list[str]:
    async with platform.sql() as connection:
        rows = await connection.fetch("SELECT version FROM supabase_migrations.schema_migrations ORDER BY 1")
    return [row["version"] for row in rows]


async def version(platform: Platform) -> str:
    async with platform.client() as client:
        return (await client.get("/health")).json()["version"]


async def orders(platform: Platform, count: int) -> list[tuple[int, str]]:
    """Status and reason of so many market orders."""

    token = platform.token(somebody())

    async def place(_: int) -> Any:
        async with platform.client(token=token) as client:
            return await client.post("/functions/v1/execute-order", json=order(quantity=0.5))

    answers = await many(count, place)
    return [(a.status_code, "" if a.status_code == 200 else a.json()["error"]["message"]) for a in answers]


def test_the_repository_is_the_same_every_time_and_has_a_tag_for_each_release(tmp_path: Path) -> None:
    def git(path: Path, *argv: str) -> str:
        done = subprocess.run(["git", "-C", str(path), *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    made = [releases.ensure_repository(tmp_path / name) for name in ("one.git", "two.git")]
    assert git(made[0], "rev-parse", "main") == git(made[1], "rev-parse", "main")
    assert git(made[0], "tag", "--sort=creatordate").split() == TAGS == releases.tags()
    assert len(set(git(made[0], "log", "--format=%an").split("\n"))) > 2
    # Kept, with whatever was committed to it since.
    git(made[0], "update-ref", "refs/heads/mine", "main")
    assert git(releases.ensure_repository(made[0]), "rev-parse", "mine") == git(made[0], "rev-parse", "main")
    names = git(made[0], "ls-tree", "-r", "--name-only", "v2.9.0").split("\n")
    assert {"vercel.json", "package-lock.json", "migrations/rollback-20251006090000.sql"} < set(names)
    for tag in TAGS:
        assert releases.version(releases.tree(tag)) == tag[1:]
        for name in ("vercel.json", "supabase/functions/execute-order/index.ts"):
            assert git(made[0], "show", f"{tag}:{name}") == releases.tree(tag)[name].decode().strip()


async def test_the_first_release_runs_before_anything_is_deployed(platform: Platform, shop: Workshop) -> None:
    found = (await management(platform, "/functions")).json()
    assert [f["slug"] for f in found] == list(FUNCTIONS)
    assert set(found[0]) == {
        "id", "slug", "name", "status", "version", "created_at", "updated_at", "verify_jwt", "entrypoint_path",
        "ezbr_sha256",
    }  # fmt: skip
    assert {f["status"] for f in found} == {"ACTIVE"}
    assert await versions(platform) == ["20250911160000"]
    assert await version(platform) == "2.8.1"
    async with platform.client() as client:
        assert 'platform_build_info{version="2.8.1"' in (await client.get("/metrics")).text
    # The same sources deployed by the CLI are the same version.
    shop.deploy_functions("v2.8.1")
    assert (await management(platform, "/functions")).json() == found


async def test_a_changed_function_is_a_new_version_and_the_old_source_brings_the_old_hash_back(
    platform: Platform, shop: Workshop
) -> None:
    before = [await function(platform, slug) for slug in ("execute-order", "get-stock-price")]
    effects = await platform.effects("function_deployed")
    shop.deploy_functions("v2.9.0")
    after = [await function(platform, slug) for slug in ("execute-order", "get-stock-price")]
    assert after[0] == before[0]
    assert after[1]["version"] == before[1]["version"] + 1
    assert after[1]["ezbr_sha256"] != before[1]["ezbr_sha256"]
    body = (await management(platform, "/functions/get-stock-price/body")).content
    assert hashlib.sha256(body).hexdigest() == after[1]["ezbr_sha256"] and b"PRICE_TTL_S = 8" in body
    assert await platform.effects("function_deployed") == effects + 1
    shop.deploy_functions("v2.8.1", "get-stock-price")
    back = await function(platform, "get-stock-price")
    assert (back["version"], back["ezbr_sha256"]) == (after[1]["version"] + 1, before[1]["ezbr_sha256"])


async def test_the_bad_release_fails_most_market_orders_and_its_rollback_lets_them_flow(
    platform: Platform, shop: Workshop
) -> None:
    assert {code for code, _ in await orders(platform, 12)} == {200}
    shop.deploy_functions("v2.10.0", "execute-order")
    reasons = [reason for code, reason in await orders(platform, 24) if code == 422]
    assert len(reasons) > 8 and set(reasons) == {"price moved beyond the limit"}
    failed = "SELECT count(*) FROM orders WHERE status = 'failed' AND failure_reason = 'price moved beyond the limit'"
    assert await platform.value(failed) >= len(reasons)
    shop.deploy_functions("v2.8.1", "execute-order")
    assert {code for code, _ in await orders(platform, 12)} == {200}


async def test_a_function_without_its_constant_does_not_start(platform: Platform, shop: Workshop) -> None:
    async with platform.client(token=platform.supabase_token) as client:
        path = "supabase/functions/execute-order/index.ts"
        parts = [
            ("file", (path, b"Deno.serve(() => new Response('?'));", "application/octet-stream")),
            ("metadata", (None, json.dumps({"entrypoint_path": path, "name": "execute-order"}))),
        ]
        answer = await client.post(f"{API}/functions/deploy", params={"slug": "execute-order"}, files=parts)
        assert answer.status_code == 201, answer.text
    assert [code for code, _ in await orders(platform, 1)] == [503]


@pytest.mark.parametrize(
    ("query", "status"), [({"slug": "../x"}, 400), ({}, 400), ({"slug": "execute-order"}, 400)]
)
async def test_what_is_no_function_is_refused(platform: Platform, query: dict[str, str], status: int) -> None:
    before = (await management(platform, "/functions")).json()
    async with platform.client(token=platform.supabase_token) as client:
        for files in (
            [("metadata", (None, "{}"))],
            [("file", ("x", b"\xff"))],
            [("metadata", (None, "nonsense"))],
            [("metadata", (None, "[" * 100_000))],
        ):
            answer = await client.post(f"{API}/functions/deploy", params=query, files=files)
            assert answer.status_code == status and "message" in answer.json()
        for said in (
            b'[{"slug": "execute-order", "ezbr_sha256": "0"}]',
            b'[{"slug": "\\u0000"}]',
            b"[" * 60_000,
        ):
            assert (await client.put(f"{API}/functions", content=said)).status_code == 400
    assert (await management(platform, "/functions")).json() == before


async def test_the_apis_are_for_who_holds_their_token(platform: Platform) -> None:
    assert (await management(platform, "/functions", token=platform.vercel_token)).status_code == 401
    assert (await management(platform, "/functions/nothing")).status_code == 404
    async with platform.client(token=platform.supabase_token) as client:
        assert (await client.get("/v1/projects/aaaaaaaaaaaaaaaaaaaa/functions")).status_code == 404
        for method, path in (("GET", "/v6/deployments"), ("POST", "/v13/deployments"), ("POST", "/v2/files")):
            assert (await client.request(method, path, params=QUERY)).status_code == 403
    assert await point(platform, "promote", "dpl_nothing") == 404


async def test_the_newest_backup_is_of_the_last_day(platform: Platform) -> None:
    answer = (await management(platform, "/database/backups")).json()
    times = [datetime.fromisoformat(b["inserted_at"]) for b in answer["backups"]]
    assert times == sorted(times, reverse=True) and len(times) == 7
    assert timedelta() <= datetime.now(UTC) - times[0] < timedelta(days=1)


async def test_a_deployment_is_served_by_itself_until_production_follows_it(
    platform: Platform, shop: Workshop
) -> None:
    async with platform.client() as client:
        key = {"Authorization": f"Bearer {platform.vercel_token}"}
        project = (await client.get(f"/v9/projects/{PROJECT}", params={"teamId": TEAM}, headers=key)).json()
    first = project["targets"]["production"]["id"]
    went_back = await platform.effects("rollback", first)
    address = shop.deploy_frontend("v2.9.0")
    made = (await listed(platform))[0]
    assert address.rstrip("/").endswith(made["uid"]) and made["readySubstate"] == "STAGED"
    assert made["meta"]["gitCommitMessage"] == "Release 2.9.0"
    assert await version(platform) == "2.8.1"
    async with platform.client() as client:
        page = await client.get(address)
        assert page.status_code == 200 and page.headers["x-frame-options"] == "DENY"
        script = page.text.split('src="')[1].split('"')[0]
        assert b"row.title" in (await client.get(f"{address}{script}")).content
        assert (await client.get("/")).text != page.text

    assert await point(platform, "rollback", made["uid"]) == 400, "it has not served production"
    assert await point(platform, "promote", made["uid"]) == 201
    assert await version(platform) == "2.9.0"
    async with platform.client() as client:
        assert (await client.get("/")).text == page.text
        assert (await client.get("/status")).json()["version"] == "2.9.0"
    assert await point(platform, "rollback", first) == 201
    assert await version(platform) == "2.8.1"
    assert await platform.effects("promote", made["uid"]) == 1
    assert await platform.effects("rollback", first) == went_back + 1


async def test_a_deployment_has_the_headers_that_its_own_configuration_says(
    platform: Platform, shop: Workshop
) -> None:
    tree = dict(releases.tree("v2.8.1"))
    del tree["vercel.json"]
    files = [
        {"file": name, "data": content.decode()} for name, content in tree.items() if name != "README.md"
    ]
    small = [f for f in files if not f["file"].startswith("supabase/")]
    async with platform.client(token=platform.vercel_token) as client:
        body = {"project": PROJECT, "files": small, "target": "production", "autoAssignCustomDomains": False}
        made = (await client.post("/v13/deployments", params=QUERY, json=body)).json()
        page = await client.get(f"http://{made['url']}")
    assert page.status_code == 200 and "x-frame-options" not in page.headers


async def test_what_no_table_and_no_answer_can_hold_is_shown_in_its_place(platform: Platform) -> None:
    tree = {
        n: c.decode()
        for n, c in releases.tree("v2.8.1").items()
        if n.startswith(("frontend/", "package.json"))
    }
    tree["package.json"] = '{"version": "\\u0000\\ud800"}'
    body = {"project": PROJECT, "files": [{"file": n, "data": text} for n, text in tree.items()],
            "meta": {"\ud800": "\0"}, "gitMetadata": {"commitSha": "\ud800"}}  # fmt: skip
    async with platform.client(token=platform.vercel_token) as client:
        answer = await client.post("/v13/deployments", params=QUERY, content=json.dumps(body))
        assert answer.status_code == 200
        assert answer.json()["meta"] == {"\ufffd": "\u2400", "gitCommitSha": "\ufffd"}
        path = "/v1/security/firewall/config"
        gone = await client.patch(path, params=QUERY, json={"action": "ip.remove", "id": "\0"})
        assert gone.status_code == 404
    # What is written down after it gets there too.
    assert await platform.effects("deployment", answer.json()["id"]) == 1
    assert await platform.effects("ip.remove", "\u2400") == 1


async def test_a_release_outlives_the_service(platform: Platform, shop: Workshop) -> None:
    shop.deploy_functions("v2.9.0")
    address = shop.deploy_frontend("v2.9.0")
    assert await point(platform, "promote", address.rstrip("/").rpartition("/")[2]) == 201
    before = (await management(platform, "/functions")).json(), await listed(platform)
    platform.kill()
    platform.start()
    assert ((await management(platform, "/functions")).json(), await listed(platform)) == before
    assert await version(platform) == "2.9.0"
    async with platform.client() as client:
        assert (await client.get(address)).status_code == 200
