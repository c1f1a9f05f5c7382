"""Keys of Actions: what may be decided about an action, and why not; its detail; the audit."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from console.domain.action import ActionState, Effect, Fact, OutputLine, PlannedStep, StepState
from console.domain.errors import Refused, StoreAway
from console.domain.snapshot import MOST_ENDED, Snapshot
from screens import actions as actions_screen
from screens.action_deciding import ApproveDialog, ChooseDialog, EndDialog
from screens.action_detail import ActionDetail
from screens.actions import ActionsScreen
from screens.audit_detail import AuditDetail
from screens.audit_rows import audit_words
from screens.plan_dialog import PlanDialog
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, at_once, rows, shown, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import HASH, ActionClerk
from tests.ui.fixtures.story import NOW
from tests.ui.test_security_keys import counted
from widgets.banner import Banner
from widgets.field import Field
from widgets.live_table import LiveTable, Note


class ActionsApp(QuietApp):
    DEFAULT_MODE = "actions"


class Seen(drive.Seen[ActionClerk]):
    """A running app on Actions."""

    @property
    def table(self) -> LiveTable:
        return self.app.screen_stack[0].query_one("#actions", LiveTable)

    async def on(self, number: int) -> None:
        self.table.select(str(number))
        await self.pilot.pause()


BOB = actions.as_person(actions.live(), "bob", "commander")


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None, *, size: str = "120x40", clerk: ActionClerk | None = None
) -> AsyncIterator[Seen]:
    clerk = clerk or ActionClerk()
    app = ActionsApp(actions.feed(snapshot or BOB, desk=clerk))
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ActionsScreen) and app.screen.focused)
        yield Seen(app, pilot, clerk)


# The list


async def test_9_shows_what_waits_before_what_runs_before_what_is_over() -> None:
    async with opened() as seen:
        await seen.press("f")
        assert seen.table.keys == ["11", "10", "9", "12", "8", "7", "6", "5", "4", "3"]
        await seen.says("waiting for somebody 3", "under way 1", "over 6", "block-ip 203.0.113.7", "1/2")
        await seen.says(
            "◔ approval", "! interrupted", "► running", "▲ worse", "✗ refused", "– cancelled", "◇ expired"
        )


async def test_plans_that_never_ran_are_counted_at_the_end_of_their_day_until_they_are_looked_for() -> None:
    base = actions.live()
    more = {"confirmed_by": "", "confirmed_at": None, "words": "only the plan was asked for"}
    dry = [replace(actions.ENDED[4], id=id, **more) for id in (15, 14)]
    old = [
        replace(a, id=id, ended_at=a.ended_at and a.ended_at - timedelta(hours=6))
        for id, a in ((2, actions.ENDED[0]), (1, dry[0]))
    ]
    async with opened(replace(base, actions=(*dry, *base.actions, *old))) as seen:
        assert seen.table.keys == ["11", "10", "9", "12", "8", "7", "5", "4", "3", "2"]
        over = [e.content[0].text if isinstance(e, Note) else e.key for e in seen.table.entries[6:]]
        today, yesterday = "3 plans never ran: f shows them", "1 plan of 13 Mar never ran: f shows it"
        assert over == [None, "8", "7", "5", "4", "3", today, "2", yesterday], "what somebody confirmed stays"
        await seen.says("over 6", today, yesterday)
        await seen.press("slash", *"cancelled")
        await seen.until(lambda: seen.table.keys == ["15", "14", "4", "1"])
        await seen.press("escape", "f")
        await seen.until(lambda: len(seen.table.keys) == 14)
        await seen.press("f")
        await seen.says("over 6", today)


async def test_a_day_of_mere_plans_is_not_called_nothing() -> None:
    base = actions.live()
    async with opened(replace(base, actions=(actions.ENDED[2],))) as seen:
        await seen.says("1 plan never ran: f shows it")
        assert "nothing today" not in shown(seen.app)
        await seen.press("f")
        await seen.says("10.0.0.0/8 is a private range")


async def test_a_list_that_is_cut_says_so() -> None:
    base = actions.live()
    many = [replace(actions.ENDED[0], id=100 + i) for i in range(MOST_ENDED)]
    async with opened(replace(base, actions=tuple(many))) as seen:
        await seen.says("last 200 that ended")
        seen.app.static.publish(replace(base, actions=tuple(many[1:])))
        await seen.until(lambda: "last 200" not in shown(seen.app))


async def test_the_filter_narrows_and_escape_empties_it() -> None:
    async with opened() as seen:
        await seen.press("f")
        await seen.press("slash", *"suspend !cancelled")
        await seen.until(lambda: seen.table.keys == ["10"])
        await seen.press("enter")
        await seen.until(lambda: seen.table.has_focus)
        await seen.press("escape")
        await seen.until(lambda: len(seen.table.keys) == 10)
        assert seen.table.selected == "10", "what was looked for stays under the cursor"


async def test_the_action_under_the_cursor_is_told_beside_the_list() -> None:
    async with opened() as seen:
        await seen.on(10)
        await seen.says("asks", "no answer came;", "C chooses")
        await seen.on(7)
        await seen.says("the error rate rose since; u takes it back", "0.1 % before, 4.2 % now")


async def test_each_step_beside_the_list_is_told_as_it_stands_and_again_when_it_changes() -> None:
    async with opened() as seen:
        await seen.on(10)
        await seen.says("✓ done", "? unknown", "to do")
        assert "✗ failed    delete" not in shown(seen.app)
        steps = seen.app.static.steps[10]
        failed = replace(steps[2], state=StepState.FAILED, text="the account is gone")
        seen.app.static.steps[10] = (*steps[:2], failed, *steps[3:])
        seen.app.static.hint("action")
        await seen.says("✗ failed    delete")
        assert "? unknown" not in shown(seen.app)
        await seen.on(12)
        await seen.says("► running   deny 203.0.113.7")
        assert "✗ failed    delete" not in shown(seen.app)


UNDO = actions.action(
    14,
    "unblock_ip",
    "192.0.2.17",
    ActionState.DONE,
    "03:00:00",
    undo_of=8,
    requested_by="bob",
    confirmed_by="bob",
)


def undone(*, by: int = 14) -> Snapshot:
    """The block of action 8 was taken back."""
    found = tuple(replace(a, undone_by=by) if a.id == 8 else a for a in BOB.actions)
    return replace(BOB, actions=(UNDO, *found))


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_what_was_taken_back_says_so_in_its_row_and_its_detail(size: str) -> None:
    async with opened(undone(), size=size) as seen:
        await seen.on(8)
        await seen.until(
            lambda: any("undone by 14" in row and "block-ip" in row for row in rows(seen.app)), "the row"
        )
        await seen.says("– UNDONE BY 14", "undone   by action 14: bob, 03:00")
        assert "✓ DONE" not in shown(seen.app)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.says("– UNDONE BY 14")
        await seen.press("escape", "slash", *"undone")
        await seen.until(lambda: seen.table.keys == ["8"])
    async with opened(undone(by=3000)) as seen:
        await seen.on(8)
        await seen.says("undone by 3000", "by action 3000 ")


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_who_is_on_top_sees_what_comes_and_who_is_not_is_told_where(size: str) -> None:
    new = actions.action(13, "block_ip", "192.0.2.99", ActionState.RUNNING, "03:12:40")
    base = replace(BOB, actions=(actions.RUNNING, *actions.ENDED))
    async with opened(base, size=size) as seen:
        await seen.until(lambda: seen.table.selected == "12")
        seen.app.static.publish(replace(base, actions=(new, *base.actions)))
        await seen.until(lambda: seen.table.selected == "13")
        await seen.says("1 of 7")
        await seen.press("down")
        newer = replace(new, id=14)
        seen.app.static.publish(replace(base, actions=(newer, new, *base.actions)))
        await seen.says("3 of 8")
        assert seen.table.selected == "12", "a row that was chosen stays chosen"


async def test_a_cursor_on_top_stays_on_its_action_when_others_only_come_up() -> None:
    base = replace(BOB, actions=(replace(actions.RUNNING, id=13), actions.RUNNING, *actions.ENDED))
    async with opened(base) as seen:
        await seen.until(lambda: seen.table.selected == "13")
        waits = replace(base.actions[1], state=ActionState.INTERRUPTED)
        seen.app.static.publish(replace(base, actions=(base.actions[0], waits, *actions.ENDED)))
        await seen.until(lambda: seen.table.keys[0] == "12")
        assert seen.table.selected == "13"


async def test_9_shows_what_was_just_confirmed_and_leaves_another_ones_detail() -> None:
    for first in (True, False):
        async with opened() as seen:
            if not first:
                await seen.on(7)
                await seen.press("enter")
                await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
                await seen.press("v")
            await seen.press("8")
            await seen.until(lambda: type(seen.app.screen).__name__ == "SecurityScreen")
            await seen.press("B")
            await seen.until(
                lambda: isinstance(seen.app.screen, PlanDialog) and seen.app.screen.asking.number
            )
            base = seen.app.static.snapshot
            seen.app.static.publish(actions.planned(base, 40, actions.BLOCK_PLAN))
            await seen.until(lambda: seen.app.screen.asking.guards)  # type: ignore[attr-defined]
            await seen.press("y")
            await seen.says("action 40, block-ip 203.0.113.7: confirmed; 9 shows how it goes")
            done = actions.action(40, "block_ip", actions.ATTACKER, ActionState.VERIFYING, "03:12:40")
            seen.app.static.publish(replace(base, actions=(*base.actions, done)))
            await seen.press("9")
            await seen.until(lambda: isinstance(seen.app.screen, ActionsScreen))
            await seen.until(lambda: seen.table.selected == "40")
            await seen.on(7)
            await seen.press("enter", "8", "9")
            await seen.until(lambda: isinstance(seen.app.screen, ActionDetail), "once is enough")


async def test_9_shows_what_was_confirmed_before_anybody_has_seen_the_list() -> None:
    app = QuietApp(actions.feed(BOB, desk=ActionClerk()))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.confirmed = 7
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, ActionsScreen) and app.screen.focused)
        await until(pilot, lambda: app.screen.query_one("#actions", LiveTable).selected == "7")


async def test_the_subtitle_says_that_plans_which_never_ran_are_listed() -> None:
    async with opened() as seen:
        await seen.says("1 of 9")
        assert "all plans" not in shown(seen.app)
        await seen.press("f")
        await seen.says("1 of 10, ", ", all plans")
        await seen.press("f")
        await seen.until(lambda: "all plans" not in shown(seen.app))


async def test_the_help_explains_the_signs_of_actions() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("question_mark")
        await seen.says("► runs", "✓ done", "✗ failed, refused", "○ to do", "◈ in force")


async def test_an_override_is_told_apart_from_its_label() -> None:
    base = actions.live()
    why = tuple(replace(a, override="botnet") if a.id == 12 else a for a in base.actions)
    async with opened(replace(base, actions=why)) as seen:
        await seen.on(12)
        await seen.says("override botnet")


async def test_what_is_not_read_yet_is_not_called_nothing() -> None:
    base = replace(actions.nothing(), control=False, kinds=())
    async with opened(base) as seen:
        assert "nothing was asked for" not in shown(seen.app)
        seen.app.static.publish(actions.nothing())
        await seen.says("nothing today")


# Deciding


async def test_a_commander_approves_what_others_asked_for() -> None:
    async with opened() as seen:
        await seen.on(11)
        await seen.press("A")
        await seen.until(lambda: isinstance(seen.app.screen, ApproveDialog))
        await seen.says("set the flag maintenance to on", "13m 42s more", "nora.k", "Approve maintenance on")
        await seen.press("A", "y")
        await seen.until(lambda: seen.clerk.of("approve"))
        assert seen.clerk.of("approve") == [("approve", 11, HASH)]
        await seen.says("action 11, maintenance on: approved")


@pytest.mark.parametrize(
    ("who", "role", "words"),
    [
        ("alice", "responder", "alice is a responder: an approval takes a commander"),
        ("nora.k", "commander", "a second person is needed"),
        ("vera", "viewer", "vera is a viewer and may only look: that takes a commander"),
    ],
)
async def test_others_are_told_why_they_can_not_approve(who: str, role: str, words: str) -> None:
    async with opened(actions.as_person(actions.live(), who, role)) as seen:
        await seen.on(11)
        await seen.press("A")
        await seen.says(words)
        assert not seen.clerk.asked and isinstance(seen.app.screen, ActionsScreen)


async def test_an_approval_that_came_too_late_can_not_be_given_twice() -> None:
    async with opened() as seen:
        await seen.on(11)
        await seen.press("A")
        await seen.until(lambda: isinstance(seen.app.screen, ApproveDialog))
        late = tuple(
            replace(a, state=ActionState.APPROVED, approved_by="tess.w") if a.id == 11 else a
            for a in BOB.actions
        )
        seen.app.static.publish(replace(BOB, actions=late))
        await seen.press("y")
        await seen.says("it is approved: there is nothing to approve")
        assert not seen.clerk.of("approve")


async def test_a_proposal_of_the_agent_is_confirmed_with_its_plan_and_never_withdrawn() -> None:
    async with opened() as seen:
        await seen.on(9)
        await seen.press("A")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog) and seen.app.screen.asking.guards)
        assert not seen.clerk.of("request")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, ActionsScreen))
        assert not seen.clerk.asked
        await seen.press("A")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog) and seen.app.screen.asking.guards)
        await seen.press("y")
        await seen.until(lambda: seen.clerk.of("confirm"))
        assert seen.clerk.of("confirm")[0][1] == 9


async def test_how_an_interrupted_one_goes_on_is_chosen_in_words() -> None:
    async with opened() as seen:
        await seen.on(10)
        await seen.press("C")
        await seen.until(lambda: isinstance(seen.app.screen, ChooseDialog))
        await seen.says("run the step once more", "take the step as done", "end it as failed")
        await seen.press("y")
        await seen.says("choose first: 1, 2 or 3")
        assert not seen.clerk.asked
        await seen.press("2", "r", *"seen in the log", "enter", "y")
        await seen.until(lambda: seen.clerk.of("resume"))
        assert seen.clerk.of("resume") == [("resume", 10, "skip", "seen in the log")]


@pytest.mark.parametrize(
    ("number", "key", "words"),
    [
        (12, "A", "it is running: there is nothing to approve"),
        (12, "C", "it is running: there is nothing to choose"),
        (10, "X", "it waits for a choice: C chooses"),
        (8, "X", "it is done already"),
        (12, "u", "action 12 is running: cancel it instead"),
        (6, "u", "action 6 is refused and changed nothing"),
    ],
)
async def test_a_key_that_does_not_fit_says_why(number: int, key: str, words: str) -> None:
    async with opened() as seen:
        await seen.press("f")
        await seen.on(number)
        await seen.press(key)
        await seen.says(words)
        assert not seen.clerk.asked


async def test_a_running_one_is_ended_after_its_step() -> None:
    async with opened() as seen:
        await seen.on(12)
        await seen.press("X")
        await seen.until(lambda: isinstance(seen.app.screen, EndDialog))
        await seen.says("1 of 2 steps are done", "it ends once its step may be left")
        await seen.press(*"yes: a victim", "enter", "y")
        await seen.until(lambda: seen.clerk.of("cancel"))
        assert seen.clerk.of("cancel") == [("cancel", 12, "yes: a victim")]


async def test_the_dialog_follows_what_becomes_of_the_action() -> None:
    async with opened() as seen:
        await seen.on(12)
        await seen.press("X")
        await seen.says("1 of 2 steps are done", "then y ends it")

        def becomes(**changes: Any) -> None:
            snapshot = seen.app.static.snapshot
            found = tuple(replace(a, **changes) if a.id == 12 else a for a in snapshot.actions)
            seen.app.static.publish(replace(snapshot, actions=found))

        for changes, words in (
            (
                {"state": ActionState.VERIFYING, "step": 2},
                ("2 of 2 steps are done", "nobody watches it any longer"),
            ),
            ({"state": ActionState.INTERRUPTED}, ("interrupted: 2 of 2", "it waits for a choice: C chooses")),
            ({"state": ActionState.RUNNING, "cancelled_by": "tess.w"}, ("tess.w cancelled it already",)),
            ({"state": ActionState.DONE, "cancelled_by": ""}, ("it is done already",)),
        ):
            becomes(**changes)
            await seen.says(*words)
            assert ("y ends it" in shown(seen.app)) is (changes["state"] is ActionState.VERIFYING)
        await seen.press("enter", "y")
        await seen.pilot.pause()
        assert not seen.clerk.of("cancel")


async def test_what_is_typed_right_after_slash_filters() -> None:
    async with opened() as seen:
        at_once(seen.app, "slash", *"XAC cancelled")
        await seen.until(lambda: seen.app.screen.query_one("#action-filter", Field).value == "XAC cancelled")
        assert isinstance(seen.app.screen, ActionsScreen)


async def test_a_refusal_is_shown_and_the_dialog_stays() -> None:
    async with opened(clerk=ActionClerk(error=Refused("tess.w cancelled it already"))) as seen:
        await seen.on(12)
        await seen.press("X", "enter", "y")
        await seen.says("tess.w cancelled it already")
        assert isinstance(seen.app.screen, EndDialog)


async def test_what_is_asked_for_again_wants_a_reason_of_its_own() -> None:
    async with opened() as seen:
        await seen.on(8)
        await seen.press("B")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        assert seen.app.screen.query_one("#p-network", Field).value == "192.0.2.17"
        await seen.press(*"again", "enter")
        await seen.until(lambda: seen.clerk.of("request"))
        assert seen.clerk.of("request")[0][4]["reason"] == "again"


async def test_u_asks_for_the_kind_that_takes_it_back() -> None:
    async with opened() as seen:
        await seen.on(7)
        await seen.press("u")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.press(*"it got worse", "enter")
        await seen.until(lambda: seen.clerk.of("request"))
        _, kind, target, params, more = seen.clerk.of("request")[0]
        assert (kind, target, params) == ("unblock_ip", "192.0.2.88", {"network": "192.0.2.88"})
        assert more == {"reason": "it got worse", "cause": "action 7", "undo_of": 7}


# One action


async def test_enter_opens_it_and_its_output_is_followed() -> None:
    async with opened() as seen:
        await seen.on(12)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail) and seen.app.screen._lines)
        await seen.says("INSERT INTO blocked_ips", "503: tried again in 1s", "(attempt 2)", "1 of 2")
        output = seen.app.screen.query_one("#output", LiveTable)
        assert output.selected == "104"
        more = tuple(OutputLine(200 + i, NOW, "vercel", "out", f"line {i}") for i in range(60))
        seen.app.static.output[12] = (*actions.OUTPUT[12], *more)
        seen.app.static.hint("output")
        await seen.until(lambda: output.selected == "259", "the newest line")
        await seen.says("line 59")
        await seen.press("up", "up")
        seen.app.static.output[12] = (
            *seen.app.static.output[12],
            OutputLine(300, NOW, "vercel", "out", "the end"),
        )
        seen.app.static.hint("output")
        await seen.until(lambda: "300" in output.keys)
        assert output.selected == "257", "who looks around is left there"
        await seen.press("f")
        assert output.selected == "300"


async def test_enter_on_a_line_shows_all_of_it_and_v_the_history_the_audit_and_the_plan() -> None:
    async with opened() as seen:
        await seen.on(12)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail) and seen.app.screen._lines)
        await seen.press("home", "enter")
        await seen.until(lambda: type(seen.app.screen).__name__ == "LogDetail")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.press("v")
        await seen.says("ops_rw confirmed it")
        await seen.press("v")
        await seen.says("908", "started")
        await seen.press("v")
        await seen.says("blast radius", "tradex block-ip 203.0.113.7")
        await seen.press("v")
        await seen.says("INSERT INTO blocked_ips")


async def test_a_long_plan_is_read_to_its_end_by_whoever_approves_it_or_looks_closer() -> None:
    steps = tuple(PlannedStep(f"s{i}", f"step {i} of many", "platform") for i in range(30))
    plan = replace(actions.BLOCK_PLAN, steps=steps, notes=("mind this",))
    waiting = replace(actions.WAITING, plan=plan)
    async with opened(replace(BOB, actions=(waiting,)), size="80x24") as seen:
        await seen.press("A")
        await seen.until(lambda: isinstance(seen.app.screen, ApproveDialog))
        await seen.says("step 0 of many", "more: down")
        await seen.press(*["pagedown"] * 20)
        await seen.says("mind this", "above: up")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, ActionsScreen))
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.press("v", "v", "v")
        await seen.says("step 0 of many", "more: down", "↑↓ read on")
        await seen.press(*["pagedown"] * 20)
        await seen.says("mind this", "above: up")
        await seen.press("v")
        await seen.until(lambda: "read on" not in shown(seen.app))


async def test_a_long_result_is_counted_and_read_to_its_end() -> None:
    facts = tuple(Fact(f"figure {i}", str(i)) for i in range(9))
    long = replace(actions.ENDED[0], proof=replace(actions.PROOF, facts=facts))
    async with opened(replace(BOB, actions=(long,)), size="80x24") as seen:
        await seen.says("more: enter")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.says("more: tab, down")
        assert "figure 8" not in shown(seen.app)
        words = seen.app.screen.query_one("#action-words")
        while not words.has_focus:
            await seen.press("tab")
        await seen.press(*["down"] * 12)
        await seen.says("figure 8", "above: up")
        assert "more:" not in shown(seen.app)
        await seen.press(*["up"] * 12)
        await seen.says("✓ DONE", "more: down")
    async with opened(replace(BOB, actions=(long,)), size="160x50") as seen:
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        await seen.says("figure 8")
        words = seen.app.screen.query_one("#action-words")
        await seen.until(lambda: not words.can_focus, "where all of it fits")


@pytest.mark.parametrize("size", ["120x40", "160x50"])
async def test_when_a_step_is_due_is_never_cut(size: str) -> None:
    async with opened(size=size) as seen:
        *first, last = seen.app.static.steps[10]
        seen.app.static.steps[10] = (*first, replace(last, due_at=NOW + timedelta(minutes=29)))
        await seen.on(10)
        await seen.says("in 29m")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail) and seen.app.screen._steps)
        await seen.says("in 29m")


async def test_the_detail_decides_too() -> None:
    async with opened() as seen:
        await seen.on(10)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail) and seen.app.screen._steps)
        await seen.says("? unknown", "no answer within 5s", "in 1m")
        await seen.press("C")
        await seen.until(lambda: isinstance(seen.app.screen, ChooseDialog))


# The audit


async def test_v_shows_the_audit_with_its_filter_and_one_entry_whole() -> None:
    async with opened() as seen:
        await seen.press("v")
        await seen.says("refused request", "vera is a viewer", "1 of 6")
        await seen.press("slash", *"action:11", "enter")
        audit = seen.app.screen.query_one("#audit", LiveTable)
        await seen.until(lambda: audit.keys == ["903"])
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AuditDetail))
        await seen.says("the order book is wrong", f"{903:064x}")


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ('{"text": "it runs"}', "it runs"),
        (
            '{"state": "confirmed", "text": "bob confirmed it", "choices": {"positions": "keep"}, "fence": 3}',
            "bob confirmed it; state confirmed, choices (positions keep), fence 3",
        ),
        ('{"layers": ["auth", {"name": "x"}], "typed": true}', "layers (auth, (name x)), typed true"),
        ('{"text": "a release", "cause": "", "undo_of": null, "params": {}, "seq": 0}', "a release; seq 0"),
        ("{}", ""),
        ('"a word"', "a word"),
        ('{"text": "it was c', '{"text": "it was c'),
        ('{"text": "\\u001b]52;c;eA==\\u0007"}', "\u241b]52;c;eA==\u2407"),
    ],
)
def test_an_entry_of_the_audit_is_told_in_words(detail: str, words: str) -> None:
    assert audit_words(detail) == words


@pytest.mark.parametrize(("size", "row"), [("80x24", "block_ip 203.0.113.7  it runs"), ("120x40", "it runs")])
async def test_the_audit_shows_words_and_one_entry_keeps_its_json(size: str, row: str) -> None:
    async with opened(size=size) as seen:
        await seen.press("v")
        await seen.says(row, "1 of 6")
        assert '"text"' not in shown(seen.app)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AuditDetail))
        await seen.says('  "text": "it runs"')


async def test_the_audit_is_read_in_pages_and_new_entries_come_on_top(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions_screen, "_PAGE", 3)
    monkeypatch.setattr(actions_screen, "_NEAR", 1)
    async with opened() as seen:
        await seen.press("v")
        audit = seen.app.screen.query_one("#audit", LiveTable)
        await seen.until(lambda: audit.keys == ["908", "907", "906"])
        await seen.press("down", "down")
        await seen.until(lambda: audit.keys == ["908", "907", "906", "905", "904", "903"])
        new = replace(actions.AUDIT[0], seq=909, verb="step done")
        seen.app.static._audit = (new, *actions.AUDIT)
        seen.app.static.hint("audit")
        await seen.until(lambda: audit.keys[0] == "909")
        assert len(audit.keys) == 7
        await seen.press("escape")
        await seen.until(lambda: seen.table.has_focus)


async def test_an_audit_that_can_not_be_read_is_asked_for_a_few_times_only() -> None:
    async with opened() as seen:
        feed = seen.app.static
        read = feed.audit
        asked = counted(feed, "audit", StoreAway("connection reset"))
        await seen.press("v")
        await seen.says("the audit could not be read: connection reset")
        for _ in range(20):
            await seen.pilot.pause()
        await seen.press("down", "end")
        assert len(asked) == 1
        feed.audit = read  # type: ignore[method-assign]
        feed.hint("audit")
        await seen.says("refused request", "1 of 6")


async def test_a_page_that_can_not_be_read_is_asked_for_again_with_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions_screen, "_PAGE", 3)
    monkeypatch.setattr(actions_screen, "_NEAR", 1)
    async with opened() as seen:
        feed = seen.app.static
        read = feed.audit
        await seen.press("v")
        await seen.says("1 of 3+")
        asked = counted(feed, "audit", StoreAway("connection reset"))
        await seen.press("end")
        await seen.says("the audit could not be read: connection reset")
        for _ in range(20):
            await seen.pilot.pause()
        assert asked == [(906, 3)]
        feed.audit = read  # type: ignore[method-assign]
        await seen.press("end")
        await seen.says("3 of 6+")


async def test_a_filter_that_leaves_nothing_reads_on_with_a_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_screen, "_PAGE", 2)
    async with opened() as seen:
        asked = counted(seen.app.static, "audit")
        await seen.press("v")
        # The cursor is near the end of the first page: the second one is read, too.
        await seen.says("1 of 4+")
        await seen.press("slash", *"action:11", "enter")
        await seen.says("no entry matches of the last 4: down reads on")
        for _ in range(20):
            await seen.pilot.pause()
        assert len(asked) == 2
        await seen.press("down")
        await seen.says("the order book is wrong")
        assert len(asked) >= 3


async def test_what_is_told_meanwhile_is_read_when_somebody_comes_back() -> None:
    async with opened() as seen:
        await seen.on(10)
        await seen.says("? unknown")
        await seen.press("v")
        await seen.says("1 of 6")
        await seen.press("1")
        feed = seen.app.static
        feed._audit = (replace(actions.AUDIT[0], seq=909, verb="step done"), *actions.AUDIT)
        steps = feed.steps[10]
        feed.steps[10] = (*steps[:2], replace(steps[2], state=StepState.FAILED), *steps[3:])
        feed.hint("audit")
        feed.hint("action")
        await seen.press("9")
        await seen.says("step done", "1 of 7")
        await seen.press("v")
        await seen.says("✗ failed    delete")


async def test_steps_that_can_not_be_read_are_said_and_read_again_with_the_next_hint() -> None:
    async with opened() as seen:
        feed = seen.app.static
        read = feed.action_steps
        asked = counted(feed, "action_steps", StoreAway("connection reset"))
        await seen.on(10)
        await seen.says("its steps could not be read: connection reset")
        assert "no step yet" not in shown(seen.app) and len(asked) <= 3
        feed.action_steps = read  # type: ignore[method-assign]
        feed.hint("action")
        await seen.says("? unknown")


async def test_output_is_read_without_all_that_is_known_of_an_action() -> None:
    async with opened() as seen:
        feed = seen.app.static
        await seen.on(12)
        # The list's own reading is over.
        first = seen.app.screen
        assert isinstance(first, ActionsScreen)
        await seen.until(lambda: first._course.of == 12)
        asked = {
            name: counted(feed, name) for name in ("action_steps", "action_changes", "action_output", "audit")
        }
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail) and seen.app.screen._lines)
        detail = seen.app.screen
        assert isinstance(detail, ActionDetail)
        await seen.until(lambda: not (detail._course.busy or detail._written.busy))
        # The output is read until there is no more.
        opening = {"action_steps": 1, "action_changes": 1, "action_output": 2, "audit": 0}
        assert {name: len(each) for name, each in asked.items()} == opening
        feed.hint("output")
        await seen.until(lambda: len(asked["action_output"]) == 3)
        await seen.press("v", "v")
        await seen.says("908", "started")
        assert {name: len(each) for name, each in asked.items()} == opening | {"action_output": 3, "audit": 1}


async def test_an_entry_is_copied_as_a_line_of_json() -> None:
    async with opened() as seen:
        await seen.press("v")
        await seen.says("1 of 6")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AuditDetail) and seen.app.screen.focused)
        await seen.press("y")
        await seen.says("clipboard")
        entry = json.loads(seen.app.clipboard)
        assert (entry["seq"], entry["verb"], entry["at"][-1]) == (908, "started", "Z")


# The banner


async def banner(app: QuietApp) -> str:
    return rows(app)[0]


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_banner_shows_what_runs_and_what_waits_for_this_person(size: str) -> None:
    async with opened(size=size) as seen:
        line = await banner(seen.app)
        assert "► block-ip" in line and "1/2" in line
        assert "◔ 1" in line and "! 1" in line
    async with opened(actions.live(), size=size) as seen:
        assert "◔" not in await banner(seen.app), "a responder has nothing to approve"


@pytest.mark.parametrize(
    ("size", "kinds", "words"),
    [
        ("80x24", (), ("PROD ", "GLASS", "frozen")),
        ("120x40", ("maintenance_on", "enhanced_monitoring_on"), ("MAINTENANCE 12m", "◈ 1", "GLASS")),
        ("160x50", ("maintenance_on", "enhanced_monitoring_on"), ("BREAK GLASS nora.k 03:32", "frozen")),
    ],
)
async def test_under_pressure_names_of_what_goes_on_leave_the_banner_before_who_one_is(
    size: str, kinds: Sequence[str], words: Sequence[str]
) -> None:
    base = actions.emergency()
    more = [in_force(kind, 12) for kind in kinds]
    async with opened(replace(base, effects=(*base.effects, *more)), size=size) as seen:
        line = await banner(seen.app)
        for part in (*words, "bob", "3s", "◔ 1", "! 1", "► ", "1/2", "■ 2"):
            assert part in line, (part, line)
        assert "until" not in line and "enhanced monitoring" not in line


def in_force(kind: str, minutes: int, **more: Any) -> Effect:
    """What is in force for the whole platform since so many minutes."""
    return replace(
        actions.EFFECTS[0],
        id=60 + minutes,
        kind=kind,
        target="",
        since=NOW - timedelta(minutes=minutes),
        **more,
    )


@pytest.mark.parametrize("number", ["1", "2", "4", "8", "9"])
@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_maintenance_is_loud_on_every_screen_while_it_is_in_force(size: str, number: str) -> None:
    base = actions.emergency()
    on = in_force("maintenance_on", 12)
    async with opened(replace(base, effects=(*base.effects, on)), size=size) as seen:
        await seen.press(number)
        await seen.says("MAINTENANCE 12m")
        assert " MAINTENANCE 12m " in rows(seen.app)[0] and "GLASS" in rows(seen.app)[0]
        seen.app.static.publish(replace(base, effects=(*base.effects, replace(on, lifted_at=NOW))))
        await seen.until(lambda: "MAINTENANCE" not in rows(seen.app)[0])


@pytest.mark.parametrize(
    ("size", "words"), [("80x24", "◈ 2"), ("120x40", "◈ security protocols, enhanced monitoring")]
)
async def test_what_holds_for_the_whole_platform_is_in_the_banner(size: str, words: str) -> None:
    holds = (in_force("security_protocols_on", 3), in_force("enhanced_monitoring_on", 4))
    base = actions.nothing()
    async with opened(replace(base, effects=(*actions.EFFECTS, *holds)), size=size) as seen:
        await seen.until(lambda: words in rows(seen.app)[0])
        seen.app.static.publish(replace(base, effects=actions.EFFECTS))
        await seen.until(lambda: "◈" not in rows(seen.app)[0])


@pytest.mark.parametrize(("size", "words"), [("80x24", "GLASS"), ("120x40", "BREAK GLASS nora.k 03:32")])
async def test_a_broken_glass_is_loud_and_ends_by_itself(size: str, words: str) -> None:
    async with opened(actions.emergency(), size=size) as seen:
        assert words in await banner(seen.app)
        screen = seen.app.screen
        assert isinstance(screen, ActionsScreen)
        screen.query_one(Banner).show(seen.app.static.snapshot, actions.GLASS.ends_at)
        await seen.until(lambda: "GLASS" not in rows(seen.app)[0])
