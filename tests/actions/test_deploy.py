"""Deployments on the simulated platform: what runs afterwards is asked of it over HTTP and SQL, not of our tables."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from console.domain.action import ActionState, StepState
from console.domain.asking import undoing
from console.domain.check import CheckReport, CheckResult, CheckStatus
from console.domain.errors import Refused
from console.domain.release import ReleaseState
from console.sandbox import releases as sandbox_releases
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.tools import tools_folder, variables
from console.sections import DeploySettings
from console.store import actions, releases
from tests.sandbox.deploying import Workshop

from .conftest import Stage

REFERENCE = "20251006090000"


class Shop:
    """The platform's repository, and what runs there, asked of itself."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.verdict = CheckStatus.PASSED
        stage.validate = self.validate
        self.repository = sandbox_releases.ensure_repository(folder / "platform.git")
        tools = tools_folder(folder, stage.platform.config.base_url)
        stage.deploy = DeploySettings(
            repository=str(self.repository),
            first="v2.8.1",
            folder=folder / "deployments",
            path=(tools,),
            env=variables(folder, project=PROJECT, team=TEAM),
        )

    async def validate(self, occasion: str, told: Callable[[CheckResult], None]) -> CheckReport:
        """The checks themselves have tests of their own."""
        result = CheckResult(
            "order_execution", "Orders", occasion, self.verdict, "execute-order: HTTP 500", 1
        )
        told(result)
        return CheckReport((result,))

    async def runs(self) -> tuple[str, dict[str, int], bool]:
        """The version that everybody gets, each function's version, and whether the migration of v2.9.0 is there."""
        platform = self.stage.platform
        async with platform.client() as client:
            version = (await client.get("/health")).json()["version"]
            key = {"Authorization": f"Bearer {platform.supabase_token}"}
            found = (await client.get(f"/v1/projects/{REF}/functions", headers=key)).json()
        async with platform.sql() as connection:
            column = await connection.fetchval(
                "SELECT count(*) FROM information_schema.columns "
                "WHERE table_name = 'orders' AND column_name = 'client_reference'"
            )
            noted = await connection.fetchval(
                "SELECT count(*) FROM supabase_migrations.schema_migrations WHERE version = $1", REFERENCE
            )
        assert column == noted
        return version, {f["slug"]: f["version"] for f in found}, bool(column)

    async def deploys(self, release: str) -> int:
        planned = await self.stage.ask("deploy", release, release=release)
        await self.stage.confirm(planned)
        return planned.id


