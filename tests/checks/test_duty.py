"""The checks as the leading agent runs them: asked for, of a step, by itself; with every door, and kept as they end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.checks.check import Check
from console.checks.duty import Checking
from console.checks.registry import OCCASIONS, PRE
from console.domain.check import CheckResult, CheckRun, CheckStatus, Outcome, Subject, passed
from console.domain.release import Commit, Released, ReleaseState
from console.processes.postgres import EmbeddedPostgres
from console.settings import Settings
from console.store import actions, checks, releases
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.checks.conftest import Stage
from tests.checks.shop import Shop
from tests.conftest import NewDatabase
from tests.store.acting import KINDS, planned
from tests.store.stores import Place, spec, upgraded, write

WaitFor = Callable[..., Any]


@pytest.fixture
def place(cluster: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(cluster, new_database(cluster, template=upgraded(cluster, session_database)))


@pytest.fixture
def shop(stage: Stage, tmp_path: Path) -> Shop:
    return Shop(tmp_path, stage.platform.config.base_url)


@dataclass
class Leader:
    """An agent that leads, and what its other duties would have written."""

    store: Store
    lease: Lease
    checking: Checking

    async def ticked(self) -> None:
        await write(self.store, self.lease, [spec("p95")], [(datetime.now(UTC), [1.0])])

    async def candidates(self, *shas: str) -> None:
        commits = [Commit(sha, datetime(2026, 3, 1, tzinfo=UTC), "Mei", "x", f"v{sha[0]}") for sha in shas]
        await releases.put_candidates(self.store, self.lease, commits)


@asynccontextmanager
async def working(place: Place, settings: Settings, name: str = "a1") -> AsyncIterator[Leader]:
    """An agent that leads and has no other duty."""
    async with place.leader(name) as (store, lease):
        checking = Checking(settings)
        tasks = [
            asyncio.ensure_future(work)
            for work in (checking.duty(store, lease)(), store.listen(checking.hear))
        ]
        try:
            yield Leader(store, lease, checking)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await leases.release(store, lease)


async def over(place: Place, wait_for: WaitFor, number: int) -> CheckRun:
    async with place.open("vera") as vera:

        async def found() -> CheckRun | None:
            run = await checks.one(vera, number)
            return run if run is not None and run.ended_at is not None else None

        return await wait_for(found, timeout=60)


def by_id(run: CheckRun) -> dict[str, CheckResult]:
    return {each.id: each for each in run.results}


async def test_what_a_person_asks_for_is_run_about_its_commit_and_kept(
    stage: Stage, shop: Shop, place: Place, wait_for: WaitFor
) -> None:
    settings = stage.settings().model_copy(update={"deploy": shop.settings})
    commit = await shop.commit("v2.9.0")
    async with place.open("alice") as alice, working(place, settings):
        await checks.tick(alice, "fe.error_boundaries", "broke three pages", commit=commit)
        asked = await checks.ask(alice, "pre", commit=commit, version="v2.9.0")
        run = await over(place, wait_for, asked.id)
    assert (run.by, run.version, run.total, run.words) == ("alice", "v2.9.0", 25, "")
    assert [each.id for each in run.results] == [each.id for each in PRE]
    found = by_id(run)
    assert found["db.migrations"].status == "passed"
    assert found["db.migrations"].evidence.endswith("none is missing; to come with it: 20251006090000")
    assert found["fe.build"].status == "passed", found["fe.build"]
    assert found["fe.build"].evidence.startswith(f"{commit[:8]} builds: ")
    assert found["fe.dependencies"].evidence == (
        "0 critical, 0 high, 2 moderate, 1 low vulnerabilities; outdated majors: cookie 0.6.0 (latest 1.0.2), "
        "vite 5.4.10 (latest 6.3.5)"
    )
    assert found["fe.error_boundaries"].status == "passed"
    assert found["fe.error_boundaries"].evidence.endswith(": broke three pages (for this release)")
    assert (found["db.backups"].status, found["mon.dashboards"].status) == ("manual", "warning")
    assert found["mon.metrics"].evidence == "a1 has written no tick"
    assert shop.left() == []


class Halting:
    """An occasion of three checks, of which the second one waits until it may go on."""

    def __init__(self) -> None:
        self.go, self.begun = asyncio.Event(), 0

    async def _quick(self, _: object) -> Outcome:
        return passed("good")

    async def _slow(self, _: object) -> Outcome:
        self.begun += 1
        await self.go.wait()
        return passed("good at last")

    @property
    def checks(self) -> tuple[Check, ...]:
        runs = {"a": self._quick, "b": self._slow, "c": self._quick}
        return tuple(Check(name, name, "test", run, timeout_s=60) for name, run in runs.items())


@pytest.fixture
def halting(monkeypatch: pytest.MonkeyPatch) -> Halting:
    made = Halting()
    for occasion in ("pre", "post"):
        monkeypatch.setitem(OCCASIONS, occasion, made.checks)
    return made


async def test_results_are_there_before_the_run_is_over_and_another_agent_begins_it_again(
    stage: Stage, place: Place, halting: Halting, wait_for: WaitFor
) -> None:
    async with place.open("alice") as alice:
        asked = await checks.ask(alice, "pre")

        async def seen() -> bool:
            run = await checks.one(alice, asked.id)
            return run is not None and [each.id for each in run.results] == ["a", "c"]

        async with working(place, stage.settings(), "a1"):
            await wait_for(seen)
        run = await checks.one(alice, asked.id)
        assert run is not None and run.ended_at is None, "its agent is gone, and nobody has ended it"
        async with working(place, stage.settings(), "a2"):
            await wait_for(lambda: halting.begun == 2)
            halting.go.set()
            run = await over(place, wait_for, asked.id)
        assert [each.evidence for each in run.results] == ["good", "good at last", "good"]
        async with working(place, stage.settings(), "a3"):
            assert (await over(place, wait_for, (await checks.ask(alice, "pre")).id)).total == 3
        assert halting.begun == 3, "what is over is not begun again"


async def test_a_secret_that_can_not_be_read_is_the_words_of_the_run(
    stage: Stage, place: Place, wait_for: WaitFor
) -> None:
    settings = stage.settings({"account_password_file": Path("/nowhere/at/all")})
    async with place.open("alice") as alice, working(place, settings):
        run = await over(place, wait_for, (await checks.ask(alice, "env")).id)
        assert "/nowhere/at/all" in run.words
        assert run.results == ()


async def test_a_step_keeps_its_run_with_its_action_and_tells_as_before(
    stage: Stage, place: Place, halting: Halting, wait_for: WaitFor
) -> None:
    halting.go.set()
    async with place.open("alice") as alice, working(place, stage.settings()) as leader:
        checking = leader.checking
        await actions.publish_kinds(leader.store, leader.lease, KINDS)
        action = await planned(alice, leader.store, leader.lease)
        await actions.confirm(alice, action.id, plan_hash=action.plan_hash)
        told: list[str] = []
        about = Subject("ab" * 20, "v2.9.0", action.id)
        report = await checking.validated("post", lambda result: told.append(result.id), about)
        assert sorted(told) == ["a", "b", "c"]
        (run,) = await checks.of_action(alice, action.id)
        assert (run.occasion, run.version, run.report, run.words) == ("post", "v2.9.0", report, "")
        assert run.ended_at is not None
        # Cut off, as when somebody cancels the action.
        halting.go.clear()
        step = asyncio.ensure_future(checking.validated("post", lambda _: None, about))
        await wait_for(lambda: halting.begun == 2)
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step
        _, cut = await checks.of_action(alice, action.id)
        assert cut.words == "cut off" and cut.ended_at is not None
        assert [each.id for each in cut.results] == ["a", "c"]


async def test_a_step_is_validated_though_the_store_refuses_to_keep_it(
    stage: Stage, place: Place, halting: Halting
) -> None:
    halting.go.set()
    async with working(place, stage.settings()) as leader:
        await place.owner("REVOKE EXECUTE ON FUNCTION console.open_checks FROM console_agent")
        report = await leader.checking.validated("post", lambda _: None, Subject())
    assert report.overall == "passed"


async def test_without_a_term_nothing_is_kept(stage: Stage, halting: Halting) -> None:
    halting.go.set()
    report = await Checking(stage.settings()).validated("pre", lambda _: None, Subject())
    assert report.count(CheckStatus.PASSED) == 3


async def test_the_newest_commit_gets_its_checklist_by_itself_once_until_something_is_deployed(
    stage: Stage, place: Place, halting: Halting, wait_for: WaitFor
) -> None:
    halting.go.set()
    settings = stage.settings()
    wanted = settings.checks.model_copy(update={"every_s": 3600.0})
    # Three milliseconds between two runs.
    settings = settings.model_copy(update={"checks": wanted, "time_scale": 100_000.0})

    async def runs() -> list[str]:
        return [r["version"] for r in await place.owner("SELECT version FROM console.check_run ORDER BY id")]

    async def so_far(*versions: str) -> bool:
        return await runs() == list(versions)

    async with working(place, settings) as leader, place.open("alice") as alice:
        await leader.candidates("a" * 40)
        asked = await checks.ask(alice, "env")
        await over(place, wait_for, asked.id)
        assert await so_far(""), "this agent has not looked at the platform yet"
        await leader.ticked()
        leader.checking.hear("release")
        await wait_for(lambda: so_far("", "va"))
        await leader.candidates("b" * 40, "a" * 40)
        await wait_for(lambda: so_far("", "va", "vb"))
        run = await checks.latest(alice, "pre")
        assert run is not None and (run.by, run.commit) == ("auto", "b" * 40)
        await over(place, wait_for, run.id)
        # A person's choice stays what is shown.
        chosen = await checks.ask(alice, "pre", commit="a" * 40, version="chosen")
        await over(place, wait_for, chosen.id)
        leader.checking.hear("release")
        await over(place, wait_for, (await checks.ask(alice, "env")).id)
        assert await so_far("", "va", "vb", "chosen", "")
        made = Released("va", "a" * 40, ReleaseState.LIVE)
        await releases.put(leader.store, leader.lease, None, made)
        await wait_for(lambda: so_far("", "va", "vb", "chosen", "", "vb"))


async def test_nobody_disturbs_a_deployment_and_by_default_nobody_runs_anything(
    stage: Stage, place: Place, halting: Halting, wait_for: WaitFor
) -> None:
    halting.go.set()
    async with working(place, stage.settings()) as leader, place.open("alice") as alice:
        await leader.candidates("a" * 40)
        await leader.ticked()
        await over(place, wait_for, (await checks.ask(alice, "env")).id)
        assert await checks.latest(alice, "pre") is None
    settings = stage.settings()
    settings = settings.model_copy(update={"checks": settings.checks.model_copy(update={"every_s": 3600.0})})
    deploy = replace(KINDS[4], name="deploy")

    async with working(place, settings) as leader, place.open("alice") as alice:
        await actions.publish_kinds(leader.store, leader.lease, [deploy])
        action = await planned(alice, leader.store, leader.lease, "deploy", "v2.9.0")
        await actions.confirm(alice, action.id, plan_hash=action.plan_hash)
        await leader.ticked()
        leader.checking.hear("release")
        await over(place, wait_for, (await checks.ask(alice, "env")).id)
        assert await checks.latest(alice, "pre") is None
        await actions.cancel(alice, action.id, "after all not")
        leader.checking.hear("release")

        async def ran() -> bool:
            return await checks.latest(alice, "pre") is not None

        await wait_for(ran)


async def test_a_commit_that_is_nowhere_fails_its_checks_and_no_other(
    stage: Stage, shop: Shop, place: Place, wait_for: WaitFor
) -> None:
    settings = stage.settings().model_copy(update={"deploy": shop.settings})
    async with place.open("alice") as alice, working(place, settings):
        run = await over(place, wait_for, (await checks.ask(alice, "pre", commit="ab" * 20)).id)
    found = by_id(run)
    assert found["db.migrations"].status == "warning"
    assert found["fe.build"].status == "failed" and "git" in found["fe.build"].evidence
    assert found["db.rls"].status == "passed"
