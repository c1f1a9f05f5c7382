"""Deploy: what is shown, what its keys ask for, and its pictures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from console.domain.action import Action, ActionState, OutputLine, Plan, PlannedStep, StepState
from console.domain.check import CheckStatus
from console.domain.errors import Refused
from console.domain.snapshot import Snapshot
from screens.action_detail import ActionDetail
from screens.action_following import SearchField
from screens.canary_panel import CanaryPanel
from screens.checklist import ChecklistScreen, TickDialog
from screens.deploy import DeployScreen
from screens.plan_dialog import PlanDialog
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, at_once, until
from tests.ui.fixtures import actions, deploys
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
        await seen.says("Bundling Function: execute-order")
        feed = seen.app.static
        feed.output[40] = (
            *feed.output[40], OutputLine(99, deploys.NOW, "s3", "out", "\x1b[1mlater"),
        )  # fmt: skip
        feed.hint("output")
        await seen.says("later", "following, 47 lines")
        await seen.says("step 5 of 8, 40 %, eta 03:21", "elapsed 7:45   left 8:35   eta 03:21:22")


async def test_the_output_of_another_deployment_does_not_stand_beside_this_one() -> None:
    async with opened() as seen:
        await seen.says("line 35 of what npm says")
        snapshot = seen.app.static.snapshot
        seen.app.static.publish(
            replace(snapshot, actions=(replace(deploys.RUNNING, id=41, started_at=None),))
        )
        await seen.says("it has not begun")
        text = drive.shown(seen.app)
        assert "npm says" not in text and "install the dependencies" not in text


async def test_a_line_of_the_log_is_opened_and_the_log_is_followed_until_somebody_looks_back() -> None:
    async with opened(size="160x50") as seen:
        await seen.says("line 35 of what npm says")
        log = seen.table("output")
        log.focus()
        await seen.press("up")
        feed = seen.app.static
        later = [OutputLine(n, deploys.NOW, "s3", "out", f"later {n}") for n in range(90, 150)]
        feed.output[40] = (*feed.output[40], *later)
        feed.hint("output")
        await seen.says("106 lines", "Finished supabase db push.")
        assert "later 149" not in drive.shown(seen.app)
        await seen.press("f")
        await seen.says("later 149")
        await seen.press("enter")
        await seen.says("action 40", "s3", "later 149")
        assert not isinstance(seen.app.screen, DeployScreen)


async def test_the_step_that_runs_is_in_sight_where_there_are_more_than_fit() -> None:
    running = deploys.STEPS[40][4]
    done = [replace(deploys.STEPS[40][0], seq=i, name=f"step number {i}") for i in range(9)]
    steps = (*done, replace(running, seq=9))
    assert running.state is StepState.RUNNING
    async with opened(size="80x24", steps={40: steps}) as seen:
        await seen.says(running.name)
        assert "step number 0" not in drive.shown(seen.app)


async def test_the_lists_have_the_room_while_nothing_was_deployed() -> None:
    async with opened(replace(deploys.live(), actions=()), size="80x24") as seen:
        await seen.says("nothing was deployed in the last day: D deploys", "v2.9.0", "25 bps")
        assert (
            not seen.app.screen.query_one("#pipeline").display
            and not seen.app.screen.query_one("#written").display
        )
        await seen.says("22 of 25  ✗ 1  ○ 1  ▲ 1", "not ready")


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


@pytest.mark.parametrize(("release", "to"), [("1", "v2.8.1"), ("4", "v2.8.1")])
async def test_back_is_to_the_release_under_the_cursor_where_that_was_good(release: str, to: str) -> None:
    """Else to the last that was good."""
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


# --- the pipeline ----------------------------------------------------------------------------------------------------


async def test_steps_stand_on_an_axis_of_time_where_there_is_room() -> None:
    async with opened() as seen:
        await seen.says("03:05        03:12 now 03:21    time     state")
        rows = {row.split()[2]: row[31:61] for row in drive.rows(seen.app)[4:14]}
        text = drive.shown(seen.app)
    assert "1:12      done" in text and "3:32      58 %" in text and "~2:15   waiting" in text
    ends = [(row.index(sign), len(row.rstrip())) for row, sign in (
        (rows["install"], "━"), (rows["deploy"], "━"), (rows["upload"], "╌"), (rows["validate"], "╌"),
    )]  # fmt: skip
    assert ends == sorted(ends)
    assert set(rows["deploy"].strip()) == {"━", "─"}, "solid until now, then what is left"


async def test_without_a_past_there_is_no_eta_and_nothing_is_foretold() -> None:
    async with opened(usual={}) as seen:
        await seen.says("step 5 of 8, 50 %", "elapsed 7:45")
        text = drive.shown(seen.app)
        assert "eta" not in text and "left" not in text.replace("lines left out", "") and "╌" not in text
        assert "~" not in text


@pytest.mark.parametrize(("size", "bars"), [("80x24", 1), ("120x40", 5)])
async def test_only_what_runs_has_a_bar_where_there_is_no_room(size: str, bars: int) -> None:
    async with opened(size=size) as seen:
        await seen.says("58 %", "supabase functions deploy")
        assert sum("━" in row[:60] for row in drive.rows(seen.app)[3:14]) == bars


async def test_what_a_step_said_is_told_below_and_enter_leads_to_its_output() -> None:
    async with opened() as seen:
        await seen.says("Bundling Function")
        steps = seen.table("steps")
        steps.focus()
        await seen.press("home", "down")
        await seen.says("step     install the dependencies: added 16 packages")
        await seen.press("enter")
        await seen.until(lambda: seen.table("output").selected == "1")
        assert seen.app.screen.focused is seen.table("output")
        steps.focus()
        await seen.press("end", "enter")
        await seen.says("that is no step")


async def test_the_watching_is_a_row_until_it_ends() -> None:
    async with opened(deploys.watched()) as seen:
        await seen.says("► watch", "watch, 77 %, eta 03:16", "30 %")
    snapshot = deploys.watched()
    gone = replace(snapshot.actions[0], proof=None)
    async with opened(replace(snapshot, actions=(gone,)), usual={}, steps={40: deploys.course(8)}) as seen:
        await seen.says("► watch", "watching")
        assert "eta" not in drive.shown(seen.app)


# --- the progress, on every screen -----------------------------------------------------------------------------------


async def test_a_row_of_its_own_has_it_on_every_screen() -> None:
    async with opened() as seen:
        for key in ("1", "2", "4", "7", "8", "9"):
            await seen.press(key)
            await seen.says("► v2.11.0  deploy  step 5/8 deploy the functions  40 %  eta 03:21")
            rows = drive.rows(seen.app)
            assert "━╸─" in rows[2] or "━─" in rows[2]
            assert "40" not in rows[0]
        # It grows with time alone.
        seen.app.static.publish(seen.app.static.snapshot, now=deploys.NOW + timedelta(minutes=1))
        seen.app._second()
        await seen.says("45 %")


async def test_the_row_goes_when_it_is_over_and_leaves_its_place() -> None:
    async with opened() as seen:
        await seen.press("1")
        await seen.says("step 5/8")
        snapshot = seen.app.static.snapshot
        over = replace(deploys.RUNNING, state=ActionState.DONE, ended_at=deploys.NOW)
        seen.app.static.publish(replace(snapshot, actions=(over,)))
        await seen.until(lambda: "step 5/8" not in drive.shown(seen.app))
        await seen.until(lambda: "CRITICAL" in drive.rows(seen.app)[2])


async def test_with_few_rows_the_banner_has_it() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("1")
        await seen.says("► v2.11.0 ━━━──── 40%")
        assert "step 5/8" not in drive.shown(seen.app)


async def test_a_deployment_that_begins_while_another_screen_is_in_front_is_seen_there() -> None:
    async with opened(replace(deploys.live(), actions=())) as seen:
        await seen.press("1")
        await seen.says("CRITICAL")
        feed = seen.app.static
        feed.hint("action")
        feed.publish(replace(feed.snapshot, actions=(deploys.RUNNING,)))
        await seen.says("step 5/8 deploy the functions  40 %  eta 03:21")


async def test_the_row_is_grey_where_it_is_no_longer_the_present() -> None:
    async with opened() as seen:
        await seen.says("step 5/8")

        def roles() -> set[object]:
            shown = [s for s in drive.strips(seen.app)[2] if s.text.strip() and s.style]
            return {segment.style.color.name for segment in shown if segment.style and segment.style.color}

        grey = {seen.app.look(role).color.name for role in ("stale", "grid")}  # type: ignore[union-attr]
        assert not roles() <= grey
        late = actions.stale()
        seen.app.static.publish(replace(seen.app.static.snapshot, metrics=late.metrics, overall=late.overall))
        await seen.until(lambda: roles() <= grey)


async def test_one_that_waits_for_a_person_has_no_eta_and_says_whose_turn_it_is() -> None:
    stuck = replace(deploys.RUNNING, state=ActionState.INTERRUPTED, question="was it sent?")
    async with opened(replace(deploys.live(), actions=(stuck,))) as seen:
        await seen.says("step 5/8 deploy the functions  40 %", "C choose", "INTERRUPTED")
        assert "eta" not in drive.shown(seen.app) and "A approve" not in drive.shown(seen.app)
    waits = replace(stuck, needs_approval="a second person agrees to the rollout")
    async with opened(replace(deploys.live(), actions=(waits,))) as seen:
        await seen.says("A approve", "APPROVAL")
        assert "C choose" not in drive.shown(seen.app)


# --- the checklist ---------------------------------------------------------------------------------------------------


async def test_the_checklist_in_squares_and_what_is_not_good_in_words() -> None:
    async with opened() as seen:
        await seen.says(
            "frontend         ■ ✗ ■ ■ ○       3/5",
            "monitoring       ■ ■ ■ ■ ▲       4/5",
            "22 of 25  ✗ 1  ○ 1  ▲ 1    not ready",
            "✗ Dependencies",
            "axios 0.21.0",
            "v2.11.0, 12m ago",
        )


async def test_it_fills_in_while_it_runs() -> None:
    async with opened(deploys.idle()) as seen:
        await seen.says("15 of 25  1 failed  1 by hand", "► running", "security         ■ ■ ○ ○ ○")
        run = replace(deploys.CHECKLIST, ended_at=None, results=deploys.RESULTS[:22])
        seen.app.static.publish(replace(seen.app.static.snapshot, checklist=run))
        await seen.says("20 of 25", "monitoring       ■ ■ ○ ○ ○")
        good = tuple(replace(r, status=CheckStatus.PASSED) for r in deploys.RESULTS)
        seen.app.static.publish(
            replace(seen.app.static.snapshot, checklist=replace(deploys.CHECKLIST, results=good))
        )
        await seen.says("25 of 25", "ready")
        assert "not ready" not in drive.shown(seen.app)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_c_opens_the_whole_of_it_on_what_is_worst(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        await seen.says("fe.dependencies: Dependencies", "axios 0.21.0: 1 critical, 2 high vulnerabilities")
        await seen.press("end")
        await seen.says("mon.incident: Incident response", "no on-call list and no tested contacts")
        await seen.press("enter")
        await seen.until(lambda: not seen.table("checks").display)
        await seen.says("no source: no runbooks, no on-call list")
        await seen.press("escape")
        await seen.until(lambda: seen.table("checks").display)
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, DeployScreen))


async def test_it_is_run_again_about_what_could_be_deployed_next() -> None:
    async with opened() as seen:
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        await seen.press("c")
        await seen.says("run 1 is asked for")
        assert seen.clerk.of("ask_checks") == [("ask_checks", "pre", deploys.CANDIDATES[0].sha, "v2.11.0")]
        seen.clerk.told = "bob"
        await seen.press("r")
        await seen.says("bob has asked for it already: run 1 goes on")
        seen.clerk.error = Refused("vera is a viewer")
        await seen.press("c")
        await seen.says("vera is a viewer")


async def test_it_is_that_of_the_commit_under_the_cursor_whatever_else_is_checked_meanwhile() -> None:
    async with opened() as seen:
        other = deploys.CANDIDATES[1]
        await seen.until(lambda: seen.table("candidates").has_focus)
        seen.table("candidates").select(other.sha)
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        await seen.says(f"Pre-deployment {other.name}", "nothing was checked yet")
        feed = seen.app.static
        feed.publish(replace(feed.snapshot, checklist=replace(deploys.CHECKLIST, id=99)))
        await seen.press("c")
        await seen.says("run 1 is asked for", f"Pre-deployment {other.name}", "nothing was checked yet")
        assert seen.clerk.of("ask_checks") == [("ask_checks", "pre", other.sha, other.version)]
        done = replace(deploys.CHECKLIST, id=100, commit=other.sha, version=other.version)
        feed.publish(replace(feed.snapshot, checklist=done))
        feed.hint("check")
        await seen.says(f"Pre-deployment {other.name}", "axios 0.21.0: 1 critical")


async def test_a_viewer_is_told_why_nothing_is_asked_for() -> None:
    async with opened(actions.as_person(deploys.live(), "vera", "viewer")) as seen:
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        for key in ("c", "space"):
            await seen.press(key)
            await seen.says("vera is a viewer and may only look")
        assert not seen.clerk.asked


async def test_what_is_done_by_hand_is_ticked_with_a_note_for_this_release() -> None:
    async with opened() as seen:
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        await seen.press("space")
        await seen.says("Dependencies is failed: only what is done by hand is ticked")
        seen.table("checks").select("fe.error_boundaries")
        await seen.press("t")
        await seen.until(lambda: isinstance(seen.app.screen, TickDialog))
        await seen.says("Error boundaries", "it counts as passed for v2.11.0 only")
        await seen.press("enter", "y")
        await seen.says("a note is required")
        await seen.press(*"seen", "enter", "y")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        assert seen.clerk.of("tick") == [("tick", "fe.error_boundaries", "seen", "5e" * 20, None)]
        await seen.says("fe.error_boundaries: alice, 14 Mar 03:12: seen (for this release)")


async def test_a_restored_backup_is_ticked_for_a_time() -> None:
    async with opened() as seen:
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        seen.table("checks").select("db.backups")
        await seen.press("space")
        await seen.until(lambda: isinstance(seen.app.screen, TickDialog))
        await seen.press(*"restored", "enter", "f", "ctrl+u", *"soon", "enter", "y")
        await seen.says("a duration such as 2m")
        await seen.press("ctrl+u", *"30d", "enter", "y")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        assert seen.clerk.of("tick") == [("tick", "db.backups", "restored", "", timedelta(days=30))]


async def test_before_any_run_it_says_how_to_get_one() -> None:
    async with opened(replace(deploys.live(), checklist=None)) as seen:
        await seen.says("nothing was checked yet: c has it")
        await seen.press("c")
        await seen.until(lambda: isinstance(seen.app.screen, ChecklistScreen))
        await seen.says("nothing was checked yet")
        await seen.press("space")
        await seen.says("no check is selected")


# --- the comparison --------------------------------------------------------------------------------------------------


async def test_a_release_is_held_against_what_was_before() -> None:
    async with opened(deploys.bad()) as seen:
        await seen.says(
            "now before   change, 95 % allowed",
            "■ errors %  1.78   0.00 +1.10 to +2.70   +1.00",
            "p95 ms     362    356     -18 to +31    +178",
            "orders/min   275  1,240 ",
            "412 orders since 03:11, 1,240 before left 3:30",
            # What is bad is plotted, with the moment at which it began.
            "error rate ─╯",
            "┊v2.11.0",
        )
        assert not seen.table("candidates").display


async def test_where_nothing_came_nothing_is_compared() -> None:
    empty = replace(
        deploys.COMPARED, of_now=0, rows=(replace(deploys.COMPARED.rows[0], now=None, low=None, high=None),)
    )
    async with opened(deploys.watched(empty)) as seen:
        await seen.says("errors %     –   0.08              –   +1.00", "0 orders since 03:11")


async def test_there_is_no_comparison_where_nothing_is_watched() -> None:
    async with opened() as seen:
        await seen.says("Bundling Function")
        assert not seen.app.screen.query_one("#canary").display and seen.table("candidates").display


# --- the log ---------------------------------------------------------------------------------------------------------


async def test_the_log_is_searched() -> None:
    async with opened() as seen:
        await seen.says("following, 46 lines")
        await seen.press("slash", *"NPM")
        await seen.says("1 of 37 matches", "line 1 of what npm says")
        await seen.press("enter")
        log = seen.table("output")
        assert seen.app.screen.focused is log
        marked = [
            segment.text
            for strip in drive.strips(seen.app)
            for segment in strip
            if segment.style and segment.style == seen.app.look.chip("pending")
        ]
        assert marked.count("npm") > 5
        await seen.press("n", "n")
        await seen.says("3 of 37 matches")
        await seen.press("N", "N", "N")
        # Around the end.
        await seen.says("37 of 37 matches", "npm run build")
        await seen.press("slash", "escape")
        await seen.says("46 lines")
        assert "matches" not in drive.shown(seen.app) and "n next" not in drive.shown(seen.app)


async def test_the_output_of_any_action_is_searched() -> None:
    async with opened(
        replace(deploys.live(), releases=(replace(deploys.RELEASES[0], action_id=40),))
    ) as seen:
        seen.table("releases").focus()
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.says("following, 46 lines")
        await seen.press("slash", *"finished", "enter")
        await seen.says("1 of 1 match, 46 lines")
        await seen.press("v", "slash")
        await seen.says("the output is not shown here")


async def test_what_is_not_there_is_not_found() -> None:
    async with opened() as seen:
        await seen.says("following, 46 lines")
        await seen.press("slash", *"zebra", "enter")
        await seen.says("0 matches")
        await seen.press("n")
        await seen.says("nothing is found")


async def test_e_leads_to_where_the_trouble_began() -> None:
    """Not to a line that tells of no error, nor to a file that is called so."""
    async with opened() as seen:
        await seen.says("✗ Error: chunk vendor.js")
        await seen.press("e")
        await seen.until(lambda: seen.table("output").selected == "41")
        assert drive.shown(seen.app).count("✗ Error") == 1


async def test_e_leads_into_the_step_that_failed() -> None:
    steps = [replace(s, state=StepState.FAILED) if s.name == "functions" else s for s in deploys.STEPS[40]]
    async with opened(steps={40: steps}) as seen:
        await seen.says("✗ Bundling Function")
        await seen.press("e")
        await seen.until(lambda: seen.table("output").selected == "46")


async def test_without_an_error_it_is_said() -> None:
    lines = [line for line in deploys.OUTPUT[40] if "rror" not in line.text]
    async with opened(output={40: lines}) as seen:
        await seen.says("Bundling Function")
        await seen.press("e")
        await seen.says("no line tells of an error")


async def test_a_long_log_keeps_its_end_and_says_so() -> None:
    long = [OutputLine(n, deploys.NOW, "build", "out", f"row {n}") for n in range(1, 7_001)]
    async with opened(output={40: long}) as seen:
        await seen.says("row 7000", "the last 5,000 of 7,000 lines")
        log = seen.table("output")
        assert len(log.keys) == 5_000
        entries = log.entries
        seen.app._second()
        await seen.pilot.pause()
        # Time alone makes no row again.
        assert log.entries is entries


async def test_a_dialog_or_a_hidden_log_is_not_searched() -> None:
    async with opened(deploys.idle(), size="80x24") as seen:
        await seen.says("nothing was deployed")
        await seen.press("slash")
        await seen.says("the output is not shown here")


@pytest.mark.parametrize("size", ["80x24", "160x50"])
@pytest.mark.parametrize("state", ["live", "past"])
async def test_what_is_typed_right_after_slash_is_searched_for(state: str, size: str) -> None:
    """Also of one that is over, whose output gave its room to the lists: no letter is a command."""
    async with opened(getattr(deploys, state)(), size=size) as seen:
        await seen.until(lambda: seen.app.screen._lines)  # type: ignore[attr-defined]
        at_once(
            seen.app, "slash", *"DRXfinished", "enter", "slash", *("backspace",) * 11, *"NPM", "enter", "n"
        )
        await seen.says("2 of 37 matches")
        assert isinstance(seen.app.screen, DeployScreen) and not seen.clerk.asked
        assert seen.app.screen.query_one(SearchField).value == "NPM"


async def test_the_output_of_one_that_is_over_is_a_key_away_where_there_is_little_room() -> None:
    async with opened(deploys.past(), size="80x24") as seen:
        await seen.says("Not live yet", "/ search")
        log = seen.table("output")
        for key, line in (("e", "41"), ("f", "46")):
            await seen.press(key)
            await seen.until(lambda: seen.app.screen.focused is log)
            await seen.says("╭─ Log")
            assert log.selected == line and "Not live yet" not in drive.shown(seen.app)
            seen.app._second()
            await seen.pilot.pause()
            assert seen.app.screen.focused is log
            await seen.press("escape")
            await seen.says("Not live yet")
            await seen.until(lambda: seen.app.screen.focused is seen.table("candidates"))


async def test_whoever_types_while_it_ends_goes_on_typing() -> None:
    async with opened(size="80x24") as seen:
        await seen.says("following, 46 lines")
        await seen.press("slash", "n")
        over = replace(deploys.RUNNING, state=ActionState.DONE, ended_at=deploys.NOW)
        seen.app.static.publish(replace(seen.app.static.snapshot, actions=(over,)))
        await seen.says("done, 7:45")
        await seen.press("p", "D")
        assert seen.app.screen.query_one(SearchField).value == "npD"
        await seen.says("0 matches")


def going_back() -> Snapshot:
    """A step failed, and what was done is being taken back."""
    plan = Plan("", tuple(PlannedStep(s.name, s.title) for s in deploys.STEPS[40]))
    return replace(deploys.live(), actions=(replace(deploys.RUNNING, plan=plan),))


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_while_it_goes_back_there_is_no_percent_and_nothing_waits(size: str) -> None:
    steps = deploys.course(4, state=StepState.FAILED)
    undo = replace(
        steps[0], seq=9, name="back", title="put the functions back", state=StepState.RUNNING, ended_at=None
    )
    async with opened(going_back(), size=size, steps={40: (*steps, undo)}) as seen:
        await seen.says("going back ─╯", "back", "not run")
        text = drive.shown(seen.app)
        assert "waiting" not in text and "eta" not in text and "~" not in text
        assert "%" not in drive.rows(seen.app)[0 if size == "80x24" else 2]
        await seen.press("1")
        await seen.says("going back")


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
    await until(pilot, lambda: not screen._has_plot() or screen.query_one(CanaryPanel).series)
    await pilot.pause()


@pytest.mark.parametrize("size", ["80x24", "120x40", "160x50"])
@pytest.mark.parametrize("state", ["live", "nothing", "idle", "bad", "past"])
def test_deploy(snap_compare: Any, state: str, size: str) -> None:
    app = DeployApp(deploys.feed(getattr(deploys, state)()))
    assert snap_compare(app, terminal_size=SIZES[size], run_before=_read)


@pytest.mark.parametrize("state", ["live", "bad"])
def test_deploy_in_ascii_with_16_colours(snap_compare: Any, state: str) -> None:
    app = DeployApp(deploys.feed(getattr(deploys, state)()), theme="16-colours", ascii=True)
    assert snap_compare(app, terminal_size=SIZES["120x40"], run_before=_read)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_checklist(snap_compare: Any, size: str) -> None:
    app = DeployApp(deploys.feed(deploys.live()))
    assert snap_compare(app, press=["c"], terminal_size=SIZES[size])


def test_health_while_it_is_deployed(snap_compare: Any) -> None:
    app = DeployApp(deploys.feed(deploys.live()))
    assert snap_compare(app, press=["1"], terminal_size=SIZES["120x40"])