@pytest.fixture
async def shop(stage: Stage, tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(stage, tmp_path)
    yield made
    # The platform is everybody's: as it was.
    back = Workshop(stage.platform, tmp_path / "back")
    back.deploy_functions("v2.8.1")
    async with stage.platform.sql() as connection:
        if await connection.fetchval(
            "SELECT count(*) FROM supabase_migrations.schema_migrations WHERE version = $1", REFERENCE
        ):
            await connection.execute(
                sandbox_releases.tree("v2.9.0")[f"migrations/rollback-{REFERENCE}.sql"].decode()
            )
    address = back.deploy_frontend("v2.8.1")
    back.ok(back.worktree("v2.8.1"), "vercel", "promote", address, "--yes")


async def test_forward_and_back(stage: Stage, shop: Shop) -> None:
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        version, functions, migrated = await shop.runs()
        assert (version, migrated) == ("2.8.1", False)
        planned = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
        plan = planned.plan
        assert (
            plan is not None
            and plan.typed == "test"
            and plan.command.startswith("tradex deploy v2.9.0 --reason")
        )
        facts = {fact.label: fact.value for fact in plan.facts}
        assert facts["replaces"] == "v2.8.1" and facts["functions"] == "get-stock-price"
        assert facts["migrations"] == f"{REFERENCE} order_client_reference"
        await stage.confirm(planned)
        done = await stage.ended(planned.id, timeout=90)
        assert done.state is ActionState.DONE, done.words
        assert await shop.runs() == (
            "2.9.0", functions | {"get-stock-price": functions["get-stock-price"] + 1}, True,
        )  # fmt: skip
        calls = [line.text for line in await actions.output(stage.alice, done.id) if line.kind == "command"]
        assert any(line.startswith("supabase db push --yes") for line in calls)
        assert not any(stage.platform.deploy_password in line for line in calls)
        kept = shop.folder / "deployments" / f"deployment-{done.id}.log"
        assert all(line in kept.read_text() for line in calls) and kept.stat().st_mode & 0o777 == 0o600
        assert stage.platform.deploy_password not in kept.read_text()
        with pytest.raises(AssertionError, match=r"v2\.9\.0 is live"):
            await stage.confirm(await stage.ask("deploy", "v2.9.0", release="v2.9.0"))
        # Its undo is the way to what was live before.
        kinds = {kind.name: kind for kind in await actions.kinds(stage.alice)}
        spec, params = undoing(done, kinds)
        assert (spec.name, len(params["to"])) == ("rollback", 40)
        back = await stage.ask("rollback", **params)
        await stage.confirm(back)
        ended = await stage.ended(back.id, timeout=90)
        assert ended.state is ActionState.DONE, ended.words
        version, _, migrated = await shop.runs()
        assert (version, migrated) == ("2.8.1", False)
        story = [(r.version, r.state) for r in await releases.recent(stage.alice)]
        # What is live again is no way back from itself.
        further = await stage.ask("rollback")
    assert "no release before that was good" in further.words
    assert story == [
        ("v2.8.1", ReleaseState.LIVE), ("v2.9.0", ReleaseState.ROLLED_BACK), ("v2.8.1", ReleaseState.GOOD),
    ]  # fmt: skip


async def test_what_fails_takes_itself_back(stage: Stage, shop: Shop) -> None:
    # The frontend can't be uploaded: the functions and the migration are taken back.
    (shop.folder / "tools" / "vercel").write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    before = await shop.runs()
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        number = await shop.deploys("v2.9.0")
        failed = await stage.ended(number, timeout=90)
        steps = {s.name: s for s in await actions.steps(stage.alice, number)}
        kinds = {kind.name: kind for kind in await actions.kinds(stage.alice)}
        story = [(r.version, r.state) for r in await releases.recent(stage.alice)]
    assert failed.state is ActionState.FAILED
    assert failed.words.startswith("upload the frontend: vercel ended with 3: no space left; taken back: ")
    assert steps["undo functions"].state is steps["undo migrations"].state is StepState.DONE
    assert steps["promote"].state is StepState.CANCELLED
    version, functions, migrated = await shop.runs()
    assert (version, migrated) == (before[0], False)
    # Deployed, and deployed as it was.
    assert functions["get-stock-price"] == before[1]["get-stock-price"] + 2
    assert story == [("v2.9.0", ReleaseState.FAILED), ("v2.8.1", ReleaseState.LIVE)]
    with pytest.raises(Refused, match="took back itself"):
        undoing(failed, kinds)


async def test_a_validation_that_fails_takes_it_back(stage: Stage, shop: Shop) -> None:
    shop.verdict = CheckStatus.FAILED
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        failed = await stage.ended(await shop.deploys("v2.9.0"), timeout=90)
        lines = [
            line.text for line in await actions.output(stage.alice, failed.id) if line.step == "validate"
        ]
    assert failed.words.startswith(
        "validate what runs now: 1 of 1 check failed: order_execution: execute-order: HTTP 500; taken back: "
    )
    assert lines == ["failed   order_execution: execute-order: HTTP 500"]
    assert (await shop.runs())[0] == "2.8.1"


async def test_a_build_that_fails_changes_nothing(stage: Stage, shop: Shop) -> None:
    before = await shop.runs()
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        failed = await stage.ended(await shop.deploys("v2.12.0"), timeout=90)
    assert failed.words.startswith("build the frontend: npm ended with 1") and failed.words.endswith(
        "; nothing was changed"
    )
    assert await shop.runs() == before


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("v9", "the repository has no commit v9"),
        ("--force", "is no commit"),
        ("v2.8.1", "v2.8.1 is live"),
        ("", "is no commit"),
    ],
)
async def test_what_can_not_be_planned_says_why(stage: Stage, shop: Shop, release: str, said: str) -> None:
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        refused = await stage.ask("deploy", release, release=release)
    assert refused.state is ActionState.REFUSED
    assert said in refused.words


async def test_an_irreversible_migration_is_told_before(stage: Stage, shop: Shop) -> None:
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        planned = await stage.ask("deploy", "v2.11.0", release="v2.11.0")
    plan = planned.plan
    assert plan is not None
    assert ("irreversible", "crit") in {(fact.label, fact.weight) for fact in plan.facts}
    assert any("the database does not go back over" in note for note in plan.notes)


async def test_without_a_repository_there_is_no_source(stage: Stage) -> None:
    async with stage.agent():
        kinds = {kind.name: kind for kind in await actions.kinds(stage.alice)}
    assert kinds["deploy"].unavailable == "no source: deploy.repository is not set"


async def test_a_repository_that_is_away_is_planned_from_what_was_known(stage: Stage, shop: Shop) -> None:
    async with stage.agent():
        await stage.wait_for(lambda: releases.candidates(stage.alice))
        shop.repository.rename(shop.folder / "away.git")
        planned = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
        refused = await stage.ask("deploy", "v9", release="v9")
    assert planned.plan is not None, planned.words
    assert planned.plan.title == "Deploy v2.9.0"
    assert any("the repository does not answer" in note for note in planned.plan.notes)
    assert "has no commit v9; the repository does not answer" in refused.words


async def test_what_can_be_deployed_is_known_as_soon_as_something_was(stage: Stage, shop: Shop) -> None:
    stage.scale = 1.0
    async with stage.agent():
        first = await stage.wait_for(lambda: releases.candidates(stage.alice))
        newest = first[0].sha
        await stage.place.owner("UPDATE console.release SET commit = $1", newest)

        async def none_left() -> bool:
            return not await releases.candidates(stage.alice)

        # Else it would be looked at again after 30 s.
        await stage.wait_for(none_left, timeout=15)
