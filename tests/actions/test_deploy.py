"""Deployments on the simulated platform: what runs afterwards is asked of it over HTTP and SQL, not of our tables."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from console.actions.canary import earlier_ones
from console.domain.action import ActionState, StepState
from console.domain.asking import undoing
from console.domain.check import CheckReport, CheckResult, CheckStatus, Subject
from console.domain.errors import Refused
from console.domain.release import ReleaseState
from console.sandbox import releases as sandbox_releases
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.people import Person
from console.sandbox.tools import tools_folder, variables
from console.sections import DeploySettings
from console.store import actions, releases
from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform, order, somebody

from .conftest import Stage
from .test_canary import put

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

    async def validate(
        self, occasion: str, told: Callable[[CheckResult], None], about: Subject
    ) -> CheckReport:
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
        assert facts["checklist"] == "was not gone through for this commit"
        assert facts["migrations"] == f"{REFERENCE} order_client_reference"
        await stage.confirm(planned)
        done = await stage.ended(planned.id, timeout=90)
        assert done.state is ActionState.DONE, done.words
        assert done.words == "v2.9.0 runs; no orders came: nothing to compare"
        assert done.proof is not None
        assert [(fact.label, fact.value) for fact in done.proof.facts] == [
            ("database", "as deployed"),
            ("frontend", "as deployed"),
            ("get-stock-price", f"version {functions['get-stock-price'] + 1}"),
        ]
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
        # Whatever number the platform gives it: what runs is the very bundle that ran then.
        assert ended.proof is not None
        (bundle,) = (fact for fact in ended.proof.facts if fact.label == "get-stock-price")
        assert bundle.weight == "ok" and bundle.value == f"version {functions['get-stock-price'] + 2}"
        story = [(r.version, r.state) for r in await releases.recent(stage.alice)]
        # What is live again is no way back from itself.
        further = await stage.ask("rollback")
    assert "no release before that was good" in further.words
    assert story == [
        ("v2.8.1", ReleaseState.LIVE), ("v2.9.0", ReleaseState.ROLLED_BACK), ("v2.8.1", ReleaseState.GOOD),
    ]  # fmt: skip


async def test_what_fails_takes_itself_back(stage: Stage, shop: Shop) -> None:
    # The frontend can't be given to everybody: the functions and the migration are taken back.
    vercel = shop.folder / "tools" / "vercel"
    all_else = vercel.read_text().replace("exec ", '[ "$1" = promote ] || exec ', 1)
    vercel.write_text(f"{all_else}\necho no space left >&2\nexit 3\n")
    before = await shop.runs()
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        number = await shop.deploys("v2.9.0")
        failed = await stage.ended(number, timeout=90)
        steps = {s.name: s for s in await actions.steps(stage.alice, number)}
        kinds = {kind.name: kind for kind in await actions.kinds(stage.alice)}
        story = [(r.version, r.state) for r in await releases.recent(stage.alice)]
        again = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
        assert again.plan is not None and " it came to nothing: give the frontend" in " ".join(
            again.plan.notes
        )
    assert failed.state is ActionState.FAILED
    assert failed.words.startswith(
        "give the frontend to everybody: vercel ended with 3: no space left; taken back: "
    )
    assert steps["undo functions"].state is steps["undo migrations"].state is StepState.DONE
    assert steps["validate"].state is StepState.CANCELLED
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


@asynccontextmanager
async def trading(platform: Platform, people: int = 8) -> AsyncIterator[None]:
    """People who place one order after the other."""

    async def trade(person: Person) -> None:
        async with platform.client(token=platform.token(person)) as client:
            while True:
                await client.post("/functions/v1/execute-order", json=order(quantity=0.5))

    tasks = [asyncio.create_task(trade(somebody())) for _ in range(people)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def placed(platform: Platform, since: datetime) -> int:
    """Orders finished since then."""
    return await platform.value("SELECT count(*) FROM orders WHERE executed_at > $1", since)


async def test_a_release_with_which_orders_fail_is_taken_back_at_once(stage: Stage, shop: Shop) -> None:
    stage.scale = 5.0
    before, begun = await shop.runs(), await stage.alice.now()
    async with stage.agent(), trading(stage.platform):
        await stage.wait_for(lambda: releases.recent(stage.alice))
        failed = await stage.ended(await shop.deploys("v2.10.0"), timeout=90)
        story = [(r.version, r.state) for r in await releases.recent(stage.alice)]
        # Its orders are none of those that the next one is held against.
        earlier = await earlier_ones(stage.alice, await stage.alice.now())
    assert failed.state is ActionState.FAILED and failed.proof is not None
    assert [(each.began, each.failed) for each in earlier] == [(failed.started_at, True)]
    assert failed.ended_at is not None and failed.ended_at - earlier[0].over < timedelta(seconds=1)
    assert (await shop.runs())[0] == before[0] == "2.8.1"
    assert story[0] == ("v2.10.0", ReleaseState.FAILED)
    found = failed.proof.comparison
    assert found is not None and failed.started_at is not None and failed.ended_at is not None
    row = found.rows[0]
    assert row.name == "error_rate" and row.bad and row.low is not None and row.low > (row.allowed or 0)
    # One sentence with its numbers, and then what was done.
    said, _, done = failed.words.partition("; taken back: ")
    assert said.startswith("error rate ") and said.endswith(f" more, of {found.of_now} orders)")
    assert (
        done
        == "give everybody the frontend from before, deploy the functions as they were, take the migrations back"
    )
    assert failed.proof.text == said and "error rate" not in {fact.label for fact in failed.proof.facts}
    # Not at the end of the watch, and of orders that the platform has.
    assert failed.started_at < found.since < failed.ended_at < found.until
    assert 30 <= found.of_now <= await placed(stage.platform, found.since)
    assert found.of_before >= await placed(stage.platform, begun) - await placed(
        stage.platform, failed.started_at
    )


async def test_a_platform_that_fails_anyway_is_not_blamed_on_the_release(stage: Stage, shop: Shop) -> None:
    async with stage.agent(), trading(stage.platform), stage.platform.drill("errors"):
        await stage.wait_for(lambda: releases.recent(stage.alice))
        begun = await stage.alice.now()

        async def enough() -> bool:
            return await placed(stage.platform, begun) > 200

        await stage.wait_for(enough, timeout=60)
        done = await stage.ended(await shop.deploys("v2.9.0"), timeout=90)
    assert done.state is ActionState.DONE, done.words
    assert (await shop.runs())[0] == "2.9.0"
    assert done.words == "v2.9.0 runs" and done.proof is not None and done.proof.comparison is not None
    row = done.proof.comparison.rows[0]
    assert row.before is not None and row.before > 4 and not row.bad


async def test_a_rollback_is_watched_and_never_goes_back(stage: Stage, shop: Shop) -> None:
    async with stage.agent():
        await stage.wait_for(lambda: releases.recent(stage.alice))
        await stage.ended(await shop.deploys("v2.9.0"), timeout=90)
        stage.scale = 30.0
    # As if another bundler had made it then.
    await stage.place.owner(
        'UPDATE console.release SET functions = (SELECT jsonb_agg(f || \'{"sha": "beef"}\') '
        "FROM jsonb_array_elements(functions) AS f) WHERE version = 'v2.8.1'"
    )
    async with stage.agent("a2"):
        planned = await stage.ask("rollback")
        await put(stage.platform, await stage.alice.now(), 200)
        await stage.confirm(planned)
        await stage.until(planned.id, lambda action: action.state is ActionState.VERIFYING, timeout=60)
        await put(stage.platform, await stage.alice.now(), 0, 100)
        done = await stage.ended(planned.id, timeout=90)
        steps = await actions.steps(stage.alice, done.id)
    assert done.state is ActionState.DONE and done.proof is not None
    assert done.words.startswith(
        "done, and it got worse since: error rate 0.00 % before, 100.00 % now (95 %: "
    )
    assert done.words.endswith(" more, of 100 orders); v2.8.1 runs")
    assert not any(step.name.startswith("undo") for step in steps)
    (bundle,) = (fact for fact in done.proof.facts if fact.label == "get-stock-price")
    assert bundle.value.endswith("not the bundle that ran then (beef)") and bundle.weight == "warn"
    assert done.proof.comparison is not None and done.proof.comparison.of_before == 200
    assert (await shop.runs())[0] == "2.8.1"
    await stage.platform.execute("DELETE FROM orders WHERE created_at > $1", done.started_at)


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
