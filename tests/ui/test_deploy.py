"""Deploy: what is shown, what its keys ask for, and its pictures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from console.domain.action import Action, OutputLine, StepState
from console.domain.snapshot import Snapshot
from screens.action_detail import ActionDetail
from screens.deploy import DeployScreen
from screens.plan_dialog import PlanDialog
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, until
from tests.ui.fixtures import deploys
from tests.ui.fixtures.actions import ActionClerk
from tests.ui.test_hostile_text import HOSTILE, assert_clean
from widgets.field import Field
from widgets.live_table import LiveTable


class DeployApp(QuietApp):
    DEFAULT_MODE = "deploy"


class Seen(drive.Seen[ActionClerk]):
    """A running app on Deploy."""

    def table(self, name: str) -> LiveTable:
        return self.app.screen.query_one(f"#{name}", LiveTable)


@asynccontextmanager
async def opened(snapshot: Snapshot | None = None, size: str = "120x40", **more: Any) -> AsyncIterator[Seen]:
    clerk = ActionClerk()
    app = DeployApp(deploys.feed(snapshot or deploys.live(), desk=clerk, **more))
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DeployScreen) and app.screen.focused)
        yield Seen(app, pilot, clerk)


async def test_it_shows_what_runs_with_its_output_and_follows_it() -> None:
    async with opened() as seen:
        await seen.says("apply the migrations: Finished supabase db push.")
        await seen.says("line 39 of what npm says")
        feed = seen.app.static
        feed.output[40] = (
            *feed.output[40], OutputLine(99, deploys.NOW, "s3", "out", "\x1b[1mlater"),
        )  # fmt: skip
        feed.hint("output")
        await seen.says("later")
        await seen.says("2 of 4")


async def test_the_output_of_another_deployment_does_not_stand_beside_this_one() -> None:
    async with opened() as seen:
        await seen.says("line 39 of what npm says")
        snapshot = seen.app.static.snapshot
        seen.app.static.publish(
            replace(snapshot, actions=(replace(deploys.RUNNING, id=41, started_at=None),))
        )
        await seen.says("it has not begun")
        text = drive.shown(seen.app)
        assert "npm says" not in text and "install the dependencies" not in text


async def test_a_line_of_the_log_is_opened_and_the_log_is_followed_until_somebody_looks_back() -> None:
    async with opened(size="160x50") as seen:
        await seen.says("line 39 of what npm says")
        log = seen.table("output")
        log.focus()
        await seen.press("up")
        feed = seen.app.static
        later = [OutputLine(n, deploys.NOW, "s3", "out", f"later {n}") for n in range(90, 150)]
        feed.output[40] = (*feed.output[40], *later)
        feed.hint("output")
        await seen.says("100 lines", "line 38 of what npm says")
        assert "later 149" not in drive.shown(seen.app)
        await seen.press("f")
        await seen.says("later 149")
        await seen.press("enter")
        await seen.says("action 40", "s3", "later 149")
        assert not isinstance(seen.app.screen, DeployScreen)


async def test_the_step_that_runs_is_in_sight_where_there_are_more_than_fit() -> None:
    done, running = deploys.STEPS[40][0], deploys.STEPS[40][2]
    steps = (*(replace(done, seq=i, title=f"step number {i}") for i in range(9)), replace(running, seq=9))
    assert running.state is StepState.RUNNING
    async with opened(size="80x24", steps={40: steps}) as seen:
        await seen.says(running.title)
        assert "step number 0" not in drive.shown(seen.app)


async def test_the_lists_have_the_room_while_nothing_was_deployed() -> None:
    async with opened(replace(deploys.live(), actions=()), size="80x24") as seen:
        await seen.says("nothing was deployed in the last day: D deploys", "v2.8.1", "25 bps")
        assert not seen.table("steps").display and not seen.table("output").display
        assert min(seen.table(name).size.height for name in ("candidates", "releases")) >= 7


async def test_the_ages_of_commits_grow() -> None:
    snapshot, second = deploys.live(), timedelta(seconds=1)
    newest = replace(deploys.CANDIDATES[0], at=deploys.NOW - deploys.ago(51) + second)
    async with opened(replace(snapshot, candidates=(newest,))) as seen:
        await seen.says("50m")
        seen.app.static.publish(seen.app.static.snapshot, now=deploys.NOW + second)
        seen.app._second()
        # At once: nothing else has drawn it meanwhile.
        assert "51m" in str(seen.table("candidates").entries)


async def test_forward_is_to_the_commit_under_the_cursor() -> None:
    async with opened() as seen:
        await seen.press("down", "D")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.says(f"Deploy {'41' * 4}")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, DeployScreen))


@pytest.mark.parametrize(("release", "to"), [("1", "v2.8.1"), ("4", "")])
async def test_back_is_to_the_release_under_the_cursor_where_that_was_good(release: str, to: str) -> None:
    """Else to the last that was good, which the agent knows."""
    async with opened() as seen:
        seen.table("releases").select(release)
        await seen.press("R")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.until(lambda: seen.app.screen.query("#p-to"))
        assert seen.app.screen.query_one("#p-to", Field).value == to


async def test_what_can_not_be_done_here_says_why() -> None:
    async with opened(deploys.nothing()) as seen:
        await seen.says("no source: deploy.repository is not set")
        await seen.press("D")
        await seen.says("Deploy can't be done here: no source")
        await seen.press("R")
        await seen.says("the agent's catalogue has no such action")


async def test_enter_opens_the_action_of_a_release() -> None:
    snapshot = deploys.live()
    old = replace(deploys.RUNNING, id=31)
    async with opened(replace(snapshot, actions=(*snapshot.actions, old))) as seen:
        table = seen.table("releases")
        table.focus()
        table.select("4")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        assert seen.app.screen.action.id == 31  # type: ignore[attr-defined]
        await seen.press("escape")
        table.select("3")
        await seen.press("enter")
        await seen.says("there is no action 30 any more")

        async def kept(action_id: int) -> Action:
            return replace(deploys.RUNNING, id=action_id)

        # It is not listed any more, but the store has it.
        seen.app.static.action = kept  # type: ignore[method-assign]
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        assert seen.app.screen.action.id == 30  # type: ignore[attr-defined]
        await seen.press("escape")
        table.select("1")
        await seen.press("enter")
        await seen.says("nobody deployed it from here")


async def test_the_banner_has_it_on_every_screen() -> None:
    async with opened() as seen:
        await seen.press("1")
        await seen.says("deploy v2.11.0 2/4")


@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_hostile_text(size: str) -> None:
    async with opened(size=size) as seen:
        for text in HOSTILE:
            seen.app.static.publish(deploys.hostile(text))
            await seen.pilot.pause()
            assert_clean(seen.app, SIZES[size])


async def _read(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, DeployScreen)
    await until(pilot, lambda: not screen.snapshot.deployment or (screen._steps and screen._lines))
    await pilot.pause()


@pytest.mark.parametrize("size", ["80x24", "120x40", "160x50"])
@pytest.mark.parametrize("state", ["live", "nothing"])
def test_deploy(snap_compare: Any, state: str, size: str) -> None:
    app = DeployApp(deploys.feed(getattr(deploys, state)()))
    assert snap_compare(app, terminal_size=SIZES[size], run_before=_read)
