"""Deploy: what is shown, what its keys ask for, and its pictures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from console.domain.action import OutputLine
from console.domain.snapshot import Snapshot
from screens.action_detail import ActionDetail
from screens.deploy import DeployScreen
from screens.plan_dialog import PlanDialog
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, until
from tests.ui.fixtures import deploys
from tests.ui.fixtures.actions import ActionClerk
from tests.ui.test_hostile_text import HOSTILE, assert_clean
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


async def test_forward_is_to_the_commit_under_the_cursor() -> None:
    async with opened() as seen:
        await seen.press("down", "D")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.says(f"Deploy {'41' * 4}")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, DeployScreen))


async def test_back_is_to_the_release_under_the_cursor_where_that_was_good() -> None:
    async with opened() as seen:
        seen.table("releases").select("1")
        await seen.press("R")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.says("v2.8.1")
    async with opened() as seen:
        seen.table("releases").select("4")
        await seen.press("R")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        dialog = seen.app.screen
        assert isinstance(dialog, PlanDialog)
        # To the last that was good, which the agent knows.
        assert "v2.10.0" not in "\n".join(drive.rows(seen.app))[400:]


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
        await seen.says("tradex actions show 30")
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
